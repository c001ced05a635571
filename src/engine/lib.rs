//! A training engine for any GPU that Vulkan, Metal or DX12 reaches, with hand-written WGSL kernels.
//!
//! The floors, lowest first; each uses only those before it (`tests/tidy.rs` holds it):
//! `error file gpu tensor ops autograd nn autotune step`.

pub mod error;
pub mod file;
pub mod gpu;
pub mod tensor;
#[macro_use]
pub mod ops;
pub mod autograd;
pub mod autotune;
pub mod nn;
pub mod step;

pub use error::{Error, Result, nearest};
