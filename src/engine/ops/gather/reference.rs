//! Reference of gathering by index, on the host in f64.

use super::Gather;
use crate::{ops::Reference, tensor::Array};

impl Reference<2> for Gather {
    fn reference(&self, [x, indices]: [&Array; 2]) -> Array {
        let [a, length, d] = x.shape[..] else { panic!("x has three axes") };
        let [b, k] = indices.shape[..] else { panic!("indices have two axes") };
        let mut y = Array::zeros(&[a.max(b), k, d]);
        for (i, row) in y.data.chunks_mut(d).enumerate() {
            let index = indices.data[i / k % b * k + i % k];
            if index >= 0.0 && index < length as f64 {
                row.copy_from_slice(&x.data[(i / k % a * length + index as usize) * d..][..d]);
            }
        }
        y
    }
}

/// Single numbers by index, on the host.
pub(super) fn elements(x: &Array, indices: &Array) -> Array {
    let count = x.data.len() / x.shape[0];
    let rows = Array::new(&[x.shape[0], count, 1], x.data.clone());
    let y = Gather.reference([&rows, indices]);
    Array::new(&y.shape[..2], y.data)
}
