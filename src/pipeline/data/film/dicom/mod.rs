//! DICOM films: the one frame of a radiograph, as it is stored and as it is meant to be seen (PS3.3 C.7.6.3,
//! C.11).

mod coded;
mod elements;
mod layout;
mod object;
mod run_length;
mod tables;
mod view;
mod words;

use std::{
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use dicom_dictionary_std::tags;

use super::{
    budget::Share,
    image::{Decoded, Encoding, Greys, Misfit, admit, fault_at, luma, with_bytes},
};
use crate::Result;

pub(in crate::data) use coded::Coded;
use layout::{Colour, PixelLayout};
use object::DicomFile;
use view::GreyView;
use words::Words;

/// Number of bytes a pixel that decoding takes: the stream, its decoder's numbers, the words, the film, and that once
/// more if it is turned.
const NEEDED: usize = 16;

/// The pixels of a DICOM file as they are stored, before anything is done for the eye.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Number of pixels a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of channels: 1 of grey, 3 of colour.
    pub channels: usize,
    /// `height * width * channels` numbers, those of a pixel together; bits that are not stored are cut off, signs extended.
    pub samples: Vec<i32>,
    /// Photometric interpretation: `MONOCHROME1` (white is 0), `MONOCHROME2`, `RGB` or `YBR_FULL`.
    pub interpretation: String,
    /// The UID of the transfer syntax.
    pub transfer_syntax: String,
    /// Number of bits of a number.
    pub bits: u16,
}

/// Whether `bytes` have DICOM's mark behind their preamble.
pub(in crate::data) fn is_marked(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

/// Whether a file that begins with `bytes` may be DICOM: by its mark, or, without a header, by a first element of
/// group 2 or 8.
pub(in crate::data) fn is_dicom(bytes: &[u8]) -> bool {
    is_marked(bytes) || matches!(bytes, [2 | 8, 0, _, 0, ..])
}

/// Whether a file has DICOM's mark behind its preamble.
pub(in crate::data) fn has_mark(path: &Path) -> bool {
    let mut start = [0; 132];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && is_marked(&start)
}

/// The patient that the file names; none where it is no DICOM or leaves it blank.
pub(in crate::data) fn patient(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    // Headers end long before this; what is missed only costs the file's own name as the patient.
    std::fs::File::open(path).ok()?.take(1 << 16).read_to_end(&mut start).ok()?;
    if !is_dicom(&start) {
        return None;
    }
    let id = object::text(&start, tags::PATIENT_ID)?;
    let id = id.trim_matches(['\0', ' ']);
    (!id.is_empty()).then(|| id.to_string())
}

/// Width and height in the header, from the first bytes of a file.
pub(in crate::data) fn size(start: &[u8]) -> Option<[usize; 2]> {
    object::size(start)
}

impl Stored {
    /// The transfer syntax in words, such as `JPEG 2000 Image Compression`.
    pub fn syntax_name(&self) -> &str {
        words::name(&self.transfer_syntax)
    }

    /// Reads the pixels of a DICOM file.
    ///
    /// # Errors
    /// [`crate::Error::Data`] if it is no DICOM, damaged, or encoded in a way that no library here decodes.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || with_bytes(path, |bytes| open(bytes, as_stored));
        // A decoder that panics on a damaged file must cost this film alone.
        let read = catch_unwind(AssertUnwindSafe(read));
        read.unwrap_or_else(|_| Err(Misfit::damaged())).map_err(|fault| fault_at(path, fault))
    }
}

/// A file whose pixels are decoded.
struct Opened<'a> {
    elements: elements::ElementMap<'a>,
    layout: PixelLayout,
    words: Words<'a>,
    syntax: &'a str,
    share: Share,
}

/// Decodes a file's pixels, once their size is known to be harmless, and gives what `of` makes of
/// them.
fn open<T>(bytes: &[u8], of: impl FnOnce(Opened) -> Result<T, Misfit>) -> Result<T, Misfit> {
    let file = DicomFile::open(bytes)?;
    let elements = file.elements()?;
    let layout = PixelLayout::of(&elements)?;
    let bits = layout.channels * layout.allocated as usize;
    let size = [layout.width, layout.height];
    let share = admit(size, file.length(), bits, NEEDED.max(8 * layout.channels))?;
    let syntax = file.transfer_syntax.as_str();
    let words = Words::of(&elements, &layout, syntax, file.big_endian())?;
    of(Opened { elements, layout, words, syntax, share })
}

/// Decodes a DICOM file to a grey film on 0-255, with 0 black, as [`GreyView`] says.
pub(in crate::data) fn film(bytes: &[u8]) -> Result<Decoded, Misfit> {
    open(bytes, |Opened { elements, layout, words, share, .. }| {
        let PixelLayout { width, height, .. } = layout;
        let mut encoding = Encoding::new("DICOM", words.stored as u16, layout.channels as u8);
        let pixels = 0..layout.pixels();
        let most = ((1u32 << words.stored) - 1) as f32;
        let channel = |pixel, channel| {
            let number = words.number(words.word(pixel, channel));
            number.max(0) as f32 / most * 255.0
        };
        let pixels = match words.colour {
            Colour::Rgb => pixels.map(|at| luma([0, 1, 2].map(|c| channel(at, c)))).collect(),
            Colour::Luma => pixels.map(|at| channel(at, 0)).collect(),
            Colour::Grey => {
                let view = GreyView::of(&elements, &words, &layout.interpretation)?;
                encoding.inverted = view.inverted;
                encoding.notes = view.notes.clone();
                let seen: Vec<f32> =
                    (0..=u16::MAX).map(|word| view.grey(word, words.number(word))).collect();
                pixels.map(|at| seen[usize::from(words.word(at, 0))]).collect()
            }
        };
        let (size, greys) = ([width, height], Greys::Made(pixels));
        Ok(Decoded { size, greys, encoding, share })
    })
}

fn as_stored(opened: Opened) -> Result<Stored, Misfit> {
    let Opened { layout, words, syntax, .. } = opened;
    let channels = layout.channels;
    let all = (0..layout.pixels()).flat_map(|pixel| (0..channels).map(move |c| (pixel, c)));
    Ok(Stored {
        width: layout.width,
        height: layout.height,
        channels,
        samples: all.map(|(pixel, c)| words.number(words.word(pixel, c))).collect(),
        interpretation: match words.colour {
            Colour::Rgb => "RGB".into(),
            _ => layout.interpretation,
        },
        transfer_syntax: syntax.into(),
        bits: words.stored as u16,
    })
}
