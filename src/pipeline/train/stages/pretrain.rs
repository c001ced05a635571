//! Stage 1: contrastive pretraining over several data sets (MTPret §II-B, Algorithm 1), by MoCo or, to compare,
//! by SimCLR.

use super::{
    contrastive::Contrastive,
    moco::{MocoModel, MocoStep},
    monitor::Online,
    simclr::{SimclrModel, SimclrStep},
};
use crate::{
    Result,
    data::{Dataset, Loader, Sample},
    train::{
        Device,
        config::{Method, Pretrain},
        run::Run,
        schedule::Span,
        step::{
            optimizer::Update,
            trainer::{Hooks, Pass, Trainer, metadata},
        },
        tasks::{loading::shuffled, model::depth},
    },
    weights::{
        arenas,
        checkpoint::{Metadata, Tensors},
    },
};
use mtpret_engine::step::{Stepper, Trainable};
use std::{collections::BTreeSet, path::PathBuf};

/// Separates this stage's random numbers from other stages'.
const STAGE: u32 = 1;

/// What is made of a method's model and its step.
pub(in crate::train) type Prepared<'a, T> =
    dyn FnOnce(&dyn Contrastive, &dyn Trainable) -> Result<T> + 'a;

/// Makes what a configuration asks for and gives it to `then`.
///
/// # Errors
/// Too little device memory, or what `then` gives.
pub fn prepare<T>(gpu: &Device, config: &Pretrain, then: Box<Prepared<T>>) -> Result<T> {
    let (data, augment) = (&config.data, &config.augment);
    let depth = depth(config.model.backbone);
    let update = Update::new(&config.optim, None);
    match config.method() {
        Method::Moco(m) => {
            let size = [m.dim, m.queue];
            let moco = &MocoModel::new(gpu, depth, size, m.projection(), config.seed)?;
            let step = MocoStep { moco, data, augment, contrast: m.into(), update };
            then(moco, &step)
        }
        Method::Simclr(s) => {
            let simclr = &SimclrModel::new(gpu, depth, s.dim, config.seed)?;
            let temperature = s.temperature as f32;
            then(simclr, &SimclrStep { simclr, data, augment, temperature, update })
        }
    }
}

/// Runs the stage and returns the file of the encoder's weights.
///
/// # Errors
/// Whatever files, the device or the person may cause; the last checkpoint stays.
pub fn pretrain(gpu: &Device, config: &Pretrain, run: &Run) -> Result<PathBuf> {
    if run.is_done() {
        return Ok(run.weights_file());
    }
    run.write_config(config)?;
    let then =
        |method: &dyn Contrastive, step: &dyn Trainable| train(gpu, config, run, method, step);
    run.process(gpu, || prepare(gpu, config, Box::new(then)))
}

fn train(
    gpu: &Device,
    config: &Pretrain,
    run: &Run,
    method: &dyn Contrastive,
    step: &dyn Trainable,
) -> Result<PathBuf> {
    let (sets, samples) = films(config)?;
    run.has(gpu, &sets)?;
    if let Some(path) = &config.model.weights {
        arenas::load_backbone(gpu, &method.encoder().1.network, path)?;
        method.loaded(gpu);
    }
    let mut at = 0;
    if let Some(checkpoint) = run.checkpoint("pretrain")? {
        method.restore(gpu, &checkpoint)?;
        at = checkpoint.step()?;
        run.watch.note(&format!("pretrain: going on at step {at}"));
    }
    let mut loader = Loader::new(samples.clone(), shuffled(&config.data, config.seed, at))?;
    let epoch = loader.epoch_len();
    let mut stepper = Stepper::new(gpu, step)?;
    let trainer = Trainer {
        gpu,
        run,
        log: &config.log,
        seed: config.seed,
        stage: STAGE,
        steps: epoch * config.epochs as u64,
    };
    trainer.announce("pretrain", samples.len(), std::slice::from_ref(&stepper))?;
    let monitor = config.monitor.as_ref().map(|m| {
        let every = epoch * m.every_epochs as u64;
        Ok(Monitored { online: Online::new(gpu, config, method, m, &sets)?, every })
    });
    let mut pretraining = Pretraining { gpu, run, method, monitor: monitor.transpose()? };
    if at == 0 {
        // What features know before they learn is what later readings are held against.
        run.timed("validation", || pretraining.pass_ended(0))?;
    }
    while at < trainer.steps {
        let pass = Pass {
            name: "pretrain".into(),
            parts: &[],
            samples: &samples,
            loader: &mut loader,
            stepper: &mut stepper,
            begin: at - at % epoch,
            steps: epoch,
            round: Span { at: 0, of: epoch },
            optim: &config.optim,
        };
        at = trainer.pass(pass, at, &mut pretraining)?;
    }
    run.finish(trainer.steps, arenas::network(gpu, &method.encoder().1.network)?, Metadata::new())?;
    run.ended(gpu, "pretrain", trainer.steps)?;
    run.profile("pretrain", &stepper)?;
    Ok(run.weights_file())
}

/// The online figure, and the steps between two readings of it.
struct Monitored {
    online: Online,
    every: u64,
}

/// What the stage does between steps.
struct Pretraining<'a> {
    gpu: &'a Device,
    run: &'a Run<'a>,
    method: &'a dyn Contrastive,
    monitor: Option<Monitored>,
}

impl Hooks for Pretraining<'_> {
    fn checkpoint(&self, at: u64) -> Result<(Tensors, Metadata)> {
        Ok((self.method.tensors(self.gpu)?, metadata("pretrain", at)))
    }
    fn pass_ended(&mut self, at: u64) -> Result<()> {
        match &mut self.monitor {
            Some(m) if at.is_multiple_of(m.every) => m.online.read(self.run, at),
            _ => Ok(()),
        }
    }
}

/// The data sets, and all their training films without labels; a film that serves several tasks is one film.
///
/// # Errors
/// A source that cannot be read.
pub fn films(config: &Pretrain) -> Result<(Vec<Dataset>, Vec<Sample>)> {
    let sets = config.source.iter().map(|s| s.read()).collect::<Result<Vec<_>>>()?;
    let mut seen = BTreeSet::new();
    let films = sets.iter().flat_map(unlabelled);
    let films = films.filter(|film| seen.insert(film.path.clone())).collect();
    Ok((sets, films))
}

/// The training films of a data set without their labels: contrastive learning sees none.
fn unlabelled(set: &Dataset) -> Vec<Sample> {
    set.train.iter().map(|s| Sample { target: Vec::new().into(), ..s.clone() }).collect()
}
