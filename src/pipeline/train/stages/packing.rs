//! The films that a stage reads, and how, so that they can be packed.

use super::pretrain;
use crate::{
    Result,
    data::{Dataset, Fit, PackedPart, Sample},
    train::{
        config::{Data, Finetune, Multitask, Pretrain, TaskSettings},
        tasks::{self, Task},
    },
};

/// All films of a fine-tuning.
///
/// # Errors
/// A source that cannot be read.
pub fn finetune(config: &Finetune) -> Result<Vec<PackedPart>> {
    let (set, task) = tasks::open(&config.source, &config.task, config.settings())?;
    Ok(vec![of_task(&set, &*task)])
}

/// All films of multitask learning.
///
/// # Errors
/// A source that cannot be read.
pub fn multitask(config: &Multitask) -> Result<Vec<PackedPart>> {
    let settings = || -> TaskSettings { config.settings() };
    let part = |name: &String| {
        let (set, task) = tasks::open(&config.source, name, settings())?;
        Ok(of_task(&set, &*task))
    };
    config.tasks.iter().map(part).collect()
}

/// All films of pretraining, and those that it is measured on as it learns.
///
/// # Errors
/// A source that cannot be read.
pub fn pretrain(config: &Pretrain) -> Result<Vec<PackedPart>> {
    let (sets, mut samples) = pretrain::films(config)?;
    let monitored = config.monitor.as_ref().map(|monitor| &monitor.source);
    let monitored = sets.iter().filter(|set| Some(&set.name) == monitored);
    samples.extend(monitored.flat_map(|set| set.train.iter().chain(&set.val)).cloned());
    Ok(vec![part(samples, Fit::Stretch, &config.data)])
}

fn of_task(set: &Dataset, task: &dyn Task) -> PackedPart {
    let films = set.train.iter().chain(&set.val).chain(&set.test).cloned();
    part(films.collect(), task.fit(), task.data())
}

fn part(samples: Vec<Sample>, fit: Fit, data: &Data) -> PackedPart {
    PackedPart { samples, fit, input: [data.width, data.height] }
}
