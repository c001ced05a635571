//! A random subset of matched boxes, with a share of positive ones.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const SELECT: Kernel<Params> = kernel!("sample_boxes/select");
params! {
    struct Params {
        boxes: u32, box_quads: u32, size: u32, size_quads: u32, positives: u32, stream: u32,
    }
}

/// Sampler of each image's boxes to learn from, as torchvision's `BalancedPositiveNegativeSampler`.
///
/// Of the boxes with a match (m ≥ 0) a uniformly random subset of `min(positives, all)`, of those
/// that are background (m = −1) one of what is missing to `size`, or all. Boxes between (m = −2) are
/// never drawn. The random numbers are Philox's of key (seed) and counter (step, box, stage, stream,
/// image). Nothing here has a derivative.
#[derive(Clone, Copy, Debug)]
pub struct SampleBoxes {
    /// Number of boxes drawn of an image.
    pub size: usize,
    /// Largest number of drawn boxes that have a match.
    pub positives: usize,
    /// Number of the sampler, so that two samplers of a step draw differently.
    pub stream: u32,
}

/// Boxes that were drawn.
pub struct Sample {
    /// Mark of every box: 1 for a match that was drawn, 0 for background that was drawn, −1 for the
    /// rest: `[N, A]`.
    pub chosen: Tensor,
    /// Numbers of the boxes drawn, rising, then −1: `[N, size]`.
    pub places: Tensor,
}

impl SampleBoxes {
    /// Records a draw.
    ///
    /// Shapes: matches `[N, A]` as `match_boxes` gives them; step as `Step::upload` makes it. Cost:
    /// about twelve reads of the matches, by one workgroup for an image.
    ///
    /// # Errors
    /// Matches that have not two axes.
    pub fn forward(&self, rec: &Recording, matches: &Tensor, step: &Tensor) -> Result<Sample> {
        let &[n, boxes] = &matches.shape[..] else {
            let found = format!("{:?}", matches.shape);
            return Err(Error::shape("sample_boxes", "matches [N, A]", found));
        };
        let sample = Sample {
            chosen: Tensor::new(rec, &matches.shape),
            places: Tensor::new(rec, &[n, self.size]),
        };
        let p = Params {
            boxes: boxes as u32,
            box_quads: matches.quads() as u32,
            size: self.size as u32,
            size_quads: sample.places.quads() as u32,
            positives: self.positives.min(self.size) as u32,
            stream: self.first_word(0),
        };
        let quads = matches.quads();
        let walks = 4 * quads.div_ceil(1024) + 2 * quads.div_ceil(256).div_ceil(4);
        let trips = (walks + sample.places.quads().div_ceil(64)) as u64;
        let cost = Cost { flops: 0, trips, shape: format!("{} of {n} × {boxes}", self.size) };
        let slices = [&step.data, &matches.data, &sample.chosen.data, &sample.places.data];
        rec.launch(&SELECT, &[], p, &slices, [n as u32, 1, 1], cost)?;
        Ok(sample)
    }
    /// The last word of the counter of an image's random numbers; views of `warp` have small ones.
    fn first_word(&self, image: u32) -> u32 {
        0x4000_0000 + (self.stream << 16) + image
    }
}
