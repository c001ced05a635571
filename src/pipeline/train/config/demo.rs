//! The configuration of `mtpret demo`: all three stages in one file.

use super::{
    kinds::{Classify, Detect, Metric, Segment},
    multitask::{HandOn, L2sp, Multitask, Validate, Visit},
    sections::{Augment, Data, Log, Moco, Model, Monitor, Optim},
    stages::{Finetune, Pretrain, Stage, shared},
};
use crate::{Error, Result, data::Source};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

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
    /// Classification, where a task has classes.
    #[serde(default)]
    pub classify: Classify,
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
    /// What fine-tuning on single tasks has of its own, by source.
    #[serde(default)]
    pub target: BTreeMap<String, DemoTarget>,
}

/// What fine-tuning on one target has of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoTarget {
    /// Passes over its training part.
    pub epochs: Option<usize>,
    /// Highest learning rate.
    pub lr: Option<f64>,
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
    pub visit: Visit,
    pub reshuffle: bool,
    pub keep_head_momentum: bool,
    pub keep_backbone_momentum: bool,
    pub ema: f64,
    #[serde(default)]
    pub task_lr: BTreeMap<String, f64>,
    #[serde(default)]
    pub validate: Validate,
    #[serde(default)]
    pub validate_films: usize,
    #[serde(default)]
    pub hand_on: HandOn,
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
    #[serde(default)]
    pub keep_head: bool,
    pub metric: Metric,
    pub optim: Optim,
}

/// What the stages of a [`Demo`] or of an experiment share.
pub(in crate::train) struct Shared {
    pub seed: u64,
    pub data: Data,
    pub source: Vec<Source>,
    pub augment: Augment,
    pub model: Model,
    pub classify: Classify,
    pub segment: Option<Segment>,
    pub detect: Option<Detect>,
    pub log: Log,
}

impl DemoMultitask {
    /// The stage.
    pub(in crate::train) fn stage(self, shared: Shared) -> Multitask {
        Multitask {
            seed: shared.seed,
            rounds: self.rounds,
            tasks: self.tasks,
            visit: self.visit,
            reshuffle: self.reshuffle,
            keep_head_momentum: self.keep_head_momentum,
            keep_backbone_momentum: self.keep_backbone_momentum,
            ema: self.ema,
            task_lr: self.task_lr,
            validate: self.validate,
            validate_films: self.validate_films,
            hand_on: self.hand_on,
            data: shared.data,
            source: shared.source,
            augment: shared.augment,
            model: shared.model,
            classify: shared.classify,
            segment: shared.segment,
            detect: shared.detect,
            optim: self.optim,
            l2sp: self.l2sp,
            log: shared.log,
        }
    }
}

impl DemoFinetune {
    /// The stage on the source named `task`, which may have keys of its own.
    pub(in crate::train) fn stage(
        self,
        task: &str,
        special: DemoTarget,
        shared: Shared,
    ) -> Finetune {
        Finetune {
            seed: shared.seed,
            epochs: special.epochs.unwrap_or(self.epochs),
            task: task.into(),
            patience: self.patience,
            keep_head: self.keep_head && shared.model.weights.is_some(),
            metric: self.metric,
            data: shared.data,
            source: shared.source,
            augment: shared.augment,
            model: shared.model,
            classify: shared.classify,
            segment: shared.segment,
            detect: shared.detect,
            optim: Optim { lr: special.lr.unwrap_or(self.optim.lr), ..self.optim },
            log: shared.log,
        }
    }
}

impl Demo {
    /// Leaves out what is said of tasks that it does not have.
    pub fn forget_absent_tasks(&mut self) {
        let tasks = &self.multitask.tasks;
        self.multitask.task_lr.retain(|task, _| tasks.contains(task));
        self.target.retain(|task, _| tasks.contains(task));
    }
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
        self.multitask.clone().stage(self.shared(weights))
    }

    /// Its third stage on the source named `task`, from `weights` or from scratch.
    pub fn finetune(&self, task: &str, weights: Option<PathBuf>) -> Finetune {
        let special = self.target.get(task).cloned().unwrap_or_default();
        self.finetune.clone().stage(task, special, self.shared(weights))
    }

    fn shared(&self, weights: Option<PathBuf>) -> Shared {
        Shared {
            seed: self.seed,
            data: self.data.clone(),
            source: self.source.clone(),
            augment: self.augment.clone(),
            model: Model { weights, ..self.model.clone() },
            classify: self.classify,
            segment: self.segment.clone(),
            detect: self.detect.clone(),
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
        let known = |name: &&String| self.multitask.tasks.contains(name);
        if let Some(name) = self.target.keys().find(|name| !known(name)) {
            let (place, found) = (format!("target.{name}"), format!("`{name}`"));
            let mend = "add it there, or take this out";
            return Err(Error::config(place, "a task of multitask.tasks", found, mend));
        }
        let finetune = |task: &String| self.finetune(task, None).validate();
        let mut tasks = self.multitask.tasks.iter();
        tasks.try_for_each(finetune).map_err(|fault| below("finetune", fault))
    }
}

/// The fault of a stage, in the place where a [`Demo`] has its keys.
fn below(section: &str, error: Error) -> Error {
    let Error::Config(mut fault) = error else { return error };
    fault.place = format!("{section}.{}", fault.place).into();
    // An example names the key as well.
    fault.mend = fault.mend.replace("for example ", &format!("for example {section}."));
    Error::Config(fault)
}
