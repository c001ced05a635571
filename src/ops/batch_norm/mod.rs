//! Batch normalisation.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording, fold},
    kernel, params,
    tensor::Tensor,
};

const STATISTICS: Kernel<Chunks> = kernel!("batch_norm/statistics");
const MERGE: Kernel<Merge> = kernel!("batch_norm/merge");
const RUNNING: Kernel<Running> = kernel!("batch_norm/running");
const FORWARD: Kernel<Rows> = kernel!("batch_norm/forward");
const BACKWARD_SUMS: Kernel<Chunks> = kernel!("batch_norm/backward_sums");
const BACKWARD_MERGE: Kernel<BackwardMerge> = kernel!("batch_norm/backward_merge");
const BACKWARD: Kernel<Rows> = kernel!("batch_norm/backward");
const BACKWARD_FROZEN: Kernel<Frozen> = kernel!("batch_norm/backward_frozen");

params! { struct Chunks { groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32 } }
params! {
    struct Merge {
        groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32, eps: f32, momentum: f32,
    }
}
params! { struct Running { quads: u32, eps: f32 } }
params! { struct Rows { groups: u32, rows: u32, quads: u32 } }
params! { struct Frozen { total: u32, quads: u32 } }
params! { struct BackwardMerge { groups: u32, rows: u32, chunks: u32, quads: u32 } }

/// Batch normalisation, as `torch.nn.functional.batch_norm`, with statistics over `groups`
/// consecutive parts of the batch (MoCo's split batch norm on one device).
///
/// ```text
/// y = (x − mean) / √(variance + eps) · weight + bias       variance biased, over a group
/// running ← (1 − momentum) · running + momentum · new      new: mean over the groups, variance unbiased
/// ```
/// Shapes: x `[N, H, W, C]` (N a multiple of the groups), weight, bias, running statistics `[C]` → y like x.
/// Errs if a group has one value a channel in training, as PyTorch does.
/// Cost: training reads x twice and writes y; backward reads x and dy twice and writes dx.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// Normalise by the batch, and move the running statistics; else by the running statistics.
    pub training: bool,
    /// Added to the variance.
    pub eps: f32,
    /// Share of the new in the running statistics.
    pub momentum: f32,
    /// Parts of the batch with statistics of their own.
    pub groups: usize,
    /// Running mean and variance `[C]`, updated in place in training.
    pub running: [Tensor; 2],
}

/// What batch norm's derivative needs.
pub struct Saved {
    x: Tensor,
    mean: Tensor,
    inverse: Tensor,
    scale: Tensor,
}

/// Rows of one chunk of the first reduction.
const CHUNK: usize = 64;

impl BatchNorm {
    /// Groups of the statistics, and rows of each.
    fn extent(&self, x: &Tensor) -> Result<(usize, usize)> {
        let groups = if self.training { self.groups } else { 1 };
        if groups == 0 || !x.shape[0].is_multiple_of(groups) {
            let problem = format!("a batch of {} is not {groups} equal groups", x.shape[0]);
            return Err(Error::shape("batch_norm", problem));
        }
        let rows = x.rows() / groups;
        if self.training && rows < 2 {
            let problem = format!(
                "expected more than 1 value a channel in training, x is {:?} in {groups} groups",
                x.shape
            );
            return Err(Error::shape("batch_norm", problem));
        }
        Ok((groups, rows))
    }
}

impl Op<3> for BatchNorm {
    type Saved = Saved;

    fn forward(&self, rec: &Recording, [x, weight, bias]: [&Tensor; 3]) -> Result<(Tensor, Saved)> {
        let c = x.channels();
        if [weight, bias, &self.running[0], &self.running[1]].iter().any(|t| t.shape != [c]) {
            let problem = format!("x has {c} channels, weight is {:?}", weight.shape);
            return Err(Error::shape("batch_norm", problem));
        }
        let (groups, rows) = self.extent(x)?;
        let quads = x.quads();
        let per_group = || Tensor::new(rec, &[groups, c]);
        let (mean, inverse, scale) = (per_group(), per_group(), per_group());
        let [running_mean, running_var] = &self.running;
        let cost = |flops: usize| Cost {
            flops: (flops * x.rows() * c) as u64,
            shape: format!("{:?}, {groups} groups", x.shape),
        };
        let small = Cost { flops: 0, shape: format!("[{groups}, {c}]") };
        let per_quad = fold(quads.div_ceil(64));
        if self.training {
            let chunks = rows.div_ceil(CHUNK);
            let partials = Tensor::new(rec, &[groups, chunks, 2, c]);
            let p = Chunks {
                groups: groups as u32,
                rows: rows as u32,
                chunks: chunks as u32,
                chunk: CHUNK as u32,
                quads: quads as u32,
            };
            let grid = fold((groups * chunks * quads).div_ceil(64));
            rec.launch(&STATISTICS, &[], p, &[&x.data, &partials.data], grid, cost(4))?;
            let Chunks { groups, rows, chunks, chunk, quads } = p;
            let (eps, momentum) = (self.eps, self.momentum);
            let p = Merge { groups, rows, chunks, chunk, quads, eps, momentum };
            let slices = [
                &partials.data,
                &weight.data,
                &running_mean.data,
                &running_var.data,
                &mean.data,
                &inverse.data,
                &scale.data,
            ];
            rec.launch(&MERGE, &[], p, &slices, per_quad, small)?;
        } else {
            let p = Running { quads: quads as u32, eps: self.eps };
            let slices = [
                &running_mean.data,
                &running_var.data,
                &weight.data,
                &mean.data,
                &inverse.data,
                &scale.data,
            ];
            rec.launch(&RUNNING, &[], p, &slices, per_quad, small)?;
        }
        let y = Tensor::new(rec, &x.shape);
        let p = Rows { groups: groups as u32, rows: rows as u32, quads: quads as u32 };
        let slices = [&x.data, &mean.data, &scale.data, &bias.data, &y.data];
        let threads = groups * rows.div_ceil(8) * quads;
        rec.launch(&FORWARD, &[], p, &slices, Gpu::grid(threads), cost(3))?;
        Ok((y, Saved { x: x.clone(), mean, inverse, scale }))
    }

    fn backward(
        &self,
        rec: &Recording,
        Saved { x, mean, inverse, scale }: &Saved,
        dy: &Tensor,
        needs: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let (groups, rows) = self.extent(x)?;
        let (c, quads) = (x.channels(), x.quads());
        if !self.training && !needs[1] && !needs[2] {
            let dx = needs[0].then(|| scaled(rec, dy, scale)).transpose()?;
            return Ok([dx, None, None]);
        }
        let chunks = rows.div_ceil(CHUNK);
        let cost = |flops: usize| Cost {
            flops: (flops * x.rows() * c) as u64,
            shape: format!("{:?}, {groups} groups", x.shape),
        };
        let partials = Tensor::new(rec, &[groups, chunks, 2, c]);
        let p = Chunks {
            groups: groups as u32,
            rows: rows as u32,
            chunks: chunks as u32,
            chunk: CHUNK as u32,
            quads: quads as u32,
        };
        let slices = [&x.data, &dy.data, &mean.data, &inverse.data, &partials.data];
        let grid = fold((groups * chunks * quads).div_ceil(64));
        rec.launch(&BACKWARD_SUMS, &[], p, &slices, grid, cost(4))?;
        let (dweight, dbias) = (Tensor::new(rec, &[c]), Tensor::new(rec, &[c]));
        let (centre, slope) = (Tensor::new(rec, &[groups, c]), Tensor::new(rec, &[groups, c]));
        let Chunks { groups: g, rows: r, chunks, quads: q, .. } = p;
        let p = BackwardMerge { groups: g, rows: r, chunks, quads: q };
        let slices =
            [&partials.data, &inverse.data, &dweight.data, &dbias.data, &centre.data, &slope.data];
        let constants = [("TRAINING", u32::from(self.training))];
        let small = Cost { flops: 0, shape: format!("[{groups}, {c}]") };
        rec.launch(&BACKWARD_MERGE, &constants, p, &slices, fold(quads.div_ceil(64)), small)?;
        let mut dx = None;
        if needs[0] {
            let to = Tensor::new(rec, &x.shape);
            let p = Rows { groups: g, rows: r, quads: q };
            let slices =
                [&x.data, &dy.data, &mean.data, &scale.data, &centre.data, &slope.data, &to.data];
            let threads = groups * rows.div_ceil(8) * quads;
            rec.launch(&BACKWARD, &[], p, &slices, Gpu::grid(threads), cost(6))?;
            dx = Some(to);
        }
        Ok([dx, Some(dweight), Some(dbias)])
    }
}

/// dx of a batch norm that nothing of this batch moves: `scale · dy`.
fn scaled(rec: &Recording, dy: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let dx = Tensor::new(rec, &dy.shape);
    let total = dy.rows() * dy.quads();
    let p = Frozen { total: total as u32, quads: dy.quads() as u32 };
    let cost = Cost { flops: 4 * total as u64, shape: format!("{:?}", dy.shape) };
    let slices = [&dy.data, &scale.data, &dx.data];
    rec.launch(&BACKWARD_FROZEN, &[], p, &slices, Gpu::grid(total), cost)?;
    Ok(dx)
}
