//! Size of a film, by its header.

use std::{
    fs::File,
    io::{Cursor, Read},
    path::Path,
};

use zune_core::bytestream::ZCursor;
use zune_jpeg::JpegDecoder;

use super::{decode::decode, dicom, orientation::Orientation};
use crate::Result;

/// Number of bytes in which headers end, but for few films, which are decoded whole.
const HEADER: u64 = 1 << 18;

/// Width and height of a film as [`decode`] gives it.
///
/// # Errors
/// As [`decode`].
pub(in crate::data) fn size(path: &Path) -> Result<[usize; 2]> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEADER).read_to_end(&mut start));
    let told = read.ok().and_then(|_| told(&start));
    told.map_or_else(|| decode(path).map(|film| [film.width, film.height]), Ok)
}

/// The size that the first bytes of a film tell.
fn told(start: &[u8]) -> Option<[usize; 2]> {
    if dicom::is_marked(start) {
        return dicom::size(start);
    }
    let stored = if start.starts_with(&[0xff, 0xd8]) {
        let mut decoder = JpegDecoder::new(ZCursor::new(start));
        decoder.decode_headers().ok()?;
        let (width, height) = decoder.dimensions()?;
        [width, height]
    } else {
        let reader = image::ImageReader::new(Cursor::new(start)).with_guessed_format().ok()?;
        let (width, height) = reader.into_dimensions().ok()?;
        [width as usize, height as usize]
    };
    Some(Orientation::of(start).upright_size(stored))
}
