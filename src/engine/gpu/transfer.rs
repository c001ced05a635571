//! Crossing between host and device with buffers made once.

use super::{Gpu, Slice, existing};
use crate::Result;
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

const IDLE: u8 = 0;
const PENDING: u8 = 1;
const MAPPED: u8 = 2;
const LOST: u8 = 3;

/// A staging buffer and where its mapping stands.
pub(super) struct Staging {
    pub buffer: wgpu::Buffer,
    state: Arc<AtomicU8>,
    /// The last submission that uses it.
    submission: Option<wgpu::SubmissionIndex>,
}

impl Staging {
    pub fn new(gpu: &Gpu, bytes: u64, usage: wgpu::BufferUsages) -> Result<Self> {
        let buffer = gpu.buffer(bytes, usage)?;
        Ok(Self { buffer, state: Arc::new(AtomicU8::new(IDLE)), submission: None })
    }
    fn map(&self, mode: wgpu::MapMode) {
        self.state.store(PENDING, Ordering::Release);
        let state = self.state.clone();
        self.buffer.map_async(mode, .., move |result| {
            state.store(if result.is_ok() { MAPPED } else { LOST }, Ordering::Release);
        });
    }
    /// Submits what uses it, and asks for it to be mapped afterwards.
    pub fn submit(&mut self, gpu: &Gpu, encoder: wgpu::CommandEncoder, mode: wgpu::MapMode) {
        self.submission = Some(gpu.0.queue.submit([encoder.finish()]));
        self.map(mode);
    }
    /// Its first bytes; waits for them.
    pub fn take(&self, gpu: &Gpu, bytes: u64) -> Result<Vec<u8>> {
        self.wait(gpu)?;
        let view = self.buffer.get_mapped_range(..bytes).expect("the staging buffer is mapped");
        let taken = view.to_vec();
        drop(view);
        self.buffer.unmap();
        self.state.store(IDLE, Ordering::Release);
        Ok(taken)
    }
    fn wait(&self, gpu: &Gpu) -> Result<()> {
        while self.state.load(Ordering::Acquire) == PENDING {
            gpu.wait_for(self.submission.clone())?;
        }
        match self.state.load(Ordering::Acquire) {
            MAPPED => Ok(()),
            _ => {
                gpu.0.lost.check()?;
                Err(gpu.0.lost.fault("memory could not be mapped"))
            }
        }
    }
}

/// Bytes that the host writes where the device fetches them. They cannot be read, for such memory may be slow to read.
pub type Room<'a> = wgpu::WriteOnly<'a, [u8]>;

/// The way up: two staging buffers in turns, so that the host fills one while the device reads
/// the other.
pub struct Upload {
    gpu: Gpu,
    ring: [Staging; 2],
    turn: usize,
}

impl Upload {
    /// For transfers of up to `bytes` bytes.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(gpu: &Gpu, bytes: u64) -> Result<Self> {
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        let bytes = bytes.next_multiple_of(4);
        let ring = [Staging::new(gpu, bytes, usage)?, Staging::new(gpu, bytes, usage)?];
        ring.iter().for_each(|s| s.map(wgpu::MapMode::Write));
        Ok(Self { gpu: gpu.clone(), ring, turn: 0 })
    }
    /// Sends what `write` puts into room of the slice's size to the slice's start, as many bytes as it says: one copy, one
    /// submission. Waits only for the transfer before last.
    ///
    /// # Errors
    /// The device is lost, or what `write` gives.
    pub fn send(&mut self, to: &Slice, write: impl FnOnce(Room) -> Result<usize>) -> Result<()> {
        let staging = &mut self.ring[self.turn];
        staging.wait(&self.gpu)?;
        let mapped = staging.buffer.get_mapped_range_mut(..to.bytes);
        let mut mapped = mapped.expect("the staging buffer is mapped");
        let length = write(mapped.slice(..))? as u64;
        drop(mapped);
        staging.buffer.unmap();
        let mut encoder = self.gpu.0.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&staging.buffer, 0, existing(to), to.offset, length);
        staging.submit(&self.gpu, encoder, wgpu::MapMode::Write);
        let count = &self.gpu.0.traffic.uploads;
        count.set(count.get() + 1);
        self.turn = 1 - self.turn;
        Ok(())
    }
}

/// The way down: asked for now, taken when it has come.
pub struct Readback {
    gpu: Gpu,
    staging: Staging,
    bytes: u64,
}

impl Readback {
    /// For slices of up to `bytes` bytes.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(gpu: &Gpu, bytes: u64) -> Result<Self> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = Staging::new(gpu, bytes.next_multiple_of(4), usage)?;
        Ok(Self { gpu: gpu.clone(), staging, bytes: 0 })
    }
    /// Asks for a slice's bytes as they will be after everything submitted so far.
    ///
    /// # Panics
    /// If an earlier request was not taken.
    pub fn request(&mut self, from: &Slice) {
        assert!(!self.is_pending(), "a readback is taken before it is asked again");
        let mut encoder = self.gpu.0.device.create_command_encoder(&Default::default());
        let source = existing(from);
        encoder.copy_buffer_to_buffer(source, from.offset, &self.staging.buffer, 0, from.bytes);
        self.staging.submit(&self.gpu, encoder, wgpu::MapMode::Read);
        self.bytes = from.bytes;
        let count = &self.gpu.0.traffic.readbacks;
        count.set(count.get() + 1);
    }
    /// Whether a request waits to be taken.
    pub fn is_pending(&self) -> bool {
        self.staging.state.load(Ordering::Acquire) != IDLE
    }
    /// Gives its memory back, without waiting for the next look at what the device has done.
    pub(super) fn free(self) {
        self.staging.buffer.destroy();
    }
    /// Takes the bytes of the last request; waits for them.
    ///
    /// # Errors
    /// The device is lost.
    pub fn wait(&mut self) -> Result<Vec<u8>> {
        self.staging.take(&self.gpu, self.bytes)
    }
}
