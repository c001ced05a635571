//! What the threads of each launch counted, for tests of what a launch says of itself.

use super::{Gpu, Slice};
use crate::Result;
use std::cell::RefCell;

/// One launch that ran on a device that [tallies](super::DeviceOptions::tally).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tallied {
    /// The kernel's name.
    pub kernel: &'static str,
    /// The shape, as a person would say it.
    pub shape: String,
    /// The [trips](super::Cost::trips) that the launch stated.
    pub stated: u64,
    /// What its threads left in the counter.
    pub counted: u64,
}

/// The counter that rewritten kernels have as group 1, and what it held after each launch.
pub(super) struct Tally {
    pub layout: wgpu::BindGroupLayout,
    pub group: wgpu::BindGroup,
    pub counter: Slice,
    pub found: RefCell<Vec<Tallied>>,
}

impl Tally {
    /// A counter of the device.
    pub fn new(gpu: &Gpu) -> Result<Self> {
        let counter = gpu.alloc(4)?;
        let device = &gpu.0.device;
        let entry = wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: false },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("tally"),
            entries: &[entry],
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("tally"),
            layout: &layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: super::existing(&counter).as_entire_binding(),
            }],
        });
        Ok(Self { layout, group, counter, found: RefCell::default() })
    }
}

impl Gpu {
    /// Every launch so far on a device that tallies, each once; empties the list.
    pub fn tallied(&self) -> Vec<Tallied> {
        self.0.tally.get().map_or_else(Vec::new, |tally| tally.found.take())
    }
}
