//! Reference of global average pooling, on the host in f64.

use super::GlobalAvgPool;
use crate::{ops::Reference, tensor::Array};

impl Reference<1> for GlobalAvgPool {
    fn reference(&self, [x]: [&Array; 1]) -> Array {
        let [n, h, w, c] = x.shape[..] else { panic!("an image has four axes") };
        let mut y = Array::zeros(&[n, c]);
        for (at, v) in x.data.iter().enumerate() {
            y.data[at / (h * w * c) * c + at % c] += v / (h * w) as f64;
        }
        y
    }
}
