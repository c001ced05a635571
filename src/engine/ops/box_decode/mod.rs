//! Box decoding: from a detector's deltas and its proposals to boxes.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::box_encode::BoxCoder;
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("box_decode/forward");
params! {
    struct Params {
        boxes: u32,
        columns: u32,
        stride_a: u32,
        stride_b: u32,
        wx: f32,
        wy: f32,
        ww: f32,
        wh: f32,
        most: f32,
    }
}

/// Largest logarithm of the factor by which a side grows: torchvision's ln(1000 / 16).
pub const MOST_GROWTH: f64 = 4.135_166_556_742_356;

impl BoxCoder {
    /// Records the boxes that deltas make of proposals: the inverse of [`BoxCoder::encode`], with
    /// `dw / ww` and `dh / wh` held to at most ln(1000/16), as torchvision does.
    ///
    /// Shapes: deltas `[A, B, 4]`; proposals the same, or with 1 for A (anchors, the same for every
    /// image) or for B (one proposal, deltas for each class) → boxes by corners like deltas, not
    /// clipped. Has no derivative. Cost: two reads and a write.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn decode(&self, rec: &Recording, deltas: &Tensor, proposals: &Tensor) -> Result<Tensor> {
        let fits = |of: usize, all: usize| of == all || of == 1;
        let (a, b) = match (&deltas.shape[..], &proposals.shape[..]) {
            (&[a, b, 4], &[of_a, of_b, 4]) if fits(of_a, a) && fits(of_b, b) => (of_a, of_b),
            (d, p) => {
                let found = format!("{d:?}, {p:?}");
                let expected = "deltas [A, B, 4] and proposals alike or 1";
                return Err(Error::shape("box_decode", expected, found));
            }
        };
        let y = Tensor::new(rec, &deltas.shape);
        let [wx, wy, ww, wh] = self.weights;
        let p = Params {
            boxes: y.rows() as u32,
            columns: deltas.shape[1] as u32,
            stride_a: if a == 1 { 0 } else { b as u32 },
            stride_b: u32::from(b != 1),
            wx,
            wy,
            ww,
            wh,
            most: MOST_GROWTH as f32,
        };
        let cost = Cost { flops: 40 * y.rows() as u64, trips: 0, shape: format!("{:?}", y.shape) };
        let slices = [&deltas.data, &proposals.data, &y.data];
        rec.launch(&FORWARD, &[], p, &slices, Gpu::grid(y.rows()), cost)?;
        Ok(y)
    }
}
