//! Clipping and filtering of candidate boxes: within their image, not too small, not of too low a
//! score.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const CLIP: Kernel<Params> = kernel!("clip_boxes/clip");
params! {
    struct Params { rows: u32, boxes: u32, box_quads: u32, of_image: u32, least: f32, side: f32 }
}

/// Filter of candidates at fixed sizes, as torchvision's `clip_boxes_to_image`, then
/// `remove_small_boxes` and a threshold of scores: a candidate that is removed keeps its place, its
/// box becomes zeros and its score the lowest number, which other ops take for none. Nothing here has
/// a derivative.
#[derive(Clone, Copy, Debug)]
pub struct ClipBoxes {
    /// Score above which a candidate is kept.
    pub least_score: f32,
    /// Least length of both sides, in the boxes' unit.
    pub least_side: f32,
}

impl ClipBoxes {
    /// Records the candidates that are left, and their scores.
    ///
    /// Shapes: boxes `[R, K, 4]`, scores `[R, K]`, extents `[N, 2]`, the width and height of images of
    /// R / N rows each (none: nothing is clipped) → boxes and scores of the same shapes. Cost: one
    /// read and one write.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn forward(
        &self,
        rec: &Recording,
        boxes: &Tensor,
        scores: &Tensor,
        extents: Option<&Tensor>,
    ) -> Result<[Tensor; 2]> {
        let images = extents.map_or(1, |e| e.shape[0]);
        let fits = match (&boxes.shape[..], &scores.shape[..]) {
            (&[r, k, 4], &[of, s]) => [r, k] == [of, s] && r > 0 && r.is_multiple_of(images),
            _ => false,
        };
        if !fits || extents.is_some_and(|e| e.shape[1..] != [2]) {
            let found =
                format!("{:?}, {:?}, {:?}", boxes.shape, scores.shape, extents.map(|e| &e.shape));
            let expected = "boxes [R, K, 4], scores [R, K], extents [N, 2]";
            return Err(Error::shape("clip_boxes", expected, found));
        }
        let (y, kept) = (Tensor::new(rec, &boxes.shape), Tensor::new(rec, &scores.shape));
        let p = Params {
            rows: scores.rows() as u32,
            boxes: scores.channels() as u32,
            box_quads: scores.quads() as u32,
            of_image: (scores.rows() / images) as u32,
            least: self.least_score,
            side: self.least_side,
        };
        let cost = Cost { flops: 0, trips: 0, shape: format!("{:?}", boxes.shape) };
        let images = extents.unwrap_or(boxes);
        let slices = [&boxes.data, &scores.data, &images.data, &y.data, &kept.data];
        let constants = [("CLIPPED", u32::from(extents.is_some()))];
        let grid = Gpu::grid(4 * scores.rows() * scores.quads());
        rec.launch(&CLIP, &constants, p, &slices, grid, cost)?;
        Ok([y, kept])
    }
}
