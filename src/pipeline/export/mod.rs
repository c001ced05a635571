//! A network leaves the program: as a bundle, or as ONNX.

pub mod bundle;
pub mod onnx;
