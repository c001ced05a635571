//! DICOM held to pydicom, pixel by pixel. `tools/parity/dicom_fixtures.py` made `tests/fixtures/dicom`; its head says what
//! pydicom leaves open.

use crate::films::root;
use flate2::read::GzDecoder;
use mtpret_pipeline::data::{Stored, decode_encoded};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

/// An object, and what is to be made of it.
#[derive(serde::Deserialize)]
struct Case {
    name: String,
    /// How far a pixel may be off, of 255.
    within: f32,
    /// Words of its refusal.
    refused: Option<String>,
    /// Words of what is said about it.
    note: Option<String>,
}

/// The numbers of a tensor of one or two bytes each.
fn whole(tensor: &TensorView) -> Vec<i32> {
    let data = tensor.data();
    let pairs = || data.as_chunks::<2>().0.iter();
    match tensor.dtype() {
        Dtype::U8 => data.iter().map(|&byte| byte.into()).collect(),
        Dtype::I8 => data.iter().map(|&byte| (byte as i8).into()).collect(),
        Dtype::U16 => pairs().map(|pair| u16::from_le_bytes(*pair).into()).collect(),
        Dtype::I16 => pairs().map(|pair| i16::from_le_bytes(*pair).into()).collect(),
        other => panic!("{other:?}"),
    }
}

/// How many of `found` are not `wanted`, and the first that is not.
fn unlike<T: Copy + std::fmt::Display>(
    found: &[T],
    wanted: &[T],
    alike: impl Fn(T, T) -> bool,
) -> Option<String> {
    if found.len() != wanted.len() {
        return Some(format!("{} numbers, not {}", found.len(), wanted.len()));
    }
    let pairs = || found.iter().zip(wanted).enumerate().filter(|(_, (f, w))| !alike(**f, **w));
    let (at, (one, other)) = pairs().next()?;
    Some(format!("{} of {}: number {at} is {one}, not {other}", pairs().count(), found.len()))
}

/// What is not as it should be of an object, which is written to `path`.
fn fault(case: &Case, objects: &SafeTensors, path: &Path) -> Option<String> {
    let tensor = |part: &str| objects.tensor(&format!("{}.{part}", case.name));
    fs::write(path, tensor("file").unwrap().data()).unwrap();
    let (film, encoding) = match (decode_encoded(path), &case.refused) {
        (Ok(read), None) => read,
        (Err(error), Some(words)) if error.to_string().contains(words) => return None,
        (Err(error), _) => return Some(format!("refused: {error}")),
        (Ok(_), Some(words)) => return Some(format!("read, where {words:?} is to be said")),
    };
    let said = match &case.note {
        Some(words) => encoding.notes.iter().any(|note| note.contains(words)),
        None => encoding.notes.is_empty(),
    };
    if !said {
        return Some(format!("{:?} is said, not {:?}", encoding.notes, case.note));
    }
    let view = tensor("view").unwrap();
    if view.shape() != [film.height, film.width] {
        return Some(format!("{}x{} pixels, not {:?}", film.height, film.width, view.shape()));
    }
    let grey = view.data().as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
    let near = |found: f32, wanted: f32| (found - wanted).abs() <= case.within;
    if let Some(off) = unlike(&film.pixels, &grey.collect::<Vec<_>>(), near) {
        return Some(format!("shown otherwise: {off}"));
    }
    // Lossy streams in colour are kept as what their decoder makes of them.
    let wanted = whole(&tensor("stored").ok()?);
    match Stored::read(path) {
        Ok(stored) => unlike(&stored.samples, &wanted, |found, wanted| found == wanted)
            .map(|off| format!("stored otherwise: {off}")),
        Err(error) => Some(format!("shown, but not read as it is stored: {error}")),
    }
}

#[test]
fn every_object_is_shown_as_pydicom_shows_it_or_refused() {
    let folder = root().join("tests/fixtures/dicom");
    let cases = fs::read_to_string(folder.join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&cases).unwrap();
    let mut bytes = Vec::new();
    let packed = File::open(folder.join("objects.safetensors.gz")).unwrap();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let objects = SafeTensors::deserialize(&bytes).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("film.dcm");
    let named = |case: &Case| Some(format!("{}: {}", case.name, fault(case, &objects, &path)?));
    let faults: Vec<String> = cases.iter().filter_map(named).collect();
    assert!(faults.is_empty(), "{} objects:\n{}", faults.len(), faults.join("\n"));
    let refused = cases.iter().filter(|case| case.refused.is_some()).count();
    assert_eq!([cases.len() - refused, refused], [218, 22]);
}
