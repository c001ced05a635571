//! Divisions that a data set gives are used, and `detect` says which evidence it went by.

use std::{
    fs::{create_dir_all, write},
    path::Path,
};

use crate::films::film;
use mtpret_pipeline::data::{Dataset, Flaw, Kind, Level, RecognisedSet, Source, Split, recognise};
use serde_json::json;

pub fn text(path: &Path, text: &str) {
    create_dir_all(path.parent().unwrap()).unwrap();
    write(path, text).unwrap();
}

pub fn films(root: &Path, names: &[&str]) {
    names.iter().enumerate().for_each(|(at, name)| film(&root.join(name), at as u8));
}

/// The one set below a folder, and what it reads with nothing taken out of the training part.
pub fn only(root: &Path) -> (RecognisedSet, Dataset, Vec<Flaw>) {
    let mut found = recognise(root).unwrap();
    let whats: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
    assert_eq!(found.len(), 1, "{whats:?}");
    let found = found.remove(0);
    let bare = Source { val_share: 0.0, test_share: 0.0, ..found.source.clone() };
    let (set, flaws) = bare.survey().unwrap();
    (found, set, flaws)
}

pub fn counts(set: &Dataset) -> [usize; 3] {
    [&set.train, &set.val, &set.test].map(Vec::len)
}

/// COCO JSON of these films with a box on each.
pub fn coco(names: &[&str]) -> String {
    let image =
        |(id, name): (usize, &&str)| json!({"id": id, "file_name": name, "width": 2, "height": 2});
    let mark =
        |id: usize| json!({"id": id, "image_id": id, "category_id": 1, "bbox": [0, 0, 1, 1]});
    json!({
        "images": names.iter().enumerate().map(image).collect::<Vec<_>>(),
        "annotations": (0..names.len()).map(mark).collect::<Vec<_>>(),
        "categories": [{"id": 1, "name": "spot"}],
    })
    .to_string()
}

#[test]
fn coco_by_folder_is_one_set_divided_by_its_folders() {
    // The films of all parts are called alike, as where each part was numbered for itself.
    for inner in ["", "images/"] {
        let dir = tempfile::tempdir().unwrap();
        for (part, names) in [
            ("train", &["1.png", "2.png", "3.png"][..]),
            ("valid", &["1.png", "2.png"]),
            ("test", &["1.png"]),
        ] {
            names
                .iter()
                .for_each(|name| film(&dir.path().join(format!("{part}/{inner}{name}")), 1));
            text(&dir.path().join(part).join("_annotations.coco.json"), &coco(names));
        }
        let (found, set, flaws) = only(dir.path());
        assert_eq!((counts(&set), set.labels.kind), ([3, 2, 1], Kind::Boxes));
        assert!(flaws.iter().all(|flaw| flaw.level == Level::Note), "{flaws:?}");
        assert!(
            found.what.contains("3 train, 2 val, 1 test, as test/_annotations.coco.json, train/"),
            "{}",
            found.what
        );
        assert!(set.test[0].path.ends_with(format!("test/{inner}1.png")));
    }
}

#[test]
fn coco_by_name_finds_each_film_in_the_folder_of_its_part() {
    let dir = tempfile::tempdir().unwrap();
    films(dir.path(), &["train2017/1.png", "train2017/2.png", "val2017/1.png"]);
    text(&dir.path().join("annotations/instances_train2017.json"), &coco(&["1.png", "2.png"]));
    text(&dir.path().join("annotations/instances_val2017.json"), &coco(&["1.png"]));
    let (_, set, _) = only(dir.path());
    assert_eq!(counts(&set), [2, 1, 0]);
    // With more films in one part than in all others, the part is no patient.
    let dir = tempfile::tempdir().unwrap();
    for (part, count) in [("train2017", 8), ("val2017", 4)] {
        let names: Vec<String> = (0..count).map(|n| format!("{n:012}.png")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.iter().for_each(|name| film(&dir.path().join(part).join(name), 1));
        text(&dir.path().join(format!("annotations/instances_{part}.json")), &coco(&names));
    }
    let (found, set, flaws) = only(dir.path());
    assert_eq!((counts(&set), set.labels.kind), ([8, 4, 0], Kind::Boxes), "{}", found.what);
    assert!(flaws.iter().all(|flaw| flaw.level == Level::Note), "{flaws:?}");
    assert!(set.val.iter().all(|film| film.path.parent().unwrap().ends_with("val2017")));
}

/// YOLO's films and texts in folders of any names.
fn yolo(root: &Path, names: &[&str]) {
    for name in names {
        film(&root.join("images").join(name).with_extension("png"), 1);
        text(&root.join("labels").join(name).with_extension("txt"), "0 0.5 0.5 0.5 0.5\n");
    }
}

#[test]
fn yolos_yaml_divides_by_folders_lists_and_both_below_its_path() {
    let names = ["tr/a", "tr/b", "tr/c", "va/d", "va/e", "te/f"];
    let list = "./images/tr/a.png\n./images/tr/b.png\nimages/tr/c.png\n";
    let absolute = "/content/other/images/va/d.png\nC:\\data\\images\\va\\e.png\n";
    for (yaml, lists) in [
        ("train: images/tr\nval: images/va\ntest: images/te\n", &[][..]),
        ("path: ../datasets/set\ntrain: images/tr\nval: [images/va]\ntest: images/te/\n", &[]),
        (
            "path: /content/set\ntrain: ../images/tr\nval: ./images/va\ntest: /content/set/images/te\n",
            &[],
        ),
        (
            "path: .\ntrain: train.txt\nval: lists/held.txt\ntest: images/te\n",
            &[("train.txt", list), ("lists/held.txt", absolute)],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        yolo(dir.path(), &names);
        lists.iter().for_each(|(name, lines)| text(&dir.path().join(name), lines));
        text(&dir.path().join("data.yaml"), &format!("{yaml}nc: 1\nnames: [spot]\n"));
        let (found, set, flaws) = only(dir.path());
        assert_eq!(counts(&set), [3, 2, 1], "{yaml}");
        assert!(flaws.iter().all(|flaw| flaw.level == Level::Note), "{flaws:?}");
        assert!(found.what.contains("3 train, 2 val, 1 test, as data.yaml says"), "{}", found.what);
    }
}

#[test]
fn what_yolos_yaml_names_and_lacks_is_said() {
    let dir = tempfile::tempdir().unwrap();
    yolo(dir.path(), &["tr/a", "tr/b", "va/d", "new/x"]);
    let yaml = dir.path().join("data.yaml");
    text(&yaml, "train: images/tr\nval: images/va\ntest: images/gone\nnames: [spot]\n");
    let (found, set, flaws) = only(dir.path());
    assert_eq!(counts(&set), [2, 1, 0]);
    let said: Vec<String> = flaws.iter().map(|flaw| flaw.error.to_string()).collect();
    let said = said.join("\n");
    assert!(
        said.contains("data.yaml: test: expected the folder or list images/gone, found none"),
        "{said}"
    );
    assert!(said.contains("found 1 outside of all parts"), "{said}");
    assert!(found.what.contains("images/gone") && !found.what.contains('\n'), "{}", found.what);
    // One folder for two parts would give figures of films that were learned from.
    text(&yaml, "train: images/tr\nval: images/tr\nnames: [spot]\n");
    let (found, ..) = only(dir.path());
    assert_eq!(found.source.split, Split::Patient);
    assert!(found.what.contains("divided by patient, not as given"), "{}", found.what);
    let given = Source { split: Split::Given, ..found.source };
    assert!(given.read().unwrap_err().to_string().contains("each film in one part"));
}

#[test]
fn darknets_lists_divide() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    for (at, name) in ["a", "b", "c", "d"].iter().enumerate() {
        film(&root.join(format!("obj/{name}.png")), at as u8);
        text(&root.join(format!("obj/{name}.txt")), "0 0.5 0.5 0.5 0.5\n");
    }
    text(&root.join("obj.names"), "spot\n");
    text(
        &root.join("obj.data"),
        "classes = 1\ntrain=data/train.txt\nvalid = data/val.txt\nnames=x\n",
    );
    text(&root.join("train.txt"), "data/obj/a.png\ndata/obj/b.png\ndata/obj/c.png\n");
    text(&root.join("val.txt"), "data/obj/d.png\n");
    let (found, set, _) = only(dir.path());
    assert_eq!(counts(&set), [3, 1, 0]);
    assert!(found.what.contains("3 train, 1 val, 0 test, as obj.data says"), "{}", found.what);
}

/// VOC's annotation of a film with a box.
fn voc(root: &Path, folder: &str, name: &str) {
    let xml = format!(
        "<annotation><filename>{name}.png</filename><size><width>2</width><height>2</height></size><object><name>nodule</name>\
         <bndbox><xmin>0</xmin><ymin>0</ymin><xmax>1</xmax><ymax>1</ymax></bndbox></object></annotation>"
    );
    text(&root.join(folder).join(format!("{name}.xml")), &xml);
}

#[test]
fn vocs_lists_divide_and_what_they_pass_over_is_said() {
    for (at, behind) in [("ImageSets/Main", ""), ("ImageSets/Main", "  1"), ("ImageSets", ".xml")] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("VOC2007");
        for name in ["a", "b", "c", "d", "e", "f"] {
            film(&root.join(format!("JPEGImages/{name}.png")), 1);
            voc(&root, "Annotations", name);
        }
        let lists = root.join(at);
        let list = |names: &[&str]| {
            names.iter().map(|name| format!("{name}{behind}\r\n")).collect::<String>()
        };
        text(&lists.join("train.txt"), &list(&["a", "b"]));
        text(&lists.join("trainval.txt"), &list(&["a", "b", "c"]));
        text(&lists.join("val.txt"), &list(&["c"]));
        text(&lists.join("test.txt"), &list(&["d", "e", "gone"]));
        let (found, set, flaws) = only(dir.path());
        assert_eq!(counts(&set), [2, 1, 2]);
        assert!(
            found.what.contains(&format!("2 train, 1 val, 2 test, as {at} says")),
            "{}",
            found.what
        );
        let said: Vec<String> = flaws.iter().map(|flaw| flaw.error.to_string()).collect();
        assert!(said.iter().any(|said| said.contains("the annotation of gone")), "{said:?}");
        assert!(said.iter().any(|said| said.contains("found 1 outside of all parts")), "{said:?}");
        // By patient every film is used.
        let anew = Source { split: Split::Patient, ..found.source };
        assert_eq!(counts(&anew.read().unwrap()).iter().sum::<usize>(), 6);
    }
}

#[test]
fn vocs_lists_of_single_classes_divide_together() {
    let dir = tempfile::tempdir().unwrap();
    for (at, name) in ["a", "b", "c", "d"].iter().enumerate() {
        film(&dir.path().join(format!("JPEGImages/{name}.png")), at as u8);
        voc(dir.path(), "Annotations", name);
    }
    let lists = dir.path().join("ImageSets/Main");
    text(&lists.join("nodule_train.txt"), "a 1\nb -1\n");
    text(&lists.join("mass_train.txt"), "a -1\nc  1\n");
    text(&lists.join("nodule_val.txt"), "d  1\n");
    let (found, set, _) = only(dir.path());
    assert_eq!(counts(&set), [3, 1, 0], "{}", found.what);
    assert!(found.what.contains("as ImageSets/Main says"), "{}", found.what);
}

#[test]
fn voc_in_folders_of_parts_is_divided_by_them() {
    let dir = tempfile::tempdir().unwrap();
    for (part, name) in [("train", "a"), ("train", "b"), ("valid", "c"), ("test", "a")] {
        film(&dir.path().join(part).join(format!("{name}.png")), 1);
        voc(dir.path(), part, name);
    }
    let (_, set, flaws) = only(dir.path());
    assert_eq!(counts(&set), [2, 1, 1]);
    assert!(flaws.iter().all(|flaw| flaw.level == Level::Note), "{flaws:?}");
    assert!(set.test[0].path.ends_with("test/a.png"));
}

/// A mask of this value with half of its pixels in it.
pub fn mask(path: &Path, value: u8) {
    create_dir_all(path.parent().unwrap()).unwrap();
    let picture =
        image::GrayImage::from_fn(2, 2, |x, _| image::Luma([if x == 0 { value } else { 0 }]));
    picture.save_with_format(path, image::ImageFormat::Png).unwrap();
}

#[test]
fn masks_in_folders_of_parts_are_divided_by_them() {
    for (films, masks) in [
        ("{part}/images/{n}.png", "{part}/masks/{n}.png"),
        ("images/{part}/{n}.png", "masks/{part}/{n}.png"),
        ("{part}/{n}.png", "{part}_masks/{n}_mask.png"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (part, count) in [("train", 4), ("valid", 2), ("test", 1)] {
            for n in 1..=count {
                let at = |pattern: &str| {
                    dir.path().join(pattern.replace("{part}", part).replace("{n}", &n.to_string()))
                };
                film(&at(films), n);
                mask(&at(masks), 255);
            }
        }
        let (found, set, _) = only(dir.path());
        assert_eq!(
            (counts(&set), set.labels.kind),
            ([4, 2, 1], Kind::Mask),
            "{films}: {}",
            found.what
        );
        assert_eq!(set.unlabelled, 0, "{films}");
        assert!(found.what.contains("4 train, 2 val, 1 test"), "{}", found.what);
        let own = set.test[0].path.strip_prefix(dir.path()).unwrap().display().to_string();
        assert!(own.contains("test"), "{own}");
        assert_eq!(set.test[0].mask([2, 2]).unwrap(), [1, 0, 1, 0]);
        assert!(set.shared_patients().is_empty());
    }
}

#[test]
fn nnunets_folders_are_films_with_masks_and_its_test_part_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("Dataset001_Lung");
    let part = |end: &str, cases: std::ops::Range<usize>, labelled: bool| {
        for case in cases {
            film(&root.join(format!("images{end}/case_{case:03}_0000.png")), case as u8);
            if labelled {
                mask(&root.join(format!("labels{end}/case_{case:03}.png")), 255);
            }
        }
    };
    part("Tr", 0..6, true);
    part("Ts", 6..9, false);
    text(
        &root.join("dataset.json"),
        r#"{"labels": {"background": 0, "lung": 1}, "file_ending": ".png"}"#,
    );
    let (found, set, _) = only(dir.path());
    assert_eq!((counts(&set), &set.labels.names[..]), ([6, 0, 0], &["lung".to_string()][..]));
    assert!(found.what.contains("3 films of imagesTs have no masks"), "{}", found.what);
    assert_eq!(set.train[0].patient, "case_000");
    part("Ts", 6..9, true);
    let (found, set, _) = only(dir.path());
    assert_eq!(counts(&set), [6, 0, 3], "{}", found.what);
}

#[test]
fn masks_of_any_values_are_masks_and_no_films_or_classes() {
    for (films, masks) in [("films", "masks"), ("img", "gt"), ("imagesTr", "labelsTr")] {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..6 {
            film(&dir.path().join(films).join(format!("c{n}.png")), n);
            mask(&dir.path().join(masks).join(format!("c{n}.png")), 1);
        }
        let (found, set, _) = only(dir.path());
        assert_eq!((counts(&set), set.labels.kind), ([6, 0, 0], Kind::Mask), "{}", found.what);
        assert!(found.what.contains("1 is foreground in them"), "{}", found.what);
        assert_eq!(set.train[0].mask([2, 2]).unwrap(), [1, 0, 1, 0]);
    }
}

#[test]
fn several_labels_of_nnunet_are_one_foreground() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..6u8 {
        film(&dir.path().join(format!("imagesTr/c{n}_0000.png")), n);
        mask(&dir.path().join(format!("labelsTr/c{n}.png")), 1 + n % 2);
    }
    let labels = r#"{"labels": {"background": 0, "left lung": 1, "right lung": 2}}"#;
    text(&dir.path().join("dataset.json"), labels);
    let (found, set, _) = only(dir.path());
    assert!(found.what.contains("1 or 2 is foreground in them"), "{}", found.what);
    for film in &set.train {
        assert_eq!(film.mask([2, 2]).unwrap(), [1, 0, 1, 0]);
    }
    // Without the meaning of its values a mask of several is left to its owner.
    std::fs::remove_file(dir.path().join("dataset.json")).unwrap();
    let (found, ..) = only(dir.path());
    assert!(found.what.contains("a mask cannot be used"), "{}", found.what);
}

#[test]
fn a_part_whose_folders_are_called_otherwise_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..4 {
        film(&dir.path().join(format!("train/images/{n}.png")), n);
        mask(&dir.path().join(format!("train/masks/{n}.png")), 255);
        film(&dir.path().join(format!("val/imgs/{}.png", 10 + n)), 10 + n);
        mask(&dir.path().join(format!("val/masks/{}.png", 10 + n)), 255);
    }
    let (found, set, _) = only(dir.path());
    assert_eq!(counts(&set), [4, 0, 0]);
    assert!(found.what.contains("part not read"), "{}", found.what);
    assert!(found.what.contains("4 images elsewhere in it"), "{}", found.what);
    let read = found.source.read().unwrap();
    assert!(read.warnings.iter().any(|w| w.starts_with("part not read")), "{:?}", read.warnings);
}

#[test]
fn labels_that_cannot_be_read_are_named() {
    let told = |make: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        films(dir.path(), &["a.png", "b.png"]);
        make(dir.path());
        let found = recognise(dir.path()).unwrap();
        let whats: Vec<String> = found.into_iter().map(|found| found.what).collect();
        assert_eq!(whats.len(), 1, "{whats:?}");
        whats[0].clone()
    };
    assert_eq!(told(&|_| ()), "films without labels, to pretrain");
    let readme = told(&|root| text(&root.join("README.txt"), "x"));
    assert_eq!(readme, "films without labels, to pretrain");
    for (name, content, words) in [
        (
            "marks.json",
            r#"{"images": [], "annotations": [], "categories": ["#,
            "COCO JSON (1 files): ",
        ),
        ("via.json", "{}", "beside them lie via.json"),
        ("labels.xlsx", "x", "beside them lie labels.xlsx"),
        ("data.yaml", "names: [spot]\n", "data.yaml"),
        ("labels/a.txt", "9 nine\n", "YOLO text files"),
        ("Annotations/a.xml", "<annotation><size/></annotation>", "Pascal VOC XML"),
    ] {
        let what = told(&|root| text(&root.join(name), content));
        assert!(what.contains(words) && !what.contains("without labels"), "{name}: {what}");
    }
    let apart = told(&|root| {
        film(&root.join("images/x.png"), 1);
        mask(&root.join("masks/unlike.png"), 255);
    });
    assert!(apart.contains("masks in masks: none is called as a film in images"), "{apart}");
    assert!(apart.contains("what lies in masks is among these films"), "{apart}");
    // Where all films lie beside the masks, masks are no films.
    let dir = tempfile::tempdir().unwrap();
    film(&dir.path().join("images/x.png"), 1);
    mask(&dir.path().join("masks/unlike.png"), 255);
    let (found, set, _) = only(dir.path());
    assert_eq!(counts(&set), [1, 0, 0], "{}", found.what);
}

#[test]
fn folders_of_patients_alone_are_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..8 {
        film(&dir.path().join(format!("P{n:02}/frontal.png")), n);
        film(&dir.path().join(format!("P{n:02}/lateral.png")), n);
    }
    let (found, set, _) = only(dir.path());
    assert_eq!((counts(&set), set.labels.kind), ([16, 0, 0], Kind::None), "{}", found.what);
    // With folders of classes in them it is said how they would be read.
    let dir = tempfile::tempdir().unwrap();
    for n in 0..8 {
        film(&dir.path().join(format!("P{n:02}/normal/1.png")), n);
        film(&dir.path().join(format!("P{n:02}/sick/2.png")), n);
    }
    let (found, ..) = only(dir.path());
    assert!(
        found.what.contains("put folders of classes above those of patients"),
        "{}",
        found.what
    );
}
