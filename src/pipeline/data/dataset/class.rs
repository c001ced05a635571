//! Classes of a data set under names of one's own.

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

/// The class that a cell means, by the cell itself, else by one of its parts between `/`, `,` and `|`
/// (`Pneumonia/Viral/COVID-19`); of several the first in `classes`.
pub(in crate::data) fn class_of_cell(classes: &[Class], cell: &str) -> Option<usize> {
    let of = |fits: &dyn Fn(&str) -> bool| classes.iter().position(|class| class.any(fits));
    let parts = || cell.split(['/', ',', '|']).map(str::trim);
    of(&|word| word == cell).or_else(|| of(&|word| parts().any(|part| part == word)))
}

/// The names of `classes`.
pub(in crate::data) fn names(classes: &[Class]) -> Vec<String> {
    classes.iter().map(|class| class.name.clone()).collect()
}
