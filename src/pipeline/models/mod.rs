//! Networks, with torchvision's names.
//!
//! A backbone belongs to part [`BACKBONE`] of a network (`Scope::part`), a head to the part that [`head`] gives it, so that an
//! update can treat them differently.

pub mod catalogue;
mod contrastive;
pub mod deeplab;
pub mod faster_rcnn;
mod resnet;

pub use contrastive::{Encoder, Projection, interleave, interleaved};
pub use deeplab::DeepLab;
pub use faster_rcnn::FasterRcnn;
pub use resnet::{Classifier, Depth, ResNet};

/// Number of the part of a network that all its heads share.
pub const BACKBONE: usize = 0;

/// Number of the part that the head of this number is.
pub fn head(number: usize) -> usize {
    BACKBONE + 1 + number
}
