//! Networks, with torchvision's names.

mod contrastive;
mod resnet;

pub use contrastive::{Encoder, Projection, interleave, interleaved};
pub use resnet::{Classifier, Depth, ResNet};
