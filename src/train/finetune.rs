//! Stage 3: fine-tuning on one task, and its evaluation.

use super::{
    checkpoint::{Metadata, Tensors},
    config::{Finetune, Metric},
    learner::{Inference, Learner, TaskStep, depth, infer},
    metrics::{Bootstrap, ClassifyScores},
    pretrain::{announce, step_of},
    run::{Pace, Run, training},
    schedule::{Progress, Span},
    state,
    stepper::{Recorded, Stepper},
    task::{Classify, Task},
    update::Update,
};
use crate::{
    Error, Result,
    data::{Dataset, Loader, Sample},
    gpu::Gpu,
    tensor::{State, Step},
};

/// Separates this stage's random numbers from other stages'.
const STAGE: u32 = 3;
/// Resamplings behind a 95 % interval.
const REPLICATES: u32 = 1000;

/// The state at the best validation figure so far.
struct Best {
    state: State,
    figure: f64,
    epoch: u64,
}

/// The data set and task of a configuration.
///
/// # Errors
/// The source cannot be read, or has no labels.
pub fn task_of(config: &Finetune) -> Result<(Dataset, Classify)> {
    let source = config.source.iter().find(|s| s.name == config.task);
    let source = source.expect("the configuration was checked to name a source");
    let set = source.read()?;
    let task = Classify::new(source, &set)?;
    Ok((set, task))
}

/// Runs the stage; returns the figures on the test part with the best epoch's weights.
///
/// # Errors
/// Whatever files, the device or the person may cause; the last checkpoint stays.
pub fn finetune(gpu: &Gpu, config: &Finetune, run: &Run) -> Result<ClassifyScores> {
    run.write_config(config)?;
    let (set, task) = task_of(config)?;
    set.needs("val", &set.val)?;
    set.needs("test", &set.test)?;
    let depth = depth(config.model.backbone);
    let learner = Learner::new(gpu, depth, &[&task as &dyn Task], false, config.seed)?;
    if let Some(path) = &config.model.weights {
        state::load(gpu, &learner.state, path, true)?;
    }
    let mut inference = learner.inference(gpu, &config.data, 0)?;
    let mut steps = 0;
    if run.is_done() {
        state::load(gpu, &learner.state, &run.weights_file(), false)?;
    } else {
        let best = train(gpu, config, run, &set, &task, &learner, &mut inference)?;
        gpu.copy(&best.state.weights.data, &learner.state.weights.data);
        gpu.copy(&best.state.statistics.data, &learner.state.statistics.data);
        run.watch.note(&format!("{}: best epoch {}", run_name(config), best.epoch + 1));
        steps = (best.epoch + 1) * (set.train.len() / config.data.batch) as u64;
    }
    let scores = evaluate(config, run, &task, &mut inference, &set.test)?;
    run.finish(steps, state::network(gpu, &learner.state)?)?;
    Ok(scores)
}

fn run_name(config: &Finetune) -> String {
    format!("finetune {}", config.task)
}

fn train(
    gpu: &Gpu,
    config: &Finetune,
    run: &Run,
    set: &Dataset,
    task: &Classify,
    learner: &Learner,
    inference: &mut Inference,
) -> Result<Best> {
    let mut best =
        Best { state: learner.state.duplicate(gpu)?, figure: f64::NEG_INFINITY, epoch: 0 };
    let mut at = 0;
    if let Some((tensors, metadata)) = run.checkpoint("finetune")? {
        at = restore(gpu, learner, &mut best, &tensors, &metadata)?;
        run.watch.note(&format!("{}: going on at step {at}", run_name(config)));
    }
    let mut loader = Loader::new(set.train.clone(), training(&config.data, config.seed, at))?;
    let epoch = loader.epoch_len();
    let steps = epoch * config.epochs as u64;
    let step = TaskStep {
        learner,
        head: 0,
        target: task.widths()[0],
        data: &config.data,
        augment: &config.augment,
        update: Update::new(&config.optim, None),
    };
    let mut stepper = Stepper::share(gpu, vec![Recorded::new(gpu, &step)?])?.remove(0);
    announce(run, &run_name(config), set.train.len(), steps, &stepper);
    let mut pace = Pace::new(run_name(config), steps, config.log.every);
    while at < steps {
        // At the start of an epoch, so that a run resumed there stops where it would have stopped.
        let since = (at / epoch).saturating_sub(best.epoch + 1);
        if config.patience > 0 && at.is_multiple_of(epoch) && since >= config.patience as u64 {
            let text = format!("{}: no better figure for {since} epochs", run_name(config));
            run.watch.note(&text);
            break;
        }
        let batch = loader.next_batch()?;
        let here = Span { at: at % epoch, of: epoch };
        let lr =
            config.optim.lr(&Progress { run: Span { at, of: steps }, epoch: here, round: here });
        let step = Step {
            lr: lr as f32,
            step: at as u32,
            seed_low: config.seed as u32,
            seed_high: (config.seed >> 32) as u32,
            queue_at: 0,
            epoch: batch.epoch as u32,
            stage: STAGE,
            pad: 0,
        };
        stepper.run(&step, &batch.pixels, &batch.targets)?;
        pace.batch(at, &batch, &set.train);
        at += 1;
        let stop = run.watch.interrupted();
        let save = at % config.log.save_every == 0 || stop;
        // At an epoch's end too: the loss tells a divergence more plainly than a figure can.
        if at % config.log.every == 0 || save || at % epoch == 0 {
            let reading = pace.reading(gpu, stepper.read_meter()?, at, lr, &loader, run)?;
            run.watch.reading(&reading);
            run.record(&reading)?;
        }
        // The figure comes before the checkpoint, so that a resumed run has it too.
        if at.is_multiple_of(epoch) {
            run.finite(at, &state::network(gpu, &learner.state)?)?;
            validate(gpu, config, run, set, task, learner, inference, &mut best, at / epoch - 1)?;
        }
        if save {
            let tensors = tensors(gpu, learner, &best)?;
            run.save(at, &tensors, &metadata(at, &best))?;
            run.list_bad(&loader.bad())?;
        }
        if stop {
            return Err(Error::Interrupted(run.folder.clone()));
        }
    }
    run.list_bad(&loader.bad())?;
    Ok(best)
}

#[derive(serde::Serialize)]
struct Validation<'a> {
    stage: String,
    epoch: u64,
    validation: &'a ClassifyScores,
}

#[expect(clippy::too_many_arguments, reason = "all of a stage's state, once an epoch")]
fn validate(
    gpu: &Gpu,
    config: &Finetune,
    run: &Run,
    set: &Dataset,
    task: &Classify,
    learner: &Learner,
    inference: &mut Inference,
    best: &mut Best,
    epoch: u64,
) -> Result<()> {
    let (samples, outputs, bad) = infer(inference, &config.data, &set.val)?;
    run.list_bad(&bad)?;
    let scores = task.score(&samples, &outputs, Bootstrap { replicates: 0, seed: 0 })?;
    let figure = match config.metric {
        Metric::Auc => scores.measures.mauc,
        Metric::Accuracy => scores.measures.overall_accuracy,
        Metric::Loss => Some(-task.loss(&samples, &outputs)),
    };
    let shown = figure.map_or("undefined".into(), |f| format!("{f:.4}"));
    let name = format!("{:?}", config.metric).to_lowercase();
    run.watch.note(&format!("{} epoch {}: validation {name} {shown}", run_name(config), epoch + 1));
    run.record(&Validation { stage: run_name(config), epoch, validation: &scores })?;
    // An undefined figure (one class only) still lets the first epoch be kept.
    let figure = figure.unwrap_or(f64::MIN);
    if figure > best.figure {
        gpu.copy(&learner.state.weights.data, &best.state.weights.data);
        gpu.copy(&learner.state.statistics.data, &best.state.statistics.data);
        (best.figure, best.epoch) = (figure, epoch);
    }
    Ok(())
}

/// Figures with 95 % intervals, resampling patients; writes `scores.json` and `predictions.csv`.
///
/// # Errors
/// Films that cannot be read, or a folder that cannot be written.
pub fn evaluate(
    config: &Finetune,
    run: &Run,
    task: &dyn Task,
    inference: &mut Inference,
    samples: &[Sample],
) -> Result<ClassifyScores> {
    let (samples, outputs, bad) = infer(inference, &config.data, samples)?;
    run.list_bad(&bad)?;
    let bootstrap = Bootstrap { replicates: REPLICATES, seed: config.seed };
    let scores = task.score(&samples, &outputs, bootstrap)?;
    let json = serde_json::to_string_pretty(&scores).expect("scores are plain data");
    run.write("scores.json", &(json + "\n"))?;
    run.write("predictions.csv", &predictions(task, &samples, &outputs))?;
    Ok(scores)
}

/// One row for each film: its path and the probability of each label.
pub fn predictions(task: &dyn Task, samples: &[&Sample], outputs: &[f32]) -> String {
    let (names, probabilities) = task.probabilities(outputs);
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = std::iter::once("image".to_owned()).chain(names.iter().cloned());
    let mut rows = vec![header.collect::<Vec<_>>()];
    for (sample, row) in samples.iter().zip(probabilities.chunks(names.len())) {
        let path = sample.path.display().to_string();
        rows.push(std::iter::once(path).chain(row.iter().map(|p| format!("{p:.6}"))).collect());
    }
    for row in rows {
        table.write_record(row).expect("memory takes every row");
    }
    String::from_utf8(table.into_inner().expect("memory is flushed")).expect("rows are UTF-8")
}

fn metadata(step: u64, best: &Best) -> Metadata {
    [
        ("stage", "finetune".to_owned()),
        ("step", step.to_string()),
        ("best_figure", best.figure.to_bits().to_string()),
        ("best_epoch", best.epoch.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn tensors(gpu: &Gpu, learner: &Learner, best: &Best) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    for (prefix, state) in [("backbone.", &learner.state), ("best.", &best.state)] {
        state::put(gpu, &mut tensors, prefix, &state.weights)?;
        state::put(gpu, &mut tensors, prefix, &state.statistics)?;
    }
    state::put(gpu, &mut tensors, "momentum.", &learner.momentum)?;
    Ok(tensors)
}

fn restore(
    gpu: &Gpu,
    learner: &Learner,
    best: &mut Best,
    tensors: &Tensors,
    metadata: &Metadata,
) -> Result<u64> {
    for (prefix, state) in [("backbone.", &learner.state), ("best.", &best.state)] {
        state::take(gpu, tensors, prefix, &state.weights)?;
        state::take(gpu, tensors, prefix, &state.statistics)?;
    }
    state::take(gpu, tensors, "momentum.", &learner.momentum)?;
    let number = |key: &str| metadata.get(key).and_then(|v| v.parse::<u64>().ok());
    let (Some(figure), Some(epoch)) = (number("best_figure"), number("best_epoch")) else {
        let problem = "expected the best figure and epoch in the metadata, found none";
        return Err(Error::weights("checkpoint", problem, "begin the run anew"));
    };
    (best.figure, best.epoch) = (f64::from_bits(figure), epoch);
    step_of(metadata)
}
