//! DICOM films: written here, and the real ones with their published hashes.

use crate::films::{
    dicom::{object, text, write},
    real,
};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use mtpret_pipeline::data::{Format, Source, Split, Stored, decode, decode_encoded};
use sha2::{Digest, Sha256};

fn grey(object: InMemDicomObject) -> Vec<f32> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.dcm");
    write(object, &path);
    decode(&path).unwrap().pixels
}

#[test]
fn without_a_window_a_film_spans_its_own_grey() {
    let expected = [0, 1000, 2000, 3000, 4000, 4095].map(|v| v as f32 / 4095.0 * 255.0);
    for (found, expected) in grey(object("MONOCHROME2")).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }
}

#[test]
fn monochrome1_is_turned() {
    let (one, two) = (grey(object("MONOCHROME1")), grey(object("MONOCHROME2")));
    assert!(one.iter().zip(&two).all(|(a, b)| (a + b - 255.0).abs() < 1e-3), "{one:?} {two:?}");
}

#[test]
fn rescale_and_window_are_applied_in_turn() {
    // PS3.3 C.11.2.1.2.1 on 2 v − 100: y = ((x − (c − ½)) / (w − 1) + ½) · 255.
    let mut object = object("MONOCHROME2");
    text(&mut object, tags::RESCALE_SLOPE, VR::DS, "2");
    text(&mut object, tags::RESCALE_INTERCEPT, VR::DS, "-100");
    text(&mut object, tags::WINDOW_CENTER, VR::DS, "4000");
    text(&mut object, tags::WINDOW_WIDTH, VR::DS, "4001");
    let expected = [0.0, 1000.0, 2000.0, 3000.0, 4000.0, 4095.0].map(|v: f64| {
        let x = 2.0 * v - 100.0;
        (((x - 3999.5) / 4000.0 + 0.5) * 255.0).clamp(0.0, 255.0)
    });
    for (found, expected) in grey(object).iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-2, "{found} {expected}");
    }
}

#[test]
fn a_table_stands_before_a_window() {
    let mut object = object("MONOCHROME2");
    text(&mut object, tags::WINDOW_CENTER, VR::DS, "1");
    text(&mut object, tags::WINDOW_WIDTH, VR::DS, "2");
    let mut item = InMemDicomObject::new_empty();
    let words = |values: &[u16]| PrimitiveValue::U16(values.into());
    item.put(DataElement::new(tags::LUT_DESCRIPTOR, VR::US, words(&[4, 1000, 8])));
    item.put(DataElement::new(tags::LUT_DATA, VR::US, words(&[0, 51, 102, 255])));
    let sequence = dicom_core::value::DataSetSequence::from(vec![item]);
    object.put(DataElement::new(tags::VOILUT_SEQUENCE, VR::SQ, sequence));
    assert_eq!(grey(object), [0.0, 0.0, 255.0, 255.0, 255.0, 255.0]);
}

#[test]
fn what_cannot_be_one_film_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.dcm");
    let refused = |object: InMemDicomObject| {
        write(object, &path);
        decode(&path).unwrap_err().to_string()
    };
    let mut several = object("MONOCHROME2");
    text(&mut several, tags::NUMBER_OF_FRAMES, VR::IS, "12");
    assert!(refused(several).contains("expected one frame, found 12"));
    let mut huge = object("MONOCHROME2");
    for side in [tags::ROWS, tags::COLUMNS] {
        huge.put(DataElement::new(side, VR::US, PrimitiveValue::from(60_000u16)));
    }
    assert!(refused(huge).contains("expected at most"));
    let mut cut = object("MONOCHROME2");
    cut.put(DataElement::new(tags::ROWS, VR::US, PrimitiveValue::from(3u16)));
    assert!(refused(cut).contains("cut short"));
    let mut report = object("MONOCHROME2");
    report.remove_element(tags::PIXEL_DATA);
    assert!(refused(report).contains("without PixelData"));
    let mut palette = object("PALETTE COLOR");
    palette.put(DataElement::new(tags::BITS_STORED, VR::US, PrimitiveValue::from(8u16)));
    assert!(refused(palette).contains("PALETTE COLOR"));
}

#[test]
fn every_cut_of_a_film_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.dcm");
    write(object("MONOCHROME2"), &path);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(decode(&path).is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn a_folder_of_exported_films_is_divided_by_the_patients_they_name() {
    let dir = tempfile::tempdir().unwrap();
    for (number, patient) in ["one", "one", "two", "two", "three", "four"].iter().enumerate() {
        let mut film = object("MONOCHROME2");
        text(&mut film, tags::PATIENT_ID, VR::LO, patient);
        // Scanners export names without an extension.
        write(film, &dir.path().join(format!("IM{number:06}")));
    }
    std::fs::write(dir.path().join("DICOMDIR"), "an index").unwrap();
    let mut source = Source::new("export", Format::Folder, dir.path());
    (source.labelled, source.split) = (false, Split::Patient);
    (source.val_share, source.test_share) = (0.0, 0.0);
    let set = source.read().unwrap();
    let patients: Vec<&str> = set.train.iter().map(|film| film.patient.as_str()).collect();
    assert_eq!(patients, ["one", "one", "two", "two", "three", "four"]);
}

#[test]
fn real_dicom_films_have_their_published_pixels() {
    let (Some(root), Some(truth)) = (real("dicom"), real("png16/groundtruth.json")) else { return };
    let truth: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(truth).unwrap()).unwrap();
    let hash = |stored: &Stored| {
        let mut hash = Sha256::new();
        stored.samples.iter().for_each(|v| hash.update((*v as u16).to_le_bytes()));
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    // One object in five encodings; two more of JPEG 2000.
    let same = ["XA1_UNC", "XA1_RLE", "XA1_JPLL", "XA1_JLSL"].map(|name| (name, "XA1_UNC.dcm"));
    for (name, published) in
        same.into_iter().chain([("RG1_J2KI", "RG1_J2KI.dcm"), ("RG3_J2KR", "RG3_J2KR.dcm")])
    {
        let stored = Stored::read(&root.join(format!("{name}.dcm"))).unwrap();
        assert_eq!(truth[published]["sha256_le_u16"], hash(&stored), "{name}");
        assert_eq!(truth[published]["shape"], serde_json::json!([stored.height, stored.width]));
    }
    // Twelve bits of lossy JPEG no library in Rust decodes; one file holds no image at all.
    for (name, why) in [
        ("RG2_JPLY", "JPEG Extended"),
        ("RG3_JPLY", "JPEG Extended"),
        ("ExplVR_LitEndNoMeta", "found a DICOM object without Rows"),
    ] {
        let error = decode(&root.join(format!("{name}.dcm"))).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let mut read = 0;
    for path in root.read_dir().unwrap().map(|e| e.unwrap().path()) {
        if let Ok((film, encoding)) = decode_encoded(&path) {
            assert_eq!(encoding.format, "DICOM");
            assert!(film.pixels.iter().all(|v| (0.0..=255.0).contains(v)), "{}", path.display());
            read += 1;
        }
    }
    assert_eq!(read, 14);
}
