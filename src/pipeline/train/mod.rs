//! Batches become weights: the three stages, their state on disk, their figures.
//!
//! ```text
//! Loader ── Inputs ──▶ Stepper (warp, network, loss, backward, update: one recording) ──▶ Reading
//!                         │ every save_every steps                                 │ every log.every
//!                         ▼                                                        ▼
//!                  checkpoint.safetensors                                    metrics.jsonl, events.out.tfevents.*
//! ```

pub mod config;
mod device;
pub mod estimate;
pub mod file_name;
pub mod on_tensors;
pub mod reproduce;
pub mod run;
pub mod schedule;
pub mod stages;
pub mod step;
pub mod tasks;

pub use device::Device;
