//! Networks, with torchvision's names.

mod moco;
mod resnet;

pub use moco::{Encoder, interleave, interleaved};
pub use resnet::{Classifier, Depth, ResNet};
