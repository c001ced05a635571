//! DICOM files: the transfer syntax and the elements of one, with or without preamble and header.

use std::{borrow::Cow, io::Read};

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use flate2::read::DeflateDecoder;

use super::{
    elements::{ElementMap, Encoded},
    is_marked,
};
use crate::data::film::image::Misfit;

/// Transfer syntax: little endian with value representations, nothing compressed.
pub(super) const PLAIN: &str = "1.2.840.10008.1.2.1";
/// Transfer syntax: little endian without value representations.
const IMPLICIT: &str = "1.2.840.10008.1.2";
/// Transfer syntax: high bytes first.
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// Transfer syntax: [`PLAIN`] behind zlib's deflate.
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
/// Number of bytes that a deflated file may grow to: those of the largest film with 16 bits a pixel, and
/// its words.
const INFLATED: usize = 2 * crate::data::MAX_PIXELS + (16 << 20);
/// Place where the elements begin: after a preamble and the mark.
const START: usize = 132;
/// Number of bytes among which a patient's number is sought.
const SOUGHT: u64 = 1 << 16;

/// Header of a file, and its data set, inflated.
pub(super) struct DicomFile<'a> {
    pub transfer_syntax: String,
    data: Cow<'a, [u8]>,
    marked: bool,
}

impl<'a> DicomFile<'a> {
    /// Opens a file's bytes.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Misfit> {
        let marked = is_marked(bytes);
        let (header, end) = ElementMap::header(bytes, if marked { START } else { 0 })?;
        // Without a word about it, the first element tells what matters.
        let transfer_syntax = header.text(tags::TRANSFER_SYNTAX_UID).unwrap_or(PLAIN.into());
        if TransferSyntaxRegistry.get(&transfer_syntax).is_none() {
            let found = format!("{transfer_syntax:?}");
            return Err(Misfit::new("a transfer syntax of DICOM", found));
        }
        let data = match transfer_syntax.as_str() {
            DEFLATED => Cow::from(inflated(&bytes[end..])?),
            _ => Cow::from(&bytes[end..]),
        };
        Ok(Self { transfer_syntax, data, marked })
    }

    /// Number of bytes of the data set.
    pub fn length(&self) -> usize {
        self.data.len()
    }

    /// Whether high bytes come first.
    pub fn big_endian(&self) -> bool {
        self.transfer_syntax == BIG_ENDIAN
    }

    /// Reads the elements of the data set that tell of the film, and its pixels.
    pub fn elements(&self) -> Result<ElementMap<'_>, Misfit> {
        let encoded = self.encoded();
        let elements = ElementMap::read(&self.data, encoded, tags::PIXEL_DATA);
        if self.marked {
            return elements;
        }
        // Any bytes can be taken for elements.
        let known = elements.ok().filter(|all| {
            [tags::SOP_CLASS_UID, tags::ROWS].iter().any(|tag| all.get(*tag).is_some())
        });
        known.ok_or_else(|| {
            let why = "neither a class of object nor rows";
            Misfit::not_whole("DICOM file, even without a header", why)
        })
    }

    fn encoded(&self) -> Encoded {
        Encoded { implicit: self.transfer_syntax == IMPLICIT, big_endian: self.big_endian() }
    }
}

/// The text of an element at the top of a file of which `start` are the first bytes; none where it is not among them.
pub(super) fn text(start: &[u8], tag: Tag) -> Option<String> {
    among(start, tag, |elements| String::from_utf8(elements.bytes(tag)?.to_vec()).ok())
}

/// Width and height in a file of which `start` are the first bytes.
pub(super) fn size(start: &[u8]) -> Option<[usize; 2]> {
    among(start, tags::COLUMNS, |elements| {
        let side = |tag| Some(usize::from(*elements.words(tag)?.first()?));
        Some([side(tags::COLUMNS)?, side(tags::ROWS)?])
    })
}

/// Gives what `of` makes of the elements up to `last` in a file of which `start` are the first
/// bytes.
fn among<T>(start: &[u8], last: Tag, of: impl FnOnce(&ElementMap) -> Option<T>) -> Option<T> {
    let (header, end) = ElementMap::header(start, if is_marked(start) { START } else { 0 }).ok()?;
    let syntax = header.text(tags::TRANSFER_SYNTAX_UID).unwrap_or(PLAIN.into());
    let mut data = Cow::from(&start[end..]);
    if syntax == DEFLATED {
        let mut inflated = Vec::new();
        // It ends where the bytes at hand do, which is no fault here.
        let _ = DeflateDecoder::new(&start[end..]).take(SOUGHT).read_to_end(&mut inflated);
        data = inflated.into();
    }
    let encoded = Encoded { implicit: syntax == IMPLICIT, big_endian: syntax == BIG_ENDIAN };
    of(&ElementMap::read(&data, encoded, last).ok()?)
}

fn inflated(deflated: &[u8]) -> Result<Vec<u8>, Misfit> {
    let fault = |e| Misfit::not_whole("deflated DICOM file", e);
    let stream = || DeflateDecoder::new(deflated).take(INFLATED as u64 + 1);
    // Counted first: memory that grows takes thrice as much while it does.
    let length = std::io::copy(&mut stream(), &mut std::io::sink()).map_err(fault)? as usize;
    if length > INFLATED {
        return Err(Misfit::new(format!("at most {INFLATED} bytes when inflated"), "more"));
    }
    let mut data = Vec::with_capacity(length);
    stream().read_to_end(&mut data).map_err(fault)?;
    Ok(data)
}
