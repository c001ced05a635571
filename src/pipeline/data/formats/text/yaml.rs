//! YAML files of bounded size, depth and aliases.

use std::{collections::HashMap, path::Path};

use mtpret_engine::error::Place;
use yaml_rust2::{Event, Yaml, YamlLoader, parser::Parser, scanner::ScanError};

use super::read_at_most;
use crate::{Error, Result};

/// Largest number of bytes, and depth, of a description of a data set.
const MOST_BYTES: u64 = 1 << 20;
const MOST_DEPTH: usize = 64;
/// Largest number of bytes of memory that it may take. Every alias counts what it stands for: a text of a thousand
/// letters can mean a billion values.
const MOST_MEMORY: u64 = 8 << 20;
/// Number of bytes that a value takes beside its letters.
const VALUE: u64 = 64;

/// The first document of a YAML file; `Yaml::BadValue` of an empty one.
///
/// # Errors
/// [`Error::Data`] with the line of what is no YAML, or more than a description of a data set can be.
pub(in crate::data) fn document(path: &Path) -> Result<Yaml> {
    let text = read_at_most(path, MOST_BYTES, "see that it may be read")?;
    let no_yaml = |e: ScanError| {
        let place = Place::from(path).line(e.marker().line() as u64);
        Error::data(place, "YAML", e.to_string(), "correct the line")
    };
    bounded(path, &text)?.map_err(no_yaml)?;
    let documents = YamlLoader::load_from_str(&text).map_err(no_yaml)?;
    Ok(documents.into_iter().next().unwrap_or(Yaml::BadValue))
}

/// Whether a text stays within bounds, event by event, before anything is built from it.
fn bounded(path: &Path, text: &str) -> Result<Result<(), ScanError>> {
    let mut parser = Parser::new_from_str(text);
    // Bytes of the collections that are open, each with its anchor; and those behind every anchor.
    let mut open: Vec<(usize, u64)> = vec![(0, 0)];
    let mut behind: HashMap<usize, u64> = HashMap::new();
    loop {
        let (event, marker) = match parser.next_token() {
            Ok(token) => token,
            Err(error) => return Ok(Err(error)),
        };
        let bytes = match event {
            Event::StreamEnd => return Ok(Ok(())),
            Event::Scalar(text, _, anchor, _) => {
                let bytes = VALUE + text.len() as u64;
                behind.insert(anchor, bytes);
                bytes
            }
            Event::Alias(anchor) => behind.get(&anchor).copied().unwrap_or(VALUE),
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push((anchor, VALUE));
                0
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (anchor, bytes) = open.pop().unwrap_or_default();
                behind.insert(anchor, bytes);
                bytes
            }
            _ => 0,
        };
        if let Some((_, sum)) = open.last_mut() {
            *sum = sum.saturating_add(bytes);
        }
        let total = open.iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        let fault = |expected: String, found: String| {
            let place = Place::from(path).line(marker.line() as u64);
            Err(Error::data(place, expected, found, "write it without aliases and nesting"))
        };
        if total > MOST_MEMORY {
            let found = "more, with its aliases written out".into();
            return fault(format!("a description of at most {} MiB", MOST_MEMORY >> 20), found);
        }
        if open.len() > MOST_DEPTH {
            return fault(format!("at most {MOST_DEPTH} lists in one another"), "more".into());
        }
    }
}
