//! Contrastive encoders: a backbone and a projection head (He et al. 2020, Chen et al. 2020).

use super::{Depth, ResNet};
use crate::Result;
use mtpret_engine::{
    autograd::{Tape, Var},
    gpu::{Recording, Slice},
    nn::{self, BatchNorm, Linear},
    ops::{global_avg_pool::GlobalAvgPool, l2_normalize::L2Normalize, relu::Relu},
    tensor::{Scope, Tensor, bytes},
};

/// Projection head between features and embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// One linear layer (`fc`), rows of unit length: MoCo v1.
    Linear,
    /// Linear-ReLU-Linear (`fc.0`, `fc.2`), rows of unit length: MoCo v2.
    Mlp,
    /// Linear-BN-ReLU-Linear-BN (`fc.0`, `fc.1`, `fc.3`, `fc.4`): SimCLR. The biases in front of batch norm
    /// do nothing; the loss takes rows of any length.
    Simclr,
}

/// A backbone with a projection head: films to embeddings.
pub struct Encoder {
    backbone: ResNet,
    projection: Projection,
    linear: Vec<Linear>,
    norms: Vec<BatchNorm>,
}

impl Encoder {
    /// Declares backbone and head, whose embeddings have `dim` numbers.
    pub fn new(scope: &Scope, depth: Depth, dim: usize, projection: Projection) -> Self {
        let backbone = ResNet::new(scope, depth);
        let (fc, c) = (scope.part(super::head(0)).at("fc"), depth.features());
        let two = |names: [&str; 2]| {
            vec![Linear::new(fc.at(names[0]), c, c), Linear::new(fc.at(names[1]), c, dim)]
        };
        let (linear, norms) = match projection {
            Projection::Linear => (vec![Linear::new(fc, c, dim)], vec![]),
            Projection::Mlp => (two(["0", "2"]), vec![]),
            Projection::Simclr => {
                let norms = vec![BatchNorm::new(fc.at("1"), c), BatchNorm::new(fc.at("4"), dim)];
                (two(["0", "3"]), norms)
            }
        };
        Self { backbone, projection, linear, norms }
    }
    /// Features before the head, `[N, C]`.
    ///
    /// # Errors
    /// An image that is too small.
    pub fn features(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let [.., c5] = self.backbone.forward(tape, x)?;
        tape.apply(GlobalAvgPool, [&nn::leave(tape, &c5)?])
    }
    /// Computes `[N, H, W, 3]` → embeddings `[N, D]`.
    ///
    /// # Errors
    /// An image that is too small.
    pub fn forward(&self, tape: &Tape, x: &Var) -> Result<Var> {
        let mut z = self.features(tape, x)?;
        for (i, linear) in self.linear.iter().enumerate() {
            if i > 0 {
                z = tape.apply(Relu, [&z])?;
            }
            z = linear.forward(tape, &z)?;
            if let Some(norm) = self.norms.get(i) {
                z = norm.forward(tape, &z)?;
            }
        }
        match self.projection {
            Projection::Simclr => Ok(z),
            Projection::Linear | Projection::Mlp => tape.apply(L2Normalize { eps: 1e-12 }, [&z]),
        }
    }
}

/// Order of samples in the key batch: neighbours of a part go to different parts, so that a query and
/// its key never share batch statistics (MoCo's shuffled batch norm on one device).
pub fn interleaved(batch: usize, parts: usize) -> Vec<usize> {
    let of_part = batch / parts;
    (0..batch).map(|at| at % parts * of_part + at / parts).collect()
}

/// Reorders the first-axis slices of `x`: slice `i` of the result is slice `order[i]`.
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
