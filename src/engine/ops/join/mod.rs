//! Concatenation of the parts of each image: feature maps, lists of boxes, lists of scores.

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

const FORWARD: Kernel<Forward> = kernel!("join/forward");
const BACKWARD: Kernel<Backward> = kernel!("join/backward");
params! {
    struct Forward {
        images: u32, numbers: u32, span: u32, channels: u32, x_quads: u32, y_quads: u32, at: u32,
    }
}
params! {
    struct Backward {
        rows: u32, per_image: u32, channels: u32, x_quads: u32, y_quads: u32, at: u32,
    }
}

/// Concatenation of the parts of each image: `y[n]` = all numbers of `x₀[n]`, then those of
/// `x₁[n]`, and so on, as `torch.cat([x.flatten(1) for x in parts], 1)` of channels-last tensors.
///
/// Shapes: any number of parts `[N, …, Cᵢ]` → y `[N, Σ numbers of an image]`. So the objectness
/// `[N, H, W, A]` of several levels becomes torchvision's list of anchors (level, y, x, anchor).
/// Errs if N differs. Cost: one read and one write of all parts.
#[derive(Clone, Copy, Debug)]
pub struct Join;

/// Number of values of an image in `x`, without padding.
fn numbers(shape: &[usize]) -> usize {
    shape[1..].iter().product()
}

impl<const N: usize> Op<N> for Join {
    /// The parts' shapes.
    type Saved = [Vec<usize>; N];

    fn forward(&self, rec: &Recording, parts: [&Tensor; N]) -> Result<(Tensor, Self::Saved)> {
        let images = parts[0].shape[0];
        if parts.iter().any(|x| x.shape.len() < 2 || x.shape[0] != images) {
            let shapes: Vec<_> = parts.iter().map(|x| &x.shape).collect();
            let found = format!("{shapes:?}");
            return Err(Error::shape("join", "parts [N, …, C] of as many images", found));
        }
        let total = parts.iter().map(|x| numbers(&x.shape)).sum();
        let y = Tensor::new(rec, &[images, total]);
        let mut at = 0;
        for (i, x) in parts.iter().enumerate() {
            let numbers = numbers(&x.shape);
            let span = if i + 1 < N { numbers } else { 4 * y.quads() - at };
            let p = Forward {
                images: images as u32,
                numbers: numbers as u32,
                span: span as u32,
                channels: x.channels() as u32,
                x_quads: x.quads() as u32,
                y_quads: y.quads() as u32,
                at: at as u32,
            };
            let cost = Cost { flops: 0, trips: 0, shape: format!("{:?}", x.shape) };
            rec.launch(&FORWARD, &[], p, &[&x.data, &y.data], Gpu::grid(images * span), cost)?;
            at += numbers;
        }
        Ok((y, parts.map(|x| x.shape.clone())))
    }
    fn backward(
        &self,
        rec: &Recording,
        shapes: &Self::Saved,
        dy: &Tensor,
        needs: [bool; N],
    ) -> Result<[Option<Tensor>; N]> {
        let mut gradients = [const { None }; N];
        let mut at = 0;
        for ((shape, needed), gradient) in shapes.iter().zip(needs).zip(&mut gradients) {
            if needed {
                let dx = Tensor::new(rec, shape);
                let p = Backward {
                    rows: dx.rows() as u32,
                    per_image: (dx.rows() / shape[0]) as u32,
                    channels: dx.channels() as u32,
                    x_quads: dx.quads() as u32,
                    y_quads: dy.quads() as u32,
                    at: at as u32,
                };
                let cost = Cost { flops: 0, trips: 0, shape: format!("{shape:?}") };
                let grid = Gpu::grid(dx.rows() * dx.quads());
                rec.launch(&BACKWARD, &[], p, &[&dy.data, &dx.data], grid, cost)?;
                *gradient = Some(dx);
            }
            at += numbers(shape);
        }
        Ok(gradients)
    }
}
