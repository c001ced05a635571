//! Rows and numbers picked by index.

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

const ROWS: Kernel<Rows> = kernel!("gather/rows");
const ELEMENTS: Kernel<Elements> = kernel!("gather/elements");
const CLEAR: Kernel<Clear> = kernel!("gather/clear");
const SCATTER: Kernel<Scatter> = kernel!("gather/scatter");
params! {
    struct Rows { total: u32, rows: u32, length: u32, indices: u32, k: u32, quads: u32 }
}
params! {
    struct Elements { total: u32, numbers: u32, count: u32, channels: u32, indices: u32, k: u32 }
}
params! { struct Clear { quads: u32 } }
params! { struct Scatter { total: u32, length: u32, indices: u32, k: u32, list: u32, quads: u32 } }

/// Rows picked by index: `y[r, j] = x[r, indices[r, j]]`, rows of D numbers; zeros where the index is
/// negative or beyond L.
///
/// Shapes: x `[A, L, D]`, indices `[B, k]` → y `[R, k, D]`, where A and B are R or 1: anchors are one for
/// all images, and so may the indices be. A row taken more than once gets the sum of its gradients, in
/// the order of (r, j). Indices have no derivative. Errs if the shapes do not fit.
/// Cost: one read and one write of y; backwards a write of dx and, for each row
/// taken, a read of all indices that may name the same.
#[derive(Clone, Copy, Debug)]
pub struct Gather;

impl Op<2> for Gather {
    /// The shape of x, and the indices.
    type Saved = (Vec<usize>, Tensor);

    fn forward(
        &self,
        rec: &Recording,
        [x, indices]: [&Tensor; 2],
    ) -> Result<(Tensor, Self::Saved)> {
        let &[a, length, _] = &x.shape[..] else { return Err(misfit(x, indices)) };
        let (rows, k) = common(x, indices)?;
        let y = Tensor::new(rec, &[rows, k, x.channels()]);
        let total = y.rows() * y.quads();
        let p = Rows {
            total: total as u32,
            rows: (a * length) as u32,
            length: length as u32,
            indices: indices.rows() as u32,
            k: k as u32,
            quads: x.quads() as u32,
        };
        let slices = [&x.data, &indices.data, &y.data];
        rec.launch(&ROWS, &[], p, &slices, Gpu::grid(total), cost(x, k, 0))?;
        Ok((y, (x.shape.clone(), indices.clone())))
    }
    fn backward(
        &self,
        rec: &Recording,
        (shape, indices): &Self::Saved,
        dy: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        if !needs[0] {
            return Ok([None, None]);
        }
        let dx = Tensor::new(rec, shape);
        let quads = dx.rows() * dx.quads();
        let p = Clear { quads: quads as u32 };
        rec.launch(&CLEAR, &[], p, &[&dx.data], Gpu::grid(quads), cost(&dx, dy.shape[1], 0))?;
        let total = dy.rows() * dy.quads();
        let list = dy.rows() / shape[0];
        let p = Scatter {
            total: total as u32,
            length: shape[1] as u32,
            indices: indices.rows() as u32,
            k: dy.shape[1] as u32,
            list: list as u32,
            quads: dy.quads() as u32,
        };
        let slices = [&indices.data, &dy.data, &dx.data];
        rec.launch(&SCATTER, &[], p, &slices, Gpu::grid(total), cost(&dx, dy.shape[1], list - 1))?;
        Ok([Some(dx), None])
    }
}

/// Records `y[r, j] = x[r, indices[r, j]]`, single numbers; 0 where the index is negative or beyond a
/// row.
///
/// Shapes: x `[A, …, C]`, indices `[B, k]` → y `[R, k]`, where A and B are R or 1. An index counts a row's
/// numbers through all axes but the first, as those of [`super::top_k::TopK`] do. Has no derivative.
///
/// # Errors
/// Shapes that do not fit, or a request beyond the adapter's limits.
pub fn elements(rec: &Recording, x: &Tensor, indices: &Tensor) -> Result<Tensor> {
    let (rows, k) = common(x, indices)?;
    let y = Tensor::new(rec, &[rows, k]);
    let total = rows * 4 * y.quads();
    let numbers: usize = x.shape.iter().product();
    let p = Elements {
        total: total as u32,
        numbers: numbers as u32,
        count: (numbers / x.shape[0]) as u32,
        channels: x.channels() as u32,
        indices: indices.rows() as u32,
        k: k as u32,
    };
    let slices = [&x.data, &indices.data, &y.data];
    rec.launch(&ELEMENTS, &[], p, &slices, Gpu::grid(total), cost(x, k, 0))?;
    Ok(y)
}

/// Number of rows R, and of indices k.
fn common(x: &Tensor, indices: &Tensor) -> Result<(usize, usize)> {
    let &[b, k] = &indices.shape[..] else { return Err(misfit(x, indices)) };
    let a = x.shape.first().copied().unwrap_or(0);
    let empty = x.shape.iter().chain(&indices.shape).any(|axis| *axis == 0);
    if x.shape.len() < 2 || empty || (a != b && a != 1 && b != 1) {
        return Err(misfit(x, indices));
    }
    Ok((a.max(b), k))
}

fn misfit(x: &Tensor, indices: &Tensor) -> Error {
    let found = format!("{:?} and {:?}", x.shape, indices.shape);
    Error::shape("gather", "x [R or 1, L, D] and indices [R or 1, k]", found)
}

fn cost(x: &Tensor, k: usize, trips: usize) -> Cost {
    Cost { flops: 0, trips: trips as u64, shape: format!("{k} of {:?}", x.shape) }
}
