//! Rectified linear unit.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("relu/forward");
const BACKWARD: Kernel<Params> = kernel!("relu/backward");
params! { struct Params { quads: u32 } }

/// Rectified linear unit, `y = max(0, x)`, as `torch.nn.functional.relu`.
///
/// Shapes: any; y like x. The derivative at 0 is 0. Cost: one read and one write of x.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Op<1> for Relu {
    /// The output y: where it is positive, the gradient passes.
    type Saved = Tensor;

    fn forward(&self, rec: &Recording, [x]: [&Tensor; 1]) -> Result<(Tensor, Tensor)> {
        let y = Tensor::new(rec, &x.shape);
        let quads = x.rows() * x.quads();
        let p = Params { quads: quads as u32 };
        let cost = Cost { flops: 0, trips: 4, shape: format!("{:?}", x.shape) };
        rec.launch(&FORWARD, &[], p, &[&x.data, &y.data], Gpu::grid(quads.div_ceil(4)), cost)?;
        Ok((y.clone(), y))
    }
    fn backward(
        &self,
        rec: &Recording,
        y: &Tensor,
        dy: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        let dx = Tensor::new(rec, &y.shape);
        let quads = y.rows() * y.quads();
        let p = Params { quads: quads as u32 };
        let cost = Cost { flops: 0, trips: 4, shape: format!("{:?}", y.shape) };
        let slices = [&y.data, &dy.data, &dx.data];
        rec.launch(&BACKWARD, &[], p, &slices, Gpu::grid(quads.div_ceil(4)), cost)?;
        Ok([Some(dx)])
    }
}
