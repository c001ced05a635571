//! Global average pooling: the mean over an image.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Error, Result,
    gpu::{self, Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("global_avg_pool/forward");
const BACKWARD: Kernel<Params> = kernel!("global_avg_pool/backward");
params! { struct Params { total: u32, quads: u32, pixels: u32 } }

/// Global average pooling: `y[n,c] = Σ x[n,h,w,c] / (H·W)`, as
/// `torch.nn.functional.adaptive_avg_pool2d` to 1 × 1.
///
/// Shapes: x `[N, H, W, C]` → y `[N, C]`. Errs if the image has no pixel.
/// Cost: one read of x forwards, one write of dx backwards.
#[derive(Clone, Copy, Debug)]
pub struct GlobalAvgPool;

impl Op<1> for GlobalAvgPool {
    /// The axes of x.
    type Saved = [usize; 4];

    fn forward(&self, rec: &Recording, [x]: [&Tensor; 1]) -> Result<(Tensor, [usize; 4])> {
        let image @ [n, h, w, c] = x.axes();
        let pixels = h * w;
        if pixels == 0 {
            let found = format!("x {:?}", x.shape);
            return Err(Error::shape("global_avg_pool", "at least one pixel", found));
        }
        let y = Tensor::new(rec, &[n, c]);
        let total = n * y.quads();
        // About sixteen pixels a thread.
        let slices = (pixels / 16).next_power_of_two().min(32);
        let constants = [("SLICES", slices as u32)];
        let p = Params { total: total as u32, quads: y.quads() as u32, pixels: pixels as u32 };
        let cost = Cost {
            flops: (x.rows() * c) as u64,
            trips: pixels.div_ceil(slices) as u64,
            shape: format!("{:?}", x.shape),
        };
        let grid = gpu::fold(total.div_ceil(256 / slices));
        rec.launch(&FORWARD, &constants, p, &[&x.data, &y.data], grid, cost)?;
        Ok((y, image))
    }
    fn backward(
        &self,
        rec: &Recording,
        image: &[usize; 4],
        dy: &Tensor,
        needs: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        if !needs[0] {
            return Ok([None]);
        }
        let dx = Tensor::new(rec, image);
        let total = dx.rows() * dx.quads();
        let pixels = image[1] * image[2];
        let p = Params { total: total as u32, quads: dx.quads() as u32, pixels: pixels as u32 };
        let cost = Cost { flops: 4 * total as u64, trips: 0, shape: format!("{:?}", dx.shape) };
        rec.launch(&BACKWARD, &[], p, &[&dy.data, &dx.data], Gpu::grid(total), cost)?;
        Ok([Some(dx)])
    }
}
