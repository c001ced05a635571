//! Options, inputs and outputs of a Faster R-CNN.

use mtpret_engine::{ops::sample_boxes::Sample, tensor::Tensor};

/// Options in which implementations differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FasterRcnnOptions {
    /// Number of proposals of a level before suppression, in training and in detection.
    pub per_level: [usize; 2],
    /// Number of proposals of an image after suppression, in training and in detection.
    pub per_image: [usize; 2],
    /// Number of proposals of an image that the box head learns from, a quarter of them on things
    /// at most.
    pub sampled: usize,
    /// Least side of a proposal, in pixels.
    pub least_side: f32,
    /// Difference at which the boxes' loss goes over from a square into a line; 0 is plain L1.
    pub beta: f32,
    /// Number of samples of a bin along each axis; 0: as many as it has pixels, rounded up.
    pub sampling_ratio: usize,
    /// Whether proposals are moved by half a pixel before their features are read.
    pub aligned: bool,
}

impl FasterRcnnOptions {
    /// Options of `torchvision.models.detection.fasterrcnn_resnet50_fpn`.
    pub const TORCHVISION: Self = Self {
        per_level: [2000, 1000],
        per_image: [2000, 1000],
        sampled: 512,
        least_side: 1e-3,
        beta: 1.0 / 9.0,
        sampling_ratio: 2,
        aligned: false,
    };
    /// Options of PaddleDetection's `faster_rcnn_r50_fpn.yml`.
    pub const PADDLE: Self = Self {
        per_level: [2000, 1000],
        per_image: [1000, 1000],
        sampled: 512,
        least_side: 0.0,
        beta: 0.0,
        sampling_ratio: 0,
        aligned: true,
    };
    /// Numbers of proposals of a level and of an image.
    pub fn proposals(&self, training: bool) -> [usize; 2] {
        let of = usize::from(!training);
        [self.per_level[of], self.per_image[of]]
    }
}

/// True boxes of a batch, in pixels of the model's input.
#[derive(Clone, Debug)]
pub struct Boxes {
    /// Corners x1 y1 x2 y2 of at most G boxes of a film: `[N, G, 4]`.
    pub corners: Tensor,
    /// Classes of the boxes from 0, −1 where there is no box: `[N, G]`.
    pub classes: Tensor,
    /// Width and height that the films fill of the input: `[N, 2]`.
    pub extents: Tensor,
}

/// Samples that would be drawn at random, given instead: so can two implementations be compared.
#[derive(Default)]
pub struct Sampling {
    /// Anchors to learn from, by torchvision's numbers (level, y, x, anchor).
    pub anchors: Option<Sample>,
    /// Boxes `[N, R, 4]` for the box head, all of them; zeros where there is none.
    pub proposals: Option<Tensor>,
}

/// Detections, the best first.
#[derive(Clone, Debug)]
pub struct Detections {
    /// Corners x1 y1 x2 y2, in pixels of the model's input: `[N, 100, 4]`.
    pub boxes: Tensor,
    /// Probabilities, 0 where there is no detection: `[N, 100]`.
    pub scores: Tensor,
    /// Classes from 0, −1 where there is no detection: `[N, 100]`.
    pub classes: Tensor,
}
