//! A batch on the device: step record, pixels and targets in one buffer, sent by one upload.

use crate::{
    Result,
    gpu::{ALIGNMENT, Gpu, Slice, Upload},
    tensor::{Format, Step, Tensor, bytes},
};

/// The memory that a recorded step reads its batch from.
pub struct Inputs {
    /// Numbers of the step, `[8]`.
    pub step: Tensor,
    /// Grey films `[N·H·W]` on 0–255.
    pub pixels: Tensor,
    /// Targets `[N, T]`; negative where a label is missing.
    pub targets: Tensor,
    /// Width and height that each film fills of the input, `[N, 2]`.
    pub extents: Tensor,
    all: Slice,
    upload: Upload,
    staged: Vec<u8>,
}

impl Inputs {
    /// For `n` films of `pixels` pixels each and `targets` numbers a film.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(gpu: &Gpu, n: usize, pixels: usize, targets: usize) -> Result<Self> {
        let targets = vec![n, targets.max(1)];
        let shapes = [vec![size_of::<Step>() / 4], vec![n * pixels], targets, vec![n, 2]];
        let mut offset = 0;
        let offsets = shapes.each_ref().map(|shape| {
            let at = offset;
            offset += bytes(shape).next_multiple_of(ALIGNMENT);
            at
        });
        let all = gpu.alloc(offset)?;
        let part = |i: usize| Tensor {
            shape: shapes[i].clone(),
            format: Format::F32,
            data: Slice {
                memory: all.memory.clone(),
                offset: offsets[i],
                bytes: bytes(&shapes[i]),
            },
        };
        Ok(Self {
            step: part(0),
            pixels: part(1),
            targets: part(2),
            extents: part(3),
            upload: Upload::new(gpu, offset)?,
            staged: vec![0; offset as usize],
            all,
        })
    }
    /// Sends a batch; what is short of N is filled with zeros and missing labels.
    ///
    /// # Errors
    /// The device is lost.
    pub fn send(
        &mut self,
        step: &Step,
        pixels: &[f32],
        targets: &[f32],
        extents: &[[f32; 2]],
    ) -> Result<()> {
        self.staged[..size_of::<Step>()].copy_from_slice(bytemuck::bytes_of(step));
        stage(&mut self.staged, &self.pixels, pixels, 0.0);
        stage(&mut self.staged, &self.targets, targets, -1.0);
        stage(&mut self.staged, &self.extents, extents.as_flattened(), 0.0);
        self.upload.send(&self.all, &self.staged)
    }
}

/// Writes rows to a tensor's place among the staged bytes; what they do not reach becomes `missing`.
fn stage(staged: &mut [u8], tensor: &Tensor, values: &[f32], missing: f32) {
    let at = tensor.data.offset as usize;
    let room = &mut staged[at..at + tensor.data.bytes as usize];
    let width = tensor.channels();
    let mut rows = values.chunks(width);
    for room in room.chunks_mut(4 * width.next_multiple_of(4)) {
        let row = rows.next().unwrap_or_default();
        let padded = row.iter().copied().chain(std::iter::repeat(missing));
        for (to, v) in room.as_chunks_mut::<4>().0.iter_mut().zip(padded) {
            // A missing label is NaN on the host; kernels may not count on NaN.
            *to = (if v.is_nan() { missing } else { v }).to_ne_bytes();
        }
    }
}
