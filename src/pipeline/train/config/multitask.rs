//! The configuration of stage 2: visits, what they hand on, and the pull of L²-SP.

use super::{
    kinds::{Classify, Detect, Segment},
    sections::{Augment, Data, Log, Model, Optim, among, within},
    stages::{Stage, kinds, shared},
};
use crate::{
    Error, Result,
    data::Source,
    train::{
        config::TaskSettings,
        schedule::{Period, Schedule},
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// w⁰ of Eq. 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The weights that the stage started from.
    Moco,
    /// The backbone that the previous visit left.
    PrevTask,
    /// The backbone that the previous round left.
    PrevRound,
}

/// When in a visit the anchor of the next one is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorAt {
    /// At its end, which under `cyclic2pi` is at the highest rate.
    End,
    /// In its middle, where the rate of `cyclic2pi` is lowest.
    Trough,
}

/// Parameters that the penalty of Eq. 5 acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Weights of convolutions and linear layers (mode 1 of the L²-SP authors).
    Weights,
    /// Biases, γ and β as well.
    All,
}

/// `[l2sp]`: Ω = α/2 ‖w_S − w⁰‖² + β/2 ‖w_S̄‖², S the backbone, S̄ the head (Eq. 5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2sp {
    /// w⁰.
    pub anchor: Anchor,
    /// When in a visit it is taken.
    pub anchor_at: AnchorAt,
    /// α.
    pub alpha: f64,
    /// β.
    pub beta: f64,
    /// What the penalty acts on.
    pub scope: Scope,
}

/// How long one visit of a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visit {
    /// One pass over the task's films.
    Epoch,
    /// A number of batches, which go on in the task's films where its last visit ended. One is Algorithm 2
    /// read literally.
    Steps(u64),
}

impl Visit {
    /// Steps of a visit to a task with so many steps an epoch.
    pub fn steps(self, epoch: u64) -> u64 {
        match self {
            Self::Epoch => epoch,
            Self::Steps(steps) => steps,
        }
    }
}

/// After which visits all tasks are validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Validate {
    /// Each n-th.
    Every(u64),
    /// Those of a name.
    Named(ValidateAfter),
}

impl Default for Validate {
    fn default() -> Self {
        Self::Named(ValidateAfter::Never)
    }
}

impl Validate {
    /// Whether none is.
    pub fn is_never(self) -> bool {
        self == Self::default()
    }
    /// Whether it is due after the stage's `number`-th visit, from 0.
    pub fn is_due(self, number: usize, ends_round: bool) -> bool {
        match self {
            Self::Every(n) => (number as u64 + 1).is_multiple_of(n),
            Self::Named(ValidateAfter::Never) => false,
            Self::Named(ValidateAfter::Visit) => true,
            Self::Named(ValidateAfter::Round) => ends_round,
        }
    }
    /// How often it is due in a round of so many visits, in the mean.
    pub fn times_a_round(self, visits: usize) -> f64 {
        match self {
            Self::Every(n) => visits as f64 / n as f64,
            Self::Named(ValidateAfter::Never) => 0.0,
            Self::Named(ValidateAfter::Visit) => visits as f64,
            Self::Named(ValidateAfter::Round) => 1.0,
        }
    }
}

/// Visits that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidateAfter {
    /// None.
    Never,
    /// Each.
    Visit,
    /// The last of each round.
    Round,
}

/// Which network the stage hands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandOn {
    /// That of the last visit.
    #[default]
    Last,
    /// That of the round after which the mean of the tasks' main figures on their validation parts was highest.
    Best,
}

/// Stage 2: multitask continual learning (Algorithm 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multitask {
    /// Seed of every random number.
    pub seed: u64,
    /// Visits of each task.
    pub rounds: usize,
    /// Names of the labelled sources, one task each.
    pub tasks: Vec<String>,
    /// One visit.
    pub visit: Visit,
    /// Draw a new order of the tasks each round.
    pub reshuffle: bool,
    /// Keep the momentum of a task's head from one visit to the next.
    pub keep_head_momentum: bool,
    /// Keep the backbone's momentum from one visit to the next: an experiment, in which a task's last gradients move the
    /// backbone on under the next task. Otherwise its velocity is zero at the start of each visit.
    pub keep_backbone_momentum: bool,
    /// Decay of an exponential moving average of the weights and statistics over a visit, which is what the visit hands
    /// on; 0 hands on the weights themselves.
    pub ema: f64,
    /// η_max of single tasks (`lr_1 … lr_M` of Algorithm 2), in the place of `optim.lr`.
    #[serde(default)]
    pub task_lr: BTreeMap<String, f64>,
    /// After which visits every task is validated with the backbone as it is then: `"visit"`, `"round"`, `"never"`, or each n-th.
    #[serde(default)]
    pub validate: Validate,
    /// Validation films of each task that are taken for that at most; 0: all.
    #[serde(default)]
    pub validate_films: usize,
    /// Which network is handed on.
    #[serde(default)]
    pub hand_on: HandOn,
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
    /// The penalty for forgetting.
    pub l2sp: L2sp,
    /// Readings and checkpoints.
    pub log: Log,
}

impl L2sp {
    fn check(&self, optim: &Optim) -> Result<()> {
        within("l2sp.alpha", self.alpha, 0.0..=100.0, 0.1)?;
        within("l2sp.beta", self.beta, 0.0..=100.0, 0.01)?;
        let whole_visits =
            optim.schedule == Schedule::Cyclic2pi && optim.period == Some(Period::TaskEpoch);
        if self.anchor_at == AnchorAt::Trough && !whole_visits {
            return Err(Error::config(
                "l2sp.anchor_at",
                "schedule `cyclic2pi` with a period of `task_epoch`",
                "another, which has no trough in the middle of a visit",
                "for example l2sp.anchor_at=end",
            ));
        }
        if self.anchor_at == AnchorAt::Trough && self.anchor == Anchor::Moco {
            return Err(Error::config(
                "l2sp.anchor_at",
                "an anchor that visits renew",
                "`moco`, which none does",
                "for example l2sp.anchor=prev_task",
            ));
        }
        if self.alpha + self.beta > 0.0 && optim.weight_decay > 0.0 {
            return Err(Error::config(
                "optim.weight_decay",
                "0 beside L²-SP, which takes the place of weight decay",
                optim.weight_decay.to_string(),
                "set it to 0, or both l2sp.alpha and l2sp.beta",
            ));
        }
        Ok(())
    }
}

impl Multitask {
    /// The data sets that it reads: those of its tasks.
    pub fn sources(&mut self) -> Vec<&mut Source> {
        self.source.iter_mut().filter(|source| self.tasks.contains(&source.name)).collect()
    }
    /// The optimiser of a task: at its own rate, if it has one.
    pub fn optim_of(&self, task: &str) -> Optim {
        let lr = self.task_lr.get(task).copied().unwrap_or(self.optim.lr);
        Optim { lr, ..self.optim.clone() }
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

impl Stage for Multitask {
    fn validate(&self) -> Result<()> {
        shared(self.seed, &self.data, &self.source, &self.augment, &self.log)?;
        within("rounds", self.rounds, 1..=100_000, 10)?;
        if self.tasks.is_empty() {
            let mend = format!("for example tasks=[{:?}]", self.source[0].name);
            let expected = "the name of at least one [[source]]";
            return Err(Error::config("tasks", expected, "none", mend));
        }
        for (i, task) in self.tasks.iter().enumerate() {
            let key = format!("tasks.{i}");
            among(&key, task, &self.source)?;
            if self.tasks[..i].contains(task) {
                let found = format!("`{task}` twice");
                return Err(Error::config(key, "each task once", found, "name it once"));
            }
        }
        if let Visit::Steps(steps) = self.visit {
            within("visit.steps", steps, 1..=1 << 32, 1)?;
        }
        within("ema", self.ema, 0.0..1.0, 0.99)?;
        if let Validate::Every(visits) = self.validate {
            within("validate", visits, 1..=1 << 32, 1)?;
        }
        let rounds = [ValidateAfter::Visit, ValidateAfter::Round].map(Validate::Named);
        if self.hand_on == HandOn::Best && !rounds.contains(&self.validate) {
            let expected = "validate = \"round\" or \"visit\" beside hand_on = \"best\"";
            let mend = "for example validate=round";
            return Err(Error::config("validate", expected, "another", mend));
        }
        kinds(&self.segment, &self.detect)?;
        self.optim.check()?;
        for (task, lr) in &self.task_lr {
            if !self.tasks.contains(task) {
                let (place, found) = (format!("task_lr.{task}"), format!("`{task}`"));
                let mend = format!("the tasks are {}", self.tasks.join(", "));
                return Err(Error::config(place, "a task of the stage", found, mend));
            }
            let least = self.optim.lr_min.max(f64::MIN_POSITIVE);
            within(&format!("task_lr.{task}"), *lr, least..=100.0, 0.01)?;
        }
        self.l2sp.check(&self.optim)
    }
}
