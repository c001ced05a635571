//! Reference of cross-entropy, on the host in f64.

use super::CrossEntropy;
use crate::{ops::Reference, tensor::Array};

impl Reference<2> for CrossEntropy {
    fn reference(&self, [x, t]: [&Array; 2]) -> Array {
        let (mut sum, mut count) = (0.0, 0.0);
        for (row, t) in x.data.chunks(x.data.len() / t.data.len()).zip(&t.data) {
            if *t >= 0.0 {
                let right = row[*t as usize];
                let most = row.iter().fold(right, |m, v| m.max(*v));
                let all: f64 = row.iter().map(|v| (v - most).exp()).sum();
                sum += all.ln() + most - right;
                count += 1.0;
            }
        }
        Array::new(&[1], vec![sum / f64::max(1.0, count)])
    }
}
