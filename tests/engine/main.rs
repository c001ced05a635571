//! Every kernel, every shader, and the tape.
#![allow(clippy::unwrap_used)]

mod backends;
mod compilers;
mod fast_math;
mod immediates;
mod kernels;
mod names;
mod not_finite;
#[cfg(target_os = "linux")]
mod radv;
mod refusals;
mod shaders;
mod submissions;
mod tape;
mod trips;

use mtpret_engine::gpu::{DeviceOptions, Gpu};

fn open() -> Gpu {
    Gpu::open(DeviceOptions::default()).unwrap()
}
