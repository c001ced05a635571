//! Films to measure the loader on, where none are given: smooth as bodies are, with the grain of a detector.

use crate::{Error, Result};
use image::{
    DynamicImage, ExtendedColorType, GrayImage, ImageBuffer, ImageEncoder, Luma,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};
use mtpret_engine::tensor::Philox;
use rayon::prelude::*;
use std::{
    f64::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

/// Pixels a side.
pub(super) const SIDE: u32 = 1024;
/// Films of a kind.
const FILMS: u64 = 16;
/// Quality of a JPEG, as cameras and archives have it.
const QUALITY: u8 = 90;
/// Standard deviation of the grain, in greys of 8 bits: a film's PNG is then 400 KB, as the average of ChestX-ray14's.
const GRAIN: f64 = 0.55;

/// How a film is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Jpeg,
    Png8,
    Png16,
    Dicom,
}

impl Kept {
    pub(super) const ALL: [Self; 4] = [Self::Jpeg, Self::Png8, Self::Png16, Self::Dicom];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png8 => "PNG, 8 bit",
            Self::Png16 => "PNG, 16 bit",
            Self::Dicom => "DICOM, 12 bit",
        }
    }

    /// Writes films into `folder`.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn make(self, folder: &Path) -> Result<Vec<PathBuf>> {
        let films = 0..FILMS;
        let made = films.into_par_iter().map(|seed| {
            let path = folder.join(format!("{} {seed}", self.name()));
            let bytes = self.encoded(&greys(seed)).map_err(|fault| {
                let expected = format!("a film as {}", self.name());
                Error::data(&path, expected, fault.to_string(), "report it")
            })?;
            let mend = "free space in the folder for temporary files";
            fs::write(&path, bytes).map_err(|e| Error::io(&path, e, mend))?;
            Ok(path)
        });
        made.collect()
    }

    /// A film of greys of 0 to 255.
    fn encoded(self, greys: &[f64]) -> image::ImageResult<Vec<u8>> {
        let scaled = |most: f64| greys.iter().map(move |v| (v / 255.0 * most).round());
        let bytes: Vec<u8> = scaled(255.0).map(|v| v as u8).collect();
        let mut out = Vec::new();
        match self {
            Self::Jpeg => JpegEncoder::new_with_quality(&mut out, QUALITY).write_image(
                &bytes,
                SIDE,
                SIDE,
                ExtendedColorType::L8,
            )?,
            Self::Png8 => {
                let film = GrayImage::from_raw(SIDE, SIDE, bytes).expect("as many pixels");
                DynamicImage::from(film).write_with_encoder(PngEncoder::new(&mut out))?;
            }
            Self::Png16 => {
                let words = scaled(65535.0).map(|v| v as u16).collect();
                let film = ImageBuffer::<Luma<u16>, Vec<u16>>::from_raw(SIDE, SIDE, words);
                let film = DynamicImage::from(film.expect("as many pixels"));
                film.write_with_encoder(PngEncoder::new(&mut out))?;
            }
            Self::Dicom => out = dicom(scaled(4095.0).map(|v| v as u16)),
        }
        Ok(out)
    }
}

/// Greys of a film, 0 to 255, row by row.
fn greys(seed: u64) -> Vec<f64> {
    let mut draw = Philox::new(seed, 0);
    let waves: Vec<[f64; 4]> = (0..6)
        .map(|i| {
            [1.0 + f64::from(i) * draw.uniform(), draw.uniform(), draw.uniform(), draw.uniform()]
        })
        .collect();
    let side = f64::from(SIDE);
    let pixel = |x: f64, y: f64| {
        let wave = |[turns, angle, start, height]: &[f64; 4]| {
            let (sin, cos) = (angle * TAU).sin_cos();
            height * ((cos * x + sin * y) * turns * TAU + start * TAU).sin()
        };
        128.0 + 30.0 * waves.iter().map(wave).sum::<f64>()
    };
    let places = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| [x, y]));
    places
        .map(|place| place.map(|at| f64::from(at) / side))
        .map(|[x, y]| (pixel(x, y) + GRAIN * draw.normal()).clamp(0.0, 255.0))
        .collect()
}

/// A DICOM object of 12 bits that is not compressed, with no more than a film needs (PS3.5 A.2).
fn dicom(words: impl Iterator<Item = u16>) -> Vec<u8> {
    /// An element whose value representation has a short length.
    fn short(group: u16, element: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let mut padded = value.to_vec();
        let filler = if vr == b"UI" { 0 } else { b' ' };
        padded.resize(value.len().next_multiple_of(2), filler);
        let length = (padded.len() as u16).to_le_bytes();
        let head = [group.to_le_bytes(), element.to_le_bytes(), *vr, length];
        [head.as_flattened(), &padded].concat()
    }
    let word = |element, value: u16| short(0x28, element, b"US", &value.to_le_bytes());
    let syntax = short(2, 0x10, b"UI", b"1.2.840.10008.1.2.1");
    let pixels: Vec<u8> = words.flat_map(u16::to_le_bytes).collect();
    let pixel_data = [
        [0xe0, 0x7f, 0x10, 0x00, b'O', b'W', 0, 0].as_slice(),
        &(pixels.len() as u32).to_le_bytes(),
        &pixels,
    ];
    [
        [0; 128].as_slice(),
        b"DICM",
        &short(2, 0, b"UL", &(syntax.len() as u32).to_le_bytes()),
        &syntax,
        // Digital X-ray, for presentation.
        &short(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.1.1"),
        &word(0x02, 1),
        &short(0x28, 0x04, b"CS", b"MONOCHROME2"),
        &word(0x10, SIDE as u16),
        &word(0x11, SIDE as u16),
        &word(0x100, 16),
        &word(0x101, 12),
        &word(0x102, 11),
        &word(0x103, 0),
        &short(0x28, 0x1050, b"DS", b"2047.5"),
        &short(0x28, 0x1051, b"DS", b"4096"),
        &pixel_data.concat(),
    ]
    .concat()
}
