//! Reference of binary cross-entropy with logits, on the host in f64.

use super::BceWithLogits;
use crate::{ops::Reference, tensor::Array};

impl Reference<2> for BceWithLogits {
    fn reference(&self, [x, t]: [&Array; 2]) -> Array {
        let (mut sum, mut count) = (0.0, 0.0);
        for (x, t) in x.data.iter().zip(&t.data).filter(|(_, t)| **t >= 0.0) {
            sum += x.max(0.0) - x * t + (-x.abs()).exp().ln_1p();
            count += 1.0;
        }
        Array::new(&[1], vec![sum / f64::max(1.0, count)])
    }
}
