//! Data sets, networks, training, figures, files.
#![allow(clippy::unwrap_used)]

mod checkpoint;
mod config;
mod data;
mod detection;
mod experiment;
#[path = "../films/mod.rs"]
mod films;
mod metrics;
mod onnx;
mod training;
mod weights;
