//! MoCo's encoder: a backbone and a projection to unit vectors (He et al. 2020, Chen et al. 2020).

use super::{Depth, ResNet};
use crate::{
    Result,
    autograd::{Tape, Var},
    gpu::{Recording, Slice},
    nn::Linear,
    ops::{global_avg_pool::GlobalAvgPool, l2_normalize::L2Normalize, relu::Relu},
    tensor::{Scope, Tensor, bytes},
};

/// f_q or f_k with its head g: films to unit vectors.
pub struct Encoder {
    backbone: ResNet,
    head: Vec<Linear>,
}

impl Encoder {
    /// With `mlp` the head is Linear-ReLU-Linear (`fc.0`, `fc.2`), else one Linear (`fc`).
    pub fn new(scope: &Scope, depth: Depth, dim: usize, mlp: bool) -> Self {
        let backbone = ResNet::new(scope, depth);
        let (fc, c) = (scope.head(0).at("fc"), depth.features());
        let head = match mlp {
            true => vec![Linear::new(fc.at("0"), c, c), Linear::new(fc.at("2"), c, dim)],
            false => vec![Linear::new(fc, c, dim)],
        };
        Self { backbone, head }
    }
    /// Features before the head, `[N, C]`.
    ///
    /// # Errors
    /// An image that is too small.
    pub fn features(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let [.., c5] = self.backbone.forward(tape, x)?;
        tape.apply(GlobalAvgPool, [&c5])
    }
    /// `[N, H, W, 3]` → unit vectors `[N, D]`.
    ///
    /// # Errors
    /// An image that is too small.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let mut z = self.features(tape, x)?;
        for (i, linear) in self.head.iter().enumerate() {
            if i > 0 {
                z = tape.apply(Relu, [&z])?;
            }
            z = linear.forward(tape, &z)?;
        }
        tape.apply(L2Normalize { eps: 1e-12 }, [&z])
    }
}

/// Which sample stands at each place of the key batch: neighbours of a part go to different parts, so
/// that a query and its key never share batch statistics (MoCo's shuffled batch norm on one device).
pub fn interleaved(batch: usize, parts: usize) -> Vec<usize> {
    let of_part = batch / parts;
    (0..batch).map(|at| at % parts * of_part + at / parts).collect()
}

/// The first-axis slices of `x` in another order: slice `i` of the result is slice `order[i]`.
pub fn interleave(rec: &Recording, x: &Tensor, order: &[usize]) -> Tensor {
    let y = Tensor::new(rec, &x.shape);
    let length = bytes(&x.shape) / order.len() as u64;
    let slice = |data: &Slice, at: usize| Slice {
        memory: data.memory.clone(),
        offset: data.offset + at as u64 * length,
        bytes: length,
    };
    for (to, from) in order.iter().enumerate() {
        rec.copy(&slice(&x.data, *from), &slice(&y.data, to));
    }
    y
}
