//! Export of networks: as a bundle, or as ONNX.

pub mod bundle;
pub mod onnx;
