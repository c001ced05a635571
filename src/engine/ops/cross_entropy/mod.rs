//! Cross-entropy of logits with classes.

mod cases;
pub(super) mod mean;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};
pub use mean::Gradient;

use super::{Op, teams::teams};
use crate::{
    Error, Result,
    gpu::{Cost, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const ROWS: Kernel<Params> = kernel!("cross_entropy/rows");
params! { struct Params { rows: u32, classes: u32, quads: u32, groups: u32 } }

/// Cross-entropy: `loss = mean over n of log Σ exp(x[n,j]) − x[n, t[n]]`, as
/// `torch.nn.functional.cross_entropy`.
///
/// Shapes: logits x `[N, L]`, target t `[N, 1]` (the number of a class, as a float) → loss `[1]`; or
/// for each pixel, `[N, H, W, L]` and `[N, H, W, 1]`, where n runs over all pixels.
/// Rows whose target is negative are ignored (so are those of L or more: whoever makes targets
/// checks them). If all rows are ignored, the loss and its gradient are 0, where PyTorch's loss is
/// NaN: a batch without labels teaches nothing, but does not end a run. The target has no
/// derivative. Exact to rounding for logits of any size; sums are in a fixed order.
/// Errs if the shapes do not fit. Cost: three reads of the logits and one write of their gradient,
/// which the forward pass makes; backwards one read and one write.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy;

impl Op<2> for CrossEntropy {
    type Saved = Gradient;

    fn forward(&self, rec: &Recording, [x, t]: [&Tensor; 2]) -> Result<(Tensor, Gradient)> {
        let others = |x: &Tensor| x.shape[..x.shape.len() - 1].to_vec();
        if x.shape.len() < 2 || t.shape.len() < 2 || others(x) != others(t) || t.channels() != 1 {
            let found = format!("{:?} and {:?}", x.shape, t.shape);
            return Err(Error::shape("cross_entropy", "logits […, L] and target […, 1]", found));
        }
        let (rows, classes, quads) = (x.rows(), x.channels(), x.quads());
        let (lanes, grid) = teams(rows, quads);
        let groups = rows.div_ceil(256 / lanes as usize);
        let of_terms = Tensor::new(rec, &x.shape);
        let partials = Tensor::new(rec, &[groups, 2]);
        let p = Params {
            rows: rows as u32,
            classes: classes as u32,
            quads: quads as u32,
            groups: groups as u32,
        };
        // An exponential counts as ten.
        let cost = Cost {
            flops: 25 * (rows * classes) as u64,
            trips: 3 * quads.div_ceil(lanes as usize) as u64,
            shape: format!("{:?}", x.shape),
        };
        let slices = [&x.data, &t.data, &of_terms.data, &partials.data];
        rec.launch(&ROWS, &[("LANES", lanes)], p, &slices, grid, cost)?;
        let (loss, share) = mean::mean(rec, &partials)?;
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
