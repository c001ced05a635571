//! Every kernel, every shader, and the tape.
#![allow(clippy::unwrap_used)]

mod kernels;
mod shaders;
mod tape;

use mtpret_engine::gpu::{DeviceOptions, Gpu};

fn open() -> Gpu {
    Gpu::open(DeviceOptions::default()).unwrap()
}
