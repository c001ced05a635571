//! L2 normalisation: rows scaled to unit length.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::{Op, teams::teams};
use crate::{
    Error, Result,
    gpu::{Cost, Kernel, Recording, Slice},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("l2_normalize/forward");
const BACKWARD: Kernel<Params> = kernel!("l2_normalize/backward");
params! { struct Params { rows: u32, quads: u32, eps: f32 } }

/// L2 normalisation: `y = x / max(|x|, eps)` for every row x, as `torch.nn.functional.normalize`
/// over the last axis.
///
/// Shapes: x `[N, D]`; y like x. A row no longer than eps is divided by eps, and so is its gradient.
/// Errs unless eps is positive. Cost: two reads and one write of x forwards, about twice that
/// backwards.
#[derive(Clone, Copy, Debug)]
pub struct L2Normalize {
    /// The least length to divide by; PyTorch's default is 1e-12.
    pub eps: f32,
}

impl L2Normalize {
    fn launch(
        &self,
        rec: &Recording,
        kernel: &Kernel<Params>,
        x: &Tensor,
        slices: &[&Slice],
    ) -> Result<()> {
        let (rows, quads) = (x.rows(), x.quads());
        let (lanes, grid) = teams(rows, quads);
        let p = Params { rows: rows as u32, quads: quads as u32, eps: self.eps };
        let cost = Cost {
            flops: 12 * (rows * quads) as u64,
            trips: 2 * quads.div_ceil(lanes as usize) as u64,
            shape: format!("{:?}", x.shape),
        };
        rec.launch(kernel, &[("LANES", lanes)], p, slices, grid, cost)
    }
}

impl Op<1> for L2Normalize {
    /// The input x.
    type Saved = Tensor;

    fn forward(&self, rec: &Recording, [x]: [&Tensor; 1]) -> Result<(Tensor, Tensor)> {
        if self.eps.is_nan() || self.eps <= 0.0 {
            return Err(Error::shape("l2_normalize", "eps above 0", self.eps.to_string()));
        }
        let y = Tensor::new(rec, &x.shape);
        self.launch(rec, &FORWARD, x, &[&x.data, &y.data])?;
        Ok((y, x.clone()))
    }
    fn backward(
        &self,
        rec: &Recording,
        x: &Tensor,
        dy: &Tensor,
        needs: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        if !needs[0] {
            return Ok([None]);
        }
        let dx = Tensor::new(rec, &x.shape);
        self.launch(rec, &BACKWARD, x, &[&x.data, &dy.data, &dx.data])?;
        Ok([Some(dx)])
    }
}
