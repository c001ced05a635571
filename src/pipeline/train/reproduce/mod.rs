//! The paper's whole experiment: every initialisation, fine-tuned on every target.
//!
//! A run's folder holds each stage once, in `stages/<backbone>/<unit>/<name>`, whatever number of columns needs it, and
//! each cell of the tables in `cells/<backbone>/<initialisation>/<target>/<unit>`, where a unit is a seed, a division and a
//! share of the labels ([`Unit`]).

pub mod comparison;
pub mod config;
pub mod estimate;
pub mod init;
pub mod unit;

use self::comparison::LEAST_PATIENTS;
use crate::{
    Error, Result,
    metrics::Resampled,
    train::{
        Device,
        config::{Backbone, Model},
        file_name::legal,
        reproduce::{
            config::Reproduce,
            init::{Column, Init},
            unit::Unit,
        },
        run::Run,
        stages::{
            finetune::{Outcome, finetune},
            multitask::multitask,
            pretrain::pretrain,
        },
        tasks::Scores,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// One figure of a cell, in the words of the paper's tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Such as `AUC`, `Dice`, `AP Active`.
    pub metric: String,
    /// On the test part; none where it is undefined.
    pub value: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<[f64; 2]>,
}

/// One initialisation fine-tuned on one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// `resnet18` or `resnet50`.
    pub backbone: String,
    /// The initialisation.
    pub initialisation: String,
    /// The source it was fine-tuned on.
    pub target: String,
    /// The seed of all its stages.
    pub seed: u64,
    /// The division, see [`Reproduce::divisions`].
    #[serde(default)]
    pub division: u64,
    /// The share of the labels that stages 2 and 3 learnt from.
    #[serde(default = "all")]
    pub labels: f64,
    /// Figures on the test part, the main one first.
    pub figures: Vec<Figure>,
    /// The main figure on the validation part, of the best epoch.
    pub validation: Option<f64>,
    /// Highest learning rate.
    pub lr: f64,
    /// Passes over the training part.
    pub epochs: usize,
    /// Films of the training part, after the share of the labels.
    #[serde(default)]
    pub training: usize,
    /// Films of the test part.
    pub films: usize,
    /// BLAKE3 of the file of weights that it began with; none from scratch.
    pub weights: Option<String>,
    /// Seconds that fine-tuning took.
    pub seconds: f64,
    /// The main figure as initialisations are compared by it; in a file of its own, `resampled.json`.
    #[serde(skip)]
    pub resampled: Resampled,
}

fn all() -> f64 {
    1.0
}

impl Cell {
    /// Whether its target is one of classification: its main figure is an AUC.
    pub fn classifies(&self) -> bool {
        self.figures.first().is_some_and(|figure| figure.metric == "AUC")
    }
}

/// The name of a backbone in paths and tables.
pub fn backbone_name(backbone: Backbone) -> &'static str {
    match backbone {
        Backbone::Resnet18 => "resnet18",
        Backbone::Resnet50 => "resnet50",
    }
}

/// The experiment at work.
pub struct Experiment<'a> {
    /// The device.
    pub gpu: &'a Device,
    /// What is asked for; its sources have been located.
    pub config: &'a Reproduce,
    /// The folder of everything.
    pub run: &'a Run<'a>,
    /// Choose each cell's learning rate on validation from the configuration's list.
    pub sweep: bool,
}

impl Experiment<'_> {
    /// Why an initialisation cannot be had with a backbone, if it cannot.
    pub fn obstacle(config: &Reproduce, init: &Init, backbone: Backbone) -> Option<String> {
        use Column::{Imagenet, MdMocoPlus, MocoCxr};
        let name = backbone_name(backbone);
        match init {
            Init::Column(Imagenet | MdMocoPlus | MocoCxr) => match config.imagenet(backbone) {
                None => Some(format!("needs a file of ImageNet's weights: imagenet.{name}")),
                Some(path) if !path.exists() => {
                    Some(format!("imagenet.{name}: there is no {}", path.display()))
                }
                Some(_) => None,
            },
            _ => None,
        }
    }
    /// The initialisations that can be had with every backbone, and why others cannot.
    pub fn available(config: &Reproduce, inits: Vec<Init>) -> (Vec<Init>, Vec<(Init, String)>) {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for init in inits {
            let obstacle = |backbone: &Backbone| Self::obstacle(config, &init, *backbone);
            match config.backbones.iter().find_map(obstacle) {
                None => there.push(init),
                Some(why) => missing.push((init, why)),
            }
        }
        (there, missing)
    }
    /// The weights that an initialisation begins fine-tuning with; trains the stages it needs that are
    /// not yet there.
    ///
    /// # Errors
    /// As the stages' own.
    pub fn weights(&self, init: &Init, backbone: Backbone, unit: Unit) -> Result<Option<PathBuf>> {
        let imagenet = || self.config.imagenet(backbone).cloned();
        let moco = |single, from| self.pretrain([false, single], from, backbone, unit).map(Some);
        let simclr = |single| self.pretrain([true, single], None, backbone, unit).map(Some);
        match init {
            Init::Column(Column::Scratch) => Ok(None),
            Init::Column(Column::Imagenet) => Ok(imagenet()),
            Init::Column(Column::SdSimclr) => simclr(true),
            Init::Column(Column::MdSimclr) => simclr(false),
            Init::Column(Column::SdMoco) => moco(true, None),
            Init::Column(Column::MdMoco) => moco(false, None),
            Init::Column(Column::MdMocoPlus) => moco(false, imagenet()),
            Init::Column(Column::MocoCxr) => moco(true, imagenet()),
            _ => {
                let weights = moco(false, None)?;
                let run = self.stage(&init.slug(), backbone, unit)?;
                let model = Model { backbone, weights };
                let config = self.config.of(init).multitask(init, model, unit);
                multitask(self.gpu, &config, &run).map(Some)
            }
        }
    }
    fn pretrain(
        &self,
        [simclr, single]: [bool; 2],
        from: Option<PathBuf>,
        backbone: Backbone,
        unit: Unit,
    ) -> Result<PathBuf> {
        let sets = if single { "sd" } else { "md" };
        let method = if simclr { "simclr" } else { "moco" };
        let start = if from.is_some() { "++" } else { "" };
        let run =
            self.stage(&format!("{sets}-{method}{start}"), backbone, unit.with_all_labels())?;
        let model = Model { backbone, weights: from };
        pretrain(self.gpu, &self.config.pretrain(simclr, single, model, unit), &run)
    }
    fn stage(&self, name: &str, backbone: Backbone, unit: Unit) -> Result<Run<'_>> {
        let place = format!("stages/{}/{unit}/{name}", backbone_name(backbone));
        if !self.run.folder.join(&place).join(crate::weights::FILE).exists() {
            self.run.watch.note(&format!("stage {name}, {}, {unit}", backbone_name(backbone)));
        }
        self.run.part(&place)
    }
    /// Whether an initialisation comes with a head for this target, which stage 2 learnt.
    fn has_head(&self, init: &Init, target: &str) -> bool {
        let second = match init {
            Init::Column(column) => matches!(column, Column::Mtpret | Column::MtpretMinus),
            Init::NoTask(task) => task != target,
            Init::NoL2sp | Init::NoCycle | Init::NoReshuffle | Init::Variant(_) => true,
        };
        second && self.config.of(init).multitask.tasks.iter().any(|task| task == target)
    }
    /// One cell: from disk if it is there, else trained.
    ///
    /// # Errors
    /// As the stages' own.
    pub fn cell(&self, init: &Init, backbone: Backbone, target: &str, unit: Unit) -> Result<Cell> {
        let name = backbone_name(backbone);
        let place = format!("cells/{name}/{}/{}/{unit}", init.slug(), legal(target));
        let run = self.run.part(&place)?;
        if let Some(cell) = known(&run)? {
            return Ok(cell);
        }
        let weights = self.weights(init, backbone, unit)?;
        self.run.watch.note(&format!("{target} from {init}, {name}, {unit}"));
        let begun = Instant::now();
        let rates: Vec<Option<f64>> = match self.sweep {
            true => self.config.sweep.iter().map(|lr| Some(*lr)).collect(),
            false => vec![None],
        };
        let mut best: Option<(Outcome, f64, usize)> = None;
        for lr in rates {
            let model = Model { backbone, weights: weights.clone() };
            let mut config = self.config.of(init).finetune(target, lr, model, unit);
            config.keep_head &= self.has_head(init, target);
            let run = match lr {
                Some(lr) => run.part(&format!("lr-{lr}"))?,
                None => run.part("finetune")?,
            };
            let outcome = finetune(self.gpu, &config, &run)?;
            let better = |(b, ..): &(Outcome, f64, usize)| outcome.validation > b.validation;
            if best.as_ref().is_none_or(better) {
                best = Some((outcome, config.optim.lr, config.epochs));
            }
        }
        let (outcome, lr, epochs) = best.expect("there is one rate or more");
        let cell = Cell {
            backbone: name.into(),
            initialisation: init.to_string(),
            target: target.into(),
            seed: unit.seed,
            division: unit.division,
            labels: unit.labels,
            figures: figures(&outcome.scores),
            validation: outcome.validation,
            lr,
            epochs,
            training: outcome.training,
            films: outcome.scores.images(),
            weights: weights.map(|path| hash(&path)).transpose()?,
            seconds: begun.elapsed().as_secs_f64(),
            resampled: outcome.scores.resampled(LEAST_PATIENTS).rounded(),
        };
        let resampled = serde_json::to_string(&cell.resampled).expect("figures are plain data");
        run.write(RESAMPLED, &(resampled + "\n"))?;
        let json = serde_json::to_string_pretty(&cell).expect("a cell is plain data");
        run.write(CELL, &(json + "\n"))?;
        Ok(cell)
    }
}

/// The name of the file with a cell; it is written last.
const CELL: &str = "cell.json";
/// The name of the file with a cell's figures on resampled patients.
pub const RESAMPLED: &str = "resampled.json";

/// A cell that is there; one without its resampled figures, as of an older version, is not.
fn known(run: &Run) -> Result<Option<Cell>> {
    if ![CELL, RESAMPLED].iter().all(|name| run.folder.join(name).exists()) {
        return Ok(None);
    }
    cell(&run.folder).map(Some)
}

/// The cell in a folder.
fn cell(folder: &Path) -> Result<Cell> {
    let resampled = folder.join(RESAMPLED);
    let resampled = if resampled.exists() { read(&resampled)? } else { Resampled::default() };
    Ok(Cell { resampled, ..read(&folder.join(CELL))? })
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let parse = |text: String| serde_json::from_str(&text).map_err(std::io::Error::other);
    let found = fs::read_to_string(path).and_then(parse);
    found.map_err(|e| Error::io(path, e, "remove it, and go on with the run, which makes it again"))
}

/// Every cell below a folder, in the order of their paths.
///
/// # Errors
/// The folder cannot be listed, or a cell cannot be read.
pub fn cells(folder: &Path) -> Result<Vec<Cell>> {
    let fault = |e| Error::io(folder, e, "name the folder of an experiment");
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(fault)?;
    entries.sort();
    let mut all = Vec::new();
    for entry in entries {
        match entry.file_name().is_some_and(|name| name == CELL) {
            true => all.push(cell(folder)?),
            false if entry.is_dir() => all.extend(cells(&entry)?),
            false => (),
        }
    }
    Ok(all)
}

/// BLAKE3 of a file of weights, or of those in a run's folder.
fn hash(path: &std::path::Path) -> Result<String> {
    let file = if path.is_dir() { path.join(crate::weights::FILE) } else { path.to_owned() };
    let bytes = fs::read(&file).map_err(|e| Error::io(&file, e, "name a readable file"))?;
    Ok(blake3::hash(&bytes).to_hex()[..16].to_owned())
}

/// A task's figures in the words of the paper's tables, the main one first.
fn figures(scores: &Scores) -> Vec<Figure> {
    let mut all = Vec::new();
    let mut add = |metric: String, value: Option<f64>, interval: Option<Option<[f64; 2]>>| {
        all.push(Figure { metric, value, interval: interval.flatten() });
    };
    match scores {
        Scores::Classify(s) => {
            let (m, ci) = (&s.measures, s.ci.as_ref().map(|ci| &ci.measures));
            add("AUC".into(), m.mauc, ci.map(|ci| ci.mauc));
            let several = m.auc.0.len() > 1;
            for (label, auc) in m.auc.0.iter().filter(|_| several) {
                add(format!("AUC {label}"), *auc, ci.and_then(|ci| ci.auc.get(label).copied()));
            }
            if let ([(label, accuracy)], Some(_)) = (&m.accuracy.0[..], &s.positive_class) {
                add("Acc".into(), *accuracy, ci.and_then(|ci| ci.accuracy.get(label).copied()));
                let (sen, spe) = (&m.sensitivity, &m.specificity);
                let of =
                    |all: &crate::metrics::PerLabel<Option<f64>>| all.get(label).copied().flatten();
                add("Sen".into(), of(sen), ci.and_then(|ci| ci.sensitivity.get(label).copied()));
                add("Spe".into(), of(spe), ci.and_then(|ci| ci.specificity.get(label).copied()));
            }
        }
        Scores::Segment(s) => {
            let (m, ci) = (&s.measures, s.ci.as_ref().map(|ci| &ci.measures));
            add("Dice".into(), m.dice, ci.map(|ci| ci.dice));
            add("mIoU".into(), m.miou, ci.map(|ci| ci.miou));
        }
        Scores::Detect(s) => {
            let (m, ci) = (&s.measures, s.ci.as_ref().map(|ci| &ci.measures));
            add("mAP".into(), m.ap50, ci.map(|ci| ci.ap50));
            for (class, ap) in &m.per_class.0 {
                let interval = ci.and_then(|ci| ci.per_class.get(class)).map(|ci| ci.ap50);
                add(format!("AP {class}"), ap.ap50, interval);
            }
        }
    }
    all
}
