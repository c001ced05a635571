//! A program: a planned recording with its pipelines and bind groups, run as often as one likes.

use super::{
    ADAPTER, ALIGNMENT, Access, Gpu, Memory, Pipeline, Plan, Recording, Slice, plan,
    recording::{Command, Contents, Launch},
};
use crate::{Error, Result};
use std::{
    borrow::Cow,
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::{Duration, Instant},
};

/// A submission ends after about this many floating-point operations, so that no single one keeps
/// a small GPU from drawing the screen for long: 200 ms where 50 GFLOP/s are reached.
const FLOPS_PER_SUBMISSION: u64 = 10_000_000_000;

/// A planned recording, ready to be run again and again. A run creates nothing.
pub struct Program {
    gpu: Gpu,
    steps: Vec<EncodedStep>,
    state: Contents,
    plan: Plan,
    arenas: Vec<Rc<wgpu::Buffer>>,
}

enum EncodedStep {
    Launch { pipeline: Rc<Pipeline>, group: wgpu::BindGroup, params: Vec<u8>, grid: [u32; 3] },
    Copy { from: Slice, to: Slice },
}

impl EncodedStep {
    fn pipeline(&self) -> Option<&Pipeline> {
        match self {
            Self::Launch { pipeline, .. } => Some(pipeline),
            Self::Copy { .. } => None,
        }
    }
}

impl Program {
    /// Plans one recording and builds it.
    ///
    /// # Errors
    /// A kernel that does not compile, or too little device memory.
    pub fn new(recording: Recording) -> Result<Self> {
        Ok(Self::share(vec![recording])?.pop().expect("one recording gives one program"))
    }
    /// Plans recordings that never run at the same time and gives them the same arenas.
    ///
    /// # Errors
    /// As [`Program::new`].
    pub fn share(recordings: Vec<Recording>) -> Result<Vec<Self>> {
        let Some(first) = recordings.first() else { return Ok(Vec::new()) };
        let gpu = first.gpu.clone();
        let planned: Vec<_> = recordings
            .into_iter()
            .map(|recording| {
                let state = recording.into_state();
                let plan = plan::plan(&state, gpu.largest_arena(), gpu.0.options.poison);
                (state, plan)
            })
            .collect();
        let most = planned.iter().map(|(_, p)| p.arenas.len()).max().unwrap_or(0);
        let arenas = (0..most)
            .map(|a| {
                let size = planned.iter().filter_map(|(_, p)| p.arenas.get(a)).max();
                let arena = gpu.alloc(size.copied().unwrap_or(4))?;
                if gpu.0.options.poison {
                    gpu.write(&arena, &f32::NAN.to_le_bytes().repeat(arena.bytes as usize / 4));
                }
                match arena.memory {
                    Memory::Buffer(buffer) => Ok(buffer),
                    Memory::Transient(_) => unreachable!("alloc gives existing memory"),
                }
            })
            .collect::<Result<Vec<_>>>()?;
        gpu.compile_all(planned.iter().flat_map(|(state, _)| &state.commands))?;
        planned.into_iter().map(|(s, p)| Self::build(&gpu, s, p, arenas.clone())).collect()
    }
    fn build(
        gpu: &Gpu,
        state: Contents,
        plan: Plan,
        arenas: Vec<Rc<wgpu::Buffer>>,
    ) -> Result<Self> {
        let mut program = Self { gpu: gpu.clone(), steps: Vec::new(), state, plan, arenas };
        for command in &program.state.commands {
            let step = match command {
                Command::Launch(launch) => {
                    let pipeline = gpu.pipeline(launch)?;
                    EncodedStep::Launch {
                        group: program.bind(launch, &pipeline),
                        pipeline,
                        params: launch.params.clone(),
                        grid: launch.grid,
                    }
                }
                Command::Copy { from, to } => {
                    EncodedStep::Copy { from: program.resolve(from), to: program.resolve(to) }
                }
            };
            program.steps.push(step);
        }
        Ok(program)
    }
    fn bind(&self, launch: &Launch, pipeline: &Pipeline) -> wgpu::BindGroup {
        let slices: Vec<_> = launch.slices.iter().map(|s| self.resolve(s)).collect();
        let entries: Vec<_> = (0..)
            .zip(&slices)
            .map(|(binding, s)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: super::existing(s),
                    offset: s.offset,
                    size: std::num::NonZeroU64::new(s.bytes),
                }),
            })
            .collect();
        self.gpu.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(launch.source.name),
            layout: &pipeline.layout,
            entries: &entries,
        })
    }
    /// Where a slice of this recording really lies.
    fn resolve(&self, slice: &Slice) -> Slice {
        let Memory::Transient(t) = slice.memory else { return slice.clone() };
        let (memory, offset) = match (&self.state.transients[t].placed, self.plan.places[t]) {
            (Some(at), _) => (at.memory.clone(), at.offset),
            (None, Some(place)) => (Memory::Buffer(self.arenas[place.arena].clone()), place.offset),
            (None, None) => panic!("a slice that no command touches has no place"),
        };
        Slice { memory, offset: offset + slice.offset, bytes: slice.bytes }
    }
    /// Encodes and submits every command, in order. Does not wait, but for pipelines that have never run where somebody is
    /// told how far it is: some drivers compile them only then.
    pub fn run(&self) {
        let unused = self.unused();
        let (mut from, mut flops, mut used) = (0, 0, 0);
        for (at, (command, step)) in self.state.commands.iter().zip(&self.steps).enumerate() {
            if let Command::Launch(launch) = command {
                flops += launch.cost.flops;
            }
            let first = unused > 0 && step.pipeline().is_some_and(|p| !p.used.replace(true));
            if first || flops >= FLOPS_PER_SUBMISSION || at + 1 == self.steps.len() {
                self.submit(&self.steps[from..=at]);
                (from, flops) = (at + 1, 0);
            }
            // A device that is lost is met again, and said to be, by whoever reads.
            if first && self.gpu.wait().is_ok() {
                used += 1;
                self.gpu.tell("compiling", used, unused);
            }
        }
    }
    /// Pipelines that have never run, if anybody is to be told; says that they come.
    fn unused(&self) -> usize {
        if self.gpu.options().progress.is_none() {
            return 0;
        }
        let pipelines =
            self.steps.iter().filter_map(EncodedStep::pipeline).filter(|p| !p.used.get());
        let unused = pipelines.map(std::ptr::from_ref).collect::<BTreeSet<_>>().len();
        if unused > 0 {
            self.gpu.tell("compiling", 0, unused);
        }
        unused
    }
    fn submit(&self, steps: &[EncodedStep]) {
        self.gpu.0.queue.submit([self.encode(steps)]);
        let launches = steps.iter().filter(|s| matches!(s, EncodedStep::Launch { .. })).count();
        let count = &self.gpu.0.traffic.launches;
        count.set(count.get() + launches as u64);
    }
    fn encode(&self, steps: &[EncodedStep]) -> wgpu::CommandBuffer {
        let mut encoder = self.gpu.0.device.create_command_encoder(&Default::default());
        let mut rest = steps;
        while !rest.is_empty() {
            let launches =
                rest.iter().take_while(|s| matches!(s, EncodedStep::Launch { .. })).count();
            if launches > 0 {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                for step in &rest[..launches] {
                    let EncodedStep::Launch { pipeline, group, params, grid: [x, y, z] } = step
                    else {
                        continue;
                    };
                    pass.set_pipeline(&pipeline.pipeline);
                    pass.set_bind_group(0, group, &[]);
                    pass.set_immediates(0, params);
                    pass.dispatch_workgroups(*x, *y, *z);
                }
            }
            rest = &rest[launches..];
            if let Some((EncodedStep::Copy { from, to }, after)) = rest.split_first() {
                let (source, target) = (super::existing(from), super::existing(to));
                encoder.copy_buffer_to_buffer(source, from.offset, target, to.offset, from.bytes);
                rest = after;
            }
        }
        encoder.finish()
    }
    /// Encodes every command as a run does, and submits nothing: the time that a run costs the host, but for the
    /// submission, in which a driver on the CPU does the work itself.
    pub fn encoding(&self) -> Duration {
        let start = Instant::now();
        drop(self.encode(&self.steps));
        start.elapsed()
    }
    /// Runs every command alone and waits for each: its wall time, with the cost of a submission.
    ///
    /// # Errors
    /// The device is lost.
    pub fn profile(&self) -> Result<Vec<Duration>> {
        let time = |step: &EncodedStep| {
            let start = Instant::now();
            self.submit(std::slice::from_ref(step));
            self.gpu.wait()?;
            Ok(start.elapsed())
        };
        self.steps.iter().map(time).collect()
    }
    /// Reads a slice after a run: existing memory, or a transient that was kept.
    ///
    /// # Errors
    /// The device is lost.
    pub fn read(&self, slice: &Slice) -> Result<Vec<u8>> {
        self.gpu.read(&self.resolve(slice))
    }
    /// The recorded commands.
    pub fn commands(&self) -> &[Command] {
        &self.state.commands
    }
    /// The plan of its transients.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Gpu {
    pub(super) fn largest_arena(&self) -> u64 {
        self.caps().limits.max_buffer_size.min((1 << 31) - 1) / ALIGNMENT * ALIGNMENT
    }
    /// Compiles the pipelines of all launches that are not compiled yet, and tells how far it is.
    fn compile_all<'a>(&self, commands: impl Iterator<Item = &'a Command>) -> Result<()> {
        let mut missing: BTreeMap<_, &Launch> = BTreeMap::new();
        for command in commands {
            if let Command::Launch(launch) = command {
                let key = (launch.source.name, launch.constants.clone());
                if !self.0.pipelines.borrow().contains_key(&key) {
                    missing.insert(key, launch);
                }
            }
        }
        for (at, launch) in missing.values().enumerate() {
            self.tell("compiling", at, missing.len());
            self.pipeline(launch).inspect_err(|e| self.refuse(launch, e))?;
        }
        if !missing.is_empty() {
            self.tell("compiling", missing.len(), missing.len());
        }
        Ok(())
    }
    fn tell(&self, what: &str, done: usize, of: usize) {
        if let Some(tell) = self.options().progress {
            tell(what, done, of);
        }
    }
    /// The pipeline of a launch; compiled the first time it is asked for.
    fn pipeline(&self, launch: &Launch) -> Result<Rc<Pipeline>> {
        let key = (launch.source.name, launch.constants.clone());
        if let Some(pipeline) = self.0.pipelines.borrow().get(&key) {
            return Ok(pipeline.clone());
        }
        let pipeline = Rc::new(self.compile(launch)?);
        self.0.pipelines.borrow_mut().insert(key, pipeline.clone());
        Ok(pipeline)
    }
    /// Asks the driver for a pipeline. What wgpu's validation, the driver's compiler or a lack of memory has against it comes
    /// back as an error.
    fn compile(&self, launch: &Launch) -> Result<Pipeline> {
        let (device, source) = (&self.0.device, &launch.source);
        let refused = |problem: String| Error::Shader {
            kernel: source.name.into(),
            problem: format!("{} does not compile it: {problem}", self.described()),
        };
        let rewrite = self.0.options.rewrite;
        let rewritten = rewrite.map(|rewrite| rewrite(source.name, &source.wgsl).map_err(refused));
        let wgsl = match rewritten.transpose()?.flatten() {
            None => wgpu::ShaderSource::Wgsl(source.wgsl.as_str().into()),
            Some(module) => wgpu::ShaderSource::Naga(Cow::Owned(module)),
        };
        let filters = [
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::Validation,
        ];
        let scopes = filters.map(|filter| device.push_error_scope(filter));
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(source.name), source: wgsl };
        let checks = match self.0.options.checked {
            true => wgpu::ShaderRuntimeChecks::checked(),
            false => wgpu::ShaderRuntimeChecks::unchecked(),
        };
        // SAFETY: the WGSL is one of this crate's own files; tests run every case of every kernel
        // with the checks on and off and compare the results.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let entry = |(binding, access): (u32, &Access)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: *access == Access::Read },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = (0..).zip(&source.bindings).map(entry).collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(source.name),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(source.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: launch.params.len() as u32,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(source.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &source.overrides,
                zero_initialize_workgroup_memory: false,
            },
            cache: self.0.cache.as_ref(),
        });
        let mut problem = None;
        // The scope that was opened last is closed first.
        for scope in scopes.into_iter().rev() {
            problem = problem.or(pollster::block_on(scope.pop()));
        }
        match problem {
            None => Ok(Pipeline { pipeline, layout, used: Cell::new(false) }),
            Some(e @ wgpu::Error::OutOfMemory { .. }) => {
                let expected = format!("memory to compile {} on {}", source.name, self.described());
                let mend = "close what else uses the adapter, or name another";
                Err(Error::memory(ADAPTER, expected, e.to_string(), mend))
            }
            Some(e) => Err(refused(e.to_string())),
        }
    }
}
