//! XML files in the encoding that they declare, without entities of their own.

use std::path::Path;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use mtpret_engine::error::Place;
use roxmltree::{Document, ParsingOptions};

use super::{LONGEST_OF_A_FILM, SAVE, bytes, decode};
use crate::{Error, Result};

/// Number of bytes in which the declaration of a file must end.
const DECLARATION: usize = 200;

/// The text of an XML file, by its byte-order mark or the encoding that it declares.
///
/// # Errors
/// As [`super::read`].
pub(in crate::data) fn read(path: &Path, mend: &str) -> Result<String> {
    let bytes = bytes(path, LONGEST_OF_A_FILM, mend)?;
    let declared = declared(path, &bytes)?;
    decode(path, bytes, declared)
}

/// The document of an XML file. What its `DOCTYPE` names is not sought; entities of its own, of which few letters make many,
/// are refused.
///
/// # Errors
/// [`Error::Data`] with the line of what is no XML.
pub(in crate::data) fn parse<'a>(path: &Path, text: &'a str) -> Result<Document<'a>> {
    let fault = |line: u64, found: String, mend: &str| {
        Error::data(Place::from(path).line(line), "XML", found, mend)
    };
    if let Some(at) = text.find("<!ENTITY") {
        let line = text[..at].matches('\n').count() as u64 + 1;
        return Err(fault(line, "entities of its own".into(), "write out what they stand for"));
    }
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
        .map_err(|e| fault(e.pos().row.into(), e.to_string(), "download the file again"))
}

/// The encoding that the declaration of an XML file names, if it has one.
fn declared(path: &Path, bytes: &[u8]) -> Result<Option<&'static Encoding>> {
    match bytes {
        [b'<', 0, b'?', 0, ..] => return Ok(Some(UTF_16LE)),
        [0, b'<', 0, b'?', ..] => return Ok(Some(UTF_16BE)),
        _ => {}
    }
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION)]);
    let declaration = start.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let Some((_, after)) = declaration.and_then(|(inside, _)| inside.split_once("encoding")) else {
        return Ok(None);
    };
    let mut quoted = after.split(['"', '\'']);
    let label = quoted.nth(1).unwrap_or_default();
    match Encoding::for_label(label.as_bytes()) {
        // A text of 8-bit units that claims UTF-16 was saved anew by a program that left the word as it was.
        Some(wide) if [UTF_16LE, UTF_16BE].contains(&wide) => Ok(None),
        // ASCII is UTF-8; the web's rule, which takes it for Windows-1252, would guess.
        Some(_) if label.to_ascii_lowercase().ends_with("ascii") => Ok(None),
        Some(known) => Ok(Some(known)),
        None => {
            let expected = "an encoding that is known, as UTF-8 or ISO-8859-1";
            Err(Error::data(Place::from(path).line(1), expected, format!("{label:?}"), SAVE))
        }
    }
}
