//! Reference of concatenation along channels, on the host in f64.

use super::Concat;
use crate::{ops::Reference, tensor::Array};

impl<const N: usize> Reference<N> for Concat {
    fn reference(&self, x: [&Array; N]) -> Array {
        let channels = x.map(|x| x.shape[x.shape.len() - 1]);
        let mut shape = x[0].shape.clone();
        let last = shape.len() - 1;
        shape[last] = channels.iter().sum();
        let rows = x[0].data.len() / channels[0];
        let mut y = Vec::with_capacity(rows * shape[last]);
        for row in 0..rows {
            for (x, c) in x.iter().zip(channels) {
                y.extend_from_slice(&x.data[row * c..(row + 1) * c]);
            }
        }
        Array::new(&shape, y)
    }
}
