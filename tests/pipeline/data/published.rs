//! Data sets of the catalogue as their authors publish them.

use std::fs::write;

use crate::films::{chexpert, data_error, film, shared_patients};
use mtpret_pipeline::data::{
    Dataset, Kind, Known, Policy, Purpose, Roots, Sample, Source, Uncertain,
};
use tempfile::TempDir;

/// The known data set below a folder.
fn known(name: &str, dir: &TempDir) -> Source {
    let mut source = Source::known(name, name, None);
    source.locate(&Roots { folders: vec![dir.path().into()], ..Roots::default() }).unwrap();
    source
}

fn labels(part: &[Sample]) -> Vec<&[f32]> {
    part.iter().map(|sample| sample.target.labels()).collect()
}

fn counts(set: &Dataset) -> [usize; 3] {
    [&set.train, &set.val, &set.test].map(Vec::len)
}

/// MURA: 20 patients to learn from, each with a normal hand and an abnormal elbow; one to choose by.
fn mura() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("MURA-v1.1");
    for patient in 1..=20 {
        for study in ["XR_HAND", "XR_ELBOW"] {
            let label = if study == "XR_HAND" { "negative" } else { "positive" };
            let folder = format!("train/{study}/patient{patient:05}/study1_{label}");
            film(&root.join(&folder).join("image1.png"), 1);
            film(&root.join(&folder).join("image2.png"), 2);
            write(root.join(&folder).join("._image2.png"), "AppleDouble").unwrap();
        }
    }
    film(&root.join("valid/XR_WRIST/patient11185/study1_positive/image1.png"), 3);
    for part in ["train", "valid"] {
        write(root.join(format!("{part}_labeled_studies.csv")), "MURA-v1.1/…,1\n").unwrap();
    }
    dir
}

#[test]
fn muras_folders_tell_label_patient_and_part() {
    let dir = mura();
    let set = known("mura", &dir).read().unwrap();
    assert_eq!(
        (set.labels.kind, &set.labels.names[..]),
        (Kind::Classes, &["normal", "abnormal"].map(String::from)[..])
    );
    // A tenth of the patients of the training folder, with all their films, is for test.
    assert_eq!(counts(&set), [72, 1, 8]);
    assert_eq!(shared_patients(&set), [""; 0]);
    for sample in set.train.iter().chain(&set.test).chain(&set.val) {
        let path = sample.path.display().to_string();
        assert!(path.contains(&format!("/{}/", sample.patient)), "{path}: {}", sample.patient);
        assert_eq!(sample.target.labels() == [1.0], path.contains("_positive/"), "{path}");
        assert!(!path.contains("._"), "{path}");
    }
    assert_eq!(set.val[0].patient, "patient11185");
    // For pretraining its labels are not looked at, but the films are the same.
    let mut source = Source::known("mura", "mura", Some(Purpose::Pretrain));
    source.root = dir.path().join("MURA-v1.1");
    assert_eq!(counts(&source.read().unwrap()), [72, 1, 8]);
}

#[test]
fn a_film_of_mura_without_a_label_in_its_path_is_an_error() {
    let dir = mura();
    let root = dir.path().join("MURA-v1.1");
    film(&root.join("train/XR_HAND/patient00001/study2/image1.png"), 1);
    assert_eq!(
        data_error(known("mura", &dir).read(), &root),
        "train/XR_HAND/patient00001/study2/image1.png: expected a film or folder that ends in \
         one of _negative, _positive, found neither; rename it, or add its ending to a class"
    );
}

#[test]
fn chexperts_tables_give_five_findings_of_frontal_films() {
    for folder in ["CheXpert-v1.0-small", "CheXpert"] {
        let dir = chexpert(folder);
        let set = known("chexpert", &dir).read().unwrap();
        assert_eq!(set.labels.kind, Kind::Multi);
        let names = ["Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion"];
        assert_eq!(set.labels.names, names);
        assert_eq!(counts(&set), [9, 1, 1]);
        assert_eq!(set.test[0].patient, "patient64541");
        assert_eq!(labels(&set.test), [[0.0, 1.0, 0.0, 1.0, 0.0]]);
        assert_eq!(shared_patients(&set), [""; 0]);
        let of = |patient: &str| {
            let mut all = set.train.iter().chain(&set.val);
            all.find(|s| s.patient == patient).unwrap().target.labels().to_vec()
        };
        // Not certain: edema and atelectasis count as present, the others as absent.
        assert_eq!(of("patient00001"), [0.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(of("patient00002"), [0.0; 5]);
        assert_eq!(of("patient00003"), [1.0, 0.0, 1.0, 0.0, 1.0]);
    }
}

#[test]
fn what_counts_as_uncertain_is_named_for_each_finding() {
    let dir = chexpert("CheXpert");
    let mut source = known("chexpert", &dir);
    let policies = |names: &[&str]| {
        Uncertain::Each(names.iter().map(|name| (name.to_string(), Policy::Ones)).collect())
    };
    let four = ["Cardiomegaly", "Consolidation", "Atelectasis", "Pleural Effusion"];
    source.uncertain = policies(&four);
    let error = data_error(source.read(), &dir.path().join("CheXpert"));
    assert!(
        error.starts_with("train.csv:2: expected 0, 1 or blank for Edema, found \"-1.0\""),
        "{error}"
    );
    source.uncertain = policies(&["Oedema"]);
    let error = source.read().unwrap_err().to_string();
    assert!(
        error.contains(
            "uncertain: expected names of label_columns, found Oedema; did you mean Edema?"
        ),
        "{error}"
    );
}

#[test]
fn one_policy_serves_all_findings_that_are_not_certain() {
    let dir = chexpert("CheXpert");
    for (policy, expected) in
        [(Policy::Ones, Some(1.0)), (Policy::Zeros, Some(0.0)), (Policy::Ignore, None)]
    {
        let mut source = known("chexpert", &dir);
        source.uncertain = Uncertain::All(policy);
        let set = source.read().unwrap();
        let mut all = set.train.iter().chain(&set.val);
        let film = all.find(|film| film.patient == "patient00001").unwrap();
        let known = film.target.labels().iter().map(|v| (!v.is_nan()).then_some(*v));
        assert!(known.clone().all(|v| v == expected), "{policy:?}: {:?}", film.target);
    }
    let text = "name = \"c\"\nknown = \"chexpert\"\nroot = \"x\"\nuncertain = \"ignore\"";
    let written: Source = toml::from_str(text).unwrap();
    assert_eq!(written.uncertain, Uncertain::All(Policy::Ignore));
}

#[test]
fn what_is_not_certain_can_be_a_class_of_its_own() {
    let dir = chexpert("CheXpert");
    let text = format!(
        "name = \"c\"\nknown = \"chexpert\"\nroot = {:?}\nuncertain = \"multiclass\"",
        dir.path().join("CheXpert")
    );
    let mut source: Source = toml::from_str(&text).unwrap();
    source.locate(&Roots::default()).unwrap();
    let set = source.read().unwrap();
    assert_eq!((set.labels.names.len(), &set.labels.names[6][..]), (10, "Edema uncertain"));
    let of = |patient: &str| {
        let mut all = set.train.iter().chain(&set.val).chain(&set.test);
        all.find(|s| s.patient == patient).unwrap().target.labels().to_vec()
    };
    let doubtful = of("patient00001");
    assert!(doubtful[..5].iter().all(|v| v.is_nan()) && doubtful[5..] == [1.0; 5], "{doubtful:?}");
    assert_eq!(of("patient00003"), [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(of("patient00002"), [0.0; 10]);
    assert_eq!(of("patient64541")[5..], [0.0; 5]);
    // Of one finding alone the others keep their policies.
    let one = |name: &str| {
        let policy = if name == "Edema" { Policy::Multiclass } else { Policy::Zeros };
        (name.to_string(), policy)
    };
    source.uncertain = Uncertain::Each(source.label_columns.iter().map(|n| one(n)).collect());
    assert_eq!(source.read().unwrap().labels.names[5..], ["Edema uncertain"]);
}

#[test]
fn a_test_table_with_other_classes_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    ["a", "b", "c", "d"].iter().for_each(|name| film(&dir.path().join(format!("{name}.png")), 1));
    write(dir.path().join("t.csv"), "path,y\na.png,sick\nb.png,well\n").unwrap();
    write(dir.path().join("more.csv"), "path,y\nc.png,ill\nd.png,well\n").unwrap();
    let mut source = Source::new("t", mtpret_pipeline::data::Format::Csv, dir.path());
    source.table = Some("t.csv".into());
    source.test_table = Some("more.csv".into());
    source.label_columns = vec!["y".into()];
    assert_eq!(
        data_error(source.read(), dir.path()),
        "more.csv: expected the labels of the other table, sick, well, found ill, well; give both \
         tables the same labels"
    );
}

#[test]
fn the_small_copy_of_nih_carries_a_note_and_the_whole_set_none() {
    let nih = Known::named("nih").unwrap();
    let note = nih.note("films/NIH1000".as_ref()).unwrap();
    assert!(note.contains("NIH1000") && note.contains("64 pixels"), "{note}");
    assert_eq!(nih.note("films/NIHCC".as_ref()), None);
    assert!(Known::named("covid").unwrap().note("anywhere".as_ref()).is_some());
}

#[test]
fn films_without_a_mask_serve_for_pretraining() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..4 {
        film(&dir.path().join(format!("Shenzhen/CXR_png/CHNCXR_{i}_0.png")), 1);
    }
    let mut source = Source::known("china", "shenzhen", Some(Purpose::Pretrain));
    source.locate(&Roots { folders: vec![dir.path().into()], ..Roots::default() }).unwrap();
    assert_eq!(counts(&source.read().unwrap()), [4, 0, 0]);
}
