//! Non-maximum suppression.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{self, Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const OVERLAPS: Kernel<Overlaps> = kernel!("nms/overlaps");
const SCAN: Kernel<Scan> = kernel!("nms/scan");
params! { struct Overlaps { total: u32, count: u32, words: u32, threshold: f32 } }
params! { struct Scan { rows: u32, count: u32 } }

/// Largest number of candidates of a row: their overlaps are a bit each, so that these take 32 MiB
/// a row.
const MOST: usize = 16_384;

/// Greedy non-maximum suppression, as `torchvision.ops.nms` and, with classes, `batched_nms`.
///
/// From the best candidate down, each that is still there suppresses all later ones (of its class)
/// whose intersection over union with it is above the threshold. [`super::top_k::TopK`] sorts the
/// candidates, and compacts those that are kept.
#[derive(Clone, Copy, Debug)]
pub struct Nms {
    /// Overlap above which a box is suppressed; an equal one is not.
    pub threshold: f64,
}

impl Nms {
    /// Records the scores that are left: a candidate's own where it is kept, else
    /// [`super::top_k::LOWEST`].
    ///
    /// Shapes: boxes `[R, K, 4]`, by corners x1 y1 x2 y2; scores `[R, K]`, falling in each row, with
    /// [`super::top_k::LOWEST`] for places without a candidate; classes `[R, K]`, of which only equal
    /// ones suppress each other → `[R, K]`. Has no derivative. Cost: two launches; K²/2 pairs and a
    /// walk over K / 32 blocks by one workgroup a row.
    ///
    /// # Errors
    /// Shapes that do not fit, more than 16 384 candidates a row, or a request beyond the adapter's
    /// limits.
    pub fn forward(
        &self,
        rec: &Recording,
        boxes: &Tensor,
        scores: &Tensor,
        classes: Option<&Tensor>,
    ) -> Result<Tensor> {
        let like = classes.is_none_or(|classes| classes.shape == scores.shape);
        let (rows, count) = match (&boxes.shape[..], &scores.shape[..]) {
            (&[a, b, 4], &[rows, count])
                if [a, b] == [rows, count] && like && rows > 0 && (1..=MOST).contains(&count) =>
            {
                (rows, count)
            }
            (boxes, scores) => {
                let expected = format!(
                    "boxes [R, K, 4], scores [R, K] and classes alike with K from 1 to {MOST}"
                );
                let found = format!("{boxes:?}, {scores:?} and {:?}", classes.map(|c| &c.shape));
                return Err(Error::shape("nms", expected, found));
            }
        };
        let words = count.div_ceil(32);
        let total = rows * count * words;
        let overlaps = rec.transient(4 * total as u64);
        let p = Overlaps {
            total: total as u32,
            count: count as u32,
            words: words as u32,
            threshold: below(self.threshold),
        };
        let cost = |trips: usize| Cost {
            flops: 8 * (rows * count * count) as u64,
            trips: trips as u64,
            shape: format!("{rows} × {count} boxes"),
        };
        let constants = [("CLASSED", u32::from(classes.is_some()))];
        let slices = [&boxes.data, &classes.unwrap_or(scores).data, &overlaps];
        rec.launch(&OVERLAPS, &constants, p, &slices, Gpu::grid(total), cost(32))?;
        let y = Tensor::new(rec, &scores.shape);
        let p = Scan { rows: rows as u32, count: count as u32 };
        let slices = [&scores.data, &overlaps, &y.data];
        rec.launch(
            &SCAN,
            &[("WORDS", words as u32)],
            p,
            &slices,
            gpu::fold(rows),
            cost(words * (32 + 33 * words.div_ceil(256))),
        )?;
        Ok(y)
    }
}

/// The largest f32 that is not above the threshold: torchvision compares an f32 overlap with an f64
/// threshold, and an f32 is above the one if it is above the other.
fn below(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}
