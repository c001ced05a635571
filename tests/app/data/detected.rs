//! Recognition of data sets: a folder is told by what is in it.

use std::{fs::write, path::Path};

use crate::films::{film, real};
use mtpret_pipeline::data::{Dataset, Kind, Purpose, RecognisedSet, Roots, Source, recognise};

/// The names of what was found, by their sources.
fn names(found: &[RecognisedSet]) -> Vec<&str> {
    found.iter().map(|found| found.source.name.as_str()).collect()
}

/// What is found below `root`, which the program prints as TOML that means the same.
pub fn detected(root: &Path) -> Vec<RecognisedSet> {
    #[derive(serde::Deserialize)]
    struct Printed {
        source: Vec<Source>,
    }
    let found = recognise(root).unwrap();
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_mtpret"))
        .args(["data", "detect"])
        .arg(root)
        .output()
        .unwrap();
    let text = String::from_utf8(program.stdout).unwrap();
    let printed: Printed = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(printed.source.len(), found.len(), "{text}");
    for (mut printed, found) in printed.source.into_iter().zip(&found) {
        let mut own = found.source.clone();
        for source in [&mut printed, &mut own] {
            source.locate(&Roots::default()).unwrap();
        }
        assert_eq!(printed, own, "{text}");
    }
    found
}

fn read(found: &RecognisedSet) -> Dataset {
    let mut source = found.source.clone();
    source.locate(&mtpret_pipeline::data::Roots::default()).unwrap();
    source.read().unwrap()
}

/// Films of `root` by these names.
fn films(root: &Path, names: &[&str]) {
    for (at, name) in names.iter().enumerate() {
        film(&root.join(name), 10 + at as u8);
    }
}

#[test]
fn class_folders_a_table_coco_yolo_voc_and_masks_are_told_by_their_layout() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    films(
        &at("classes"),
        &["good/a.png", "good/b.png", "good/c.png", "bad/d.png", "bad/e.png", "bad/f.png"],
    );
    films(
        &at("table"),
        &["films/a.png", "films/b.png", "films/c.png", "films/d.png", "films/e.png"],
    );
    write(
        at("table/list.csv"),
        "id,subject,diagnosis\na,1,flu\nb,2,none\nc,3,flu\nd,4,none\ne,5,flu\n",
    )
    .unwrap();
    films(&at("coco"), &["a.png", "b.png", "c.png"]);
    let images: Vec<_> = ["a", "b", "c"]
        .iter()
        .enumerate()
        .map(|(id, name)| serde_json::json!({"id": id, "file_name": format!("{name}.png"), "width": 2, "height": 2}))
        .collect();
    let mark = serde_json::json!({"id": 1, "image_id": 0, "category_id": 5, "bbox": [0, 0, 1, 1]});
    let coco = serde_json::json!({"images": images, "annotations": [mark], "categories": [{"id": 5, "name": "spot"}]});
    write(at("coco/marks.json"), coco.to_string()).unwrap();
    films(&at("yolo"), &["train/images/a.png", "train/images/b.png", "val/images/c.png"]);
    for (name, line) in
        [("train/labels/a.txt", "1 0.5 0.5 0.5 0.5\n"), ("val/labels/c.txt", "0 0 0 1 0 1 1\n")]
    {
        std::fs::create_dir_all(at("yolo").join(name).parent().unwrap()).unwrap();
        write(at("yolo").join(name), line).unwrap();
    }
    write(at("yolo/data.yaml"), "nc: 2\nnames: ['spot', 'line']\n").unwrap();
    films(&at("voc"), &["a.png", "b.png", "c.png"]);
    std::fs::create_dir(at("voc/Annotations")).unwrap();
    for name in ["a", "b", "c"] {
        let xml = format!(
            "<annotation><filename>{name}.png</filename><size><width>2</width><height>2</height></size><object><name>nodule</name>\
             <bndbox><xmin>0</xmin><ymin>0</ymin><xmax>1</xmax><ymax>1</ymax></bndbox></object></annotation>"
        );
        write(at("voc/Annotations").join(format!("{name}.xml")), xml).unwrap();
    }
    films(&at("pairs"), &["films/a.png", "films/b.png", "films/c.png"]);
    for name in ["a", "b", "c"] {
        film(&at("pairs/masks").join(format!("{name}-mask.png")), 255);
    }
    films(&at("findings"), &["a.png", "b.png", "c.png", "d.png", "e.png"]);
    write(
        at("findings/list.csv"),
        "file,patient,edema,mass,age\na.png,1,0,1,60\nb.png,2,,0,50\nc.png,3,1,0,40\nd.png,4,-1,0,30\ne.png,5,0,0,20",
    )
    .unwrap();
    films(&at("outlines"), &["images/train/a.png", "images/val/b.png"]);
    for (name, line) in [("train/a", "0 0.1 0.1 0.9 0.1 0.9 0.9\n"), ("val/b", "0 0 0 1 0 1 1\n")] {
        let path = at("outlines/labels").join(format!("{name}.txt"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(path, line).unwrap();
    }
    films(&at("alone"), &["x.png", "y.png"]);

    let found = detected(dir.path());
    assert_eq!(
        names(&found),
        [
            "classes",
            "coco",
            "findings",
            "outlines",
            "outlines-masks",
            "pairs",
            "table",
            "voc",
            "yolo",
            "yolo-masks"
        ]
    );
    let kinds: Vec<Kind> = found.iter().map(|found| read(found).labels.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Classes,
            Kind::Boxes,
            Kind::Multi,
            Kind::Boxes,
            Kind::Mask,
            Kind::Mask,
            Kind::Classes,
            Kind::Boxes,
            Kind::Boxes,
            Kind::Mask
        ]
    );
    let findings = read(&found[2]);
    assert_eq!(findings.labels.names, ["edema", "mass"]);
    let outlines = read(&found[4]);
    assert_eq!(outlines.train[0].mask([2, 2]).unwrap(), [1, 1, 0, 1]);
    let yolo = read(&found[8]);
    assert_eq!(yolo.labels.names, ["spot", "line"]);
    assert_eq!(yolo.train[0].target.boxes()[0].class, 1);
    assert_eq!([yolo.train.len(), yolo.val.len()], [2, 1]);
    assert_eq!(yolo.val[0].target.boxes()[0].corners, [0.0, 0.0, 1.0, 1.0]);
    let table = read(&found[6]);
    assert_eq!(table.labels.names, ["flu", "none"]);
    assert!(table.train.iter().all(|film| film.patient.len() == 1), "{:?}", table.train);
    let alone = detected(&at("alone"));
    assert_eq!(read(&alone[0]).labels.kind, Kind::None);
    assert_eq!(read(&alone[0]).train.len(), 2);
}

/// A set of films with a box on each.
fn coco(root: &Path) {
    films(root, &["images/a.png", "images/b.png", "images/c.png"]);
    let images = ["a", "b", "c"].map(
        |name| serde_json::json!({"id": name, "file_name": format!("{name}.png"), "width": 2, "height": 2}),
    );
    let marks = ["a", "b", "c"].map(
        |name| serde_json::json!({"id": name, "image_id": name, "category_id": 1, "bbox": [0, 0, 1, 1]}),
    );
    let text = serde_json::json!({"images": images, "annotations": marks, "categories": [{"id": 1, "name": "spot"}]});
    write(root.join("marks.json"), text.to_string()).unwrap();
}

#[test]
fn a_folder_of_two_sets_is_no_set_of_two_classes() {
    let dir = tempfile::tempdir().unwrap();
    coco(&dir.path().join("boxes"));
    for name in ["good/a.png", "good/b.png", "good/c.png", "bad/d.png", "bad/e.png", "bad/f.png"] {
        film(&dir.path().join("classes").join(name), 1);
    }
    assert_eq!(names(&detected(dir.path())), ["boxes", "classes"]);
    // Nor is one with films that nobody has annotated.
    let dir = tempfile::tempdir().unwrap();
    coco(&dir.path().join("boxes"));
    films(&dir.path().join("more"), &["x.png", "y.png"]);
    assert_eq!(names(&detected(dir.path())), ["boxes"]);
}

#[test]
fn indiana_is_read_from_its_tables_and_from_its_xml() {
    let dir = tempfile::tempdir().unwrap();
    let kaggle = dir.path().join("kaggle");
    films(
        &kaggle,
        &[
            "images/images_normalized/1_IM-0001-4001.dcm.png",
            "images/images_normalized/2_IM-0002-1001.dcm.png",
            "images/images_normalized/3_IM-0003-1001.dcm.png",
            "images/images_normalized/4_IM-0004-1001.dcm.png",
        ],
    );
    write(kaggle.join("indiana_projections.csv"), "uid,filename,projection\n1,1_IM-0001-4001.dcm.png,Frontal\n2,2_IM-0002-1001.dcm.png,Lateral\n3,3_IM-0003-1001.dcm.png,Frontal\n4,4_IM-0004-1001.dcm.png,Frontal\n").unwrap();
    let row = |uid: u8, problems: &str| {
        format!("{uid},\"{problems}\",{problems},,,,\"Fine, all told.\",\n")
    };
    let rows: String =
        [(1, "normal"), (2, "Cardiomegaly;Opacity"), (3, "normal"), (4, "No Indexing")]
            .map(|(u, p)| row(u, p))
            .concat();
    write(
        kaggle.join("indiana_reports.csv"),
        format!("uid,MeSH,Problems,image,indication,comparison,findings,impression\n{rows}"),
    )
    .unwrap();
    let nlm = dir.path().join("nlm");
    films(
        &nlm,
        &[
            "NLMCXR_png/CXR1_1_IM-0001-3001.png",
            "NLMCXR_png/CXR2_IM-0652-1001.png",
            "NLMCXR_png/CXR3_IM-0003-1001.png",
        ],
    );
    std::fs::create_dir(nlm.join("ecgen-radiology")).unwrap();
    for (uid, major, film) in [
        ("CXR1", "normal", "CXR1_1_IM-0001-3001"),
        ("CXR2", "Opacity/lung", "CXR2_IM-0652-1001"),
        ("CXR3", "normal", "CXR3_IM-0003-1001"),
    ] {
        let xml = format!(
            "<eCitation><uId id=\"{uid}\"/><MeSH><major>{major}</major><automatic>x</automatic></MeSH><parentImage id=\"{film}\"/></eCitation>"
        );
        write(nlm.join("ecgen-radiology").join(format!("{uid}.xml")), xml).unwrap();
    }
    let found = detected(dir.path());
    let labelled: Vec<&RecognisedSet> =
        found.iter().filter(|f| f.source.task == Some(Purpose::Classify)).collect();
    assert_eq!(labelled.len(), 2, "{:?}", names(&found));
    for (found, films, unlabelled) in [(labelled[0], 3, 1), (labelled[1], 3, 0)] {
        let mut source = found.source.clone();
        source.locate(&mtpret_pipeline::data::Roots::default()).unwrap();
        (source.val_share, source.test_share) = (0.0, 0.0);
        let set = source.read().unwrap();
        assert_eq!(set.labels.names, ["normal", "abnormal"]);
        assert_eq!((set.train.len(), set.unlabelled), (films, unlabelled));
        let sick: Vec<&str> = set
            .train
            .iter()
            .filter(|f| f.target.labels() == [1.0])
            .map(|f| f.patient.as_str())
            .collect();
        assert!(sick == ["2"] || sick == ["CXR2"], "{sick:?}");
    }
}

#[test]
fn the_bone_age_table_names_films_without_extension_in_a_folder_of_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("rsna");
    let names: Vec<String> = (1377..1387)
        .map(|id| format!("boneage-training-dataset/boneage-training-dataset/{id}.png"))
        .collect();
    films(&root, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let rows: String = (1377..1387)
        .map(|id| format!("{id},{},{}\n", id % 200, if id % 2 == 0 { "True" } else { "False" }))
        .collect();
    write(root.join("boneage-training-dataset.csv"), format!("id,boneage,male\n{rows}")).unwrap();
    let found = detected(&root);
    assert_eq!(
        names_of(&found),
        [("bone-age", Some(Purpose::Pretrain)), ("bone-age-classify", Some(Purpose::Classify))]
    );
    let set = read(&found[1]);
    assert_eq!(set.train.len() + set.val.len() + set.test.len(), 10);
}

fn names_of(found: &[RecognisedSet]) -> Vec<(&str, Option<Purpose>)> {
    found.iter().map(|found| (found.source.name.as_str(), found.source.task)).collect()
}

#[test]
fn real_sets_are_known_by_their_files() {
    let Some(root) = real("") else { return };
    let found = detected(&root);
    let mut known: Vec<&str> =
        found.iter().filter_map(|found| found.source.known.as_deref()).collect();
    known.dedup();
    for name in ["covid", "fracatlas", "nih", "pneumonia", "shenzhen", "tbx11k", "bone-age"] {
        assert!(known.contains(&name), "{name} is not among {known:?}");
    }
    let yolo = found.iter().find(|found| found.what.contains("YOLO")).unwrap();
    assert_eq!(read(yolo).labels.names.len(), 7);
}

#[test]
fn a_division_in_a_file_is_the_same_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..40)
        .map(|n| format!("{}/person{}_virus_{n}.png", ["good", "bad"][n % 2], n / 2))
        .collect();
    films(dir.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut source = recognise(dir.path()).unwrap().remove(0).source;
    source.split = mtpret_pipeline::data::Split::Patient;
    let first = source.read().unwrap();
    let text = mtpret_pipeline::data::division_table(&first, dir.path()).unwrap();
    assert!(text.starts_with("film,part,patient,blake3\n"), "{text}");
    let file = dir.path().join("splits.csv");
    write(&file, &text).unwrap();
    source.splits = Some("splits.csv".into());
    source.seed = 99;
    let again = source.read().unwrap();
    assert_eq!((first.train.len(), &first.test), (again.train.len(), &again.test));
    // A film that is not in the file is no part of the division.
    film(&dir.path().join("good/new.png"), 3);
    let error = source.read().unwrap_err().to_string();
    assert!(error.contains("expected good/new.png in"), "{error}");
    film(&dir.path().join("good/person0_virus_0.png"), 250);
    let changed = mtpret_pipeline::data::changed(&source, &file).unwrap();
    assert_eq!(changed, [dir.path().join("good/person0_virus_0.png")]);
}
