//! Readers of masks, outlines and boxes, and the catalogue.

use std::{
    fs::{create_dir_all, write},
    path::Path,
};

use crate::films::{film, shared_patients};
use mtpret_engine::Error;
use mtpret_pipeline::data::{
    Annotation, AnnotationShape, BoxLabel, Class, Dataset, Format, KNOWN, Kind, Purpose, Roots,
    Sample, Source,
};
use serde_json::{Value, json};

/// Every film of a data set.
pub fn all(dataset: &Dataset) -> Vec<&Sample> {
    [&dataset.train, &dataset.val, &dataset.test].into_iter().flatten().collect()
}

/// Two images of 40 x 20, the first with a box and an outline; the films are 2 x 2.
pub fn coco() -> Value {
    json!({
        "images": [
            { "id": 7, "file_name": "tb/a.png", "width": 40, "height": 20 },
            { "id": 9, "file_name": "b.png", "width": 40, "height": 20 },
        ],
        "categories": [{ "id": 3, "name": "latent" }, { "id": 1, "name": "active" }],
        "annotations": [{
            "id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 5, 20, 10],
            "segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]],
        }],
    })
}

/// A data set of `coco`'s films and a negative, and its source.
pub fn coco_source(coco: &Value) -> (tempfile::TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["imgs/tb/a.png", "imgs/deep/b.png", "imgs/free/c.png"] {
        film(&dir.path().join(name), 9);
    }
    write(dir.path().join("all.json"), coco.to_string()).unwrap();
    let mut source = Source::new("tb", Format::Coco, dir.path());
    source.images = "imgs".into();
    source.annotations = vec!["all.json".into()];
    (source.val_share, source.test_share) = (0.0, 0.0);
    (dir, source)
}

/// A VOC file of these objects `(name, xmin, ymin, xmax, ymax)` in an image of 40 x 20.
pub fn voc(objects: &[(&str, [f32; 4])]) -> String {
    let object = |(name, [x1, y1, x2, y2]): &(&str, [f32; 4])| {
        format!(
            "<object>\n<name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>\
             <xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>\n"
        )
    };
    let objects: String = objects.iter().map(object).collect();
    format!(
        "<annotation><filename>a</filename>\n<size><width>40</width><height>20</height></size>\n\
         {objects}</annotation>"
    )
}

/// A film `imgs/a.png` with this XML beside it.
pub fn voc_source(xml: &str) -> (tempfile::TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    film(&dir.path().join("imgs/a.png"), 9);
    create_dir_all(dir.path().join("xml")).unwrap();
    write(dir.path().join("xml/a.xml"), xml).unwrap();
    let mut source = Source::new("tb", Format::Voc, dir.path());
    source.images = "imgs".into();
    source.annotations = vec!["xml".into()];
    (source.val_share, source.test_share) = (0.0, 0.0);
    (dir, source)
}

/// Films `CXR_png/{a,b}.png` with masks on the left and on the right.
pub fn pair_source() -> (tempfile::TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        film(&dir.path().join(format!("CXR_png/{name}.png")), 9);
        film(&dir.path().join(format!("left/{name}.png")), 255);
        film(&dir.path().join(format!("right/{name}_mask.png")), 0);
    }
    let mut source = Source::new("lung", Format::Masks, dir.path());
    source.images = "CXR_png".into();
    source.masks = vec!["left/{}.png".into(), "none/{}.png | right/{}_mask.png".into()];
    (source.val_share, source.test_share) = (0.0, 0.0);
    (dir, source)
}

#[test]
fn coco_boxes_are_read_with_their_class_and_the_size_of_their_image() {
    let (dir, mut source) = coco_source(&coco());
    source.negatives = Some("imgs/free".into());
    let dataset = source.read().unwrap();
    assert_eq!(dataset.labels.kind, Kind::Boxes);
    assert_eq!(dataset.labels.names, ["latent", "active"]);
    let [a, b, c] = &dataset.train[..] else { panic!("expected three films") };
    let found = BoxLabel { corners: [10.0, 5.0, 30.0, 15.0], class: 1 };
    assert_eq!(a.target, Annotation::Boxes { size: [40, 20], boxes: vec![found] });
    assert_eq!(a.path, dir.path().join("imgs/tb/a.png"));
    // Found by its name alone; without annotation; and named by none at all.
    assert_eq!((b.path.ends_with("imgs/deep/b.png"), b.target.boxes().len()), (true, 0));
    assert_eq!((c.path.ends_with("imgs/free/c.png"), c.target.boxes().len()), (true, 0));
    source.classes = vec![Class::new("tuberculosis", &["active", "latent"])];
    let merged = source.read().unwrap();
    assert_eq!(merged.labels.names, ["tuberculosis"]);
    assert_eq!(merged.train[0].target.boxes()[0].class, 0);
}

#[test]
fn coco_outlines_become_masks() {
    let (_dir, mut source) = coco_source(&coco());
    source.shape = AnnotationShape::Mask;
    source.classes = vec![Class::new("fracture", &[])];
    let dataset = source.read().unwrap();
    assert_eq!(
        (dataset.labels.kind, &dataset.labels.names[..]),
        (Kind::Mask, &["fracture".into()][..])
    );
    let mask = dataset.train[0].mask([8, 4]).unwrap();
    let row = |y: usize| &mask[y * 8..(y + 1) * 8];
    assert_eq!(row(1), [0, 0, 1, 1, 1, 1, 0, 0]);
    assert_eq!((row(0), row(1), row(2), row(3)), (&[0; 8][..], row(2), row(1), &[0; 8][..]));
    assert_eq!(dataset.train[1].mask([8, 4]).unwrap(), [0; 32]);
}

#[test]
fn the_names_of_coco_files_give_the_parts() {
    let (dir, mut source) = coco_source(&coco());
    let mut parts = [coco(), coco()];
    parts[0]["images"].as_array_mut().unwrap().pop();
    parts[1]["images"].as_array_mut().unwrap().remove(0);
    parts[1]["annotations"] = json!([]);
    write(dir.path().join("TB_train.json"), parts[0].to_string()).unwrap();
    write(dir.path().join("instances_val2017.json"), parts[1].to_string()).unwrap();
    source.annotations = vec!["TB_train.json".into(), "instances_val2017.json".into()];
    let dataset = source.read().unwrap();
    assert_eq!([dataset.train.len(), dataset.val.len(), dataset.test.len()], [1, 1, 0]);
}

#[test]
fn voc_boxes_are_in_the_size_that_the_file_gives() {
    let corners = [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 40.9, 20.0]];
    let (_dir, source) = voc_source(&voc(&[("b", corners[0]), ("a", corners[1])]));
    let dataset = source.read().unwrap();
    assert_eq!(dataset.labels.names, ["a", "b"]);
    let boxes = vec![
        BoxLabel { corners: corners[0], class: 1 },
        // What rounding carried over the edge is cut off.
        BoxLabel { corners: [0.0, 0.0, 40.0, 20.0], class: 0 },
    ];
    assert_eq!(dataset.train[0].target, Annotation::Boxes { size: [40, 20], boxes });
}

#[test]
fn masks_of_several_files_are_united() {
    let (_dir, source) = pair_source();
    let dataset = source.read().unwrap();
    assert_eq!(dataset.labels.kind, Kind::Mask);
    assert_eq!(dataset.train.len(), 2);
    assert_eq!(dataset.train[0].mask([2, 2]).unwrap(), [1; 4]);
}

#[test]
fn the_ending_of_a_name_can_be_the_class() {
    let dir = tempfile::tempdir().unwrap();
    ["x_0", "y_1", "z_0"].iter().for_each(|n| film(&dir.path().join(format!("{n}.png")), 1));
    let mut source = Source::new("tb", Format::Suffix, dir.path());
    source.classes = vec![Class::new("normal", &["_0"]), Class::new("tuberculosis", &["_1"])];
    (source.val_share, source.test_share) = (0.0, 0.0);
    let dataset = source.read().unwrap();
    let classes: Vec<_> = dataset.train.iter().map(|s| s.target.labels()[0]).collect();
    assert_eq!((classes, dataset.labels.kind), (vec![0.0, 1.0, 0.0], Kind::Classes));
}

#[test]
fn words_of_a_table_are_gathered_into_classes() {
    let dir = tempfile::tempdir().unwrap();
    ["a", "b", "c", "d"].iter().for_each(|n| film(&dir.path().join(format!("images/{n}.png")), 1));
    let table = "filename,finding,modality\na.png,Pneumonia/Viral/COVID-19,X-ray\n\
                 b.png,\"COVID-19, ARDS\",X-ray\nc.png,Pneumonia,X-ray\nd.png,todo,X-ray\n\
                 e.png,Pneumonia,X-ray\nf.png,COVID-19,CT\n";
    write(dir.path().join("t.csv"), table).unwrap();
    let mut source = Source::new("covid", Format::Csv, dir.path());
    source.images = "images".into();
    source.table = Some("t.csv".into());
    source.path_column = "filename".into();
    source.label_columns = vec!["finding".into()];
    source.only = [("modality".to_string(), "X-ray".to_string())].into();
    source.classes = vec![Class::new("COVID-19", &[]), Class::new("other", &["Pneumonia"])];
    source.partial = true;
    (source.val_share, source.test_share) = (0.0, 0.0);
    let dataset = source.read().unwrap();
    let classes: Vec<_> = dataset.train.iter().map(|s| s.target.labels()[0]).collect();
    assert_eq!((classes, dataset.unlabelled, dataset.missing), (vec![0.0, 0.0, 1.0], 1, 1));
}

#[test]
fn a_configuration_names_a_known_data_set_and_the_roots_say_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..10 {
        film(&dir.path().join(format!("Shenzhen/CXR_png/CHNCXR_{i}_{}.png", i % 2)), 1);
        if i > 0 {
            film(&dir.path().join(format!("Shenzhen/masks/CHNCXR_{i}_{}_mask.png", i % 2)), 255);
        }
    }
    let text = "name = \"lungs\"\nknown = \"shenzhen\"\nval_share = 0.2";
    let mut source: Source = toml::from_str(text).unwrap();
    let roots = Roots { folders: vec![dir.path().into()], ..Roots::default() };
    source.locate(&roots).unwrap();
    let dataset = source.read().unwrap();
    assert_eq!((dataset.labels.kind, &dataset.labels.names[0][..]), (Kind::Mask, "lung"));
    assert_eq!((all(&dataset).len(), dataset.val.len(), dataset.unlabelled), (9, 2, 1));
    // What is written out reads back, and to locate it again changes nothing.
    let mut again: Source = toml::from_str(&toml::to_string(&source).unwrap()).unwrap();
    again.locate(&Roots::default()).unwrap();
    assert_eq!(again, source);
    let mut classes = Source::known("tb", "shenzhen", Some(Purpose::Classify));
    let own = [("shenzhen".to_string(), dir.path().join("Shenzhen"))].into();
    classes.locate(&Roots { sets: own, folders: vec![] }).unwrap();
    assert_eq!(classes.read().unwrap().labels.names, ["normal", "tuberculosis"]);
}

#[test]
fn a_data_set_that_is_unknown_or_lies_nowhere_is_an_error() {
    let error = |known: &str, task| {
        let roots = Roots { folders: vec!["no/where".into()], ..Roots::default() };
        Source::known("x", known, task).locate(&roots).unwrap_err()
    };
    let unknown = error("shenzen", None);
    assert!(matches!(unknown, Error::Config { .. }));
    assert!(unknown.to_string().ends_with("did you mean shenzhen?"), "{unknown}");
    let absent = error("tbx11k", None).to_string();
    assert!(absent.contains("expected its folder TBX11K, found none below no/where"), "{absent}");
    let other = error("nih", Some(Purpose::Segment)).to_string();
    assert!(other.contains("expected one of classify, found segment"), "{other}");
}

#[test]
fn every_known_name_is_there_once_and_in_order_of_its_uses() {
    for (at, known) in KNOWN.iter().enumerate() {
        assert!(KNOWN[..at].iter().all(|other| other.name != known.name), "{}", known.name);
        assert!(!known.uses.is_empty() && !known.folders.is_empty(), "{}", known.name);
        assert_eq!(known.serves(None).unwrap().purpose, known.uses[0].purpose);
    }
}

/// A known data set among the real films.
fn real(known: &str, task: Option<Purpose>) -> Option<Dataset> {
    let folder = crate::films::real("")?;
    let mut source = Source::known(known, known, task);
    source.locate(&Roots { folders: vec![folder], ..Roots::default() }).unwrap();
    let dataset = source.read().unwrap();
    assert_eq!(shared_patients(&dataset), [""; 0]);
    Some(dataset)
}

fn counts(dataset: &Dataset) -> [usize; 3] {
    [dataset.train.len(), dataset.val.len(), dataset.test.len()]
}

#[test]
fn real_sets_are_read_by_name() {
    let (classify, detect) = (Some(Purpose::Classify), Some(Purpose::Detect));
    for (known, task, kind, films) in [
        ("pneumonia", None, Kind::Classes, 700),
        ("nih", None, Kind::Multi, 724),
        ("covid", None, Kind::Classes, 397),
        ("fracatlas", None, Kind::Classes, 542),
        ("fracatlas", detect, Kind::Boxes, 542),
        ("fracatlas", Some(Purpose::Segment), Kind::Mask, 542),
        ("shenzhen", None, Kind::Mask, 162),
        ("shenzhen", classify, Kind::Classes, 162),
        ("tbx11k", None, Kind::Boxes, 322),
        ("bone-fracture", None, Kind::None, 333),
        ("bone-age", None, Kind::None, 450),
        ("dental", None, Kind::None, 60),
    ] {
        let Some(dataset) = real(known, task) else { return };
        assert_eq!((dataset.labels.kind, all(&dataset).len()), (kind, films), "{known}");
    }
}

#[test]
fn real_tbx11k_keeps_its_parts_and_its_two_classes() {
    let Some(dataset) = real("tbx11k", None) else { return };
    assert_eq!(dataset.labels.names, ["Active", "Latent"]);
    assert_eq!((dataset.val.len(), counts(&dataset).iter().sum::<usize>()), (88, 322));
    let boxes: usize = all(&dataset).iter().map(|s| s.target.boxes().len()).sum();
    let negatives = all(&dataset).iter().filter(|s| s.target.boxes().is_empty()).count();
    assert_eq!((boxes, negatives), (282 + 58, 102));
}

/// Where COCO and VOC tell the same boxes of the same films, in the frame of each.
#[test]
fn real_coco_and_voc_boxes_agree() {
    for (known, xml, images, tolerance) in [
        ("tbx11k", "annotations/xml", "imgs", 0.002),
        ("fracatlas", "Annotations/PASCAL VOC", "images", 0.006),
    ] {
        let Some(dataset) = real(known, Some(Purpose::Detect)) else { return };
        let folder = Path::new(&std::env::var_os("MTPRET_DATA").unwrap())
            .join(if known == "tbx11k" { "TBX11K" } else { "FracAtlas" });
        let mut source = Source::new("voc", Format::Voc, folder);
        source.images = images.into();
        source.annotations = vec![xml.into()];
        let voc = source.read().unwrap();
        let mut compared = 0;
        for film in all(&voc) {
            let other = *all(&dataset).iter().find(|s| s.path == film.path).unwrap();
            let share = |s: &Sample| -> Vec<[f32; 4]> {
                let Annotation::Boxes { size, boxes } = &s.target else { panic!("boxes") };
                let of = |b: &BoxLabel| [0, 1, 2, 3].map(|i| b.corners[i] / size[i % 2] as f32);
                boxes.iter().map(of).collect()
            };
            let (ours, theirs) = (share(film), share(other));
            assert_eq!(ours.len(), theirs.len(), "{}", film.path.display());
            for corners in ours {
                let near =
                    |c: &[f32; 4]| c.iter().zip(corners).all(|(a, b)| (a - b).abs() < tolerance);
                assert!(theirs.iter().any(near), "{}: {corners:?} {theirs:?}", film.path.display());
                compared += 1;
            }
        }
        assert!(compared > 200, "{compared}");
    }
}
