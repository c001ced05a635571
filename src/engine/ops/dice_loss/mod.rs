//! Soft Dice loss of a mask (Eq. 7).

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

const SUMS: Kernel<Sums> = kernel!("dice_loss/sums");
const MERGE: Kernel<Merge> = kernel!("dice_loss/merge");
const BACKWARD: Kernel<Backward> = kernel!("dice_loss/backward");
params! { struct Sums { pixels: u32 } }
params! { struct Merge { items: u32, parts: u32, share: f32, smoothing: f32 } }
params! { struct Backward { total: u32, pixels: u32 } }

/// Extent that Dice's sums run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// Each image by itself; the loss is the mean over images (Eq. 7).
    Image,
    /// The whole batch at once, so that images without foreground weigh little.
    Batch,
}

/// Classes that have a Dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classes {
    /// The foreground alone (Eq. 7).
    Foreground,
    /// Foreground and background; the loss is their mean.
    All,
}

/// Soft Dice loss of the sigmoid of logits (Eq. 7).
///
/// ```text
/// loss = mean over images of 1 − (2·Σ p·t + smooth) / (Σ p + Σ t + smooth)       p = σ(x)
/// ```
/// Shapes: logits x and target t `[N, H, W, 1]`, t from 0 to 1 → loss `[1]`. The target has no
/// derivative. An image without foreground, predicted or wanted, has the loss 0. Exact to rounding
/// for logits of any size; sums are in a fixed order, in two stages. Errs if the shapes differ, or
/// there is more than one channel. Cost: one read of both; backwards one more, and one write.
#[derive(Clone, Copy, Debug)]
pub struct DiceLoss {
    /// Number added above and below: 0 leaves plain Dice, more lets small masks count less.
    pub smooth: f32,
    /// Extent that the sums run over.
    pub reduce: Reduce,
    /// Classes that have a Dice.
    pub classes: Classes,
}

impl Default for DiceLoss {
    /// The loss of Eq. 7 with smooth 1.
    fn default() -> Self {
        Self { smooth: 1.0, reduce: Reduce::Image, classes: Classes::Foreground }
    }
}

/// Tensors of the forward pass that the gradient needs.
pub struct Saved {
    x: Tensor,
    t: Tensor,
    slopes: Tensor,
}

impl Op<2> for DiceLoss {
    type Saved = Saved;

    fn forward(&self, rec: &Recording, [x, t]: [&Tensor; 2]) -> Result<(Tensor, Saved)> {
        if x.shape != t.shape || x.shape.len() != 4 || x.channels() != 1 || x.rows() == 0 {
            let found = format!("{:?} and {:?}", x.shape, t.shape);
            return Err(Error::shape("dice_loss", "logits and target [N, H, W, 1]", found));
        }
        let items = match self.reduce {
            Reduce::Image => x.shape[0],
            Reduce::Batch => 1,
        };
        let pixels = x.rows() / items;
        // About eight pixels a thread, since the sum over a workgroup costs as much as they do.
        let parts = pixels.div_ceil(256 * 8).min(128);
        let partials = Tensor::new(rec, &[items, parts, 2, 4]);
        // A sigmoid counts as ten.
        let cost = Cost {
            flops: 20 * x.rows() as u64,
            trips: pixels.div_ceil(256 * parts) as u64,
            shape: format!("{:?}", x.shape),
        };
        let slices = [&x.data, &t.data, &partials.data];
        let grid = [parts as u32, items as u32, 1];
        rec.launch(&SUMS, &[], Sums { pixels: pixels as u32 }, &slices, grid, cost)?;

        let (loss, slopes) = (Tensor::new(rec, &[1]), Tensor::new(rec, &[items, 4]));
        let all = self.classes == Classes::All;
        let p = Merge {
            items: items as u32,
            parts: parts as u32,
            share: 1.0 / (items * if all { 2 } else { 1 }) as f32,
            smoothing: self.smooth,
        };
        let trips = (items.div_ceil(256) * (1 + parts)) as u64;
        let cost = Cost { flops: 0, trips, shape: format!("{:?}", partials.shape) };
        let constants = [("BACKGROUND", u32::from(all))];
        let slices = [&partials.data, &loss.data, &slopes.data];
        rec.launch(&MERGE, &constants, p, &slices, [1, 1, 1], cost)?;
        Ok((loss, Saved { x: x.clone(), t: t.clone(), slopes }))
    }
    fn backward(
        &self,
        rec: &Recording,
        Saved { x, t, slopes }: &Saved,
        dloss: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        if !needs[0] {
            return Ok([None, None]);
        }
        let dx = Tensor::new(rec, &x.shape);
        let pixels = x.rows() / slopes.shape[0];
        let p = Backward { total: x.rows() as u32, pixels: pixels as u32 };
        let cost = Cost { flops: 20 * x.rows() as u64, trips: 0, shape: format!("{:?}", x.shape) };
        let slices = [&x.data, &t.data, &slopes.data, &dloss.data, &dx.data];
        rec.launch(&BACKWARD, &[], p, &slices, Gpu::grid(x.rows()), cost)?;
        Ok([Some(dx), None])
    }
}
