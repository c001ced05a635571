//! Functions of tensors, their derivatives and their truth. Nothing here knows of the tape.
//!
//! An op is a folder: `shaders/<op>/*.wgsl` (how the GPU does it), `mod.rs` (shapes, choice of
//! kernel, derivative), `reference.rs` (what it is, in f64) and `cases.rs` (the problems it must
//! solve). The cases drive the tests, the benches, `mtpret doctor` and `mtpret run-op`.

pub mod accumulate;
pub mod add;
pub mod batch_norm;
pub mod bce_with_logits;
pub mod box_decode;
pub mod box_encode;
pub mod box_iou;
pub mod case;
pub mod clip_boxes;
pub mod concat;
pub mod conv2d;
pub mod convert;
pub mod cosine;
pub mod cross_entropy;
pub mod dice_loss;
pub mod dropout;
pub mod ema;
pub mod external;
pub mod gather;
pub mod global_avg_pool;
pub mod info_nce;
pub mod join;
pub mod l2_normalize;
pub mod label_boxes;
pub mod lars;
pub mod level_boxes;
pub mod linear;
pub mod loss_scale;
pub mod match_boxes;
pub mod max_pool2d;
pub mod meter;
pub mod nms;
pub mod nt_xent;
pub mod relu;
pub mod resize;
pub mod roi_align;
pub mod sample_boxes;
pub mod scale;
pub mod sgd;
pub mod smooth_l1;
pub mod softmax;
mod teams;
pub mod top_k;
pub mod warp;

pub use case::{Case, Report};
pub use external::{External, Outputs, Signature};

use crate::{
    Result,
    gpu::Recording,
    tensor::{Array, Philox, Tensor},
};

/// Calls `$callback! { add … }` with every op's name: the one list of ops.
#[macro_export]
macro_rules! for_each_op {
    ($callback:ident) => {
        $callback! {
            accumulate
            add
            batch_norm
            bce_with_logits
            box_decode
            box_encode
            box_iou
            clip_boxes
            concat
            conv2d
            convert
            cosine
            cross_entropy
            dice_loss
            dropout
            ema
            gather
            global_avg_pool
            info_nce
            join
            l2_normalize
            label_boxes
            lars
            level_boxes
            linear
            loss_scale
            match_boxes
            max_pool2d
            meter
            nms
            nt_xent
            relu
            resize
            roi_align
            sample_boxes
            scale
            sgd
            smooth_l1
            softmax
            top_k
            warp
        }
    };
}

/// Everything that tests, benches, `doctor` and `run-op` know of an op.
pub struct Suite {
    /// Name of the op and of its folder.
    pub name: &'static str,
    /// Inputs, attributes and variants.
    pub signature: Signature,
    /// The problems that it must solve.
    pub cases: fn() -> Vec<Case>,
    /// A problem of random shape: ones, primes and sizes around a tile among them.
    pub random: fn(&mut Philox) -> Case,
    /// Runs a problem that somebody else posed.
    pub run: fn(&External) -> Result<Outputs>,
}

macro_rules! suites {
    ($($op:ident)+) => {
        /// The suites of all ops.
        pub const SUITES: &[Suite] = &[$(Suite {
            name: stringify!($op),
            signature: $op::SIGNATURE,
            cases: $op::cases,
            random: $op::random,
            run: $op::run,
        }),+];
    };
}
for_each_op!(suites);

/// A differentiable function of `N` tensors. Its fields are its hyper-parameters.
pub trait Op<const N: usize>: 'static {
    /// Tensors of the forward pass that the derivative needs.
    type Saved: 'static;
    /// Records the function.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    fn forward(&self, rec: &Recording, x: [&Tensor; N]) -> Result<(Tensor, Self::Saved)>;
    /// Records the gradients of the inputs that need one, given that of the output.
    ///
    /// # Errors
    /// As [`Op::forward`].
    fn backward(
        &self,
        rec: &Recording,
        saved: &Self::Saved,
        dy: &Tensor,
        needs: [bool; N],
    ) -> Result<[Option<Tensor>; N]>;
}

/// Reference of an op on the host in f64: slow, obvious, trusted.
pub trait Reference<const N: usize> {
    /// The function's value.
    fn reference(&self, x: [&Array; N]) -> Array;
}
