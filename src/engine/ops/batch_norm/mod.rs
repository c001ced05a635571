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
const FOLDED: Kernel<Fold> = kernel!("batch_norm/fold");
const MERGE: Kernel<Merge> = kernel!("batch_norm/merge");
const RUNNING: Kernel<Running> = kernel!("batch_norm/running");
const FORWARD: Kernel<Rows> = kernel!("batch_norm/forward");
const BACKWARD_SUMS: Kernel<Chunks> = kernel!("batch_norm/backward_sums");
const BACKWARD_MERGE: Kernel<BackwardMerge> = kernel!("batch_norm/backward_merge");
const BACKWARD: Kernel<Rows> = kernel!("batch_norm/backward");
const BACKWARD_FROZEN: Kernel<Rows> = kernel!("batch_norm/backward_frozen");

params! { struct Chunks { groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32 } }
params! {
    struct Merge {
        groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32, eps: f32, momentum: f32,
    }
}
params! {
    struct Fold {
        groups: u32, rows: u32, chunks: u32, chunk: u32, quads: u32, fold: u32, parts: u32,
    }
}
params! { struct Running { quads: u32, eps: f32 } }
params! { struct Rows { groups: u32, rows: u32, quads: u32 } }
params! { struct BackwardMerge { groups: u32, rows: u32, chunks: u32, quads: u32 } }

/// Batch normalisation, as `torch.nn.functional.batch_norm`, with statistics over `groups`
/// consecutive parts of the batch (MoCo's split batch norm on one device).
///
/// ```text
/// y = (x − mean) / √(variance + eps) · weight + bias       variance biased, over a group
/// running ← (1 − momentum) · running + momentum · new      new: mean over the groups, variance unbiased
/// ```
/// As an op of four inputs it adds a residual to y, and with `relu` it takes max(0, y), as the end of a residual block
/// does: what would be three passes over memory is one.
///
/// Shapes: x `[N, H, W, C]` of either format (N a multiple of the groups), weight, bias, running statistics `[C]`, residual like x → y like x.
/// Errs if a group has one value a channel in training, as PyTorch does.
/// Cost: training reads x twice and writes y; backward reads x and dy twice and writes dx. A residual is read once more,
/// and its gradient written.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// Whether to normalise by the batch, and move the running statistics; else by the running
    /// statistics.
    pub training: bool,
    /// Number added to the variance.
    pub eps: f32,
    /// Share of the new statistics in the running ones.
    pub momentum: f32,
    /// Parts of the batch with statistics of their own.
    pub groups: usize,
    /// Running mean and variance `[C]`, updated in place in training.
    pub running: [Tensor; 2],
    /// Whether y is max(0, ·) of the normalised value, or of its sum with the residual.
    pub relu: bool,
}

/// Tensors that batch norm's derivative needs.
pub struct Saved {
    x: Tensor,
    bias: Tensor,
    /// Mean, 1 / √(variance + eps) and weight / √(variance + eps): `[groups, 3, C]`.
    moments: Tensor,
    /// Whether there was a residual.
    residual: bool,
    y: Tensor,
}

/// Rows of one chunk of the first reduction.
const CHUNK: usize = 64;
/// Chunks that a thread of a further reduction merges.
const FOLD: u32 = 64;
/// Chunks of all groups together that one thread merges at last.
const LAST: u32 = 256;

impl BatchNorm {
    /// Number of groups of the statistics, and of rows of each.
    fn extent(&self, x: &Tensor) -> Result<(usize, usize)> {
        let groups = if self.training { self.groups } else { 1 };
        if groups == 0 || !x.shape[0].is_multiple_of(groups) {
            let expected = format!("a batch of {groups} equal groups");
            return Err(Error::shape("batch_norm", expected, format!("{} images", x.shape[0])));
        }
        let rows = x.rows() / groups;
        if self.training && rows < 2 {
            let found = format!("x {:?} in {groups} groups", x.shape);
            let expected = "more than 1 value a channel in training";
            return Err(Error::shape("batch_norm", expected, found));
        }
        Ok((groups, rows))
    }
    /// Records the moments of x, and the running statistics in training.
    fn moments(&self, rec: &Recording, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let (groups, rows) = self.extent(x)?;
        let (c, quads) = (x.channels(), x.quads());
        let moments = Tensor::new(rec, &[groups, 3, c]);
        let [running_mean, running_var] = &self.running;
        let small = |trips: usize| Cost {
            flops: 0,
            trips: trips as u64,
            shape: format!("[{groups}, {c}]"),
        };
        if !self.training {
            let p = Running { quads: quads as u32, eps: self.eps };
            let slices = [&running_mean.data, &running_var.data, &weight.data, &moments.data];
            rec.launch(&RUNNING, &[], p, &slices, fold(quads.div_ceil(64)), small(0))?;
            return Ok(moments);
        }
        let p = chunked(groups, rows, quads);
        let chunks = p.chunks as usize;
        let partials = Tensor::new(rec, &[groups, chunks, 2, c]);
        let grid = fold((groups * chunks * quads).div_ceil(64));
        let slices = [&x.data, &partials.data];
        let statistics = cost(x, groups, 4, p.chunk - 1);
        rec.launch(&STATISTICS, &x.constants(&[]), p, &slices, grid, statistics)?;
        let (partials, p) = folded(rec, partials, p, false)?;
        let Chunks { groups: g, rows, chunks, chunk, quads } = p;
        let (eps, momentum) = (self.eps, self.momentum);
        let p = Merge { groups: g, rows, chunks, chunk, quads, eps, momentum };
        let slices =
            [&partials.data, &weight.data, &running_mean.data, &running_var.data, &moments.data];
        let trips = groups * chunks as usize;
        rec.launch(&MERGE, &[], p, &slices, fold(x.quads().div_ceil(64)), small(trips))?;
        Ok(moments)
    }
    fn normalise(
        &self,
        rec: &Recording,
        [x, weight, bias]: [&Tensor; 3],
        residual: Option<&Tensor>,
    ) -> Result<(Tensor, Saved)> {
        let c = x.channels();
        if [weight, bias, &self.running[0], &self.running[1]].iter().any(|t| t.shape != [c]) {
            let expected = format!("a weight of x's {c} channels");
            return Err(Error::shape("batch_norm", expected, format!("{:?}", weight.shape)));
        }
        if let Some(other) = residual.filter(|r| r.shape != x.shape || r.format != x.format) {
            let (of_x, of_r) = ((&x.shape, x.format), (&other.shape, other.format));
            let expected = format!("a residual like x {of_x:?}");
            return Err(Error::shape("batch_norm", expected, format!("{of_r:?}")));
        }
        let moments = self.moments(rec, x, weight)?;
        let y = Tensor::of(rec, x.format, &x.shape);
        let (groups, rows) = self.extent(x)?;
        let (p, grid) = blocks(groups, rows, x.quads());
        let constants =
            [("RELU", u32::from(self.relu)), ("RESIDUAL", u32::from(residual.is_some()))];
        // Without a residual the kernel binds the bias in its place and never reads it.
        let slices = [&x.data, &moments.data, &bias.data, &residual.unwrap_or(bias).data, &y.data];
        let flops = 3 + usize::from(residual.is_some());
        rec.launch(
            &FORWARD,
            &x.constants(&constants),
            p,
            &slices,
            grid,
            cost(x, groups, flops, 8),
        )?;
        let (x, bias, residual) = (x.clone(), bias.clone(), residual.is_some());
        Ok((y.clone(), Saved { x, bias, moments, residual, y }))
    }
    /// Gradients of x, weight, bias and residual.
    fn derive(
        &self,
        rec: &Recording,
        saved: &Saved,
        dy: &Tensor,
        needs: [bool; 4],
    ) -> Result<[Option<Tensor>; 4]> {
        let Saved { x, bias, moments, residual, y } = saved;
        let (groups, rows) = self.extent(x)?;
        let (c, quads) = (x.channels(), x.quads());
        // Nothing of this batch moves the statistics, the weight or the bias.
        if !self.training && !needs[1] && !needs[2] {
            return self.derive_frozen(rec, saved, dy, needs);
        }
        // What comes before the maximum: the gradient of a residual too, so that it is then written.
        let masked = self.relu && *residual;
        let before = Tensor::of(rec, x.format, if masked { &x.shape } else { &[1] });
        let mask = ("MASK", u32::from(self.relu) + u32::from(masked));
        let p = chunked(groups, rows, quads);
        let chunks = p.chunks as usize;
        let partials = Tensor::new(rec, &[groups, chunks, 2, c]);
        let read = if masked { y } else { bias };
        let slices = [
            &x.data,
            &dy.data,
            &moments.data,
            &bias.data,
            &read.data,
            &partials.data,
            &before.data,
        ];
        let grid = fold((groups * chunks * quads).div_ceil(64));
        let sums = cost(x, groups, 4, p.chunk);
        rec.launch(&BACKWARD_SUMS, &x.constants(&[mask]), p, &slices, grid, sums)?;
        let (partials, p) = folded(rec, partials, p, true)?;
        let (dweight, dbias) = (Tensor::new(rec, &[c]), Tensor::new(rec, &[c]));
        let shares = Tensor::new(rec, &[groups, 2, c]);
        let Chunks { groups: g, rows: r, chunks, quads: q, .. } = p;
        let p = BackwardMerge { groups: g, rows: r, chunks, quads: q };
        let slices = [&partials.data, &moments.data, &dweight.data, &dbias.data, &shares.data];
        let constants = [("TRAINING", u32::from(self.training))];
        let trips = groups * (1 + chunks as usize);
        let shape = format!("[{groups}, {c}]");
        let small = Cost { flops: 0, trips: trips as u64, shape };
        rec.launch(&BACKWARD_MERGE, &constants, p, &slices, fold(quads.div_ceil(64)), small)?;
        let dz = if masked { &before } else { dy };
        let mut dx = None;
        if needs[0] {
            let to = Tensor::of(rec, x.format, &x.shape);
            let (p, grid) = blocks(groups, rows, quads);
            let mask = ("MASK", u32::from(self.relu && !masked));
            let slices = [&x.data, &dz.data, &moments.data, &bias.data, &shares.data, &to.data];
            rec.launch(&BACKWARD, &x.constants(&[mask]), p, &slices, grid, cost(x, groups, 6, 8))?;
            dx = Some(to);
        }
        Ok([dx, Some(dweight), Some(dbias), needs[3].then(|| dz.clone())])
    }
    fn derive_frozen(
        &self,
        rec: &Recording,
        Saved { x, bias, moments, residual, y }: &Saved,
        dy: &Tensor,
        needs: [bool; 4],
    ) -> Result<[Option<Tensor>; 4]> {
        let masked = self.relu && *residual;
        let dx = Tensor::of(rec, x.format, &x.shape);
        let before = Tensor::of(rec, x.format, if masked { &x.shape } else { &[1] });
        let (p, grid) = blocks(1, x.rows(), x.quads());
        let read = if self.relu { y } else { bias };
        let constants = [("RELU", u32::from(self.relu)), ("RESIDUAL", u32::from(masked))];
        let slices = [&dy.data, &read.data, &moments.data, &dx.data, &before.data];
        rec.launch(&BACKWARD_FROZEN, &x.constants(&constants), p, &slices, grid, cost(x, 1, 1, 8))?;
        let dz = if masked { before } else { dy.clone() };
        Ok([Some(dx).filter(|_| needs[0]), None, None, Some(dz).filter(|_| needs[3])])
    }
}

fn cost(x: &Tensor, groups: usize, flops: usize, trips: u32) -> Cost {
    let flops = (flops * x.rows() * x.channels()) as u64;
    Cost { flops, trips: trips.into(), shape: format!("{:?}, {groups} groups", x.shape) }
}

/// Extents of the first reduction, in which a thread sums four channels of a chunk of rows.
fn chunked(groups: usize, rows: usize, quads: usize) -> Chunks {
    Chunks {
        groups: groups as u32,
        rows: rows as u32,
        chunks: rows.div_ceil(CHUNK) as u32,
        chunk: CHUNK as u32,
        quads: quads as u32,
    }
}

/// Reduces partials further, until no more chunks are left than one thread merges; gives them with the extents
/// that they are of.
fn folded(
    rec: &Recording,
    mut partials: Tensor,
    mut p: Chunks,
    sums: bool,
) -> Result<(Tensor, Chunks)> {
    while p.chunks > 1 && p.groups * p.chunks > LAST {
        let Chunks { groups, rows, chunks, chunk, quads } = p;
        let parts = chunks.div_ceil(FOLD);
        let shape = [groups as usize, parts as usize, 2, partials.channels()];
        let out = Tensor::new(rec, &shape);
        let of = Fold { groups, rows, chunks, chunk, quads, fold: FOLD, parts };
        let cost =
            Cost { flops: 0, trips: u64::from(FOLD) - 1, shape: format!("{:?}", partials.shape) };
        let grid = fold((groups * parts * quads).div_ceil(64) as usize);
        let slices = [&partials.data, &out.data];
        rec.launch(&FOLDED, &[("SUMS", u32::from(sums))], of, &slices, grid, cost)?;
        (partials, p) = (out, Chunks { chunks: parts, chunk: chunk * FOLD, ..p });
    }
    Ok((partials, p))
}

/// Extents and grid of an elementwise launch, in which a thread takes four channels of eight rows.
fn blocks(groups: usize, rows: usize, quads: usize) -> (Rows, [u32; 3]) {
    let p = Rows { groups: groups as u32, rows: rows as u32, quads: quads as u32 };
    (p, Gpu::grid(groups * rows.div_ceil(8) * quads))
}

impl Op<3> for BatchNorm {
    type Saved = Saved;

    fn forward(&self, rec: &Recording, x: [&Tensor; 3]) -> Result<(Tensor, Saved)> {
        self.normalise(rec, x, None)
    }
    fn backward(
        &self,
        rec: &Recording,
        saved: &Saved,
        dy: &Tensor,
        [x, weight, bias]: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let [dx, dweight, dbias, _] = self.derive(rec, saved, dy, [x, weight, bias, false])?;
        Ok([dx, dweight, dbias])
    }
}

/// Batch norm with a residual.
impl Op<4> for BatchNorm {
    type Saved = Saved;

    fn forward(
        &self,
        rec: &Recording,
        [x, weight, bias, residual]: [&Tensor; 4],
    ) -> Result<(Tensor, Saved)> {
        self.normalise(rec, [x, weight, bias], Some(residual))
    }
    fn backward(
        &self,
        rec: &Recording,
        saved: &Saved,
        dy: &Tensor,
        needs: [bool; 4],
    ) -> Result<[Option<Tensor>; 4]> {
        self.derive(rec, saved, dy, needs)
    }
}
