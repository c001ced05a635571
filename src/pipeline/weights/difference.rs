//! How a file of weights and a network differ.

use crate::nearest;

/// How like two names are, from 0 to 1, where one may stand for the other: far ones would only mislead.
const NEAR: f64 = 0.8;

/// Difference of a file's tensors and a network's.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// Names and shapes of tensors that the file lacks.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Names and shapes of tensors that the network lacks.
    pub unexpected: Vec<(String, Vec<usize>)>,
    /// Names of tensors of two shapes, the network's and the file's.
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

/// Fit of a file to a network.
#[derive(Debug, PartialEq)]
pub struct NetworkFit {
    /// Difference from the whole network.
    pub whole: Difference,
    /// Whether the file has the network's backbone.
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
