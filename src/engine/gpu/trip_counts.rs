//! How many trips of loops the threads of each launch made, for tests of what a launch says of itself.

use super::{Access, Gpu, Slice, pipeline::storage_layout};
use crate::Result;
use std::cell::RefCell;

/// One launch that ran on a device that [counts trips](super::DeviceOptions::count_trips).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TripCount {
    /// The kernel's name.
    pub kernel: &'static str,
    /// The shape, as a person would say it.
    pub shape: String,
    /// The [trips](super::Cost::trips) that the launch stated.
    pub stated: u64,
    /// The most that one of its threads made.
    pub counted: u64,
}

/// The counter that rewritten kernels have as group 1, and what it held after each launch.
pub(super) struct TripCounter {
    pub layout: wgpu::BindGroupLayout,
    pub group: wgpu::BindGroup,
    pub counter: Slice,
    pub counts: RefCell<Vec<TripCount>>,
}

impl TripCounter {
    /// A counter of the device.
    pub fn new(gpu: &Gpu) -> Result<Self> {
        let counter = gpu.alloc(4)?;
        let device = &gpu.0.device;
        let layout = storage_layout(device, "trips", &[Access::Write]);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("trips"),
            layout: &layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: super::existing(&counter).as_entire_binding(),
            }],
        });
        Ok(Self { layout, group, counter, counts: RefCell::default() })
    }
}

impl Gpu {
    /// Every launch so far on a device that counts trips, each once; empties the list.
    pub fn trip_counts(&self) -> Vec<TripCount> {
        self.0.trip_counter.get().map_or_else(Vec::new, |counter| counter.counts.take())
    }
}
