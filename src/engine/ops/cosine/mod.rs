//! Cosine similarity of rows.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Params> = kernel!("cosine/forward");
params! { struct Params { rows: u32, columns: u32, quads: u32, eps: f32 } }

/// Cosine of every row of a with every row of b, as `torch.nn.functional.cosine_similarity`.
///
/// ```text
/// y[n, m] = a[n] · b[m] / (max(|a[n]|, ε) · max(|b[m]|, ε))
/// ```
/// Shapes: a `[N, D]`, b `[M, D]` → y `[N, M]`. Has no derivative here. Cost: 2·N·M·D flop.
#[derive(Clone, Copy, Debug)]
pub struct Cosine {
    /// The least length that a row is taken to have.
    pub eps: f32,
}

impl Default for Cosine {
    fn default() -> Self {
        Self { eps: 1e-8 }
    }
}

impl Cosine {
    /// Records the cosines.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn forward(&self, rec: &Recording, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        fit(&a.shape, &b.shape)?;
        let (rows, columns) = (a.rows(), b.rows());
        let y = Tensor::new(rec, &[rows, columns]);
        let p = Params {
            rows: rows as u32,
            columns: columns as u32,
            quads: a.quads() as u32,
            eps: self.eps,
        };
        let cost = Cost {
            flops: 2 * (rows * columns * a.channels()) as u64,
            trips: a.quads() as u64,
            shape: format!("{:?} with {:?}", a.shape, b.shape),
        };
        let grid = Gpu::grid(rows.div_ceil(4) * columns.div_ceil(4));
        rec.launch(&FORWARD, &[], p, &[&a.data, &b.data, &y.data], grid, cost)?;
        Ok(y)
    }
}

/// Checks that a and b fit one another.
fn fit(a: &[usize], b: &[usize]) -> Result<()> {
    let fit = a.len() == 2 && b.len() == 2 && a[1] == b[1];
    let full = [a, b].iter().all(|shape| shape.iter().all(|axis| *axis > 0));
    if fit && full {
        return Ok(());
    }
    Err(Error::shape("cosine", "a [N, D] and b [M, D]", format!("{a:?} and {b:?}")))
}
