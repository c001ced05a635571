//! Stage 1: MD-MoCo, contrastive pretraining over several data sets (MTPret §II-B, Algorithm 1).

use super::{
    checkpoint::{Metadata, Tensors},
    config::Pretrain,
    learner::depth,
    moco::{Contrast, MocoLearner, MocoStep},
    monitor::Online,
    run::{Run, shuffled},
    schedule::Span,
    state,
    stepper::{Recorded, Stepper},
    trainer::{Hooks, Pass, Trainer, metadata, step_of},
    update::Update,
};
use crate::{
    Result,
    data::{Dataset, Loader, Sample},
    gpu::Gpu,
};
use std::path::PathBuf;

/// Separates this stage's random numbers from other stages'.
const STAGE: u32 = 1;

/// Runs the stage and returns the file of f_q's weights.
///
/// # Errors
/// Whatever files, the device or the person may cause; the last checkpoint stays.
pub fn pretrain(gpu: &Gpu, config: &Pretrain, run: &Run) -> Result<PathBuf> {
    if run.is_done() {
        return Ok(run.weights_file());
    }
    run.write_config(config)?;
    let sets = config.source.iter().map(|s| s.read()).collect::<Result<Vec<_>>>()?;
    let samples: Vec<Sample> = sets.iter().flat_map(unlabelled).collect();
    let m = &config.moco;
    let moco =
        MocoLearner::new(gpu, depth(config.model.backbone), [m.dim, m.queue], m.mlp, config.seed)?;
    if let Some(path) = &config.model.weights {
        state::load_backbone(gpu, &moco.query, path)?;
        moco.restart_keys(gpu);
    }
    let mut at = 0;
    if let Some((tensors, metadata)) = run.checkpoint("pretrain")? {
        moco.restore(gpu, &tensors)?;
        at = step_of(&metadata)?;
        run.watch.note(&format!("pretrain: going on at step {at}"));
    }
    let mut loader = Loader::new(samples.clone(), shuffled(&config.data, config.seed, at))?;
    let epoch = loader.epoch_len();
    let contrast = Contrast {
        temperature: m.temperature as f32,
        ema: m.momentum as f32,
        splits: m.bn_splits,
        key_bn: m.key_bn,
        shuffle: true,
    };
    let update = Update::new(&config.optim, None);
    let (data, augment) = (&config.data, &config.augment);
    let step = MocoStep { moco: &moco, data, augment, contrast, update };
    let mut stepper = Stepper::share(gpu, vec![Recorded::new(gpu, &step)?])?.remove(0);
    let trainer = Trainer {
        gpu,
        run,
        optim: &config.optim,
        log: &config.log,
        seed: config.seed,
        stage: STAGE,
        steps: epoch * config.epochs as u64,
        queue: [config.data.batch, m.queue].map(|n| n as u64),
    };
    trainer.announce("pretrain", samples.len(), &stepper);
    let monitor = config.monitor.as_ref().map(|m| {
        Ok(Monitored {
            online: Online::new(gpu, config, &moco, m, &sets)?,
            every: epoch * m.every_epochs as u64,
        })
    });
    let mut pretraining = Pretraining { gpu, run, moco: &moco, monitor: monitor.transpose()? };
    while at < trainer.steps {
        let pass = Pass {
            name: "pretrain".into(),
            samples: &samples,
            loader: &mut loader,
            stepper: &mut stepper,
            begin: at - at % epoch,
            steps: epoch,
            round: Span { at: 0, of: epoch },
        };
        at = trainer.pass(pass, at, &mut pretraining)?;
    }
    run.finish(trainer.steps, state::network(gpu, &moco.query)?)?;
    Ok(run.weights_file())
}

/// The online figure, and the steps between two readings of it.
struct Monitored {
    online: Online,
    every: u64,
}

/// What the stage does between steps.
struct Pretraining<'a> {
    gpu: &'a Gpu,
    run: &'a Run<'a>,
    moco: &'a MocoLearner,
    monitor: Option<Monitored>,
}

impl Hooks for Pretraining<'_> {
    fn checkpoint(&self, at: u64) -> Result<(Tensors, Metadata)> {
        Ok((self.moco.tensors(self.gpu)?, metadata("pretrain", at)))
    }
    fn pass_ended(&mut self, at: u64) -> Result<()> {
        match &mut self.monitor {
            Some(m) if at.is_multiple_of(m.every) => m.online.read(self.run, at),
            _ => Ok(()),
        }
    }
}

/// The training films of a data set without their labels: MoCo sees none.
fn unlabelled(set: &Dataset) -> Vec<Sample> {
    set.train.iter().map(|s| Sample { target: Vec::new().into(), ..s.clone() }).collect()
}
