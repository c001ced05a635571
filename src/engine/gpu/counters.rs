//! What was made and moved since a device was opened, and the memory that is taken.

use super::Gpu;
use crate::Result;
use std::cell::Cell;

/// What has crossed between host and device so far.
#[derive(Default)]
pub(super) struct Traffic {
    pub uploads: Cell<u64>,
    pub readbacks: Cell<u64>,
    pub launches: Cell<u64>,
    pub submissions: Cell<u64>,
    pub drains: Cell<u64>,
    /// The most bytes in buffers since somebody began to watch.
    pub peak: Cell<i64>,
}

/// Counts of things made and moved since the device was opened; for tests and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Buffers alive, by wgpu's count.
    pub buffers: i64,
    /// Bind groups alive, by wgpu's count.
    pub bind_groups: i64,
    /// Compute pipelines alive, by wgpu's count.
    pub pipelines: i64,
    /// Shader modules alive, by wgpu's count.
    pub modules: i64,
    /// Bytes of device memory in buffers, by wgpu's count.
    pub buffer_bytes: i64,
    /// Host-to-device transfers made.
    pub uploads: u64,
    /// Device-to-host transfers made.
    pub readbacks: u64,
    /// Launches submitted.
    pub launches: u64,
    /// Submissions of launches.
    pub submissions: u64,
    /// Times that the host waited for all that was submitted.
    pub drains: u64,
}

impl Gpu {
    /// Counts so far.
    pub fn counters(&self) -> Counters {
        let hal = self.0.device.get_internal_counters().hal;
        Counters {
            buffers: hal.buffers.read() as i64,
            bind_groups: hal.bind_groups.read() as i64,
            pipelines: hal.compute_pipelines.read() as i64,
            modules: hal.shader_modules.read() as i64,
            buffer_bytes: hal.buffer_memory.read() as i64,
            uploads: self.0.traffic.uploads.get(),
            readbacks: self.0.traffic.readbacks.get(),
            launches: self.0.traffic.launches.get(),
            submissions: self.0.traffic.submissions.get(),
            drains: self.0.traffic.drains.get(),
        }
    }
    /// From now on [`Gpu::peak`] tells of what comes.
    ///
    /// # Errors
    /// The device is lost.
    pub fn watch_peak(&self) -> Result<()> {
        self.flush()?;
        self.0.traffic.peak.set(0);
        self.note_peak();
        Ok(())
    }
    /// The most bytes of device memory that were in buffers at one time since [`Gpu::watch_peak`], by wgpu's count; what
    /// uploads are staged in counts too.
    pub fn peak(&self) -> u64 {
        u64::try_from(self.0.traffic.peak.get()).unwrap_or(0)
    }
    pub(super) fn note_peak(&self) {
        let peak = &self.0.traffic.peak;
        peak.set(peak.get().max(self.counters().buffer_bytes));
    }
    /// Bytes by which `more` beside what is in buffers would go beyond `all`.
    ///
    /// # Errors
    /// The device is lost.
    pub fn beyond(&self, all: u64, more: u64) -> Result<u64> {
        self.flush()?;
        let taken = u64::try_from(self.counters().buffer_bytes).unwrap_or(0);
        Ok((taken + more).saturating_sub(all))
    }
}
