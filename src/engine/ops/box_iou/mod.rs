//! Intersection over union of boxes.

mod cases;
pub(super) mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("box_iou/forward");
params! { struct Params { total: u32, boxes_a: u32, per_row: u32, columns: u32 } }

/// Intersection over union of every box of a with every box of b, as `torchvision.ops.box_iou`.
///
/// Shapes: a `[R, N, 4]`, or `[1, N, 4]` for the same boxes in every row (anchors), b `[R, M, 4]`, by
/// corners x1 y1 x2 y2 → `[R, N, M]`. Boxes that have nothing in common have 0, empty ones too, where
/// torchvision has 0/0. Has no derivative. Cost: 16 flop and a write a pair.
#[derive(Clone, Copy, Debug)]
pub struct BoxIou;

impl BoxIou {
    /// Records the intersections over union.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn forward(&self, rec: &Recording, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (&[of_a, n, 4], &[r, m, 4]) = (&a.shape[..], &b.shape[..]) else {
            return Err(misfit(a, b));
        };
        if (of_a != r && of_a != 1) || r * n * m == 0 {
            return Err(misfit(a, b));
        }
        let y = Tensor::new(rec, &[r, n, m]);
        let total = y.rows() * y.quads();
        let p = Params {
            total: total as u32,
            boxes_a: (of_a * n) as u32,
            per_row: n as u32,
            columns: m as u32,
        };
        let cost = Cost {
            flops: 64 * total as u64,
            trips: 0,
            shape: format!("{:?} with {:?}", a.shape, b.shape),
        };
        rec.launch(&FORWARD, &[], p, &[&a.data, &b.data, &y.data], Gpu::grid(total), cost)?;
        Ok(y)
    }
}

fn misfit(a: &Tensor, b: &Tensor) -> Error {
    let found = format!("{:?} and {:?}", a.shape, b.shape);
    Error::shape("box_iou", "a [R or 1, N, 4] and b [R, M, 4], none empty", found)
}
