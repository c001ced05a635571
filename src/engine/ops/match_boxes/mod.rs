//! Matching of boxes to true boxes.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording, fold},
    kernel, params,
    tensor::Tensor,
};

const BEST: Kernel<Best> = kernel!("match_boxes/best");
const MATCH: Kernel<Match> = kernel!("match_boxes/match");
params! { struct Best { images: u32, boxes: u32, stride: u32, truths: u32, truth_quads: u32 } }
params! {
    struct Match {
        images: u32, boxes: u32, box_quads: u32, stride: u32, truths: u32, truth_quads: u32,
        low: f32, high: f32,
    }
}

/// Matcher of boxes to true boxes by their overlap, as torchvision's `Matcher` on `box_iou`.
///
/// ```text
/// m[n,i] = argmax over g of IoU(box i, true box g)    if that is at least `high`
///        = −1                                         if it is below `low`: background
///        = −2                                         between the two
/// ```
/// With `low_quality`, every box that overlaps some true box as much as any box does is matched
/// too, with its own argmax. A box without area is none and gets −2; an image without true boxes
/// is all background. Nothing here has a derivative.
#[derive(Clone, Copy, Debug)]
pub struct MatchBoxes {
    /// Least overlap of a match.
    pub high: f32,
    /// Least overlap of what is not background.
    pub low: f32,
    /// Whether the nearest boxes of a true box are matched however small their overlap is.
    pub low_quality: bool,
}

impl MatchBoxes {
    /// Records the matches.
    ///
    /// Shapes: boxes `[A, 4]` (the same for all images) or `[N, A, 4]`, corners `[N, G, 4]`,
    /// classes `[N, G]` (below 0 = no box there) → matches `[N, A]`, whole numbers. Corners are
    /// x1 y1 x2 y2 in any one unit. Cost: N·A·G overlaps, twice that with `low_quality`.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn forward(
        &self,
        rec: &Recording,
        boxes: &Tensor,
        corners: &Tensor,
        classes: &Tensor,
    ) -> Result<Tensor> {
        let fault = || {
            let found = format!("{:?}, {:?}, {:?}", boxes.shape, corners.shape, classes.shape);
            let expected = "boxes [A, 4] or [N, A, 4], corners [N, G, 4], classes [N, G]";
            Error::shape("match_boxes", expected, found)
        };
        let (&[images, truths, 4], &[n, g]) = (&corners.shape[..], &classes.shape[..]) else {
            return Err(fault());
        };
        let (count, stride) = match boxes.shape[..] {
            [a, 4] => (a, 0),
            [of, a, 4] if of == images => (a, a),
            _ => return Err(fault()),
        };
        if [n, g] != [images, truths] || images * truths * count == 0 {
            return Err(fault());
        }
        let [images, boxes_of, stride, truths] =
            [images, count, stride, truths].map(|axis| axis as u32);
        let truth_quads = classes.quads() as u32;
        let cost = |trips: usize| Cost {
            flops: (15 * n * g * count) as u64,
            trips: trips as u64,
            shape: format!("{n} × {count} boxes, {g} true"),
        };
        let best = Tensor::new(rec, &classes.shape);
        if self.low_quality {
            let p = Best { images, boxes: boxes_of, stride, truths, truth_quads };
            let slices = [&boxes.data, &corners.data, &classes.data, &best.data];
            rec.launch(
                &BEST,
                &[],
                p,
                &slices,
                fold(4 * n * classes.quads()),
                cost(count.div_ceil(1024)),
            )?;
        }
        let matches = Tensor::new(rec, &[n, count]);
        let p = Match {
            images,
            boxes: boxes_of,
            box_quads: matches.quads() as u32,
            stride,
            truths,
            truth_quads,
            low: self.low,
            high: self.high,
        };
        // Without low-quality matches `best` is never read; the classes stand in its place.
        let best = if self.low_quality { &best } else { classes };
        let slices = [&boxes.data, &corners.data, &classes.data, &best.data, &matches.data];
        let constants = [("LOW_QUALITY", u32::from(self.low_quality))];
        let grid = Gpu::grid(4 * n * matches.quads());
        rec.launch(&MATCH, &constants, p, &slices, grid, cost(g))?;
        Ok(matches)
    }
}
