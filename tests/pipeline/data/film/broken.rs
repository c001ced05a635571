//! Broken files of every format: each is an error or a film, none a panic.

use std::{
    cell::Cell,
    io::Cursor,
    panic::{set_hook, take_hook},
    path::Path,
    sync::Once,
};

use crate::films::{dicom::object, real, sample_jpeg};
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use mtpret_pipeline::data::decode_bytes;

thread_local! { static PANICS: Cell<usize> = const { Cell::new(0) } }

/// Counts the panics of each thread, those that the decoder catches too.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            PANICS.with(|count| count.set(count.get() + 1));
            usual(panic);
        }));
    });
}

/// A whole file of each format and depth that is written here, and the real ones.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let grey = GrayImage::from_fn(40, 32, |x, y| Luma([(x * 7 + y * 13) as u8]));
    let grey = DynamicImage::from(grey);
    let depths = [
        ("8", grey.clone()),
        ("16", grey.to_luma16().into()),
        ("rgb", grey.to_rgb8().into()),
        ("rgba", grey.to_rgba8().into()),
    ];
    let mut files = vec![("jpeg".to_string(), sample_jpeg())];
    for (depth, picture) in depths {
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff] {
            let mut bytes = Cursor::new(Vec::new());
            if picture.write_to(&mut bytes, format).is_ok() {
                files.push((format!("{format:?} {depth}"), bytes.into_inner()));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.dcm");
    crate::films::dicom::write(object("MONOCHROME2"), &path);
    files.push(("dicom".into(), std::fs::read(&path).unwrap()));
    for part in ["originals", "dicom"] {
        let Some(folder) = real(part) else { continue };
        for path in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            // Larger ones are of the same formats and take their time.
            let bytes = std::fs::read(&path).unwrap();
            if bytes.len() < 300_000 {
                files.push((path.display().to_string(), bytes));
            }
        }
    }
    files
}

/// Whether the decoder takes the bytes, none of which may panic.
fn decodes(bytes: &[u8], what: &str) -> bool {
    let before = PANICS.with(Cell::get);
    let film = decode_bytes(bytes, Path::new("film.png"));
    assert_eq!(PANICS.with(Cell::get), before, "{what} panics inside");
    if let Ok(film) = &film {
        assert_eq!(film.pixels.len(), film.width * film.height, "{what}");
        assert!(film.pixels.iter().all(|v| (0.0..=255.01).contains(v)), "{what}");
    }
    film.is_ok()
}

#[test]
fn files_cut_at_ten_places_and_with_bits_turned_never_panic() {
    count_panics();
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for (name, whole) in corpus() {
        let sound = decodes(&whole, &name);
        for tenth in 0..10 {
            let cut = &whole[..whole.len() * tenth / 10];
            let taken = decodes(cut, &format!("{name} cut at {tenth}/10"));
            assert!(!taken || !sound || tenth == 9, "{name} is read when cut at {tenth}/10");
        }
        for turn in 0..20 {
            let mut turned = whole.clone();
            // Half of them in the header, where sizes and offsets are.
            let at = random(if turn % 2 == 0 { whole.len().min(256) } else { whole.len() });
            turned[at] ^= 1 << random(8);
            decodes(&turned, &format!("{name}, a bit of byte {at}"));
        }
    }
}

#[test]
fn a_header_that_lies_about_the_size_is_an_error_at_once() {
    count_panics();
    let mut png = Cursor::new(Vec::new());
    GrayImage::new(40, 32).write_to(&mut png, ImageFormat::Png).unwrap();
    let mut bmp = Cursor::new(Vec::new());
    GrayImage::new(40, 32).write_to(&mut bmp, ImageFormat::Bmp).unwrap();
    let begun = std::time::Instant::now();
    for side in [41u32, 20_000, 65_535, 1 << 31] {
        let mut lying = png.get_ref().clone();
        lying[16..20].copy_from_slice(&side.to_be_bytes());
        assert!(!decodes(&lying, &format!("PNG of width {side}")));
        let mut lying = bmp.get_ref().clone();
        lying[22..26].copy_from_slice(&side.to_le_bytes());
        assert!(!decodes(&lying, &format!("BMP of height {side}")));
        let mut lying = sample_jpeg();
        let frame = lying.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
        lying[frame + 5..frame + 7].copy_from_slice(&(side.min(65_535) as u16).to_be_bytes());
        decodes(&lying, &format!("JPEG of height {side}"));
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// DICOM's elements say how long they are, which may be more than there is.
#[test]
fn a_dicom_element_that_lies_about_its_length_is_an_error() {
    count_panics();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.dcm");
    crate::films::dicom::write(object("MONOCHROME2"), &path);
    let whole = std::fs::read(&path).unwrap();
    let pixels = whole.windows(4).position(|tag| tag == [0xe0, 0x7f, 0x10, 0]).unwrap();
    for length in [0u32, 14, 0x7fff_fff0, 0xffff_fff0] {
        let mut lying = whole.clone();
        lying[pixels + 8..pixels + 12].copy_from_slice(&length.to_le_bytes());
        assert!(!decodes(&lying, &format!("pixels of {length} bytes")));
    }
}
