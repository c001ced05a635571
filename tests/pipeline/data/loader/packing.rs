//! Films in one file, decoded and resized.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::films::data_error;
use image::{GrayImage, ImageBuffer, Luma};
use mtpret_engine::Error;
use mtpret_pipeline::data::{
    Annotation, Batch, Fit, Loader, LoaderOptions, MaskValues, PackSummary, PackedPart, Pixels,
    Sample, pack,
};
use tempfile::TempDir;

/// Six films with masks: one of 16 bits, one that is none.
fn films() -> (TempDir, Vec<Sample>) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: String| dir.path().join(name);
    let sample = |i: u32| {
        let (film, mask) = (path(format!("{i}.png")), path(format!("{i}_mask.png")));
        let grey = |x: u32, y: u32| (x * 17 + y * 31) * (i + 3);
        match i {
            2 => {
                ImageBuffer::from_fn(40, 30, |x, y| Luma([grey(x, y) as u16])).save(&film).unwrap()
            }
            4 => fs::write(&film, "no film").unwrap(),
            _ => GrayImage::from_fn(40, 30, |x, y| Luma([grey(x, y) as u8])).save(&film).unwrap(),
        }
        let inside = |x: u32, y: u32| Luma([if x + y < 10 * (i + 1) { 255 } else { 0 }]);
        GrayImage::from_fn(40, 30, inside).save(&mask).unwrap();
        let target = Annotation::Mask { files: vec![mask], values: None };
        Sample { path: film, patient: i.to_string(), target }
    };
    let samples = (0..6).map(sample).collect();
    (dir, samples)
}

fn options(fit: Fit) -> LoaderOptions {
    LoaderOptions {
        width: 24,
        height: 24,
        fit,
        batch: 2,
        seed: 3,
        shuffle: true,
        drop_last: true,
        threads: 2,
        cache_bytes: 0,
        pack: None,
        prefetch: 1,
        max_bad: 1,
        start: 0,
    }
}

fn batches(samples: &[Sample], options: LoaderOptions) -> Vec<Batch> {
    let mut loader = Loader::new(samples.to_vec(), options).unwrap();
    (0..7).map(|_| loader.next_batch().unwrap()).collect()
}

/// Packs films at 24 x 24, both fits.
fn packed(to: &Path, samples: &[Sample]) -> PackSummary {
    let part = |fit| PackedPart { samples: samples.to_vec(), fit, input: [24, 24] };
    pack(to, &[Fit::Stretch, Fit::Letterbox].map(part), |_, _| {}).unwrap()
}

/// What a loader with this pack is refused with.
fn refused(samples: &[Sample], options: LoaderOptions, dir: &TempDir) -> String {
    data_error(Loader::new(samples.to_vec(), options).map(|_| ()), dir.path())
}

#[test]
fn batches_from_a_pack_are_those_of_the_files_bit_for_bit() {
    let (dir, samples) = films();
    let file = dir.path().join("films.pack");
    let summary = packed(&file, &samples);
    assert_eq!((summary.films, summary.bytes), (12, fs::metadata(&file).unwrap().len()));
    let bad: Vec<PathBuf> = summary.bad.iter().map(|bad| bad.path.clone()).collect();
    assert_eq!(bad, vec![samples[4].path.clone(); 2]);
    for fit in [Fit::Stretch, Fit::Letterbox] {
        let decoded = batches(&samples, options(fit));
        let deep = decoded.iter().flat_map(|batch| &batch.films);
        assert!(deep.into_iter().any(|film| matches!(film.pixels, Pixels::Words(_))));
        for (threads, cache_bytes) in [(1, 0), (2, 1 << 20), (5, 2000)] {
            let pack = Some(file.clone());
            let taken = LoaderOptions { threads, cache_bytes, pack, ..options(fit) };
            assert!(batches(&samples, taken) == decoded, "{fit:?}, {threads} threads");
        }
    }
    let mut from_pack =
        Loader::new(samples.clone(), LoaderOptions { pack: Some(file), ..options(Fit::Stretch) })
            .unwrap();
    let mut from_files = Loader::new(samples, options(Fit::Stretch)).unwrap();
    let bad = [&mut from_pack, &mut from_files].map(|loader| {
        (0..3).for_each(|_| drop(loader.next_batch().unwrap()));
        loader.bad()
    });
    assert!(bad[0].len() == 1 && bad[0] == bad[1], "{bad:?}");
}

/// Of a film whose bytes in the pack are spoilt nothing is decoded in its stead: it is bad.
#[test]
fn films_come_from_the_pack_alone_and_damage_is_seen() {
    let (dir, samples) = films();
    let file = dir.path().join("films.pack");
    packed(&file, &samples[..4]);
    let mut bytes = fs::read(&file).unwrap();
    // Behind the magic lie the pixels of the first film.
    bytes[16] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let taken = LoaderOptions { pack: Some(file.clone()), max_bad: 4, ..options(Fit::Stretch) };
    let mut loader = Loader::new(samples[..4].to_vec(), taken.clone()).unwrap();
    (0..4).for_each(|_| drop(loader.next_batch().unwrap()));
    let bad = loader.bad();
    assert_eq!(bad.iter().map(|bad| &bad.path).collect::<Vec<_>>(), [&samples[0].path]);
    assert!(bad[0].why.contains("the pack is damaged"), "{}", bad[0].why);
    // The index, the ends, and a file cut anywhere.
    let whole = bytes.clone();
    let entries = whole.len() - 57;
    for at in [entries, entries + 10, entries + 20, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&file, bytes).unwrap();
        let found = refused(&samples[..4], taken.clone(), &dir);
        assert!(found.starts_with("films.pack: expected a whole pack"), "{at}: {found}");
    }
    for length in [0, 10, 60, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        let found = refused(&samples[..4], taken.clone(), &dir);
        assert!(found.starts_with("films.pack: expected a whole pack"), "{length}: {found}");
    }
    fs::remove_file(&file).unwrap();
    let gone = Loader::new(samples[..4].to_vec(), taken).map(|_| ());
    assert!(matches!(gone, Err(Error::Io { .. })), "{gone:?}");
}

#[test]
fn a_film_that_changed_and_other_settings_are_refused() {
    let (dir, samples) = films();
    let file = dir.path().join("films.pack");
    packed(&file, &samples);
    let taken = || LoaderOptions { pack: Some(file.clone()), ..options(Fit::Stretch) };
    assert_eq!(
        refused(&samples, LoaderOptions { width: 25, ..taken() }, &dir),
        "films.pack: expected all 6 films as they are now, 25x24 (stretch), found 6 that it lacks, such as \
         0.png; pack the films anew, or leave `data.pack` out"
    );
    // A film that the pack has, of which another mask is told.
    let Annotation::Mask { files, .. } = &samples[1].target else { panic!("masks") };
    let values = MaskValues { foreground: vec![255], background: vec![0] };
    let other = Annotation::Mask { files: files.clone(), values: Some(values) };
    let other = Sample { target: other, ..samples[0].clone() };
    let found = refused(&[vec![other], samples[1..].to_vec()].concat(), taken(), &dir);
    assert!(found.contains("found 1 that it lacks, such as 0.png"), "{found}");
    for changed in ["3.png", "5_mask.png"] {
        packed(&file, &samples);
        assert!(Loader::new(samples.clone(), taken()).is_ok());
        let path = dir.path().join(changed);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        let found = refused(&samples, taken(), &dir);
        assert!(found.contains("found 1 that it lacks"), "{changed}: {found}");
    }
}
