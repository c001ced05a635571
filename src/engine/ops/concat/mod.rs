//! Concatenation of tensors along their channels.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const PART: Kernel<Part> = kernel!("concat/part");
const SLICE: Kernel<Slice> = kernel!("concat/slice");
params! { struct Part { total: u32, reached: u32, x_quads: u32, y_quads: u32, first: u32 } }
params! { struct Slice { total: u32, quads: u32, channels: u32, y_quads: u32, first: u32 } }

/// Concatenation of tensors along their last axis, as `torch.cat` along channels.
///
/// Shapes: x `[…, Cᵢ]`, equal but for the last axis → y `[…, Σ Cᵢ]`; any number of inputs, any
/// channels. The gradient of an input is its slice of dy. Errs if the other axes differ.
/// Cost: one launch an input, one read and one write of each.
#[derive(Clone, Copy, Debug)]
pub struct Concat;

impl<const N: usize> Op<N> for Concat {
    /// The inputs' shapes.
    type Saved = [Vec<usize>; N];

    fn forward(&self, rec: &Recording, x: [&Tensor; N]) -> Result<(Tensor, Self::Saved)> {
        let shapes = x.map(|x| x.shape.clone());
        let others = |shape: &[usize]| shape[..shape.len() - 1].to_vec();
        let empty = shapes.iter().any(|s| s.is_empty() || s.contains(&0));
        if N == 0 || empty || shapes.iter().any(|s| others(s) != others(&shapes[0])) {
            let found = format!("x {shapes:?}");
            return Err(Error::shape("concat", "axes that are equal but for the last", found));
        }
        let mut shape = others(&shapes[0]);
        shape.push(x.iter().map(|x| x.channels()).sum());
        let y = Tensor::new(rec, &shape);
        let mut first = 0;
        for x in x {
            let shift = first % 4;
            let reached = (shift + x.channels()).div_ceil(4);
            let p = Part {
                total: (x.rows() * reached) as u32,
                reached: reached as u32,
                x_quads: x.quads() as u32,
                y_quads: y.quads() as u32,
                first: (first / 4) as u32,
            };
            let cost =
                Cost { flops: 0, trips: 0, shape: format!("{:?} to {:?}", x.shape, y.shape) };
            let (constants, grid) = ([("SHIFT", shift as u32)], Gpu::grid(x.rows() * reached));
            rec.launch(&PART, &constants, p, &[&x.data, &y.data], grid, cost)?;
            first += x.channels();
        }
        Ok((y, shapes))
    }
    fn backward(
        &self,
        rec: &Recording,
        shapes: &Self::Saved,
        dy: &Tensor,
        needs: [bool; N],
    ) -> Result<[Option<Tensor>; N]> {
        let mut dx = [const { None }; N];
        let mut first = 0;
        for (i, shape) in shapes.iter().enumerate() {
            if needs[i] {
                let to = Tensor::new(rec, shape);
                let total = to.rows() * to.quads();
                let p = Slice {
                    total: total as u32,
                    quads: to.quads() as u32,
                    channels: to.channels() as u32,
                    y_quads: dy.quads() as u32,
                    first: (first / 4) as u32,
                };
                let cost =
                    Cost { flops: 0, trips: 0, shape: format!("{:?} of {:?}", shape, dy.shape) };
                let constants = [("SHIFT", (first % 4) as u32)];
                let slices = [&dy.data, &to.data];
                rec.launch(&SLICE, &constants, p, &slices, Gpu::grid(total), cost)?;
                dx[i] = Some(to);
            }
            first += shape[shape.len() - 1];
        }
        Ok(dx)
    }
}
