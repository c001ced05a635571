//! Reference of the conversion between formats, on the host in f64.

use super::Convert;
use crate::{
    ops::Reference,
    tensor::{Array, Format},
};
use half::f16;

impl Reference<1> for Convert {
    fn reference(&self, [x]: [&Array; 1]) -> Array {
        x.clone().map(|v| match self.to {
            Format::F32 => v,
            Format::F16 => f16::from_f64(v).to_f64(),
        })
    }
}
