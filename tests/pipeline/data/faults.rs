//! Faults of data sets: each is an error that says what is wrong, and how to mend it.

use std::{
    fs::{create_dir_all, write},
    path::Path,
};

use super::reading::nih_folder;
use crate::films::{data_error, film};
use mtpret_engine::Error;
use mtpret_pipeline::data::{Format, Source, Split};

/// The message about folder-per-class films of these names.
fn folder_error(films: &[&str], empty: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    films.iter().for_each(|name| film(&dir.path().join(name), 1));
    empty.iter().for_each(|name| create_dir_all(dir.path().join(name)).unwrap());
    data_error(Source::new("faulty", Format::Folder, dir.path()).read(), dir.path())
}

/// The message about a table beside the films `a.png` and `b.png`.
fn table_error(table: &str, change: impl Fn(&mut Source)) -> String {
    let dir = tempfile::tempdir().unwrap();
    ["a.png", "b.png"].iter().for_each(|name| film(&dir.path().join(name), 1));
    write(dir.path().join("t.csv"), table).unwrap();
    let mut source = Source::new("faulty", Format::Csv, dir.path());
    source.table = Some("t.csv".into());
    change(&mut source);
    data_error(source.read(), dir.path())
}

fn nih_error(change: impl Fn(&Path, &mut Source)) -> String {
    let dir = nih_folder();
    let mut source = Source::new("faulty", Format::Nih, dir.path());
    change(dir.path(), &mut source);
    data_error(source.read(), dir.path())
}

#[test]
fn a_missing_folder_is_an_error() {
    let error = data_error(Source::new("k", Format::Folder, "no/where").read(), Path::new("."));
    assert_eq!(
        error,
        "no/where: expected the folder of data set k, found none; correct root, or download the \
         data set there"
    );
}

#[test]
fn an_empty_class_is_an_error() {
    assert_eq!(
        folder_error(&["train/A/1.png", "val/A/2.png", "val/B/3.png"], &["train/B"]),
        "train/B: expected films of this class (jpg, jpeg, png, bmp, tif, tiff, dcm, dicom), found none; \
         add films, or remove the folder"
    );
    let absent = folder_error(&["train/A/1.png", "val/A/2.png", "val/B/3.png"], &[]);
    assert!(absent.contains("expected films of class B for training, found none"), "{absent}");
}

#[test]
fn a_folder_without_classes_is_an_error() {
    let loose = folder_error(&["1.png", "2.png"], &[]);
    assert!(loose.contains("expected a folder per class, found 2 films"), "{loose}");
    let lone = folder_error(&["A/1.png"], &[]);
    assert!(lone.contains("expected two class folders or more, found [\"A\"]"), "{lone}");
    let none = folder_error(&[], &[]);
    assert!(none.contains("expected two class folders or more, found []"), "{none}");
}

#[test]
fn a_patient_in_two_parts_is_an_error_with_two_ways_out() {
    let films = ["train/A/person1_virus_1.png", "train/B/x.png", "test/A/person1_virus_2.png"];
    let error = folder_error(&films, &[]);
    assert_eq!(
        error,
        "train/A/person1_virus_1.png: expected patient person1 in one part, found it in train here and in test at \
         test/A/person1_virus_2.png; set split = \"patient\" to divide again by patient, or \
         split = \"unchecked\" to keep the division as it is"
    );
    let table = "path,who,part\na.png,p,train\nb.png,p,val\n";
    let error = table_error(table, |source| {
        source.patient_column = Some("who".into());
        source.split_column = Some("part".into());
    });
    let place = "t.csv:3: expected patient p in one part, found it in val here and in train at t.csv:2; set split";
    assert!(error.starts_with(place), "{error}");
}

#[test]
fn either_way_out_of_a_shared_patient_works() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["train/A/person1_1.png", "train/B/x.png", "test/A/person1_2.png"] {
        film(&dir.path().join(name), 1);
    }
    let mut source = Source::new("k", Format::Folder, dir.path());
    source.split = Split::Unchecked;
    let kept = source.read().unwrap();
    assert_eq!((kept.train.len(), kept.test.len()), (2, 1));
    source.split = Split::Patient;
    let moved = source.read().unwrap();
    assert_eq!((moved.train.len(), moved.test.len()), (3, 0));
}

#[test]
fn an_unknown_column_is_answered_with_the_nearest() {
    let error = table_error("path,Label,patient\na.png,x,1\n", |source| {
        source.label_columns = vec!["lable".into()];
    });
    assert_eq!(
        error,
        "t.csv:1: expected a column lable, found path, Label, patient; did you mean Label?"
    );
}

#[test]
fn a_label_that_cannot_be_read_is_an_error() {
    let two = |source: &mut Source| source.label_columns = vec!["x".into(), "y".into()];
    assert_eq!(
        table_error("path,x,y\na.png,1,0\nb.png,0,-1\n", two),
        "t.csv:3: expected 0, 1 or blank for y, found \"-1\"; say in uncertain what -1 counts as, or in classes which \
         classes the words are"
    );
    let one = |source: &mut Source| source.label_columns = vec!["x".into()];
    let mixed = table_error("path,x\na.png,1\nb.png,sick\n", one);
    let expected = "t.csv:3: expected a whole number for x as in the rows above, found \"sick\"";
    assert!(mixed.starts_with(expected), "{mixed}");
    let lone = table_error("path,x\na.png,sick\nb.png,sick\n", one);
    assert!(lone.starts_with("t.csv:1: expected two classes or more in x"), "{lone}");
}

#[test]
fn a_path_out_of_the_root_is_an_error() {
    for path in ["../a.png", "/etc/passwd", "C:\\a.png", "x/../../a.png", "\"\""] {
        let error = table_error(&format!("path,z\na.png,1\n{path},1\n"), |_| {});
        assert!(error.starts_with("t.csv:3: expected a path below "), "{path}: {error}");
    }
}

#[test]
fn a_film_missing_or_listed_twice_is_an_error() {
    let gone = table_error("path\na.png\nc.png\n", |_| {});
    assert!(gone.starts_with("t.csv:3: expected the film c.png below "), "{gone}");
    let twice = table_error("path\na.png\nb.png\n./a.png\n", |_| {});
    assert!(twice.starts_with("t.csv:4: expected each film once"), "{twice}");
    assert!(twice.contains("here and at t.csv:2"), "{twice}");
}

#[test]
fn a_broken_table_is_an_error() {
    let ragged = table_error("path,x\na.png\n", |_| {});
    assert!(ragged.starts_with("t.csv:2: expected 2 cells as in the header, found 1"), "{ragged}");
    let empty = table_error("path\n", |_| {});
    assert!(empty.contains("expected films"), "{empty}");
    let part = table_error("path,part\na.png,trian\n", |source| {
        source.split_column = Some("part".into());
    });
    assert!(part.starts_with("t.csv:2: expected train, val or test, found \"trian\""), "{part}");
    let nobody = table_error("path,who\na.png,\n", |source| {
        source.patient_column = Some("who".into());
    });
    assert!(nobody.starts_with("t.csv:2: expected a patient"), "{nobody}");
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::new("k", Format::Csv, dir.path());
    source.table = Some("gone.csv".into());
    assert!(matches!(source.read(), Err(Error::Io { .. })));
}

#[test]
fn nihs_table_is_checked() {
    let table = |root: &Path, from: &str, to: &str| {
        let path = root.join("Data_Entry_2017_v2020.csv");
        let text = std::fs::read_to_string(&path).unwrap().replace(from, to);
        write(path, text).unwrap();
    };
    let label = nih_error(|root, _| table(root, "Hernia", "Hernai"));
    let expected = "Data_Entry_2017_v2020.csv:3: expected findings of ChestX-ray14 or No Finding, \
         found \"Hernai\"; did you mean Hernia?";
    assert_eq!(label, expected);
    let header = nih_error(|root, _| table(root, "Patient ID", "Patient"));
    assert!(header.contains("csv:1: expected column 4 to be Patient ID"), "{header}");
    let short = nih_error(|root, _| {
        write(
            root.join("Data_Entry_2017_v2020.csv"),
            "Image Index,Finding Labels,x,Patient ID\na\n",
        )
        .unwrap();
    });
    assert!(short.contains("csv:2: expected 11 cells or more, found 1"), "{short}");
    let climbs = nih_error(|root, _| table(root, "00000002_000.png", "../x.png"));
    assert!(climbs.contains("csv:4: expected the bare name of an image"), "{climbs}");
    let none = nih_error(|root, _| {
        std::fs::remove_dir_all(root.join("images_001")).unwrap();
        std::fs::remove_dir_all(root.join("images_002")).unwrap();
    });
    assert!(none.contains("expected images that Data_Entry_2017_v2020.csv lists, found none"));
    let two = nih_error(|root, _| write(root.join("Data_Entry_2.csv"), "").unwrap());
    assert!(two.contains("expected one table Data_Entry*.csv, found 2"), "{two}");
}

#[test]
fn nihs_lists_are_checked() {
    let neither = nih_error(|root, _| {
        write(root.join("train_val_list.txt"), "00000001_000.png\n").unwrap();
        write(root.join("test_list.txt"), "00000002_000.png").unwrap();
    });
    let expected = "Data_Entry_2017_v2020.csv:3: expected 00000001_001.png in train_val_list.txt \
         or test_list.txt, found it in neither";
    assert!(neither.starts_with(expected), "{neither}");
}

#[test]
fn settings_that_contradict_one_another_are_errors() {
    let dir = nih_folder();
    let wrong = |format: Format, change: fn(&mut Source)| {
        let mut source = Source::new("k", format, dir.path());
        change(&mut source);
        match source.read() {
            Err(e @ Error::Config { .. }) => e.to_string(),
            other => panic!("expected a configuration error, got {other:?}"),
        }
    };
    let share = wrong(Format::Nih, |s| s.val_share = 1.5);
    assert!(share.starts_with("data set k, val_share: expected a share"), "{share}");
    let sum = wrong(Format::Nih, |s| (s.val_share, s.test_share) = (0.5, 0.5));
    assert!(sum.contains("nothing is left to train"), "{sum}");
    let foreign = wrong(Format::Folder, |s| s.split_column = Some("x".into()));
    assert!(
        foreign.starts_with(
            "data set k, split_column: expected no such key beside format = \"folder\""
        ),
        "{foreign}"
    );
    let table = wrong(Format::Csv, |_| ());
    assert!(
        table.starts_with("data set k, table: expected a table, which the format csv needs"),
        "{table}"
    );
    let finding = wrong(Format::Nih, |s| s.label_columns = vec!["Oedema".into()]);
    assert!(finding.ends_with("did you mean Edema?"), "{finding}");
}
