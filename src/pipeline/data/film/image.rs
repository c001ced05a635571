//! A grey film, how files hold it, and what reading one shares.

use crate::{Error, Result};
use std::{fmt, path::Path};

/// Pixels a side that are decoded at most.
pub const MAX_SIDE: usize = 30_000;

/// Pixels in all that are decoded at most; the largest X-ray detectors stay below a third of it. While it is decoded a film
/// takes at most 14 bytes a pixel (DICOM of 16 bits; grey JPEG and PNG take 5), so 1.4 GB at this size; what would be
/// larger, or says that it is, is refused by its header.
pub const MAX_PIXELS: usize = 100_000_000;

/// Bytes that a file may have, so that a wrong path is not read into memory.
const MAX_BYTES: u64 = 1 << 30;

/// A grey image, row by row from the top left.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values in 0-255; 16-bit values are divided by 257 and keep their fraction.
    pub pixels: Vec<f32>,
}

/// How an image file holds its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// `JPEG`, `PNG`, `TIFF`, `BMP` or `DICOM`.
    pub format: &'static str,
    /// Bits of a number.
    pub bits: u16,
    /// Numbers of a pixel: of a palette's colour, where there is one.
    pub channels: u8,
    /// A pixel is stored as its place in a palette, of [`Encoding::bits`] bits.
    pub palette: bool,
    /// White is stored as 0 (DICOM's MONOCHROME1); the film is the right way round all the same.
    pub inverted: bool,
}

impl Encoding {
    pub(in crate::data) fn new(format: &'static str, bits: u16, channels: u8) -> Self {
        Self { format, bits, channels, palette: false, inverted: false }
    }
}

/// What is wrong with a file, without its name; reads `expected {expected}, found {found}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Misfit {
    pub expected: String,
    pub found: String,
}

impl Misfit {
    pub(in crate::data) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into() }
    }
    /// Of a file that its decoder refuses.
    pub(in crate::data) fn not_whole(what: &str, why: impl fmt::Display) -> Self {
        Self::new(format!("a whole {what}"), format!("one that its decoder refuses ({why})"))
    }
    /// Of a file on which its decoder panics.
    pub(in crate::data) fn damaged() -> Self {
        Self::new("a whole image", "data damaged beyond what the decoder can follow")
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

pub(in crate::data) fn fault_at(path: &Path, misfit: Misfit) -> Error {
    Error::data(
        path,
        misfit.expected,
        misfit.found,
        "replace the file by a whole JPEG, PNG, BMP, TIFF or DICOM, or leave it out",
    )
}

/// The bytes of an image file.
pub(in crate::data) fn bytes(path: &Path) -> Result<Vec<u8>, Misfit> {
    let about = std::fs::metadata(path).map_err(|e| Misfit::new("an image file", e.to_string()))?;
    if !about.is_file() {
        return Err(Misfit::new("an image file", "something else than a file"));
    }
    if about.len() > MAX_BYTES {
        let expected = format!("at most {MAX_BYTES} bytes");
        return Err(Misfit::new(expected, about.len().to_string()));
    }
    std::fs::read(path).map_err(|e| Misfit::new("a file that can be read", e.to_string()))
}

pub(in crate::data) fn check_size(width: usize, height: usize) -> Result<(), Misfit> {
    if width == 0 || height == 0 {
        return Err(Misfit::new("at least one pixel", format!("{width}x{height}")));
    }
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        let expected = format!("at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all");
        return Err(Misfit::new(expected, format!("{width}x{height}")));
    }
    Ok(())
}

/// ITU-R BT.601 luma.
pub(in crate::data) fn luma([r, g, b]: [f32; 3]) -> f32 {
    // Grey must stay exactly grey, and the weights do not sum to 1 in f32.
    if r == g && g == b { r } else { 0.299 * r + 0.587 * g + 0.114 * b }
}
