//! A training step on the device: recorded once, run for every batch.

use super::{Batch, Inputs, Samples, Trainable};
use crate::{
    Error, Result,
    autograd::Tape,
    autotune::{self, cache},
    gpu::{ADAPTER, Command, Gpu, Problem, Program, Readback, Recording, Slice},
    nn,
    ops::{
        accumulate::Accumulate,
        meter::{self, Meter},
    },
    tensor::{Arena, Step, Tensor},
};
use std::collections::BTreeMap;

/// Parts of a step, recorded or ready to run.
struct Parts {
    inputs: Inputs,
    /// Number of micro-batches of a step.
    micro: usize,
    /// Number of cheap launches that run twice, to keep to the memory there is.
    recomputed: usize,
    /// Problems that its ops had to solve.
    problems: BTreeMap<String, Problem>,
    /// Number of samples of a micro-batch.
    samples: usize,
    meter: Tensor,
    /// Memory that a step moves and a later one begins with.
    live: Vec<Slice>,
}

/// A recorded step, not yet planned.
pub struct Recorded {
    recordings: Vec<Recording>,
    parts: Parts,
}

/// A step, ready to run.
pub struct Stepper {
    programs: Vec<Program>,
    parts: Parts,
    readback: Readback,
    gpu: Gpu,
}

impl Recorded {
    /// Records a step. One that goes beyond the memory it may take computes cheap tensors again, which changes no figure;
    /// where that is not enough, or a batch goes beyond the adapter's limits, it is cut into micro-batches, whose gradients
    /// are averaged. Batch norm then normalises each micro-batch by itself; random numbers are those of the whole batch.
    ///
    /// # Errors
    /// Even one sample goes beyond the limits, or shapes do not fit.
    pub fn new(gpu: &Gpu, trainable: &dyn Trainable) -> Result<Self> {
        let batch = trainable.samples();
        let meter = Tensor::alloc(gpu, &[size_of::<Meter>() / 4])?;
        let (mut refusal, mut least) = (None, u64::MAX);
        for micro in 1..=batch {
            let whole = batch.is_multiple_of(micro);
            if !whole || !(batch / micro).is_multiple_of(trainable.multiple()) {
                continue;
            }
            let samples = batch / micro;
            let fields = trainable.fields(samples);
            let inputs = Inputs::new(gpu, fields)?;
            let record = || record(gpu, trainable, &inputs, &meter, samples, micro);
            let wanted = trainable.state().options.tune;
            match record().and_then(|recorded| tune(gpu, recorded, record, wanted)) {
                Ok((recordings, problems)) => {
                    let beyond = || match trainable.state().options.memory {
                        None => Ok(0),
                        Some(all) => {
                            let peak = recordings.iter().map(Recording::peak).max();
                            gpu.beyond(all, peak.unwrap_or(0))
                        }
                    };
                    let recomputed = match beyond()? {
                        0 => 0,
                        _ => recordings.iter().map(Recording::recompute).sum(),
                    };
                    let beyond = beyond()?;
                    if beyond == 0 {
                        let live = live(trainable, &meter);
                        let parts =
                            Parts { inputs, micro, recomputed, problems, samples, meter, live };
                        return Ok(Self { recordings, parts });
                    }
                    least = least.min(beyond);
                    refusal = Some(short(least));
                }
                Err(short @ Error::Memory(_)) => refusal = Some(short),
                Err(other) => return Err(other),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            let of = trainable.multiple();
            Error::shape("step", format!("a multiple of {of} samples"), batch.to_string())
        }))
    }
    /// The commands of the step, a first micro-batch's, a further one's and the update's where it is cut.
    pub fn commands(&self) -> Vec<Command> {
        self.recordings.iter().flat_map(Recording::commands).collect()
    }
}

/// Memory that a step moves and a later one begins with: weights, statistics, momentum, the loss scale, and what the
/// trainable itself names.
fn live(trainable: &dyn Trainable, meter: &Tensor) -> Vec<Slice> {
    let state = trainable.state();
    let scale = state.network.loss_scale.iter().map(|scale| scale.data.clone());
    let arenas = state.network.arenas().into_iter().chain([&state.gradients, &state.momentum]);
    let own = arenas.map(|arena| arena.data.clone()).chain(scale).chain([meter.data.clone()]);
    own.chain(trainable.beside()).collect()
}

/// The error of a step that goes by so many bytes beyond the memory that it may take.
fn short(bytes: u64) -> Error {
    let found = format!("that what it may take is {} MiB short of it", bytes.div_ceil(1 << 20));
    let mend = "give it more, or make the samples smaller";
    Error::memory(ADAPTER, "memory for a step of one sample", found, mend)
}

/// Measures the problems that nobody measured yet, if that is wanted, and then records again with what was found;
/// gives the problems too.
fn tune(
    gpu: &Gpu,
    recordings: Vec<Recording>,
    record: impl Fn() -> Result<Vec<Recording>>,
    wanted: Option<fn(&str)>,
) -> Result<(Vec<Recording>, BTreeMap<String, Problem>)> {
    let problems: BTreeMap<String, Problem> =
        recordings.iter().flat_map(Recording::take_problems).collect();
    let recordings = match wanted {
        Some(say) if autotune::measure(gpu, &problems, say)? > 0 => record()?,
        _ => recordings,
    };
    Ok((recordings, problems))
}

/// Records a step as one recording; of several micro-batches as three: the first one, a further one, the
/// update.
fn record(
    gpu: &Gpu,
    trainable: &dyn Trainable,
    inputs: &Inputs,
    meter: &Tensor,
    samples: usize,
    micro: usize,
) -> Result<Vec<Recording>> {
    let first = Recording::new(gpu);
    pass(&first, trainable, Batch { inputs, samples, first: true, micro }, meter)?;
    if micro == 1 {
        update(&first, trainable, &Batch { inputs, samples, first: true, micro })?;
        return Ok(vec![first]);
    }
    let gradients = &trainable.state().gradients;
    let sum = Arena::zeros(gpu, &gradients.layout)?;
    let mean = Accumulate { scale: 1.0 / micro as f32 };
    mean.set(&first, &gradients.data, &sum.data)?;
    let rest = Recording::new(gpu);
    pass(&rest, trainable, Batch { inputs, samples, first: false, micro }, meter)?;
    mean.add(&rest, &gradients.data, &sum.data)?;
    let last = Recording::new(gpu);
    last.copy(&sum.data, &gradients.data);
    update(&last, trainable, &Batch { inputs, samples, first: false, micro })?;
    Ok(vec![first, rest, last])
}

/// Records forward, losses and backward of a batch; the meter reads the losses.
fn pass(rec: &Recording, trainable: &dyn Trainable, batch: Batch, meter: &Tensor) -> Result<()> {
    let state = trainable.state();
    let tape = Tape::new(rec, &state.network, trainable.mode());
    let losses = trainable.losses(&tape, &batch)?;
    let weight = trainable.loss_weight();
    let weighted = losses.iter().map(|loss| nn::weighted(&tape, loss, weight));
    let weighted = weighted.collect::<Result<Vec<_>>>()?;
    tape.backward(&weighted.iter().collect::<Vec<_>>(), &state.gradients)?;
    let losses: Vec<Tensor> = losses.into_iter().map(|loss| loss.value).collect();
    meter::add(rec, &losses, meter, batch.step())
}

fn update(rec: &Recording, trainable: &dyn Trainable, batch: &Batch) -> Result<()> {
    trainable.optimizer().record(rec, trainable.state(), batch.step())?;
    trainable.updated(rec, batch)
}

impl Stepper {
    /// Records a step and plans it.
    ///
    /// # Errors
    /// As [`Recorded::new`], a kernel that does not compile, or too little device memory.
    pub fn new(gpu: &Gpu, trainable: &dyn Trainable) -> Result<Self> {
        let mut one = Self::share(gpu, &[trainable])?;
        Ok(one.swap_remove(0))
    }
    /// Records steps that never run at the same time, and plans them in the same arenas. Where the driver refuses a kernel,
    /// another variant of its op is taken, if there is one.
    ///
    /// # Errors
    /// As [`Stepper::new`].
    pub fn share(gpu: &Gpu, trainables: &[&dyn Trainable]) -> Result<Vec<Self>> {
        gpu.built(|| {
            let recorded = trainables.iter().map(|trainable| Recorded::new(gpu, *trainable));
            Self::planned(gpu, recorded.collect::<Result<_>>()?)
        })
    }
    fn planned(gpu: &Gpu, recorded: Vec<Recorded>) -> Result<Vec<Self>> {
        let mut recordings = Vec::new();
        let mut counted = Vec::new();
        for one in recorded {
            counted.push((one.recordings.len(), one.parts));
            recordings.extend(one.recordings);
        }
        let mut programs = Program::share(recordings)?.into_iter();
        cache::keep_pipelines(gpu)?;
        let ready = |(count, parts): (usize, Parts)| {
            let programs = programs.by_ref().take(count).collect();
            let readback = Readback::new(gpu, parts.meter.data.bytes)?;
            Ok(Self { programs, parts, readback, gpu: gpu.clone() })
        };
        counted.into_iter().map(ready).collect()
    }
    /// Runs a step on a batch, what each field takes in the order of their declaration: one upload and one submission
    /// for each micro-batch, nothing down.
    ///
    /// # Errors
    /// As [`Inputs::send`].
    pub fn run(&mut self, step: &Step, batch: &[Samples]) -> Result<()> {
        let Parts { micro, samples, .. } = self.parts;
        let mut step = *step;
        for at in 0..micro {
            self.parts.inputs.send(&step, batch, at)?;
            let program = if micro == 1 { 0 } else { at.min(1) };
            self.programs[program].run();
            step.samples = step.samples.wrapping_add(samples as u32);
            step.first += samples as u32;
        }
        if micro > 1 {
            self.programs[2].run();
        }
        Ok(())
    }
    /// Number of samples of a batch.
    pub fn samples(&self) -> usize {
        self.parts.micro * self.parts.samples
    }
    /// Number of micro-batches of a step.
    pub fn micro(&self) -> usize {
        self.parts.micro
    }
    /// Number of cheap launches of a step that run twice, so that it keeps to the memory it was
    /// given.
    pub fn recomputed(&self) -> usize {
        self.parts.recomputed
    }
    /// Number of problems with several kernels of which the fastest is known, and number of all of
    /// them.
    pub fn tuned(&self) -> [usize; 2] {
        let several: Vec<_> = self.problems().values().filter(|p| p.kernels.len() > 1).collect();
        let known = several.iter().filter(|p| self.gpu.tuned(&p.name).is_some()).count();
        [known, several.len()]
    }
    /// Problems that its ops had to solve, for each of which a kernel was chosen.
    pub fn problems(&self) -> &BTreeMap<String, Problem> {
        &self.parts.problems
    }
    /// Does `work`, which may run programs of the step, and puts back all that they moved.
    ///
    /// # Errors
    /// What `work` gives, or the device is lost.
    pub(super) fn aside<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let read = self.parts.live.iter().map(|slice| self.gpu.read(slice));
        let before = read.collect::<Result<Vec<_>>>()?;
        let done = work();
        for (slice, bytes) in self.parts.live.iter().zip(&before) {
            self.gpu.write(slice, bytes);
            // At once, so that what is staged takes the memory of one of them.
            self.gpu.flush()?;
        }
        done
    }
    /// The programs of a step: one, or first micro-batch, further ones, update.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }
    /// Takes what the meter has summed since the last reading, and sets it to zero.
    ///
    /// # Errors
    /// The device is lost.
    pub fn read_meter(&mut self) -> Result<Meter> {
        self.readback.request(&self.parts.meter.data);
        let meter = bytemuck::pod_read_unaligned(&self.readback.wait()?);
        self.gpu.clear(&self.parts.meter.data);
        Ok(meter)
    }
}
