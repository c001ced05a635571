//! What figures of an experiment are means over: seeds, divisions, and shares of the labels.

use std::fmt;

/// What a cell is trained with, beside its initialisation and target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Seed of training.
    pub seed: u64,
    /// Number of the division, see [`Reproduce::divisions`](super::config::Reproduce::divisions).
    pub division: u64,
    /// Share of the labels that stages 2 and 3 learn from.
    pub labels: f64,
}

impl Unit {
    /// The same with all labels: as stage 1 has it, which knows none, and with as many steps.
    pub fn with_all_labels(self) -> Self {
        Self { labels: 1.0, ..self }
    }
}

/// Its name in paths, such as `seed-1`, `seed-1-division-2-labels-0.25`.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "seed-{}", self.seed)?;
        if self.division != 0 {
            write!(f, "-division-{}", self.division)?;
        }
        if self.labels < 1.0 {
            write!(f, "-labels-{}", self.labels)?;
        }
        Ok(())
    }
}
