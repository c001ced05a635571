//! Greys that DICOM films are shown as, on every combination of what their headers say, held to PS3.3 written out in f64 here.

use dicom_core::{DataElement, PrimitiveValue, VR, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject, Tag};
use mtpret_pipeline::data::decode_bytes;
use std::path::Path;

const WIDTH: usize = 4;
const HEIGHT: usize = 3;
/// Explicit and implicit VR, low bytes first.
const SYNTAXES: [&str; 2] = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"];

/// Bits of a word, bits of its number, the highest of them, and whether numbers have a sign.
#[derive(Clone, Copy, Debug)]
struct Bits {
    allocated: u16,
    stored: u16,
    high: u16,
    signed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Modality {
    None,
    Rescale(f64, f64),
    /// 64 entries from −8 (or 0), each 3 above the one before.
    Table,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Voi {
    Range,
    Window(&'static str, f64, f64),
    /// 16 entries of 8 bits from 4, squares.
    Table,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    bits: Bits,
    inverted: bool,
    modality: Modality,
    voi: Voi,
    padding: Option<i32>,
}

/// Numbers over the whole range, the least and the greatest among them.
fn numbers(bits: Bits) -> Vec<i32> {
    let count = 1i32 << bits.stored;
    let least = if bits.signed { -count / 2 } else { 0 };
    let step = (count - 1) as f64 / (WIDTH * HEIGHT - 1) as f64;
    (0..WIDTH * HEIGHT).map(|n| least + (n as f64 * step).round() as i32).collect()
}

fn entries(modality: bool) -> Vec<u16> {
    if modality {
        (0..64).map(|n| 3 * n).collect()
    } else {
        (0..16).map(|n| n * n + n * 2).collect()
    }
}

fn first(header: &Header) -> i16 {
    if header.bits.signed { -8 } else { 0 }
}

/// The film's file.
fn file(header: &Header, syntax: &str) -> Vec<u8> {
    let mut object = InMemDicomObject::new_empty();
    let mut word = |tag: Tag, value: u16| {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    };
    let Bits { allocated, stored, high, signed } = header.bits;
    word(tags::ROWS, HEIGHT as u16);
    word(tags::COLUMNS, WIDTH as u16);
    word(tags::SAMPLES_PER_PIXEL, 1);
    word(tags::BITS_ALLOCATED, allocated);
    word(tags::BITS_STORED, stored);
    word(tags::HIGH_BIT, high);
    word(tags::PIXEL_REPRESENTATION, signed.into());
    if let Some(padding) = header.padding {
        word(tags::PIXEL_PADDING_VALUE, padding as u16);
    }
    let mut text = |tag: Tag, vr, value: &str| {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    };
    let kind = if header.inverted { "MONOCHROME1" } else { "MONOCHROME2" };
    text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, kind);
    text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3");
    text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1.1");
    if let Modality::Rescale(slope, intercept) = header.modality {
        text(tags::RESCALE_SLOPE, VR::DS, &slope.to_string());
        text(tags::RESCALE_INTERCEPT, VR::DS, &intercept.to_string());
    }
    if let Voi::Window(function, centre, width) = header.voi {
        text(tags::WINDOW_CENTER, VR::DS, &centre.to_string());
        text(tags::WINDOW_WIDTH, VR::DS, &width.to_string());
        text(tags::VOILUT_FUNCTION, VR::CS, function);
    }
    let mut table = |tag: Tag, first: i16, bits: u16, entries: Vec<u16>| {
        let mut item = InMemDicomObject::new_empty();
        let descriptor = [entries.len() as u16, first as u16, bits];
        let words = |values: &[u16]| PrimitiveValue::U16(values.into());
        item.put(DataElement::new(tags::LUT_DESCRIPTOR, VR::US, words(&descriptor)));
        item.put(DataElement::new(tags::LUT_DATA, VR::US, words(&entries)));
        object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(vec![item])));
    };
    if header.modality == Modality::Table {
        table(tags::MODALITY_LUT_SEQUENCE, first(header), 8, entries(true));
    }
    if header.voi == Voi::Table {
        table(tags::VOILUT_SEQUENCE, 4, 8, entries(false));
    }
    let shift = high + 1 - stored;
    let word = |number: i32| ((number as u32 & ((1u32 << stored) - 1)) << shift) as u16;
    let words = numbers(header.bits).into_iter().map(word);
    let (vr, bytes): (_, Vec<u8>) = match allocated {
        8 => (VR::OB, words.map(|word| word as u8).collect()),
        _ => (VR::OW, words.flat_map(u16::to_le_bytes).collect()),
    };
    object.put(DataElement::new(tags::PIXEL_DATA, vr, PrimitiveValue::from(bytes)));
    let meta = FileMetaTableBuilder::new().transfer_syntax(syntax);
    let mut file = Vec::new();
    object.with_meta(meta).unwrap().write_all(&mut file).unwrap();
    file
}

/// PS3.3 C.7.6.3.1 (padding), C.11.1 (modality), C.11.2.1.2 (VOI), each as it is printed.
fn expected(header: &Header) -> Vec<f64> {
    let look_up = |entries: &[u16], first: f64, x: f64| {
        f64::from(entries[((x - first).clamp(0.0, entries.len() as f64 - 1.0)) as usize])
    };
    let modality = |number: f64| match header.modality {
        Modality::None => number,
        Modality::Rescale(slope, intercept) => slope * number + intercept,
        Modality::Table => look_up(&entries(true), f64::from(first(header)), number),
    };
    let all = numbers(header.bits);
    let is_padding = |number: i32| header.padding == Some(number);
    let seen = all.iter().filter(|number| !is_padding(**number));
    let seen: Vec<f64> = seen.map(|number| modality(f64::from(*number))).collect();
    let low = seen.iter().copied().fold(f64::MAX, f64::min);
    let high = seen.iter().copied().fold(f64::MIN, f64::max);
    let voi = |x: f64| match header.voi {
        Voi::Range if high > low => (x - low) / (high - low) * 255.0,
        Voi::Range => 0.0,
        Voi::Table => look_up(&entries(false), 4.0, x.round()),
        Voi::Window("LINEAR", c, w) => {
            if x <= c - 0.5 - (w - 1.0) / 2.0 {
                0.0
            } else if x > c - 0.5 + (w - 1.0) / 2.0 {
                255.0
            } else {
                ((x - (c - 0.5)) / (w - 1.0) + 0.5) * 255.0
            }
        }
        Voi::Window("LINEAR_EXACT", c, w) => {
            if x <= c - w / 2.0 {
                0.0
            } else if x > c + w / 2.0 {
                255.0
            } else {
                ((x - c) / w + 0.5) * 255.0
            }
        }
        Voi::Window(_, c, w) => 255.0 / (1.0 + (-4.0 * (x - c) / w).exp()),
    };
    let grey = |number: i32| {
        let grey = voi(modality(f64::from(number)));
        match (is_padding(number), header.inverted) {
            (true, _) => 0.0,
            (false, true) => 255.0 - grey,
            (false, false) => grey,
        }
    };
    all.into_iter().map(grey).collect()
}

#[test]
fn every_combination_of_a_header_is_shown_as_the_standard_says() {
    let bits = |allocated, stored, high, signed| Bits { allocated, stored, high, signed };
    let kinds = [
        bits(8, 8, 7, false),
        bits(8, 6, 7, false),
        bits(8, 8, 7, true),
        bits(16, 10, 9, false),
        bits(16, 12, 11, false),
        bits(16, 12, 15, false),
        bits(16, 12, 11, true),
        bits(16, 12, 15, true),
        bits(16, 16, 15, false),
        bits(16, 16, 15, true),
    ];
    let modalities = [Modality::None, Modality::Rescale(0.5, -20.0), Modality::Table];
    let vois = [
        Voi::Range,
        Voi::Window("LINEAR", 60.0, 90.0),
        Voi::Window("LINEAR", 60.0, 1.0),
        Voi::Window("LINEAR_EXACT", 60.5, 90.5),
        Voi::Window("SIGMOID", 60.0, 40.0),
        Voi::Table,
    ];
    let mut objects = 0;
    for (bits, modality) in kinds.into_iter().flat_map(|b| modalities.map(|m| (b, m))) {
        for (voi, inverted) in vois.into_iter().flat_map(|v| [false, true].map(|i| (v, i))) {
            for padding in [None, numbers(bits).last().copied()] {
                let header = Header { bits, inverted, modality, voi, padding };
                let syntax = SYNTAXES[objects % 2];
                let film = decode_bytes(&file(&header, syntax), Path::new("film.dcm"));
                let film = film.unwrap_or_else(|e| panic!("{header:?}: {e}"));
                for (found, wanted) in film.pixels.iter().zip(expected(&header)) {
                    let near = (f64::from(*found) - wanted).abs() < 2e-3;
                    assert!(near, "{header:?}: {found} is not {wanted}");
                }
                objects += 1;
            }
        }
    }
    assert_eq!(objects, 720);
}
