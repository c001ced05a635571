//! MTPret on any GPU: a training engine with hand-written WGSL kernels, and the pipeline on it.
//!
//! The floors, lowest first; each uses only those before it (`tests/tidy.rs` holds it):
//! `error gpu tensor ops autograd nn models data train report cli`.

pub mod error;
pub mod gpu;
pub mod tensor;
#[macro_use]
pub mod ops;
pub mod autograd;
pub mod cli;
pub mod data;
pub mod models;
pub mod nn;
pub mod report;
pub mod train;

pub use error::{Error, Result};
