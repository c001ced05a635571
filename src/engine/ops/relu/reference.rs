//! Reference of ReLU, on the host in f64.

use super::Relu;
use crate::{ops::Reference, tensor::Array};

impl Reference<1> for Relu {
    fn reference(&self, [x]: [&Array; 1]) -> Array {
        x.clone().map(|v| v.max(0.0))
    }
}
