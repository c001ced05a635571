//! A run folder as `mtpret runs` lists it, whether the run is finished or not.

use crate::report::{discretion::Discretion, table::Cell};
use chrono::DateTime;
use mtpret_pipeline::{
    train::{config::Metric, tasks::Scores},
    weights::{self, checkpoint},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder with one of these is that of a run.
pub(in crate::commands) const MARKS: [&str; 4] =
    ["config.resolved.toml", "metrics.jsonl", checkpoint::FILE, weights::FILE];
/// The folder of an experiment has one of this name for its runs.
pub(in crate::commands) const CELLS: &str = "cells";

/// The lines of a run's `metrics.jsonl`; of one that was being written what is whole.
pub(in crate::commands) fn metrics(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What a run is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Stage {
    Pretrain,
    Multitask,
    Finetune,
    Demo,
    Reproduce,
}

impl Stage {
    /// The stage that a configuration is of, by the keys that only it has.
    pub fn of(config: &toml::Table) -> Option<Self> {
        let has = |key: &str| config.contains_key(key);
        match () {
            () if has("targets") => Some(Self::Reproduce),
            () if has("pretrain") && has("finetune") => Some(Self::Demo),
            () if has("tasks") => Some(Self::Multitask),
            () if has("task") => Some(Self::Finetune),
            () if has("moco") || has("simclr") => Some(Self::Pretrain),
            () => None,
        }
    }
    /// Whether it is one of the three of MTPret, of which the others are made.
    pub fn is_training(self) -> bool {
        matches!(self, Self::Pretrain | Self::Multitask | Self::Finetune)
    }
    /// The command that runs it.
    pub fn command(self) -> &'static str {
        match self {
            Self::Pretrain => "pretrain",
            Self::Multitask => "multitask",
            Self::Finetune => "finetune",
            Self::Demo => "demo",
            Self::Reproduce => "reproduce",
        }
    }
    /// As a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pretrain => "pretraining",
            Self::Multitask => "multitask learning",
            Self::Finetune => "fine-tuning",
            Self::Demo | Self::Reproduce => self.command(),
        }
    }
}

/// How far a run came.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) enum State {
    /// Its weights are there.
    Finished,
    /// It goes on, or waits to be resumed.
    Unfinished,
    /// What cannot be read.
    Broken(String),
}

impl State {
    pub fn describe(&self) -> String {
        match self {
            Self::Finished => "finished".into(),
            Self::Unfinished => "unfinished".into(),
            Self::Broken(why) => format!("broken: {why}"),
        }
    }
}

/// The figure that says most of a run.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands) struct MainFigure {
    /// Such as `AUC` on the test part, `validation AUC`, `kNN AUC`, `loss`.
    pub name: String,
    pub value: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<[f64; 2]>,
}

impl MainFigure {
    pub fn cell(&self) -> Cell {
        let number = Cell::interval(self.value, self.interval, 3);
        Cell::text(format!("{} {}", self.name, number.text))
    }
}

/// A run as its folder tells of it, however far it came: what is missing or broken is part of what it tells, and no error.
pub(in crate::commands) struct RunFolder {
    pub folder: PathBuf,
    pub state: State,
    stage: Option<Stage>,
    tasks: Vec<String>,
    /// Seconds since 1970.
    pub started: Option<u64>,
    /// Steps done and steps in all.
    step: Option<[u64; 2]>,
    pub figure: Option<MainFigure>,
    adapter: Option<String>,
    /// Its configuration.
    pub config: toml::Table,
    /// The lines of `metrics.jsonl`.
    pub metrics: Vec<Value>,
    /// Its figures on the test part.
    pub scores: Option<Scores>,
}

impl RunFolder {
    /// Reads what there is; what cannot be read makes the run a broken one.
    pub fn read(folder: &Path) -> Self {
        let mut faults = Vec::new();
        let mut part = |name: &str| match fs::read_to_string(folder.join(name)) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => {
                faults.push(format!("{name}: {e}"));
                None
            }
        };
        let texts = ["config.resolved.toml", "metrics.jsonl", "scores.json", "environment.json"];
        let [config, metrics, scores, environment] = texts.map(&mut part);
        let config = match config.as_deref().map(str::parse::<toml::Table>) {
            Some(Ok(config)) => config,
            Some(Err(e)) => {
                let why = e.message().trim().replace('\n', " ");
                faults.push(format!("config.resolved.toml: not TOML: {why}"));
                toml::Table::new()
            }
            None => {
                faults.push("config.resolved.toml is missing".into());
                toml::Table::new()
            }
        };
        let lines: Vec<_> = metrics
            .iter()
            .flat_map(|text| text.lines())
            .map(serde_json::from_str::<Value>)
            .collect();
        // A process that was killed may have left the last line in the middle.
        let whole = lines.len().saturating_sub(1);
        if let Some(line) = lines.iter().take(whole).position(Result::is_err) {
            faults.push(format!("metrics.jsonl:{}: not JSON", line + 1));
        }
        let metrics: Vec<Value> = lines.into_iter().flatten().collect();
        let scores = match scores.as_deref().map(serde_json::from_str::<Scores>) {
            Some(Err(_)) => {
                faults.push("scores.json: no figures of a run".into());
                None
            }
            Some(Ok(scores)) => Some(scores),
            None => None,
        };
        let environment = environment.and_then(|text| serde_json::from_str(&text).ok());
        let environment: Value = environment.unwrap_or_default();
        let weights = folder.join(weights::FILE);
        if weights.exists()
            && let Err(e) = checkpoint::metadata(&weights)
        {
            faults.push(e.to_string());
        }
        let stage = Stage::of(&config);
        let done = match stage {
            Some(Stage::Demo) => folder.join("report.html").exists(),
            Some(Stage::Reproduce) => folder.join("table-2.md").exists(),
            _ => weights.exists(),
        };
        let state = match (faults.first(), done) {
            (Some(first), _) => State::Broken(first.clone()),
            (None, true) => State::Finished,
            (None, false) => State::Unfinished,
        };
        // Earlier versions called them sittings.
        let all = environment.get("processes").unwrap_or(&environment["sittings"]);
        let process = |at: usize| &all[at];
        let last = all.as_array().map_or(0, |all| all.len().saturating_sub(1));
        Self {
            folder: folder.into(),
            state,
            stage,
            tasks: tasks(&config),
            started: process(0)["started"].as_u64().or_else(|| first_event(folder)),
            step: metrics
                .iter()
                .rev()
                .find_map(|line| Some([line["step"].as_u64()?, line["steps"].as_u64()?])),
            figure: figure(scores.as_ref(), &metrics),
            adapter: process(last)["adapter"].as_str().map(str::to_owned),
            config,
            metrics,
            scores,
        }
    }
    /// Has a page name what lies in its folder, or in those of its data sets, from there.
    pub fn known_to(&self, discretion: &mut Discretion) {
        discretion.folder(&self.folder);
        roots(&self.config).iter().for_each(|root| discretion.folder(root));
    }
    pub fn stage(&self) -> &'static str {
        self.stage.map_or("", Stage::command)
    }
    pub fn task(&self) -> String {
        self.tasks.join(", ")
    }
    /// When it began, UTC.
    pub fn began(&self) -> String {
        let time = self.started.and_then(|s| DateTime::from_timestamp(i64::try_from(s).ok()?, 0));
        time.map_or(String::new(), |time| time.format("%Y-%m-%d %H:%M").to_string())
    }
    /// Steps done of steps in all.
    pub fn steps(&self) -> String {
        self.step.map_or(String::new(), |[done, all]| format!("{done}/{all}"))
    }
    pub fn adapter(&self) -> &str {
        self.adapter.as_deref().unwrap_or("")
    }
    /// Everything that a list shows.
    pub fn json(&self) -> Value {
        let figure = self.figure.as_ref();
        json!({
            "run": self.folder.to_string_lossy(), "stage": self.stage.map(Stage::command), "tasks": self.tasks, "started": self.started,
            "step": self.step.map(|[done, _]| done), "steps": self.step.map(|[_, all]| all),
            "state": self.state.describe(), "adapter": self.adapter,
            "figure": figure.map(|f| json!({ "name": f.name, "value": f.value, "interval": f.interval })),
        })
    }
}

/// The folders of a configuration's data sets, and of those of its sections.
pub(in crate::commands) fn roots(config: &toml::Table) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for (key, value) in config {
        match value {
            toml::Value::String(path) if key == "root" => all.push(path.into()),
            toml::Value::Table(table) => all.extend(roots(table)),
            toml::Value::Array(list) => {
                all.extend(list.iter().filter_map(toml::Value::as_table).flat_map(roots));
            }
            _ => {}
        }
    }
    all
}

/// What a configuration's run learns: its task or tasks, or, of pretraining, the names of its data sets.
fn tasks(config: &toml::Table) -> Vec<String> {
    let names = |value: &toml::Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(|v| v.as_str().or_else(|| v.get("name")?.as_str()))
            .map(String::from)
            .collect()
    };
    let multitask = config.get("multitask").and_then(|section| section.get("tasks"));
    match config.get("task").and_then(toml::Value::as_str) {
        Some(task) => vec![task.into()],
        None => {
            let lists = ["targets", "tasks"].map(|key| config.get(key));
            let lists = lists.into_iter().chain([multitask, config.get("source")]);
            lists.flatten().map(names).next().unwrap_or_default()
        }
    }
}

/// When TensorBoard's first events were written, by the file's name.
fn first_event(folder: &Path) -> Option<u64> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|e| e.file_name());
    let seconds = |name: std::ffi::OsString| {
        name.to_str()?.strip_prefix("events.out.tfevents.")?.split('.').next()?.parse().ok()
    };
    names.filter_map(seconds).min()
}

/// The main figure on the test part, else the last of validation or of pretraining's monitor, else the last loss.
fn figure(scores: Option<&Scores>, metrics: &[Value]) -> Option<MainFigure> {
    let main = |name: String, scores: &Scores| {
        let (value, interval) = scores.main();
        MainFigure { name, value, interval }
    };
    let title = |scores: &Scores| scores.name(Metric::Main);
    let validated = || {
        let scores = metrics.iter().rev().find(|line| line["validation"].is_object())?;
        let scores: Scores = serde_json::from_value(scores["validation"].clone()).ok()?;
        Some(main(format!("validation {}", title(&scores)), &scores))
    };
    let monitored = || {
        let line = metrics.iter().rev().find(|line| line["knn_auc"].is_f64())?;
        let interval = serde_json::from_value(line["knn_interval"].clone()).ok();
        Some(MainFigure { name: "kNN AUC".into(), value: line["knn_auc"].as_f64(), interval })
    };
    let lost = || {
        let loss = metrics.iter().rev().find_map(|line| line["loss"].as_f64())?;
        Some(MainFigure { name: "loss".into(), value: Some(loss), interval: None })
    };
    let tested = scores.map(|scores| main(title(scores).to_owned(), scores));
    tested.or_else(validated).or_else(monitored).or_else(lost)
}
