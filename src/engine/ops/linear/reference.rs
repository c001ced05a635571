//! Reference of the fully connected layer, on the host in f64.

use super::Linear;
use crate::{ops::Reference, tensor::Array};

impl Reference<3> for Linear {
    fn reference(&self, [x, w, b]: [&Array; 3]) -> Array {
        let (n, i, o) = (x.shape[0], x.shape[1], b.data.len());
        let mut y = Array::zeros(&[n, o]);
        for (row, out) in y.data.chunks_mut(o).enumerate() {
            out.copy_from_slice(&b.data);
            for at in 0..i {
                let weights = &w.data[at * o..][..o];
                out.iter_mut().zip(weights).for_each(|(y, w)| *y += x.data[row * i + at] * w);
            }
        }
        y
    }
}
