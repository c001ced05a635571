//! A training step: from a batch to an update, recorded once, run for every batch.

pub mod optimizer;
pub mod trainer;
