//! Smooth L1 loss, weighted by rows.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::{Op, cross_entropy::mean::mean, scale::Scale};
use crate::{
    Error, Result,
    gpu::{Cost, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const TERMS: Kernel<Params> = kernel!("smooth_l1/terms");
params! { struct Params { total: u32, quads: u32, beta: f32 } }

/// Smooth L1 loss of weighted rows: `loss = Σ w[m] · l(x[m,c] − t[m,c])` with `l(d) = d² / 2β` where |d|
/// < β, else `|d| − β/2`: the terms of `torch.nn.functional.smooth_l1_loss`, each row with a weight of
/// its own (Girshick 2015).
///
/// Shapes: x and target t `[M, C]` (or more axes), weights w `[M, 1]` (the same axes but the last) →
/// loss `[1]`. Weights of one give PyTorch's `sum`, weights of 1/(M·C) its `mean`; a detector weighs
/// boxes to be learned by one over the number of boxes sampled. A row of weight 0 is not looked at:
/// its target may be anything, NaN too. Target and weights have no derivative. Sums are in a fixed
/// order. Errs if the shapes do not fit. Cost: one read of x and t, one write of the gradient, which the
/// forward pass makes; backwards one read and one write.
#[derive(Clone, Copy, Debug)]
pub struct SmoothL1 {
    /// Difference β at which the square goes over into the line; with 0 the loss is L1.
    pub beta: f32,
}

impl Op<3> for SmoothL1 {
    /// The gradient of the loss.
    type Saved = Tensor;

    fn forward(&self, rec: &Recording, [x, t, w]: [&Tensor; 3]) -> Result<(Tensor, Tensor)> {
        if x.shape != t.shape || w.channels() != 1 || w.rows() != x.rows() || x.shape.len() < 2 {
            let found = format!("{:?}, {:?} and {:?}", x.shape, t.shape, w.shape);
            let expected = "x and target [M, C] and weights [M, 1]";
            return Err(Error::shape("smooth_l1", expected, found));
        }
        let total = x.rows() * x.quads();
        // About eight vec4s a thread, since the sum over a workgroup costs as much as they do.
        let groups = total.div_ceil(256 * 8).clamp(1, 4096);
        let gradient = Tensor::new(rec, &x.shape);
        let partials = Tensor::new(rec, &[groups, 2]);
        let p = Params { total: total as u32, quads: x.quads() as u32, beta: self.beta };
        let cost = Cost {
            flops: 32 * total as u64,
            trips: total.div_ceil(256 * groups) as u64,
            shape: format!("{:?}", x.shape),
        };
        let slices = [&x.data, &t.data, &w.data, &gradient.data, &partials.data];
        rec.launch(&TERMS, &[], p, &slices, [groups as u32, 1, 1], cost)?;
        // No terms are counted, so that the mean divides by one.
        let (loss, _) = mean(rec, &partials)?;
        Ok((loss, gradient))
    }
    fn backward(
        &self,
        rec: &Recording,
        gradient: &Tensor,
        dloss: &Tensor,
        needs: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let dx = needs[0].then(|| Scale.forward(rec, [gradient, dloss])).transpose()?;
        Ok([dx.map(|(dx, _)| dx), None, None])
    }
}
