//! Exponential moving average of weights: MoCo's key encoder, and what a visit of multitask learning may hand on.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording, Slice},
    kernel, params,
};

const STEP: Kernel<Params> = kernel!("ema/step");
params! { struct Params { quads: u32, rest: f32 } }

/// The momentum update of MoCo's key encoder. He et al. 2020, eq. 2; MTPret's eq. 3.
///
/// ```text
/// k ← m k + (1 − m) q
/// ```
/// Where k equals q it stays so, bit for bit.
#[derive(Clone, Copy, Debug)]
pub struct Ema {
    /// The momentum m, from 0 to 1.
    pub momentum: f32,
}

impl Ema {
    /// Records one update of the slow weights `k` from the weights `q`.
    ///
    /// Shapes: slices of one length, a multiple of four floats, in buffers of their own. Cost: two
    /// reads and one write.
    ///
    /// # Errors
    /// Lengths that differ, or more than the adapter binds at once.
    pub fn step(&self, rec: &Recording, k: &Slice, q: &Slice) -> Result<()> {
        if !k.bytes.is_multiple_of(16) || k.bytes != q.bytes {
            let lengths = [k.bytes, q.bytes];
            let found = format!("{lengths:?} bytes");
            return Err(Error::shape("ema", "one length in whole vec4", found));
        }
        // More than the adapter binds at once is averaged in several launches.
        let most = rec.gpu.most_bound();
        k.parts(most).zip(q.parts(most)).try_for_each(|(k, q)| {
            let quads = k.bytes as usize / 16;
            let p = Params { quads: quads as u32, rest: 1.0 - self.momentum };
            let cost =
                Cost { flops: 12 * quads as u64, trips: 4, shape: format!("{} floats", 4 * quads) };
            rec.launch(&STEP, &[], p, &[&k, &q], Gpu::grid(quads.div_ceil(4)), cost)
        })
    }
}
