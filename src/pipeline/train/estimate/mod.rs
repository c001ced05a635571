//! How long a stage or an experiment will take, and how much memory: a few steps, measured.

pub mod dry_run;
pub mod experiment;
pub mod synthetic;
