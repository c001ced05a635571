//! Reference of the NT-Xent loss, on the host in f64.

use super::NtXent;
use crate::{ops::Reference, tensor::Array};

impl Reference<1> for NtXent {
    fn reference(&self, [z]: [&Array; 1]) -> Array {
        let [rows, d] = z.shape[..] else { panic!("z has two axes") };
        let row = |i: usize| &z.data[i * d..][..d];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let length = |i: usize| dot(row(i), row(i)).sqrt().max(1e-12);
        let logit = |i: usize, j: usize| {
            dot(row(i), row(j)) / length(i) / length(j) / f64::from(self.temperature)
        };
        let loss = |i: usize| {
            let others: Vec<f64> = (0..rows).filter(|j| *j != i).map(|j| logit(i, j)).collect();
            let most = others.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = others.iter().map(|l| (l - most).exp()).sum();
            most + sum.ln() - logit(i, i ^ 1)
        };
        Array::new(&[1], vec![(0..rows).map(loss).sum::<f64>() / rows as f64])
    }
}
