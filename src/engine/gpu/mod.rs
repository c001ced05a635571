//! Device, kernels, recordings. Knows bytes and buffers, never shapes.
//!
//! ```text
//! Recording ── launches ──▶ Plan ── lifetimes → arenas ──▶ Program ── bind groups, replayed
//! ```

mod adapter;
mod ceiling;
mod counters;
mod kernel;
mod loss;
mod pipeline;
mod plan;
mod program;
mod recording;
mod timestamps;
mod transfer;
mod trip_counts;
mod tuning;

pub(crate) use adapter::ADAPTER;
pub use adapter::{
    Caps, DeviceOptions, Matrices, MatrixUnits, Progress, Rewrite, adapters, compiler,
};
pub use ceiling::{Timing, copy_gbps, fma_gflops, time};
pub use counters::Counters;
use counters::Traffic;
pub(crate) use kernel::kernel;
pub use kernel::{Access, Constants, HALF, Kernel, Params, Source};
use loss::Loss;
pub(crate) use pipeline::dropped;
use pipeline::{Pipeline, sealed};
pub use plan::{ALIGNMENT, Plan};
pub use program::Program;
pub use recording::{Command, Cost, Launch, Memory, Recording, Slice};
pub use transfer::{Readback, Room, Upload};
pub use trip_counts::TripCount;
use trip_counts::TripCounter;
pub use tuning::{Problem, Proof, Recorder, Tuned, Tuning, Variant};

use crate::{Error, Result};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

/// A handle to an opened adapter; cloning it is cheap. It belongs to the thread that opened it: recordings share its pipelines
/// and buffers without locks, and another thread opens a handle of its own.
#[derive(Clone)]
pub struct Gpu(Rc<Inner>);

struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    caps: Caps,
    options: DeviceOptions,
    sources: RefCell<HashMap<Key, Rc<Source>>>,
    pipelines: RefCell<HashMap<Key, Rc<Pipeline>>>,
    cache: Option<wgpu::PipelineCache>,
    /// What to tell a person who opened the device.
    notes: RefCell<Vec<String>>,
    lost: Loss,
    tuning: RefCell<BTreeMap<String, Tuned>>,
    refused: RefCell<BTreeSet<(String, Variant)>>,
    /// Recordings take kernels that multiply matrices.
    trusts_matrices: Cell<bool>,
    traffic: Traffic,
    trip_counter: OnceCell<TripCounter>,
    timestamps: OnceCell<timestamps::Timestamps>,
}

type Key = (&'static str, Constants);

impl Gpu {
    /// Opens the adapter that `options` names.
    ///
    /// # Errors
    /// No adapter, none of that name, or one that lacks what kernels need.
    pub fn open(options: DeviceOptions) -> Result<Self> {
        let adapter = adapter::find(&options)?;
        Self::from_adapter(&adapter, options)
    }
    /// Opens this adapter.
    ///
    /// # Errors
    /// It lacks what kernels need, or the driver refuses.
    pub fn from_adapter(adapter: &wgpu::Adapter, options: DeviceOptions) -> Result<Self> {
        let (device, queue, caps) = adapter::open(adapter, &options)?;
        let info = adapter.get_info();
        let path = options.cache.as_ref().zip(wgpu::util::pipeline_cache_key(&info));
        let (kept, dropped) =
            path.map_or((None, None), |(folder, name)| sealed::open(&folder.join(name)));
        let cache = adapter::pipeline_cache(&device, kept.as_deref());
        let lost = Loss::default();
        lost.watch(&device);
        let gpu = Self(Rc::new(Inner {
            device,
            queue,
            info,
            caps,
            options,
            sources: RefCell::default(),
            pipelines: RefCell::default(),
            cache,
            notes: RefCell::default(),
            lost,
            tuning: RefCell::default(),
            refused: RefCell::default(),
            trusts_matrices: Cell::new(false),
            traffic: Traffic::default(),
            trip_counter: OnceCell::new(),
            timestamps: OnceCell::new(),
        }));
        if gpu.options().count_trips {
            let counter = TripCounter::new(&gpu)?;
            gpu.0.trip_counter.get_or_init(|| counter);
        }
        if let Some(timestamps) = timestamps::Timestamps::new(&gpu)? {
            gpu.0.timestamps.get_or_init(|| timestamps);
        }
        dropped.into_iter().for_each(|line| gpu.note(line));
        Ok(gpu)
    }
    /// The adapter's name, driver and kind.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.0.info
    }
    /// What the device was opened with.
    pub fn options(&self) -> &DeviceOptions {
        &self.0.options
    }
    /// The adapter, its backend and its driver, for whoever reads of a fault there.
    pub fn described(&self) -> String {
        let info = self.info();
        let backend = Some(format!("{:?}", info.backend));
        let compiler = compiler(info.backend).map(str::to_owned);
        let parts = [backend, Some(self.driver()), compiler];
        let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        format!("{} ({})", info.name, parts.join(", "))
    }
    /// The driver's name and version.
    pub fn driver(&self) -> String {
        format!("{} {}", self.info().driver, self.info().driver_info).trim().to_owned()
    }
    /// The file name of this adapter's compiled pipelines, and what is to be kept there; `None` where the driver keeps
    /// nothing.
    pub fn compiled(&self) -> Option<(String, Vec<u8>)> {
        let name = wgpu::util::pipeline_cache_key(self.info())?;
        Some((name, sealed::seal(&self.0.cache.as_ref()?.get_data()?)))
    }
    /// Lines for whoever opened the device without [`DeviceOptions::note`], each once.
    pub fn notes(&self) -> Vec<String> {
        self.0.notes.take()
    }
    /// Tells whoever opened the device a line.
    pub(crate) fn note(&self, line: String) {
        match self.options().note {
            Some(tell) => tell(&line),
            None => self.0.notes.borrow_mut().push(line),
        }
    }
    /// What kernels are chosen by.
    pub fn caps(&self) -> &Caps {
        &self.0.caps
    }
    /// The most bytes of one binding that keep the next one aligned.
    pub fn most_bound(&self) -> u64 {
        self.0.caps.limits.max_storage_buffer_binding_size / ALIGNMENT * ALIGNMENT
    }
    /// New memory, zeroed.
    ///
    /// # Errors
    /// More than the adapter allows or has left.
    pub fn alloc(&self, bytes: u64) -> Result<Slice> {
        let bytes = bytes.max(4).next_multiple_of(4);
        let buffer = self.buffer(
            bytes,
            wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
        )?;
        Ok(Slice { memory: Memory::Buffer(Rc::new(buffer)), offset: 0, bytes })
    }
    fn buffer(&self, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let most = self.0.caps.limits.max_buffer_size;
        let refused = |expected: String, found: String| {
            let mend = "make the batch, the image or the queue smaller";
            Err(Error::memory(ADAPTER, expected, found, mend))
        };
        if size > most {
            let expected = format!("at most {} MiB in one buffer", most >> 20);
            return refused(expected, format!("{} MiB", size >> 20));
        }
        let scope = self.0.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.0.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            None => {
                self.note_peak();
                Ok(buffer)
            }
            Some(_) => {
                let expected = format!("room for a buffer of {} MiB", size >> 20);
                refused(expected, "the device out of memory".into())
            }
        }
    }
    /// Writes bytes at the start of a slice of existing memory.
    ///
    /// # Panics
    /// If it is a transient or too short.
    pub fn write(&self, to: &Slice, bytes: &[u8]) {
        assert!(bytes.len() as u64 <= to.bytes, "a write fits its slice");
        self.0.traffic.uploads.set(self.0.traffic.uploads.get() + 1);
        self.0.queue.write_buffer(existing(to), to.offset, bytes);
        self.note_peak();
    }
    /// Sets existing memory to zero; unlike [`Gpu::write`] it sends nothing and needs no staging.
    ///
    /// # Panics
    /// If it is a transient.
    pub fn clear(&self, slice: &Slice) {
        let mut encoder = self.0.device.create_command_encoder(&Default::default());
        encoder.clear_buffer(existing(slice), slice.offset, Some(slice.bytes));
        self.0.queue.submit([encoder.finish()]);
    }
    /// Copies between existing slices at once.
    pub fn copy(&self, from: &Slice, to: &Slice) {
        assert_eq!(from.bytes, to.bytes, "a copy keeps its length");
        let mut encoder = self.0.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(
            existing(from),
            from.offset,
            existing(to),
            to.offset,
            from.bytes,
        );
        self.0.queue.submit([encoder.finish()]);
    }
    /// Reads a slice of existing memory; waits for everything submitted before.
    ///
    /// # Errors
    /// The device is lost.
    pub fn read(&self, from: &Slice) -> Result<Vec<u8>> {
        let mut readback = Readback::new(self, from.bytes)?;
        readback.request(from);
        let bytes = readback.wait();
        // At once, so that what is read part by part takes the memory of one part.
        readback.free();
        bytes
    }
    /// Sends what was written and waits until everything has run: then what was dropped, and what writes were staged in, is
    /// free.
    ///
    /// # Errors
    /// The device is lost.
    pub fn flush(&self) -> Result<()> {
        self.0.queue.submit([]);
        self.wait()
    }
    /// Waits until everything submitted has run.
    ///
    /// # Errors
    /// The device is lost.
    pub fn wait(&self) -> Result<()> {
        let drains = &self.0.traffic.drains;
        drains.set(drains.get() + 1);
        self.poll(wgpu::PollType::wait_indefinitely())
    }
    /// Waits until this submission has run, whatever was submitted after it; without one, looks once.
    fn wait_for(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.poll(match submission {
            None => wgpu::PollType::Poll,
            submission_index => wgpu::PollType::Wait { submission_index, timeout: None },
        })
    }
    fn poll(&self, how: wgpu::PollType) -> Result<()> {
        let polled = self.0.device.poll(how);
        self.0.lost.check()?;
        polled.map(|_| ()).map_err(|e| self.0.lost.fault(&e.to_string()))
    }
    /// Loses the device, as a driver that is reset does, so that tests can see what becomes of work on it.
    pub fn lose(&self) {
        self.0.device.destroy();
    }
    /// Records with `f` and runs it once: a recording used eagerly.
    ///
    /// # Errors
    /// Those of `f`, of the plan and of the run.
    pub fn eager<T>(&self, f: impl FnOnce(&Recording) -> Result<T>) -> Result<(T, Program)> {
        let recording = Recording::new(self);
        let out = f(&recording)?;
        let program = Program::new(recording)?;
        program.run();
        self.wait()?;
        Ok((out, program))
    }
    /// Workgroups for `threads` threads, 256 each; beyond 65 535 groups they fold into y.
    pub fn grid(threads: usize) -> [u32; 3] {
        fold(threads.div_ceil(256))
    }
    fn specialise<P>(
        &self,
        kernel: &Kernel<P>,
        constants: &[(&'static str, u32)],
    ) -> Result<Rc<Source>> {
        let key = (kernel.name, constants.to_vec());
        if let Some(source) = self.0.sources.borrow().get(&key) {
            return Ok(source.clone());
        }
        let source = Rc::new(kernel.specialise(constants, |name| self.caps().import(name))?);
        self.0.sources.borrow_mut().insert(key, source.clone());
        Ok(source)
    }
}

/// `groups` workgroups as a grid: beyond 65 535 they fold into y, and the kernel drops the excess.
pub fn fold(groups: usize) -> [u32; 3] {
    let groups = u32::try_from(groups.max(1)).expect("fewer than 2^32 workgroups");
    match groups {
        0..=65_535 => [groups, 1, 1],
        _ => [65_535, groups.div_ceil(65_535), 1],
    }
}

fn existing(slice: &Slice) -> &wgpu::Buffer {
    match &slice.memory {
        Memory::Buffer(buffer) => buffer,
        Memory::Transient(_) => panic!("a transient has no memory outside its program"),
    }
}
