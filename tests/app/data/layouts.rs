//! The paper's data sets as people unpack them, quirks and all: recognised, and divided as they are published.

use std::{
    fs::{create_dir_all, write},
    path::Path,
};

use super::detected::detected;
use crate::films::{film, shared_patients};
use image::{ImageFormat, Rgb, RgbImage};
use mtpret_pipeline::data::{Annotation, Dataset, Purpose, Source, Split};

/// Writes a text file, making its folders.
fn text(path: &Path, text: &str) {
    create_dir_all(path.parent().unwrap()).unwrap();
    write(path, text).unwrap();
}

/// Writes a mask or film of 2 × 2 coloured pixels of one value.
fn coloured(path: &Path, value: u8) {
    create_dir_all(path.parent().unwrap()).unwrap();
    let picture = RgbImage::from_pixel(2, 2, Rgb([value; 3]));
    picture.save_with_format(path, ImageFormat::Png).unwrap();
}

/// The source that serves for `task` of a known set below `root`, by its own division and nothing taken out of it.
fn given(root: &Path, known: &str, task: Purpose) -> Source {
    let found = detected(root);
    let fits =
        |source: &Source| source.known.as_deref() == Some(known) && source.task == Some(task);
    let Some(found) = found.iter().find(|found| fits(&found.source)) else {
        panic!("{known} is not among {found:?}")
    };
    let mut source = found.source.clone();
    source.locate(&Default::default()).unwrap();
    source.split = Split::Given;
    (source.val_share, source.test_share) = (0.0, 0.0);
    source
}

fn counts(set: &Dataset) -> [usize; 3] {
    [&set.train, &set.val, &set.test].map(Vec::len)
}

#[test]
fn nih_with_ten_or_eleven_columns_and_lists_without_a_final_newline() {
    let brackets = "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]";
    let quoted = "\"OriginalImage[Width,Height]\",\"OriginalImagePixelSpacing[x,y]\"";
    for (columns, end) in [(brackets, ""), (brackets, ","), (quoted, "")] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("CXR8");
        let mut table = format!(
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,{columns}{end}\n"
        );
        let mut names = Vec::new();
        for patient in 1..=10 {
            for visit in 0..2 {
                let name = format!("{patient:08}_{visit:03}.png");
                film(
                    &root.join(format!("images_{:03}/images", 1 + patient % 3)).join(&name),
                    patient,
                );
                let found = ["No Finding", "Cardiomegaly|Pleural_Thickening"][visit];
                let pixels = if columns == quoted {
                    "\"[2682,2749]\",\"[0.143,0.143]\""
                } else {
                    "2682,2749,0.143,0.143"
                };
                table += &format!("{name},{found},{visit},{patient},58,M,PA,{pixels}{end}\n");
                names.push(name);
            }
        }
        text(&root.join("Data_Entry_2017.csv"), table.trim_end());
        text(&root.join("BBox_List_2017.csv"), "Image Index,Finding Label,Bbox [x,y,w,h],,,\n");
        text(&root.join("train_val_list.txt"), &names[..16].join("\n"));
        text(&root.join("test_list.txt"), &names[16..].join("\n"));
        let set = given(dir.path(), "nih", Purpose::Classify).read().unwrap();
        assert_eq!((counts(&set), set.missing), ([16, 0, 4], 0));
        assert_eq!(set.train[1].target.labels().iter().sum::<f32>(), 2.0);
        assert_eq!((&set.test[0].patient[..], shared_patients(&set)), ("9", vec![]));
    }
}

#[test]
fn mura_with_paths_that_end_in_a_slash_or_not() {
    for end in ["/", ""] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("MURA-v1.1");
        for (part, patients) in [("train", 1..=8), ("valid", 9..=10)] {
            let (mut studies, mut images) = (String::new(), String::new());
            for patient in patients {
                let label = ["negative", "positive"][patient % 2];
                let study = format!("{part}/XR_ELBOW/patient{patient:05}/study1_{label}");
                film(&root.join(&study).join("image1.png"), patient as u8);
                text(&root.join(&study).join("._image1.png"), "AppleDouble");
                studies += &format!("MURA-v1.1/{study}{end},{}\n", patient % 2);
                images += &format!("MURA-v1.1/{study}/image1.png\n");
            }
            text(&root.join(format!("{part}_labeled_studies.csv")), &studies);
            text(&root.join(format!("{part}_image_paths.csv")), &images);
        }
        let set = given(dir.path(), "mura", Purpose::Classify).read().unwrap();
        assert_eq!((counts(&set), &set.labels.names[1][..]), ([8, 2, 0], "abnormal"));
        assert_eq!(set.val.iter().map(|s| s.target.labels()[0]).collect::<Vec<_>>(), [1.0, 0.0]);
    }
}

#[test]
fn kermany_unpacked_twice_beside_apples_folders() {
    let dir = tempfile::tempdir().unwrap();
    let outer = dir.path().join("chest_xray");
    for (part, patients) in [("train", 1..=6), ("val", 7..=8), ("test", 9..=10)] {
        for patient in patients {
            for (class, name) in [
                ("NORMAL", format!("IM-{patient:04}-0001.jpeg")),
                ("PNEUMONIA", format!("person{patient}_bacteria_{patient}.jpeg")),
            ] {
                let inside = format!("{part}/{class}/{name}");
                film(&outer.join(&inside), patient);
                film(&outer.join("chest_xray").join(&inside), patient);
                text(&outer.join(format!("__MACOSX/{part}/{class}/._{name}")), "AppleDouble");
            }
        }
    }
    let set = given(dir.path(), "pneumonia", Purpose::Classify).read().unwrap();
    assert_eq!(counts(&set), [12, 4, 4]);
    assert_eq!(set.labels.names, ["NORMAL", "PNEUMONIA"]);
}

/// TBX11K: four films in parts, of which the last has no box; category 3 occurs nowhere.
fn tbx11k(root: &Path) {
    let names = ["tb/tb0005.png", "health/h0001.png", "tb/tb0009.png", "tb/tb1199.png"];
    names.iter().for_each(|name| film(&root.join("imgs").join(name), 7));
    film(&root.join("imgs/extra/da+db/train/n1.png"), 8);
    film(&root.join("imgs/test/test_00000001.png"), 9);
    let categories = serde_json::json!([
        { "supercategory": "Tuberculosis", "id": 1, "name": "ActiveTuberculosis" },
        { "supercategory": "Tuberculosis", "id": 2, "name": "ObsoletePulmonaryTuberculosis" },
        { "supercategory": "Tuberculosis", "id": 3, "name": "PulmonaryTuberculosis" },
    ]);
    let file = |name: &str, films: std::ops::Range<usize>| {
        let image = |id: usize| serde_json::json!({ "id": id, "file_name": names[id], "width": 512, "height": 512, "date_captured": "" });
        let mark = |id: usize| {
            serde_json::json!({ "id": id + 1, "image_id": id, "category_id": 1 + id % 2, "iscrowd": 0, "area": 3840,
                "bbox": [60.69270833333333, 126.58666666666667, 47.395833333333336, 81.06666666666666], "segmentation": [] })
        };
        let boxed = films.clone().filter(|id| [0, 2].contains(id));
        let json = serde_json::json!({ "info": {}, "licenses": [], "categories": categories,
            "images": films.map(image).collect::<Vec<_>>(), "annotations": boxed.map(mark).collect::<Vec<_>>() });
        text(&root.join("annotations/json").join(name), &json.to_string());
    };
    file("TBX11K_train.json", 0..2);
    file("TBX11K_val.json", 2..4);
    for whole in ["TBX11K_trainval.json", "TBX11K_trainval_only_tb.json", "all_trainval.json"] {
        file(whole, 0..4);
    }
    let test = r#"{"images": [{"id": 1, "file_name": "test/test_00000001.png", "width": 512, "height": 512}], "categories": []}"#;
    text(&root.join("annotations/json/all_test.json"), test);
    text(&root.join("lists/TBX11K_train.txt"), "tb/tb0005.png\nhealth/h0001.png");
    for name in ["tb0005", "tb0009"] {
        let xml = format!(
            "<annotation>\n<folder>tb</folder>\n<filename>{name}.png</filename>\n<size><width>2292</width><height>2000</height>\
             <depth>3</depth></size>\n<object><name>ActiveTuberculosis</name><bndbox><xmin>271.7</xmin><ymin>500</ymin>\
             <xmax>483.9</xmax><ymax>816.7</ymax></bndbox></object>\n</annotation>\n"
        );
        text(&root.join(format!("annotations/xml/{name}.xml")), &xml);
    }
}

#[test]
fn tbx11k_keeps_the_parts_of_its_json_and_leaves_the_films_of_its_test_part() {
    let dir = tempfile::tempdir().unwrap();
    tbx11k(&dir.path().join("TBX11K"));
    let set = given(dir.path(), "tbx11k", Purpose::Detect).read().unwrap();
    assert_eq!(
        (counts(&set), &set.labels.names[..]),
        ([2, 2, 0], &["Active", "Latent"].map(String::from)[..])
    );
    let boxes: Vec<usize> =
        set.train.iter().chain(&set.val).map(|film| film.target.boxes().len()).collect();
    assert_eq!(boxes, [1, 0, 1, 0]);
    let [x1, y1, x2, y2] = set.train[0].target.boxes()[0].corners;
    assert!((x1 - 60.692_71).abs() < 1e-4 && (y1 - 126.586_67).abs() < 1e-4, "{x1} {y1}");
    assert!((x2 - 108.088_54).abs() < 1e-4 && (y2 - 207.653_33).abs() < 1e-4, "{x2} {y2}");
}

#[test]
fn tbx11ks_xml_alone_is_voc_in_the_pixels_of_the_original_films() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("TBX11K");
    tbx11k(&root);
    std::fs::remove_dir_all(root.join("annotations/json")).unwrap();
    let found = detected(dir.path());
    let what = "Pascal VOC XML; 4 images are not used: 1 in imgs/extra/da+db/train";
    assert!(found.len() == 1 && found[0].what.starts_with(what), "{}", found[0].what);
    let mut source = found[0].source.clone();
    (source.val_share, source.test_share) = (0.0, 0.0);
    let set = source.read().unwrap();
    let Annotation::Boxes { size, boxes } = &set.train[0].target else { panic!("expected boxes") };
    // As shares of the sides, which is what training sees, they are those of the JSON.
    assert_eq!((set.train.len(), size), (2, &[2292, 2000]));
    let shares = [0, 1, 2, 3].map(|i| boxes[0].corners[i] / size[i % 2] as f32);
    let json = [60.692_71, 126.586_67, 108.088_54, 207.653_33].map(|v| v / 512.0);
    assert!(shares.iter().zip(json).all(|(a, b)| (a - b).abs() < 0.005), "{shares:?} {json:?}");
}

#[test]
fn montgomerys_lungs_are_what_either_mask_covers() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("MontgomerySet");
    for at in 1..=4 {
        let name = format!("MCUCXR_{at:04}_{}.png", at % 2);
        film(&root.join("CXR_png").join(&name), at);
        film(&root.join("ManualMask/leftMask").join(&name), 255 * u8::from(at < 3));
        film(&root.join("ManualMask/rightMask").join(&name), 255 * u8::from(at < 2));
        text(&root.join(format!("ClinicalReadings/{name}.txt")), "Patient's Sex: F");
    }
    text(&root.join("CXR_png/Thumbs.db"), "x");
    let set = given(dir.path(), "montgomery", Purpose::Segment).read().unwrap();
    let covered = set.train.iter().map(|film| film.mask([2, 2]).unwrap()[0]).collect::<Vec<_>>();
    assert_eq!(covered, [1, 1, 0, 0]);
    let sick = given(dir.path(), "montgomery", Purpose::Classify).read().unwrap();
    let sick: Vec<f32> = sick.train.iter().map(|film| film.target.labels()[0]).collect();
    assert_eq!(sick, [1.0, 0.0, 1.0, 0.0]);
}

#[test]
fn shenzhens_coloured_films_are_for_lungs_for_tuberculosis_and_for_pretraining() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("ChinaSet_AllFiles");
    for at in 1..=6 {
        let name = format!("CHNCXR_{at:04}_{}", at / 4);
        coloured(&root.join(format!("CXR_png/{name}.png")), 10 * at);
        text(&root.join(format!("ClinicalReadings/{name}.txt")), "male 45yrs\nnormal");
        if at != 5 {
            coloured(&root.join(format!("mask/{name}_mask.png")), 255);
        }
    }
    let [lungs, sick, films] = [Purpose::Segment, Purpose::Classify, Purpose::Pretrain]
        .map(|task| given(dir.path(), "shenzhen", task).read().unwrap());
    assert_eq!((lungs.train.len(), lungs.unlabelled), (5, 1));
    assert_eq!(lungs.train[0].mask([2, 2]).unwrap(), [1; 4]);
    assert_eq!(sick.train.iter().filter(|film| film.target.labels() == [1.0]).count(), 3);
    assert_eq!(films.train.len(), 6);
}

#[test]
fn chest_xray_masks_and_labels_has_two_ways_to_name_a_mask_and_films_without() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data/Lung Segmentation");
    for at in 1..=4 {
        film(&root.join(format!("CXR_png/CHNCXR_{at:04}_0.png")), at);
        film(&root.join(format!("CXR_png/MCUCXR_{at:04}_1.png")), at + 10);
        film(&root.join(format!("test/CHNCXR_{:04}_0.png", at + 100)), at + 20);
        text(&root.join(format!("ClinicalReadings/CHNCXR_{at:04}_0.txt")), "x");
        if at != 2 {
            coloured(&root.join(format!("masks/CHNCXR_{at:04}_0_mask.png")), 255);
        }
        coloured(&root.join(format!("masks/MCUCXR_{at:04}_1.png")), 255);
    }
    text(&root.join("NLM-ChinaCXRSet-ReadMe.docx"), "x");
    for folder in ["", "data", "data/Lung Segmentation"] {
        let set = given(&dir.path().join(folder), "lung", Purpose::Segment).read().unwrap();
        assert_eq!((set.train.len(), set.unlabelled), (7, 1));
        assert!(set.train.iter().all(|film| film.mask([2, 2]).unwrap() == [1; 4]));
    }
}

#[test]
fn deepcovid_keeps_its_two_parts() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data_upload_v3/data");
    for (part, films) in [("train", 1..=6), ("test", 7..=10)] {
        for at in films {
            film(&root.join(format!("{part}/covid/aug_0_covid-{at}.jpg")), at);
            film(
                &root.join(format!("{part}/non/patient{:05}-study1-view1_frontal.jpg", at)),
                at + 20,
            );
            text(&root.join(format!("{part}/non/._x{at}.jpg")), "AppleDouble");
        }
    }
    let set = given(dir.path(), "deepcovid", Purpose::Classify).read().unwrap();
    assert_eq!(
        (counts(&set), &set.labels.names[..]),
        ([12, 0, 8], &["covid", "non"].map(String::from)[..])
    );
}

#[test]
fn chexpert_is_recognised_by_its_tables() {
    let dir = crate::films::chexpert("CheXpert-v1.0-small");
    let set = given(dir.path(), "chexpert", Purpose::Classify).read().unwrap();
    assert_eq!((counts(&set), set.labels.names.len()), ([10, 0, 1], 5));
}
