//! Tensors: bytes with a shape, contiguous, channels last, the last axis padded to a multiple of
//! four.
//!
//! Shape letters, the same everywhere: N batch · H, W height and width · C channels in · K channels
//! out · P, Q output height and width · R, S kernel height and width · D embedding · L labels.
//! Images are `[N, H, W, C]`, convolution weights `[R, S, C, K]`, linear weights `[I, O]`.

mod arena;
mod array;
mod step;

pub use arena::{Arena, Entry, Group, Init, Layout, Order, Param, Scope, State};
pub use array::{Array, Philox};
pub use step::Step;

use crate::{
    Result,
    gpu::{Constants, Gpu, HALF, Program, Recording, Slice},
};
use half::f16;

/// Format of a tensor's numbers in memory; kernels compute in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Floats of 4 bytes each.
    F32,
    /// Floats of 2 bytes each: features and their gradients of a run in half precision.
    F16,
}

impl Format {
    /// Number of bytes of a tensor of this shape, its last axis padded.
    pub fn bytes(self, shape: &[usize]) -> u64 {
        match self {
            Self::F32 => bytes(shape),
            Self::F16 => bytes(shape) / 2,
        }
    }
}

/// A tensor on the device. Cloning it clones a handle.
///
/// `shape` is the logical shape. In memory the last axis is padded with zeros to a multiple of four,
/// so that every kernel moves `vec4`s and no inner loop has a remainder.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The logical shape.
    pub shape: Vec<usize>,
    /// Format of its numbers in memory.
    pub format: Format,
    /// Slice of memory that holds it.
    pub data: Slice,
}

/// Number of bytes of a tensor of f32 of this shape, its last axis padded.
pub fn bytes(shape: &[usize]) -> u64 {
    let (last, rows) = shape.split_last().map_or((1, 1), |(l, r)| (*l, r.iter().product()));
    4 * (rows * last.next_multiple_of(4)) as u64
}

impl Tensor {
    /// A transient tensor of a recording.
    pub fn new(rec: &Recording, shape: &[usize]) -> Self {
        Self::of(rec, Format::F32, shape)
    }
    /// A transient tensor of a recording, in this format.
    pub fn of(rec: &Recording, format: Format, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), format, data: rec.transient(format.bytes(shape)) }
    }
    /// The constants of a launch whose `Values` have this tensor's format.
    pub fn constants(&self, more: &[(&'static str, u32)]) -> Constants {
        let half = (self.format == Format::F16).then_some((HALF, 1));
        more.iter().copied().chain(half).collect()
    }
    /// Allocates a tensor in memory of its own, zeroed.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn alloc(gpu: &Gpu, shape: &[usize]) -> Result<Self> {
        Self::alloc_as(gpu, Format::F32, shape)
    }
    /// Allocates as [`Tensor::alloc`], in this format.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn alloc_as(gpu: &Gpu, format: Format, shape: &[usize]) -> Result<Self> {
        Ok(Self { shape: shape.to_vec(), format, data: gpu.alloc(format.bytes(shape))? })
    }
    /// Uploads an array's values, rounded to f32.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn upload(gpu: &Gpu, array: &Array) -> Result<Self> {
        Self::upload_as(gpu, Format::F32, array)
    }
    /// Uploads an array's values, rounded to this format.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn upload_as(gpu: &Gpu, format: Format, array: &Array) -> Result<Self> {
        let tensor = Self::alloc_as(gpu, format, &array.shape)?;
        let padded = array.padded();
        match format {
            Format::F32 => gpu.write(&tensor.data, bytemuck::cast_slice(&padded)),
            Format::F16 => {
                let halves: Vec<f16> = padded.iter().map(|v| f16::from_f32(*v)).collect();
                gpu.write(&tensor.data, bytemuck::cast_slice(&halves));
            }
        }
        Ok(tensor)
    }
    /// Reads the values after a program's run; the tensor lies in existing memory or was kept.
    ///
    /// # Errors
    /// The device is lost.
    pub fn read(&self, program: &Program) -> Result<Array> {
        let bytes = program.read(&self.data)?;
        let padded: Vec<f32> = match self.format {
            Format::F32 => bytemuck::pod_collect_to_vec(&bytes),
            Format::F16 => {
                let halves: Vec<f16> = bytemuck::pod_collect_to_vec(&bytes);
                halves.into_iter().map(f16::to_f32).collect()
            }
        };
        Ok(Array::from_padded(&self.shape, &padded))
    }
    /// Views the same bytes under another shape with the same padded length.
    ///
    /// # Panics
    /// If the length differs.
    pub fn reshape(&self, shape: &[usize]) -> Self {
        assert_eq!(self.format.bytes(shape), self.data.bytes, "{:?} as {shape:?}", self.shape);
        Self { shape: shape.to_vec(), ..self.clone() }
    }
    /// The length of the last axis.
    pub fn channels(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
    /// Number of `vec4`s along the last axis.
    pub fn quads(&self) -> usize {
        self.channels().div_ceil(4)
    }
    /// The product of all axes but the last.
    pub fn rows(&self) -> usize {
        self.shape.split_last().map_or(1, |(_, rows)| rows.iter().product())
    }
    /// The four axes of an image or weight tensor.
    ///
    /// # Panics
    /// If it has another number of axes.
    pub fn axes(&self) -> [usize; 4] {
        self.shape[..].try_into().unwrap_or_else(|_| panic!("{:?} has not four axes", self.shape))
    }
}
