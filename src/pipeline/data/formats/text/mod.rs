//! The text of a file, by the encoding that it says: a byte-order mark, an XML declaration, else UTF-8. What is none of these
//! is refused with its line: to guess would make one word of two.

pub(in crate::data) mod xml;
pub(in crate::data) mod yaml;

use std::{fs::File, io::Read, path::Path};

use encoding_rs::{Encoding, UTF_8};
use mtpret_engine::error::Place;

use crate::{Error, Result};

/// Number of bytes beyond which no list of films or classes is read.
const LONGEST_LIST: u64 = 64 << 20;
/// Number of bytes beyond which no text about one film is read.
pub(in crate::data) const LONGEST_OF_A_FILM: u64 = 16 << 20;
/// Mend of a file in another encoding.
const SAVE: &str =
    "save it as UTF-8 (in a spreadsheet \"CSV UTF-8\", in an editor \"Save with encoding\")";

/// The text of a file without its byte-order mark.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Data`] with the line of bytes that are no text.
pub(in crate::data) fn read(path: &Path, mend: &str) -> Result<String> {
    read_at_most(path, LONGEST_LIST, mend)
}

/// Reads as [`read`] a file of at most `most` bytes.
pub(in crate::data) fn read_at_most(path: &Path, most: u64, mend: &str) -> Result<String> {
    decode(path, bytes(path, most, mend)?, None)
}

fn bytes(path: &Path, most: u64, mend: &str) -> Result<Vec<u8>> {
    let fault = |e| Error::io(path, e, mend);
    let about = std::fs::metadata(path).map_err(fault)?;
    if !about.is_file() {
        // A pipe would be waited for.
        let found = "a folder, a pipe or a device";
        return Err(Error::data(path, "a file", found, "name the file itself"));
    }
    if about.len() > most {
        return Err(too_long(path, most));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize + 1);
    File::open(path).map_err(fault)?.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > most {
        return Err(too_long(path, most));
    }
    Ok(bytes)
}

fn too_long(path: &Path, most: u64) -> Error {
    let expected = format!("a text of at most {most} bytes");
    Error::data(path, expected, "more", "see that it is the right file")
}

fn decode(path: &Path, mut bytes: Vec<u8>, said: Option<&'static Encoding>) -> Result<String> {
    if bytes.starts_with(&[0xff, 0xfe, 0, 0]) || bytes.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(Error::data(path, "a text in UTF-8", "one in UTF-32", SAVE));
    }
    let marked = Encoding::for_bom(&bytes);
    if let Some((_, mark)) = marked {
        bytes.drain(..mark);
    }
    match marked.map(|(encoding, _)| encoding).or(said) {
        Some(other) if other != UTF_8 => {
            let text = other.decode_without_bom_handling_and_without_replacement(&bytes);
            let no_text = || {
                let found = "bytes that are none";
                Error::data(path, format!("a text in {}", other.name()), found, SAVE)
            };
            let text = text.ok_or_else(no_text)?.into_owned();
            if text.contains('\0') { Err(zeros(Place::from(path))) } else { Ok(text) }
        }
        _ => {
            let letters = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            let place = |at: usize| {
                let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
                Place::from(path).line(line)
            };
            match std::str::from_utf8(&bytes[..letters]) {
                Ok(_) if letters < bytes.len() => Err(zeros(place(letters))),
                Ok(_) => Ok(String::from_utf8(bytes).expect("read above")),
                Err(error) => {
                    let at = error.valid_up_to();
                    let found = format!("the byte {:#04x}, as other encodings have it", bytes[at]);
                    Err(Error::data(place(at), "a text in UTF-8", found, SAVE))
                }
            }
        }
    }
}

/// The fault of a text that holds zeros, as texts of two bytes a letter do that say nowhere what they are.
fn zeros(place: Place) -> Error {
    let found = "a byte of zero, as UTF-16 without a byte-order mark has it";
    Error::data(place, "a text in UTF-8", found, SAVE)
}
