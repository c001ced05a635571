//! Fine-tuned runs and bundles, opened.

use super::options::DeviceArgs;
use crate::{Error, Result};
use mtpret_pipeline::{
    data::{Dataset, Kind, Sample},
    export::bundle,
    models::Depth,
    train::{
        Device, config,
        tasks::{
            self, Task,
            explain::{Explainer, Explanation},
            model::{TaskModel, depth},
        },
    },
    weights,
};
use std::path::{Component, Path};

/// The configuration of a fine-tuned run or bundle.
pub(in crate::commands) fn finetuned(run: &Path, seed: Option<u64>) -> Result<config::Finetune> {
    let settings: Vec<_> = seed.map(|s| format!("seed={s}")).into_iter().collect();
    let mut config = bundle::config(run, &settings)?;
    // Films are looked at as they are now, and maybe others.
    config.data.pack = None;
    Ok(config)
}

/// The network of a fine-tuned run or bundle, with its weights.
pub(in crate::commands) fn network(
    run: &Path,
    config: &config::Finetune,
    task: &dyn Task,
    device: &DeviceArgs,
) -> Result<(Device, TaskModel)> {
    let gpu = device.open()?;
    let model = TaskModel::new(&gpu, depth(config.model.backbone), &[task], false, 0)?;
    model.load(&gpu, 0, &weights::of(run))?;
    Ok((gpu, model))
}

/// A fine-tuned network and what it was trained for.
pub(in crate::commands) struct Trained {
    pub(in crate::commands) set: Dataset,
    pub(in crate::commands) task: Box<dyn Task>,
    pub(in crate::commands) depth: Depth,
    pub(in crate::commands) model: TaskModel,
    pub(in crate::commands) gpu: Device,
}

impl Trained {
    /// # Errors
    /// The run has no weights, or its data set is not at hand.
    pub(in crate::commands) fn open(run: &Path, device: &DeviceArgs) -> Result<Self> {
        let config = finetuned(run, None)?;
        let (set, task) = match run.is_file() {
            true => tasks::recalled(run, &config)?,
            false => tasks::open(&config.source, &config.task, config.settings())?,
        };
        let (gpu, depth) = (device.open()?, depth(config.model.backbone));
        let model = TaskModel::new(&gpu, depth, &[&*task], false, 0)?;
        model.load(&gpu, 0, &weights::of(run))?;
        Ok(Self { set, task, depth, model, gpu })
    }
    /// What it sees in films, as [`Explainer::explain`], of classes by name.
    ///
    /// # Errors
    /// A class that the run does not have, or films that cannot be read.
    pub(in crate::commands) fn explain(
        &self,
        name: &str,
        samples: &[Sample],
        classes: &[String],
        least: f64,
    ) -> Result<Vec<Explanation>> {
        let labels: Vec<usize> =
            classes.iter().map(|class| self.label_of(class)).collect::<Result<_>>()?;
        let Self { set, task, model, gpu, .. } = self;
        Explainer { name, set, task: &**task, model, gpu }.explain(samples, &labels, least)
    }
    /// The number of a class.
    ///
    /// # Errors
    /// The run does not have it.
    pub(in crate::commands) fn label_of(&self, class: &str) -> Result<usize> {
        let labels = &self.set.labels;
        let label = labels.names.iter().position(|name| name == class);
        label.filter(|_| matches!(labels.kind, Kind::Classes | Kind::Multi)).ok_or_else(|| {
            let (expected, found) = (format!("one of {:?}", labels.names), format!("`{class}`"));
            Error::config("--class", expected, found, "name a class of the run, or `all`")
        })
    }
}

/// A run's own name; where two have the same, with as many of the folders above as tell them apart: no more, since names
/// stand in what is handed on.
pub(in crate::commands) fn column_name<P: AsRef<Path>>(run: &Path, runs: &[P]) -> String {
    let names = |run: &Path| -> Vec<String> {
        let whole = std::path::absolute(run).unwrap_or_else(|_| run.into());
        let names = whole.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        });
        names.collect()
    };
    let (own, all) = (names(run), runs.iter().map(|run| names(run.as_ref())).collect::<Vec<_>>());
    let alike = |count: usize| {
        let end = &own[own.len() - count..];
        all.iter().filter(|other| other.ends_with(end) && **other != own).count()
    };
    let count = (1..own.len()).find(|count| alike(*count) == 0).unwrap_or(own.len());
    own[own.len() - count..].join("/")
}
