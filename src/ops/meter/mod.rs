//! Losses summed on the device, so that an ordinary step reads nothing back.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};
use std::mem::offset_of;

const ADD: Kernel<Params> = kernel!("meter/add");
params! { struct Params { losses: u32 } }

/// What a meter tensor `[8]` holds; zeros are a meter that has read nothing.
///
/// The sum is a plain one in f32: it is good to 1e-5 over some hundred steps, after which the host
/// reads it and writes [`Meter::default`] over it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Meter {
    /// Sum of the finite losses.
    pub sum: f32,
    /// Number of the finite losses.
    pub count: u32,
    /// Number of the first step with a loss that is not finite, plus 1; 0 if there is none.
    pub fault: u32,
    /// The last loss, finite or not.
    pub last: f32,
    /// Fills the record up to a tensor `[8]`.
    pub pad: [u32; 4],
}

impl Meter {
    /// Every field's name and byte offset, for the test that compares it with the WGSL struct.
    pub const FIELDS: &'static [(&'static str, usize)] = &[
        ("sum", offset_of!(Self, sum)),
        ("count", offset_of!(Self, count)),
        ("fault", offset_of!(Self, fault)),
        ("last", offset_of!(Self, last)),
        ("pad", offset_of!(Self, pad)),
    ];
}

/// Records that the meter reads these losses, one after another.
///
/// Shapes: loss `[1]`, or `[L]` for several; meter `[8]` in memory of its own; step as
/// `Step::upload` makes it.
///
/// # Errors
/// Shapes that do not fit.
pub fn add(rec: &Recording, loss: &Tensor, meter: &Tensor, step: &Tensor) -> Result<()> {
    if loss.shape.len() != 1 || meter.shape != [size_of::<Meter>() / 4] {
        let found = (&loss.shape, &meter.shape);
        let problem = format!("expected a loss [L] and a meter [8], found {found:?}");
        return Err(Error::shape("meter", problem));
    }
    let losses = loss.channels();
    let cost = Cost { flops: losses as u64, shape: format!("{losses} losses") };
    let slices = [&loss.data, &meter.data, &step.data];
    rec.launch(&ADD, &[], Params { losses: losses as u32 }, &slices, [1, 1, 1], cost)
}
