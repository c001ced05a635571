//! The audit finds what was put wrong, and nothing where nothing is.

use std::fs::{copy, create_dir_all, read, write};
use std::path::{Path, PathBuf};

use image::{GrayImage, ImageFormat, Luma};
use mtpret::data::{Audit, Format, Level, Source, Split, Subject, audit, decode};

use super::sample;

/// Films of the sample, of other patients each.
fn films(part: &str) -> Vec<PathBuf> {
    let folder = sample().join("chest_xray").join(part);
    let mut films: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    films.sort();
    // The names of bacterial and viral pneumonias begin with the patient.
    let patient = |film: &PathBuf| {
        film.file_stem().unwrap().to_string_lossy().split('_').next().unwrap().to_string()
    };
    films.dedup_by_key(|film| patient(film));
    films
}

fn checked(sources: Vec<Source>) -> Audit {
    let subject = |source| Subject { source, pretraining: false };
    let subjects: Vec<Subject> = sources.into_iter().map(subject).collect();
    audit(&subjects, &|_, _| ()).unwrap()
}

/// What was found at a place that ends so, without notes.
fn found<'a>(audit: &'a Audit, end: &str) -> Vec<&'a str> {
    let there = audit.findings.iter().filter(|f| f.place.ends_with(end) && f.level != Level::Note);
    there.map(|finding| finding.what).collect()
}

/// A film as another program would save it: smaller, as PNG.
fn saved_again(film: &Path, to: &Path) {
    let film = decode(film).unwrap();
    let small = film.resize(film.width * 3 / 4, film.height * 3 / 4);
    let pixels = small.pixels.iter().map(|v| v.round() as u8).collect();
    let picture = GrayImage::from_raw(small.width as u32, small.height as u32, pixels).unwrap();
    picture.save_with_format(to, ImageFormat::Png).unwrap();
}

/// Class folders of ten films each to train and five each to test, all whole and of other patients.
fn classes(root: &Path) -> Source {
    for (class, folder) in [("NORMAL", "train/NORMAL"), ("PNEUMONIA", "train/PNEUMONIA")] {
        for (at, film) in films(folder).iter().take(20).enumerate() {
            let part = ["train", "train", "val", "test"][at % 4];
            let to = root.join(part).join(class);
            create_dir_all(&to).unwrap();
            copy(film, to.join(film.file_name().unwrap())).unwrap();
        }
    }
    Source::new("chest", Format::Folder, root)
}

#[test]
fn a_whole_set_has_no_errors() {
    let dir = tempfile::tempdir().unwrap();
    let audit = checked(vec![classes(dir.path())]);
    let errors: Vec<_> = audit.findings.iter().filter(|f| f.level == Level::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(audit.sets[0].parts, [20, 10, 10]);
    assert_eq!(audit.sets[0].classes[0], ("NORMAL".into(), [10, 5, 5]));
    assert!(audit.sets[0].encodings.keys().all(|words| words.starts_with("JPEG, 8 bit")));
    assert!((60.0..180.0).contains(&audit.sets[0].mean), "{}", audit.sets[0].mean);
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
    assert_eq!(one("boxes.json, annotations[2]"), "unusable annotation");
    let errors = audit.findings.iter().filter(|f| f.level == Level::Error).count();
    assert_eq!(errors, 11, "{:#?}", audit.findings);
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
        Subject { source: task, pretraining: false },
        Subject { source: films, pretraining: true },
    ];
    let audit = audit(&subjects, &|_, _| ()).unwrap();
    assert_eq!(found(&audit, "elsewhere.jpeg"), ["test film in pretraining"]);
    assert!(found(&audit, "free.jpeg").is_empty());
}
