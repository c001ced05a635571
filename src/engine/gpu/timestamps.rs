//! Times that the device notes itself: what a kernel takes, without what its submission costs the host.

use super::{Gpu, transfer::Staging};
use crate::Result;
use std::cell::RefCell;

/// Timestamps of one reading at most: what wgpu lets a set have.
const MOST: u32 = wgpu::QUERY_SET_MAX_QUERIES;

/// Room for timestamps, and their way down, made once.
pub(super) struct Timestamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: RefCell<Staging>,
}

impl Timestamps {
    /// Room on an adapter that has a clock; `None` elsewhere.
    pub fn new(gpu: &Gpu) -> Result<Option<Self>> {
        let device = &gpu.0.device;
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let set = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("timestamps"),
            ty: wgpu::QueryType::Timestamp,
            count: MOST,
        });
        let bytes = 8 * u64::from(MOST);
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = gpu.buffer(bytes, usage)?;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = RefCell::new(Staging::new(gpu, bytes, usage)?);
        Ok(Some(Self { set, resolved, staging }))
    }
    /// Seconds of timestamps 0 to `count`, counted from some beginning; `None` where the clock stands.
    pub fn read(&self, gpu: &Gpu, count: u32) -> Result<Option<Vec<f64>>> {
        let (bytes, mut staging) = (8 * u64::from(count), self.staging.borrow_mut());
        let mut encoder = gpu.0.device.create_command_encoder(&Default::default());
        encoder.resolve_query_set(&self.set, 0..count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &staging.buffer, 0, bytes);
        staging.submit(gpu, encoder, wgpu::MapMode::Read);
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&staging.take(gpu, bytes)?);
        let first = ticks.iter().copied().min().unwrap_or(0);
        let nanoseconds = f64::from(gpu.0.queue.get_timestamp_period());
        let seconds = ticks.iter().map(|t| (t - first) as f64 * nanoseconds * 1e-9);
        Ok(ticks.iter().any(|t| *t != first).then(|| seconds.collect()))
    }
}

/// Which passes of a submission write timestamps as they begin and end.
#[derive(Clone, Copy)]
pub(super) enum Timed<'a> {
    /// None.
    No,
    /// Its first pass as it begins and its last one as it ends, as timestamps n and n + 1.
    Whole(&'a Timestamps, u32),
    /// Every launch, which is a pass of its own: as timestamps n and n + 1, then n + 2 and n + 3, and so on.
    Launches(&'a Timestamps, u32),
}

impl<'a> Timed<'a> {
    /// Launches or submissions that one reading has room for.
    pub const MOST: usize = MOST as usize / 2;

    /// Whether every launch is a pass of its own.
    pub fn splits_passes(self) -> bool {
        matches!(self, Self::Launches(..))
    }
    /// The timestamps that pass number `pass` of a submission writes.
    pub fn writes(self, pass: u32, last: bool) -> Option<wgpu::ComputePassTimestampWrites<'a>> {
        let (timestamps, begin, end) = match self {
            Self::Whole(timestamps, n) if pass == 0 || last => {
                (timestamps, (pass == 0).then_some(n), last.then_some(n + 1))
            }
            Self::Launches(timestamps, n) => {
                (timestamps, Some(n + 2 * pass), Some(n + 2 * pass + 1))
            }
            Self::No | Self::Whole(..) => return None,
        };
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &timestamps.set,
            beginning_of_pass_write_index: begin,
            end_of_pass_write_index: end,
        })
    }
}
