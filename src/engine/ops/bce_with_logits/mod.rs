//! Binary cross-entropy of logits with targets, some of which may be missing.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::{
    Op,
    cross_entropy::{Gradient, mean::mean},
};
use crate::{
    Error, Result,
    gpu::{Cost, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const TERMS: Kernel<Params> = kernel!("bce_with_logits/terms");
params! { struct Params { total: u32, quads: u32, channels: u32 } }

/// Binary cross-entropy with logits: `loss = mean of max(x, 0) − x·t + log(1 + exp(−|x|))` over the
/// elements that are not missing, as `torch.nn.functional.binary_cross_entropy_with_logits`.
///
/// Shapes: logits x and target t `[N, L]` (or any other, the same for both) → loss `[1]`. Targets are
/// from 0 to 1; where t is negative, it is missing and counts for nothing. If all are missing, the
/// loss and its gradient are 0, not NaN. The target has no derivative. Exact to rounding for logits
/// of any size; sums are in a fixed order. Errs if the shapes differ. Cost: one read of both and one
/// write of the gradient, which the forward pass makes; backwards one read and one write.
#[derive(Clone, Copy, Debug)]
pub struct BceWithLogits;

impl Op<2> for BceWithLogits {
    type Saved = Gradient;

    fn forward(&self, rec: &Recording, [x, t]: [&Tensor; 2]) -> Result<(Tensor, Gradient)> {
        if x.shape != t.shape {
            let expected = format!("a target like logits {:?}", x.shape);
            return Err(Error::shape("bce_with_logits", expected, format!("{:?}", t.shape)));
        }
        let total = x.rows() * x.quads();
        // About eight vec4s a thread, since the sum over a workgroup costs as much as they do.
        let groups = total.div_ceil(256 * 8).clamp(1, 4096);
        let of_terms = Tensor::new(rec, &x.shape);
        let partials = Tensor::new(rec, &[groups, 2]);
        let (quads, channels) = (x.quads() as u32, x.channels() as u32);
        let p = Params { total: total as u32, quads, channels };
        // An exponential counts as ten.
        let cost = Cost {
            flops: 160 * total as u64,
            trips: total.div_ceil(256 * groups) as u64,
            shape: format!("{:?}", x.shape),
        };
        let slices = [&x.data, &t.data, &of_terms.data, &partials.data];
        rec.launch(&TERMS, &[], p, &slices, [groups as u32, 1, 1], cost)?;
        let (loss, share) = mean(rec, &partials)?;
        Ok((loss, Gradient { of_terms, share }))
    }
    fn backward(
        &self,
        rec: &Recording,
        gradient: &Gradient,
        dloss: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        Ok([needs[0].then(|| gradient.times(rec, dloss)).transpose()?, None])
    }
}
