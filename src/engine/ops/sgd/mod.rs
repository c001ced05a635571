//! Stochastic gradient descent with momentum, weight decay and L²-SP in one launch.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording, Slice},
    kernel, params,
    tensor::Tensor,
};

const STEP: Kernel<Params> = kernel!("sgd/step");
const ANCHORED: Kernel<Params> = kernel!("sgd/anchored");
params! { struct Params { quads: u32, momentum: f32, decay: f32, alpha: f32 } }

/// A step of `torch.optim.SGD`, with the pull of L²-SP (Li et al. 2018, MTPret's eq. 5) beside the
/// weight decay.
///
/// ```text
/// v ← μ v + g + λ w + α (w − w⁰),   w ← w − lr · v
/// ```
/// lr is that of the step's record (`Step::lr`). L²-SP's β on a head is the decay λ there.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Momentum μ: how much of the last update goes on.
    pub momentum: f32,
    /// Weight decay λ.
    pub decay: f32,
    /// Pull α toward the anchor w⁰; unused where there is none.
    pub alpha: f32,
}

impl Sgd {
    /// Records one update of the weights `w` and their momentum `v` from the gradient `g`.
    ///
    /// Shapes: slices of one length, a multiple of four floats, in buffers of their own. Without an
    /// anchor, or with α = 0, no anchor is read. Cost: three reads (four) and two writes.
    ///
    /// # Errors
    /// Lengths that differ, or more than the adapter binds at once.
    pub fn step(
        &self,
        rec: &Recording,
        w: &Slice,
        g: &Slice,
        v: &Slice,
        anchor: Option<&Slice>,
        step: &Tensor,
    ) -> Result<()> {
        let lengths = [Some(w), Some(g), Some(v), anchor].map(|s| s.map_or(w.bytes, |s| s.bytes));
        if !w.bytes.is_multiple_of(16) || lengths != [w.bytes; 4] {
            let found = format!("{lengths:?} bytes");
            return Err(Error::shape("sgd", "one length in whole vec4", found));
        }
        let quads = w.bytes as usize / 16;
        let p = Params {
            quads: quads as u32,
            momentum: self.momentum,
            decay: self.decay,
            alpha: self.alpha,
        };
        let cost =
            Cost { flops: 32 * quads as u64, trips: 4, shape: format!("{} floats", 4 * quads) };
        let grid = Gpu::grid(quads.div_ceil(4));
        match anchor.filter(|_| self.alpha != 0.0) {
            Some(anchor) => {
                rec.launch(&ANCHORED, &[], p, &[w, g, v, anchor, &step.data], grid, cost)
            }
            None => rec.launch(&STEP, &[], p, &[w, g, v, &step.data], grid, cost),
        }
    }
}
