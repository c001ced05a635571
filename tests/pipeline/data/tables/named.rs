//! Which tables of a folder are read, and what is said of the others and of columns that nobody reads.

use crate::data::divisions::{counts, films, only, text};
use mtpret_pipeline::data::{Dataset, Kind, RecognisedSet};

/// A set of films `images/{part}{n}.png`, and these tables.
fn found(films_of: &[(&str, usize)], tables: &[(&str, String)]) -> (RecognisedSet, Dataset) {
    let dir = tempfile::tempdir().unwrap();
    for (folder, count) in films_of {
        let names: Vec<String> = (0..*count).map(|n| format!("{folder}{n}.png")).collect();
        films(dir.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    }
    tables.iter().for_each(|(name, rows)| text(&dir.path().join(name), rows));
    let (found, set, _) = only(dir.path());
    found.source.read().unwrap();
    (found, set)
}

/// A table of these films with a class each.
fn classes(names: impl IntoIterator<Item = String>) -> String {
    let rows = names.into_iter().enumerate();
    let rows = rows.map(|(at, name)| format!("{name},{}\n", ["neg", "pos"][at % 2]));
    "path,label\n".to_owned() + &rows.collect::<String>()
}

fn numbered(start: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |n| format!("{start}{n}.png"))
}

/// Films and their counts in three parts.
const PARTS: [(&str, usize); 3] = [("train", 6), ("val", 4), ("test", 2)];

#[test]
fn tables_named_by_parts_are_one_division() {
    let films_of = PARTS.map(|(part, count)| (format!("images/{part}"), count));
    let films_of: Vec<(&str, usize)> = films_of.iter().map(|(a, b)| (a.as_str(), *b)).collect();
    for (before, behind) in [("", ""), ("labels_", ""), ("", "_labels"), ("labels/", "")] {
        let tables = PARTS.map(|(part, count)| {
            (format!("{before}{part}{behind}.csv"), classes(numbered(part, count)))
        });
        let tables = tables.each_ref().map(|(name, rows)| (name.as_str(), rows.clone()));
        let (found, set) = found(&films_of, &tables);
        assert_eq!(counts(&set), [6, 4, 2], "{}", found.what);
        let wanted = "6 train, 4 val, 2 test, as its tables say";
        assert!(found.what.contains(wanted), "{}", found.what);
    }
    // Findings of which a part lacks some are the same labels.
    let joined = |rows: &[(&str, &str)]| {
        let rows = rows.iter().map(|(film, found)| format!("{film}.png,{found}\n"));
        "path,finding\n".to_owned() + &rows.collect::<String>()
    };
    let tables = [
        ("train.csv", joined(&[("train0", "a|b"), ("train1", "c"), ("train2", "No Finding")])),
        ("test.csv", joined(&[("test0", "b"), ("test1", "c|d")])),
    ];
    let (_, set) = found(&[("train", 3), ("test", 2)], &tables);
    assert_eq!((counts(&set), set.labels.names.join("")), ([3, 0, 2], "abcd".into()));
    assert_eq!(set.test[1].target.labels(), [0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn tables_of_parts_are_read_in_the_columns_that_they_share_and_folders_divide_one_of_all() {
    let wide = classes(numbered("train", 4)).replace('\n', ",x\n");
    let bare = "path\n".to_owned() + &numbered("test", 4).map(|n| n + "\n").collect::<String>();
    let tables =
        [("train.csv", wide), ("val.csv", classes(numbered("val", 4))), ("test.csv", bare)];
    let all = [("train", 4), ("val", 4), ("test", 4)];
    let (found_, set) = found(&all, &tables);
    assert_eq!(counts(&set), [4, 4, 0], "{}", found_.what);
    assert!(found_.what.contains("not by test.csv: no column"), "{}", found_.what);
    // A table of all films, which lie in folders of parts.
    let names = numbered("a", 4).chain(numbered("b", 4));
    let tables = [("labels.csv", classes(names))];
    let (found_, set) = found(&[("train/a", 4), ("test/b", 4)], &tables);
    assert_eq!(counts(&set), [4, 0, 4]);
    assert!(found_.what.contains("as its folders say"), "{}", found_.what);
}

#[test]
fn tables_in_the_folders_of_parts_are_one_division() {
    let boxes = |count| {
        let rows = (0..count).map(|n| format!("{n}.png,2,2,spot,0,0,1,1\n")).collect::<String>();
        "filename,width,height,class,xmin,ymin,xmax,ymax\n".to_owned() + &rows
    };
    let several = |count| {
        let rows = (0..count).map(|n| format!("{n}.png, {}, {}\n", n % 2, 1 - n % 2));
        "filename, neg, pos\n".to_owned() + &rows.collect::<String>()
    };
    type Table<'a> = (&'a str, &'a dyn Fn(usize) -> String, Kind);
    let kinds: [Table; 3] = [
        ("_annotations.csv", &boxes, Kind::Boxes),
        ("_classes.csv", &several, Kind::Multi),
        ("labels.csv", &|count| classes(numbered("", count)), Kind::Classes),
    ];
    for (name, table, kind) in kinds {
        // The films of all parts are called alike.
        let films_of = PARTS.map(|(part, count)| (format!("{part}/"), count));
        let films_of = films_of.each_ref().map(|(a, b)| (a.as_str(), *b));
        let tables = PARTS.map(|(part, count)| (format!("{part}/{name}"), table(count)));
        let tables = tables.each_ref().map(|(name, rows)| (name.as_str(), rows.clone()));
        let (found, set) = found(&films_of, &tables);
        assert_eq!((counts(&set), set.labels.kind), ([6, 4, 2], kind), "{}", found.what);
        assert!(found.what.contains("as its tables say"), "{}", found.what);
        assert!(set.test[0].path.parent().unwrap().ends_with("test"));
    }
}

#[test]
fn run_length_codes_of_parts_count_alike_and_are_one_division() {
    // Only the first table tells how runs are counted.
    let codes = |part: &str, cells: &[&str]| {
        let rows = cells.iter().enumerate().map(|(n, cell)| format!("{part}{n},{cell}\n"));
        "ImageId,EncodedPixels\n".to_owned() + &rows.collect::<String>()
    };
    let tables = [
        ("train.csv", codes("train", &["2 1 0 1", "1 1", "-1"])),
        ("test.csv", codes("test", &["1 1"])),
    ];
    let (found, set) = found(&[("train", 3), ("test", 1)], &tables);
    assert_eq!((counts(&set), set.labels.kind), ([3, 0, 1], Kind::Mask), "{}", found.what);
}

#[test]
fn tables_with_labels_come_first_and_the_others_are_named() {
    let submission = classes(numbered("u", 4));
    let without = "path\n".to_owned() + &numbered("u", 4).map(|n| n + "\n").collect::<String>();
    let (found_, set) = found(
        &[("train/t", 6), ("test/u", 4)],
        &[
            ("sample_submission.csv", submission),
            ("test.csv", without),
            ("train.csv", classes(numbered("t", 6))),
        ],
    );
    let what = &found_.what;
    assert!(what.starts_with("a table, train.csv: classes neg, pos"), "{what}");
    assert_eq!(counts(&set), [6, 0, 0]);
    for words in ["sample_submission.csv: it is called", "test.csv: no column", "4 in test"] {
        assert!(what.contains(words), "{what}");
    }
    let notes = "path,comment\nf0.png,x\nf1.png,x\n";
    let tables = [("a_notes.csv", notes.into()), ("t.csv", classes(numbered("f", 4)))];
    let (found_, set) = found(&[("f", 4)], &tables);
    assert_eq!(set.labels.kind, Kind::Classes, "{}", found_.what);
    assert!(found_.what.contains("not by a_notes.csv"), "{}", found_.what);
}

#[test]
fn class_folders_come_before_tables_without_labels_and_both_are_said() {
    let rows: String =
        (0..4).map(|n| format!("n{n}.png,4{n},{},P{n}\n", ["M", "F"][n % 2])).collect();
    let meta = "filename,age,sex,patient\n".to_owned() + &rows;
    let (found_, set) = found(&[("neg/n", 4), ("pos/p", 4)], &[("metadata.csv", meta)]);
    assert_eq!((set.labels.kind, counts(&set)), (Kind::Classes, [8, 0, 0]), "{}", found_.what);
    for words in
        ["not by metadata.csv", "sex (F, M …)", "the patients of its column patient are not used"]
    {
        assert!(found_.what.contains(words), "{}", found_.what);
    }
    // So is a division that stands in such a table, in its name or in a column of folds.
    let rows: String = (0..4).map(|n| format!("n{n}.png,{}\n", ["train", "test"][n % 2])).collect();
    let (found_, _) = found(
        &[("neg/n", 4), ("pos/p", 4)],
        &[("parts.csv", "filename,split\n".to_owned() + &rows), ("docs/readme.txt", "x".into())],
    );
    assert!(found_.what.contains("the parts of its column split are not used"), "{}", found_.what);
    let list = "path\n".to_owned() + &numbered("f", 2).map(|n| n + "\n").collect::<String>();
    let tables = [("labels.csv", classes(numbered("f", 4))), ("train.csv", list)];
    let (found_, _) = found(&[("f", 4)], &tables);
    assert!(found_.what.contains("the part that its name says is not used"), "{}", found_.what);
    let folds = classes(numbered("f", 4)).replace('\n', ",0\n").replacen(",0", ",fold", 1);
    let (found_, _) = found(&[("f", 4)], &[("labels.csv", folds)]);
    assert!(found_.what.contains("the column fold says no train"), "{}", found_.what);
    // A table that cannot be used is named beside the folders that are.
    let table = classes(numbered("f", 4));
    let (found_, set) = found(&[("a/f", 4), ("b/f", 4)], &[("t.csv", table)]);
    assert_eq!(set.labels.names, ["a", "b"]);
    assert!(found_.what.contains("not by t.csv") && found_.what.contains("expected one film"));
}

#[test]
fn columns_that_may_be_labels_are_used_or_named() {
    let table = |name: &str, cells: &[&str]| {
        let rows = (0..8).map(|n| format!("f{n}.png,{}\n", cells[n % cells.len()]));
        format!("path,{name}\n") + &rows.collect::<String>()
    };
    for (name, cells, names) in [
        ("diag", &["neg", "pos"][..], ["neg", "pos"]),
        ("pneumonia", &["False", "True"], ["False", "True"]),
        ("pneumonia", &["Y", "N", "y", "Y"], ["N", "Y"]),
        ("label", &["pos", "Pos", "pos", "neg"], ["neg", "pos"]),
    ] {
        let (found, set) = found(&[("f", 8)], &[("t.csv", table(name, cells))]);
        assert_eq!(set.labels.names, names, "{}", found.what);
        assert_eq!(set.unlabelled, 0, "{}", found.what);
        assert_eq!(found.what.contains("counts as"), cells.len() > 2, "{}", found.what);
    }
    for (name, cells, words) in [
        ("class", &["n"][..], "the column class says n of all films"),
        ("bbox", &["\"[1, 1, 2, 2]\"", "\"[0, 0, 1, 1]\""], "the column bbox holds marks"),
        ("stage", &["early", "late"], "the column stage (early, late …) may hold classes"),
        ("EncodedPixels", &["1 1", "-1"], "found both do; set rle"),
        ("EncodedPixels", &["1 1 9999 1", "-1"], "t.csv:2: expected runs of some length"),
        ("EncodedPixels", &["1 0 1 0", "-1"], "t.csv:2: expected runs of some length"),
    ] {
        let (found, set) = found(&[("f", 8)], &[("t.csv", table(name, cells))]);
        assert_eq!(set.labels.kind, Kind::None);
        assert!(found.what.contains(words), "{}", found.what);
        assert!(!found.what.contains("without labels"), "{}", found.what);
    }
    let (found, _) = found(&[("f", 8)], &[("t.csv", table("note", &["x"]))]);
    assert!(found.what.contains("films without labels, for no column"), "{}", found.what);
}
