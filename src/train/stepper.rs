//! A training step on the device: recorded once, run for every batch.

use super::{cache, inputs::Inputs, tuner};
use crate::{
    Error, Result,
    gpu::{Gpu, Problem, Program, Readback, Recording},
    ops::{accumulate::Accumulate, meter::Meter},
    tensor::{Arena, Step, Tensor},
};
use std::collections::BTreeMap;

/// What a step is made of; `Stepper` puts the parts together.
pub trait Steps {
    /// Records the forward and backward pass of a batch: loss into `meter`, gradients into
    /// [`Steps::gradients`]. `first` is false for all but the first of several micro-batches.
    ///
    /// # Errors
    /// A request beyond the adapter's limits asks for smaller micro-batches.
    fn pass(
        &self,
        rec: &Recording,
        inputs: &Inputs,
        meter: &Tensor,
        n: usize,
        first: bool,
    ) -> Result<()>;
    /// Records the update of the weights.
    ///
    /// # Errors
    /// More than the adapter binds at once.
    fn update(&self, rec: &Recording, inputs: &Inputs) -> Result<()>;
    /// Where [`Steps::pass`] leaves gradients and [`Steps::update`] finds them.
    fn gradients(&self) -> &Arena;
    /// Films of a batch, pixels of a film, numbers of a target.
    fn extent(&self) -> [usize; 3];
    /// Smaller batches must be a multiple of this.
    fn multiple(&self) -> usize {
        1
    }
}

/// A recorded step, not yet planned.
pub struct Recorded {
    inputs: Inputs,
    recordings: Vec<Recording>,
    micro: usize,
    again: usize,
    problems: BTreeMap<String, Problem>,
    /// Films of a micro-batch, and numbers of a film and of its target.
    extent: [usize; 3],
    meter: Tensor,
}

/// A step, ready to run.
pub struct Stepper {
    inputs: Inputs,
    programs: Vec<Program>,
    micro: usize,
    again: usize,
    problems: BTreeMap<String, Problem>,
    extent: [usize; 3],
    meter: Tensor,
    readback: Readback,
    gpu: Gpu,
}

impl Recorded {
    /// Records a step. One that goes beyond `--memory` computes cheap tensors again, which changes no figure; where
    /// that is not enough, or a batch goes beyond the adapter's limits, it is cut into micro-batches, whose gradients
    /// are averaged. Batch norm then normalises each micro-batch by itself.
    ///
    /// # Errors
    /// Even one film goes beyond the limits, or shapes do not fit.
    pub fn new(gpu: &Gpu, steps: &dyn Steps) -> Result<Self> {
        let [batch, pixels, targets] = steps.extent();
        let meter = Tensor::alloc(gpu, &[size_of::<Meter>() / 4])?;
        let (mut refusal, mut least) = (None, u64::MAX);
        for micro in 1..=batch {
            if !batch.is_multiple_of(micro) || !(batch / micro).is_multiple_of(steps.multiple()) {
                continue;
            }
            let n = batch / micro;
            let inputs = Inputs::new(gpu, n, pixels, targets)?;
            let extent = [n, pixels, targets.max(1)];
            let record = || Self::record(gpu, steps, &inputs, &meter, n, micro);
            match record().and_then(|recorded| Self::tune(gpu, recorded, record)) {
                Ok((recordings, problems)) => {
                    let beyond = || {
                        let peak = || recordings.iter().map(Recording::peak).max().unwrap_or(0);
                        gpu.beyond_memory(peak)
                    };
                    let again = match beyond()? {
                        0 => 0,
                        _ => recordings.iter().map(Recording::recompute).sum(),
                    };
                    let beyond = beyond()?;
                    if beyond == 0 {
                        return Ok(Self {
                            inputs,
                            recordings,
                            micro,
                            again,
                            problems,
                            extent,
                            meter,
                        });
                    }
                    least = least.min(beyond);
                    refusal = Some(Error::Adapter(format!(
                        "expected memory for a step of one film, found that --memory is {} MiB short of it; give it \
                         more, or make the images smaller",
                        least.div_ceil(1 << 20)
                    )));
                }
                Err(Error::Adapter(why)) => refusal = Some(Error::Adapter(why)),
                Err(other) => return Err(other),
            }
        }
        Err(refusal.unwrap_or_else(|| Error::shape("step", format!("a batch of {batch}"))))
    }
    /// Measures what nobody measured yet, if that is wanted, and then records again with what was found; and the
    /// problems.
    fn tune(
        gpu: &Gpu,
        recordings: Vec<Recording>,
        record: impl Fn() -> Result<Vec<Recording>>,
    ) -> Result<(Vec<Recording>, BTreeMap<String, Problem>)> {
        let problems = |recordings: &[Recording]| -> BTreeMap<String, Problem> {
            recordings.iter().flat_map(Recording::take_problems).collect()
        };
        let posed = problems(&recordings);
        let recordings = match gpu.choice().tune {
            Some(say) if tuner::measure(gpu, &posed, say)? > 0 => record()?,
            _ => recordings,
        };
        Ok((recordings, posed))
    }
    fn record(
        gpu: &Gpu,
        steps: &dyn Steps,
        inputs: &Inputs,
        meter: &Tensor,
        n: usize,
        micro: usize,
    ) -> Result<Vec<Recording>> {
        let first = Recording::new(gpu);
        steps.pass(&first, inputs, meter, n, true)?;
        if micro == 1 {
            steps.update(&first, inputs)?;
            return Ok(vec![first]);
        }
        let gradients = steps.gradients();
        let sum = Arena::zeros(gpu, &gradients.layout)?;
        let mean = Accumulate { scale: 1.0 / micro as f32 };
        mean.set(&first, &gradients.data, &sum.data)?;
        let rest = Recording::new(gpu);
        steps.pass(&rest, inputs, meter, n, false)?;
        mean.add(&rest, &gradients.data, &sum.data)?;
        let update = Recording::new(gpu);
        update.copy(&sum.data, &gradients.data);
        steps.update(&update, inputs)?;
        Ok(vec![first, rest, update])
    }
}

impl Stepper {
    /// Plans steps that never run at the same time, in the same arenas.
    ///
    /// # Errors
    /// A kernel that does not compile, or too little device memory.
    pub fn share(gpu: &Gpu, recorded: Vec<Recorded>) -> Result<Vec<Self>> {
        let (recordings, rest): (Vec<_>, Vec<_>) = recorded
            .into_iter()
            .map(|r| {
                let count = r.recordings.len();
                (r.recordings, (count, r.inputs, r.micro, r.again, r.problems, r.extent, r.meter))
            })
            .unzip();
        let mut programs = Program::share(recordings.into_iter().flatten().collect())?.into_iter();
        cache::keep_pipelines(gpu)?;
        rest.into_iter()
            .map(|(count, inputs, micro, again, problems, extent, meter)| {
                let programs = programs.by_ref().take(count).collect();
                let (readback, gpu) = (Readback::new(gpu, meter.data.bytes)?, gpu.clone());
                Ok(Self { inputs, programs, micro, again, problems, extent, meter, readback, gpu })
            })
            .collect()
    }
    /// Runs a step on a batch: one upload, one submission for each micro-batch, nothing down.
    ///
    /// # Errors
    /// The device is lost.
    pub fn run(
        &mut self,
        step: &Step,
        pixels: &[f32],
        targets: &[f32],
        extents: &[[f32; 2]],
    ) -> Result<()> {
        let [n, film, width] = self.extent;
        let mut step = *step;
        for at in 0..self.micro {
            let part = |len: usize, each: usize| {
                let (from, to) = (at * n * each, (at + 1) * n * each);
                from.min(len)..to.min(len)
            };
            let pixels = &pixels[part(pixels.len(), film)];
            let targets = &targets[part(targets.len(), width)];
            self.inputs.send(&step, pixels, targets, &extents[part(extents.len(), 1)])?;
            let program = if self.micro == 1 { 0 } else { at.min(1) };
            self.programs[program].run();
            step.queue_at += n as u32;
        }
        if self.micro > 1 {
            self.programs[2].run();
        }
        Ok(())
    }
    /// Micro-batches of a step.
    pub fn micro(&self) -> usize {
        self.micro
    }
    /// Cheap launches of a step that run twice, so that it keeps to the memory it was given.
    pub fn again(&self) -> usize {
        self.again
    }
    /// Of how many problems with several kernels the fastest is known, and how many there are.
    pub fn tuned(&self) -> [usize; 2] {
        let several: Vec<_> = self.problems.values().filter(|p| p.kernels.len() > 1).collect();
        let known = several.iter().filter(|p| self.gpu.tuned(&p.name).is_some()).count();
        [known, several.len()]
    }
    /// What its ops had to solve, of which a kernel was chosen for each.
    pub fn problems(&self) -> &BTreeMap<String, Problem> {
        &self.problems
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
        self.readback.request(&self.meter.data);
        let meter = bytemuck::pod_read_unaligned(&self.readback.wait()?);
        self.gpu.clear(&self.meter.data);
        Ok(meter)
    }
}
