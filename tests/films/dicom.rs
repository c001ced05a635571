//! A DICOM film, and its file.

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use std::path::Path;

/// A film of 3 × 2 pixels of 12 bits.
pub fn object(interpretation: &str) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    let mut word = |tag, value: u16| {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    };
    word(tags::ROWS, 2);
    word(tags::COLUMNS, 3);
    word(tags::SAMPLES_PER_PIXEL, 1);
    word(tags::BITS_ALLOCATED, 16);
    word(tags::BITS_STORED, 12);
    word(tags::HIGH_BIT, 11);
    word(tags::PIXEL_REPRESENTATION, 0);
    let mut text = |tag, vr, value: &str| {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    };
    text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, interpretation);
    text(tags::PATIENT_ID, VR::LO, "patient 7");
    text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3");
    text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1.1");
    let samples: Vec<u8> =
        [0u16, 1000, 2000, 3000, 4000, 4095].iter().flat_map(|v| v.to_le_bytes()).collect();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::from(samples)));
    object
}

/// Sets an element of the film.
pub fn text(object: &mut InMemDicomObject, tag: dicom_object::Tag, vr: VR, value: &str) {
    object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
}

/// Writes the film as an uncompressed file.
pub fn write(object: InMemDicomObject, path: &Path) {
    let meta = FileMetaTableBuilder::new().transfer_syntax("1.2.840.10008.1.2.1");
    object.with_meta(meta).unwrap().write_to_file(path).unwrap();
}
