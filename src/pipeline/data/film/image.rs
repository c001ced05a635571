//! Grey films, how files hold them, and what reading one shares.

use std::{fmt, path::Path};

use super::budget::{FILES, PIXELS, Share};
use crate::Error;

/// Largest number of pixels a side that are decoded.
pub const MAX_SIDE: usize = 30_000;

/// Largest number of pixels in all that are decoded; the largest X-ray detectors stay below a third of it. While it is
/// decoded a film takes at most 16 bytes a pixel (DICOM of 16 bits; grey JPEG and PNG take 10), so 1.6 GB at this size;
/// what would be larger, or says that it is, is refused by its header.
pub const MAX_PIXELS: usize = 100_000_000;

/// Largest number of bytes of a file: those of the largest grey film, not compressed, and
/// [`ASIDE`].
const MAX_BYTES: usize = 2 * MAX_PIXELS + ASIDE;

/// Number of bytes that a file may have beside its pixels: texts, profiles, thumbnails.
const ASIDE: usize = 64 << 20;

/// Number of bytes of pixels that a byte of a file may become: deflate's 1032 are the most of all that
/// are in use.
const DENSEST: usize = 1100;

/// Number of bytes of pixels for which a file need not be that long.
const SMALL: usize = 1 << 20;

/// A grey image, row by row from the top left.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// Number of pixels a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Greys: `height * width` values in 0-255; 16-bit values are divided by 257 and keep their
    /// fraction.
    pub pixels: Vec<f32>,
}

/// Encoding of an image file's pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// Format of the file: `JPEG`, `PNG`, `TIFF`, `BMP` or `DICOM`.
    pub format: &'static str,
    /// Number of bits of a number.
    pub bits: u16,
    /// Number of channels: those of a palette's colour, where there is one.
    pub channels: u8,
    /// Whether a pixel is stored as its place in a palette, of [`Encoding::bits`] bits.
    pub palette: bool,
    /// Whether white is stored as 0 (DICOM's MONOCHROME1); the film is the right way round all the
    /// same.
    pub inverted: bool,
    /// Oddities of the file, of which the film was made all the same.
    pub notes: Vec<String>,
}

impl Encoding {
    pub(in crate::data) fn new(format: &'static str, bits: u16, channels: u8) -> Self {
        Self { format, bits, channels, palette: false, inverted: false, notes: Vec::new() }
    }
}

/// The numbers of a film as they come from its file.
pub(in crate::data) enum Greys {
    /// Greys of at most 8 bits: 0 to 255.
    Bytes(Vec<u8>),
    /// Greys of 16 bits: 0 to 65535.
    Words(Vec<u16>),
    /// Greys made of colours or by a window: 0 to 255, with fractions.
    Made(Vec<f32>),
}

impl Greys {
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(greys) => greys.len(),
            Self::Words(greys) => greys.len(),
            Self::Made(greys) => greys.len(),
        }
    }
    /// The greys on 0–255.
    fn floats(self) -> Vec<f32> {
        match self {
            Self::Bytes(greys) => greys.into_iter().map(f32::from).collect(),
            Self::Words(greys) => greys.into_iter().map(|v| f32::from(v) / 257.0).collect(),
            Self::Made(greys) => greys,
        }
    }
}

/// A film that was just decoded, with its share of the memory that all threads may decode with: it goes back when this is
/// dropped.
pub(in crate::data) struct Decoded {
    /// Width and height.
    pub size: [usize; 2],
    pub greys: Greys,
    pub encoding: Encoding,
    pub share: Share,
}

impl Decoded {
    /// The film, how its file holds it, and the share.
    pub fn film(self) -> (Film, Encoding, Share) {
        let [width, height] = self.size;
        (Film { width, height, pixels: self.greys.floats() }, self.encoding, self.share)
    }
}

/// Fault of a file, without its name; reads `expected {expected}, found {found}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Misfit {
    pub expected: String,
    pub found: String,
}

impl Misfit {
    pub(in crate::data) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into() }
    }
    /// The misfit of a file that its decoder refuses.
    pub(in crate::data) fn not_whole(what: &str, why: impl fmt::Display) -> Self {
        Self::new(format!("a whole {what}"), format!("one that its decoder refuses ({why})"))
    }
    /// The misfit of a file on which its decoder panics.
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

/// Reads the bytes of an image file and gives what `of` makes of them.
pub(in crate::data) fn with_bytes<T>(
    path: &Path,
    of: impl FnOnce(&[u8]) -> Result<T, Misfit>,
) -> Result<T, Misfit> {
    let about = std::fs::metadata(path).map_err(|e| Misfit::new("an image file", e.to_string()))?;
    if !about.is_file() {
        return Err(Misfit::new("an image file", "something else than a file"));
    }
    let length = about.len();
    if length > MAX_BYTES as u64 {
        let expected = format!("at most {MAX_BYTES} bytes");
        return Err(Misfit::new(expected, length.to_string()));
    }
    let _share = FILES.take(length as usize);
    let read = std::fs::read(path);
    of(&read.map_err(|e| Misfit::new("a file that can be read", e.to_string()))?)
}

/// Lets a film of this size be decoded once there is memory for it: `needed` bytes a pixel. A file of `length` bytes that
/// could not hold so many pixels of `bits`, or holds much else, is refused before any is asked for.
pub(in crate::data) fn admit(
    [width, height]: [usize; 2],
    length: usize,
    bits: usize,
    needed: usize,
) -> Result<Share, Misfit> {
    check_size(width, height)?;
    let pixels = width * height;
    let whole = pixels * bits / 8;
    if whole > SMALL && whole / DENSEST > length {
        let expected = format!("the {whole} bytes of {width}x{height} pixels");
        return Err(Misfit::new(
            expected,
            format!("a file of {length}, too short for any of them"),
        ));
    }
    if length > ASIDE + pixels * bits.max(16).div_ceil(8) {
        let expected = format!("at most {ASIDE} bytes beside the pixels");
        return Err(Misfit::new(expected, format!("a file of {length} for {width}x{height}")));
    }
    Ok(PIXELS.take(pixels * needed))
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

/// Luma of a colour by ITU-R BT.601.
pub(in crate::data) fn luma([r, g, b]: [f32; 3]) -> f32 {
    // Grey must stay exactly grey, and the weights do not sum to 1 in f32.
    if r == g && g == b { r } else { 0.299 * r + 0.587 * g + 0.114 * b }
}
