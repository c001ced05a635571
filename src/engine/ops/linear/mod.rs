//! Fully connected layer: a 1 × 1 convolution of images of one pixel, on conv2d's kernels.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::{Op, conv2d::Conv2d};
use crate::{Error, Result, gpu::Recording, tensor::Tensor};

/// `y = x · w + b`, as `torch.nn.functional.linear` with w transposed.
///
/// Shapes: x `[N, I]`, w `[1, 1, I⌈4⌉, O]`, b `[O]` → y `[N, O]`. Errs if I differs.
/// Cost: 2·N·I·O flop each for y, dx and dw.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

/// A table of rows as images of one pixel.
fn pixels(rows: &Tensor) -> Tensor {
    rows.reshape(&[rows.rows(), 1, 1, rows.channels()])
}

/// Images of one pixel as a table of rows.
fn table(image: &Tensor) -> Tensor {
    image.reshape(&[image.rows(), image.channels()])
}

/// Name of a pass in listings.
fn name(pass: &str, x: &Tensor, w: &Tensor) -> String {
    format!("linear {pass}: {} × {} → {}", x.rows(), x.channels(), w.channels())
}

impl Op<3> for Linear {
    /// The input x as an image, and w.
    type Saved = [Tensor; 2];

    fn forward(&self, rec: &Recording, [x, w, b]: [&Tensor; 3]) -> Result<(Tensor, Self::Saved)> {
        let [_, _, i, o] = w.axes();
        if x.shape.len() != 2 || x.channels().next_multiple_of(4) != i || b.shape != [o] {
            let expected =
                format!("x [N, {} to {i}] and b [{o}] for w [{i}, {o}]", i.saturating_sub(3));
            let found = format!("x {:?} and b {:?}", x.shape, b.shape);
            return Err(Error::shape("linear", expected, found));
        }
        let x = pixels(x);
        let name = || name("forward", &x, w);
        let y = rec.op(name, || Conv2d::new(1, 0).forward(rec, &x, w, Some(b)))?;
        Ok((table(&y), [x, w.clone()]))
    }
    fn backward(
        &self,
        rec: &Recording,
        [x, w]: &Self::Saved,
        dy: &Tensor,
        needs: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let dy = &pixels(dy);
        let name = || name("backward", x, w);
        let [dx, dw, db] = rec.op(name, || Conv2d::new(1, 0).backward(rec, x, w, dy, needs))?;
        Ok([dx.as_ref().map(table), dw, db])
    }
}
