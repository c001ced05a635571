//! Files become batches: films are found and labelled ([`Source`]), divided by patient,
//! decoded to grey ([`decode`]), resized and served in a fixed order ([`Loader`]).

mod decode;
mod folder;
mod loader;
mod nih;
mod order;
mod patient;
mod resize;
mod sample;
mod source;
mod split;
mod table;
mod walk;

use crate::{Error, Result};
use std::path::PathBuf;

pub use decode::{Film, MAX_PIXELS, MAX_SIDE, decode, decode_bytes};
pub use loader::{BadFilm, Batch, Loader, LoaderOptions};
pub use nih::NIH_LABELS;
pub use sample::unpack;
pub use source::{Format, Source, Split};
pub use table::{Table, finding};
pub use walk::films_below;

/// What a label vector means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One class of several; a target is `[class index]`.
    Classes,
    /// Any of several findings; a target holds 0, 1 or NaN (not known) for each name.
    Multi,
    /// Unlabelled; a target is empty.
    None,
}

/// The labels of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// What a target holds.
    pub kind: Kind,
    /// The names of the classes or findings; a name's index is its place in a target
    /// ([`Kind::Multi`]) or the target's value ([`Kind::Classes`]).
    pub names: Vec<String>,
}

impl Labels {
    /// Numbers in one target: 1 for classes, one per name for findings, 0 without labels.
    pub fn target_len(&self) -> usize {
        match self.kind {
            Kind::Classes => 1,
            Kind::Multi => self.names.len(),
            Kind::None => 0,
        }
    }
}

/// One film of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The image file.
    pub path: PathBuf,
    /// The patient, from a table or the file name; films of one patient stay in one part.
    pub patient: String,
    /// What [`Labels`] says.
    pub target: Vec<f32>,
}

/// A data set, divided so that no patient is in two parts.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The name from [`Source::name`].
    pub name: String,
    /// The meaning of every target.
    pub labels: Labels,
    /// Films to learn from.
    pub train: Vec<Sample>,
    /// Films to choose by.
    pub val: Vec<Sample>,
    /// Films to report on.
    pub test: Vec<Sample>,
    /// Films that an NIH table lists and the disk lacks.
    pub missing: usize,
    /// Rows of a table of classes that were left out because their label is blank.
    pub unlabelled: usize,
}

impl Dataset {
    /// Refuses a part (`val`, `test`) without films.
    ///
    /// # Errors
    /// [`Error::Data`] with the number of films in each part.
    pub fn needs(&self, part: &str, films: &[Sample]) -> Result<()> {
        if !films.is_empty() {
            return Ok(());
        }
        let [train, val, test] = [&self.train, &self.val, &self.test].map(Vec::len);
        let problem = format!(
            "expected films in the part {part}, found none ({train} train, {val} val, {test} test)"
        );
        let remedy = format!("raise {part}_share of the source, or put films in that part");
        Err(Error::data(format!("data set {}", self.name), problem, remedy))
    }
}
