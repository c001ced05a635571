//! Tensors in host memory, as files have them.

use half::{bf16, f16};
use safetensors::Dtype;

// The format is little-endian, and elements are written as they lie in memory.
const _: () = assert!(cfg!(target_endian = "little"));

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Floats: weights, statistics, momentum, queue.
    F32(Vec<f32>),
    /// Integers: counters and indices.
    I64(Vec<i64>),
    /// Bytes: flags and opaque data.
    U8(Vec<u8>),
}

/// A tensor in host memory, in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Extents, outermost first; none for a scalar.
    pub shape: Vec<usize>,
    /// Elements, as many as the product of the extents.
    pub data: Elements,
}

impl HostTensor {
    /// A tensor of f32.
    pub fn f32(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Self {
        Self { shape: shape.into(), data: Elements::F32(data) }
    }

    /// A tensor of i64.
    pub fn i64(shape: impl Into<Vec<usize>>, data: Vec<i64>) -> Self {
        Self { shape: shape.into(), data: Elements::I64(data) }
    }

    /// The elements, if they are f32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if let Elements::F32(data) = &self.data { Some(data) } else { None }
    }

    /// The elements, if they are i64.
    pub fn as_i64(&self) -> Option<&[i64]> {
        if let Elements::I64(data) = &self.data { Some(data) } else { None }
    }

    /// Decodes a tensor of little-endian `bytes`: floats of any width become f32 (those beyond its
    /// range infinite), integers i64, u8 and bool u8; nothing for any other type.
    pub(crate) fn decode(dtype: Dtype, shape: Vec<usize>, bytes: &[u8]) -> Option<Self> {
        fn each<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks().0.iter().map(|&element| convert(element)).collect()
        }
        let data = match dtype {
            Dtype::F32 => Elements::F32(each(bytes, f32::from_le_bytes)),
            Dtype::F64 => Elements::F32(each(bytes, |x| f64::from_le_bytes(x) as f32)),
            Dtype::F16 => Elements::F32(each(bytes, |x| f16::from_le_bytes(x).to_f32())),
            Dtype::BF16 => Elements::F32(each(bytes, |x| bf16::from_le_bytes(x).to_f32())),
            Dtype::I64 => Elements::I64(each(bytes, i64::from_le_bytes)),
            Dtype::I32 => Elements::I64(each(bytes, |x| i32::from_le_bytes(x).into())),
            Dtype::I16 => Elements::I64(each(bytes, |x| i16::from_le_bytes(x).into())),
            Dtype::I8 => Elements::I64(each(bytes, |x| i8::from_le_bytes(x).into())),
            Dtype::U8 | Dtype::BOOL => Elements::U8(bytes.to_vec()),
            _ => return None,
        };
        Some(Self { shape, data })
    }

    /// Whether [`HostTensor::decode`] takes this type.
    pub(crate) fn decodes(dtype: Dtype) -> bool {
        Self::decode(dtype, vec![0], &[]).is_some()
    }

    pub(crate) fn dtype(&self) -> Dtype {
        match self.data {
            Elements::F32(_) => Dtype::F32,
            Elements::I64(_) => Dtype::I64,
            Elements::U8(_) => Dtype::U8,
        }
    }

    /// The elements as they lie in memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.data {
            Elements::F32(data) => bytemuck::cast_slice(data),
            Elements::I64(data) => bytemuck::cast_slice(data),
            Elements::U8(data) => data,
        }
    }
}
