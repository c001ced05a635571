//! Listings of data sets as readers find them: films, their parts, and what is wrong with them.

use serde::Serialize;

use crate::{
    Error, Place,
    data::{Labels, Sample},
};

/// One of the three parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Films to learn from.
    Train,
    /// Films to choose by.
    Val,
    /// Films to report on.
    Test,
}

impl Part {
    /// The part that a folder or a cell names, in the ways that are in use.
    pub(in crate::data) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Val),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }

    /// The part that a folder is called as: by its whole name, or with a number or a word for films (`train2020`, `Test Set`,
    /// `val_images`).
    pub(in crate::data) fn of_folder(name: &str) -> Option<Self> {
        const FILLERS: [&str; 9] =
            ["set", "data", "dataset", "images", "image", "imgs", "img", "films", "split"];
        let name = name.to_lowercase();
        let mut words = name.split(|c: char| !c.is_alphabetic());
        let rest = words.by_ref().filter(|word| !word.is_empty() && !FILLERS.contains(word));
        match rest.collect::<Vec<_>>()[..] {
            [only] => Self::named(only),
            _ => None,
        }
    }

    /// The part that a word of a file's name tells (`TBX11K_train`, `instances_val2017`).
    pub(in crate::data) fn in_name(stem: &str) -> Option<Self> {
        let mut words = stem.split(|c: char| !c.is_alphabetic());
        words.find_map(Self::named)
    }
}

/// A film as a reader found it.
pub(in crate::data) struct Row {
    pub sample: Sample,
    /// The part that the data set gives; `None` where it gives none.
    pub part: Option<Part>,
    /// Place of the film, file, or table and line, for errors.
    pub place: Place,
}

/// Rows, labels and flaws that a reader found.
pub(in crate::data) struct Listing {
    pub labels: Labels,
    pub rows: Vec<Row>,
    pub missing: usize,
    pub unlabelled: usize,
    /// Flaws of single films, rows or marks, which are left out.
    pub flaws: Vec<Flaw>,
}

/// Level of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Finding over which training would stop, or by which its figures would be false.
    Error,
    /// Finding that may be meant, and by which figures may suffer.
    Warning,
    /// Finding that is worth knowing.
    Note,
}

/// Flaw of one film, row or mark, or what must be known of the set.
#[derive(Debug)]
pub struct Flaw {
    /// Kind of the flaw, in two or three words that do not change: `missing mask`,
    /// `patient in two parts`.
    pub what: &'static str,
    /// Level of the flaw: whether reading stops over it.
    pub level: Level,
    /// Error that says where it is, and how to mend it.
    pub error: Error,
}

impl Flaw {
    pub(in crate::data) fn new(what: &'static str, error: Error) -> Self {
        Self { what, level: Level::Error, error }
    }

    pub(in crate::data) fn warning(what: &'static str, error: Error) -> Self {
        Self { what, level: Level::Warning, error }
    }

    pub(in crate::data) fn note(what: &'static str, error: Error) -> Self {
        Self { what, level: Level::Note, error }
    }

    /// Whether reading stops over the flaw.
    pub(in crate::data) fn stops(&self) -> bool {
        self.level == Level::Error
    }
}

/// The first of the flaws over which reading stops.
pub(in crate::data) fn first_error(flaws: Vec<Flaw>) -> Option<Error> {
    flaws.into_iter().find(Flaw::stops).map(|flaw| flaw.error)
}

/// A line for each kind of flaw: the first of it, and how many more there are.
pub(in crate::data) fn by_kind<'f>(flaws: impl Iterator<Item = &'f Flaw>) -> Vec<String> {
    let mut kinds: Vec<(&str, &Flaw, usize)> = Vec::new();
    for flaw in flaws {
        match kinds.iter_mut().find(|(what, ..)| *what == flaw.what) {
            Some((.., more)) => *more += 1,
            None => kinds.push((flaw.what, flaw, 0)),
        }
    }
    let line = |(what, first, more): (&str, &Flaw, usize)| {
        let more = if more > 0 { format!(" (and {more} more such)") } else { String::new() };
        format!("{what}: {}{more}", first.error)
    };
    kinds.into_iter().map(line).collect()
}
