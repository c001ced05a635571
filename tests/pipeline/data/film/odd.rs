//! Films and masks that are out of the ordinary: what other programs read is read alike, what would be another film is refused.

use crate::films::dicom::{object, text};
use dicom_core::{DataElement, PrimitiveValue, VR, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};
use mtpret_pipeline::data::{Annotation, MaskValues, Sample, decode_bytes};
use std::{io::Cursor, path::Path};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// The film's file, written in the transfer syntax `written`.
fn file(object: InMemDicomObject, written: &str) -> Vec<u8> {
    let meta = FileMetaTableBuilder::new().transfer_syntax(written);
    let mut file = Vec::new();
    object.with_meta(meta).unwrap().write_all(&mut file).unwrap();
    file
}

fn pixels(bytes: &[u8]) -> Vec<f32> {
    decode_bytes(bytes, Path::new("film.dcm")).unwrap_or_else(|e| panic!("{e}")).pixels
}

fn refused(bytes: &[u8]) -> String {
    decode_bytes(bytes, Path::new("film.dcm")).unwrap_err().to_string()
}

/// Three by two pixels in colour, of which each is one in the list; planes after one another if `planar`.
fn colour(planar: bool) -> Vec<u8> {
    let all: [[u8; 3]; 6] =
        [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30], [200, 100, 50]];
    let bytes: Vec<u8> = match planar {
        true => (0..3).flat_map(|channel| all.map(|pixel| pixel[channel])).collect(),
        false => all.into_iter().flatten().collect(),
    };
    let mut film = object("RGB");
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 3),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PLANAR_CONFIGURATION, u16::from(planar)),
    ] {
        film.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    film.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(bytes)));
    file(film, EXPLICIT)
}

#[test]
fn colour_in_planes_is_that_of_colour_in_pixels() {
    let seen = pixels(&colour(false));
    assert_eq!(pixels(&colour(true)), seen);
    assert!((seen[1] - 0.299 * 255.0).abs() < 1e-3 && (seen[3] - 0.114 * 255.0).abs() < 1e-3);
}

/// A film with a VOI table of so many entries, of which the descriptor says `said`.
fn with_table(said: u16, entries: Vec<u16>) -> Vec<u8> {
    let words = |values: &[u16]| PrimitiveValue::U16(values.into());
    let mut item = InMemDicomObject::new_empty();
    item.put(DataElement::new(tags::LUT_DESCRIPTOR, VR::US, words(&[said, 0, 16])));
    item.put(DataElement::new(tags::LUT_DATA, VR::OW, words(&entries)));
    let mut film = object("MONOCHROME2");
    film.put(DataElement::new(tags::VOILUT_SEQUENCE, VR::SQ, DataSetSequence::from(vec![item])));
    file(film, EXPLICIT)
}

#[test]
fn a_table_of_all_words_is_read_and_one_that_is_short_is_refused() {
    // A descriptor of 16 bits says 0 for 65,536 entries.
    let squares = (0..1u32 << 16).map(|n| ((n * n) >> 16) as u16).collect();
    let seen = pixels(&with_table(0, squares));
    let expected =
        [0u32, 1000, 2000, 3000, 4000, 4095].map(|n| ((n * n) >> 16) as f32 / 65535.0 * 255.0);
    for (found, wanted) in seen.iter().zip(expected) {
        assert!((found - wanted).abs() < 1e-3, "{found} {wanted}");
    }
    let short = refused(&with_table(4096, vec![7; 4095]));
    assert!(short.contains("expected 4096 entries"), "{short}");
    assert!(short.contains("of its VOI LUT, found 4095"), "{short}");
}

#[test]
fn a_window_without_a_meaning_is_as_none() {
    let plain = pixels(&file(object("MONOCHROME2"), EXPLICIT));
    for width in ["0", "-40", "0.5"] {
        let mut film = object("MONOCHROME2");
        text(&mut film, tags::WINDOW_CENTER, VR::DS, "2000");
        text(&mut film, tags::WINDOW_WIDTH, VR::DS, width);
        assert_eq!(pixels(&file(film, EXPLICIT)), plain, "{width}");
    }
}

#[test]
fn files_that_say_another_syntax_end_in_zeros_or_leave_frames_blank_are_read() {
    let plain = pixels(&file(object("MONOCHROME2"), EXPLICIT));
    for (written, said) in [(EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT)] {
        let mut bytes = file(object("MONOCHROME2"), written);
        // The UID in the header, padded to the length that it has there.
        let at = bytes.windows(written.len()).position(|w| w == written.as_bytes()).unwrap();
        let room = written.len().next_multiple_of(2);
        let mut uid = said.as_bytes().to_vec();
        uid.resize(room.max(said.len()), 0);
        if uid.len() == room {
            bytes[at..at + room].copy_from_slice(&uid);
        } else {
            // The longer UID: its element and its group grow by as much.
            bytes[at - 2] += (uid.len() - room) as u8;
            bytes[140] += (uid.len() - room) as u8;
            bytes.splice(at..at + room, uid);
        }
        assert_eq!(pixels(&bytes), plain, "{written} as {said}");
    }
    for count in [1, 2, 7, 512] {
        let mut bytes = file(object("MONOCHROME2"), EXPLICIT);
        bytes.resize(bytes.len() + count, 0);
        assert_eq!(pixels(&bytes), plain, "{count} zeros");
    }
    let mut blank = object("MONOCHROME2");
    text(&mut blank, tags::NUMBER_OF_FRAMES, VR::IS, "");
    assert_eq!(pixels(&file(blank, EXPLICIT)), plain);
}

/// What is wrong with a mask; nothing if it is one.
fn fault(mask: DynamicImage) -> Option<String> {
    foreground(mask, None).err()
}

/// How many pixels are foreground, if their values have the meaning that is given.
fn foreground(mask: DynamicImage, values: Option<MaskValues>) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.png");
    let size = [mask.width() as usize, mask.height() as usize];
    mask.save_with_format(&path, ImageFormat::Png).unwrap();
    let target = Annotation::Mask { files: vec![path], values };
    let film = Sample { path: "film.png".into(), patient: String::new(), target };
    let mask = film.mask(size).map_err(|error| error.to_string())?;
    Ok(mask.into_iter().filter(|pixel| *pixel == 1).count())
}

#[test]
fn values_of_a_mask_mean_what_its_data_set_says() {
    let columns = [0, 1, 2, 7];
    let eight = || GrayImage::from_fn(40, 32, |x, _| Luma([columns[x as usize / 10]])).into();
    let sixteen = |times: u16| {
        let value = move |x| u16::from(columns[x as usize / 10]) * times;
        ImageBuffer::<Luma<u16>, _>::from_fn(40, 32, |x, _| Luma([value(x)])).into()
    };
    let values = |foreground: &[u16], background: &[u16]| {
        Some(MaskValues { foreground: foreground.to_vec(), background: background.to_vec() })
    };
    assert_eq!(foreground(eight(), values(&[1, 2], &[0, 7])), Ok(640));
    assert_eq!(foreground(eight(), values(&[7], &[0, 1, 2])), Ok(320));
    assert_eq!(foreground(sixteen(1), values(&[1, 7], &[0, 2])), Ok(640));
    assert_eq!(foreground(sixteen(300), values(&[2100, 600], &[0, 300])), Ok(640));
    let other = foreground(eight(), values(&[1], &[0])).unwrap_err();
    assert!(other.contains("found 2 others: 2 in 25.0%, 7 in 25.0%"), "{other}");
    assert!(other.contains("only the values 1 (foreground) and 0 (background)"), "{other}");
    let colour = RgbImage::from_fn(8, 8, |x, _| Rgb([(x % 2) as u8; 3]));
    let refused = foreground(colour.into(), values(&[1], &[0])).unwrap_err();
    assert!(refused.contains("found PNG in colour"), "{refused}");
    let dark = fault(GrayImage::from_fn(4, 4, |x, _| Luma([(x % 2) as u8])).into()).unwrap();
    assert!(dark.contains("found 0 to 1") && dark.contains("values = {"), "{dark}");
}

#[test]
fn a_mask_of_more_values_than_two_is_an_error_that_counts_them() {
    let levels =
        |values: [u8; 4]| GrayImage::from_fn(40, 32, |x, _| Luma([values[x as usize / 10]]));
    let three = fault(levels([0, 85, 170, 170]).into()).unwrap();
    assert!(three.contains("expected two values"), "{three}");
    assert!(three.contains("found 3 values: 0 in 25.0%, 85 in 25.0%, 170 in 50.0%"), "{three}");
    let colours = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 255, 0]];
    let colours = RgbImage::from_fn(40, 32, |x, _| Rgb(colours[x as usize / 10]));
    assert!(fault(colours.into()).unwrap().contains("found 3 values"));
    for good in [[0, 0, 255, 255], [0; 4], [255; 4]] {
        assert_eq!(fault(levels(good).into()), None, "{good:?}");
    }
}

#[test]
fn tiffs_of_palettes_and_of_several_pages_are_read_or_told_as_what_they_are() {
    let grey = GrayImage::from_fn(40, 32, |x, y| Luma([(x * 5 + y) as u8]));
    let mut page = Cursor::new(Vec::new());
    grey.write_to(&mut page, ImageFormat::Tiff).unwrap();
    let mut two = page.into_inner();
    assert!(decode_bytes(&two, Path::new("film.tif")).is_ok());
    // The directory's last four bytes lead to the next page: here to itself again.
    let directory = u32::from_le_bytes(two[4..8].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes(two[directory..directory + 2].try_into().unwrap()));
    let copy = two[directory..directory + 2 + 12 * count + 4].to_vec();
    let second = two.len() as u32;
    two.extend(copy);
    let next = directory + 2 + 12 * count;
    two[next..next + 4].copy_from_slice(&second.to_le_bytes());
    let pages = decode_bytes(&two, Path::new("film.tif")).unwrap_err().to_string();
    assert!(pages.contains("page"), "{pages}");
}
