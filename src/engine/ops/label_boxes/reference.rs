//! Reference of the labelling of sampled boxes, on the host in f64.

use super::LabelBoxes;
use crate::tensor::Array;

impl LabelBoxes {
    /// Matched boxes `[N, S]`, labels and weights `[N·S, 1]`, on the host.
    pub fn reference(&self, matches: &Array, places: &Array, classes: &Array) -> [Array; 3] {
        let ([n, size], truths) = ([places.shape[0], places.shape[1]], classes.shape[1]);
        let of_place = |i: usize| match places.data[i] {
            place if place < 0.0 => -2.0,
            place => matches.data[i / size * matches.shape[1] + place as usize],
        };
        let drawn: Vec<f64> = (0..n * size).map(of_place).collect();
        let count = drawn.iter().filter(|m| **m >= -1.0).count().max(1) as f64;
        let label = |(i, m): (usize, &f64)| match *m {
            m if m >= 0.0 => classes.data[i / size * truths + m as usize] + 1.0,
            m => m + 1.0,
        };
        let labels = drawn.iter().enumerate().map(label).collect();
        let weights = drawn.iter().map(|m| if *m >= 0.0 { 1.0 / count } else { 0.0 }).collect();
        let matched = drawn.iter().map(|m| m.max(-1.0)).collect();
        [
            Array::new(&[n, size], matched),
            Array::new(&[n * size, 1], labels),
            Array::new(&[n * size, 1], weights),
        ]
    }
}
