//! The elements of a DICOM file, read only once they are known to be as long as they say.

use std::{
    borrow::Cow,
    io::{Cursor, Read},
};

use dicom_dictionary_std::tags;
use dicom_encoding::{TransferSyntaxIndex, transfer_syntax::TransferSyntax};
use dicom_object::{
    DefaultDicomObject, FileMetaTable, FileMetaTableBuilder, Tag, mem::InMemDicomObject,
};
use dicom_parser::{
    StatefulDecode,
    dataset::{LazyDataToken, lazy_read::LazyDataSetReader},
};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use flate2::read::DeflateDecoder;

use super::{chain, is_marked};
use crate::data::film::image::Misfit;

/// Little endian with value representations, nothing compressed.
pub(in crate::data) const PLAIN: &str = "1.2.840.10008.1.2.1";
/// The same without value representations.
const IMPLICIT: &str = "1.2.840.10008.1.2";
/// [`PLAIN`] behind zlib's deflate.
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
/// Bytes that a deflated file may grow to: those of the largest film with 16 bits a pixel, and its words.
const INFLATED: usize = 2 * crate::data::MAX_PIXELS + (16 << 20);
/// Sequences in one another; real films have three or four.
const DEPTH: usize = 64;
/// Where the elements begin: after a preamble and the mark.
const START: usize = 132;

/// The elements of a file, with or without preamble and header.
pub(in crate::data) fn object(bytes: &[u8]) -> Result<DefaultDicomObject, Misfit> {
    if !is_marked(bytes) {
        let guesses = [PLAIN, IMPLICIT].iter().map(|syntax| headerless(bytes, syntax));
        let mut why = Vec::new();
        for guess in guesses {
            match guess {
                Ok(object) => return Ok(object),
                Err(fault) => why.push(fault),
            }
        }
        let why: Vec<String> = why.iter().map(ToString::to_string).collect();
        return Err(Misfit::not_whole("DICOM file, even without a header", why.join("; ")));
    }
    let end = header_end(bytes)?;
    let meta = FileMetaTable::from_reader(Cursor::new(&bytes[START - 4..end]))
        .map_err(|e| Misfit::not_whole("DICOM file", chain(&e)))?;
    let syntax = meta.transfer_syntax().to_string();
    let data = match syntax.as_str() {
        DEFLATED => Cow::from(inflated(&bytes[end..])?),
        _ => Cow::from(&bytes[end..]),
    };
    // What was inflated is as if it had never been deflated.
    let read_as = if syntax == DEFLATED { PLAIN } else { &syntax };
    Ok(elements(&data, read_as)?.with_exact_meta(meta))
}

/// The text of an element at the top of a file of which `start` are the first bytes; none where it is not among them.
pub(in crate::data) fn text(start: &[u8], tag: Tag) -> Option<String> {
    if !is_marked(start) {
        return [PLAIN, IMPLICIT].iter().find_map(|syntax| text_of(start, syntax, tag));
    }
    let end = header_end(start).ok()?;
    let meta = FileMetaTable::from_reader(Cursor::new(&start[START - 4..end])).ok()?;
    match meta.transfer_syntax() {
        DEFLATED => {
            let mut data = Vec::new();
            // It ends where the bytes at hand do, which is no fault here.
            let _ = DeflateDecoder::new(&start[end..]).take(1 << 16).read_to_end(&mut data);
            text_of(&data, PLAIN, tag)
        }
        syntax => text_of(&start[end..], syntax, tag),
    }
}

fn text_of(data: &[u8], syntax: &str, tag: Tag) -> Option<String> {
    let syntax = TransferSyntaxRegistry.get(syntax)?;
    let mut reader = LazyDataSetReader::new_with_ts(Cursor::new(data), syntax).ok()?;
    let mut depth = 0usize;
    loop {
        match reader.advance()?.ok()? {
            LazyDataToken::LazyValue { header, decoder } => {
                let left = (data.len() as u64).saturating_sub(decoder.position());
                if u64::from(header.len.0) > left || depth == 0 && header.tag > tag {
                    return None;
                }
                if depth == 0 && header.tag == tag {
                    let mut text = Vec::new();
                    decoder.read_to_vec(header.len.0, &mut text).ok()?;
                    return String::from_utf8(text).ok();
                }
                decoder.skip_bytes(header.len.0).ok()?;
            }
            LazyDataToken::SequenceStart { .. } => depth += 1,
            LazyDataToken::SequenceEnd => depth = depth.checked_sub(1)?,
            LazyDataToken::PixelSequenceStart => return None,
            _ => {}
        }
    }
}

/// The elements of a file that has neither preamble nor header.
fn headerless(bytes: &[u8], syntax: &str) -> Result<DefaultDicomObject, Misfit> {
    let object = elements(bytes, syntax)?;
    // A wrong guess reads nonsense, in which no class of object is found.
    object
        .element(tags::SOP_CLASS_UID)
        .or_else(|_| object.element(tags::ROWS))
        .map_err(|_| Misfit::new("a class of object or rows", "neither"))?;
    let meta = FileMetaTableBuilder::new().transfer_syntax(syntax);
    let meta = meta.media_storage_sop_class_uid("").media_storage_sop_instance_uid("");
    object.with_meta(meta).map_err(|e| Misfit::not_whole("DICOM file", chain(&e)))
}

fn elements(data: &[u8], syntax: &str) -> Result<InMemDicomObject, Misfit> {
    let known = TransferSyntaxRegistry
        .get(syntax)
        .ok_or_else(|| Misfit::new("a transfer syntax of DICOM", format!("{syntax:?}")))?;
    check_lengths(data, known)?;
    InMemDicomObject::read_dataset_with_ts(Cursor::new(data), known)
        .map_err(|e| Misfit::not_whole("DICOM file", chain(&e)))
}

/// Where the elements of group 2 end, each of which must be as long as it says.
fn header_end(bytes: &[u8]) -> Result<usize, Misfit> {
    let short = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let mut at = START;
    while short(at) == Some(2) {
        let wide = matches!(bytes.get(at + 4..at + 6), Some(b"OB" | b"OW" | b"UN" | b"UT" | b"SQ"));
        let next = match wide {
            true => long(at + 8).map(|length| at + 12 + length as usize),
            false => short(at + 6).map(|length| at + 8 + usize::from(length)),
        };
        let lies = "its header is cut short, or lies about its length";
        at = next
            .filter(|next| *next <= bytes.len())
            .ok_or_else(|| Misfit::not_whole("DICOM file", lies))?;
    }
    Ok(at)
}

fn inflated(deflated: &[u8]) -> Result<Vec<u8>, Misfit> {
    let mut data = Vec::new();
    DeflateDecoder::new(deflated)
        .take(INFLATED as u64 + 1)
        .read_to_end(&mut data)
        .map_err(|e| Misfit::not_whole("deflated DICOM file", e))?;
    if data.len() > INFLATED {
        return Err(Misfit::new(format!("at most {INFLATED} bytes when inflated"), "more"));
    }
    Ok(data)
}

/// Refuses elements that claim more bytes than there are, and sequences in one another without end: whoever reads them
/// asks for that much memory first.
fn check_lengths(data: &[u8], syntax: &TransferSyntax) -> Result<(), Misfit> {
    let fault = |e: &dyn std::error::Error| Misfit::not_whole("DICOM file", chain(e));
    let mut reader =
        LazyDataSetReader::new_with_ts(Cursor::new(data), syntax).map_err(|e| fault(&e))?;
    let mut depth = 0usize;
    while let Some(token) = reader.advance() {
        let token = token.map_err(|e| fault(&e))?;
        let (claimed, from) = match &token {
            LazyDataToken::LazyValue { header, decoder } => (header.len.0, decoder.position()),
            LazyDataToken::LazyItemValue { len, decoder } => (*len, decoder.position()),
            LazyDataToken::SequenceStart { .. } => {
                depth += 1;
                (0, 0)
            }
            LazyDataToken::SequenceEnd => {
                depth = depth.saturating_sub(1);
                (0, 0)
            }
            _ => (0, 0),
        };
        let left = (data.len() as u64).saturating_sub(from);
        if u64::from(claimed) > left {
            let expected = format!("a whole DICOM file, with an element of {claimed} bytes");
            return Err(Misfit::new(expected, format!("{left} to its end")));
        }
        if depth > DEPTH {
            return Err(Misfit::new(format!("at most {DEPTH} sequences in one another"), "more"));
        }
        token.skip().map_err(|e| fault(&e))?;
    }
    Ok(())
}
