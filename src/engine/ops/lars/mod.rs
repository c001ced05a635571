//! Layer-wise adaptive rate scaling.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{self, Cost, Gpu, Kernel, Recording, Slice},
    kernel, params,
    tensor::Tensor,
};
use std::ops::Range;

const NORMS: Kernel<Norms> = kernel!("lars/norms");
const RATES: Kernel<Rates> = kernel!("lars/rates");
const STEP: Kernel<Step> = kernel!("lars/step");
params! { struct Norms { stretches: u32 } }
params! { struct Rates { tensors: u32, decay: f32, trust: f32, eps: f32 } }
params! { struct Step { stretches: u32, momentum: f32 } }

/// Number of vec4s that one workgroup sums and updates: 64 a thread.
const STRETCH: u64 = 16_384;

/// A step of LARS (You et al. 2017) as SimCLR uses it and as Lightning Flash's optimiser takes it.
///
/// ```text
/// r = η |w| / (|g| + λ |w| + ε),   v ← μ v + r (g + λ w),   w ← w − lr · v
/// ```
/// with a trust ratio r for each tensor; where w or g is all zero, r = 1 and there is no decay. lr is that
/// of the step's record (`Step::lr`). Biases and batch norm are excluded: they take [`super::sgd::Sgd`]
/// without decay.
#[derive(Clone, Copy, Debug)]
pub struct Lars {
    /// Momentum μ: how much of the last update goes on.
    pub momentum: f32,
    /// Weight decay λ.
    pub decay: f32,
    /// Trust coefficient η, 0.001 by default.
    pub trust: f32,
    /// Number ε beside the norms, 1e-8 by default.
    pub eps: f32,
}

/// Places of the tensors of a slice: what the norms of each are summed over.
pub struct Tensors {
    stretches: Slice,
    tensors: Slice,
    /// Number of stretches of the tensor that has most.
    longest: u64,
    bytes: u64,
}

impl Tensors {
    /// Uploads the tables of places for tensors at these ranges of bytes of a slice.
    ///
    /// # Errors
    /// Ranges that are empty or no whole vec4s, none at all, or too little device memory.
    pub fn new(gpu: &Gpu, ranges: &[Range<u64>]) -> Result<Self> {
        let whole = |r: &Range<u64>| {
            r.start < r.end && [r.start, r.end].iter().all(|b| b.is_multiple_of(16))
        };
        if ranges.is_empty() || !ranges.iter().all(whole) {
            return Err(Error::shape("lars", "ranges of whole vec4s", format!("{ranges:?}")));
        }
        let (mut stretches, mut tensors, mut longest) = (Vec::new(), Vec::new(), 0);
        for (tensor, range) in ranges.iter().enumerate() {
            let first = stretches.len();
            let (mut at, end) = (range.start / 16, range.end / 16);
            while at < end {
                let quads = (end - at).min(STRETCH);
                stretches.push([at as u32, quads as u32, tensor as u32, 0]);
                at += quads;
            }
            let count = stretches.len() - first;
            longest = longest.max(count as u64);
            tensors.push([first as u32, count as u32, 0, 0]);
        }
        let table = |rows: &[[u32; 4]]| {
            let slice = gpu.alloc(16 * rows.len() as u64)?;
            gpu.write(&slice, bytemuck::cast_slice(rows));
            Ok::<_, Error>(slice)
        };
        let bytes = ranges.iter().map(|r| r.end).max().unwrap_or(0);
        Ok(Self { stretches: table(&stretches)?, tensors: table(&tensors)?, longest, bytes })
    }
}

impl Lars {
    /// Records one update of the weights `w` and their momentum `v` from the gradient `g`.
    ///
    /// Shapes: slices of one length, in buffers of their own, that hold the tensors; what lies between
    /// them is left alone. Norms are summed in a fixed order. Cost: three launches; five reads and two
    /// writes.
    ///
    /// # Errors
    /// Lengths that differ or do not hold the tensors, or more than the adapter binds at once.
    pub fn step(
        &self,
        rec: &Recording,
        [w, g, v]: [&Slice; 3],
        tensors: &Tensors,
        step: &Tensor,
    ) -> Result<()> {
        let lengths = [w, g, v].map(|s| s.bytes);
        if lengths != [w.bytes; 3] || w.bytes < tensors.bytes {
            let expected = format!("one length of at least {} bytes", tensors.bytes);
            return Err(Error::shape("lars", expected, format!("{lengths:?}")));
        }
        let [stretches, count] = [&tensors.stretches, &tensors.tensors].map(|s| s.bytes / 16);
        let partials = rec.transient(tensors.stretches.bytes);
        let rates = rec.transient(tensors.tensors.bytes);
        let cost = |per_float: u64, trips: u64| Cost {
            flops: per_float * w.bytes / 4,
            trips,
            shape: format!("{} floats in {count} tensors", w.bytes / 4),
        };
        let grid = gpu::fold(stretches as usize);
        let p = Norms { stretches: stretches as u32 };
        rec.launch(
            &NORMS,
            &[],
            p,
            &[w, g, &tensors.stretches, &partials],
            grid,
            cost(4, STRETCH / 256),
        )?;
        let p =
            Rates { tensors: count as u32, decay: self.decay, trust: self.trust, eps: self.eps };
        let slices = [&partials, &tensors.tensors, &rates];
        rec.launch(&RATES, &[], p, &slices, Gpu::grid(count as usize), cost(0, tensors.longest))?;
        let p = Step { stretches: stretches as u32, momentum: self.momentum };
        let slices = [w, g, v, &tensors.stretches, &rates, &step.data];
        rec.launch(&STEP, &[], p, &slices, grid, cost(7, STRETCH / 256))
    }
}
