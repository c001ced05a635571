//! Sum of two tensors.

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

const FORWARD: Kernel<Params> = kernel!("add/forward");
params! { struct Params { quads: u32 } }

/// Sum of two tensors, `y = a + b`: a residual connection, or the sum of two gradients where the
/// tape forks.
///
/// Shapes: any, the same for both. Errs if they differ. Cost: two reads and one write.
#[derive(Clone, Copy, Debug)]
pub struct Add;

impl Op<2> for Add {
    type Saved = ();

    fn forward(&self, rec: &Recording, [a, b]: [&Tensor; 2]) -> Result<(Tensor, ())> {
        if a.shape != b.shape || a.format != b.format {
            let (a, b) = ((&a.shape, a.format), (&b.shape, b.format));
            return Err(Error::shape("add", format!("b like a {a:?}"), format!("{b:?}")));
        }
        let y = Tensor::of(rec, a.format, &a.shape);
        let quads = a.rows() * a.quads();
        let p = Params { quads: quads as u32 };
        let cost = Cost { flops: 4 * quads as u64, trips: 4, shape: format!("{:?}", a.shape) };
        rec.launch(
            &FORWARD,
            &a.constants(&[]),
            p,
            &[&a.data, &b.data, &y.data],
            Gpu::grid(quads.div_ceil(4)),
            cost,
        )?;
        Ok((y, ()))
    }
    fn backward(
        &self,
        _: &Recording,
        _: &(),
        dy: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        Ok(needs.map(|needed| needed.then(|| dy.clone())))
    }
}
