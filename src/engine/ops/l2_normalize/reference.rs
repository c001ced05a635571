//! Reference of L2 normalisation, on the host in f64.

use super::L2Normalize;
use crate::{ops::Reference, tensor::Array};

impl Reference<1> for L2Normalize {
    fn reference(&self, [x]: [&Array; 1]) -> Array {
        let mut y = x.clone();
        for row in y.data.chunks_mut(x.shape[x.shape.len() - 1]) {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter_mut().for_each(|v| *v /= norm.max(f64::from(self.eps)));
        }
        y
    }
}
