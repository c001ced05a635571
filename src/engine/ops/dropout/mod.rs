//! Dropout: features zeroed at random in training.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("dropout/forward");
params! { struct Params { quads: u32, share: f32, layer: u32, sample: u32 } }

/// Dropout: `y = m x / (1 − p)` with m = 0 with probability p, else 1, as `torch.nn.functional.dropout` in
/// training (Srivastava et al. 2014).
///
/// Inputs: x of any shape, and the step's record as `Step::upload` makes it; y like x. m is a function of
/// (seed, step, stage, layer, element) through Philox: the gradient draws it again, and so does a run
/// that is resumed. With p = 0, y = x. Errs unless 0 ≤ p < 1. Cost: one read and one write of x and a
/// Philox block for four elements, forwards and backwards.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Probability that an element is dropped.
    pub p: f32,
    /// Number of the layer, so that two layers of a network differ.
    pub layer: u32,
}

impl Dropout {
    fn launch(&self, rec: &Recording, x: &Tensor, step: &Tensor) -> Result<Tensor> {
        let y = Tensor::new(rec, &x.shape);
        let quads = x.rows() * x.quads();
        let sample = (quads / x.shape.first().copied().unwrap_or(1).max(1)) as u32;
        let p = Params { quads: quads as u32, share: self.p, layer: self.layer, sample };
        let cost = Cost { flops: 0, trips: 0, shape: format!("{:?}", x.shape) };
        let slices = [&x.data, &step.data, &y.data];
        rec.launch(&FORWARD, &[], p, &slices, Gpu::grid(quads), cost)?;
        Ok(y)
    }
}

impl Op<2> for Dropout {
    /// The step's record.
    type Saved = Tensor;

    fn forward(&self, rec: &Recording, [x, step]: [&Tensor; 2]) -> Result<(Tensor, Tensor)> {
        if !(0.0..1.0).contains(&self.p) {
            return Err(Error::shape("dropout", "p from 0 to below 1", self.p.to_string()));
        }
        Ok((self.launch(rec, x, step)?, step.clone()))
    }
    fn backward(
        &self,
        rec: &Recording,
        step: &Tensor,
        dy: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        Ok([needs[0].then(|| self.launch(rec, dy, step)).transpose()?, None])
    }
}
