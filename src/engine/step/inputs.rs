//! A batch on the device: the record of the step and the batch's tensors in one buffer, sent by one upload.

use crate::{
    Result,
    gpu::{ALIGNMENT, Gpu, Slice, Upload},
    tensor::{Format, Step, Tensor, bytes},
};

/// One tensor of a batch.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its shape for a whole batch; the samples lie one behind another.
    pub shape: Vec<usize>,
    /// What stands where a sample is missing, and for NaN, which kernels may not count on; without it zeros, and NaN
    /// stays.
    pub missing: Option<f32>,
}

impl Field {
    /// A tensor of this shape, of which missing samples are zeros.
    pub fn new(name: &'static str, shape: impl Into<Vec<usize>>) -> Self {
        Self { name, shape: shape.into(), missing: None }
    }
    /// As [`Field::new`] with what stands for missing numbers.
    pub fn or(self, missing: f32) -> Self {
        Self { missing: Some(missing), ..self }
    }
    /// Numbers of a batch, without padding.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The memory that a recorded step reads its batch from.
pub struct Inputs {
    /// Numbers of the step, as [`Step::upload`] has them.
    pub step: Tensor,
    fields: Vec<(Field, Tensor)>,
    all: Slice,
    upload: Upload,
    staged: Vec<u8>,
}

/// A batch on the device, as [`super::Trainable::losses`] sees it.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Its tensors.
    pub inputs: &'a Inputs,
    /// Samples.
    pub samples: usize,
    /// False for all but the first of several micro-batches of a step.
    pub first: bool,
    /// Micro-batches of the step: 1 where its batch is whole.
    pub micro: usize,
}

impl Batch<'_> {
    /// The tensor of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.inputs.tensor(name)
    }
    /// The tensor of this name, if the batch has one.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.inputs.get(name)
    }
    /// The record of the step, as [`Step::upload`] has it.
    pub fn step(&self) -> &Tensor {
        &self.inputs.step
    }
}

impl Inputs {
    /// Room for the step's record and these tensors.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(gpu: &Gpu, fields: Vec<Field>) -> Result<Self> {
        let step = vec![size_of::<Step>() / 4];
        let shapes = || std::iter::once(&step).chain(fields.iter().map(|field| &field.shape));
        let length = |shape: &Vec<usize>| bytes(shape).next_multiple_of(ALIGNMENT);
        let size = shapes().map(length).sum();
        let all = gpu.alloc(size)?;
        let mut offset = 0;
        let tensors: Vec<Tensor> = shapes()
            .map(|shape| {
                let data = Slice { memory: all.memory.clone(), offset, bytes: bytes(shape) };
                offset += length(shape);
                Tensor { shape: shape.clone(), format: Format::F32, data }
            })
            .collect();
        let mut tensors = tensors.into_iter();
        let step = tensors.next().expect("the record comes first");
        Ok(Self {
            step,
            fields: fields.into_iter().zip(tensors).collect(),
            upload: Upload::new(gpu, size)?,
            staged: vec![0; size as usize],
            all,
        })
    }
    /// The tensor of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.get(name).unwrap_or_else(|| panic!("no field `{name}` was declared"))
    }
    /// The tensor of this name, if there is one.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.fields.iter().find(|(field, _)| field.name == name).map(|(_, tensor)| tensor)
    }
    /// Sends a batch: the numbers of each tensor without padding, in the order of their declaration. What is short of a
    /// tensor's shape is filled as [`Field::missing`] says.
    ///
    /// # Errors
    /// The device is lost.
    pub fn send(&mut self, step: &Step, batch: &[&[f32]]) -> Result<()> {
        self.staged[..size_of::<Step>()].copy_from_slice(bytemuck::bytes_of(step));
        for ((field, tensor), values) in self.fields.iter().zip(batch) {
            stage(&mut self.staged, tensor, values, field.missing);
        }
        self.upload.send(&self.all, &self.staged)
    }
}

/// Writes rows to a tensor's place among the staged bytes; what they do not reach becomes `missing`.
fn stage(staged: &mut [u8], tensor: &Tensor, values: &[f32], missing: Option<f32>) {
    let at = tensor.data.offset as usize;
    let room = &mut staged[at..at + tensor.data.bytes as usize];
    let width = tensor.channels();
    let fill = missing.unwrap_or(0.0);
    let mut rows = values.chunks(width);
    for room in room.chunks_mut(4 * width.next_multiple_of(4)) {
        let row = rows.next().unwrap_or_default();
        let padded = row.iter().copied().chain(std::iter::repeat(fill));
        for (to, v) in room.as_chunks_mut::<4>().0.iter_mut().zip(padded) {
            *to = (if v.is_nan() && missing.is_some() { fill } else { v }).to_ne_bytes();
        }
    }
}
