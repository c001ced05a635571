//! Data sets and their loading: films are found and labelled ([`Source`]), divided by patient,
//! decoded to grey ([`decode`]), resized and served in a fixed order ([`Loader`]).

mod annotation;
mod audit;
mod catalogue;
pub mod dataset;
pub mod film;
pub mod formats;
mod loader;
mod read;
mod recognise;
mod sample;
pub mod spreadsheet;
mod walk;

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

pub use annotation::{Annotation, BoxLabel, MaskValues};
pub use audit::{Audit, Census, Finding, Spread, Subject, audit};
pub use catalogue::{KNOWN, Known, Note, Use};
pub use dataset::class::Class;
pub use dataset::listing::{Flaw, Level, Part};
pub use dataset::roots::{Purpose, Roots};
pub use dataset::source::{AnnotationShape, Format, RunLengths, Source, Split};
pub use dataset::split_file::{
    Digest, changed, content_hash, needs_division, table as division_table, together,
};
pub use dataset::uncertain::{Policy, Uncertain};
pub use film::dicom::Stored;
pub use film::fit::{Fit, FittedFilm};
pub use film::orientation::Orientation;
pub use film::pixels::Pixels;
pub use film::{
    decode::{decode, decode_bytes, decode_encoded},
    image::{Encoding, Film, MAX_PIXELS, MAX_SIDE},
};
pub use formats::nih::NIH_LABELS;
pub use formats::{csv_table::Table, table::finding};
pub use loader::{BadFilm, Batch, Loader, LoaderOptions, PackSummary, PackedPart, pack};
pub use recognise::{RecognisedSet, UnreadLabels, recognise, recognise_all};
pub use sample::unpack;
pub use walk::{films_below, stamp, written};

/// Kind of a label vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One class of several; a target is `[class index]`.
    Classes,
    /// Several findings, any of which a film may have; a target holds 0, 1 or NaN (not known) for
    /// each name.
    Multi,
    /// A mask of one kind of foreground.
    Mask,
    /// Boxes, each of one class of several.
    Boxes,
    /// No labels; a target is empty.
    None,
}

/// The labels of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Kind of a target.
    pub kind: Kind,
    /// The names of the classes or findings; a name's index is its place in a target
    /// ([`Kind::Multi`]), the target's value ([`Kind::Classes`]) or a box's class
    /// ([`Kind::Boxes`]). Of a mask, the name of its foreground.
    pub names: Vec<String>,
}

impl Labels {
    /// Length of one target of labels: 1 for classes, one per name for findings, 0
    /// otherwise (the rows of masks and boxes depend on input and films: [`Loader::row_len`]).
    pub fn target_len(&self) -> usize {
        match self.kind {
            Kind::Classes => 1,
            Kind::Multi => self.names.len(),
            Kind::Mask | Kind::Boxes | Kind::None => 0,
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
    /// Annotation of the film, as [`Labels`] says.
    pub target: Annotation,
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
    /// Number of films that a table or an annotation lists and the disk lacks (NIH,
    /// [`Source::partial`]).
    pub missing: usize,
    /// Number of rows of a table of classes that were left out because their label is blank or no
    /// class, and of films that were left out because they have no mask.
    pub unlabelled: usize,
    /// Warnings of what may be wrong with it though reading does not stop over it, a line for each kind:
    /// `what: where (and 3 more such)`.
    pub warnings: Vec<String>,
}

impl Dataset {
    /// A data set without films.
    pub fn new(name: impl Into<String>, labels: Labels) -> Self {
        Self {
            name: name.into(),
            labels,
            train: Vec::new(),
            val: Vec::new(),
            test: Vec::new(),
            missing: 0,
            unlabelled: 0,
            warnings: Vec::new(),
        }
    }

    /// The patients that are in two parts, in alphabetical order.
    pub fn shared_patients(&self) -> Vec<&str> {
        let [train, val, test] = [&self.train, &self.val, &self.test]
            .map(|films| films.iter().map(|film| film.patient.as_str()).collect::<BTreeSet<_>>());
        let shared = [(&train, &val), (&train, &test), (&val, &test)];
        let shared = shared.into_iter().flat_map(|(one, other)| one.intersection(other).copied());
        shared.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Refuses annotations that are not of `kind`, which are called so.
    ///
    /// # Errors
    /// [`Error::Data`] with their kind.
    pub fn annotated(&self, kind: Kind, called: &str) -> Result<()> {
        if self.labels.kind == kind {
            return Ok(());
        }
        let found = format!("{:?}", self.labels.kind);
        Err(Error::data(&*self.name, called, found, format!("name a source with {called}")))
    }

    /// Refuses a part (`val`, `test`) without films.
    ///
    /// # Errors
    /// [`Error::Data`] with the number of films in each part.
    pub fn needs(&self, part: &str, films: &[Sample]) -> Result<()> {
        if !films.is_empty() {
            return Ok(());
        }
        let [train, val, test] = [&self.train, &self.val, &self.test].map(Vec::len);
        let expected = format!("films in the part {part}");
        let found = format!("none ({train} train, {val} val, {test} test)");
        let mend = format!("raise {part}_share of the source, or put films in that part");
        Err(Error::data(format!("data set {}", self.name), expected, found, mend))
    }
}
