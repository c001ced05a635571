//! A grey film, how files hold it, and what reading one shares.

use crate::{Error, Result};
use std::path::Path;

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

/// What is wrong with a file, without its name.
pub(in crate::data) type Fault = String;

pub(in crate::data) fn fault_at(path: &Path, fault: Fault) -> Error {
    Error::data(
        path.display().to_string(),
        fault,
        "replace the file by a whole JPEG, PNG, BMP, TIFF or DICOM, or leave it out",
    )
}

/// The bytes of an image file.
pub(in crate::data) fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let about = std::fs::metadata(path).map_err(|e| format!("expected an image file, {e}"))?;
    if !about.is_file() {
        return Err("expected an image file, found something else than a file".into());
    }
    if about.len() > MAX_BYTES {
        return Err(format!("expected at most {MAX_BYTES} bytes, found {}", about.len()));
    }
    std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))
}

pub(in crate::data) fn check_size(width: usize, height: usize) -> Result<(), Fault> {
    if width == 0 || height == 0 {
        return Err(format!("expected at least one pixel, found {width}x{height}"));
    }
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(format!(
            "expected at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all, \
             found {width}x{height}"
        ));
    }
    Ok(())
}

/// ITU-R BT.601 luma.
pub(in crate::data) fn luma([r, g, b]: [f32; 3]) -> f32 {
    // Grey must stay exactly grey, and the weights do not sum to 1 in f32.
    if r == g && g == b { r } else { 0.299 * r + 0.587 * g + 0.114 * b }
}
