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
params! { struct Params { parts: u32 } }

/// Largest number of parts of a loss.
pub const PARTS: usize = 4;

/// Contents of a meter tensor `[8]`; zeros are a meter that has read nothing.
///
/// The sums are plain ones in f32: they are good to 1e-5 over some hundred steps, after which the host
/// reads them and writes [`Meter::default`] over them.
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
    /// Sums of the parts of the finite losses, in the order in which [`add`] takes them.
    pub parts: [f32; PARTS],
}

impl Meter {
    /// Every field's name and byte offset, for the test that compares it with the WGSL struct.
    pub const FIELDS: &'static [(&'static str, usize)] = &[
        ("sum", offset_of!(Self, sum)),
        ("count", offset_of!(Self, count)),
        ("fault", offset_of!(Self, fault)),
        ("last", offset_of!(Self, last)),
        ("parts", offset_of!(Self, parts)),
    ];
}

/// Records that the meter reads a loss, which is the sum of these parts.
///
/// Shapes: one to [`PARTS`] parts `[1]`; meter `[8]` in memory of its own; step as `Step::upload` makes it.
///
/// # Errors
/// Shapes that do not fit, or another number of parts.
pub fn add(rec: &Recording, parts: &[Tensor], meter: &Tensor, step: &Tensor) -> Result<()> {
    let single = parts.iter().all(|part| part.shape == [1]);
    let fit = single && (1..=PARTS).contains(&parts.len());
    if !fit || meter.shape != [size_of::<Meter>() / 4] {
        let found = (parts.iter().map(|part| &part.shape).collect::<Vec<_>>(), &meter.shape);
        let expected = format!("1 to {PARTS} parts [1] and a meter [8]");
        return Err(Error::shape("meter", expected, format!("{found:?}")));
    }
    let count = parts.len();
    let part = |at: usize| &parts[at.min(count - 1)].data;
    let slices = [part(0), part(1), part(2), part(3), &meter.data, &step.data];
    let cost = Cost { flops: 2 * count as u64, trips: 0, shape: format!("a loss of {count}") };
    rec.launch(&ADD, &[], Params { parts: count as u32 }, &slices, [1, 1, 1], cost)
}
