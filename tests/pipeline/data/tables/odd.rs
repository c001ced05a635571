//! Tables with a cell that is unlike the others, words that mean the same, and lines that end in several ways.

use crate::films::{data_error, film};
use mtpret_pipeline::data::{
    Dataset, Flaw, Format, Kind, RecognisedSet, Roots, Source, Table, recognise,
};
use std::{fs, path::Path};
use tempfile::TempDir;

/// Films `f0.png` … below `at` and a table; what is recognised there.
fn recognised(at: &str, films: usize, table: &str) -> (TempDir, RecognisedSet) {
    let dir = tempfile::tempdir().unwrap();
    (0..films).for_each(|n| film(&dir.path().join(format!("{at}{n}.png")), n as u8 + 1));
    fs::write(dir.path().join("t.csv"), table).unwrap();
    let found = recognise(dir.path()).unwrap().remove(0);
    (dir, found)
}

/// A header, and a row a film in which `cell` says what the other columns have.
fn table(header: &str, films: usize, cell: impl Fn(usize) -> String) -> String {
    let rows = (0..films).map(|n| format!("f{n}.png,{}\n", cell(n)));
    format!("path,{header}\n{}", rows.collect::<String>())
}

fn survey(found: &RecognisedSet) -> (Dataset, Vec<Flaw>) {
    let mut source = found.source.clone();
    source.locate(&Roots::default()).unwrap();
    (source.val_share, source.test_share) = (0.0, 0.0);
    source.survey().unwrap()
}

/// The errors of a set without the folder's name.
fn errors(dir: &TempDir, flaws: &[Flaw]) -> Vec<String> {
    let root = format!("{}/", dir.path().display());
    let stops = flaws.iter().filter(|flaw| flaw.level == mtpret_pipeline::data::Level::Error);
    stops.map(|flaw| flaw.error.to_string().replace(&root, "")).collect()
}

#[test]
fn one_odd_cell_leaves_a_column_what_it_is_and_is_told() {
    let label = |n: usize| ["neg", "pos"][n % 2];
    let patients = table("label,patient", 12, |n| match n {
        3 => format!("{},", label(n)),
        _ => format!("{},p{}", label(n), n / 2),
    });
    let (dir, found) = recognised("f", 12, &patients);
    assert_eq!(found.source.patient_column.as_deref(), Some("patient"), "{}", found.what);
    let told = "in line 5 patient has \"\", which is no patient";
    assert!(found.what.contains(told), "{}", found.what);
    let (set, flaws) = survey(&found);
    assert_eq!((set.train.len(), errors(&dir, &flaws).len()), (11, 1));
    assert!(errors(&dir, &flaws)[0].starts_with("t.csv:5: expected a patient, found a blank"));

    let parts = table("label,split", 12, |n| {
        let part = if n == 4 { "unused" } else { ["train", "train", "test"][n % 3] };
        format!("{},{part}", label(n))
    });
    let (dir, found) = recognised("f", 12, &parts);
    assert_eq!(found.source.split_column.as_deref(), Some("split"), "{}", found.what);
    assert!(found.what.contains("in line 6 split has \"unused\", which is no part"));
    let (set, flaws) = survey(&found);
    assert_eq!((set.train.len(), set.test.len()), (7, 4), "{:?}", errors(&dir, &flaws));

    for (header, rest) in [("A,B", ",0"), ("A", "")] {
        let findings = table(header, 12, |n| match n {
            5 => format!("2{rest}"),
            6 => format!("NaN{rest}"),
            7 => format!("-1{rest}"),
            _ => format!("{}{rest}", n % 2),
        });
        let (dir, found) = recognised("f", 12, &findings);
        assert_eq!(found.source.label_columns[0], "A", "{}", found.what);
        assert!(
            found.what.contains("in line 7 A has \"2\", which is no finding"),
            "{}",
            found.what
        );
        let (set, flaws) = survey(&found);
        assert_eq!((set.labels.kind, set.train.len()), (Kind::Multi, 11));
        assert_eq!(errors(&dir, &flaws).len(), 1);
    }
    // A column of classes may have a rare one, and one of numbers is none of findings.
    let classes = table("class", 12, |n| if n == 4 { "2".into() } else { (n % 2).to_string() });
    assert_eq!(recognised("f", 12, &classes).1.source.classes.len(), 3);
    let ages = table("age", 12, |n| (n % 5).to_string());
    assert!(recognised("f", 12, &ages).1.source.label_columns.is_empty());
}

#[test]
fn a_column_that_may_say_the_parts_is_no_finding_and_is_told() {
    let flagged = table("label,is_test", 12, |n| format!("{},{}", ["a", "b"][n % 2], n % 3 / 2));
    let alone = table("is_test", 12, |n| (n % 3 / 2).to_string());
    for text in [flagged, alone] {
        let (_, found) = recognised("f", 12, &text);
        assert!(found.what.contains("is_test may say the parts"), "{}", found.what);
        assert!(!found.source.label_columns.contains(&"is_test".to_owned()));
    }
}

#[test]
fn names_and_labels_in_other_letters_that_look_the_same_are_one() {
    // "größe" as macOS writes it, and as a table does.
    let [apart, one] = ["gro\u{308}\u{df}e", "gr\u{f6}\u{df}e"];
    for (on_disk, in_table) in [(apart, one), (one, apart)] {
        let rows = (0..8).map(|n| format!("{in_table}{n}.png,{}\n", ["a", "b"][n % 2]));
        let text = format!("path,label\n{}", rows.collect::<String>());
        let (_dir, found) = recognised(on_disk, 8, &text);
        let (set, flaws) = survey(&found);
        assert_eq!((set.train.len(), set.missing), (8, 0), "{}", found.what);
        assert!(flaws.iter().all(|flaw| flaw.level != mtpret_pipeline::data::Level::Error));
    }
    // Folders of films too.
    let (dir, _) = recognised("f", 1, "path,label\n");
    let place = dir.path().join(apart);
    ["a", "b"].iter().for_each(|name| film(&place.join(format!("{name}.png")), 7));
    let text = format!("path,label\n{one}/a.png,x\n{one}/b.png,y\n");
    fs::write(dir.path().join("t.csv"), text).unwrap();
    let source = Source {
        table: Some("t.csv".into()),
        path_column: "path".into(),
        label_columns: vec!["label".into()],
        ..Source::new("set", Format::Csv, dir.path())
    };
    let bare = Source { val_share: 0.0, test_share: 0.0, ..source };
    assert_eq!(bare.read().unwrap().train.len(), 2);
}

/// Classes of a label that is written in several ways, as it is recognised and as a configuration without `classes` reads it.
#[test]
fn labels_that_mean_the_same_are_one_class() {
    for (words, classes) in [
        (["L\u{e4}sion", "La\u{308}sion", "normal"], vec!["L\u{e4}sion", "normal"]),
        (["3", "3.0", "4"], vec!["3", "4"]),
        (["1.0", "2", "2.0"], vec!["1.0", "2"]),
        (["neg", "neg\u{200b}", "pos\u{a0}"], vec!["neg", "pos"]),
    ] {
        let text = table("label", 12, |n| words[n % 3].into());
        let (_dir, found) = recognised("f", 12, &text);
        let (set, _) = survey(&found);
        assert_eq!(set.labels.names, classes, "{words:?}: {}", found.what);
        assert_eq!((set.train.len(), set.unlabelled), (12, 0));
        let plain = Source { classes: Vec::new(), ..found.source.clone() };
        let (set, _) = survey(&RecognisedSet { source: plain, ..found });
        if set.labels.kind == Kind::Classes {
            assert_eq!(set.labels.names.len(), 2, "{words:?}");
            assert_eq!((set.train.len(), set.unlabelled), (12, 0));
        }
    }
}

#[test]
fn a_line_is_told_by_its_number_whichever_way_lines_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    for end in ["\n", "\r\n", "\r"] {
        for (first, before) in [("", 0), ("sep=,", 1)] {
            let lines = [first, "a,b", "1,2", "", "\"x", "y\",3", "4,5"];
            let lines = lines.iter().skip(1 - before);
            fs::write(&path, lines.map(|line| format!("{line}{end}")).collect::<String>()).unwrap();
            let table = Table::read(path.clone(), false).unwrap();
            let told: Vec<u64> = table.rows.iter().map(|(line, _)| line - before as u64).collect();
            assert_eq!(told, [2, 4, 6], "{end:?} {first:?}");
        }
        let text = ["a,b", "1,2", "3", "4,5"].map(|line| format!("{line}{end}")).concat();
        fs::write(&path, text).unwrap();
        let refusal = data_error(Table::read(path.clone(), false), dir.path());
        assert!(refusal.starts_with("t.csv:3: expected 2 cells"), "{end:?}: {refusal}");
    }
}

/// Honest tables have none of this; it is refused before memory is taken for it.
#[test]
fn a_table_of_too_many_columns_or_too_long_a_cell_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        fs::write(dir.path().join("t.csv"), text).unwrap();
        data_error(Table::read(dir.path().join("t.csv"), false), dir.path())
    };
    let columns = refused(&format!("a{}\n", ",c".repeat(20_000)));
    assert!(
        columns.starts_with("t.csv:1: expected at most 10000 columns, found more"),
        "{columns}"
    );
    let cell = refused(&format!("a,b\r\n1,2\r\n3,\"{}\"\r\n", "x".repeat(2 << 20)));
    assert!(cell.starts_with("t.csv:3: expected cells of at most 1048576 bytes"), "{cell}");
    // Quotes that are no quotes, and such in quotes, are cells as any.
    let inches = format!("a,b\n{}", "5\"\",6\n\"7\"\"\",8\n".repeat(60_000));
    fs::write(dir.path().join("t.csv"), inches).unwrap();
    let table = Table::read(dir.path().join("t.csv"), false).unwrap();
    assert_eq!((table.rows.len(), &table.rows[1].1[0][..]), (120_000, "7\""));
}

#[test]
#[cfg(unix)]
fn a_pipe_among_films_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    ["a/0.png", "a/1.png", "b/2.png", "b/3.png"].iter().for_each(|f| film(&dir.path().join(f), 9));
    for name in ["a/pipe.png", "b/bare", "list.csv", "ann.json", "data.yaml"] {
        let made = std::process::Command::new("mkfifo").arg(dir.path().join(name)).status();
        assert!(made.unwrap().success());
    }
    std::os::unix::fs::symlink(dir.path().join("a/pipe.png"), dir.path().join("b/link.png"))
        .unwrap();
    let found = recognise(dir.path()).unwrap();
    assert_eq!(found[0].source.format, Some(Format::Folder));
    assert_eq!(survey(&found[0]).0.train.len(), 4);
    let refusal = Table::read(dir.path().join("list.csv"), false).map(|_| ());
    let refusal = data_error(refusal, dir.path());
    assert!(refusal.contains("expected a file, found a folder, a pipe or a device"), "{refusal}");
    assert!(Path::new("/dev/null").exists());
}
