//! 2-D convolution and its gradients.

mod cases;
mod correlate;
mod kernel;
mod op;
mod parts;
mod reference;
mod way;
mod weight;
mod winograd;

pub use cases::{SIGNATURE, cases, cases_of_matrices, random, run};

pub use op::Conv2d;
pub use way::{VARIANTS, offered};

use super::Op;
use crate::{
    Error, Result,
    gpu::Recording,
    ops::conv2d::{kernel::Pass, way::Way, winograd::Reading},
    tensor::{Format, Tensor},
};

impl Conv2d {
    /// Records y.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn forward(
        &self,
        rec: &Recording,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let ([n, h, width, c], [r, s, w_c, k]) = (x.axes(), w.axes());
        if c.next_multiple_of(4) != w_c {
            let expected = format!("x of w's {w_c} input channels (w: {:?})", w.shape);
            return Err(Error::shape("conv2d", expected, format!("{c} (x: {:?})", x.shape)));
        }
        if x.format != w.format {
            let found = format!("{:?} and {:?}", x.format, w.format);
            return Err(Error::shape("conv2d", "x and w in one format", found));
        }
        let Some([p, q]) = self.output([h, width], [r, s]) else {
            let expected = format!("a kernel within x {:?}", x.shape);
            return Err(Error::shape("conv2d", expected, format!("{:?}", w.shape)));
        };
        let y = Tensor::of(rec, x.format, &[n, p, q, k]);
        let Way { kernel, tiles } = self.way(rec, Pass::Forward, x, w, [n, p, q]);
        rec.op(
            || self.name(Pass::Forward, x, w),
            || match tiles {
                Some(tiles) => {
                    let reading = Reading { first: tiles.first(self), flipped: false };
                    winograd::convolve(rec, &tiles, reading, x, w, bias, &y)
                }
                None => correlate::forward(rec, kernel, self, x, w, bias, &y),
            },
        )?;
        Ok(y)
    }
    /// Records dx, dw and db as far as they are needed.
    ///
    /// # Errors
    /// A request beyond the adapter's limits.
    pub fn backward(
        &self,
        rec: &Recording,
        x: &Tensor,
        w: &Tensor,
        dy: &Tensor,
        needs: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let dx = needs[0].then(|| self.grad_input(rec, x, w, dy)).transpose()?;
        let dw = needs[1].then(|| self.grad_weight(rec, x, w, dy)).transpose()?;
        let db = needs[2].then(|| weight::grad_bias(rec, dy)).transpose()?;
        Ok([dx, dw, db])
    }
    fn grad_input(&self, rec: &Recording, x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let dx = Tensor::of(rec, dy.format, &x.shape);
        let [n, h, width, _] = x.axes();
        let Way { kernel, tiles } = self.way(rec, Pass::GradInput, x, w, [n, h, width]);
        rec.op(
            || self.name(Pass::GradInput, x, w),
            || match tiles {
                Some(tiles) => {
                    let first = tiles.first(self).map(|first| -first - 2);
                    let reading = Reading { first, flipped: true };
                    winograd::convolve(rec, &tiles, reading, dy, w, None, &dx)
                }
                None => correlate::grad_input(rec, kernel, self, w, dy, &dx),
            },
        )?;
        Ok(dx)
    }
    fn grad_weight(&self, rec: &Recording, x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let [n, p, q, _] = dy.axes();
        let Way { kernel, tiles } = self.way(rec, Pass::GradWeight, x, w, [n, p, q]);
        rec.op(
            || self.name(Pass::GradWeight, x, w),
            || match tiles {
                Some(tiles) => winograd::grad_weight(rec, &tiles, tiles.first(self), x, w, dy),
                None => weight::grad_weight(rec, kernel, self, x, w, dy),
            },
        )
    }
    /// What listings call it.
    fn name(&self, pass: Pass, x: &Tensor, w: &Tensor) -> String {
        let ([n, h, width, c], [r, s, _, k]) = (x.axes(), w.axes());
        let pass = pass.name();
        let mut name = format!("conv2d {pass}: {n} × {h} × {width} × {c} → {k}, {r} × {s}");
        if self.stride != [1; 2] {
            name += &format!(", stride {}", self.stride[0]);
        }
        if self.dilation != [1; 2] {
            name += &format!(", dilation {}", self.dilation[0]);
        }
        if x.format == Format::F16 {
            name += ", f16";
        }
        name
    }
}

impl Op<2> for Conv2d {
    /// x and w.
    type Saved = [Tensor; 2];

    fn forward(&self, rec: &Recording, [x, w]: [&Tensor; 2]) -> Result<(Tensor, Self::Saved)> {
        Ok((Conv2d::forward(self, rec, x, w, None)?, [x.clone(), w.clone()]))
    }
    fn backward(
        &self,
        rec: &Recording,
        [x, w]: &Self::Saved,
        dy: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let [dx, dw, _] = Conv2d::backward(self, rec, x, w, dy, [needs[0], needs[1], false])?;
        Ok([dx, dw])
    }
}

/// With a bias.
impl Op<3> for Conv2d {
    /// x and w.
    type Saved = [Tensor; 2];

    fn forward(&self, rec: &Recording, [x, w, b]: [&Tensor; 3]) -> Result<(Tensor, Self::Saved)> {
        Ok((Conv2d::forward(self, rec, x, w, Some(b))?, [x.clone(), w.clone()]))
    }
    fn backward(
        &self,
        rec: &Recording,
        [x, w]: &Self::Saved,
        dy: &Tensor,
        needs: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        Conv2d::backward(self, rec, x, w, dy, needs)
    }
}
