//! Patients of films: one rule, told by evidence.

use std::{collections::BTreeSet, fs::write, path::Path};

use crate::films::{dicom, film};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use mtpret_pipeline::data::{
    Dataset, Flaw, Format, Level, Sample, Source, Split, Subject, audit, recognise,
};

fn films(root: &Path, names: &[String]) {
    names.iter().enumerate().for_each(|(at, name)| film(&root.join(name), at as u8));
}

fn all(set: &Dataset) -> impl Iterator<Item = &Sample> {
    set.train.iter().chain(&set.val).chain(&set.test)
}

fn patients(set: &Dataset) -> BTreeSet<&str> {
    all(set).map(|film| film.patient.as_str()).collect()
}

fn flaws<'a>(flaws: &'a [Flaw], what: &str) -> Vec<&'a Flaw> {
    flaws.iter().filter(|flaw| flaw.what == what).collect()
}

/// Twenty patients with three films each in folders of two classes.
fn of_folders(root: &Path, name: impl Fn(usize) -> String) {
    let names: Vec<String> = (0..60)
        .map(|at| format!("{}/{}/{at}.png", ["normal", "sick"][at / 3 % 2], name(at / 3)))
        .collect();
    films(root, &names);
}

#[test]
fn folders_of_patients_within_classes_are_patients_of_two_classes() {
    let calls: [fn(usize) -> String; 4] = [
        |n| format!("P{n:03}"),
        |n| format!("{:05}", 700 + n),
        |n| format!("1.2.840.{n}"),
        |n| {
            ["anna", "bert", "carl", "dora", "emil", "fred", "gina", "hugo", "ida", "jan"][n / 2]
                .to_owned()
                + ["", "a"][n % 2]
        },
    ];
    for call in calls {
        let dir = tempfile::tempdir().unwrap();
        of_folders(dir.path(), call);
        let found = recognise(dir.path()).unwrap();
        let whats: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
        assert_eq!(found.len(), 1, "{whats:?}");
        let set = found[0].source.read().unwrap();
        assert_eq!(set.labels.names, ["normal", "sick"]);
        assert_eq!((all(&set).count(), patients(&set).len()), (60, 20), "{whats:?}");
        assert!(set.shared_patients().is_empty());
        assert!(!set.val.is_empty() && !set.test.is_empty());
        assert!(whats[0].contains("20 patients: 60 films by folders"), "{whats:?}");
    }
}

#[test]
fn films_of_one_name_in_several_folders_are_of_several_patients() {
    let dir = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for (part, count) in [("train", 8), ("test", 4)] {
        for class in ["normal", "sick"] {
            names.extend((1..=count).map(|n| format!("{part}/{class}/{n}.png")));
        }
    }
    films(dir.path(), &names);
    let mut source = Source::new("numbered", Format::Folder, dir.path());
    source.val_share = 0.0;
    let (set, found) = source.survey().unwrap();
    assert!(found.iter().all(|flaw| flaw.level == Level::Note), "{found:?}");
    assert_eq!((set.train.len(), set.test.len(), patients(&set).len()), (16, 8, 24));
    // A film that none other is called as keeps its own name, so that its division stays the same.
    film(&dir.path().join("train/sick/only.png"), 1);
    assert!(patients(&source.read().unwrap()).contains("only"));
}

#[test]
fn views_in_folders_of_patients_are_of_these_patients() {
    let dir = tempfile::tempdir().unwrap();
    let mut table = "path,label,split\n".to_string();
    for patient in 0..12 {
        for view in ["frontal", "lateral"] {
            let path = format!("P{patient:03}/{view}.png");
            film(&dir.path().join("films").join(&path), 1);
            let part = if patient < 8 { "train" } else { "test" };
            table += &format!("{path},{},{part}\n", patient % 2);
        }
    }
    write(dir.path().join("t.csv"), table).unwrap();
    let mut source = Source::new("views", Format::Csv, dir.path());
    (source.table, source.images) = (Some("t.csv".into()), "films".into());
    source.label_columns = vec!["label".into()];
    source.split_column = Some("split".into());
    let (set, found) = source.survey().unwrap();
    assert!(found.iter().all(|flaw| flaw.level == Level::Note), "{found:?}");
    let expected: BTreeSet<String> = (0..12).map(|n| format!("P{n:03}")).collect();
    assert_eq!(patients(&set), expected.iter().map(String::as_str).collect());
    let audit =
        audit(&[Subject { source, pretraining: false, unread: Vec::new() }], &|_, _| ()).unwrap();
    assert_eq!(audit.sets[0].patients, 12);
    let told = &audit.sets[0].patients_told;
    assert!(
        told.starts_with("24 films by folders that look like one for each patient (P000"),
        "{told}"
    );
}

#[test]
fn folders_of_classes_parts_and_batches_are_no_patients() {
    let dir = tempfile::tempdir().unwrap();
    let mut table = "path,grade\n".to_string();
    for at in 0..20 {
        let path = format!("grade{}/{at}.png", at % 2);
        film(&dir.path().join(&path), 1);
        table += &format!("{path},{}\n", at % 2);
    }
    write(dir.path().join("t.csv"), table).unwrap();
    let mut source = Source::new("grades", Format::Csv, dir.path());
    source.table = Some("t.csv".into());
    source.label_columns = vec!["grade".into()];
    assert_eq!(patients(&source.read().unwrap()).len(), 20);
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..20)
        .map(|at| format!("{}/images_{:03}/f{at}.png", ["a", "b"][at % 2], at / 4))
        .collect();
    films(dir.path(), &names);
    let set = Source::new("batches", Format::Folder, dir.path()).read().unwrap();
    assert_eq!(patients(&set).len(), 20);
}

#[test]
fn a_given_division_is_not_refused_for_a_guess_and_the_guess_is_named() {
    for (names, evidence) in [
        (
            ["train/a/P1/1.png", "train/b/P2/2.png", "test/a/P1/3.png", "test/b/P3/4.png"],
            "folders that look like",
        ),
        (
            [
                "train/a/00000001_000.png",
                "train/b/x.png",
                "test/a/00000001_001.png",
                "test/b/y.png",
            ],
            "look numbered",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        films(dir.path(), &names.map(String::from));
        let mut source = Source::new("official", Format::Folder, dir.path());
        source.val_share = 0.0;
        let (set, found) = source.survey().unwrap();
        assert_eq!((set.train.len(), set.test.len()), (2, 2));
        let shared = flaws(&found, "patient in two parts");
        assert_eq!((shared.len(), shared[0].level), (1, Level::Warning));
        assert!(shared[0].error.to_string().contains(evidence), "{}", shared[0].error);
        source.read().unwrap();
        let found = recognise(dir.path()).unwrap();
        assert_eq!((found.len(), found[0].source.split), (1, Split::Given));
        // Whoever asks for patients has them apart all the same.
        source.split = Split::Patient;
        assert!(source.read().unwrap().shared_patients().is_empty());
    }
}

#[test]
fn patients_that_are_numbers_are_compared_as_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..6).map(|n| format!("{n}.png")).collect();
    films(dir.path(), &names);
    write(dir.path().join("a.csv"), "path,who\n0.png,0.0\n1.png,7\n2.png,12\n").unwrap();
    write(dir.path().join("b.csv"), "path,who\n3.png,0\n4.png,007\n5.png,P7\n").unwrap();
    let mut source = Source::new("numbers", Format::Csv, dir.path());
    (source.table, source.test_table) = (Some("a.csv".into()), Some("b.csv".into()));
    source.patient_column = Some("who".into());
    source.val_share = 0.0;
    let error = source.read().unwrap_err().to_string();
    assert!(error.contains("expected patient 0 in one part"), "{error}");
    let (set, found) = source.survey().unwrap();
    assert_eq!(patients(&set), BTreeSet::from(["0", "12", "7", "P7"]));
    assert_eq!(flaws(&found, "patient in two parts").len(), 2);
}

/// Films of two classes as DICOM, of these patients.
fn dicoms(root: &Path, patient: impl Fn(usize) -> String) -> Source {
    for at in 0..20 {
        let mut object = dicom::object("MONOCHROME2");
        dicom::text(&mut object, tags::PATIENT_ID, VR::LO, &patient(at));
        let path = root.join(["normal", "sick"][at % 2]).join(format!("f{at}.dcm"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        dicom::write(object, &path);
    }
    Source::new("dicom", Format::Folder, root)
}

#[test]
fn a_patient_whom_all_films_name_is_nobody() {
    for id in ["ANONYMOUS", "12345", "0"] {
        let dir = tempfile::tempdir().unwrap();
        let source = dicoms(dir.path(), |_| id.to_owned());
        let (set, found) = source.survey().unwrap();
        assert_eq!(patients(&set).len(), 20);
        assert!(!set.test.is_empty());
        let nobody = flaws(&found, "patient that names nobody");
        assert_eq!(nobody[0].level, Level::Warning);
        let said = nobody[0].error.to_string();
        assert!(said.contains(&format!("all 20 films name the same PatientID {id}")), "{said}");
    }
    // A placeholder among numbers is none either.
    let dir = tempfile::tempdir().unwrap();
    let source =
        dicoms(dir.path(), |at| if at < 4 { "Anonymized".into() } else { format!("{}", at / 2) });
    let (set, found) = source.survey().unwrap();
    assert_eq!(patients(&set).len(), 4 + 8);
    assert!(flaws(&found, "patient that names nobody")[0].error.to_string().contains("4 films"));
}

#[test]
fn a_patient_of_most_films_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = dicoms(dir.path(), |at| if at < 14 { "77".into() } else { at.to_string() });
    // Where nothing is left to learn from, it is why.
    assert!(source.read().unwrap_err().to_string().contains("14 of 20 of patient 77"));
    (source.val_share, source.test_share) = (0.0, 0.0);
    let (set, found) = source.survey().unwrap();
    assert_eq!(patients(&set).len(), 7);
    let said = flaws(&found, "patient of most films")[0].error.to_string();
    assert!(said.contains("14 of 20 of patient 77, told by DICOM's PatientID"), "{said}");
}

#[test]
fn places_days_and_folders_of_every_class_are_no_patients() {
    // A place as PatientID of many films each; of few films each it may be a patient.
    let dir = tempfile::tempdir().unwrap();
    let source = dicoms(dir.path(), |at| format!("SITE{}", 1 + at % 2));
    let (set, found) = source.survey().unwrap();
    assert_eq!((patients(&set).len(), set.train.is_empty()), (20, false));
    let said = flaws(&found, "patient that names nobody")[0].error.to_string();
    assert!(said.contains("20 films of 2 names such as SITE1, SITE2"), "{said}");
    assert_eq!(recognise(dir.path()).unwrap()[0].source.format, Some(Format::Folder));
    let dir = tempfile::tempdir().unwrap();
    let (set, _) = dicoms(dir.path(), |at| format!("GROUP-{}", at / 2)).survey().unwrap();
    assert_eq!(patients(&set).len(), 10);
    // The day of a film.
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..24)
        .map(|n| format!("{}/2019010{}_{:03}.png", ["neg", "pos"][n % 2], 1 + n % 3, n / 3))
        .collect();
    films(dir.path(), &names);
    let set = Source::new("days", Format::Folder, dir.path()).read().unwrap();
    assert_eq!(patients(&set).len(), 24);
    // Grades, batches: the same few folders in each class.
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> =
        (0..36).map(|n| format!("{}/{}/{n}.png", ["neg", "pos"][n % 2], n / 2 % 3)).collect();
    films(dir.path(), &names);
    let (set, found) = Source::new("grades", Format::Folder, dir.path()).survey().unwrap();
    assert_eq!(patients(&set).len(), 36);
    let said = &flaws(&found, "folders taken for no patients")[0];
    assert_eq!(said.level, Level::Warning);
    assert!(said.error.to_string().contains("the same 3 in every class, 0, 1, 2"), "{said:?}");
}

#[test]
fn a_guess_that_leaves_nothing_to_learn_from_is_dropped_and_one_of_few_patients_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..24)
        .map(|n| {
            format!(
                "{}/{}/{n}.png",
                ["neg", "pos"][n % 2],
                ["0047", "0112", "0050"][n % 2 + n / 2 % 2 * 2 * (1 - n % 2)]
            )
        })
        .collect();
    films(dir.path(), &names);
    let found = recognise(dir.path()).unwrap().remove(0);
    assert_eq!(found.source.format, Some(Format::Folder));
    let (set, flaws_of) = found.source.survey().unwrap();
    assert_eq!((patients(&set).len(), set.labels.names.len()), (24, 2), "{}", found.what);
    let said = |what: &str, flaws_of: &[Flaw]| flaws(flaws_of, what).len();
    assert_eq!(said("guess of patients dropped", &flaws_of), 1, "{flaws_of:?}");
    // Patients enough to divide, but few: the division hangs on a guess.
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..24)
        .map(|n| format!("{}/sub-{:02}_{n}.png", ["neg", "pos"][n / 4 % 2], n / 4))
        .collect();
    films(dir.path(), &names);
    let (set, flaws_of) = Source::new("few", Format::Folder, dir.path()).survey().unwrap();
    assert_eq!(patients(&set).len(), 6);
    let few = flaws(&flaws_of, "few patients, by a guess")[0].error.to_string();
    assert!(few.contains("24 films of 6 patients, told by names that look numbered"), "{few}");
}

#[test]
fn what_systems_lay_beside_films_is_no_class() {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        "a/1.png",
        "b/2.png",
        "@eaDir/1.png",
        "a/@eaDir/1.png/THUMB.jpg",
        "#recycle/3.png",
        "$RECYCLE.BIN/4.png",
    ];
    films(dir.path(), &names.map(String::from));
    let mut source = Source::new("nas", Format::Folder, dir.path());
    (source.val_share, source.test_share) = (0.0, 0.0);
    let set = source.read().unwrap();
    assert_eq!((set.train.len(), &set.labels.names[..]), (2, &["a", "b"].map(String::from)[..]));
}

#[test]
fn names_in_either_unicode_form_are_one_name() {
    let (one, two) = ("L\u{e4}sion", "La\u{308}sion");
    let dir = tempfile::tempdir().unwrap();
    let names = [
        format!("train/{one}/1.png"),
        "train/gut/2.png".into(),
        format!("test/{two}/3.png"),
        "test/gut/4.png".into(),
    ];
    films(dir.path(), &names);
    let mut source = Source::new("forms", Format::Folder, dir.path());
    source.val_share = 0.0;
    let set = source.read().unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.labels.names.len()), (2, 2, 2));
    // A table that was written elsewhere.
    let dir = tempfile::tempdir().unwrap();
    films(dir.path(), &[format!("x/{two}1.png"), format!("x/{two}2.png")]);
    write(dir.path().join("t.csv"), format!("path,z\nx/{one}1.png,0\nx/{one}2.png,1\n")).unwrap();
    let mut source = Source::new("table", Format::Csv, dir.path());
    source.table = Some("t.csv".into());
    (source.val_share, source.test_share) = (0.0, 0.0);
    assert_eq!(source.read().unwrap().train.len(), 2);
    // Masks and texts of boxes beside films.
    let dir = tempfile::tempdir().unwrap();
    films(dir.path(), &[format!("images/{one}.png"), format!("masks/{two}.png")]);
    let mut source = Source::new("masks", Format::Masks, dir.path());
    (source.images, source.masks) = ("images".into(), vec!["masks/{}.png".into()]);
    (source.val_share, source.test_share) = (0.0, 0.0);
    assert_eq!(source.read().unwrap().train.len(), 1);
}

#[test]
fn a_share_of_the_training_part_is_whole_patients_of_each_class_and_nested() {
    let dir = tempfile::tempdir().unwrap();
    of_folders(dir.path(), |n| format!("P{n:03}"));
    let source = recognise(dir.path()).unwrap().remove(0).source;
    let of = |train_share: f64, seed: u64| {
        Source { train_share, seed, ..source.clone() }.read().unwrap()
    };
    let paths =
        |films: &[Sample]| -> BTreeSet<_> { films.iter().map(|s| s.path.clone()).collect() };
    let whole = of(1.0, 0);
    let mut larger = paths(&whole.train);
    for share in [0.7, 0.5, 0.25, 0.01] {
        let part = of(share, 0);
        assert_eq!(paths(&part.val), paths(&whole.val));
        assert_eq!(paths(&part.test), paths(&whole.test));
        let films = paths(&part.train);
        assert!(films.is_subset(&larger), "{share}");
        // Three films a patient: all or none; and as many of each class.
        let patients: BTreeSet<&str> = part.train.iter().map(|s| s.patient.as_str()).collect();
        assert_eq!(films.len(), 3 * patients.len());
        let of_class =
            |class: f32| part.train.iter().filter(|s| s.target.labels() == [class]).count() as f64;
        let all = whole.train.len() as f64 / 2.0;
        for class in [0.0, 1.0] {
            let wanted = (share * all).max(1.0);
            assert!(
                (wanted..wanted + 3.0).contains(&of_class(class)),
                "{share}: {}",
                of_class(class)
            );
        }
        larger = films;
    }
    assert_ne!(paths(&of(0.5, 1).train), paths(&of(0.5, 0).train));
    for share in [0.0, -0.5, 1.5, f64::NAN] {
        let wrong = Source { train_share: share, ..source.clone() }.read().unwrap_err().to_string();
        assert!(wrong.contains("train_share") && wrong.contains("above 0, to 1"), "{wrong}");
    }
}
