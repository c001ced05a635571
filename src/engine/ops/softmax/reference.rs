//! Reference of softmax, on the host in f64.

use super::Softmax;
use crate::tensor::Array;

impl Softmax {
    /// The probabilities on the host in f64.
    pub fn reference(&self, x: &Array) -> Array {
        let mut y = x.clone();
        for row in y.data.chunks_mut(*x.shape.last().unwrap_or(&1)) {
            let most = row.iter().fold(f64::MIN, |m, v| m.max(*v));
            row.iter_mut().for_each(|v| *v = (*v - most).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= sum);
        }
        y
    }
}
