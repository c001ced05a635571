//! What a run that is resumed goes on from.

use crate::{
    Error, Result,
    weights::checkpoint::{Metadata, Tensors},
};
use std::path::PathBuf;

/// A checkpoint that a stage goes on from.
pub struct Checkpoint {
    /// Where it was read.
    pub file: PathBuf,
    /// All that training moves.
    pub tensors: Tensors,
    /// Texts and numbers beside it.
    pub metadata: Metadata,
}

impl Checkpoint {
    /// The step that it was written after.
    ///
    /// # Errors
    /// Its metadata names none.
    pub fn step(&self) -> Result<u64> {
        self.number("step").ok_or_else(|| {
            let mend = "use a checkpoint that this program wrote";
            Error::weights(&self.file, "a `step` in the metadata", "none", mend)
        })
    }
    /// A number of the metadata, if it has it.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.metadata.get(key)?.parse().ok()
    }
}
