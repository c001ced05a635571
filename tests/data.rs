//! The `data` floor: files become batches.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use mtpret::Error;
use mtpret::data::{Dataset, Sample};

#[path = "data/annotated.rs"]
mod annotated;
#[path = "data/audit.rs"]
mod audit;
#[path = "data/bad_annotations.rs"]
mod bad_annotations;
#[path = "data/broken.rs"]
mod broken;
#[path = "data/commands.rs"]
mod commands;
#[path = "data/decoding.rs"]
mod decoding;
#[path = "data/detected.rs"]
mod detected;
#[path = "data/dicom.rs"]
mod dicom;
#[path = "data/faults.rs"]
mod faults;
#[path = "data/layouts.rs"]
mod layouts;
#[path = "data/loading.rs"]
mod loading;
#[path = "data/published.rs"]
mod published;
#[path = "data/reading.rs"]
mod reading;
#[path = "data/real.rs"]
mod real;
#[path = "data/shipped.rs"]
mod shipped;
#[path = "data/targets.rs"]
mod targets;

/// The folder of the sample.
fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample")
}

/// The first film of a class of the sample.
fn sample_jpeg() -> Vec<u8> {
    let folder = sample().join("chest_xray/train/NORMAL");
    let mut films: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    films.sort();
    std::fs::read(&films[0]).unwrap()
}

/// Writes an 8-bit PNG, 2 x 2 pixels of one value, making its folders.
fn film(path: &Path, value: u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::from_pixel(2, 2, image::Luma([value]))
        .save_with_format(path, image::ImageFormat::Png)
        .unwrap();
}

/// The message of a data error, with the temporary folder taken out.
fn data_error<T>(result: Result<T, Error>, root: &Path) -> String {
    match result {
        Err(e @ Error::Data { .. }) => e.to_string().replace(&format!("{}/", root.display()), ""),
        Err(other) => panic!("expected a data error, got {other:?}"),
        Ok(_) => panic!("expected an error"),
    }
}

/// The patients that two parts share.
fn shared_patients(dataset: &Dataset) -> Vec<&str> {
    let parts = [&dataset.train, &dataset.val, &dataset.test];
    let within = |part: &[Sample], patient: &str| part.iter().any(|s| s.patient == patient);
    let all = parts.iter().flat_map(|part| part.iter());
    all.map(|s| s.patient.as_str())
        .filter(|patient| parts.iter().filter(|part| within(part, patient)).count() > 1)
        .collect()
}
