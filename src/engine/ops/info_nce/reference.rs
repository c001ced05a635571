//! Reference of the InfoNCE loss, on the host in f64.

use super::InfoNce;
use crate::{ops::Reference, tensor::Array};

impl Reference<3> for InfoNce {
    fn reference(&self, [q, k, queue]: [&Array; 3]) -> Array {
        let d = q.shape[1];
        let logit = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / f64::from(self.temperature)
        };
        let losses = q.data.chunks(d).zip(k.data.chunks(d)).map(|(q, k)| {
            let positive = logit(q, k);
            let negatives: Vec<f64> = queue.data.chunks(d).map(|key| logit(q, key)).collect();
            let most = negatives.iter().copied().fold(positive, f64::max);
            let sum: f64 = negatives.iter().map(|l| (l - most).exp()).sum();
            most + ((positive - most).exp() + sum).ln() - positive
        });
        Array::new(&[1], vec![losses.sum::<f64>() / q.shape[0] as f64])
    }
}

/// The queue after `keys` went in at row `at`.
pub(super) fn enqueued(keys: &Array, queue: &Array, at: usize) -> Array {
    let d = keys.shape[1];
    let mut out = queue.clone();
    for (n, key) in keys.data.chunks(d).enumerate() {
        let row = (at + n) % queue.shape[0];
        out.data[row * d..][..d].copy_from_slice(key);
    }
    out
}
