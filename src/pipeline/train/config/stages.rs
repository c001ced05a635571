//! The stages: one plain struct each, chosen by the subcommand.

use super::{
    kinds::{Classify, Detect, Metric, Segment},
    sections::{Augment, Data, Log, Moco, Model, Monitor, Optim, Simclr, among, sources, within},
};
use crate::{Error, Result, data::Source, train::config::TaskSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

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
    /// Begin with the head that stage 2 learnt for this task; `model.weights` must then be such a stage's. Otherwise the head
    /// begins anew.
    #[serde(default)]
    pub keep_head: bool,
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
    /// Classification, where a task has classes.
    #[serde(default)]
    pub classify: Classify,
    /// Segmentation, where a task has masks.
    pub segment: Option<Segment>,
    /// Detection, where a task has boxes.
    pub detect: Option<Detect>,
    /// The optimiser.
    pub optim: Optim,
    /// Readings and checkpoints.
    pub log: Log,
}

/// What every stage checks alike.
pub(in crate::train) fn shared(
    seed: u64,
    data: &Data,
    source: &[Source],
    augment: &Augment,
    log: &Log,
) -> Result<()> {
    // TOML has no integer above this one.
    within("seed", seed, 0..=i64::MAX as u64, 1)?;
    data.check()?;
    sources(source)?;
    augment.check()?;
    log.check()
}

/// Checks the sections of the kinds of tasks.
pub(in crate::train) fn kinds(segment: &Option<Segment>, detect: &Option<Detect>) -> Result<()> {
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
                let mend = "keep the one of the method that you want";
                return Err(Error::config("moco", "a section [moco] or [simclr]", found, mend));
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

impl Finetune {
    /// The data sets that it reads: that of its task.
    pub fn sources(&mut self) -> Vec<&mut Source> {
        self.source.iter_mut().filter(|source| source.name == self.task).collect()
    }
    /// How films of each kind of task become batches.
    pub fn settings(&self) -> TaskSettings<'_> {
        TaskSettings {
            data: &self.data,
            classify: self.classify,
            segment: &self.segment,
            detect: &self.detect,
        }
    }
}

impl Stage for Finetune {
    fn validate(&self) -> Result<()> {
        shared(self.seed, &self.data, &self.source, &self.augment, &self.log)?;
        within("epochs", self.epochs, 1..=100_000, 30)?;
        among("task", &self.task, &self.source)?;
        if self.keep_head && self.model.weights.is_none() {
            let mend = "name the run of stage 2 whose head it is, or leave keep_head out";
            return Err(Error::config("keep_head", "model.weights beside it", "none", mend));
        }
        kinds(&self.segment, &self.detect)?;
        self.optim.check()?;
        self.optim.check_no_rounds()
    }
}
