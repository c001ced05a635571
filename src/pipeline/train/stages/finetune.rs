//! Stage 3: fine-tuning on one task, and its evaluation.

use crate::{
    Error, Result,
    data::{Dataset, Loader, Sample},
    metrics::Bootstrap,
    models::head,
    train::{
        Device,
        config::{Finetune, Metric},
        run::{Checkpoint, Run},
        schedule::Span,
        step::{
            optimizer::Update,
            trainer::{Hooks, Pass, Trainer, metadata},
        },
        tasks::{
            self, Scorer, Scores, Task,
            inference::Inference,
            loading::{evaluating, training},
            model::{TaskModel, TaskStep, depth},
        },
    },
    weights::{
        self, arenas,
        checkpoint::{Metadata, Tensors},
    },
};
use mtpret_engine::{step::Stepper, tensor::State};
use std::path::Path;

/// Separates this stage's random numbers from other stages'.
const STAGE: u32 = 3;
/// Resamplings behind a 95 % interval.
pub(in crate::train) const REPLICATES: u32 = 1000;

/// What fine-tuning came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Figures on the test part, with the best epoch's weights.
    pub scores: Scores,
    /// The figure on the validation part that chose the best epoch.
    pub validation: Option<f64>,
    /// Films of the training part.
    pub training: usize,
}

/// The name of the file with the best epoch and its figure.
const BEST: &str = "best.json";
/// The name of the file with the last epoch's weights.
const LAST: &str = "last.safetensors";

/// Runs the stage, and scores the test part with the best epoch's weights.
///
/// # Errors
/// Whatever files, the device or the person may cause; the last checkpoint stays.
pub fn finetune(gpu: &Device, config: &Finetune, run: &Run) -> Result<Outcome> {
    run.write_config(config)?;
    run.process(gpu, || tune(gpu, config, run))
}

fn tune(gpu: &Device, config: &Finetune, run: &Run) -> Result<Outcome> {
    let (set, task) = tasks::open(&config.source, &config.task, config.settings())?;
    set.needs("val", &set.val)?;
    set.needs("test", &set.test)?;
    run.has(gpu, std::slice::from_ref(&set))?;
    let source = config.source.iter().find(|source| source.name == config.task);
    let metadata = tasks::metadata(
        source.expect("the configuration was checked to name a source"),
        &set.labels,
    );
    let depth = depth(config.model.backbone);
    let model = TaskModel::new(gpu, depth, &[&*task], false, config.seed)?;
    if let Some(path) = &config.model.weights {
        arenas::load_backbone(gpu, model.state(), path)?;
        if config.keep_head {
            let scope = format!("heads.{}.", config.task);
            arenas::load_head(gpu, model.state(), head(0), path, &scope)?;
        }
    }
    let mut inference = model.inference(gpu, &*task, 0)?;
    let (mut steps, mut trained, mut predicted) = (0, 0, None);
    let validation;
    if run.is_done() {
        model.load(gpu, 0, &run.weights_file())?;
        validation = best_of(&run.folder);
    } else {
        let tuning = Tuning {
            gpu,
            config,
            run,
            task: &*task,
            model: &model,
            inference: &mut inference,
            val: (&set.val, None),
            best: Best {
                state: model.state().duplicate(gpu)?,
                figure: f64::NEG_INFINITY,
                epoch: 0,
                predicted: None,
            },
            epoch_len: 0,
        };
        let best;
        (best, trained) = tuning.train(&set, metadata.clone())?;
        best.state.copy_to(gpu, model.state());
        run.watch.note(&format!("{}: best epoch {}", run_name(config), best.epoch + 1));
        validation = (best.figure > f64::MIN).then_some(best.figure);
        let record = serde_json::json!({ "epoch": best.epoch + 1, "validation": validation });
        run.write(BEST, &(record.to_string() + "\n"))?;
        steps = (best.epoch + 1) * (set.train.len() / task.data().batch) as u64;
        predicted = best.predicted;
    }
    let scores = run.timed("testing", || {
        // Thresholds are chosen on films that no figure is reported on.
        match predicted {
            Some(scorer) => write(run, &*scorer, ".val", draws(config, &set.val))?,
            None => evaluate(config, run, &*task, &mut inference, &set.val, ".val")?,
        };
        evaluate(config, run, &*task, &mut inference, &set.test, "")
    })?;
    run.finish(steps, model.network(gpu, 0)?, metadata)?;
    if trained > 0 {
        run.ended(gpu, &run_name(config), trained)?;
    }
    Ok(Outcome { scores, validation, training: set.train.len() })
}

/// The validation figure that a finished run noted.
pub(crate) fn best_of(run: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(run.join(BEST)).ok()?;
    serde_json::from_str::<serde_json::Value>(&text).ok()?["validation"].as_f64()
}

fn run_name(config: &Finetune) -> String {
    format!("finetune {}", config.task)
}

/// The state at the best validation figure so far.
struct Best<'t> {
    state: State,
    figure: f64,
    epoch: u64,
    /// What it predicts of the validation part; none where the process that saw that epoch has ended.
    predicted: Option<Box<dyn Scorer + 't>>,
}

/// The stage at work. What it predicts lives as long as the task, `'t`.
struct Tuning<'a, 't> {
    gpu: &'a Device,
    config: &'a Finetune,
    run: &'a Run<'a>,
    task: &'t dyn Task,
    model: &'a TaskModel,
    inference: &'a mut Inference,
    /// The validation part, and its batches once they are wanted: decoding them would keep the first step waiting.
    val: (&'a [Sample], Option<Loader>),
    best: Best<'t>,
    /// Steps of an epoch.
    epoch_len: u64,
}

impl<'t> Tuning<'_, 't> {
    /// All epochs, or as many as the figure still grows; and the steps that were done. The last epoch's weights are written, with
    /// this metadata.
    fn train(mut self, set: &Dataset, metadata: Metadata) -> Result<(Best<'t>, u64)> {
        let (config, run) = (self.config, self.run);
        let mut at = 0;
        if let Some(checkpoint) = run.checkpoint("finetune")? {
            at = self.restore(&checkpoint)?;
            run.watch.note(&format!("{}: going on at step {at}", run_name(config)));
        }
        let mut options = training(self.task, config.seed, at);
        options.cache_bytes /= 2;
        let mut loader = Loader::new(set.train.clone(), options)?;
        let epoch = loader.epoch_len();
        self.epoch_len = epoch;
        let step = TaskStep {
            model: self.model,
            task: self.task,
            head: 0,
            target: loader.row_len(),
            augment: &config.augment,
            update: Update::new(&config.optim, None),
            average: None,
        };
        let mut stepper = Stepper::new(self.gpu, &step)?;
        let trainer = Trainer {
            gpu: self.gpu,
            run,
            log: &config.log,
            seed: config.seed,
            stage: STAGE,
            steps: epoch * config.epochs as u64,
        };
        trainer.announce(&run_name(config), set.train.len(), std::slice::from_ref(&stepper))?;
        while at < trainer.steps && !self.is_exhausted(at) {
            let pass = Pass {
                name: run_name(config),
                parts: self.model.heads[0].parts(),
                samples: &set.train,
                loader: &mut loader,
                stepper: &mut stepper,
                begin: at - at % epoch,
                steps: epoch,
                round: Span { at: 0, of: epoch },
                optim: &config.optim,
            };
            at = trainer.pass(pass, at, &mut self)?;
        }
        weights::save(&run.folder.join(LAST), self.model.network(self.gpu, 0)?, metadata)?;
        run.profile(&run_name(config), &stepper)?;
        Ok((self.best, at))
    }
    /// Whether patience has run out. Asked before an epoch, so that a run resumed there stops where it would
    /// have stopped.
    fn is_exhausted(&self, at: u64) -> bool {
        let patience = self.config.patience as u64;
        let since = (at / self.epoch_len).saturating_sub(self.best.epoch + 1);
        let over = patience > 0 && at.is_multiple_of(self.epoch_len) && since >= patience;
        if over {
            let name = run_name(self.config);
            self.run.watch.note(&format!("{name}: no better figure for {since} epochs"));
        }
        over
    }
    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<u64> {
        let (gpu, model) = (self.gpu, self.model);
        let Checkpoint { file, tensors, .. } = checkpoint;
        arenas::take(gpu, file, tensors, "backbone.", model.state().arenas())?;
        arenas::take(gpu, file, tensors, "best.", self.best.state.arenas())?;
        arenas::take(gpu, file, tensors, "momentum.", [&model.train.momentum])?;
        arenas::take_scale(gpu, file, tensors, model.state())?;
        let [figure, epoch] = ["best_figure", "best_epoch"].map(|key| checkpoint.number(key));
        let (Some(figure), Some(epoch)) = (figure, epoch) else {
            let expected = "the best figure and epoch in the metadata";
            return Err(Error::weights(file, expected, "none", "begin the run anew"));
        };
        (self.best.figure, self.best.epoch) = (f64::from_bits(figure), epoch);
        checkpoint.step()
    }
}

#[derive(serde::Serialize)]
struct Validation<'a> {
    stage: String,
    step: u64,
    epoch: u64,
    validation: &'a Scores,
}

impl Hooks for Tuning<'_, '_> {
    fn checkpoint(&self, at: u64) -> Result<(Tensors, Metadata)> {
        let (gpu, model) = (self.gpu, self.model);
        let mut tensors = Tensors::new();
        arenas::put(gpu, &mut tensors, "backbone.", model.state().arenas())?;
        arenas::put(gpu, &mut tensors, "best.", self.best.state.arenas())?;
        arenas::put(gpu, &mut tensors, "momentum.", [&model.train.momentum])?;
        arenas::put_scale(gpu, &mut tensors, model.state())?;
        let mut metadata = metadata("finetune", at);
        metadata.insert("best_figure".into(), self.best.figure.to_bits().to_string());
        metadata.insert("best_epoch".into(), self.best.epoch.to_string());
        Ok((tensors, metadata))
    }
    /// Validates, and keeps the best state and what it predicts.
    fn pass_ended(&mut self, at: u64) -> Result<()> {
        let (config, run) = (self.config, self.run);
        run.finite(at, &arenas::network(self.gpu, self.model.state())?)?;
        let epoch = at / self.epoch_len - 1;
        let (samples, loader) = &mut self.val;
        let loader = match loader {
            Some(loader) => loader,
            none => {
                let mut options = evaluating(self.task);
                options.cache_bytes /= 2;
                none.insert(Loader::new(samples.to_vec(), options)?)
            }
        };
        let mut scorer = self.task.scorer();
        self.inference.run(loader, samples, |predicted| scorer.add(predicted))?;
        run.list_bad(&loader.bad())?;
        let scores = scorer.scores(Bootstrap { replicates: 0, seed: 0 })?;
        let figure = match config.metric {
            Metric::Loss => scorer.loss().map(|loss| -loss),
            metric => scores.figure(metric)?,
        };
        // A loss stands below 0 here, so that larger is better.
        let shown = figure.map_or("undefined".into(), |f| format!("{:.4}", f.abs()));
        let metric = scores.name(config.metric);
        let name = run_name(config);
        run.watch.note(&format!("{name} epoch {}: validation {metric} {shown}", epoch + 1));
        run.record(&Validation { stage: name, step: at, epoch, validation: &scores })?;
        // An undefined figure (one class only) still lets the first epoch be kept.
        let figure = figure.unwrap_or(f64::MIN);
        if figure > self.best.figure {
            self.model.state().copy_to(self.gpu, &self.best.state);
            (self.best.figure, self.best.epoch) = (figure, epoch);
            self.best.predicted = Some(scorer);
        }
        Ok(())
    }
}

/// Figures with 95 % intervals, resampling patients; writes `scores.json` and the predictions, under names that
/// end in `suffix` (`scores.val.json`).
///
/// # Errors
/// Films that cannot be read, or a folder that cannot be written.
pub fn evaluate(
    config: &Finetune,
    run: &Run,
    task: &dyn Task,
    inference: &mut Inference,
    samples: &[Sample],
    suffix: &str,
) -> Result<Scores> {
    let mut scorer = task.scorer();
    run.list_bad(&inference.score(task, samples, &mut *scorer)?)?;
    write(run, &*scorer, suffix, draws(config, samples))
}

/// What an interval draws patients by: the task and its films' patients. So the same ones are drawn whatever the seed of training
/// and the first weights are, and runs can be compared in pairs.
fn draws(config: &Finetune, samples: &[Sample]) -> Bootstrap {
    let mut hash = blake3::Hasher::new();
    hash.update(config.task.as_bytes());
    for film in samples {
        hash.update(b"\n").update(film.patient.as_bytes());
    }
    let seed =
        u64::from_le_bytes(*hash.finalize().as_bytes().first_chunk().expect("32 bytes")) >> 11;
    Bootstrap { replicates: REPLICATES, seed }
}

/// As [`evaluate`], of what was predicted before.
fn write(run: &Run, scorer: &dyn Scorer, suffix: &str, bootstrap: Bootstrap) -> Result<Scores> {
    let scores = scorer.scores(bootstrap)?;
    let json = serde_json::to_string_pretty(&scores).expect("scores are plain data");
    run.write(&format!("scores{suffix}.json"), &(json + "\n"))?;
    scorer.write(run, suffix, bootstrap)?;
    Ok(scores)
}
