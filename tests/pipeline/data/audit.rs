//! The audit finds what was put wrong, and nothing where nothing is.

use crate::films::{classes, films, saved_again};
use mtpret_pipeline::data::{
    Audit, Finding, Format, Level, Roots, Source, Split, Subject, audit, decode,
};
use std::{
    fs::{copy, create_dir_all, read, write},
    path::{Path, PathBuf},
};

use image::{GrayImage, ImageFormat, Luma};

fn checked(sources: Vec<Source>) -> Audit {
    let subject = |source| Subject { source, pretraining: false, unread: Vec::new() };
    let subjects: Vec<Subject> = sources.into_iter().map(subject).collect();
    audit(&subjects, &|_, _| ()).unwrap()
}

/// What was found at a place that ends so, without notes.
fn found<'a>(audit: &'a Audit, end: &str) -> Vec<&'a str> {
    let there = audit.findings.iter().filter(|f| f.place.ends_with(end) && f.level != Level::Note);
    there.map(|finding| finding.what).collect()
}

#[test]
fn nothing_is_found_in_a_whole_set() {
    let dir = tempfile::tempdir().unwrap();
    let audit = checked(vec![classes(dir.path())]);
    assert!(audit.findings.is_empty(), "{:?}", audit.findings);
    assert_eq!(audit.sets[0].parts, [20, 10, 10]);
    assert_eq!(audit.sets[0].classes[0], ("NORMAL".into(), [10, 5, 5]));
    assert!(audit.sets[0].encodings.keys().all(|words| words.starts_with("JPEG, 8 bit")));
    let mean = audit.sets[0].mean.unwrap();
    assert!((60.0..180.0).contains(&mean), "{mean}");
}

#[test]
fn twelve_faults_are_twelve_findings() {
    let dir = tempfile::tempdir().unwrap();
    let chest = dir.path().join("chest");
    let source = classes(&chest);
    let train = chest.join("train/NORMAL");
    let first = |folder: &str| {
        let mut all: Vec<_> =
            chest.join(folder).read_dir().unwrap().map(|e| e.unwrap().path()).collect();
        all.sort();
        all[0].clone()
    };
    let (one, other) = (first("train/NORMAL"), first("train/PNEUMONIA"));
    let whole = read(&one).unwrap();
    write(train.join("01-cut.jpeg"), &whole[..whole.len() / 2]).unwrap();
    write(train.join("02-empty.png"), "").unwrap();
    write(train.join("03-text.jpg"), "not a film").unwrap();
    GrayImage::from_pixel(64, 64, Luma([7])).save(train.join("04-blank.png")).unwrap();
    copy(&one, chest.join("test/NORMAL/05-copy.jpeg")).unwrap();
    saved_again(&other, &chest.join("val/PNEUMONIA/06-again.png"));
    for part in ["train", "test"] {
        saved_again(
            &films("test/NORMAL")[usize::from(part == "test")],
            &chest.join(part).join("NORMAL/person7777_virus_1.png"),
        );
    }

    let pairs = dir.path().join("pairs");
    create_dir_all(pairs.join("films")).unwrap();
    create_dir_all(pairs.join("masks")).unwrap();
    for (at, film) in films("val/NORMAL").iter().chain(&films("val/PNEUMONIA")).take(6).enumerate()
    {
        copy(film, pairs.join(format!("films/{at}.jpeg"))).unwrap();
        let size = decode(film).unwrap();
        // The mask of film 4 is of another film, that of film 5 is not there.
        let [w, h] = if at == 4 { [33, 44] } else { [size.width as u32, size.height as u32] };
        let mask = GrayImage::from_fn(w, h, |x, y| Luma([255 * u8::from(x < w / 2 && y < h / 2)]));
        if at != 5 {
            mask.save(pairs.join(format!("masks/{at}.png"))).unwrap();
        }
    }
    let mut masks = Source::new("pairs", Format::Masks, &pairs);
    masks.images = "films".into();
    masks.masks = vec!["masks/{}.png".into()];

    let table = dir.path().join("table");
    create_dir_all(&table).unwrap();
    let mut rows = String::from("path,effusion,mass\n");
    for (at, film) in films("test/PNEUMONIA").iter().take(8).enumerate() {
        copy(film, table.join(format!("{at}.jpeg"))).unwrap();
        let label = if at == 3 { "perhaps".into() } else { (at % 2).to_string() };
        rows += &format!("{at}.jpeg,{label},{}\n", at / 4);
    }
    rows += "gone.jpeg,1,0\n";
    write(table.join("films.csv"), rows).unwrap();
    let mut findings = Source::new("table", Format::Csv, &table);
    findings.table = Some("films.csv".into());
    findings.label_columns = vec!["effusion".into(), "mass".into()];

    let boxes = dir.path().join("boxes");
    create_dir_all(&boxes).unwrap();
    for (at, film) in films("test/NORMAL").iter().skip(2).take(4).enumerate() {
        copy(film, boxes.join(format!("{at}.jpeg"))).unwrap();
    }
    let images: Vec<_> = (0..4)
        .map(|at| serde_json::json!({"id": at, "file_name": format!("{at}.jpeg"), "width": 100, "height": 80}))
        .collect();
    let marks: Vec<_> = (0..4)
        .map(|at| {
            let wide = if at == 2 { 300 } else { 30 };
            serde_json::json!({"id": at, "image_id": at, "category_id": 1, "bbox": [10, 10, wide, 20]})
        })
        .collect();
    let coco = serde_json::json!({"images": images, "annotations": marks, "categories": [{"id": 1, "name": "nodule"}]});
    write(boxes.join("boxes.json"), coco.to_string()).unwrap();
    let mut boxed = Source::new("boxes", Format::Coco, &boxes);
    boxed.annotations = vec!["boxes.json".into()];

    let audit = checked(vec![source, masks, findings, boxed]);
    let one = |end: &str| match found(&audit, end)[..] {
        [what] => what,
        ref other => panic!("{end}: {other:?} of {:#?}", audit.findings),
    };
    assert_eq!(one("01-cut.jpeg"), "unreadable film");
    assert_eq!(one("02-empty.png"), "unreadable film");
    assert_eq!(one("03-text.jpg"), "unreadable film");
    assert_eq!(one("04-blank.png"), "blank film");
    assert_eq!(one("05-copy.jpeg"), "same film in two parts");
    assert_eq!(one("06-again.png"), "same film in two parts");
    assert_eq!(one("NORMAL/person7777_virus_1.png"), "patient in two parts");
    assert_eq!(one("films/4.jpeg"), "unusable annotation");
    assert_eq!(one("films/5.jpeg"), "missing mask");
    assert_eq!(one("films.csv:5"), "unusable row");
    assert_eq!(one("films.csv:10"), "missing film");
    assert_eq!(one("boxes.json: annotations[2]"), "unusable annotation");
    let errors = audit.findings.iter().filter(|f| f.level == Level::Error).count();
    assert_eq!(errors, 11, "{:#?}", audit.findings);
}

#[test]
fn what_is_odd_about_pictures_is_said_once_for_a_set() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (at, film) in films("train/NORMAL").iter().take(12).enumerate() {
        copy(film, root.join(format!("{at:02}.jpeg"))).unwrap();
    }
    // Ten bits in a file of sixteen, a JPEG that calls itself PNG, and a film whose white is 0.
    let dark = image::ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(64, 64, |x, y| {
        Luma([(x * 9 + y * 7) as u16])
    });
    dark.save_with_format(root.join("20.png"), ImageFormat::Png).unwrap();
    copy(&films("train/PNEUMONIA")[0], root.join("21.png")).unwrap();
    crate::films::dicom::write(crate::films::dicom::object("MONOCHROME1"), &root.join("22.dcm"));
    let mut source = Source::new("odd", Format::Folder, root);
    (source.labelled, source.val_share, source.test_share) = (false, 0.0, 0.0);
    let audit = checked(vec![source]);
    let all: Vec<(&str, &str)> =
        audit.findings.iter().map(|f| (f.what, f.place.rsplit('/').next().unwrap())).collect();
    assert_eq!(
        all,
        [
            ("dark films", "20.png"),
            ("inverted films", "22.dcm"),
            ("mixed bit depths", "20.png"),
            ("wrong file name", "21.png"),
        ]
    );
    assert!(audit.findings[0].problem.starts_with("1 film never exceeds grey 3.9 of 255"));
    assert_eq!(audit.sets[0].encodings["PNG, 16 bit grey"], 1);
}

/// What settings pass over, a check does not.
#[test]
fn films_and_masks_that_a_partial_set_lacks_are_named_and_so_are_patients_of_two_parts() {
    let dir = tempfile::tempdir().unwrap();
    let lungs = dir.path().join("lungs");
    for (at, film) in films("train/NORMAL").iter().take(4).enumerate() {
        create_dir_all(lungs.join("films")).unwrap();
        create_dir_all(lungs.join("masks")).unwrap();
        copy(film, lungs.join(format!("films/{at}.jpeg"))).unwrap();
        let film = decode(film).unwrap();
        let mask = GrayImage::from_fn(film.width as u32, film.height as u32, |x, _| {
            Luma([255 * u8::from(x < 20)])
        });
        if at != 2 {
            mask.save(lungs.join(format!("masks/{at}.png"))).unwrap();
        }
    }
    let mut partial = Source::new("lungs", Format::Masks, &lungs);
    partial.images = "films".into();
    partial.masks = vec!["masks/{}.png".into()];
    partial.partial = true;
    let chest = dir.path().join("chest");
    let mut shared = classes(&chest);
    shared.split = Split::Patient;
    let film = chest.join("test/NORMAL").read_dir().unwrap().next().unwrap().unwrap().path();
    std::fs::rename(film, chest.join("test/NORMAL/person5_virus_1.jpeg")).unwrap();
    copy(&films("test/NORMAL")[0], chest.join("train/NORMAL/person5_virus_2.jpeg")).unwrap();
    let audit = checked(vec![partial, shared]);
    assert_eq!(found(&audit, "films/2.jpeg"), ["missing mask"]);
    assert_eq!(
        found(&audit, "person5_virus_1.jpeg").len() + found(&audit, "person5_virus_2.jpeg").len(),
        1
    );
    assert!(audit.findings.iter().all(|f| f.level != Level::Error), "{:?}", audit.findings);
    assert!(audit.findings.iter().any(|f| f.what == "patient in two parts"));
}

/// How a film looks survives what programs do to it, and tells it from films of other patients.
#[test]
fn copies_in_other_sizes_depths_and_sets_are_found_and_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| dir.path().join(name));
    for folder in [&one, &other] {
        create_dir_all(folder).unwrap();
    }
    let all: Vec<PathBuf> = [films("train/NORMAL"), films("train/PNEUMONIA")].concat();
    for (at, film) in all.iter().take(60).enumerate() {
        copy(film, one.join(format!("{at:02}.jpeg"))).unwrap();
        let again = other.join(format!("{at:02}.png"));
        match at % 3 {
            0 => saved_again(film, &again),
            1 => {
                let film = decode(film).unwrap();
                let wide = film.resize(film.width * 2, film.height * 2);
                let pixels = wide.pixels.iter().map(|v| (v.clamp(0.0, 255.0) * 257.0) as u16);
                let picture = image::ImageBuffer::<Luma<u16>, Vec<u16>>::from_raw(
                    wide.width as u32,
                    wide.height as u32,
                    pixels.collect(),
                );
                picture.unwrap().save_with_format(again, ImageFormat::Png).unwrap();
            }
            _ => {}
        }
    }
    let source = |name: &str, root: &Path| {
        let mut source = Source::new(name, Format::Folder, root);
        (source.labelled, source.val_share, source.test_share) = (false, 0.0, 0.0);
        source
    };
    let audit = checked(vec![source("one", &one), source("other", &other)]);
    let same: Vec<_> =
        audit.findings.iter().filter(|f| f.what == "same film in two sets").collect();
    assert_eq!(same.len(), 40, "{:#?}", audit.findings);
    for finding in same {
        let other = finding.other.as_ref().unwrap();
        assert_eq!(Path::new(&finding.place).file_stem(), other.file_stem());
    }
}

#[test]
fn a_test_film_that_pretraining_sees_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let task = classes(&dir.path().join("chest"));
    let other = dir.path().join("other");
    create_dir_all(&other).unwrap();
    let test = dir.path().join("chest/test/NORMAL").read_dir().unwrap().next().unwrap().unwrap();
    copy(test.path(), other.join("elsewhere.jpeg")).unwrap();
    copy(&films("test/PNEUMONIA")[0], other.join("free.jpeg")).unwrap();
    let mut films = Source::new("films", Format::Folder, &other);
    films.labelled = false;
    films.split = Split::Patient;
    (films.val_share, films.test_share) = (0.0, 0.0);
    let subjects = [
        Subject { source: task, pretraining: false, unread: Vec::new() },
        Subject { source: films, pretraining: true, unread: Vec::new() },
    ];
    let audit = audit(&subjects, &|_, _| ()).unwrap();
    assert_eq!(found(&audit, "elsewhere.jpeg"), ["test film in pretraining"]);
    assert!(found(&audit, "free.jpeg").is_empty());
}

#[test]
fn muras_tables_are_held_against_its_folders() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("MURA");
    let films = films("train/NORMAL");
    let mut studies = Vec::new();
    for (at, film) in films.iter().take(12).enumerate() {
        let label = ["negative", "positive"][at % 2];
        let study = format!("train/XR_HAND/patient{at:05}/study1_{label}");
        create_dir_all(root.join(&study)).unwrap();
        copy(film, root.join(&study).join("image1.png")).unwrap();
        studies.push((study, at % 2));
    }
    let table = |name: &str, row: &dyn Fn(&(String, usize)) -> String| {
        let rows: Vec<String> = studies.iter().map(|s| format!("MURA-v1.1/{}\n", row(s))).collect();
        write(root.join(name), rows.concat()).unwrap();
    };
    table("train_labeled_studies.csv", &|(study, label)| format!("{study}/,{label}"));
    table("train_image_paths.csv", &|(study, _)| format!("{study}/image1.png"));
    let mut source = Source::known("mura", "mura", None);
    source.root = root.clone();
    source.locate(&Roots::default()).unwrap();
    let tabled = || -> Vec<(Level, &str, String, String)> {
        let audit = checked(vec![source.clone()]);
        let of_tables = audit.findings.into_iter().filter(|f| f.place.contains(".csv:"));
        let short = |f: Finding| {
            (f.level, f.what, f.place.replace(&*root.to_string_lossy(), ""), f.problem)
        };
        of_tables.map(short).collect()
    };
    assert_eq!(tabled(), []);
    // Relabelled in a table, relabelled on disk, and lost.
    let (first, last) = (&studies[0].0, &studies[11].0);
    let renamed = studies[3].0.replace("positive", "negative");
    table("train_labeled_studies.csv", &|(study, label)| {
        let label = if study == first { 1 } else { *label };
        format!("{study},{label}")
    });
    std::fs::rename(root.join(&studies[3].0), root.join(&renamed)).unwrap();
    std::fs::remove_file(root.join(last).join("image1.png")).unwrap();
    // macOS lays such a file beside one that it copies; and a table that cannot be read hides nothing of the others.
    std::fs::write(root.join("._train_image_paths.csv"), [0, 5, 22, 7]).unwrap();
    create_dir_all(root.join("train_extra_image_paths.csv")).unwrap();
    let contradicted = |line: usize, folder: &str, label: usize| {
        let problem = format!(
            "expected the label of its folder {folder}, found {label}; correct the row, or rename the folder"
        );
        let place = format!("/train_labeled_studies.csv:{line}");
        (Level::Error, "contradicted label", place, problem)
    };
    let missing = |line: usize, study: &str| {
        let problem = format!(
            "expected the film MURA-v1.1/{study}/image1.png, found none; complete the download, or go on without it"
        );
        (Level::Warning, "missing film", format!("/train_image_paths.csv:{line}"), problem)
    };
    let expected = [contradicted(1, first, 1), contradicted(4, &renamed, 1), missing(12, last)];
    let mut found = tabled();
    found.retain(|one| one.1 != "unreadable table");
    assert_eq!(found, expected);
    let findings = checked(vec![source]).findings;
    assert_eq!(findings.iter().filter(|f| f.what == "unreadable table").count(), 1);
}
