//! Masks and boxes in batches.

use std::path::{Path, PathBuf};

use crate::films::real;
use image::{GrayImage, ImageFormat, Luma};
use mtpret_pipeline::data::{
    Annotation, Batch, BoxLabel, Fit, Loader, LoaderOptions, Pixels, Sample,
};

fn options(width: usize, height: usize, fit: Fit) -> LoaderOptions {
    LoaderOptions {
        width,
        height,
        fit,
        batch: 2,
        seed: 1,
        shuffle: false,
        drop_last: false,
        threads: 2,
        cache_bytes: 1 << 20,
        pack: None,
        prefetch: 1,
        max_bad: 0,
        start: 0,
    }
}

fn save(path: &Path, width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> PathBuf {
    let image = GrayImage::from_fn(width, height, |x, y| Luma([value(x, y)]));
    image.save_with_format(path, ImageFormat::Png).unwrap();
    path.into()
}

fn sample(path: PathBuf, target: Annotation) -> Sample {
    Sample { path, patient: "p".into(), target }
}

fn first(samples: Vec<Sample>, options: LoaderOptions) -> Result<Batch, String> {
    Loader::new(samples, options).unwrap().next_batch().map_err(|e| e.to_string())
}

#[test]
fn a_mask_is_thresholded_at_its_own_size_and_again_after_resizing() {
    let dir = tempfile::tempdir().unwrap();
    let film = save(&dir.path().join("f.png"), 8, 4, |_, _| 50);
    // Grey 127 is background and 128 foreground, however dark their neighbours.
    let mask = save(&dir.path().join("m.png"), 8, 4, |x, _| {
        [0, 0, 127, 128, 255, 255, 255, 255][x as usize]
    });
    let sample = sample(film, Annotation::Mask { files: vec![mask], values: None });
    assert_eq!(sample.mask([8, 4]).unwrap()[..8], [0, 0, 0, 1, 1, 1, 1, 1]);
    let same = first(vec![sample.clone()], options(8, 4, Fit::Stretch)).unwrap();
    assert_eq!(same.targets[..8], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    // Half of the second pixel of four is foreground and no more: 3 of 8 stay outside.
    let small = first(vec![sample], options(4, 2, Fit::Stretch)).unwrap();
    assert_eq!((small.targets.len(), &small.targets[2..4]), (8, &[1.0, 1.0][..]));
    assert_eq!(
        (small.targets[0], small.films[0].size, small.extents[0]),
        (0.0, [8, 4], [4.0, 2.0])
    );
}

#[test]
fn a_letterbox_keeps_the_aspect_of_film_mask_and_boxes() {
    let dir = tempfile::tempdir().unwrap();
    let film = save(&dir.path().join("f.png"), 16, 8, |_, _| 200);
    let mask = save(&dir.path().join("m.png"), 16, 8, |_, _| 255);
    let masked = sample(film.clone(), Annotation::Mask { files: vec![mask], values: None });
    let batch = first(vec![masked], options(8, 8, Fit::Letterbox)).unwrap();
    assert_eq!((batch.extents[0], batch.films[0].size), ([8.0, 4.0], [16, 8]));
    let greys = [[200; 32], [0; 32]].concat();
    assert_eq!(batch.films[0].pixels, Pixels::Bytes(greys));
    assert!(batch.targets.iter().enumerate().all(|(i, v)| *v == f32::from(u8::from(i < 32))));
    // The annotated image was twice as large as the film.
    let found = BoxLabel { corners: [8.0, 4.0, 32.0, 16.0], class: 2 };
    let boxed =
        sample(film.clone(), Annotation::Boxes { size: [32, 16], boxes: vec![found, found] });
    let free = sample(film, Annotation::Boxes { size: [1, 1], boxes: vec![] });
    let batch = first(vec![boxed, free], options(8, 8, Fit::Letterbox)).unwrap();
    let row = [2.0, 1.0, 8.0, 4.0, 2.0];
    assert_eq!(batch.targets[..10], [row, row].concat());
    assert_eq!(batch.targets[10..], [0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0]);
}

#[test]
fn a_letterbox_rounds_sizes_down_and_never_to_nothing() {
    assert_eq!(Fit::Letterbox.extent([100, 33], [50, 50]), [50, 16]);
    assert_eq!(Fit::Letterbox.extent([33, 100], [50, 50]), [16, 50]);
    assert_eq!(Fit::Letterbox.extent([1000, 1], [50, 50]), [50, 1]);
    assert_eq!(Fit::Letterbox.extent([7, 7], [50, 50]), [50, 50]);
    assert_eq!(Fit::Stretch.extent([100, 33], [50, 40]), [50, 40]);
}

#[test]
fn masks_do_not_depend_on_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let samples: Vec<Sample> = (0..3u32)
        .map(|i| {
            let film = save(&dir.path().join(format!("{i}.png")), 9, 7, |x, y| (x * y) as u8);
            let name = dir.path().join(format!("{i}_mask.png"));
            let mask = save(&name, 9, 7, |x, y| if x > y + i { 255 } else { 0 });
            sample(film, Annotation::Mask { files: vec![mask], values: None })
        })
        .collect();
    let four = |cache_bytes| {
        let options = LoaderOptions { cache_bytes, shuffle: true, ..options(5, 4, Fit::Stretch) };
        let mut loader = Loader::new(samples.clone(), options).unwrap();
        assert_eq!(loader.row_len(), 20);
        (0..4).map(|_| loader.next_batch().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(four(0), four(1 << 20));
}

/// The message about a film of 8 x 4 and this mask.
fn mask_error(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> String {
    let dir = tempfile::tempdir().unwrap();
    let film = save(&dir.path().join("f.png"), 8, 4, |_, _| 50);
    let mask = save(&dir.path().join("m.png"), width, height, value);
    let samples = vec![sample(film, Annotation::Mask { files: vec![mask], values: None })];
    let error = first(samples, options(4, 4, Fit::Stretch)).unwrap_err();
    error.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn a_mask_of_another_size_is_an_error() {
    let error = mask_error(4, 8, |_, _| 255);
    assert!(
        error.contains("f.png: expected the film's size 8x4 in its mask m.png, found 4x8"),
        "{error}"
    );
}

#[test]
fn a_mask_of_unexpected_values_is_an_error() {
    let numbers = mask_error(8, 4, |x, _| u8::from(x > 3));
    assert!(
        numbers.contains(
            "expected 0 for background and 255 for foreground, or `values = { foreground = […] }` in the data set's settings in its mask m.png, found 0 to 1"
        ),
        "{numbers}"
    );
    let photograph = mask_error(8, 4, |x, _| 30 * x as u8);
    assert!(photograph.contains("found values between in 50% of the pixels"), "{photograph}");
}

#[test]
fn a_mask_that_vanished_is_a_bad_film_counted_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let film = |i: u32| save(&dir.path().join(format!("{i}.png")), 8, 4, |_, _| 50);
    let mask = save(&dir.path().join("m.png"), 8, 4, |_, _| 255);
    let samples = vec![
        sample(
            film(0),
            Annotation::Mask {
                files: vec![mask.clone(), dir.path().join("gone.png")],
                values: None,
            },
        ),
        sample(film(1), Annotation::Mask { files: vec![mask], values: None }),
    ];
    let options = LoaderOptions { max_bad: 1, ..options(4, 4, Fit::Stretch) };
    let mut loader = Loader::new(samples, options).unwrap();
    assert_eq!(loader.next_batch().unwrap().indices, [1]);
    assert!(loader.bad()[0].why.starts_with("expected an image file in its mask "));
}

#[test]
fn an_annotation_of_the_film_before_it_was_turned_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let film = save(&dir.path().join("f.png"), 8, 4, |_, _| 50);
    for target in [
        Annotation::Boxes { size: [4, 8], boxes: vec![] },
        Annotation::Polygons { size: [4, 8], polygons: vec![] },
    ] {
        let samples = vec![sample(film.clone(), target)];
        let error = first(samples, options(4, 4, Fit::Stretch)).unwrap_err();
        assert!(
            error.contains("expected the annotated image upright, 8x4, found it turned, 4x8"),
            "{error}"
        );
    }
}

#[test]
fn films_with_boxes_and_films_with_labels_do_not_mix() {
    let films = ["a.png", "b.png"].map(PathBuf::from);
    let boxes = Annotation::Boxes { size: [1, 1], boxes: vec![] };
    let samples = vec![sample(films[0].clone(), boxes), sample(films[1].clone(), vec![1.0].into())];
    let error = Loader::new(samples, options(4, 4, Fit::Stretch)).err().unwrap().to_string();
    assert!(error.contains("b.png: expected boxes, found 1 labels"), "{error}");
}

/// IMG0002628 is stored on its side; its outline is that of the upright film.
#[test]
fn real_boxes_lie_on_the_film_as_exif_turns_it() {
    let Some(root) = real("FracAtlas") else { return };
    let mut source = mtpret_pipeline::data::Source::known(
        "f",
        "fracatlas",
        Some(mtpret_pipeline::data::Purpose::Detect),
    );
    source.root = root;
    source.locate(&Default::default()).unwrap();
    let dataset = source.read().unwrap();
    let parts = [&dataset.train, &dataset.val, &dataset.test];
    let film = parts.into_iter().flatten().find(|s| s.path.ends_with("IMG0002628.jpg")).unwrap();
    let Annotation::Boxes { size, .. } = film.target else { panic!("expected boxes") };
    let batch = first(vec![film.clone()], options(32, 32, Fit::Letterbox)).unwrap();
    assert_eq!((size, batch.films[0].size), ([454, 373], [454, 373]));
}

#[test]
fn real_lungs_cover_a_tenth_to_a_half_of_a_film() {
    let Some(root) = real("Shenzhen") else { return };
    let mut source = mtpret_pipeline::data::Source::known("s", "shenzhen", None);
    source.root = root;
    source.locate(&Default::default()).unwrap();
    let samples = source.read().unwrap().val;
    let n = samples.len();
    let batch =
        first(samples, LoaderOptions { batch: n, ..options(32, 32, Fit::Stretch) }).unwrap();
    for mask in batch.targets.chunks(32 * 32) {
        let share = mask.iter().sum::<f32>() / 1024.0;
        assert!((0.1..0.5).contains(&share), "{share}");
    }
    assert_eq!(batch.targets.len(), n * 1024);
}
