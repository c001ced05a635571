//! Reference of the exponential moving average, on the host in f64.

use super::Ema;
use crate::tensor::Array;

impl Ema {
    /// The new k on the host in f64.
    pub fn reference(&self, k: &Array, q: &Array) -> Array {
        let m = f64::from(self.momentum);
        let data = k.data.iter().zip(&q.data).map(|(k, q)| m * k + (1.0 - m) * q);
        Array::new(&k.shape, data.collect())
    }
}
