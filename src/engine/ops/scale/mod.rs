//! Scaling of a tensor by a number that lies on the device.

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

const FORWARD: Kernel<Params> = kernel!("scale/forward");
params! { struct Params { quads: u32 } }

/// Scaling by a number, `y = s · x`.
///
/// Shapes: x any, s `[1]`; y like x. s has no derivative: it is a weight, or a gradient itself, as
/// where a loss multiplies its saved gradient by that of its value. Errs if s is not one number.
/// Cost: one read and one write of x.
#[derive(Clone, Copy, Debug)]
pub struct Scale;

impl Op<2> for Scale {
    /// The factor s.
    type Saved = Tensor;

    fn forward(&self, rec: &Recording, [x, s]: [&Tensor; 2]) -> Result<(Tensor, Tensor)> {
        if s.shape != [1] {
            return Err(Error::shape("scale", "s of shape [1]", format!("{:?}", s.shape)));
        }
        let y = Tensor::new(rec, &x.shape);
        let quads = x.rows() * x.quads();
        let p = Params { quads: quads as u32 };
        let cost = Cost { flops: 4 * quads as u64, trips: 0, shape: format!("{:?}", x.shape) };
        rec.launch(&FORWARD, &[], p, &[&x.data, &s.data, &y.data], Gpu::grid(quads), cost)?;
        Ok((y, s.clone()))
    }
    fn backward(
        &self,
        rec: &Recording,
        s: &Tensor,
        dy: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let dx = needs[0].then(|| self.forward(rec, [dy, s])).transpose()?;
        Ok([dx.map(|(dx, _)| dx), None])
    }
}
