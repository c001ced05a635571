//! Box encoding: boxes relative to a proposal, as a detector learns them.

pub(super) mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("box_encode/forward");
params! { struct Params { boxes: u32, wx: f32, wy: f32, ww: f32, wh: f32 } }

/// torchvision's `BoxCoder`: a box as deltas from a proposal (Girshick et al. 2014).
///
/// ```text
/// dx = wx (cx' − cx) / w,   dw = ww log(w' / w)          and so for y and height
/// ```
/// where (cx, cy, w, h) are centre and sides of the proposal and (') of the box. The inverse is
/// `BoxCoder::decode`. Neither has a derivative.
#[derive(Clone, Copy, Debug)]
pub struct BoxCoder {
    /// Weights wx, wy, ww, wh: ones for proposals, 10 10 5 5 for the box head.
    pub weights: [f32; 4],
}

impl BoxCoder {
    /// Records the deltas of reference boxes from proposals.
    ///
    /// Shapes: both `[…, 4]`, by corners x1 y1 x2 y2; the result like them. A box without width or
    /// height has no finite deltas: such boxes are not to be learned. Cost: two reads and a write.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn encode(
        &self,
        rec: &Recording,
        references: &Tensor,
        proposals: &Tensor,
    ) -> Result<Tensor> {
        if references.shape != proposals.shape || references.channels() != 4 {
            let found = format!("{:?} and {:?}", references.shape, proposals.shape);
            return Err(Error::shape("box_encode", "references and proposals […, 4]", found));
        }
        let y = Tensor::new(rec, &references.shape);
        let [wx, wy, ww, wh] = self.weights;
        let p = Params { boxes: y.rows() as u32, wx, wy, ww, wh };
        let cost = Cost { flops: 40 * y.rows() as u64, trips: 0, shape: format!("{:?}", y.shape) };
        let slices = [&references.data, &proposals.data, &y.data];
        rec.launch(&FORWARD, &[], p, &slices, Gpu::grid(y.rows()), cost)?;
        Ok(y)
    }
}
