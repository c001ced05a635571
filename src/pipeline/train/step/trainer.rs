//! The loop that all stages share: batch, step, reading, checkpoint.

use crate::{
    Error, Result,
    data::{Loader, Sample},
    train::{
        config::{Log, Optim},
        run::{Pace, Run},
        schedule::{Progress, Span},
    },
    weights::checkpoint::{Metadata, Tensors},
};
use mtpret_engine::{gpu::Gpu, step::Stepper, tensor::Step};
use std::time::{Duration, Instant};

/// What a stage trains with from its first step to its last.
pub struct Trainer<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// Where readings and checkpoints go.
    pub run: &'a Run<'a>,
    /// When to read and when to save.
    pub log: &'a Log,
    /// Seed of every random number.
    pub seed: u64,
    /// Separates this stage's random numbers from other stages'.
    pub stage: u32,
    /// Steps of the whole stage.
    pub steps: u64,
}

/// One pass over a task's films: an epoch, or a visit of multitask learning.
pub struct Pass<'a> {
    /// What readings are called.
    pub name: String,
    /// What the parts of its loss are called; none of a loss without parts.
    pub parts: &'static [&'static str],
    /// The films.
    pub samples: &'a [Sample],
    /// Their batches, from the pass's next one on.
    pub loader: &'a mut Loader,
    /// The recorded step.
    pub stepper: &'a mut Stepper,
    /// Steps of the stage before this pass.
    pub begin: u64,
    /// Steps of this pass.
    pub steps: u64,
    /// Where the pass begins in its round, and the round's length.
    pub round: Span,
    /// The rate.
    pub optim: &'a Optim,
}

/// What a stage does between steps.
pub trait Hooks {
    /// Everything a resumed run needs, after `at` steps.
    ///
    /// # Errors
    /// The device is lost.
    fn checkpoint(&self, at: u64) -> Result<(Tensors, Metadata)>;
    /// A step has ended, the stage's `at`-th; its checkpoint is not yet written.
    fn stepped(&mut self, _at: u64) {}
    /// A pass has ended after `at` steps of the stage; its checkpoint is not yet written, so that a
    /// resumed run has what this computes.
    ///
    /// # Errors
    /// Whatever files, the device or the person may cause.
    fn pass_ended(&mut self, _at: u64) -> Result<()> {
        Ok(())
    }
}

impl Trainer<'_> {
    /// Runs a pass from step `at` of the stage to the pass's end; returns the step after it.
    ///
    /// # Errors
    /// A loss that is not finite, films that cannot be read, a full disk, a lost device, or
    /// [`Error::Interrupted`]; the last checkpoint stays.
    pub fn pass(&self, pass: Pass, mut at: u64, hooks: &mut dyn Hooks) -> Result<u64> {
        let end = pass.begin + pass.steps;
        let mut pace = Pace::new(pass.name, pass.parts, self.steps, self.log.every, pass.samples);
        let (begun, waited, mut aside) = (Instant::now(), pass.loader.wait(), Duration::ZERO);
        while at < end {
            let batch = pass.loader.next_batch()?;
            let epoch = Span { at: at - pass.begin, of: pass.steps };
            let round = Span { at: pass.round.at + epoch.at, of: pass.round.of };
            let run = Span { at, of: self.steps };
            let lr = pass.optim.lr(&Progress { run, epoch, round });
            let step = Step {
                lr: lr as f32,
                step: at as u32,
                seed_low: self.seed as u32,
                seed_high: (self.seed >> 32) as u32,
                samples: (at * pass.stepper.samples() as u64) as u32,
                epoch: batch.epoch as u32,
                stage: self.stage,
                skip: 0,
                first: 0,
            };
            pass.stepper.run(&step, &batch.fields())?;
            pace.batch(at, batch);
            at += 1;
            hooks.stepped(at);
            let stop = self.run.watch.interrupted();
            let save = at.is_multiple_of(self.log.save_every) || stop;
            // At a pass's end too: the loss tells a divergence more plainly than a figure can.
            if at.is_multiple_of(self.log.every) || save || at == end {
                let meter = pass.stepper.read_meter()?;
                let reading = pace.reading(self.gpu, meter, at, lr, pass.loader, self.run)?;
                self.run.watch.reading(&reading);
                let told = self.run.record(&reading);
                if told.is_err() && at < end {
                    self.rescue(at, hooks);
                }
                told?;
            }
            let trained = Instant::now();
            if at == end {
                self.run.timed("validation", || hooks.pass_ended(at))?;
            }
            if save {
                let saving = Instant::now();
                let (tensors, metadata) = hooks.checkpoint(at)?;
                self.run.save(at, &tensors, &metadata)?;
                self.run.list_bad(&pass.loader.bad())?;
                self.run.spent("saving", saving.elapsed());
            }
            aside += trained.elapsed();
            if stop || at == end {
                let waited = pass.loader.wait() - waited;
                self.run.spent("waiting for films", waited);
                self.run.spent("training", begun.elapsed().saturating_sub(aside + waited));
            }
            if stop {
                return Err(Error::Interrupted(self.run.folder.clone()));
            }
        }
        self.run.list_bad(&pass.loader.bad())?;
        Ok(at)
    }
    /// Saves what `at` steps came to, if there is room, for a run that must end: what ended it is what counts. Not at a pass's end,
    /// whose figure would be left out by who goes on from there.
    fn rescue(&self, at: u64, hooks: &dyn Hooks) {
        let saved = hooks
            .checkpoint(at)
            .and_then(|(tensors, metadata)| self.run.save(at, &tensors, &metadata));
        if saved.is_ok() {
            self.run.watch.note(&format!("saved after {at} steps"));
        }
    }
    /// Says what is about to run, by the first of its steppers, and holds them all to what the run began with.
    ///
    /// # Errors
    /// As [`Run::settle`].
    pub fn announce(&self, name: &str, films: usize, steppers: &[Stepper]) -> Result<()> {
        self.run.steps_by(self.gpu, steppers)?;
        let stepper = &steppers[0];
        let programs = stepper.programs();
        let peak: u64 = programs.iter().map(|p| p.plan().bytes()).max().unwrap_or(0);
        let launches: usize = programs.iter().map(|p| p.commands().len()).sum();
        self.run.watch.note(&format!(
            "{name}: {films} films, {} steps of {launches} launches, {} MiB of activations",
            self.steps,
            peak >> 20
        ));
        let [tuned, shapes] = stepper.tuned();
        self.run.tuned([tuned, shapes]);
        self.run.watch.note(&format!(
            "{name}: the fastest kernel is known for {tuned} of {shapes} shapes on this adapter{}",
            if tuned < shapes { "; tuning measures the others" } else { "" }
        ));
        if stepper.recomputed() > 0 {
            self.run.watch.note(&format!(
                "{name}: to keep to the memory it may take, {} cheap launches run twice; no figure changes",
                stepper.recomputed()
            ));
        }
        if stepper.micro() > 1 {
            self.run.watch.note(&format!(
                "{name}: a batch goes beyond the memory it may take or what this adapter binds at once; it is cut \
                 into {} micro-batches, each with batch statistics of its own",
                stepper.micro()
            ));
        }
        Ok(())
    }
}

/// The metadata of a checkpoint that `stage` wrote after `step` steps.
pub fn metadata(stage: &str, step: u64) -> Metadata {
    let pair = |key: &str, value: String| (key.to_owned(), value);
    [pair("stage", stage.into()), pair("step", step.to_string())].into()
}
