//! Conversion of a tensor to another format.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::{Format, Tensor},
};

const NARROW: Kernel<Params> = kernel!("convert/narrow");
const WIDEN: Kernel<Params> = kernel!("convert/widen");
params! { struct Params { quads: u32 } }

/// Conversion to another format: `y = x`, as f32 or rounded to f16, where numbers beyond ±65504 become infinite; its
/// gradient in the format of x. What has the format already stays itself, without a launch.
///
/// Shapes: any. Cost: one read and one write.
#[derive(Clone, Copy, Debug)]
pub struct Convert {
    /// The format of y.
    pub to: Format,
}

impl Op<1> for Convert {
    /// The format of x.
    type Saved = Format;

    fn forward(&self, rec: &Recording, [x]: [&Tensor; 1]) -> Result<(Tensor, Format)> {
        if x.format == self.to {
            return Ok((x.clone(), x.format));
        }
        let y = Tensor::of(rec, self.to, &x.shape);
        let (kernel, half) = match self.to {
            Format::F16 => (&NARROW, &y),
            Format::F32 => (&WIDEN, x),
        };
        let quads = x.rows() * x.quads();
        let p = Params { quads: quads as u32 };
        let cost = Cost { flops: 0, trips: 4, shape: format!("{:?} to {:?}", x.shape, self.to) };
        let grid = Gpu::grid(quads.div_ceil(4));
        rec.launch(kernel, &half.constants(&[]), p, &[&x.data, &y.data], grid, cost)?;
        Ok((y, x.format))
    }
    fn backward(
        &self,
        rec: &Recording,
        from: &Format,
        dy: &Tensor,
        needs: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        let back = Convert { to: *from };
        Ok([needs[0].then(|| back.forward(rec, [dy])).transpose()?.map(|(dx, _)| dx)])
    }
}
