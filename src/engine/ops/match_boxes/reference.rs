//! Reference of the matching of boxes, on the host in f64.

use super::MatchBoxes;
use crate::tensor::Array;

/// Intersection over union of two boxes `x1 y1 x2 y2`, rounded to f32: whether it reaches a threshold and
/// whether two are equal is asked of f32, here as in PyTorch.
fn iou(a: &[f64], b: &[f64]) -> f64 {
    let side = |i: usize| (a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0);
    let area = |b: &[f64]| (b[2] - b[0]) * (b[3] - b[1]);
    let shared = side(0) * side(1);
    f64::from((shared / (area(a) + area(b) - shared)) as f32)
}

impl MatchBoxes {
    /// The matches `[N, A]` on the host in f64.
    pub fn reference(&self, boxes: &Array, corners: &Array, classes: &Array) -> Array {
        let [n, g] = [classes.shape[0], classes.shape[1]];
        let a = boxes.shape[boxes.shape.len() - 2];
        let mut matches = Array::zeros(&[n, a]);
        for image in 0..n {
            let first = if boxes.shape.len() == 3 { image * a } else { 0 };
            let boxes: Vec<_> = boxes.data[4 * first..].chunks(4).take(a).collect();
            let truths: Vec<_> = corners.data[4 * image * g..].chunks(4).take(g).collect();
            let used = (0..g).filter(|t| classes.data[image * g + t] >= 0.0);
            let used: Vec<usize> = used.collect();
            let best = |t: usize| boxes.iter().map(|b| iou(truths[t], b)).fold(0.0, f64::max);
            let best: Vec<f64> = (0..g).map(best).collect();
            for (i, b) in boxes.iter().enumerate() {
                // The first of equals, as PyTorch's max takes it.
                let mut nearest = (-1.0, -1.0);
                for &t in &used {
                    let overlap = iou(truths[t], b);
                    if overlap > nearest.0 {
                        nearest = (overlap, t as f64);
                    }
                }
                let chosen = self.low_quality && used.iter().any(|&t| iou(truths[t], b) == best[t]);
                matches.data[image * a + i] = match nearest {
                    _ if b[2] <= b[0] || b[3] <= b[1] => -2.0,
                    (overlap, t) if chosen || overlap >= f64::from(self.high) => t,
                    (overlap, _) if overlap < f64::from(self.low) => -1.0,
                    _ => -2.0,
                };
            }
        }
        matches
    }
}
