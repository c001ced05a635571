//! Loss scaling under f16, so that small gradients do not vanish, and large ones are found out.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording, Slice},
    kernel, params,
    tensor::Tensor,
};

const UNSCALE: Kernel<Params> = kernel!("loss_scale/unscale");
const ADJUST: Kernel<Growth> = kernel!("loss_scale/adjust");
params! { struct Params { quads: u32 } }
params! { struct Growth { growth: u32 } }

/// Number of good steps in a row after which the scale is doubled, as torch.amp.GradScaler does by
/// default.
pub const GROWTH: u32 = 2000;

/// Loss scaling: divides gradients by the scale that their loss was multiplied by, and moves the scale, as
/// `torch.amp.GradScaler`.
///
/// ```text
/// g ← g / s;   any g not finite: skip the update, s ← s / 2;   growth good steps in a row: s ← 2 s
/// ```
/// `state` is `[4]`: s, good steps in a row, whether a gradient was not finite, steps skipped (the last three as u32).
/// Cost: one read and one write of the gradients, and a launch of one thread.
#[derive(Clone, Copy, Debug)]
pub struct LossScale {
    /// Number of good steps in a row before the scale is doubled.
    pub growth: u32,
}

impl LossScale {
    /// Records g ← g / s for slices of gradients, in whole vec4.
    ///
    /// # Errors
    /// A slice of another length.
    pub fn unscale(&self, rec: &Recording, gradients: &Slice, state: &Tensor) -> Result<()> {
        if !gradients.bytes.is_multiple_of(16) || state.shape != [4] {
            let found = format!("{} bytes and {:?}", gradients.bytes, state.shape);
            let expected = "gradients in whole vec4 and a state [4]";
            return Err(Error::shape("loss_scale", expected, found));
        }
        for part in gradients.parts(rec.gpu.most_bound()) {
            let quads = part.bytes as usize / 16;
            let p = Params { quads: quads as u32 };
            let cost =
                Cost { flops: 4 * quads as u64, trips: 4, shape: format!("{} floats", 4 * quads) };
            let grid = Gpu::grid(quads.div_ceil(4));
            rec.launch(&UNSCALE, &[], p, &[&part, &state.data], grid, cost)?;
        }
        Ok(())
    }
    /// Records what follows from the gradients of a step: the next scale, and in `step` whether weights move.
    ///
    /// # Errors
    /// A kernel that does not compile.
    pub fn adjust(&self, rec: &Recording, state: &Tensor, step: &Tensor) -> Result<()> {
        let p = Growth { growth: self.growth };
        rec.launch(&ADJUST, &[], p, &[&state.data, &step.data], [1, 1, 1], Cost::default())
    }
}
