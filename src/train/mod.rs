//! Batches become weights: the three stages, their state on disk, their figures.

pub mod checkpoint;
pub mod config;
pub mod metrics;
pub mod schedule;
pub mod weights;
