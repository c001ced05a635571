//! 2-D convolution and its gradients.

mod cases;
mod correlate;
mod reference;
mod way;
mod weight;
mod winograd;

pub use cases::{SIGNATURE, cases, random, run};

pub use way::{VARIANTS, offered};

use super::Op;
use crate::{
    Error, Result,
    gpu::Recording,
    ops::conv2d::{
        way::{Pass, Way},
        winograd::Reading,
    },
    tensor::{Format, Tensor},
};

/// 2-D convolution, as `torch.nn.functional.conv2d` (groups 1).
///
/// ```text
/// y[n,p,q,k] = b[k] + Σ r,s,c  x[n, p·stride + r·dilation − padding, q·stride + s·dilation − padding, c] · w[r,s,c,k]
/// ```
/// Shapes: x `[N, H, W, C]`, w `[R, S, C⌈4⌉, K]` of one format, b `[K]` → y `[N, P, Q, K]` of theirs, dw and db of f32, with
/// `P = (H + 2·padding − dilation·(R − 1) − 1) / stride + 1`; pairs are (height, width), in pixels.
/// Errs if the channels of x and w differ or if P or Q would be 0.
/// Cost: 2·N·P·Q·K·R·S·C flop each for y, dx and dw.
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    /// Pixels between outputs.
    pub stride: [usize; 2],
    /// Zeros around the image.
    pub padding: [usize; 2],
    /// Pixels between taps.
    pub dilation: [usize; 2],
}

impl Conv2d {
    /// Stride and padding of a square kernel, no dilation.
    pub fn new(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 2], padding: [padding; 2], dilation: [1; 2] }
    }
    /// `[P, Q]` of an image `[H, W]` under a kernel `[R, S]`; `None` where one would be 0.
    pub fn output(&self, image: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        let mut out = [0; 2];
        for i in 0..2 {
            let reach = self.dilation[i] * (kernel[i] - 1) + 1;
            out[i] = (image[i] + 2 * self.padding[i]).checked_sub(reach)? / self.stride[i] + 1;
        }
        Some(out)
    }
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
            let problem = format!(
                "w expects {w_c} input channels, x has {c} (x: {:?}, w: {:?})",
                x.shape, w.shape
            );
            return Err(Error::shape("conv2d", problem));
        }
        if x.format != w.format {
            let problem =
                format!("expected x and w in one format, found {:?} and {:?}", x.format, w.format);
            return Err(Error::shape("conv2d", problem));
        }
        let Some([p, q]) = self.output([h, width], [r, s]) else {
            let problem = format!("expected a kernel within x {:?}, found {:?}", x.shape, w.shape);
            return Err(Error::shape("conv2d", problem));
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
