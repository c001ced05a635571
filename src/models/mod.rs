//! Networks, with torchvision's names.

mod contrastive;
pub mod deeplab;
mod resnet;

pub use contrastive::{Encoder, Projection, interleave, interleaved};
pub use deeplab::DeepLab;
pub use resnet::{Classifier, Depth, ResNet};
