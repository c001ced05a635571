//! Reference of gradient accumulation, on the host in f64.

use super::Accumulate;
use crate::tensor::Array;

impl Accumulate {
    /// `Σ scale · x` over micro-batches' gradients on the host in f64.
    pub fn reference(&self, micro_batches: &[Array]) -> Array {
        let mut sum = Array::zeros(&micro_batches[0].shape);
        for x in micro_batches {
            let terms = x.data.iter().map(|x| f64::from(self.scale) * x);
            sum.data.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        sum
    }
}
