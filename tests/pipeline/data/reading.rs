//! Readers of folders and tables: labels, patients and parts.

use std::{fs::write, path::Path};

use crate::films::{film, shared_patients};
use mtpret_pipeline::data::{Dataset, Format, Kind, NIH_LABELS, Sample, Source, Split};
use tempfile::TempDir;

/// A temporary folder with films of these names.
fn folder(films: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    films.iter().enumerate().for_each(|(i, name)| film(&dir.path().join(name), i as u8));
    dir
}

fn names(part: &[Sample], root: &Path) -> Vec<String> {
    let relative = |s: &Sample| s.path.strip_prefix(root).unwrap().display().to_string();
    part.iter().map(relative).collect()
}

/// A CSV source that puts every film into training.
fn csv(dir: &TempDir, table: &str) -> Source {
    write(dir.path().join("t.csv"), table).unwrap();
    let mut source = Source::new("csv", Format::Csv, dir.path());
    source.table = Some("t.csv".into());
    (source.val_share, source.test_share) = (0.0, 0.0);
    source
}

fn targets(dataset: &Dataset) -> Vec<Vec<f32>> {
    dataset.train.iter().map(|s| s.target.labels().to_vec()).collect()
}

#[test]
fn a_source_in_toml_needs_three_keys_and_refuses_unknown_ones() {
    let text = "name = \"a\"\nformat = \"folder\"\nroot = \"films\"";
    let source: Source = toml::from_str(text).unwrap();
    assert_eq!(source, Source::new("a", Format::Folder, "films"));
    assert_eq!(toml::from_str::<Source>(&toml::to_string(&source).unwrap()).unwrap(), source);
    let error = toml::from_str::<Source>(&format!("{text}\nval_shar = 0.1")).unwrap_err();
    assert!(error.to_string().contains("val_shar"), "{error}");
}

#[test]
fn kermanys_layout_is_read_with_its_quirks() {
    let dir = folder(&[
        "chest_xray/train/NORMAL/IM-0115-0001.jpeg",
        "chest_xray/train/PNEUMONIA/person12_bacteria_3.JPEG",
        "chest_xray/val/NORMAL/NORMAL2-IM-0604-0001.jpeg",
        "chest_xray/val/PNEUMONIA/person13_virus_4.jpeg",
        "chest_xray/test/NORMAL/IM-0001-0001.jpeg",
        "chest_xray/test/PNEUMONIA/person14_virus_5.jpeg",
        "chest_xray/train/NORMAL/._IM-0115-0001.jpeg",
        "chest_xray/chest_xray/train/NORMAL/IM-0115-0001.jpeg",
        "chest_xray/__MACOSX/train/NORMAL/IM-0115-0001.jpeg",
        "__MACOSX/chest_xray/._train.jpeg",
    ]);
    write(dir.path().join("chest_xray/train/NORMAL/.DS_Store"), "x").unwrap();
    write(dir.path().join("chest_xray/train/NORMAL/Thumbs.db"), "x").unwrap();
    let dataset = Source::new("kermany", Format::Folder, dir.path()).read().unwrap();
    assert_eq!(dataset.labels.kind, Kind::Classes);
    assert_eq!(dataset.labels.names, ["NORMAL", "PNEUMONIA"]);
    assert_eq!(
        names(&dataset.train, dir.path()),
        [
            "chest_xray/train/NORMAL/IM-0115-0001.jpeg",
            "chest_xray/train/PNEUMONIA/person12_bacteria_3.JPEG"
        ]
    );
    assert_eq!(dataset.train[1].patient, "person12");
    assert_eq!(dataset.val[0].patient, "NORMAL2-IM-0604");
    assert_eq!(
        (dataset.train[0].target.labels()[0], dataset.train[1].target.labels()[0]),
        (0.0, 1.0)
    );
    assert_eq!((dataset.val.len(), dataset.test.len()), (2, 2));
}

#[test]
fn a_folder_without_parts_is_divided_by_patient_and_balanced_by_class() {
    let films: Vec<String> = (0..100)
        .flat_map(|p| (0..2).map(move |i| format!("{}/person{p}_virus_{i}.png", ["A", "B"][p % 2])))
        .collect();
    let dir = folder(&films.iter().map(String::as_str).collect::<Vec<_>>());
    let mut source = Source::new("split", Format::Folder, dir.path());
    let dataset = source.read().unwrap();
    assert_eq!([&dataset.train, &dataset.val, &dataset.test].map(Vec::len), [140, 20, 40]);
    assert_eq!(shared_patients(&dataset), [""; 0]);
    for (part, of_each) in [(&dataset.train, 70), (&dataset.val, 10), (&dataset.test, 20)] {
        assert_eq!(part.iter().filter(|s| s.target.labels() == [0.0]).count(), of_each);
    }
    let again = source.read().unwrap();
    assert_eq!(dataset.test, again.test);
    source.seed = 1;
    assert_ne!(source.read().unwrap().test, again.test);
}

#[test]
fn a_part_that_is_not_given_comes_out_of_training() {
    let mut films: Vec<String> =
        (0..20).map(|i| format!("train/{}/{i}.png", ["A", "B"][i % 2])).collect();
    films.extend(["test/A/x.png".into(), "test/B/y.png".into()]);
    let dir = folder(&films.iter().map(String::as_str).collect::<Vec<_>>());
    let mut source = Source::new("no val", Format::Folder, dir.path());
    let dataset = source.read().unwrap();
    assert_eq!([&dataset.train, &dataset.val, &dataset.test].map(Vec::len), [18, 2, 2]);
    source.val_share = 0.0;
    assert_eq!(source.read().unwrap().val, []);
}

#[test]
fn a_folder_without_labels_yields_every_film_below_it() {
    let dir = folder(&["1.png", "deep/er/2.TIF", "labels/3.bmp"]);
    write(dir.path().join("labels/3.txt"), "0 0 0").unwrap();
    let mut source = Source::new("ssl", Format::Folder, dir.path());
    source.labelled = false;
    (source.val_share, source.test_share) = (0.0, 0.0);
    let dataset = source.read().unwrap();
    assert_eq!(dataset.labels.kind, Kind::None);
    assert_eq!(names(&dataset.train, dir.path()), ["1.png", "deep/er/2.TIF", "labels/3.bmp"]);
    assert!(dataset.train.iter().all(|s| s.target.labels().is_empty()));
}

#[test]
fn a_column_of_words_or_numbers_is_classes() {
    let dir = folder(&["a.png", "b.png", "c.png", "d.png"]);
    let mut source = csv(&dir, "label,path\nsick,a.png\nwell,b.png\n,c.png\nsick,./d.png\n");
    source.label_columns = vec!["label".into()];
    let dataset = source.read().unwrap();
    assert_eq!((dataset.labels.kind, dataset.unlabelled), (Kind::Classes, 1));
    assert_eq!(dataset.labels.names, ["sick", "well"]);
    assert_eq!(targets(&dataset), [[0.0], [1.0], [0.0]]);
    let mut source = csv(&dir, "path,grade\na.png,10\nb.png,9\nc.png,1\n");
    source.label_columns = vec!["grade".into()];
    assert_eq!(source.read().unwrap().labels.names, ["1", "9", "10"]);
}

#[test]
fn columns_of_0_1_and_blank_are_findings() {
    let dir = folder(&["a.png", "b.png"]);
    let mut source = csv(&dir, "path,Edema,Mass\na.png, 1.0 ,0\nb.png,,1\n");
    source.label_columns = vec!["Edema".into(), "Mass".into()];
    let dataset = source.read().unwrap();
    assert_eq!(dataset.labels.kind, Kind::Multi);
    let found = targets(&dataset);
    assert_eq!(found[0], [1.0, 0.0]);
    assert!(found[1][0].is_nan() && found[1][1] == 1.0);
    source.label_columns.truncate(1);
    let one = source.read().unwrap();
    assert_eq!((one.labels.kind, one.labels.names.len()), (Kind::Multi, 1));
    source.label_columns.clear();
    assert_eq!(source.read().unwrap().labels.kind, Kind::None);
}

#[test]
fn a_table_gives_patient_and_part() {
    let dir = folder(&["x/a.png", "x/b.png", "x/c.png"]);
    let mut source = csv(
        &dir,
        "\u{feff}file,who,fold\nx\\a.png,\"Doe, J\",Training\nx/b.png,p2,valid\nx/c.png,p3,TEST\n",
    );
    source.path_column = "file".into();
    source.patient_column = Some("who".into());
    source.split_column = Some("fold".into());
    let dataset = source.read().unwrap();
    assert_eq!(dataset.train[0].patient, "Doe, J");
    assert_eq!(names(&dataset.val, dir.path()), ["x/b.png"]);
    assert_eq!(names(&dataset.test, dir.path()), ["x/c.png"]);
}

/// A table as NIH publishes it: 9 names in the header, 11 cells a row, patients 1, 1, 2, 3.
pub(crate) fn nih_folder() -> TempDir {
    let dir = folder(&[
        "images_001/images/00000001_000.png",
        "images_001/images/00000001_001.png",
        "images_002/images/00000002_000.png",
    ]);
    let mut table = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,\
         View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
        .to_string();
    for (image, labels, patient) in [
        ("00000001_000.png", "No Finding", 1),
        ("00000001_001.png", "Hernia|Mass", 1),
        ("00000002_000.png", "Atelectasis", 2),
        ("00000003_000.png", "Edema", 3),
    ] {
        table += &format!("{image},{labels},0,{patient},58,M,PA,2682,2749,0.143,0.143,\n");
    }
    write(dir.path().join("Data_Entry_2017_v2020.csv"), table).unwrap();
    dir
}

#[test]
fn nihs_table_is_read_by_place_and_absent_images_are_counted() {
    let dir = nih_folder();
    let mut source = Source::new("nih", Format::Nih, dir.path());
    (source.val_share, source.test_share) = (0.0, 0.0);
    let dataset = source.read().unwrap();
    assert_eq!((dataset.train.len(), dataset.missing), (3, 1));
    assert_eq!(dataset.labels.names, NIH_LABELS);
    let sums: Vec<f32> = dataset.train.iter().map(|s| s.target.labels().iter().sum()).collect();
    assert_eq!(sums, [0.0, 2.0, 1.0]);
    assert_eq!(
        (dataset.train[1].target.labels()[13], dataset.train[1].target.labels()[4]),
        (1.0, 1.0)
    );
    assert_eq!(dataset.train[2].patient, "2");
    source.label_columns = vec!["Mass".into()];
    assert_eq!(targets(&source.read().unwrap()), [[0.0], [1.0], [0.0]]);
}

#[test]
fn nihs_lists_decide_unless_the_split_is_by_patient() {
    let dir = nih_folder();
    let list = |name: &str, text: &str| write(dir.path().join(name), text).unwrap();
    list("train_val_list.txt", "00000001_000.png\r\n00000001_001.png");
    list("test_list.txt", "00000002_000.png\n00000003_000.png");
    let mut source = Source::new("nih", Format::Nih, dir.path());
    source.val_share = 0.0;
    let dataset = source.read().unwrap();
    assert_eq!((dataset.train.len(), dataset.test.len()), (2, 1));
    source.test_share = 0.0;
    source.split = Split::Patient;
    assert_eq!(source.read().unwrap().train.len(), 3);
}
