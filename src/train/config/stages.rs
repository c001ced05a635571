//! The stages: one plain struct each, chosen by the subcommand.

use super::{
    kinds::{Detect, Metric, Segment},
    sections::{
        Augment, Data, L2sp, Log, Moco, Model, Monitor, Optim, Simclr, among, sources, within,
    },
};
use crate::{Error, Result, data::Source, train::task::Settings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::PathBuf;

/// A configuration that [`load`](super::load) reads.
pub trait Stage: Serialize + DeserializeOwned {
    /// Refuses values outside their range; the error's place is the key.
    fn validate(&self) -> Result<()>;
}

/// Stage 1: contrastive pretraining over several sources (Algorithm 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrain {
    /// Seed of every random number.
    pub seed: u64,
    /// Passes over all sources.
    pub epochs: usize,
    /// How files become batches.
    pub data: Data,
    /// The data sets.
    pub source: Vec<Source>,
    /// The two views of an image.
    pub augment: Augment,
    /// The network.
    pub model: Model,
    /// Momentum contrast; this or SimCLR.
    pub moco: Option<Moco>,
    /// SimCLR; this or momentum contrast.
    pub simclr: Option<Simclr>,
    /// The optimiser.
    pub optim: Optim,
    /// The online figure; without it none is computed.
    pub monitor: Option<Monitor>,
    /// Readings and checkpoints.
    pub log: Log,
}

/// Stage 2: multitask continual learning (Algorithm 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multitask {
    /// Seed of every random number.
    pub seed: u64,
    /// Passes over all tasks.
    pub rounds: usize,
    /// Names of the labelled sources, one task each.
    pub tasks: Vec<String>,
    /// Draw a new order of the tasks each round.
    pub reshuffle: bool,
    /// Keep the momentum of a task's head from one visit to the next.
    pub keep_head_momentum: bool,
    /// Keep the momentum of the backbone from one task to the next.
    pub keep_backbone_momentum: bool,
    /// How files become batches.
    pub data: Data,
    /// The data sets.
    pub source: Vec<Source>,
    /// The random view of a training image.
    pub augment: Augment,
    /// The network.
    pub model: Model,
    /// Segmentation, where a task has masks.
    pub segment: Option<Segment>,
    /// Detection, where a task has boxes.
    pub detect: Option<Detect>,
    /// The optimiser.
    pub optim: Optim,
    /// The penalty for forgetting.
    pub l2sp: L2sp,
    /// Readings and checkpoints.
    pub log: Log,
}

/// Stage 3: fine-tuning on one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finetune {
    /// Seed of every random number.
    pub seed: u64,
    /// Passes over the task's training part.
    pub epochs: usize,
    /// Name of the labelled source.
    pub task: String,
    /// Epochs without a better validation figure before it stops; 0 never stops early.
    pub patience: usize,
    /// The validation figure that chooses the best epoch.
    pub metric: Metric,
    /// How files become batches.
    pub data: Data,
    /// The data sets.
    pub source: Vec<Source>,
    /// The random view of a training image.
    pub augment: Augment,
    /// The network.
    pub model: Model,
    /// Segmentation, where a task has masks.
    pub segment: Option<Segment>,
    /// Detection, where a task has boxes.
    pub detect: Option<Detect>,
    /// The optimiser.
    pub optim: Optim,
    /// Readings and checkpoints.
    pub log: Log,
}

/// All three stages, small; what they share stands once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    /// Seed of every random number.
    pub seed: u64,
    /// How files become batches.
    pub data: Data,
    /// The data sets.
    pub source: Vec<Source>,
    /// Random views.
    pub augment: Augment,
    /// The network.
    pub model: Model,
    /// Readings and checkpoints.
    pub log: Log,
    /// Segmentation, where a task has masks.
    pub segment: Option<Segment>,
    /// Detection, where a task has boxes.
    pub detect: Option<Detect>,
    /// Stage 1.
    pub pretrain: DemoPretrain,
    /// Stage 2.
    pub multitask: DemoMultitask,
    /// Stage 3.
    pub finetune: DemoFinetune,
}

/// What is [`Pretrain`]'s own in a [`Demo`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `Pretrain`")]
pub struct DemoPretrain {
    pub epochs: usize,
    pub moco: Moco,
    pub optim: Optim,
    pub monitor: Option<Monitor>,
}

/// What is [`Multitask`]'s own in a [`Demo`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `Multitask`")]
pub struct DemoMultitask {
    pub rounds: usize,
    pub tasks: Vec<String>,
    pub reshuffle: bool,
    pub keep_head_momentum: bool,
    pub keep_backbone_momentum: bool,
    pub optim: Optim,
    pub l2sp: L2sp,
}

/// What is [`Finetune`]'s own in a [`Demo`]; its tasks are those of the second stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `Finetune`")]
pub struct DemoFinetune {
    pub epochs: usize,
    pub patience: usize,
    pub metric: Metric,
    pub optim: Optim,
}

/// What every stage checks alike.
fn shared(seed: u64, data: &Data, source: &[Source], augment: &Augment, log: &Log) -> Result<()> {
    // TOML has no integer above this one.
    within("seed", seed, 0..=i64::MAX as u64, 1)?;
    data.check()?;
    sources(source)?;
    augment.check()?;
    log.check()
}

/// Checks the sections of the kinds of tasks.
fn kinds(segment: &Option<Segment>, detect: &Option<Detect>) -> Result<()> {
    segment.as_ref().map_or(Ok(()), Segment::check)?;
    detect.as_ref().map_or(Ok(()), Detect::check)
}

impl Stage for Pretrain {
    fn validate(&self) -> Result<()> {
        shared(self.seed, &self.data, &self.source, &self.augment, &self.log)?;
        within("epochs", self.epochs, 1..=100_000, 20)?;
        match (&self.moco, &self.simclr) {
            (Some(moco), None) => moco.check(&self.data)?,
            (None, Some(simclr)) => simclr.check(&self.data)?,
            (moco, _) => {
                let found = if moco.is_some() { "both" } else { "none" };
                let problem = format!("expected a section [moco] or [simclr], found {found}");
                let remedy = "keep the one of the method that you want";
                return Err(Error::config("moco", problem, remedy));
            }
        }
        self.optim.check()?;
        self.optim.check_no_rounds()?;
        self.monitor.as_ref().map_or(Ok(()), |monitor| monitor.check(&self.source))
    }
}

/// A method of contrastive learning and its settings.
pub enum Method<'a> {
    /// Momentum contrast.
    Moco(&'a Moco),
    /// SimCLR.
    Simclr(&'a Simclr),
}

impl Pretrain {
    /// The method that it was checked to name.
    pub fn method(&self) -> Method<'_> {
        match (&self.moco, &self.simclr) {
            (_, Some(simclr)) => Method::Simclr(simclr),
            (moco, None) => Method::Moco(moco.as_ref().expect("checked: one method is there")),
        }
    }
}

impl Multitask {
    /// The data sets that it reads: those of its tasks.
    pub fn sources(&mut self) -> Vec<&mut Source> {
        self.source.iter_mut().filter(|source| self.tasks.contains(&source.name)).collect()
    }
    /// How films of each kind of task become batches.
    pub fn settings(&self) -> Settings<'_> {
        Settings { data: &self.data, segment: &self.segment, detect: &self.detect }
    }
}

impl Finetune {
    /// The data sets that it reads: that of its task.
    pub fn sources(&mut self) -> Vec<&mut Source> {
        self.source.iter_mut().filter(|source| source.name == self.task).collect()
    }
    /// How films of each kind of task become batches.
    pub fn settings(&self) -> Settings<'_> {
        Settings { data: &self.data, segment: &self.segment, detect: &self.detect }
    }
}

impl Stage for Multitask {
    fn validate(&self) -> Result<()> {
        shared(self.seed, &self.data, &self.source, &self.augment, &self.log)?;
        within("rounds", self.rounds, 1..=100_000, 10)?;
        if self.tasks.is_empty() {
            let problem = "expected the name of at least one [[source]], found none";
            let remedy = format!("for example --set 'tasks=[{:?}]'", self.source[0].name);
            return Err(Error::config("tasks", problem, remedy));
        }
        for (i, task) in self.tasks.iter().enumerate() {
            let key = format!("tasks.{i}");
            among(&key, task, &self.source)?;
            if self.tasks[..i].contains(task) {
                let problem = format!("expected each task once, found `{task}` twice");
                return Err(Error::config(key, problem, "name it once"));
            }
        }
        kinds(&self.segment, &self.detect)?;
        self.optim.check()?;
        self.l2sp.check(&self.optim)
    }
}

impl Stage for Finetune {
    fn validate(&self) -> Result<()> {
        shared(self.seed, &self.data, &self.source, &self.augment, &self.log)?;
        within("epochs", self.epochs, 1..=100_000, 30)?;
        among("task", &self.task, &self.source)?;
        kinds(&self.segment, &self.detect)?;
        self.optim.check()?;
        self.optim.check_no_rounds()
    }
}

impl Demo {
    /// Its first stage.
    pub fn pretrain(&self) -> Pretrain {
        let own = self.pretrain.clone();
        Pretrain {
            seed: self.seed,
            epochs: own.epochs,
            data: self.data.clone(),
            source: self.source.clone(),
            augment: self.augment.clone(),
            model: self.model.clone(),
            moco: Some(own.moco),
            simclr: None,
            optim: own.optim,
            monitor: own.monitor,
            log: self.log.clone(),
        }
    }

    /// Its second stage, from `weights`.
    pub fn multitask(&self, weights: Option<PathBuf>) -> Multitask {
        let own = self.multitask.clone();
        Multitask {
            seed: self.seed,
            rounds: own.rounds,
            tasks: own.tasks,
            reshuffle: own.reshuffle,
            keep_head_momentum: own.keep_head_momentum,
            keep_backbone_momentum: own.keep_backbone_momentum,
            data: self.data.clone(),
            source: self.source.clone(),
            augment: self.augment.clone(),
            model: Model { weights, ..self.model.clone() },
            segment: self.segment.clone(),
            detect: self.detect.clone(),
            optim: own.optim,
            l2sp: own.l2sp,
            log: self.log.clone(),
        }
    }

    /// Its third stage on the source named `task`, from `weights` or from scratch.
    pub fn finetune(&self, task: &str, weights: Option<PathBuf>) -> Finetune {
        let own = self.finetune.clone();
        Finetune {
            seed: self.seed,
            epochs: own.epochs,
            task: task.into(),
            patience: own.patience,
            metric: own.metric,
            data: self.data.clone(),
            source: self.source.clone(),
            augment: self.augment.clone(),
            model: Model { weights, ..self.model.clone() },
            segment: self.segment.clone(),
            detect: self.detect.clone(),
            optim: own.optim,
            log: self.log.clone(),
        }
    }
}

impl Stage for Demo {
    fn validate(&self) -> Result<()> {
        shared(self.seed, &self.data, &self.source, &self.augment, &self.log)?;
        // What is shared has passed: a fault found below lies in the stage's own keys.
        self.pretrain().validate().map_err(|fault| below("pretrain", fault))?;
        self.multitask(None).validate().map_err(|fault| below("multitask", fault))?;
        let task = self.multitask.tasks.first().map_or("", String::as_str);
        self.finetune(task, None).validate().map_err(|fault| below("finetune", fault))
    }
}

/// The fault of a stage, in the place where a [`Demo`] has its keys.
fn below(section: &str, fault: Error) -> Error {
    match fault {
        Error::Config { place, problem, remedy } => {
            // An example names the key as well.
            let remedy = remedy.replace("--set ", &format!("--set {section}."));
            Error::config(format!("{section}.{place}"), problem, remedy)
        }
        other => other,
    }
}
