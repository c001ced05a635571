//! Reference of cosine similarity, on the host in f64.

use super::Cosine;
use crate::tensor::Array;

impl Cosine {
    /// Cosines on the host in f64.
    pub fn reference(&self, a: &Array, b: &Array) -> Array {
        let d = a.shape[1];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let length = |a: &[f64]| dot(a, a).sqrt().max(f64::from(self.eps));
        let cosine = |a, b| dot(a, b) / (length(a) * length(b));
        let row = |a| b.data.chunks(d).map(move |b| cosine(a, b));
        Array::new(&[a.shape[0], b.shape[0]], a.data.chunks(d).flat_map(row).collect())
    }
}
