//! Labels of sampled boxes: what a detector learns of each.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const LABEL: Kernel<Params> = kernel!("label_boxes/label");
params! {
    struct Params {
        images: u32, boxes: u32, box_quads: u32, size: u32, size_quads: u32, truths: u32,
        truth_quads: u32,
    }
}

/// Labels and weights of boxes drawn by `sample_boxes`, as torchvision's `fastrcnn_loss` uses them:
/// cross-entropy is the mean over all that were drawn, and the boxes' loss a sum over those with a
/// true box, divided by the number of all that were drawn.
#[derive(Clone, Copy, Debug)]
pub struct LabelBoxes;

/// Labels and weights of the drawn boxes.
pub struct Labelled {
    /// The number of the true box of each, −1 where there is none: `[N, S]`.
    pub matched: Tensor,
    /// Label of each: 1 + its class, 0 for background, −1 where nothing was drawn: `[N·S, 1]`.
    pub labels: Tensor,
    /// Weight of each: one by the number of boxes drawn in the batch where there is a true box,
    /// else 0: `[N·S, 1]`.
    pub weights: Tensor,
}

impl LabelBoxes {
    /// Records the labels.
    ///
    /// Shapes: matches `[N, A]` as `match_boxes` gives them, places `[N, S]` as `sample_boxes` does
    /// (numbers of boxes, −1 where none was drawn), classes `[N, G]` from 0. A box drawn whose match
    /// is −2 is taken for none. Nothing here has a derivative. Cost: two reads of all, by one
    /// workgroup.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn forward(
        &self,
        rec: &Recording,
        matches: &Tensor,
        places: &Tensor,
        classes: &Tensor,
    ) -> Result<Labelled> {
        let (&[n, boxes], &[of, size], &[with, truths]) =
            (&matches.shape[..], &places.shape[..], &classes.shape[..])
        else {
            return Err(misfit(matches, places, classes));
        };
        if of != n || with != n || n * boxes * size * truths == 0 {
            return Err(misfit(matches, places, classes));
        }
        let labelled = Labelled {
            matched: Tensor::new(rec, &[n, size]),
            labels: Tensor::new(rec, &[n * size, 1]),
            weights: Tensor::new(rec, &[n * size, 1]),
        };
        let p = Params {
            images: n as u32,
            boxes: boxes as u32,
            box_quads: matches.quads() as u32,
            size: size as u32,
            size_quads: places.quads() as u32,
            truths: truths as u32,
            truth_quads: classes.quads() as u32,
        };
        let trips = 2 * (4 * n * places.quads()).div_ceil(256) as u64;
        let cost = Cost { flops: 0, trips, shape: format!("{n} × {size} boxes") };
        let slices = [
            &matches.data,
            &places.data,
            &classes.data,
            &labelled.matched.data,
            &labelled.labels.data,
            &labelled.weights.data,
        ];
        rec.launch(&LABEL, &[], p, &slices, [1, 1, 1], cost)?;
        Ok(labelled)
    }
}

fn misfit(matches: &Tensor, places: &Tensor, classes: &Tensor) -> Error {
    let found = format!("{:?}, {:?}, {:?}", matches.shape, places.shape, classes.shape);
    Error::shape("label_boxes", "matches [N, A], places [N, S] and classes [N, G]", found)
}
