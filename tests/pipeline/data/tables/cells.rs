//! Tables as spreadsheets and other programs write them.

use std::{fs::write, path::Path};

use crate::films::{data_error, film};
use mtpret_engine::Error;
use mtpret_pipeline::data::{
    Dataset, Format, Kind, Policy, Sample, Source, Uncertain, finding, recognise,
};
use tempfile::TempDir;

/// Eight films, `f0.png` to `f7.png`, with a table of this name.
fn folder(name: &str, table: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    (0..8).for_each(|at| film(&dir.path().join(format!("f{at}.png")), at));
    write(dir.path().join(name), table).unwrap();
    dir
}

/// A table of a path and a label for each of the eight films.
fn table(labels: [&str; 8]) -> String {
    let rows = labels.iter().enumerate().map(|(at, label)| format!("f{at}.png,{label}\n"));
    format!("path,label\n{}", rows.collect::<String>())
}

fn source(dir: &TempDir, name: &str) -> Source {
    let mut source = Source::new("t", Format::Csv, dir.path());
    source.table = Some(name.into());
    source.label_columns = vec!["label".into()];
    (source.val_share, source.test_share) = (0.0, 0.0);
    source
}

fn targets(dataset: &Dataset) -> Vec<&[f32]> {
    dataset.train.iter().map(|film| film.target.labels()).collect()
}

#[test]
fn cells_stand_between_commas_semicolons_tabs_or_bars() {
    let comma = table(["x", "y", "x", "y", "x", "y", "x", "y"]);
    let with = |separator: &str| comma.replace(',', separator);
    for (name, text) in [
        ("t.csv", comma.clone()),
        ("t.csv", with(";")),
        ("t.csv", with("\t")),
        ("t.tsv", with("\t")),
        ("T.CSV", with("|")),
        ("t.csv", format!("sep=;\r\n{}", with(";"))),
        ("t.csv", format!("\u{feff}{}", with(";").replace('\n', "\r\n"))),
        // What separates nothing stands in cells.
        ("t.csv", with(";").replace("f3.png;y", "\"f3.png\";\"y\"")),
    ] {
        let dir = folder(name, &text);
        let set = source(&dir, name).read().unwrap();
        assert_eq!((set.labels.names.join(" "), set.train.len()), ("x y".into(), 8), "{text}");
    }
    for (text, names) in [
        // Commas as points and between words, in a table of semicolons.
        (with(";").replace(";x", ";1,5"), ["1,5", "y"]),
        (comma.replace(",x", ",a;b").replace(",y", ",c|d"), ["a;b", "c|d"]),
        (comma.replace(",x", ",\"a, b\""), ["a, b", "y"]),
    ] {
        let dir = folder("t.csv", &text);
        assert_eq!(source(&dir, "t.csv").read().unwrap().labels.names, names, "{text}");
    }
    let dir = folder("t.csv", &format!("sep=;\n{}", with(";").replace("f4.png;x", "f4.png;x;x")));
    let error = data_error(source(&dir, "t.csv").read(), dir.path());
    assert!(error.starts_with("t.csv:7: expected 2 cells as in the header, found 3"), "{error}");
    let dir = folder(
        "t.csv",
        &comma
            .replace("path,label", "path,label,label")
            .replace(",x", ",x,x")
            .replace(",y", ",y,y"),
    );
    let error = data_error(source(&dir, "t.csv").read(), dir.path());
    assert!(error.starts_with("t.csv:1: expected one column label, found several"), "{error}");
}

#[test]
fn minus_one_in_a_single_finding_needs_a_word_as_in_several() {
    for (zero, one, doubt) in [("0", "1", "-1"), ("0.0", "1.0", "-1.0"), ("", "1", "-1")] {
        let dir = folder("t.csv", &table([zero, one, doubt, zero, one, "", zero, one]));
        let mut source = source(&dir, "t.csv");
        let error = data_error(source.read(), dir.path());
        let wanted = format!(
            "t.csv:4: expected 0, 1 or blank for label, found \"{doubt}\"; say in uncertain"
        );
        assert!(error.starts_with(&wanted), "{error}");
        source.uncertain = Uncertain::All(Policy::Ones);
        let set = source.read().unwrap();
        assert_eq!((set.labels.kind, targets(&set)[2]), (Kind::Multi, &[1.0][..]));
    }
    // Where they are classes, the classes are named, or there are others.
    let dir = folder("t.csv", &table(["0", "1", "-1", "2", "0", "1", "-1", "2"]));
    assert_eq!(source(&dir, "t.csv").read().unwrap().labels.names, ["-1", "0", "1", "2"]);
}

#[test]
fn words_for_a_missing_label_are_no_classes() {
    let words = ["N/A", "x", "None", "y", "null", "x", "NaN", ""];
    let dir = folder("t.csv", &table(words));
    let mut source = source(&dir, "t.csv");
    let set = source.read().unwrap();
    assert_eq!(
        (set.labels.names, set.train.len(), set.unlabelled),
        (vec!["x".into(), "y".into()], 3, 5)
    );
    source.missing_labels = Some(vec!["n/a".into()]);
    let set = source.read().unwrap();
    assert_eq!((set.labels.names.join(" "), set.unlabelled), ("None null x y".into(), 3));
    source.missing_labels = None;
    source.classes =
        ["None", "x"].map(|name| mtpret_pipeline::data::Class::new(name, &[])).to_vec();
    assert_eq!(targets(&source.read().unwrap()), [[1.0], [0.0], [1.0]]);
    let dir = folder("t.csv", &table(["1", "N/A", "0", "none", "1", "0", "1", ""]));
    let mut source = self::source(&dir, "t.csv");
    let set = source.read().unwrap();
    let unknown = |film: &Sample| film.target.labels()[0].is_nan();
    assert_eq!(
        (set.labels.kind, set.train.iter().filter(|f| unknown(f)).count()),
        (Kind::Multi, 3)
    );
    source.blank_is_absent = true;
    assert_eq!(source.read().unwrap().train.iter().filter(|f| unknown(f)).count(), 2);
    assert!(finding("N/A").is_some_and(f32::is_nan) && finding("?").is_none());
}

#[test]
fn several_findings_in_a_cell_are_findings() {
    let labels = ["A", "A|B", "No Finding", "", "B | A", "C", "no finding", "A"];
    let dir = folder("t.csv", &table(labels));
    let mut source = source(&dir, "t.csv");
    source.label_separator = Some("|".into());
    let set = source.read().unwrap();
    assert_eq!((set.labels.kind, set.labels.names.join(" ")), (Kind::Multi, "A B C".into()));
    let one = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0; 3], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    assert_eq!(
        (targets(&set)[..5].to_vec(), set.unlabelled),
        (one.iter().map(|t| &t[..]).collect(), 1)
    );
    source.label_columns.push("path".into());
    assert!(matches!(source.read(), Err(Error::Config { .. })));
}

/// What the one set in a folder is, with its labels.
fn detected(folder: &Path) -> (String, Kind, String) {
    let found = recognise(folder).unwrap();
    let [one] = &found[..] else { panic!("expected one set") };
    assert!(!one.what.contains('\n'), "{}", one.what);
    let set = one.source.read().unwrap();
    (one.what.clone(), set.labels.kind, set.labels.names.join("; "))
}

#[test]
fn a_table_is_found_whatever_separates_its_cells_and_its_words() {
    let plain = table(["x", "y", "x", "y", "x", "y", "x", "y"]);
    for (name, text, kind, labels) in [
        ("t.csv", plain.replace(',', ";"), Kind::Classes, "x; y"),
        ("t.tsv", plain.replace(',', "\t"), Kind::Classes, "x; y"),
        ("T.CSV", plain.clone(), Kind::Classes, "x; y"),
        ("t.csv", plain.replace(",y", ",\"x, left\""), Kind::Classes, "x; x, left"),
        ("t.csv", plain.replace(",y", ",x/left"), Kind::Classes, "x; x/left"),
        ("t.csv", plain.replace(",y", ",x|left"), Kind::Multi, "left; x"),
        ("t.csv", plain.replace(",y", ",x;left"), Kind::Multi, "left; x"),
        ("t.csv", plain.replace(",y", ",a;b"), Kind::Classes, "a;b; x"),
        ("t.csv", plain.replace(",y", ",None"), Kind::Classes, "None; x"),
        ("t.csv", table(["x", "y", "N/A", "y", "x", "y", "x", "y"]), Kind::Classes, "x; y"),
        ("t.csv", table(["1", "0", "N/A", "0", "-1", "0", "1", "0"]), Kind::Multi, "label"),
    ] {
        let dir = folder(name, &text);
        let (what, found, names) = detected(dir.path());
        assert_eq!((found, &names[..]), (kind, labels), "{what}\n{text}");
        assert!(what.starts_with(&format!("a table, {name}: ")), "{what}");
    }
}

#[test]
fn a_table_that_is_not_used_says_why() {
    let plain = table(["x", "y", "x", "y", "x", "y", "x", "y"]);
    let latin = plain.replace(",y", ",ä").chars().map(|c| c as u8).collect::<Vec<_>>();
    let dir = folder("t.csv", "");
    for (bytes, why) in [
        (latin, "found the byte 0xe4"),
        (b"a,b\n1\n".to_vec(), "expected 2 cells as in the header, found 1"),
        (plain.replace("f", "g").into_bytes(), "no column of it names films that lie here"),
    ] {
        write(dir.path().join("t.csv"), bytes).unwrap();
        let (what, kind, _) = detected(dir.path());
        assert!(what.contains("; not by t.csv: ") && what.contains(why), "{what}");
        assert_eq!(kind, Kind::None, "{what}");
    }
}
