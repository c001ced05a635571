//! A dry run of a stage: everything is made as the stage makes it, a few batches of each task go through at the rate 0, and
//! nothing is written.

use crate::{
    Result,
    data::{Batch, Dataset, Loader, LoaderOptions, Sample},
    metrics::Bootstrap,
    train::{
        Device,
        config::{Finetune, Multitask, Pretrain},
        stages::{forgetting::part, monitor::Online, multitask::Continual, pretrain},
        step::optimizer::Update,
        tasks::{
            self, Task,
            inference::Inference,
            loading::{evaluating, shuffled, training},
            model::{TaskModel, TaskStep, depth},
        },
    },
    weights::arenas,
};
use mtpret_engine::{
    step::{Stepper, Trainable},
    tensor::{State, Step},
};
use std::time::Instant;

/// Steps are timed for about this long,
const SECONDS: f64 = 2.0;
/// and no more of them than this.
const STEPS: usize = 20;
/// Batches that are decoded for it.
const BATCHES: u64 = 2;

/// What a stage, or one of its tasks, will take.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DryRun {
    /// The stage or the task.
    pub name: String,
    /// Films of an epoch.
    pub films: usize,
    /// Steps of an epoch, or of a visit.
    pub steps: u64,
    /// Epochs of the stage, or visits of each task.
    pub epochs: u64,
    /// Seconds of the first epoch and its validation, in which films are decoded; or of the first visit.
    pub first_epoch_seconds: f64,
    /// Seconds of a later epoch and its validation, for which films are in memory, as far as `data.cache_mb` goes.
    pub epoch_seconds: f64,
    /// Seconds of what is done once: figures before the first epoch or after the last.
    pub once_seconds: f64,
    /// The most device memory that the whole stage will have in buffers, MiB.
    pub mib: u64,
}

impl DryRun {
    /// Several tasks that take turns, as one.
    pub fn together(name: &str, tasks: &[Self]) -> Self {
        let sum = |of: fn(&Self) -> f64| tasks.iter().map(of).sum();
        Self {
            name: name.into(),
            films: tasks.iter().map(|one| one.films).sum(),
            steps: tasks.iter().map(|one| one.steps).sum(),
            epochs: tasks.iter().map(|one| one.epochs).max().unwrap_or(0),
            first_epoch_seconds: sum(|one| one.first_epoch_seconds),
            epoch_seconds: sum(|one| one.epoch_seconds),
            once_seconds: sum(|one| one.once_seconds),
            mib: tasks.iter().map(|one| one.mib).max().unwrap_or(0),
        }
    }
    /// Seconds of so many epochs and of what is done once, by the time of a step here and now.
    pub fn seconds(&self, epochs: u64) -> f64 {
        let later = epochs.saturating_sub(1) as f64 * self.epoch_seconds;
        self.once_seconds + self.first_epoch_seconds + later
    }
}

/// The first batches of a task's training films, and what they cost the host.
struct FirstBatches {
    batches: Vec<Batch>,
    /// Numbers of a film's target.
    row: usize,
    /// Batches of an epoch.
    epoch: u64,
    /// Seconds to decode a batch.
    decoding: f64,
    /// Share of the films that stay in memory.
    kept: f64,
}

impl FirstBatches {
    fn read(samples: &[Sample], options: LoaderOptions) -> Result<Self> {
        let cache = options.cache_bytes as f64;
        let begun = Instant::now();
        let mut loader = Loader::new(samples.to_vec(), options)?;
        let (row, epoch) = (loader.row_len(), loader.epoch_len());
        let count = BATCHES.min(epoch);
        let batches = (0..count).map(|_| loader.next_batch()).collect::<Result<Vec<Batch>>>()?;
        let decoding = begun.elapsed().as_secs_f64() / count as f64;
        let films = || batches.iter().flat_map(|batch| &batch.films);
        let bytes: usize = films().map(|film| film.bytes()).sum();
        let all = bytes as f64 / films().count().max(1) as f64 * samples.len() as f64;
        Ok(Self { batches, row, epoch, decoding, kept: (cache / all).min(1.0) })
    }
    /// Seconds of the first epoch and of a later one, in steps of so many seconds: a driver on the CPU shares the cores
    /// with the decoder, others leave them to it.
    fn epochs(&self, gpu: &Device, step: f64) -> [f64; 2] {
        let decoded = match gpu.caps().software {
            true => step + self.decoding,
            false => step.max(self.decoding),
        };
        let later = self.kept * step + (1.0 - self.kept) * decoded;
        [decoded, later].map(|seconds| seconds * self.epoch as f64)
    }
}

/// Seconds of a step on these batches, one after another.
fn step_seconds(stepper: &mut Stepper, batches: &[Batch]) -> Result<f64> {
    let mut next = batches.iter().cycle();
    let mut run = |steps: usize| -> Result<f64> {
        let begun = Instant::now();
        for batch in next.by_ref().take(steps) {
            stepper.run(&Step::default(), &batch.fields())?;
        }
        stepper.read_meter()?;
        Ok(begun.elapsed().as_secs_f64())
    };
    run(1)?;
    let first = run(1)?;
    let more = ((SECONDS / first) as usize).clamp(1, STEPS);
    Ok((first + run(more)?) / (1 + more) as f64)
}

/// Seconds to predict and score these films: decoded for it, and in memory; by the time of one batch.
fn evaluation(inference: &mut Inference, task: &dyn Task, films: &[Sample]) -> Result<[f64; 2]> {
    let first = &films[..task.data().batch.min(films.len())];
    let loader = || Loader::new(first.to_vec(), evaluating(task));
    let mut run = |loader: &mut Loader| -> Result<()> {
        let mut scorer = task.scorer();
        inference.run(loader, first, |predicted| scorer.add(predicted))?;
        scorer.scores(Bootstrap { replicates: 0, seed: 0 })?;
        Ok(())
    };
    // The driver makes its kernels when they run for the first time, which no later batch waits for.
    run(&mut loader()?)?;
    let begun = Instant::now();
    let mut loader = loader()?;
    run(&mut loader)?;
    let decoded = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    run(&mut loader)?;
    let kept = begun.elapsed().as_secs_f64();
    let times = films.len() as f64 / first.len() as f64;
    Ok([decoded.max(kept), kept].map(|seconds| seconds * times))
}

/// Seconds to read a network back, as an epoch's end and a checkpoint do.
fn readback(gpu: &Device, state: &State) -> Result<f64> {
    let begun = Instant::now();
    arenas::network(gpu, state)?;
    Ok(begun.elapsed().as_secs_f64())
}

fn mib(gpu: &Device) -> u64 {
    gpu.peak() >> 20
}

/// A dry run of fine-tuning.
///
/// # Errors
/// Whatever would stop the stage before its first step.
pub fn finetune(gpu: &Device, config: &Finetune) -> Result<DryRun> {
    gpu.watch_peak()?;
    let (set, task) = tasks::open(&config.source, &config.task, config.settings())?;
    set.needs("val", &set.val)?;
    set.needs("test", &set.test)?;
    let model = TaskModel::new(gpu, depth(config.model.backbone), &[&*task], false, config.seed)?;
    if let Some(path) = &config.model.weights {
        arenas::load_backbone(gpu, model.state(), path)?;
    }
    let mut inference = model.inference(gpu, &*task, 0)?;
    // The state at the best epoch takes its place too.
    let _best = model.state().duplicate(gpu)?;
    let mut options = training(&*task, config.seed, 0);
    options.cache_bytes /= 2;
    let films = FirstBatches::read(&set.train, options)?;
    let step = TaskStep {
        model: &model,
        task: &*task,
        head: 0,
        target: films.row,
        augment: &config.augment,
        update: Update::new(&config.optim, None),
        average: None,
    };
    let mut stepper = Stepper::new(gpu, &step)?;
    let [first, later] = films.epochs(gpu, step_seconds(&mut stepper, &films.batches)?);
    let [decoded, kept] = evaluation(&mut inference, &*task, &set.val)?;
    let readback = readback(gpu, model.state())?;
    Ok(DryRun {
        name: config.task.clone(),
        films: set.train.len(),
        steps: films.epoch,
        epochs: config.epochs as u64,
        first_epoch_seconds: first + decoded + readback,
        epoch_seconds: later + kept + readback,
        once_seconds: evaluation(&mut inference, &*task, &set.test)?[0],
        mib: mib(gpu),
    })
}

/// A dry run of multitask learning, task by task.
///
/// # Errors
/// As [`finetune`].
pub fn multitask(gpu: &Device, config: &Multitask) -> Result<Vec<DryRun>> {
    gpu.watch_peak()?;
    let open = |name: &String| tasks::open(&config.source, name, config.settings());
    let opened = config.tasks.iter().map(open).collect::<Result<Vec<_>>>()?;
    let tasks: Vec<&dyn Task> = opened.iter().map(|(_, task)| &**task).collect();
    let model = TaskModel::new(gpu, depth(config.model.backbone), &tasks, true, config.seed)?;
    if let Some(path) = &config.model.weights {
        arenas::load_backbone(gpu, model.state(), path)?;
    }
    let continual = Continual::new(gpu, config, &model)?;
    let validations = config.validate.times_a_round(tasks.len());
    let mut validated = vec![0.0; tasks.len()];
    if validations > 0.0 {
        for (head, ((set, task), seconds)) in opened.iter().zip(&mut validated).enumerate() {
            set.needs("val", &set.val)?;
            let films = part(&set.val, config.validate_films, config.seed);
            let mut inference = model.inference(gpu, &**task, head)?;
            *seconds = validations * evaluation(&mut inference, &**task, &films)?[1];
        }
    }
    let films = |(set, task): &(Dataset, Box<dyn Task>)| {
        let mut options = training(&**task, config.seed, 0);
        options.cache_bytes /= config.tasks.len();
        FirstBatches::read(&set.train, options)
    };
    let films = opened.iter().map(films).collect::<Result<Vec<_>>>()?;
    let step = |head: usize| TaskStep {
        model: &model,
        task: tasks[head],
        head,
        target: films[head].row,
        augment: &config.augment,
        update: Update::new(&config.optim, Some(&config.l2sp)),
        average: continual.average(),
    };
    let heads: Vec<TaskStep> = (0..tasks.len()).map(step).collect();
    let heads: Vec<&dyn Trainable> = heads.iter().map(|head| head as &dyn Trainable).collect();
    let mut steppers = Stepper::share(gpu, &heads)?;
    let dry_run = |((set, _), (films, stepper)): (&(Dataset, _), (&FirstBatches, &mut Stepper))| {
        let (visit, rounds) = (config.visit.steps(films.epoch), config.rounds as u64);
        let epochs = films.epochs(gpu, step_seconds(stepper, &films.batches)?);
        let [decoded, kept] = epochs.map(|seconds| seconds / films.epoch as f64);
        // Films are decoded in the first epoch, which may take several visits or end within the first.
        let seconds = |steps: u64| {
            let fresh = steps.min(films.epoch);
            fresh as f64 * decoded + (steps - fresh) as f64 * kept
        };
        let first = seconds(visit);
        // The mean of the later ones; where there is none, what a second one would take.
        let all = rounds.max(2);
        let later = (seconds(visit * all) - first) / (all - 1) as f64;
        Ok(DryRun {
            name: set.name.clone(),
            films: set.train.len(),
            steps: visit,
            epochs: rounds,
            first_epoch_seconds: first,
            epoch_seconds: later,
            once_seconds: 0.0,
            mib: 0,
        })
    };
    let all = opened.iter().zip(films.iter().zip(&mut steppers)).map(dry_run);
    let mut all = all.collect::<Result<Vec<_>>>()?;
    for (one, seconds) in all.iter_mut().zip(validated) {
        one.first_epoch_seconds += seconds;
        one.epoch_seconds += seconds;
    }
    // Last, as in the stage, when what was staged at the start has gone.
    readback(gpu, model.state())?;
    all.iter_mut().for_each(|one| one.mib = mib(gpu));
    Ok(all)
}

/// A dry run of pretraining.
///
/// # Errors
/// As [`finetune`].
pub fn pretrain(gpu: &Device, config: &Pretrain) -> Result<DryRun> {
    gpu.watch_peak()?;
    let dry_run: Box<pretrain::Prepared<DryRun>> = Box::new(|method, step| {
        let (sets, samples) = pretrain::films(config)?;
        let state = &method.encoder().1.network;
        if let Some(path) = &config.model.weights {
            arenas::load_backbone(gpu, state, path)?;
            method.loaded(gpu);
        }
        let films = FirstBatches::read(&samples, shuffled(&config.data, config.seed, 0))?;
        let mut stepper = Stepper::new(gpu, step)?;
        let [first, later] = films.epochs(gpu, step_seconds(&mut stepper, &films.batches)?);
        // The online figure is read before the first epoch too.
        let (mut once, mut each) = (0.0, 0.0);
        if let Some(monitor) = &config.monitor {
            once = Online::new(gpu, config, method, monitor, &sets)?.seconds()?;
            each = once / monitor.every_epochs as f64;
        }
        readback(gpu, state)?;
        Ok(DryRun {
            name: "pretrain".into(),
            films: samples.len(),
            steps: films.epoch,
            epochs: config.epochs as u64,
            first_epoch_seconds: first + each,
            epoch_seconds: later + each,
            once_seconds: once,
            mib: mib(gpu),
        })
    });
    pretrain::prepare(gpu, config, dry_run)
}
