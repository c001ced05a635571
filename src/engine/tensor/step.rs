//! The record of a step: numbers that change while the recording stays the same.

use super::Tensor;
use crate::{Result, gpu::Gpu};
use std::mem::offset_of;

/// Numbers that change with every step of training, as `shaders/shared/step.wgsl` declares them.
///
/// A recording is made once and replayed, so that what changes cannot be a launch parameter: the
/// host writes this record before a step, in one upload, and kernels read it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Step {
    /// Learning rate.
    pub lr: f32,
    /// Number of the step in its stage, from 0.
    pub step: u32,
    /// Lower half of the run's seed.
    pub seed_low: u32,
    /// Upper half of the run's seed.
    pub seed_high: u32,
    /// Number of samples of the stage before this batch, or this part of it, modulo 2³².
    pub samples: u32,
    /// Number of the epoch in its stage, from 0.
    pub epoch: u32,
    /// Number of the stage, which separates the random numbers of stages.
    pub stage: u32,
    /// Whether weights stay as they are: 1 where gradients went beyond f16. The device writes it
    /// (`ops::loss_scale`).
    pub skip: u32,
    /// Number of samples of the batch before this part of it, where it is cut into micro-batches: with it a sample has
    /// the random numbers of its place in the whole batch.
    pub first: u32,
}

impl Step {
    /// Every field's name and byte offset, for the test that compares it with the WGSL struct.
    pub const FIELDS: &'static [(&'static str, usize)] = &[
        ("lr", offset_of!(Self, lr)),
        ("step", offset_of!(Self, step)),
        ("seed_low", offset_of!(Self, seed_low)),
        ("seed_high", offset_of!(Self, seed_high)),
        ("samples", offset_of!(Self, samples)),
        ("epoch", offset_of!(Self, epoch)),
        ("stage", offset_of!(Self, stage)),
        ("skip", offset_of!(Self, skip)),
        ("first", offset_of!(Self, first)),
    ];
    /// Uploads the record to device memory of its own: a tensor of its words.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn upload(&self, gpu: &Gpu) -> Result<Tensor> {
        let tensor = Tensor::alloc(gpu, &[size_of::<Self>() / 4])?;
        gpu.write(&tensor.data, bytemuck::bytes_of(self));
        Ok(tensor)
    }
    /// The key of the run's random numbers ([`super::Philox::block`]).
    pub fn key(&self) -> [u32; 2] {
        [self.seed_low, self.seed_high]
    }
}
