//! Runs that `mtpret report` makes pages of: what they have must be whole, where a `RunFolder` tells of any folder.

use super::{
    super::found::{Stage, metrics},
    json,
};
use crate::{Error, Result, commands::faults::not_a_configuration};
use mtpret_pipeline::{
    metrics::Roc,
    train::{
        run::{environment::Environment, films::FilmTable},
        tasks::Scores,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A run of any stage, with a whole configuration.
pub struct ReportedRun {
    /// As tables and legends call it.
    pub name: String,
    pub folder: PathBuf,
    pub stage: Stage,
    /// The text of its configuration, and the same parsed.
    pub text: String,
    pub config: toml::Table,
    /// The lines of `metrics.jsonl`.
    pub metrics: Vec<serde_json::Value>,
    /// None of a run that an older program made.
    pub environment: Option<Environment>,
}

/// What is said where a folder is no run.
const MEND: &str =
    "name the folder of a run of pretrain, multitask or finetune, or of a demo or an experiment";

impl ReportedRun {
    /// # Errors
    /// The folder holds no run.
    pub fn open(name: &str, folder: &Path) -> Result<Self> {
        let file = folder.join("config.resolved.toml");
        let text = fs::read_to_string(&file).map_err(|e| Error::io(&file, e, MEND))?;
        let config: toml::Table =
            text.parse().map_err(|e| not_a_configuration(&file, &text, &e, MEND))?;
        Ok(Self {
            name: name.into(),
            folder: folder.into(),
            // What no stage is told by is shown as pretraining.
            stage: Stage::of(&config)
                .filter(|stage| stage.is_training())
                .unwrap_or(Stage::Pretrain),
            config,
            text,
            metrics: metrics(folder),
            environment: Environment::read(folder)?,
        })
    }
    /// A setting in words, by its dotted name.
    pub fn setting(&self, name: &str) -> Option<String> {
        let mut value = self.config.get(name.split('.').next()?)?;
        for part in name.split('.').skip(1) {
            value = value.get(part)?;
        }
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// The folders of runs below the folder of a demo, else the folder itself.
pub fn expanded(folder: &Path) -> Vec<PathBuf> {
    let is_run = |path: &PathBuf| path.join("config.resolved.toml").exists();
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut parts: Vec<PathBuf> =
        entries.filter_map(|e| Some(e.ok()?.path())).filter(is_run).collect();
    parts.sort_by_key(|part| {
        let stages = ["pretrain", "multitask"];
        let name = part.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (stages.iter().position(|stage| *stage == name).unwrap_or(stages.len()), name)
    });
    if parts.is_empty() { vec![folder.into()] } else { parts }
}

/// A fine-tuned run with its figures.
pub struct Finished {
    /// As tables and legends call it.
    pub name: String,
    pub folder: PathBuf,
    /// Its figures on the test part.
    pub scores: Scores,
    pub curves: Vec<Roc>,
    /// How each film of the test part fared; none where an older program made the run.
    pub films: Option<FilmTable>,
}

impl Finished {
    /// # Errors
    /// The folder has no figures.
    pub fn open(name: &str, folder: &Path) -> Result<Self> {
        let mend =
            "name the folder of a finished fine-tuning run; `mtpret evaluate` writes its figures";
        let scores = json(&folder.join("scores.json"), mend)?;
        let roc = folder.join("roc.json");
        let curves = if roc.exists() { json(&roc, mend)? } else { Vec::new() };
        let films = FilmTable::read(folder, "")?;
        Ok(Self { name: name.into(), folder: folder.into(), scores, curves, films })
    }
}
