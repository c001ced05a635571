//! The device that a run trains on.

use mtpret_engine::{gpu::Gpu, step::StepOptions};
use std::ops::Deref;

/// An opened adapter, and how training steps use it.
#[derive(Clone)]
pub struct Device {
    /// The adapter.
    pub gpu: Gpu,
    /// How training steps use it.
    pub step: StepOptions,
}

impl Deref for Device {
    type Target = Gpu;

    fn deref(&self) -> &Gpu {
        &self.gpu
    }
}
