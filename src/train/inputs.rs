//! A batch on the device: step record, pixels and targets in one buffer, sent by one upload.

use crate::{
    Result,
    gpu::{ALIGNMENT, Gpu, Slice, Upload},
    tensor::{Step, Tensor, bytes},
};

/// The memory that a recorded step reads its batch from.
pub struct Inputs {
    /// Numbers of the step, `[8]`.
    pub step: Tensor,
    /// Grey films `[N·H·W]` on 0–255.
    pub pixels: Tensor,
    /// Targets `[N, T]`; negative where a label is missing.
    pub targets: Tensor,
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
        let shapes = [vec![size_of::<Step>() / 4], vec![n * pixels], vec![n, targets.max(1)]];
        let mut offset = 0;
        let offsets = shapes.each_ref().map(|shape| {
            let at = offset;
            offset += bytes(shape).next_multiple_of(ALIGNMENT);
            at
        });
        let all = gpu.alloc(offset)?;
        let part = |i: usize| Tensor {
            shape: shapes[i].clone(),
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
            upload: Upload::new(gpu, offset)?,
            staged: vec![0; offset as usize],
            all,
        })
    }
    /// Sends a batch; what is short of N is filled with zeros and missing labels.
    ///
    /// # Errors
    /// The device is lost.
    pub fn send(&mut self, step: &Step, pixels: &[f32], targets: &[f32]) -> Result<()> {
        self.staged[..size_of::<Step>()].copy_from_slice(bytemuck::bytes_of(step));
        let at = self.pixels.data.offset as usize;
        let room = &mut self.staged[at..at + self.pixels.data.bytes as usize];
        let films: &[u8] = bytemuck::cast_slice(pixels);
        room[..films.len()].copy_from_slice(films);
        room[films.len()..].fill(0);
        let at = self.targets.data.offset as usize;
        let (rows, width) = (self.targets.rows(), self.targets.channels());
        let mut padded = vec![-1.0f32; rows * width.next_multiple_of(4)];
        for (row, target) in padded.chunks_mut(width.next_multiple_of(4)).zip(targets.chunks(width))
        {
            for (to, v) in row.iter_mut().zip(target) {
                // A missing label is NaN on the host; kernels may not count on NaN.
                *to = if v.is_nan() { -1.0 } else { *v };
            }
        }
        let padded: &[u8] = bytemuck::cast_slice(&padded);
        self.staged[at..at + padded.len()].copy_from_slice(padded);
        self.upload.send(&self.all, &self.staged)
    }
}
