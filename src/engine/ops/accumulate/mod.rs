//! Sums of micro-batches' gradients.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording, Slice},
    kernel, params,
};

const ADD: Kernel<Params> = kernel!("accumulate/add");
const SET: Kernel<Params> = kernel!("accumulate/set");
params! { struct Params { quads: u32, scale: f32 } }

/// Adds up the gradients of a batch that is cut into micro-batches: `set` for the first, `add` for
/// the others.
///
/// Shapes: slices of one length, a multiple of four floats, in buffers of their own. What goes beyond one binding takes
/// several launches.
#[derive(Clone, Copy, Debug)]
pub struct Accumulate {
    /// The share of one micro-batch in the sum.
    pub scale: f32,
}

impl Accumulate {
    /// Records `y ← y + scale · x`. Cost: two reads and one write.
    ///
    /// # Errors
    /// Lengths that differ.
    pub fn add(&self, rec: &Recording, x: &Slice, y: &Slice) -> Result<()> {
        self.launch(rec, &ADD, x, y)
    }
    /// Records `y ← scale · x`, whatever y held. Cost: one read and one write.
    ///
    /// # Errors
    /// As [`Accumulate::add`].
    pub fn set(&self, rec: &Recording, x: &Slice, y: &Slice) -> Result<()> {
        self.launch(rec, &SET, x, y)
    }
    fn launch(&self, rec: &Recording, kernel: &Kernel<Params>, x: &Slice, y: &Slice) -> Result<()> {
        if !x.bytes.is_multiple_of(16) || x.bytes != y.bytes {
            let lengths = [x.bytes, y.bytes];
            let found = format!("{lengths:?} bytes");
            return Err(Error::shape("accumulate", "one length in whole vec4", found));
        }
        let most = rec.gpu.most_bound();
        for (x, y) in x.parts(most).zip(y.parts(most)) {
            let quads = x.bytes as usize / 16;
            let p = Params { quads: quads as u32, scale: self.scale };
            let cost =
                Cost { flops: 8 * quads as u64, trips: 4, shape: format!("{} floats", 4 * quads) };
            rec.launch(kernel, &[], p, &[&x, &y], Gpu::grid(quads.div_ceil(4)), cost)?;
        }
        Ok(())
    }
}
