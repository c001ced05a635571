//! Batches on the device: the record of the step and the batch's tensors in one buffer, sent by one upload.

use crate::{
    Error, Result,
    gpu::{ALIGNMENT, Gpu, Room, Slice, Upload},
    ops::warp::{Grey, Warp},
    tensor::{Format, Step, Tensor, bytes},
};
use std::ops::Range;

/// One tensor of a batch.
#[derive(Clone, Debug)]
pub struct Field {
    /// Name of the tensor.
    pub name: &'static str,
    /// Shape of the tensor for a whole batch; the samples lie one behind another.
    pub shape: Vec<usize>,
    /// Number in place of a missing sample, and of NaN, which kernels may not count on; without it zeros, and NaN
    /// stays.
    pub missing: Option<f32>,
    /// Number of samples of a batch whose words the host packs as it likes ([`Samples::Packed`]); none
    /// for a field of numbers.
    pub packed: Option<usize>,
}

impl Field {
    /// A field of this shape, of which missing samples are zeros.
    pub fn new(name: &'static str, shape: impl Into<Vec<usize>>) -> Self {
        Self { name, shape: shape.into(), missing: None, packed: None }
    }
    /// A field of at most so many words of 32 bits for so many samples.
    pub fn packed(name: &'static str, samples: usize, words: usize) -> Self {
        Self { packed: Some(samples), ..Self::new(name, [words]) }
    }
    /// This field with the number that stands for missing ones.
    pub fn or(self, missing: f32) -> Self {
        Self { missing: Some(missing), ..self }
    }
    /// Length of a batch in numbers or words, without padding.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
    /// Whether the field holds no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Samples that the host brings for a field.
pub enum Samples<'a> {
    /// Numbers without padding, those of a sample behind those of the one before.
    Numbers(&'a [f32]),
    /// Samples that are put together where the device fetches them.
    Packed(PackSamples<'a>),
}

impl<'a> Samples<'a> {
    /// Packed samples of grey images, as [`Warp::pack`] puts them together.
    pub fn images(images: Vec<Grey<'a>>) -> Self {
        Self::Packed(Box::new(move |part, room| {
            let there = part.start.min(images.len())..part.end.min(images.len());
            Warp::pack(part.len(), &images[there], room)
        }))
    }
}

/// Function that puts samples of a range into room for a whole field, and says how many bytes they are, a multiple of
/// four. Of a batch that is not full, samples at the end of the range are missing.
pub type PackSamples<'a> = Box<dyn Fn(Range<usize>, Room) -> usize + 'a>;

/// The memory that a recorded step reads its batch from.
pub struct Inputs {
    /// Record of the step, as [`Step::upload`] has it.
    pub step: Tensor,
    fields: Vec<(Field, Tensor)>,
    all: Slice,
    upload: Upload,
}

/// A batch on the device, as [`super::Trainable::losses`] sees it.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Tensors of the batch.
    pub inputs: &'a Inputs,
    /// Number of samples.
    pub samples: usize,
    /// Whether it is the first of the micro-batches of a step.
    pub first: bool,
    /// Number of micro-batches of the step: 1 where its batch is whole.
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
    /// Allocates room for the step's record and these tensors.
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
        let upload = Upload::new(gpu, size)?;
        Ok(Self { step, fields: fields.into_iter().zip(tensors).collect(), upload, all })
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
    /// Sends a part of a batch, the first being 0, of as many samples as the fields have: what each field takes, in the
    /// order of their declaration. It is written once, to where the device fetches it. What is short of a tensor's shape is
    /// filled as [`Field::missing`] says.
    ///
    /// # Errors
    /// The device is lost, or a field is brought what another kind of field takes.
    pub fn send(&mut self, step: &Step, batch: &[Samples], part: usize) -> Result<()> {
        let fields = &self.fields;
        self.upload.send(&self.all, |mut room| {
            room.slice(..size_of::<Step>()).copy_from_slice(bytemuck::bytes_of(step));
            let mut end = size_of::<Step>();
            for ((field, tensor), samples) in fields.iter().zip(batch) {
                let at = tensor.data.offset as usize;
                end = at + write(field, samples, part, room.slice(at..at + length(tensor)))?;
            }
            Ok(end)
        })
    }
}

/// Number of bytes of a tensor.
fn length(tensor: &Tensor) -> usize {
    tensor.data.bytes as usize
}

/// Writes a field's share of a part of a batch; returns how many bytes that are.
fn write(field: &Field, samples: &Samples, part: usize, room: Room) -> Result<usize> {
    match (samples, field.packed) {
        (Samples::Numbers(numbers), None) => {
            let bytes = room.len();
            let [from, to] = [part, part + 1].map(|at| (at * field.len()).min(numbers.len()));
            rows(field, &numbers[from..to], room);
            Ok(bytes)
        }
        (Samples::Packed(pack), Some(each)) => {
            Ok(pack(part * each..(part + 1) * each, room.into_slice(..4 * field.len())))
        }
        (_, packed) => {
            let kinds = ["numbers", "packed samples"];
            let [expected, found] = [packed.is_some(), packed.is_none()].map(usize::from);
            let op = format!("the field `{}`", field.name);
            Err(Error::shape(op, kinds[expected], kinds[found]))
        }
    }
}

/// Writes rows of numbers, each padded; places that they do not reach become [`Field::missing`].
fn rows(field: &Field, numbers: &[f32], mut room: Room) {
    let width = field.shape.last().map_or(1, |width| (*width).max(1));
    let fill = field.missing.unwrap_or(0.0);
    let replaced = |v: &f32| if v.is_nan() { fill } else { *v };
    let mut rows = numbers.chunks(width);
    while let Some(mut place) = room.split_off(..4 * width.next_multiple_of(4)) {
        let row = rows.next().unwrap_or_default();
        let mut padding = place.split_off(4 * row.len()..).expect("a row fits its place");
        match field.missing {
            None => place.copy_from_slice(bytemuck::cast_slice(row)),
            Some(_) => {
                let numbers = row.iter().map(|v| replaced(v).to_ne_bytes());
                place.into_chunks().0.write_iter(numbers);
            }
        }
        let count = padding.len() / 4;
        padding
            .slice(..)
            .into_chunks()
            .0
            .write_iter(std::iter::repeat_n(fill.to_ne_bytes(), count));
    }
}
