//! Reference of the assignment of boxes to maps, on the host in f64.

use super::LevelBoxes;
use crate::tensor::Array;

impl LevelBoxes {
    /// The maps' numbers `[N, K]` on the host in f64, with the logarithm.
    pub fn reference(&self, boxes: &Array) -> Array {
        let of = |b: &[f64]| {
            let sides = [b[2] - b[0], b[3] - b[1]];
            if sides.iter().any(|s| *s <= 0.0) {
                return -1.0;
            }
            let level = (4.0 + ((sides[0] * sides[1]).sqrt() / 224.0).log2() + 1e-6).floor();
            let first = f64::from(self.first);
            level.clamp(first, first + self.maps as f64 - 1.0) - first
        };
        Array::new(&boxes.shape[..2], boxes.data.chunks(4).map(of).collect())
    }
}
