//! Softmax: probabilities of classes.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const ROWS: Kernel<Params> = kernel!("softmax/rows");
params! { struct Params { rows: u32, classes: u32, quads: u32 } }

/// Softmax along the last axis, `y[n,j] = exp(x[n,j]) / Σ exp(x[n,i])`, as `torch.softmax(x, -1)`.
#[derive(Clone, Copy, Debug)]
pub struct Softmax;

impl Softmax {
    /// Records the probabilities. To learn, use cross-entropy: this has no derivative.
    ///
    /// Shapes: x `[N, L]` (or more axes before) → y like x. Exact to rounding for numbers of any size.
    /// Cost: three reads and a write, a thread a row.
    ///
    /// # Errors
    /// A request beyond the adapter's limits.
    pub fn forward(&self, rec: &Recording, x: &Tensor) -> Result<Tensor> {
        let y = Tensor::new(rec, &x.shape);
        let [rows, classes, quads] = [x.rows(), x.channels(), x.quads()].map(|axis| axis as u32);
        let cost = Cost {
            flops: 20 * (x.rows() * x.channels()) as u64,
            trips: 3 * u64::from(quads),
            shape: format!("{:?}", x.shape),
        };
        let p = Params { rows, classes, quads };
        rec.launch(&ROWS, &[], p, &[&x.data, &y.data], Gpu::grid(x.rows()), cost)?;
        Ok(y)
    }
}
