//! How a file of weights and a network differ.

use crate::nearest;

/// How like two names are, from 0 to 1, where one may stand for the other: far ones would only mislead.
const NEAR: f64 = 0.8;

/// What a file and a network do not share.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// Names and shapes that the file lacks.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Names and shapes that the network lacks.
    pub unexpected: Vec<(String, Vec<usize>)>,
    /// Names, the network's shapes and the file's.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Difference {
    /// The unexpected name that may stand for one that the file lacks.
    pub fn near_missing(&self, name: &str) -> Option<&str> {
        near(name, &self.unexpected)
    }
    /// The missing name that one of the file's may stand for.
    pub fn near_unexpected(&self, name: &str) -> Option<&str> {
        near(name, &self.missing)
    }
}

/// The nearest of names that are not in their own places.
fn near<'a>(name: &str, known: &'a [(String, Vec<usize>)]) -> Option<&'a str> {
    let near = nearest(name, known.iter().map(|(name, _)| name.as_str()));
    near.filter(|near| strsim::jaro_winkler(name, near) > NEAR)
}

/// How a file fits a network.
#[derive(Debug, PartialEq)]
pub struct NetworkFit {
    /// What it does not share with the whole network.
    pub whole: Difference,
    /// Whether it has the network's backbone.
    pub backbone: bool,
    /// Outputs of the network's last layer in the file.
    pub outputs: Option<usize>,
}

impl NetworkFit {
    /// Whether the file has the whole network and nothing else.
    pub fn is_whole(&self) -> bool {
        self.whole == Difference::default()
    }
}
