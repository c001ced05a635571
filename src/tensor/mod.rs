//! Bytes with a shape: contiguous, channels last, the last axis padded to a multiple of four.
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
    gpu::{Gpu, Program, Recording, Slice},
};

/// A tensor on the device. Cloning it clones a handle.
///
/// `shape` is the logical shape. In memory the last axis is padded with zeros to a multiple of four,
/// so that every kernel moves `vec4`s and no inner loop has a remainder.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The logical shape.
    pub shape: Vec<usize>,
    /// Where it lies.
    pub data: Slice,
}

/// Bytes of a tensor of this shape, its last axis padded.
pub fn bytes(shape: &[usize]) -> u64 {
    let (last, rows) = shape.split_last().map_or((1, 1), |(l, r)| (*l, r.iter().product()));
    4 * (rows * last.next_multiple_of(4)) as u64
}

impl Tensor {
    /// A transient tensor of a recording.
    pub fn new(rec: &Recording, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: rec.transient(bytes(shape)) }
    }
    /// A tensor in memory of its own, zeroed.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn alloc(gpu: &Gpu, shape: &[usize]) -> Result<Self> {
        Ok(Self { shape: shape.to_vec(), data: gpu.alloc(bytes(shape))? })
    }
    /// An array's values on the device, rounded to f32.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn upload(gpu: &Gpu, array: &Array) -> Result<Self> {
        let tensor = Self::alloc(gpu, &array.shape)?;
        gpu.write(&tensor.data, bytemuck::cast_slice(&array.padded()));
        Ok(tensor)
    }
    /// The values after a program's run; the tensor lies in existing memory or was kept.
    ///
    /// # Errors
    /// The device is lost.
    pub fn read(&self, program: &Program) -> Result<Array> {
        Ok(Array::from_padded(
            &self.shape,
            &bytemuck::pod_collect_to_vec(&program.read(&self.data)?),
        ))
    }
    /// The same bytes under another shape with the same padded length.
    ///
    /// # Panics
    /// If the length differs.
    pub fn reshape(&self, shape: &[usize]) -> Self {
        assert_eq!(bytes(shape), self.data.bytes, "{:?} as {shape:?}", self.shape);
        Self { shape: shape.to_vec(), data: self.data.clone() }
    }
    /// The length of the last axis.
    pub fn channels(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
    /// `vec4`s along the last axis.
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
