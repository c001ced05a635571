//! Resizing of images by bilinear or nearest interpolation.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording, Slice},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("resize/forward");
const BACKWARD: Kernel<Params> = kernel!("resize/backward");
params! {
    struct Params {
        total: u32, quads: u32, height: u32, width: u32, out_height: u32, out_width: u32,
        step_h: i32, first_h: i32, whole_h: i32, step_w: i32, first_w: i32, whole_w: i32,
    }
}

/// Interpolation between pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Mean of the four pixels around, weighted by the area that each is near to.
    Bilinear {
        /// Whether the centres of the corner pixels keep their places; else the corners of the
        /// image do.
        align_corners: bool,
    },
    /// The pixel ⌊p·H/P⌋.
    Nearest,
}

/// Resizing of images, as `torch.nn.functional.interpolate` (no antialiasing).
///
/// ```text
/// y[n,p,q,c] = x at (h, w)     h = max(0, (p + ½)·H/P − ½), or p·(H − 1)/(P − 1) with aligned corners
/// ```
/// Shapes: x `[N, H, W, C]` → y `[N, P, Q, C]`; size is `[P, Q]` in pixels. Places are exact
/// fractions, so nearest differs from PyTorch where PyTorch rounds p·H/P in f32. An image of one
/// pixel is broadcast. Errs if a size is 0 or beyond 16 384. Cost: four reads of x (nearest: one)
/// an element of y; backwards each element of dy is read four times, or once.
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    /// Height P and width Q of the output.
    pub size: [usize; 2],
    /// Interpolation between pixels.
    pub mode: Interpolation,
}

/// The longest axis: twice its square, the places' common denominator, fits into 31 bits.
const LONGEST: usize = 16_384;
/// Number of outputs that a thread of the gradient gathers at most along both axes in one launch.
const AT_ONCE: usize = 64;

impl Resize {
    /// Step, first and whole of an axis: output p lies at (step·p + first) / whole pixels.
    fn places(&self, pixels: usize, outputs: usize) -> [i32; 3] {
        let (pixels, outputs) = (pixels as i32, outputs as i32);
        match self.mode {
            Interpolation::Bilinear { align_corners: false } => {
                [2 * pixels, pixels - outputs, 2 * outputs]
            }
            Interpolation::Bilinear { align_corners: true } if outputs == 1 => [0, 0, 1],
            Interpolation::Bilinear { align_corners: true } => [pixels - 1, 0, outputs - 1],
            Interpolation::Nearest => [pixels, 0, outputs],
        }
    }
    /// Largest number of outputs along an axis in which one pixel has a share.
    fn outputs_of_pixel(&self, pixels: usize, outputs: usize) -> usize {
        let [step, _, whole] = self.places(pixels, outputs).map(|v| v.max(0) as usize);
        let reach = if self.mode == Interpolation::Nearest { whole } else { 2 * whole };
        if step == 0 { outputs } else { reach.div_ceil(step).min(outputs) }
    }
    /// Whether images of this size can be resized.
    fn fits(&self, image: [usize; 2]) -> bool {
        image.iter().chain(&self.size).all(|s| (1..=LONGEST).contains(s))
    }
    fn launch(
        &self,
        rec: &Recording,
        kernel: &Kernel<Params>,
        [x, y]: [[usize; 4]; 2],
        slices: [&Slice; 2],
        to: &Tensor,
        trips: usize,
    ) -> Result<()> {
        let [step_h, first_h, whole_h] = self.places(x[1], y[1]);
        let [step_w, first_w, whole_w] = self.places(x[2], y[2]);
        let threads = to.rows() * to.quads();
        let p = Params {
            total: threads as u32,
            quads: to.quads() as u32,
            height: x[1] as u32,
            width: x[2] as u32,
            out_height: y[1] as u32,
            out_width: y[2] as u32,
            step_h,
            first_h,
            whole_h,
            step_w,
            first_w,
            whole_w,
        };
        let linear = u32::from(self.mode != Interpolation::Nearest);
        let flops = 8 * y.iter().product::<usize>() as u64 * u64::from(linear);
        let trips = trips as u64;
        let cost = Cost { flops, trips, shape: format!("{x:?} to {y:?}") };
        rec.launch(kernel, &[("LINEAR", linear)], p, &slices, Gpu::grid(threads), cost)
    }
}

impl Op<1> for Resize {
    /// The axes of x.
    type Saved = [usize; 4];

    fn forward(&self, rec: &Recording, [x]: [&Tensor; 1]) -> Result<(Tensor, [usize; 4])> {
        let image @ [n, h, w, c] = x.axes();
        if !self.fits([h, w]) {
            let found = format!("x {:?}, {self:?}", x.shape);
            return Err(Error::shape("resize", format!("sizes from 1 to {LONGEST}"), found));
        }
        let y = Tensor::new(rec, &[n, self.size[0], self.size[1], c]);
        self.launch(rec, &FORWARD, [image, y.axes()], [&x.data, &y.data], &y, 0)?;
        Ok((y, image))
    }
    fn backward(
        &self,
        rec: &Recording,
        image: &[usize; 4],
        dy: &Tensor,
        needs: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        if !needs[0] {
            return Ok([None]);
        }
        let dx = Tensor::new(rec, image);
        let ([n, h, w, c], [_, p, q, _]) = (*image, dy.axes());
        let trips = |[h, w]: [usize; 2], [p, q]: [usize; 2]| {
            self.outputs_of_pixel(h, p) * (1 + self.outputs_of_pixel(w, q))
        };
        let both = trips([h, w], [p, q]);
        if both <= AT_ONCE {
            self.launch(rec, &BACKWARD, [*image, dy.axes()], [&dy.data, &dx.data], &dx, both)?;
            return Ok([Some(dx)]);
        }
        // Shares are products of one along each axis, and so are their sums.
        let rows = Tensor::new(rec, &[n, p, w, c]);
        let (axes, slices) = ([rows.axes(), dy.axes()], [&dy.data, &rows.data]);
        self.launch(rec, &BACKWARD, axes, slices, &rows, trips([p, w], [p, q]))?;
        let (axes, slices) = ([*image, rows.axes()], [&rows.data, &dx.data]);
        self.launch(rec, &BACKWARD, axes, slices, &dx, trips([h, w], [p, w]))?;
        Ok([Some(dx)])
    }
}
