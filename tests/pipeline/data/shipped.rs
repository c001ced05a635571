//! The sample that comes with the program: balanced, divided by patient, and whole.

use std::{collections::BTreeSet, path::Path};

use crate::films::{sample, shared_patients};
use mtpret_pipeline::data::{
    AnnotationShape, Dataset, Format, Kind, Sample, Source, decode, unpack,
};

fn kermany(root: &Path) -> Dataset {
    Source::new("kermany", Format::Folder, root.join("chest_xray")).read().unwrap()
}

fn fracatlas(root: &Path) -> Dataset {
    let mut source = Source::new("fracatlas", Format::Csv, root.join("fracatlas"));
    source.table = Some("manifest.csv".into());
    source.label_columns = vec!["label".into()];
    source.patient_column = Some("patient".into());
    source.split_column = Some("split".into());
    source.read().unwrap()
}

fn fractures(root: &Path, shape: AnnotationShape) -> Dataset {
    let mut source = Source::new("fractures", Format::Coco, root.join("fracatlas"));
    source.images = "images".into();
    source.annotations =
        ["train", "val", "test"].map(|part| format!("fractures_{part}.json").into()).into();
    source.shape = shape;
    source.read().unwrap()
}

/// Both lungs of the children's chests, as networks drew them.
fn lungs(root: &Path, shape: AnnotationShape) -> Dataset {
    let mut source = Source::new("lungs", Format::Coco, root.join("chest_xray"));
    source.annotations =
        ["train", "val", "test"].map(|part| format!("lungs_{part}.json").into()).into();
    source.shape = shape;
    source.read().unwrap()
}

fn balanced(part: &[Sample]) -> bool {
    part.iter().filter(|s| s.target.labels() == [0.0]).count() * 2 == part.len()
}

#[test]
fn the_sample_is_balanced_and_no_patient_is_in_two_parts() {
    for (dataset, names, counts) in [
        (kermany(&sample()), ["NORMAL", "PNEUMONIA"], [420, 104, 174]),
        (fracatlas(&sample()), ["Fractured", "Non_fractured"], [320, 80, 134]),
    ] {
        assert_eq!(dataset.labels.kind, Kind::Classes);
        assert_eq!(dataset.labels.names, names);
        let parts = [&dataset.train, &dataset.val, &dataset.test];
        assert_eq!(parts.map(Vec::len), counts);
        assert!(parts.iter().all(|part| balanced(part)));
        assert_eq!(shared_patients(&dataset), [""; 0]);
    }
}

#[test]
fn every_film_of_the_sample_decodes_and_none_is_there_twice() {
    let mut seen = BTreeSet::new();
    for dataset in [kermany(&sample()), fracatlas(&sample())] {
        for film in dataset.train.iter().chain(&dataset.val).chain(&dataset.test) {
            let decoded = decode(&film.path).unwrap();
            assert_eq!(decoded.width.max(decoded.height), 160);
            let bits: Vec<u8> = decoded.pixels.iter().map(|&v| v as u8).collect();
            assert!(seen.insert(bits), "{} is a copy of another film", film.path.display());
        }
    }
}

#[test]
fn boxes_and_outlines_of_the_sample_are_on_the_films_that_are_called_fractured() {
    let root = sample();
    let (classes, boxes) = (fracatlas(&root), fractures(&root, AnnotationShape::Boxes));
    let masks = fractures(&root, AnnotationShape::Mask);
    let parts = |set: Dataset| [set.train, set.val, set.test];
    let parts = parts(classes).into_iter().zip(parts(boxes)).zip(parts(masks));
    for ((classes, boxes), masks) in parts {
        assert_eq!((classes.len(), masks.len()), (boxes.len(), boxes.len()));
        for film in classes {
            let same = |set: &[Sample]| set.iter().find(|s| s.path == film.path).unwrap().clone();
            let found = same(&boxes);
            assert_eq!(found.target.boxes().is_empty(), film.target.labels() == [1.0]);
            let decoded = decode(&film.path).unwrap();
            let mask = same(&masks).mask([decoded.width, decoded.height]).unwrap();
            let outside = mask.iter().enumerate().filter(|(at, inside)| {
                let [x, y] = [(at % decoded.width) as f32, (at / decoded.width) as f32];
                let holds = |[x1, y1, x2, y2]: [f32; 4]| {
                    x1 <= x + 1.0 && x <= x2 && y1 <= y + 1.0 && y <= y2
                };
                **inside == 1 && !found.target.boxes().iter().any(|b| holds(b.corners))
            });
            assert_eq!(outside.count(), 0, "{}", film.path.display());
            assert!(
                found.target.boxes().is_empty() || mask.contains(&1),
                "{}",
                film.path.display()
            );
        }
    }
}

#[test]
fn the_sample_is_small_and_its_licences_are_named() {
    fn size(folder: &Path) -> u64 {
        let entries = folder.read_dir().unwrap().map(|e| e.unwrap().path());
        entries.map(|p| if p.is_dir() { size(&p) } else { p.metadata().unwrap().len() }).sum()
    }
    assert!(size(&sample()) <= 5_500_000);
    let licences = std::fs::read_to_string(sample().join("LICENSES.md")).unwrap();
    for word in ["10.17632/rscbjbr9sj", "10.6084/m9.figshare.22363012", "Kermany", "Abedeen"] {
        assert!(licences.contains(word), "{word}");
    }
    assert_eq!(licences.matches("Licence: CC BY 4.0").count(), 3);
    // What is no person's work says so, and how good it is.
    for words in ["drawn by networks of this program, not by\n  people", "Dice .942 (.940 to .944"]
    {
        assert!(licences.contains(words), "{words}");
    }
}

#[test]
fn the_sample_unpacks_from_the_binary_and_mends_what_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    unpack(dir.path()).unwrap();
    assert_eq!(kermany(dir.path()).train.len(), kermany(&sample()).train.len());
    let kept = dir.path().join("LICENSES.md");
    let cut = dir.path().join("fracatlas/manifest.csv");
    let before = kept.metadata().unwrap().modified().unwrap();
    std::fs::write(&cut, "path").unwrap();
    unpack(dir.path()).unwrap();
    assert_eq!(fracatlas(dir.path()).test.len(), 134);
    assert_eq!(kept.metadata().unwrap().modified().unwrap(), before);
    // A file where a folder should be.
    assert!(unpack(&kept).is_err());
}

#[test]
fn what_is_to_be_learnt_by_heart_is_a_few_films_of_each_class_in_all_parts() {
    let mut source = Source::new("kermany", Format::Folder, sample().join("chest_xray"));
    source.overfit = 6;
    let set = source.read().unwrap();
    assert!(set.train.len() == 6 && balanced(&set.train));
    assert!(set.val == set.train && set.test == set.train);
    let mut whole = source.clone();
    whole.overfit = 0;
    let whole = whole.read().unwrap();
    assert!(set.train.iter().all(|film| whole.train.contains(film)));
}

#[test]
fn lungs_of_the_sample_are_two_a_film_in_the_part_that_its_folder_says() {
    let root = sample();
    let (boxes, masks) =
        (lungs(&root, AnnotationShape::Boxes), lungs(&root, AnnotationShape::Mask));
    assert_eq!((shared_patients(&boxes), boxes.labels.names.len()), (vec![], 1));
    let parts = |set: Dataset| [("train", set.train), ("val", set.val), ("test", set.test)];
    for ((part, boxes), (_, masks)) in parts(boxes).into_iter().zip(parts(masks)) {
        assert!(boxes.len() >= 50 && boxes.len() == masks.len(), "{part}: {}", boxes.len());
        for (film, outlined) in boxes.iter().zip(&masks) {
            let name = film.path.display();
            assert_eq!(film.path, outlined.path);
            assert!(film.path.starts_with(root.join("chest_xray").join(part)), "{name}");
            let decoded = decode(&film.path).unwrap();
            let size = [decoded.width, decoded.height];
            let mask = outlined.mask(size).unwrap();
            let share = mask.iter().filter(|v| **v == 1).count() as f64 / mask.len() as f64;
            assert!((0.08..0.7).contains(&share), "{name}: lungs are {share:.2} of the film");
            // Each box is that of one lung, left of the other; no pixel of the mask lies outside both.
            let [a, b] = film.target.boxes() else { panic!("{name}: expected two lungs") };
            let middle = |corners: [f32; 4]| (corners[0] + corners[2]) / 2.0;
            assert!(middle(a.corners) < middle(b.corners), "{name}");
            let outside = mask.iter().enumerate().filter(|(at, inside)| {
                let [x, y] = [(at % size[0]) as f32, (at / size[0]) as f32];
                let holds = |[x1, y1, x2, y2]: [f32; 4]| {
                    x1 <= x + 1.0 && x <= x2 && y1 <= y + 1.0 && y <= y2
                };
                **inside == 1 && !holds(a.corners) && !holds(b.corners)
            });
            assert_eq!(outside.count(), 0, "{name}");
        }
    }
}
