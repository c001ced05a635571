//! Batches of the loader: their films, their order, and what it does with bad films.

use std::path::Path;

use crate::films::film;
use image::Luma;
use mtpret_engine::Error;
use mtpret_pipeline::data::{Batch, Fit, Loader, LoaderOptions, Pixels, Sample};
use tempfile::TempDir;

/// `n` films of 2 x 2 pixels; film `i` is of grey `i` and has the target `i`.
fn films(n: usize) -> (TempDir, Vec<Sample>) {
    let dir = tempfile::tempdir().unwrap();
    let sample = |i: usize| {
        let path = dir.path().join(format!("{i}.png"));
        film(&path, i as u8);
        Sample { path, patient: i.to_string(), target: vec![i as f32].into() }
    };
    let samples = (0..n).map(sample).collect();
    (dir, samples)
}

fn options() -> LoaderOptions {
    LoaderOptions {
        width: 4,
        height: 3,
        fit: Fit::Stretch,
        batch: 4,
        seed: 11,
        shuffle: true,
        drop_last: true,
        threads: 2,
        cache_bytes: 1 << 20,
        pack: None,
        prefetch: 2,
        max_bad: 0,
        start: 0,
    }
}

fn batches(samples: &[Sample], options: LoaderOptions, n: usize) -> Vec<Batch> {
    let mut loader = Loader::new(samples.to_vec(), options).unwrap();
    (0..n).map(|_| loader.next_batch().unwrap()).collect()
}

fn spoil(samples: &[Sample], at: &[usize]) {
    at.iter().for_each(|&i| std::fs::write(&samples[i].path, "no film").unwrap());
}

#[test]
fn a_batch_holds_the_films_that_it_names() {
    let (_dir, samples) = films(13);
    for batch in batches(&samples, options(), 7) {
        assert_eq!((batch.films.len(), batch.targets.len()), (4, 4));
        for (i, &at) in batch.indices.iter().enumerate() {
            assert_eq!(batch.targets[i], at as f32);
            assert_eq!(batch.films[i].pixels, Pixels::Bytes(vec![at as u8; 12]));
        }
    }
}

/// Eight bits stay eight, deeper films keep sixteen, colours and windows are rounded after resizing alone.
#[test]
fn a_film_keeps_the_depth_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let sample = |name: &str, image: image::DynamicImage| {
        let path = dir.path().join(name);
        image.save(&path).unwrap();
        Sample { path, patient: name.into(), target: vec![0.0].into() }
    };
    let deep =
        image::ImageBuffer::<Luma<u16>, _>::from_fn(4, 3, |x, y| Luma([(x * 300 + y) as u16]));
    // Luma 0.299 × 7 + 0.587 × 9 + 0.114 × 250 = 35.876, in every pixel.
    let colour = image::RgbImage::from_pixel(8, 6, image::Rgb([7, 9, 250]));
    // Grey 100 and 101 by turns, of which two of each make a pixel.
    let fine = image::GrayImage::from_fn(8, 6, |x, _| Luma([100 + x as u8 % 2]));
    let words = deep.as_raw().clone();
    let samples = [
        sample("deep.png", deep.into()),
        sample("colour.png", colour.into()),
        sample("fine.png", fine.into()),
    ];
    let options = LoaderOptions { shuffle: false, batch: 3, ..options() };
    let [batch] = &batches(&samples, options, 1)[..] else { panic!("one batch") };
    let found = batch.films.iter().map(|film| &film.pixels).collect::<Vec<_>>();
    assert_eq!(*found[0], Pixels::Words(words));
    assert_eq!(*found[1], Pixels::Bytes(vec![36; 12]));
    let Pixels::Bytes(fine) = found[2] else { panic!("{:?}", found[2]) };
    assert!(fine.iter().all(|v| matches!(v, 100 | 101)), "{fine:?}");
    assert_eq!(batch.films.iter().map(|film| film.bytes()).collect::<Vec<_>>(), [24, 12, 12]);
}

#[test]
fn an_epoch_holds_each_film_at_most_once_and_the_next_has_another_order() {
    let (_dir, samples) = films(13);
    let all = batches(&samples, LoaderOptions { drop_last: false, ..options() }, 8);
    let epoch = |e: u64| -> Vec<usize> {
        all.iter().filter(|b| b.epoch == e).flat_map(|b| b.indices.clone()).collect()
    };
    for e in [0, 1] {
        let mut seen = epoch(e);
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..13));
    }
    assert_ne!(epoch(0), epoch(1));
    assert_eq!(all.iter().map(|b| b.films.len()).collect::<Vec<_>>(), [4, 4, 4, 1, 4, 4, 4, 1]);
    assert_eq!(all.iter().map(|b| b.step).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn an_evaluation_goes_through_the_films_as_given() {
    let (_dir, samples) = films(10);
    let options = LoaderOptions { shuffle: false, drop_last: false, ..options() };
    let mut loader = Loader::new(samples, options).unwrap();
    assert_eq!(loader.epoch_len(), 3);
    let seen = (0..3).flat_map(|_| loader.next_batch().unwrap().indices);
    assert!(seen.eq(0..10));
}

#[test]
fn threads_cache_and_prefetch_do_not_change_a_batch() {
    let (_dir, samples) = films(13);
    spoil(&samples, &[3, 7]);
    let options = LoaderOptions { max_bad: 2, ..options() };
    let one = LoaderOptions { threads: 1, cache_bytes: 0, prefetch: 0, ..options.clone() };
    let four = LoaderOptions { threads: 4, prefetch: 5, ..options.clone() };
    let expected = batches(&samples, options, 20);
    assert_eq!(batches(&samples, one, 20), expected);
    assert_eq!(batches(&samples, four, 20), expected);
}

#[test]
fn a_loader_resumes_with_the_batch_that_comes_next() {
    let (_dir, samples) = films(13);
    spoil(&samples, &[5]);
    let options = LoaderOptions { max_bad: 1, ..options() };
    let whole = batches(&samples, options.clone(), 12);
    for start in [1, 3, 7] {
        let resumed = LoaderOptions { start: start as u64, ..options.clone() };
        assert_eq!(batches(&samples, resumed, 12 - start), whole[start..]);
    }
}

#[test]
fn another_seed_gives_another_order() {
    let (_dir, samples) = films(13);
    let other = LoaderOptions { seed: 12, ..options() };
    assert_ne!(batches(&samples, other, 3), batches(&samples, options(), 3));
}

#[test]
fn a_bad_film_is_replaced_by_the_next_good_one_behind_its_batch_and_listed() {
    let (_dir, samples) = films(12);
    let order: Vec<usize> =
        batches(&samples, options(), 3).into_iter().flat_map(|b| b.indices).collect();
    // One in the first batch, and the film that would replace it.
    spoil(&samples, &[order[1], order[4]]);
    let mut loader =
        Loader::new(samples.clone(), LoaderOptions { max_bad: 2, ..options() }).unwrap();
    let first = loader.next_batch().unwrap();
    assert_eq!(first.indices, [order[0], order[2], order[3], order[5]]);
    let bad = loader.bad();
    assert_eq!(bad.len(), 2);
    assert!(bad.iter().all(|b| b.why.starts_with("expected JPEG, PNG, BMP, TIFF or DICOM")));
    let mut paths = vec![samples[order[1]].path.clone(), samples[order[4]].path.clone()];
    paths.sort_by_key(|path| samples.iter().position(|s| s.path == *path));
    assert_eq!(bad.into_iter().map(|b| b.path).collect::<Vec<_>>(), paths);
    assert_eq!(loader.next_batch().unwrap().films.len(), 4);
    assert_eq!(loader.bad().len(), 2);
}

#[test]
fn a_bad_film_is_left_out_of_an_evaluation() {
    let (_dir, samples) = films(6);
    spoil(&samples, &[1, 4, 5]);
    let options = LoaderOptions { shuffle: false, drop_last: false, max_bad: 3, ..options() };
    let indices: Vec<_> = batches(&samples, options, 2).into_iter().map(|b| b.indices).collect();
    assert_eq!(indices, [vec![0, 2, 3], vec![]]);
}

#[test]
fn too_many_bad_films_are_an_error_that_lists_them() {
    let (_dir, samples) = films(8);
    spoil(&samples, &[2, 6]);
    let mut loader =
        Loader::new(samples.clone(), LoaderOptions { max_bad: 1, ..options() }).unwrap();
    let error = loop {
        if let Err(error) = loader.next_batch() {
            break error.to_string();
        }
    };
    assert!(error.starts_with("8 films: expected at most 1 bad films, found 2:"), "{error}");
    for at in [2, 6] {
        assert!(error.contains(&samples[at].path.display().to_string()), "{error}");
    }
}

#[test]
fn films_that_are_all_bad_end_in_an_error_not_in_a_search_without_end() {
    let (_dir, samples) = films(8);
    spoil(&samples, &[0, 1, 2, 3, 4, 5, 6, 7]);
    for max_bad in [0, 3] {
        let options = LoaderOptions { max_bad, ..options() };
        let mut loader = Loader::new(samples.clone(), options).unwrap();
        assert!(loader.next_batch().is_err());
    }
    let options = LoaderOptions { max_bad: 8, ..options() };
    assert_eq!(batches(&samples, options, 3)[2].films.len(), 0);
}

#[test]
fn options_that_cannot_be_met_are_errors() {
    let (_dir, samples) = films(3);
    let error = |samples: &[Sample], options: LoaderOptions| {
        Loader::new(samples.to_vec(), options).err().unwrap().to_string()
    };
    assert_eq!(
        error(&samples, options()),
        "loader, batch: expected a batch of 1 to 3 films, found 4; choose a smaller batch \
         (data.batch, segment.batch or detect.batch), or add films"
    );
    assert!(error(&samples, LoaderOptions { batch: 0, ..options() }).contains("found 0"));
    assert!(error(&samples, LoaderOptions { width: 0, ..options() }).contains("width"));
    assert!(error(&[], options()).contains("expected films, found none"));
    let odd = Sample { path: Path::new("odd").into(), patient: "0".into(), target: vec![].into() };
    let mixed = [samples[0].clone(), odd];
    assert!(error(&mixed, options()).starts_with("odd: expected 1 labels, found 0"));
}

#[test]
fn a_film_that_vanishes_counts_as_bad() {
    let (_dir, samples) = films(4);
    std::fs::remove_file(&samples[0].path).unwrap();
    let mut loader = Loader::new(samples, options()).unwrap();
    assert!(matches!(loader.next_batch(), Err(Error::Data { .. })));
}

#[test]
fn a_loader_dropped_early_ends_its_reader() {
    let (_dir, samples) = films(13);
    for _ in 0..20 {
        let mut loader = Loader::new(samples.clone(), options()).unwrap();
        loader.next_batch().unwrap();
        assert!(loader.wait() > std::time::Duration::ZERO);
    }
}
