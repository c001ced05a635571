//! The sections that stages share. Each says by `check` which values it allows.

use crate::{
    Error, Result,
    data::Source,
    models::Projection,
    nearest,
    train::{
        file_name::legal,
        schedule::{Period, Progress, Schedule, rate, warmup},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Display,
    ops::{Bound, RangeBounds},
    path::PathBuf,
};

/// `[data]`: how files become batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Width of the network's input, pixels.
    pub width: usize,
    /// Height of the network's input, pixels.
    pub height: usize,
    /// Images a step.
    pub batch: usize,
    /// Threads that decode; 0 takes every core.
    pub threads: usize,
    /// Decoded images kept in memory, MiB.
    pub cache_mb: usize,
    /// A file of decoded and resized images, as `mtpret data pack` writes it; none decodes them.
    pub pack: Option<PathBuf>,
    /// Unreadable images that a run goes on without.
    pub max_bad: usize,
    /// Mean of the z-score, on the 0–255 scale.
    pub mean: f64,
    /// Standard deviation of the z-score, on the 0–255 scale.
    pub std: f64,
}

/// `[augment]`: random views; none crops, blurs or recolours (MTPret §II-B).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Probability of a left-right flip.
    pub flip: f64,
    /// Rotation, uniform in ± this many degrees.
    pub rotate_deg: f64,
    /// Shift along each axis, uniform in ± this share of the side.
    pub shift: f64,
}

/// A backbone of torchvision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backbone {
    /// `torchvision.models.resnet18`.
    Resnet18,
    /// `torchvision.models.resnet50` (v1.5: the stride is on the 3×3).
    Resnet50,
}

/// `[model]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The network below the heads.
    pub backbone: Backbone,
    /// Weights to start from (`.safetensors`, `.pth` or a run folder); none starts from Kaiming's.
    pub weights: Option<PathBuf>,
}

/// Statistics that the key encoder's batch norm normalises by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyBn {
    /// Those of each part of a shuffled batch (MoCo's single-GPU stand-in for shuffled BN).
    Split,
    /// The running ones, as PASSL does.
    Global,
}

/// `[moco]`: momentum contrast (Algorithm 1, Eq. 2 and 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moco {
    /// Length of an embedding.
    pub dim: usize,
    /// Keys kept as negatives, a multiple of the batch.
    pub queue: usize,
    /// m of the key encoder's moving average.
    pub momentum: f64,
    /// τ of the contrastive loss.
    pub temperature: f64,
    /// Parts of a batch that batch norm treats apart.
    pub bn_splits: usize,
    /// Statistics of the key encoder.
    pub key_bn: KeyBn,
    /// Linear-ReLU-Linear as projection head (MoCo v2) instead of one Linear (v1).
    pub mlp: bool,
}

/// `[simclr]`: every film's two views against all other films of the batch (Chen et al. 2020).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simclr {
    /// Length of an embedding.
    pub dim: usize,
    /// τ of NT-Xent.
    pub temperature: f64,
}

/// `[optim]`: SGD with momentum and its rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optim {
    /// Highest rate, η_max.
    pub lr: f64,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay on every parameter.
    pub weight_decay: f64,
    /// How the rate moves.
    pub schedule: Schedule,
    /// Lowest rate, η_min.
    pub lr_min: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// T of `cyclic2pi` and `sgdr`, which need it; the other schedules do not look at it.
    pub period: Option<Period>,
    /// Trust coefficient of LARS, which scales each tensor's rate; without it plain SGD.
    pub lars: Option<f64>,
}

impl Optim {
    /// SGD at one rate, with a momentum of 0.9 and without decay.
    pub fn constant(lr: f64) -> Self {
        Self {
            lr,
            momentum: 0.9,
            weight_decay: 0.0,
            schedule: Schedule::Constant,
            lr_min: 0.0,
            warmup_steps: 0,
            period: None,
            lars: None,
        }
    }
}

/// `[monitor]`: a figure on a labelled source that shows whether pretraining learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    /// Name of the labelled source.
    pub source: String,
    /// Neighbours.
    pub k: usize,
    /// Epochs between readings.
    pub every_epochs: usize,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Steps between readings of the metrics.
    pub every: u64,
    /// Steps between checkpoints.
    pub save_every: u64,
}

/// Refuses `key` unless `value` lies in `range`, and shows `example`.
pub(in crate::train) fn within<T: PartialOrd + Display>(
    key: &str,
    value: T,
    range: impl RangeBounds<T>,
    example: T,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let low = match range.start_bound() {
        Bound::Included(low) => format!("[{low}"),
        Bound::Excluded(low) => format!("({low}"),
        Bound::Unbounded => "(".into(),
    };
    let high = match range.end_bound() {
        Bound::Included(high) => format!("{high}]"),
        Bound::Excluded(high) => format!("{high})"),
        Bound::Unbounded => "no limit)".into(),
    };
    let (expected, found) = (format!("a value in {low}, {high}"), value.to_string());
    Err(Error::config(key, expected, found, format!("for example {key}={example}")))
}

/// Refuses `key` unless `name` is the name of a labelled source.
pub(in crate::train) fn among(key: &str, name: &str, sources: &[Source]) -> Result<()> {
    let Some(source) = sources.iter().find(|source| source.name == name) else {
        let nearest = nearest(name, sources.iter().map(|source| source.name.as_str()));
        let found = format!("`{name}`");
        let mend = format!("the nearest source is `{}`", nearest.unwrap_or("none"));
        return Err(Error::config(key, "the name of a [[source]]", found, mend));
    };
    if !source.labelled {
        let found = format!("`{name}` with labelled = false");
        let mend = "name another, or label this one";
        return Err(Error::config(key, "a labelled source", found, mend));
    }
    Ok(())
}

/// Refuses no source, and two of one name; names that are one name as those of folders are one too.
pub(in crate::train) fn sources(sources: &[Source]) -> Result<()> {
    if sources.is_empty() {
        let mend = "add a [[source]] with its name, format and root";
        return Err(Error::config("source", "at least one source", "none", mend));
    }
    let folder = |source: &Source| legal(&source.name).to_lowercase();
    for (i, source) in sources.iter().enumerate() {
        if let Some(other) = sources[..i].iter().find(|other| folder(other) == folder(source)) {
            let found = match other.name == source.name {
                true => format!("`{}` twice", source.name),
                false => format!("`{}`, whose folder is that of `{}`", source.name, other.name),
            };
            let place = format!("source.{i}.name");
            return Err(Error::config(place, "a name of its own", found, "rename one of them"));
        }
    }
    Ok(())
}

const POSITIVE: Bound<f64> = Bound::Excluded(0.0);

impl Data {
    pub(in crate::train) fn check(&self) -> Result<()> {
        within("data.width", self.width, 32..=8192, 800)?;
        within("data.height", self.height, 32..=8192, 500)?;
        within("data.batch", self.batch, 2..=4096, 16)?;
        within("data.threads", self.threads, 0..=1024, 0)?;
        within("data.cache_mb", self.cache_mb, 0..=1 << 24, 1024)?;
        within("data.mean", self.mean, 0.0..=255.0, 122.786)?;
        within("data.std", self.std, (POSITIVE, Bound::Included(255.0)), 18.390)
    }
}

impl Augment {
    pub(in crate::train) fn check(&self) -> Result<()> {
        within("augment.flip", self.flip, 0.0..=1.0, 0.5)?;
        within("augment.rotate_deg", self.rotate_deg, 0.0..=180.0, 10.0)?;
        within("augment.shift", self.shift, 0.0..=0.5, 0.05)
    }
}

impl Moco {
    pub(in crate::train) fn check(&self, data: &Data) -> Result<()> {
        within("moco.dim", self.dim, 1..=4096, 128)?;
        within("moco.queue", self.queue, data.batch..=1 << 20, data.batch.max(24576))?;
        within("moco.momentum", self.momentum, 0.0..1.0, 0.999)?;
        within("moco.temperature", self.temperature, (POSITIVE, Bound::Included(10.0)), 0.2)?;
        within("moco.bn_splits", self.bn_splits, 1..=data.batch, 1)?;
        let batch = data.batch;
        if !self.queue.is_multiple_of(batch) {
            let expected = format!("a multiple of data.batch = {batch}");
            let (found, nearest) = (self.queue.to_string(), self.queue.next_multiple_of(batch));
            return Err(Error::config("moco.queue", expected, found, format!("use {nearest}")));
        }
        if !batch.is_multiple_of(self.bn_splits) {
            let expected = format!("a divisor of data.batch = {batch}");
            let found = self.bn_splits.to_string();
            let fewer = (1..=self.bn_splits).rev().find(|&n| batch.is_multiple_of(n)).unwrap_or(1);
            return Err(Error::config("moco.bn_splits", expected, found, format!("use {fewer}")));
        }
        // Variance needs two values: the last stage has one per 32 × 32 pixels of each image.
        let values = batch / self.bn_splits * data.width.div_ceil(32) * data.height.div_ceil(32);
        if values < 2 {
            return Err(Error::config(
                "moco.bn_splits",
                "two or more values a channel in a part",
                values.to_string(),
                "use fewer parts or larger images",
            ));
        }
        Ok(())
    }
}

impl Simclr {
    pub(in crate::train) fn check(&self, data: &Data) -> Result<()> {
        within("simclr.dim", self.dim, 1..=4096, 128)?;
        within("simclr.temperature", self.temperature, (POSITIVE, Bound::Included(10.0)), 0.1)?;
        // One film has no other film to differ from.
        within("data.batch", data.batch, 2.., 16)
    }
}

impl Moco {
    /// The projection head that it asks for.
    pub fn projection(&self) -> Projection {
        match self.mlp {
            true => Projection::Mlp,
            false => Projection::Linear,
        }
    }
}

impl Optim {
    pub(in crate::train) fn check(&self) -> Result<()> {
        within("optim.lr", self.lr, (POSITIVE, Bound::Included(100.0)), 0.01)?;
        within("optim.momentum", self.momentum, 0.0..1.0, 0.9)?;
        within("optim.weight_decay", self.weight_decay, 0.0..=1.0, 1e-4)?;
        within("optim.lr_min", self.lr_min, 0.0..=self.lr, 0.0)?;
        if let Some(trust) = self.lars {
            within("optim.lars", trust, (POSITIVE, Bound::Included(1.0)), 0.001)?;
        }
        match (self.schedule, self.period) {
            (_, Some(Period::Steps(steps))) => within("optim.period.steps", steps, 1.., 500),
            (Schedule::Cyclic2pi | Schedule::Sgdr, None) => Err(Error::config(
                "optim.period",
                "the length of a cycle for this schedule",
                "nothing",
                "for example optim.period=task_epoch",
            )),
            _ => Ok(()),
        }
    }

    /// Refuses a cycle of one round in a stage that has no rounds.
    pub(in crate::train) fn check_no_rounds(&self) -> Result<()> {
        if self.period == Some(Period::Round) {
            let expected = "`task_epoch` or { steps = N } in a stage without rounds";
            return Err(Error::config("optim.period", expected, "`round`", "use `task_epoch`"));
        }
        Ok(())
    }

    /// The mean rate over a cycle from `lr` to `lr_min`; a constant rate is its own.
    pub fn mean_of(&self, lr: f64) -> f64 {
        match self.schedule {
            Schedule::Constant => lr,
            Schedule::Cosine | Schedule::Cyclic2pi | Schedule::Sgdr => 0.5 * (lr + self.lr_min),
        }
    }

    /// The rate for the step at `progress`, warm-up included.
    pub fn lr(&self, progress: &Progress) -> f64 {
        // A period is present whenever the schedule looks at it; see `check`.
        let cycle = progress.cycle(self.schedule, self.period.unwrap_or(Period::TaskEpoch));
        rate(self.schedule, self.lr, self.lr_min, cycle)
            * warmup(progress.run.at, self.warmup_steps)
    }
}

impl Monitor {
    pub(in crate::train) fn check(&self, sources: &[Source]) -> Result<()> {
        among("monitor.source", &self.source, sources)?;
        within("monitor.k", self.k, 1..=10_000, 20)?;
        within("monitor.every_epochs", self.every_epochs, 1.., 1)
    }
}

impl Log {
    pub(in crate::train) fn check(&self) -> Result<()> {
        within("log.every", self.every, 1.., 20)?;
        within("log.save_every", self.save_every, 1.., 500)
    }
}
