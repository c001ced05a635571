//! The largest numbers of every row, and where they are.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{self, Cost, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const SHORT: Kernel<Row> = kernel!("top_k/short");
const SELECT: Kernel<Row> = kernel!("top_k/select");
const SORT: Kernel<Sort> = kernel!("top_k/sort");
params! { struct Row { rows: u32, count: u32, channels: u32, quads: u32, k: u32 } }
params! { struct Sort { rows: u32, k: u32 } }

/// The value that stands for "no candidate": the lowest number that f32 has.
pub const LOWEST: f32 = f32::MIN;

/// Number of pairs that a workgroup sorts at once: what 16 KiB hold.
const MOST: usize = 2048;

/// Selection of the k largest numbers of every row, falling, of equal ones the first one first, as
/// a stable `torch.topk`.
///
/// Shapes: x `[R, …, C]` → values `[R, k]` and indices `[R, k]`. An index counts a row's numbers
/// through all axes but the first, so that of `[N, H, W, A]` it is (h·W + w)·A + a. [`LOWEST`] and −∞
/// are no candidates; where a row has fewer than k, the rest is [`LOWEST`] with index −1. −0 equals 0;
/// NaN is above everything, so that it is seen. Has no derivative.
///
/// Cost: rows of up to 2048 are sorted in one launch. Longer ones take two: a workgroup a row finds the
/// k-th largest number digit by digit in five reads of the row, another sorts what is above it.
#[derive(Clone, Copy, Debug)]
pub struct TopK {
    /// Number of values selected, at most 2048.
    pub k: usize,
}

impl TopK {
    /// Records the values and the indices.
    ///
    /// # Errors
    /// Shapes that do not fit, k of 0 or beyond 2048, or rows that f32 cannot count.
    pub fn forward(&self, rec: &Recording, x: &Tensor) -> Result<[Tensor; 2]> {
        let (k, rows) = (self.k, x.shape.first().copied().unwrap_or(0));
        let count: usize = x.shape.iter().skip(1).product();
        let fits = x.shape.len() > 1 && rows * count > 0 && count < 1 << 24;
        if !fits || !(1..=MOST).contains(&k) {
            let expected =
                format!("x [R, …] with rows of 1 to 2^24 numbers and k from 1 to {MOST}");
            return Err(Error::shape("top_k", expected, format!("{:?} and k = {k}", x.shape)));
        }
        let out = [Tensor::new(rec, &[rows, k]), Tensor::new(rec, &[rows, k])];
        let p = Row {
            rows: rows as u32,
            count: count as u32,
            channels: x.channels() as u32,
            quads: x.quads() as u32,
            k: k as u32,
        };
        let cost = |trips: usize| Cost {
            flops: 0,
            trips: trips as u64,
            shape: format!("{k} of {:?}", x.shape),
        };
        let sorting = k.next_multiple_of(4).div_ceil(256);
        let grid = gpu::fold(rows);
        let [values, indices] = &out;
        if count <= MOST {
            let constants = [("WIDTH", count.max(k).next_power_of_two() as u32)];
            let slices = [&x.data, &values.data, &indices.data];
            rec.launch(&SHORT, &constants, p, &slices, grid, cost(sorting))?;
        } else {
            let width = k.next_power_of_two();
            let constants = [("WIDTH", width as u32)];
            let candidates = rec.transient(8 * (rows * width) as u64);
            let length = count / x.channels() * x.quads();
            let selecting = 3 * length.div_ceil(1024) + 2 * length.div_ceil(256).div_ceil(4);
            rec.launch(&SELECT, &constants, p, &[&x.data, &candidates], grid, cost(selecting))?;
            let p = Sort { rows: rows as u32, k: k as u32 };
            let slices = [&candidates, &values.data, &indices.data];
            rec.launch(&SORT, &constants, p, &slices, grid, cost(sorting))?;
        }
        Ok(out)
    }
}
