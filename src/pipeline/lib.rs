//! MTPret for X-ray images on [`mtpret_engine`]: data sets, networks, the three stages of training, metrics, ONNX.
//!
//! The floors, lowest first; each uses only those before it (`tests/app/tidy` holds it):
//! `models data metrics weights onnx train export`.

pub mod data;
pub mod export;
pub mod metrics;
pub mod models;
pub mod onnx;
pub mod train;
pub mod weights;

pub use mtpret_engine::{Error, Fault, Place, Result, did_you_mean, nearest};
