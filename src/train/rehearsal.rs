//! A stage rehearsed: everything is made as for the stage, a few batches of each task go through at the rate 0, and nothing is
//! written.

use super::{
    config::{Finetune, Multitask, Pretrain},
    inference::Inference,
    learner::{Learner, TaskStep, depth},
    pretrain,
    run::{evaluating, shuffled, training},
    state,
    stepper::{Recorded, Stepper},
    task::{self, Task},
    update::Update,
};
use crate::{
    Result,
    data::{Loader, Sample},
    gpu::Gpu,
    tensor::Step,
};
use std::time::Instant;

/// Steps that are timed, after one that is not.
const TIMED: u32 = 2;

/// What an epoch of a stage, or of one of its tasks, will take.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Rehearsal {
    /// The stage or the task.
    pub name: String,
    /// Films of an epoch.
    pub films: usize,
    /// Steps of an epoch.
    pub steps: u64,
    /// Epochs of the stage, or rounds.
    pub epochs: u64,
    /// Seconds of an epoch with its validation, by the time of a step here and now.
    pub epoch_seconds: f64,
    /// Device memory of the whole stage in buffers, MiB.
    pub mib: i64,
}

/// Buffers on the device, MiB.
fn memory(gpu: &Gpu) -> i64 {
    gpu.counters().buffer_bytes >> 20
}

/// Seconds of a step on the loader's batches.
fn step_seconds(stepper: &mut Stepper, loader: &mut Loader) -> Result<f64> {
    let mut run = |steps: u32| {
        for _ in 0..steps {
            let batch = loader.next_batch()?;
            stepper.run(&Step::default(), &batch.pixels, &batch.targets, &batch.extents)?;
        }
        stepper.read_meter()
    };
    run(1)?;
    let begun = Instant::now();
    run(TIMED)?;
    Ok(begun.elapsed().as_secs_f64() / f64::from(TIMED))
}

/// Seconds to predict `films`, by the time of one batch.
fn evaluation_seconds(inference: &mut Inference, task: &dyn Task, films: &[Sample]) -> Result<f64> {
    let batch = task.data().batch;
    let first = &films[..batch.min(films.len())];
    let mut seconds = 0.0;
    for _ in 0..2 {
        let mut loader = Loader::new(first.to_vec(), evaluating(task))?;
        let begun = Instant::now();
        inference.run(&mut loader, first, |_| Ok(()))?;
        seconds = begun.elapsed().as_secs_f64();
    }
    Ok(seconds * films.len().div_ceil(batch) as f64)
}

/// Rehearses fine-tuning.
///
/// # Errors
/// Whatever would stop the stage before its first step.
pub fn finetune(gpu: &Gpu, config: &Finetune) -> Result<Vec<Rehearsal>> {
    let (set, task) = task::open(&config.source, &config.task, config.settings())?;
    set.needs("val", &set.val)?;
    set.needs("test", &set.test)?;
    let learner = Learner::new(gpu, depth(config.model.backbone), &[&*task], false, config.seed)?;
    if let Some(path) = &config.model.weights {
        state::load_backbone(gpu, &learner.state, path)?;
    }
    let mut inference = learner.inference(gpu, &*task, 0)?;
    // The state at the best epoch takes its place too.
    let _best = learner.state.duplicate(gpu)?;
    let mut loader = Loader::new(set.train.clone(), training(&*task, config.seed, 0))?;
    let step = TaskStep {
        learner: &learner,
        task: &*task,
        head: 0,
        target: loader.row_len(),
        augment: &config.augment,
        update: Update::new(&config.optim, None),
    };
    let mut stepper = Stepper::share(gpu, vec![Recorded::new(gpu, &step)?])?.remove(0);
    let steps = loader.epoch_len();
    let training = steps as f64 * step_seconds(&mut stepper, &mut loader)?;
    Ok(vec![Rehearsal {
        name: config.task.clone(),
        films: set.train.len(),
        steps,
        epochs: config.epochs as u64,
        epoch_seconds: training + evaluation_seconds(&mut inference, &*task, &set.val)?,
        mib: memory(gpu),
    }])
}

/// Rehearses multitask learning, task by task.
///
/// # Errors
/// As [`finetune`].
pub fn multitask(gpu: &Gpu, config: &Multitask) -> Result<Vec<Rehearsal>> {
    let open = |name: &String| task::open(&config.source, name, config.settings());
    let opened = config.tasks.iter().map(open).collect::<Result<Vec<_>>>()?;
    let tasks: Vec<&dyn Task> = opened.iter().map(|(_, task)| &**task).collect();
    let learner = Learner::new(gpu, depth(config.model.backbone), &tasks, true, config.seed)?;
    if let Some(path) = &config.model.weights {
        state::load_backbone(gpu, &learner.state, path)?;
    }
    let loader = |(set, task): &(crate::data::Dataset, Box<dyn Task>)| {
        Loader::new(set.train.clone(), training(&**task, config.seed, 0))
    };
    let mut loaders = opened.iter().map(loader).collect::<Result<Vec<_>>>()?;
    let step = |head: usize| TaskStep {
        learner: &learner,
        task: tasks[head],
        head,
        target: loaders[head].row_len(),
        augment: &config.augment,
        update: Update::new(&config.optim, Some(&config.l2sp)),
    };
    let recorded = (0..tasks.len()).map(|i| Recorded::new(gpu, &step(i))).collect::<Result<_>>()?;
    let mut steppers = Stepper::share(gpu, recorded)?;
    let mut rehearsals = Vec::new();
    for (at, (set, _)) in opened.iter().enumerate() {
        let steps = loaders[at].epoch_len();
        let seconds = step_seconds(&mut steppers[at], &mut loaders[at])?;
        rehearsals.push(Rehearsal {
            name: set.name.clone(),
            films: set.train.len(),
            steps,
            epochs: config.rounds as u64,
            epoch_seconds: steps as f64 * seconds,
            mib: memory(gpu),
        });
    }
    Ok(rehearsals)
}

/// Rehearses pretraining, without its online figure.
///
/// # Errors
/// As [`finetune`].
pub fn pretrain(gpu: &Gpu, config: &Pretrain) -> Result<Vec<Rehearsal>> {
    let (_, films) = pretrain::films(config)?;
    let mut loader = Loader::new(films.clone(), shuffled(&config.data, config.seed, 0))?;
    let steps = loader.epoch_len();
    let rehearse: Box<pretrain::Prepared<Rehearsal>> = Box::new(|method, step, _| {
        if let Some(path) = &config.model.weights {
            state::load_backbone(gpu, method.encoder().1, path)?;
        }
        let mut stepper = Stepper::share(gpu, vec![Recorded::new(gpu, step)?])?.remove(0);
        Ok(Rehearsal {
            name: "pretrain".into(),
            films: films.len(),
            steps,
            epochs: config.epochs as u64,
            epoch_seconds: steps as f64 * step_seconds(&mut stepper, &mut loader)?,
            mib: memory(gpu),
        })
    });
    Ok(vec![pretrain::prepare(gpu, config, rehearse)?])
}
