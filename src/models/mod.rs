//! Networks, with torchvision's names.

mod contrastive;
pub mod deeplab;
pub mod faster_rcnn;
mod resnet;

pub use contrastive::{Encoder, Projection, interleave, interleaved};
pub use deeplab::DeepLab;
pub use faster_rcnn::FasterRcnn;
pub use resnet::{Classifier, Depth, ResNet};
