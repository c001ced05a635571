//! Folders as people lay them out: classes, parts, masks and whatever else lies between them. What is no class is none, and
//! what is not read is named.

use std::{fs::create_dir_all, path::Path};

use super::divisions::{counts, films, mask, only, text};
use crate::films::film;
use image::{GrayAlphaImage, ImageFormat, LumaA, Rgb, RgbImage};
use mtpret_pipeline::data::{Kind, Level, RecognisedSet, Source, Split, Subject, audit, recognise};

/// Six films in each of these folders, called as it.
fn filled(root: &Path, folders: &[&str]) {
    for folder in folders {
        for n in 0..6 {
            film(&root.join(folder).join(format!("{}{n}.png", folder.replace('/', ""))), n);
        }
    }
}

/// The folders that `outer` and `inner` make.
fn crossed(outer: &[&str], inner: &[&str]) -> Vec<String> {
    outer.iter().flat_map(|a| inner.iter().map(move |b| format!("{a}/{b}"))).collect()
}

/// What is found below a folder that is filled so.
fn found(make: impl Fn(&Path)) -> (tempfile::TempDir, Vec<RecognisedSet>) {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let found = recognise(dir.path()).unwrap();
    (dir, found)
}

/// The one set in folders of films, with its labels and counts.
fn told(folders: &[String]) -> (String, Vec<String>, [usize; 3]) {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &folders.iter().map(String::as_str).collect::<Vec<_>>());
    let (found, set, _) = only(dir.path());
    found.source.read().unwrap();
    (found.what, set.labels.names.clone(), counts(&set))
}

#[test]
fn parts_within_classes_are_parts() {
    for parts in [["train", "val", "test"], ["Training", "Validation", "Testing"]] {
        for inner in ["", "/images"] {
            let mut folders = crossed(&["neg", "pos"], &parts);
            folders.iter_mut().for_each(|folder| *folder += inner);
            let (what, names, counts) = told(&folders);
            assert_eq!((names, counts), (vec!["neg".into(), "pos".into()], [12; 3]), "{what}");
            assert!(what.contains("12 train, 12 val, 12 test, as its folders say"), "{what}");
        }
    }
    let images: Vec<String> =
        ["train", "test"].map(|part| crossed(&["neg/images", "pos/images"], &[part])).concat();
    let (what, _, counts) = told(&images);
    assert_eq!(counts, [12, 0, 12], "{what}");
    // A folder beside the parts of a class is in no part, which is said, and of use by patient.
    let mut folders = crossed(&["neg", "pos"], &["train", "test"]);
    folders.push("neg/more".into());
    let (what, _, counts) = told(&folders);
    assert_eq!(counts, [12, 0, 12], "{what}");
    assert!(what.contains("found 6 outside of all parts"), "{what}");
    let (dir, all) = found(|root| {
        filled(root, &folders.iter().map(String::as_str).collect::<Vec<_>>());
    });
    let source = Source { split: Split::Patient, ..all[0].source.clone() };
    assert_eq!(super::divisions::counts(&source.read().unwrap()).iter().sum::<usize>(), 30);
    drop(dir);
}

#[test]
fn parts_are_told_by_a_word_of_their_folders() {
    for [train, test] in
        [["train2020", "test2020"], ["Training Set", "Test Set"], ["train_data", "test_images"]]
    {
        let (what, _, counts) = told(&crossed(&[train, test], &["neg", "pos"]));
        assert_eq!(counts, [12, 0, 12], "{what}");
    }
    let (_dir, all) = found(|root| {
        for part in ["train2017", "val2017"] {
            for n in 0..6 {
                film(&root.join(format!("images/{part}/{part}{n}.png")), n);
                mask(&root.join(format!("masks/{part}/{part}{n}.png")), 255);
            }
        }
    });
    assert!(all[0].what.contains("6 train, 6 val, 0 test"), "{}", all[0].what);
    // Without one to learn from they are none, which is said.
    let (what, _, counts) = told(&crossed(&["neg", "pos"], &["val", "test"]));
    assert_eq!(counts, [24, 0, 0]);
    assert!(what.contains("no division without one to learn from"), "{what}");
    // A folder beside the parts of films and masks is in none.
    let (_dir, all) = found(|root| {
        for part in ["train", "val", "holdout"] {
            for n in 0..6 {
                film(&root.join(format!("images/{part}/{part}{n}.png")), n);
                mask(&root.join(format!("masks/{part}/{part}{n}.png")), 255);
            }
        }
    });
    let bare = Source { val_share: 0.0, test_share: 0.0, ..all[0].source.clone() };
    assert_eq!(super::divisions::counts(&bare.read().unwrap()), [6, 6, 0]);
    assert!(all[0].what.contains("found 6 outside of all parts"), "{}", all[0].what);
}

#[test]
fn labelled_films_beside_others_are_read_and_the_others_named() {
    let (_dir, all) = found(|root| {
        filled(root, &["labelled/neg", "labelled/pos", "unlabelled"]);
    });
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].source.read().unwrap().labels.names, ["neg", "pos"]);
    assert!(all[0].what.contains("6 films in unlabelled"), "{}", all[0].what);
    let (_dir, all) = found(|root| {
        filled(root, &["neg", "pos"]);
        film(&root.join("loose.png"), 1);
    });
    assert!(all[0].what.starts_with("a folder for each class: neg, pos"), "{}", all[0].what);
    assert!(all[0].what.contains("1 image is not used"), "{}", all[0].what);
    let (_dir, all) = found(|root| {
        filled(root, &["kind a", "kind b"]);
        film(&root.join("loose.png"), 1);
    });
    assert!(!all[0].what.contains("without labels"), "{}", all[0].what);
}

#[test]
fn folders_that_are_in_every_class_are_no_classes() {
    for inner in [
        &["AP", "PA"][..],
        &["left", "right"],
        &["batch1", "batch2"],
        &["siteA", "siteB"],
        &["2019", "2020", "2021"],
        &["frontal", "lateral", "oblique"],
        &["0", "1", "2"],
    ] {
        for outer in [&["neg", "pos"][..], &["normal", "pneumonia"], &["benign", "malignant"]] {
            let (what, names, counts) = told(&crossed(outer, inner));
            assert_eq!(names, outer, "{what}");
            assert_eq!(counts, [6 * outer.len() * inner.len(), 0, 0]);
            let said = format!("the folders {} are in each of them", inner.join(", "));
            assert!(what.contains(&said), "{what}");
            assert!(!what.contains("look like one for each patient"), "{what}");
        }
    }
    // Words that nobody knows are classes where those in them are the same.
    let (what, names, _) = told(&crossed(&["kind a", "kind b"], &["PA", "AP"]));
    assert_eq!(names, ["kind a", "kind b"], "{what}");
}

#[test]
fn sets_of_the_same_classes_side_by_side_are_sets_and_said_to_be() {
    for (outer, said) in [
        (["hospital1", "hospital2"], "hospital1, hospital2 hold the same folders neg, pos"),
        (["fold0", "fold1"], "fold0, fold1 are folds of one set"),
    ] {
        let (_dir, all) = found(|root| {
            let folders = crossed(&outer, &["neg", "pos"]);
            filled(root, &folders.iter().map(String::as_str).collect::<Vec<_>>());
        });
        assert_eq!(all.len(), 2);
        assert!(all[0].what.contains(said), "{}", all[0].what);
    }
}

#[test]
fn class_names_that_differ_in_capital_letters_are_one_class() {
    for (train, test) in [(["neg", "pos"], ["Neg", "Pos"]), (["Sick", "Well"], ["SICK", "well"])] {
        let folders = [crossed(&["train"], &train), crossed(&["test"], &test)].concat();
        let (what, names, counts) = told(&folders);
        assert_eq!((names, counts), (train.map(String::from).to_vec(), [12, 0, 12]), "{what}");
        assert!(what.contains("class in two spellings"), "{what}");
    }
    // Of a known set too.
    let (_dir, all) = found(|root| {
        filled(root, &["train/NORMAL", "train/PNEUMONIA", "test/Normal", "test/Pneumonia"]);
    });
    assert!(all[0].source.known.as_deref() == Some("pneumonia"));
    assert!(all[0].what.contains("Normal, which counts as NORMAL"), "{}", all[0].what);
    let mut source = all[0].source.clone();
    source.locate(&Default::default()).unwrap();
    let read = source.read().unwrap();
    assert_eq!(read.labels.names, ["NORMAL", "PNEUMONIA"]);
    assert!(read.warnings.iter().any(|w| w.starts_with("class in two spellings")));
}

#[test]
fn what_is_not_read_is_named_with_its_count() {
    let folders = crossed(&["train", "test", "holdout"], &["neg", "pos"]);
    let (what, _, counts) = told(&folders);
    assert_eq!(counts, [12, 0, 12]);
    assert!(what.contains("films beside the parts") && what.contains("12 in holdout"), "{what}");
    // Pictures of other kinds.
    let (_dir, all) = found(|root| {
        filled(root, &["neg", "pos"]);
        for name in ["neg/a.webp", "neg/b.WEBP", "pos/c.heic", "pos/deep/d.nii.gz"] {
            text(&root.join(name), "x");
        }
    });
    let wanted = "not read are files of other kinds, 1 .heic, 1 .nii.gz, 2 .webp";
    assert!(all[0].what.contains(wanted), "{}", all[0].what);
    // Masks that nobody decodes are no reason to call films unlabelled.
    let (_dir, all) = found(|root| {
        filled(root, &["images"]);
        for n in 0..6 {
            text(&root.join(format!("masks/images{n}.gif")), "x");
        }
    });
    assert!(all[0].what.contains("6 .gif"), "{}", all[0].what);
    assert!(!all[0].what.contains("without labels"), "{}", all[0].what);
    // Lists of films beside a layout that has none.
    let (_dir, all) = found(|root| {
        filled(root, &["neg", "pos"]);
        text(&root.join("train_list.txt"), "neg0.png\n");
        text(&root.join("test_list.txt"), "neg1.png\n");
    });
    let wanted = "test_list.txt, train_list.txt may say a division, which is not read";
    assert!(all[0].what.contains(wanted), "{}", all[0].what);
}

/// Films and, with this between the film's name and the extension, masks beside them.
fn with_masks(root: &Path, folder: &str, behind: &str, value: u8) {
    for n in 0..6 {
        film(&root.join(folder).join(format!("{folder} ({n}).png")), n);
        mask(&root.join(folder).join(format!("{folder} ({n}){behind}.png")), value);
    }
}

#[test]
fn masks_beside_films_are_their_masks() {
    for behind in ["_mask", "_seg", "-Mask", "_label", "_lung_mask", ".gt", "_segmentation"] {
        let (_dir, all) = found(|root| with_masks(root, "x", behind, 255));
        assert_eq!(all.len(), 1, "{behind}");
        let set = Source { val_share: 0.0, test_share: 0.0, ..all[0].source.clone() };
        let set = set.read().unwrap();
        assert_eq!((set.train.len(), set.labels.kind), (6, Kind::Mask), "{}", all[0].what);
        assert_eq!(set.train[0].mask([2, 2]).unwrap(), [1, 0, 1, 0]);
    }
    // In folders of parts, of values that are told.
    let (_dir, all) = found(|root| {
        ["train", "valid", "test"].iter().for_each(|part| with_masks(root, part, "_mask", 1));
        text(&root.join("train/_classes.csv"), "Pixel Value, Class\n0, background\n1, lung\n");
    });
    assert_eq!(all.len(), 1);
    assert_eq!(counts(&all[0].source.read().unwrap()), [6; 3], "{}", all[0].what);
    assert!(all[0].what.contains("1 is foreground in them"), "{}", all[0].what);
}

#[test]
fn classes_whose_folders_hold_masks_too_are_a_set_of_masks_and_one_of_classes() {
    type Make = fn(&Path);
    let apart: Make = |root| {
        for class in ["sick", "normal"] {
            for n in 0..6 {
                film(&root.join(format!("{class}/images/{class}{n}.png")), n);
                mask(&root.join(format!("{class}/masks/{class}{n}.png")), 255);
            }
        }
    };
    let parted: Make = |root| {
        for (at, part) in ["Train", "Val", "Test"].iter().enumerate() {
            for class in ["covid", "other"] {
                for n in 0..6 - at {
                    film(&root.join(format!("{part}/{class}/images/{class}{at}{n}.png")), n as u8);
                    let masks = root.join(format!("{part}/{class}/lung masks"));
                    mask(&masks.join(format!("{class}{at}{n}.png")), 255);
                }
            }
        }
    };
    let together: Make = |root| {
        ["benign", "malignant"].iter().for_each(|class| with_masks(root, class, "_mask", 255));
    };
    for (make, wanted) in [(apart, [12, 0, 0]), (parted, [12, 10, 8]), (together, [12, 0, 0])] {
        let (_dir, all) = found(make);
        let whats: Vec<&str> = all.iter().map(|found| found.what.as_str()).collect();
        assert_eq!(all.len(), 2, "{whats:?}");
        for (found, kind) in all.iter().zip([Kind::Mask, Kind::Classes]) {
            let bare = Source { val_share: 0.0, test_share: 0.0, ..found.source.clone() };
            let set = bare.read().unwrap();
            assert_eq!((set.labels.kind, counts(&set)), (kind, wanted), "{whats:?}");
        }
        assert!(whats[1].contains("masks among the films"), "{whats:?}");
    }
    // The second kind of masks is named.
    let (_dir, all) = found(|root| {
        filled(root, &["images"]);
        for n in 0..6 {
            mask(&root.join(format!("masks_heart/images{n}.png")), 255);
            mask(&root.join(format!("masks_lungs/images{n}.png")), 255);
        }
    });
    assert!(all[0].what.contains("6 images are not used: 6 in masks_lungs"), "{}", all[0].what);
}

#[test]
fn masks_that_mean_something_else_are_said_to() {
    let masked = |make: &dyn Fn(&Path)| {
        let (_dir, all) = found(|root| {
            filled(root, &["images"]);
            create_dir_all(root.join("masks")).unwrap();
            (0..6).for_each(|n| make(&root.join(format!("masks/images{n}.png"))));
        });
        all[0].what.clone()
    };
    let what = masked(&|path| {
        let shape = |x, _| LumaA([0, if x == 0 { 255 } else { 0 }]);
        GrayAlphaImage::from_fn(2, 2, shape).save_with_format(path, ImageFormat::Png).unwrap();
    });
    assert!(what.contains("shapes in its transparency alone"), "{what}");
    let what = masked(&|path| {
        let shape = |x, _| if x == 0 { Rgb([255, 0, 0]) } else { Rgb([0; 3]) };
        RgbImage::from_fn(2, 2, shape).save_with_format(path, ImageFormat::Png).unwrap();
    });
    assert!(what.contains("save the mask in grey") && !what.contains("values = {"), "{what}");
    for (value, words) in [(255, "foreground all over"), (0, "without any foreground")] {
        let what = masked(&|path| film(path, value));
        let wanted = format!("6 of 6 masks that were looked at are {words}");
        assert!(what.contains(&wanted), "{what}");
    }
    // `data check` warns of full masks too.
    let (_dir, all) = found(|root| {
        filled(root, &["images"]);
        (0..6).for_each(|n| film(&root.join(format!("masks/images{n}.png")), 255));
    });
    let subject = Subject { source: all[0].source.clone(), pretraining: false, unread: vec![] };
    let audit = audit(&[subject], &|_, _| ()).unwrap();
    let full = audit.findings.iter().find(|finding| finding.what == "full masks").unwrap();
    assert_eq!(full.level, Level::Warning);
}

#[test]
fn films_of_several_channels_are_refused_with_a_word() {
    let (_dir, all) = found(|root| {
        for case in 0..6 {
            for channel in 0..2 {
                film(&root.join(format!("imagesTr/case_{case:03}_{channel:04}.png")), case);
            }
            mask(&root.join(format!("labelsTr/case_{case:03}.png")), 1);
        }
        let json = r#"{"channel_names": {"0": "xray", "1": "dual"}, "labels": {"background": 0, "lung": 1}}"#;
        text(&root.join("dataset.json"), json);
    });
    let what = &all[0].what;
    assert!(
        what.contains("2 channels (xray, dual) of 6 cases, where a film is one image"),
        "{what}"
    );
    assert!(!what.contains("without labels") && !all[0].source.labelled, "{what}");
    // Films of one channel are films.
    let (_dir, all) = found(|root| films(root, &["imagesTr/a_0000.png", "imagesTr/b_0000.png"]));
    assert_eq!(all.len(), 1);
}
