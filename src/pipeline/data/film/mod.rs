//! One film: decoded, turned upright, resized, and its mask.

pub mod decode;
pub mod dicom;
pub mod fit;
pub mod image;
pub mod mask;
pub mod orientation;
pub mod resize;
