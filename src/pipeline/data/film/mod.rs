//! Films: one decoded, turned upright, resized, and its mask.

mod budget;
pub mod decode;
pub mod dicom;
pub mod fit;
pub mod image;
mod levels;
pub mod mask;
pub mod orientation;
pub mod pixels;
pub mod resize;
pub(in crate::data) mod size;
mod tiff;
