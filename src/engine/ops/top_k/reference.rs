//! Reference of top-k, on the host in f64.

use super::{LOWEST, TopK};
use crate::tensor::Array;

impl TopK {
    /// Values and indices on the host.
    pub fn reference(&self, x: &Array) -> [Array; 2] {
        let (rows, count) = (x.shape[0], x.data.len() / x.shape[0]);
        let mut out = [Array::zeros(&[rows, self.k]), Array::zeros(&[rows, self.k])];
        for (r, row) in x.data.chunks(count).enumerate() {
            let candidate = |i: &usize| row[*i] > f64::from(LOWEST);
            let mut order: Vec<usize> = (0..count).filter(candidate).collect();
            order.sort_by(|a, b| row[*b].partial_cmp(&row[*a]).expect("numbers"));
            for j in 0..self.k {
                let at = order.get(j);
                out[0].data[r * self.k + j] = at.map_or(f64::from(LOWEST), |i| row[*i]);
                out[1].data[r * self.k + j] = at.map_or(-1.0, |i| *i as f64);
            }
        }
        out
    }
}
