//! Decoding of image files: grey values, formats told by content, damage refused; and resizing.

use std::{io::Cursor, path::Path};

use crate::films::{data_error, film, sample_jpeg};
use image::{DynamicImage, ImageFormat, Luma, Rgb, Rgba};
use mtpret_pipeline::data::{Film, MAX_PIXELS, MAX_SIDE, decode, decode_bytes};

fn pixels(bytes: &[u8]) -> Vec<f32> {
    decode_bytes(bytes, Path::new("film")).unwrap().pixels
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn message(bytes: &[u8]) -> String {
    data_error(decode_bytes(bytes, Path::new("films/odd.jpg")), Path::new("."))
}

/// A PNG from its header fields and unfiltered-row bytes, for what no encoder here writes.
fn png(
    size: (u32, u32),
    depth_colour: [u8; 2],
    adam7: bool,
    extra: &[(&[u8; 4], &[u8])],
    data: &[u8],
) -> Vec<u8> {
    fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
        out.extend((body.len() as u32).to_be_bytes());
        let checked = [kind.as_slice(), body].concat();
        let crc = checked.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ (0xedb8_8320 * (c & 1)))
        });
        out.extend(checked);
        out.extend((!crc).to_be_bytes());
    }
    let (a, b) = data.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (a + b) % 65521)
    });
    let length = data.len() as u16;
    // A zlib stream of one stored block.
    let mut zlib = vec![0x78, 0x01, 0x01];
    zlib.extend(length.to_le_bytes());
    zlib.extend((!length).to_le_bytes());
    zlib.extend(data);
    zlib.extend((b << 16 | a).to_be_bytes());
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [size.0.to_be_bytes(), size.1.to_be_bytes()].concat();
    header.extend([depth_colour[0], depth_colour[1], 0, 0, u8::from(adam7)]);
    chunk(&mut out, b"IHDR", &header);
    extra.iter().for_each(|(kind, body)| chunk(&mut out, kind, body));
    chunk(&mut out, b"IDAT", &zlib);
    chunk(&mut out, b"IEND", b"");
    out
}

#[test]
fn a_16_bit_png_keeps_its_fractions() {
    let values = vec![0u16, 1, 257, 65535];
    let image = image::ImageBuffer::<Luma<u16>, _>::from_raw(4, 1, values).unwrap();
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        assert_eq!(pixels(&encoded(image.clone(), format)), [0.0, 1.0 / 257.0, 1.0, 255.0]);
    }
}

#[test]
fn colour_becomes_luma_and_transparency_black() {
    let rgb = image::RgbImage::from_pixel(1, 1, Rgb([200, 100, 50]));
    let luma = 0.299 * 200.0 + 0.587 * 100.0 + 0.114 * 50.0;
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff] {
        assert!((pixels(&encoded(rgb.clone(), format))[0] - luma).abs() < 1e-4);
    }
    let rgba = image::RgbaImage::from_pixel(1, 1, Rgba([200, 200, 200, 51]));
    assert!((pixels(&encoded(rgba, ImageFormat::Png))[0] - 40.0).abs() < 1e-4);
}

/// As Photoshop and Pillow write it: Adobe's marker, four inks, each stored as 255 less itself.
#[test]
fn inks_become_luma() {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let jpeg = "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgWFBgSFBUU\
        /8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAkHCP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAOBEMATQBZAEsAAD8ApDZpHSBv/9k=";
    let film = pixels(&BASE64_STANDARD.decode(jpeg).unwrap());
    // Cyan 100, magenta 50, yellow 20, black 30 of 255.
    let rgb = [100.0, 50.0, 20.0].map(|ink| (255.0 - ink) * (255.0 - 30.0) / 255.0);
    let luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    assert!(film.len() == 64 && film.iter().all(|v| (v - luma).abs() < 2.0), "{luma} {film:?}");
}

#[test]
fn a_palette_is_expanded_with_its_transparency() {
    let palette = [10, 10, 10, 200, 200, 200, 90, 90, 90];
    let extra: [(&[u8; 4], &[u8]); 2] = [(b"PLTE", &palette), (b"tRNS", &[255, 0])];
    assert_eq!(pixels(&png((3, 1), [8, 3], false, &extra, &[0, 2, 1, 0])), [90.0, 0.0, 10.0]);
}

#[test]
fn one_bit_a_pixel_spans_black_to_white() {
    let bits = png((3, 1), [1, 0], false, &[], &[0, 0b1010_0000]);
    assert_eq!(pixels(&bits), [255.0, 0.0, 255.0]);
}

#[test]
fn an_interlaced_png_is_put_in_order() {
    let passes = [0, 10, 0, 20, 0, 30, 40];
    assert_eq!(pixels(&png((2, 2), [8, 0], true, &[], &passes)), [10.0, 20.0, 30.0, 40.0]);
}

#[test]
fn the_content_tells_the_format_not_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("really_a_png.jpg");
    film(&path, 77);
    assert_eq!(decode(&path).unwrap(), Film { width: 2, height: 2, pixels: vec![77.0; 4] });
}

#[test]
fn exif_orientation_turns_the_film_as_the_image_crate_does() {
    use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
    let jpeg = sample_jpeg();
    let upright = decode_bytes(&jpeg, Path::new("film")).unwrap();
    let (w, h) = (upright.width as u32, upright.height as u32);
    let image = image::ImageBuffer::<Luma<f32>, _>::from_raw(w, h, upright.pixels).unwrap();
    for orientation in 1..=8u8 {
        let mut tags =
            b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        tags.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        let tagged = [&jpeg[..2], &tags, &jpeg[2..]].concat();
        let turned = decode_bytes(&tagged, Path::new("film")).unwrap();
        let expected = match orientation {
            1 => image.clone(),
            2 => flip_horizontal(&image),
            3 => rotate180(&image),
            4 => flip_vertical(&image),
            5 => flip_horizontal(&rotate90(&image)),
            6 => rotate90(&image),
            7 => flip_horizontal(&rotate270(&image)),
            _ => rotate270(&image),
        };
        assert_eq!((turned.width as u32, turned.height as u32), expected.dimensions());
        assert!(turned.pixels == *expected.as_raw(), "orientation {orientation}");
    }
}

#[test]
fn a_jpeg_cut_anywhere_is_an_error() {
    let whole = sample_jpeg();
    for tenth in 0..10 {
        let cut = &whole[..whole.len() * tenth / 10];
        assert!(message(cut).starts_with("films/odd.jpg: "), "cut at {tenth}/10");
    }
    assert_eq!(
        message(&whole[..whole.len() / 2]),
        "films/odd.jpg: expected a whole JPEG, found one that its decoder refuses (Exhausted data in the image); replace the file by a whole \
         JPEG, PNG, BMP, TIFF or DICOM, or leave it out"
    );
}

#[test]
fn any_other_image_cut_in_half_is_an_error() {
    let grey = image::GrayImage::from_fn(64, 64, |x, y| Luma([(x * 7 + y * 13) as u8]));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff] {
        let whole = encoded(grey.clone(), format);
        assert_eq!(pixels(&whole).len(), 64 * 64);
        let error = message(&whole[..whole.len() / 2]);
        assert!(error.contains("expected a whole image"), "{format:?}: {error}");
    }
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    for size in [(MAX_SIDE as u32 + 1, 1), (1, u32::MAX), (20_000, MAX_PIXELS as u32 / 20_000 + 1)]
    {
        let error = message(&png(size, [8, 0], false, &[], &[0, 0]));
        assert!(error.contains("limit") || error.contains("at most"), "{size:?}: {error}");
    }
}

#[test]
fn what_is_no_image_is_named() {
    let mend = "replace the file by a whole JPEG, PNG, BMP, TIFF or DICOM, or leave it out";
    assert_eq!(
        message(b"<html>"),
        format!(
            "films/odd.jpg: expected JPEG, PNG, BMP, TIFF or DICOM, found a file that begins with \
             [3c, 68, 74, 6d]; {mend}"
        )
    );
    assert_eq!(
        message(b""),
        format!("films/odd.jpg: expected an image, found an empty file; {mend}")
    );
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(data_error(decode(&root.join("gone.png")), root).starts_with("gone.png: expected"));
    std::fs::create_dir(root.join("folder.png")).unwrap();
    assert!(data_error(decode(&root.join("folder.png")), root).contains("else than a file"));
}

#[test]
fn a_damaged_file_never_panics() {
    let grey = image::GrayImage::from_fn(32, 32, |x, y| Luma([(x * 7 + y * 13) as u8]));
    let formats = [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff];
    let mut files: Vec<_> = formats.map(|f| encoded(grey.clone(), f)).to_vec();
    files.push(sample_jpeg());
    let mut state = 1u64;
    for file in &files {
        for _ in 0..300 {
            let mut damaged = file.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (state >> 33) as usize % damaged.len();
                damaged[at] = (state >> 25) as u8;
            }
            if let Ok(film) = decode_bytes(&damaged, Path::new("film")) {
                assert_eq!(film.pixels.len(), film.width * film.height);
                assert!(film.pixels.iter().all(|v| (0.0..=255.01).contains(v)));
            }
        }
    }
}

#[test]
fn resizing_is_that_of_pillow() {
    let pixels = (0..35).map(|i| ((i * 37) % 101) as f32).collect();
    let film = Film { width: 7, height: 5, pixels };
    // PIL.Image 'F'.resize(size, BILINEAR) of the same numbers.
    let down = [49.36364f32, 44.58556, 53.15585, 46.62337, 53.53476, 52.38312];
    let up = [61.97917f32, 36.75, 40.97917, 62.74306];
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    let small = film.resize(3, 2);
    assert!(small.pixels.len() == 6 && close(&small.pixels, &down), "{:?}", small.pixels);
    let large = film.resize(9, 8);
    assert!(close(&large.pixels[30..34], &up), "{:?}", &large.pixels[30..34]);
}
