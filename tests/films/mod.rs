//! Films and data sets that tests make, and those that come with the project.
#![allow(clippy::unwrap_used, dead_code)]

pub mod dicom;

use image::{GrayImage, ImageFormat};
use mtpret_engine::Error;
use mtpret_pipeline::data::{Dataset, Format, Sample, Source, decode};
use std::{
    fs::{copy, create_dir_all, write},
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The root of the repository, whichever crate is tested.
pub fn root() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    crates.ancestors().find(|folder| folder.join("shaders").is_dir()).expect("the repository")
}

/// The folder of the sample.
pub fn sample() -> PathBuf {
    root().join("tests/data/sample")
}

/// The first film of a class of the sample.
pub fn sample_jpeg() -> Vec<u8> {
    let folder = sample().join("chest_xray/train/NORMAL");
    let mut films: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    films.sort();
    std::fs::read(&films[0]).unwrap()
}

/// Writes an 8-bit PNG, 2 x 2 pixels of one value, making its folders.
pub fn film(path: &Path, value: u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::from_pixel(2, 2, image::Luma([value]))
        .save_with_format(path, image::ImageFormat::Png)
        .unwrap();
}

/// The message of a data error, with the temporary folder taken out.
pub fn data_error<T>(result: Result<T, Error>, root: &Path) -> String {
    match result {
        Err(e @ Error::Data { .. }) => e.to_string().replace(&format!("{}/", root.display()), ""),
        Err(other) => panic!("expected a data error, got {other:?}"),
        Ok(_) => panic!("expected an error"),
    }
}

/// The patients that two parts share.
pub fn shared_patients(dataset: &Dataset) -> Vec<&str> {
    let parts = [&dataset.train, &dataset.val, &dataset.test];
    let within = |part: &[Sample], patient: &str| part.iter().any(|s| s.patient == patient);
    let all = parts.iter().flat_map(|part| part.iter());
    all.map(|s| s.patient.as_str())
        .filter(|patient| parts.iter().filter(|part| within(part, patient)).count() > 1)
        .collect()
}

/// The folder of real films, or `None`, said aloud.
pub fn real(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MTPRET_DATA").map(|root| Path::new(&root).join(part));
    if root.is_none() {
        // Not `println!`, which the harness keeps to itself while tests pass.
        let line = format!("skipped: {part}, for MTPRET_DATA names no folder of real films\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    root
}

/// Films of the sample, of other patients each.
pub fn films(part: &str) -> Vec<PathBuf> {
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

/// A film as another program would save it: smaller, as PNG.
pub fn saved_again(film: &Path, to: &Path) {
    let film = decode(film).unwrap();
    let small = film.resize(film.width * 3 / 4, film.height * 3 / 4);
    let pixels = small.pixels.iter().map(|v| v.round() as u8).collect();
    let picture = GrayImage::from_raw(small.width as u32, small.height as u32, pixels).unwrap();
    picture.save_with_format(to, ImageFormat::Png).unwrap();
}

/// Class folders of ten films each to train and five each to test, all whole and of other patients.
pub fn classes(root: &Path) -> Source {
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

const HEADER: &str = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,\
    Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,\
    Pleural Effusion,Pleural Other,Fracture,Support Devices\n";

/// A row of CheXpert: cardiomegaly, edema, consolidation, atelectasis, effusion as they stand in it.
fn row(path: &str, side: &str, [c, e, k, a, p]: [&str; 5]) -> String {
    format!("CheXpert-v1.0-small/{path},Male,60,{side},AP,,,{c},1.0,,{e},{k},-1.0,{a},,{p},,,\n")
}

/// CheXpert in a folder of this name: a film with every finding not certain, one with blanks.
pub fn chexpert(folder: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(folder);
    let (mut train, mut valid) = (HEADER.to_string(), HEADER.to_string());
    for patient in 1..=10 {
        let path = format!("train/patient{patient:05}/study1/view1_frontal.jpg");
        let cells = match patient {
            1 => ["-1.0"; 5],
            2 => [""; 5],
            _ => ["1.0", "0.0", "1.0", "0.0", "1.0"],
        };
        film(&root.join(&path), patient);
        train += &row(&path, "Frontal", cells);
    }
    let lateral = "train/patient00001/study1/view2_lateral.jpg";
    film(&root.join(lateral), 77);
    train += &row(lateral, "Lateral", ["1.0"; 5]);
    let path = "valid/patient64541/study1/view1_frontal.jpg";
    film(&root.join(path), 88);
    valid += &row(path, "Frontal", ["0.0", "1.0", "0.0", "1.0", "0.0"]);
    write(root.join("train.csv"), train).unwrap();
    write(root.join("valid.csv"), valid).unwrap();
    dir
}
