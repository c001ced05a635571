//! The contrastive loss of SimCLR.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::{
    Op,
    cross_entropy::{CrossEntropy, Gradient},
    l2_normalize::L2Normalize,
};
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const LOGITS: Kernel<Params> = kernel!("nt_xent/logits");
const GRADIENT: Kernel<Params> = kernel!("nt_xent/gradient");
params! { struct Params { rows: u32, quads: u32, scale: f32 } }

/// Normalisation of rows, as `torch.nn.functional.normalize` has it.
const NORMALIZE: L2Normalize = L2Normalize { eps: 1e-12 };

/// Normalised temperature-scaled cross-entropy (Chen et al. 2020, SimCLR, eq. 1).
///
/// ```text
/// loss = mean over i of log Σ_{j≠i} exp(ẑ[i]·ẑ[j] / τ) − ẑ[i]·ẑ[i'] / τ,   ẑ = z / |z|
/// ```
/// Shapes: z `[2N, D]`, whose rows 2n and 2n + 1 are the two views of image n, i' the other view of i →
/// loss `[1]`. Errs if z has an odd number of rows. Cost: 2·(2N)²·D flop forwards, 3·(2N)²·D backwards.
#[derive(Clone, Copy, Debug)]
pub struct NtXent {
    /// Temperature τ.
    pub temperature: f32,
}

/// Tensors of the forward pass that the gradient needs.
pub struct Saved {
    z: Tensor,
    /// Rows of unit length.
    unit: Tensor,
    of_logits: Gradient,
}

impl NtXent {
    fn params(&self, z: &Tensor) -> Params {
        Params { rows: z.rows() as u32, quads: z.quads() as u32, scale: 1.0 / self.temperature }
    }
}

impl Op<1> for NtXent {
    type Saved = Saved;

    fn forward(&self, rec: &Recording, [z]: [&Tensor; 1]) -> Result<(Tensor, Saved)> {
        let rows = z.rows();
        if z.shape.len() != 2 || rows == 0 || !rows.is_multiple_of(2) {
            return Err(Error::shape("nt_xent", "z [2N, D]", format!("{:?}", z.shape)));
        }
        let (unit, _) = NORMALIZE.forward(rec, [z])?;
        let (logits, targets) = (Tensor::new(rec, &[rows, rows]), Tensor::new(rec, &[rows, 1]));
        let cost = Cost {
            flops: 2 * (rows * rows * z.channels()) as u64,
            trips: z.quads() as u64,
            shape: format!("{:?}", z.shape),
        };
        let slices = [&unit.data, &logits.data, &targets.data];
        let grid = Gpu::grid(rows * logits.quads());
        rec.launch(&LOGITS, &[], self.params(z), &slices, grid, cost)?;
        let (loss, of_logits) = CrossEntropy.forward(rec, [&logits, &targets])?;
        Ok((loss, Saved { z: z.clone(), unit, of_logits }))
    }
    fn backward(
        &self,
        rec: &Recording,
        Saved { z, unit, of_logits }: &Saved,
        dloss: &Tensor,
        needs: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        if !needs[0] {
            return Ok([None]);
        }
        let of_logits = of_logits.times(rec, dloss)?;
        let of_unit = Tensor::new(rec, &z.shape);
        let rows = z.rows();
        let cost = Cost {
            flops: 3 * (rows * rows * z.channels()) as u64,
            trips: rows as u64,
            shape: format!("{:?}", z.shape),
        };
        let slices = [&unit.data, &of_logits.data, &of_unit.data];
        let grid = Gpu::grid(rows * z.quads());
        rec.launch(&GRADIENT, &[], self.params(z), &slices, grid, cost)?;
        NORMALIZE.backward(rec, z, &of_unit, [true])
    }
}
