//! Reference of box encoding, on the host in f64.

use super::BoxCoder;
use crate::tensor::Array;

impl BoxCoder {
    /// The deltas on the host in f64.
    pub fn encode_reference(&self, references: &Array, proposals: &Array) -> Array {
        let mut y = references.clone();
        for (to, at) in y.data.chunks_mut(4).zip(proposals.data.chunks(4)) {
            for i in 0..2 {
                let [weight, growth] = [self.weights[i], self.weights[2 + i]].map(f64::from);
                let (size, to_size) = (at[2 + i] - at[i], to[2 + i] - to[i]);
                let away = to[i] + 0.5 * to_size - at[i] - 0.5 * size;
                to[i] = weight * away / size;
                to[2 + i] = growth * (to_size / size).ln();
            }
        }
        y
    }
}
