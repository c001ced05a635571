//! Reference of the clipping and filtering of boxes, on the host in f64.

use super::ClipBoxes;
use crate::tensor::Array;

impl ClipBoxes {
    /// Boxes `[R, K, 4]` and scores `[R, K]` that are left, on the host in f64.
    pub fn reference(&self, boxes: &Array, scores: &Array, extents: Option<&Array>) -> [Array; 2] {
        let (mut y, mut kept) = (boxes.clone(), scores.clone());
        let of_row = scores.shape[1];
        for (i, b) in y.data.chunks_mut(4).enumerate() {
            if let Some(extents) = extents {
                let image = i / of_row * extents.shape[0] / scores.shape[0];
                for (axis, v) in b.iter_mut().enumerate() {
                    *v = v.clamp(0.0, extents.data[2 * image + axis % 2]);
                }
            }
            let side = (b[2] - b[0]).min(b[3] - b[1]);
            if kept.data[i] <= f64::from(self.least_score) || side < f64::from(self.least_side) {
                b.fill(0.0);
                kept.data[i] = f64::from(f32::MIN);
            }
        }
        [y, kept]
    }
}
