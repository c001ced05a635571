//! Classes of a data set under names of one's own.

use super::patient_names::number;
use crate::data::walk::composed;
use serde::{Deserialize, Serialize};

/// A class, and the words that a data set has for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The name in tables and reports.
    pub name: String,
    /// Words of the data set that mean this class; none means the name itself.
    #[serde(default)]
    pub words: Vec<String>,
}

impl Class {
    /// A class of these words.
    pub fn new(name: &str, words: &[&str]) -> Self {
        Self { name: name.into(), words: words.iter().map(ToString::to_string).collect() }
    }

    /// Whether `fits` holds for a word of this class.
    pub(in crate::data) fn any(&self, fits: impl Fn(&str) -> bool) -> bool {
        if self.words.is_empty() { fits(&self.name) } else { self.words.iter().any(|w| fits(w)) }
    }
}

/// Meaning of a word as a label: in the one form of letters that look the same, and a number as the number that it is, so that
/// `0`, `0.0` and `00` are one class.
pub(in crate::data) fn meaning(word: &str) -> String {
    number(word).unwrap_or_else(|| composed(word))
}

/// Index of the class that a word means, by the word itself, else by its meaning; of several the first in `classes`.
pub(in crate::data) fn class_of_word(classes: &[Class], word: &str) -> Option<usize> {
    let of = |fits: &dyn Fn(&str) -> bool| classes.iter().position(|class| class.any(fits));
    of(&|own| own == word).or_else(|| {
        let meant = meaning(word);
        of(&|own| meaning(own) == meant)
    })
}

/// As [`class_of_word`] for a cell, which may also mean a class by one of its parts between `/`, `,` and `|`
/// (`Pneumonia/Viral/COVID-19`).
pub(in crate::data) fn class_of_cell(classes: &[Class], cell: &str) -> Option<usize> {
    class_of_word(classes, cell).or_else(|| {
        let parts: Vec<String> =
            cell.split(['/', ',', '|']).map(|part| meaning(part.trim())).collect();
        let named = |word: &str| parts.contains(&meaning(word));
        (parts.len() > 1).then(|| classes.iter().position(|class| class.any(named)))?
    })
}

/// The names of `classes`.
pub(in crate::data) fn names(classes: &[Class]) -> Vec<String> {
    classes.iter().map(|class| class.name.clone()).collect()
}
