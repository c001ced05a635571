//! Mean of a loss over the terms that count, and the gradient that waits for their number.

use crate::{
    Result,
    gpu::{Cost, Kernel, Recording},
    kernel,
    ops::{Op, scale::Scale},
    params,
    tensor::Tensor,
};

const MEAN: Kernel<Params> = kernel!("cross_entropy/mean");
params! { struct Params { groups: u32 } }

/// The gradient of a mean, in two factors.
pub struct Gradient {
    /// Gradient of every term by itself.
    pub of_terms: Tensor,
    /// Reciprocal of the number of terms counted, `[1]`.
    pub share: Tensor,
}

impl Gradient {
    /// Records `dloss · share · of_terms`.
    ///
    /// # Errors
    /// `dloss` is not `[1]`.
    pub fn times(&self, rec: &Recording, dloss: &Tensor) -> Result<Tensor> {
        let (s, _) = Scale.forward(rec, [&self.share, dloss])?;
        Ok(Scale.forward(rec, [&self.of_terms, &s])?.0)
    }
}

/// Records the mean `[1]` of terms that workgroups have summed and counted, in `[groups, 2]`, and
/// the reciprocal of the count, `[1]`. Of no terms the mean is 0.
///
/// # Errors
/// A request beyond the adapter's limits.
pub fn mean(rec: &Recording, partials: &Tensor) -> Result<(Tensor, Tensor)> {
    let (loss, share) = (Tensor::new(rec, &[1]), Tensor::new(rec, &[1]));
    let groups = partials.rows();
    let p = Params { groups: groups as u32 };
    let cost = Cost {
        flops: 2 * groups as u64,
        trips: groups.div_ceil(256) as u64,
        shape: format!("{:?}", partials.shape),
    };
    let slices = [&partials.data, &loss.data, &share.data];
    rec.launch(&MEAN, &[], p, &slices, [1, 1, 1], cost)?;
    Ok((loss, share))
}
