//! A program: a planned recording with its pipelines and bind groups, run as often as one likes.

use super::{
    ALIGNMENT, Gpu, Memory, Pipeline, Plan, Recording, Slice, Traffic, plan,
    recording::{Command, Contents, Launch},
    timestamps::Timed,
    trip_counts::{TripCount, TripCounter},
};
use crate::Result;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

/// Until it was measured how long a program takes, a submission ends after about this many floating-point operations, so that
/// no single one keeps a small GPU from drawing the screen for long: 200 ms where 50 GFLOP/s are reached.
const FLOPS_PER_SUBMISSION: f64 = 1e10;
/// Then it lasts about so many seconds: short for a screen, long beside what a submission costs the host.
const SECONDS_PER_SUBMISSION: f64 = 0.01;

/// A planned recording, ready to be run again and again. A run creates nothing.
pub struct Program {
    gpu: Gpu,
    steps: Vec<EncodedStep>,
    state: Contents,
    plan: Plan,
    arenas: Vec<Rc<wgpu::Buffer>>,
    /// The commands of each submission.
    submissions: RefCell<Vec<Range<usize>>>,
    runs: Cell<u32>,
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
        let submissions = RefCell::new(cut(&state.commands, FLOPS_PER_SUBMISSION, flops));
        let (gpu, steps, runs) = (gpu.clone(), Vec::new(), Cell::new(0));
        let mut program = Self { gpu, steps, state, plan, arenas, submissions, runs };
        for command in &program.state.commands {
            let step = match command {
                Command::Launch(launch) => {
                    let pipeline = program.gpu.pipeline(launch)?;
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
    /// Encodes and submits every command, in order. Does not wait, but the second time, for what its submissions took, and for
    /// pipelines that have never run where somebody is told how far it is: some drivers compile them only then.
    pub fn run(&self) {
        if let Some(counter) = self.gpu.0.trip_counter.get() {
            return self.run_counted(counter);
        }
        let runs = self.runs.get();
        self.runs.set(runs.saturating_add(1));
        if runs == 1 {
            // A device that is lost is met again, and said to be, by whoever reads.
            if let Ok(Some(seconds)) = self.run_timed() {
                self.cut_by(&seconds);
            }
            return;
        }
        let unused = self.unused();
        let mut used = 0;
        for submission in self.submissions.borrow().iter() {
            let mut from = submission.start;
            for at in submission.clone() {
                let pipeline = self.steps[at].pipeline();
                if unused > 0 && pipeline.is_some_and(|p| !p.used.replace(true)) {
                    self.submit(&self.steps[from..=at], Timed::No);
                    from = at + 1;
                    if self.gpu.wait().is_ok() {
                        used += 1;
                        self.gpu.tell("compiling", used, unused);
                    }
                }
            }
            if from < submission.end {
                self.submit(&self.steps[from..submission.end], Timed::No);
            }
        }
    }
    /// Runs every command, and waits: the device's own seconds at the begin and the end of each submission; `None` where it has
    /// no clock, or the program has no launch in one of its submissions or more of them than a reading has room for.
    fn run_timed(&self) -> Result<Option<Vec<f64>>> {
        let submissions = self.submissions.borrow();
        let launches = |steps: &[EncodedStep]| steps.iter().any(|s| s.pipeline().is_some());
        let timed = (1..=Timed::MOST).contains(&submissions.len())
            && submissions.iter().all(|submission| launches(&self.steps[submission.clone()]));
        let clock = self.gpu.0.timestamps.get().filter(|_| timed);
        for (number, submission) in submissions.iter().enumerate() {
            let timed = clock.map_or(Timed::No, |clock| Timed::Whole(clock, 2 * number as u32));
            self.submit(&self.steps[submission.clone()], timed);
        }
        clock.map_or(Ok(None), |clock| clock.read(&self.gpu, 2 * submissions.len() as u32))
    }
    /// Cuts the program anew, by the seconds at the begin and the end of each submission.
    fn cut_by(&self, seconds: &[f64]) {
        let mut submissions = self.submissions.borrow_mut();
        let commands = &self.state.commands;
        let mut of_command = Vec::with_capacity(commands.len());
        for (submission, ends) in submissions.iter().zip(seconds.chunks_exact(2)) {
            // Within a submission by a rule of thumb: ten operations for each byte moved.
            let weight = |command: &Command| flops(command) + 10.0 * command.bytes() as f64;
            let weights = commands[submission.clone()].iter().map(weight);
            let share = (ends[1] - ends[0]).max(0.0) / weights.clone().sum::<f64>().max(1.0);
            of_command.extend(weights.map(|weight| share * weight));
        }
        let mut of_command = of_command.into_iter();
        *submissions = cut(commands, SECONDS_PER_SUBMISSION, |_| of_command.next().unwrap_or(0.0));
    }
    /// Seconds of one run, by the device's clock where it has one, else as the host sees them.
    ///
    /// # Errors
    /// The device is lost.
    pub fn seconds(&self) -> Result<f64> {
        let start = Instant::now();
        let of_device = self.run_timed()?;
        self.gpu.wait()?;
        let of_host = start.elapsed().as_secs_f64();
        Ok(of_device.map_or(of_host, |seconds| seconds[seconds.len() - 1] - seconds[0]))
    }
    /// Runs every command alone, and keeps what each launch left in the counter.
    fn run_counted(&self, counter: &TripCounter) {
        for (command, step) in self.state.commands.iter().zip(&self.steps) {
            self.gpu.clear(&counter.counter);
            self.submit(std::slice::from_ref(step), Timed::No);
            let Command::Launch(launch) = command else { continue };
            // A device that is lost is met again, and said to be, by whoever reads.
            let Ok(bytes) = self.gpu.read(&counter.counter) else { return };
            counter.counts.borrow_mut().push(TripCount {
                kernel: launch.source.name,
                shape: launch.cost.shape.clone(),
                stated: launch.cost.trips,
                counted: bytemuck::pod_read_unaligned::<u32>(&bytes).into(),
            });
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
    fn submit(&self, steps: &[EncodedStep], timed: Timed) {
        self.gpu.0.queue.submit([self.encode(steps, timed)]);
        let launches = steps.iter().filter(|s| s.pipeline().is_some()).count();
        let Traffic { launches: count, submissions, .. } = &self.gpu.0.traffic;
        count.set(count.get() + launches as u64);
        submissions.set(submissions.get() + 1);
    }
    fn encode(&self, steps: &[EncodedStep], timed: Timed) -> wgpu::CommandBuffer {
        let mut encoder = self.gpu.0.device.create_command_encoder(&Default::default());
        let together = |a: &EncodedStep, b: &EncodedStep| {
            !timed.splits_passes() && a.pipeline().is_some() && b.pipeline().is_some()
        };
        let passes = || steps.chunk_by(together).filter(|steps| steps[0].pipeline().is_some());
        let (mut pass, count) = (0, passes().count() as u32);
        for steps in steps.chunk_by(together) {
            if let [EncodedStep::Copy { from, to }] = steps {
                let (source, target) = (super::existing(from), super::existing(to));
                encoder.copy_buffer_to_buffer(source, from.offset, target, to.offset, from.bytes);
                continue;
            }
            let timestamp_writes = timed.writes(pass, pass + 1 == count);
            pass += 1;
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            for step in steps {
                let EncodedStep::Launch { pipeline, group, params, grid: [x, y, z] } = step else {
                    continue;
                };
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, group, &[]);
                if let Some(counter) = self.gpu.0.trip_counter.get() {
                    pass.set_bind_group(1, &counter.group, &[]);
                }
                pass.set_immediates(0, params);
                pass.dispatch_workgroups(*x, *y, *z);
            }
        }
        encoder.finish()
    }
    /// Encodes every command as a run does, and submits nothing: the time that a run costs the host, but for the
    /// submission, in which a driver on the CPU does the work itself.
    pub fn encoding(&self) -> Duration {
        let start = Instant::now();
        drop(self.encode(&self.steps, Timed::No));
        start.elapsed()
    }
    /// Runs every command, each by itself, and waits: what it took. By the device's clock where it has one: a copy then takes what
    /// lies between the launches around it; elsewhere as the host sees it, with the cost of a submission.
    ///
    /// # Errors
    /// The device is lost.
    pub fn profile(&self) -> Result<Vec<Duration>> {
        let mut all = Vec::with_capacity(self.steps.len());
        for steps in self.steps.chunks(Timed::MOST) {
            all.extend(match self.profile_timed(steps)? {
                Some(times) => times,
                None => steps.iter().map(|step| self.alone(step)).collect::<Result<_>>()?,
            });
        }
        Ok(all)
    }
    fn profile_timed(&self, steps: &[EncodedStep]) -> Result<Option<Vec<Duration>>> {
        let Some(clock) = self.gpu.0.timestamps.get() else { return Ok(None) };
        let mut count = 0;
        // As many together as a submission has on a fast device, so that none lasts long on a slow one.
        for steps in steps.chunks(64) {
            self.submit(steps, Timed::Launches(clock, count));
            count += 2 * steps.iter().filter(|s| s.pipeline().is_some()).count() as u32;
        }
        if count == 0 {
            return Ok(None);
        }
        let Some(seconds) = clock.read(&self.gpu, count)? else { return Ok(None) };
        let (mut launches, mut last) = (seconds.chunks_exact(2).peekable(), seconds[0]);
        let times = steps.iter().map(|step| {
            let [from, to] = match step.pipeline().and_then(|_| launches.next()) {
                Some(ends) => [ends[0], ends[1]],
                None => [last, launches.peek().map_or(last, |next| next[0])],
            };
            last = to;
            Duration::from_secs_f64((to - from).max(0.0))
        });
        Ok(Some(times.collect()))
    }
    fn alone(&self, step: &EncodedStep) -> Result<Duration> {
        let start = Instant::now();
        self.submit(std::slice::from_ref(step), Timed::No);
        self.gpu.wait()?;
        Ok(start.elapsed())
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
}

fn flops(command: &Command) -> f64 {
    command.name_and_flops().1 as f64
}

/// The commands of submissions, each of which ends with the command that brings it to `most` of what `of` says of each.
fn cut(commands: &[Command], most: f64, mut of: impl FnMut(&Command) -> f64) -> Vec<Range<usize>> {
    let (mut cuts, mut from, mut sum) = (Vec::new(), 0, 0.0);
    for (at, command) in commands.iter().enumerate() {
        sum += of(command);
        if sum >= most || at + 1 == commands.len() {
            cuts.push(from..at + 1);
            (from, sum) = (at + 1, 0.0);
        }
    }
    cuts
}
