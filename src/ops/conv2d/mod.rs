//! 2-D convolution and its gradients.

mod cases;
mod correlate;
mod reference;
mod weight;
mod winograd;

pub use cases::{SIGNATURE, cases, random, run};

use self::winograd::{Reading, Tiles};
use super::Op;
use crate::{Error, Result, gpu::Recording, tensor::Tensor};

/// Kernels of this op, the plain one first.
pub const VARIANTS: &[&str] = &["plain", "subgroup", "shared", "winograd"];

/// 2-D convolution, as `torch.nn.functional.conv2d` (groups 1).
///
/// ```text
/// y[n,p,q,k] = b[k] + Σ r,s,c  x[n, p·stride + r·dilation − padding, q·stride + s·dilation − padding, c] · w[r,s,c,k]
/// ```
/// Shapes: x `[N, H, W, C]`, w `[R, S, C⌈4⌉, K]`, b `[K]` → y `[N, P, Q, K]` with
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
        let Some([p, q]) = self.output([h, width], [r, s]) else {
            let problem = format!("the kernel does not fit (x: {:?}, w: {:?})", x.shape, w.shape);
            return Err(Error::shape("conv2d", problem));
        };
        let y = Tensor::new(rec, &[n, p, q, k]);
        let first = self.padding.map(|padding| -(padding as isize));
        let reading = Reading { first, flipped: false };
        rec.op(
            || self.name("forward", x, w),
            || match self.tiles(rec, w, &y) {
                Some(tiles) => winograd::convolve(rec, &tiles, reading, x, w, bias, &y),
                None => correlate::forward(rec, self, x, w, bias, &y),
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
        let dx = Tensor::new(rec, &x.shape);
        let first = self.padding.map(|padding| padding as isize - 2);
        let reading = Reading { first, flipped: true };
        rec.op(
            || self.name("input gradient", x, w),
            || match self.tiles(rec, w, x) {
                Some(tiles) => winograd::convolve(rec, &tiles, reading, dy, w, None, &dx),
                None => correlate::grad_input(rec, self, w, dy, &dx),
            },
        )?;
        Ok(dx)
    }
    fn grad_weight(&self, rec: &Recording, x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let first = self.padding.map(|padding| -(padding as isize));
        rec.op(
            || self.name("weight gradient", x, w),
            || match self.tiles(rec, w, dy) {
                Some(tiles) => winograd::grad_weight(rec, &tiles, first, x, w, dy),
                None => weight::grad_weight(rec, self, x, w, dy),
            },
        )
    }
    /// What listings call it.
    fn name(&self, pass: &str, x: &Tensor, w: &Tensor) -> String {
        let ([n, h, width, c], [r, s, _, k]) = (x.axes(), w.axes());
        let mut name = format!("conv2d {pass}: {n} × {h} × {width} × {c} → {k}, {r} × {s}");
        if self.stride != [1; 2] {
            name += &format!(", stride {}", self.stride[0]);
        }
        if self.dilation != [1; 2] {
            name += &format!(", dilation {}", self.dilation[0]);
        }
        name
    }
    /// The tiles of `outputs` for Winograd's convolution, if it applies and shall be used.
    fn tiles(&self, rec: &Recording, w: &Tensor, outputs: &Tensor) -> Option<Tiles> {
        let [r, s, c, k] = w.axes();
        let [n, p, q, _] = outputs.axes();
        let applies = [r, s] == [3; 2] && self.stride == [1; 2] && self.dilation == [1; 2];
        let (tiles, cost) = Tiles::of([n, p, q], c, k);
        let fits = tiles.bytes(c, k) <= rec.gpu.caps().limits.max_storage_buffer_binding_size;
        let direct = 9 * (n * p * q).next_multiple_of(16) * c * k;
        let shall = match rec.variant.as_deref() {
            Some("winograd") => true,
            Some(variant) if VARIANTS.contains(&variant) => false,
            _ => rec.gpu.caps().software && cost < direct,
        };
        (applies && fits && shall && kernel(rec) == "subgroup").then_some(tiles)
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

/// Which kernel multiplies: the one asked for, or the one that measured best on this kind of adapter.
fn kernel(rec: &Recording) -> &'static str {
    let caps = rec.gpu.caps();
    let subgroups = caps.subgroup.is_some_and(|lanes| lanes >= 8);
    let asked = rec.variant.as_deref().and_then(|v| VARIANTS.iter().find(|known| **known == v));
    match asked {
        Some(&"subgroup" | &"winograd") => {
            if subgroups {
                "subgroup"
            } else {
                "plain"
            }
        }
        Some(variant) => variant,
        None if caps.software && subgroups => "subgroup",
        None if caps.software => "plain",
        None => "shared",
    }
}
