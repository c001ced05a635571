//! Reference of box decoding, on the host in f64.

use super::{BoxCoder, MOST_GROWTH};
use crate::tensor::Array;

impl BoxCoder {
    /// The boxes on the host in f64.
    pub fn decode_reference(&self, deltas: &Array, proposals: &Array) -> Array {
        let [_, b, _] = deltas.shape[..] else { panic!("deltas have three axes") };
        let [of_a, of_b, _] = proposals.shape[..] else { panic!("proposals have three axes") };
        let mut y = deltas.clone();
        for (i, to) in y.data.chunks_mut(4).enumerate() {
            let at = &proposals.data[4 * (i / b % of_a * of_b + i % b % of_b)..][..4];
            for i in 0..2 {
                let [weight, growth] = [self.weights[i], self.weights[2 + i]].map(f64::from);
                let size = at[2 + i] - at[i];
                let centre = at[i] + 0.5 * size + to[i] / weight * size;
                let side = (to[2 + i] / growth).min(MOST_GROWTH).exp() * size;
                [to[i], to[2 + i]] = [centre - 0.5 * side, centre + 0.5 * side];
            }
        }
        y
    }
}
