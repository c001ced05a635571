//! The configuration of the paper's whole experiment: which initialisations, on which targets.

use crate::{
    Error, Result,
    data::{Roots, Source},
    train::{
        config::{
            AnchorAt, DemoFinetune, DemoMultitask, Finetune, Model, Multitask, Pretrain, Stage,
            Visit,
            demo::{DemoTarget, Shared},
            kinds::{Classify, Detect, Segment},
            sections::{Augment, Backbone, Data, Log, Moco, Optim, Simclr, among, sources, within},
            set,
        },
        file_name::legal,
        reproduce::{
            init::{Column, Init},
            unit::Unit,
        },
        schedule::Schedule,
    },
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

/// Weights trained on ImageNet, which this program does not bring: a file for each backbone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imagenet {
    /// For example torchvision's resnet18-f37072fd.pth.
    pub resnet18: Option<PathBuf>,
    /// For example torchvision's resnet50-0676ba61.pth.
    pub resnet50: Option<PathBuf>,
}

/// A method of pretraining: how long, how, and with which optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainMethod<T> {
    /// Passes over the sources.
    pub epochs: usize,
    /// The method's own settings.
    pub settings: T,
    /// The optimiser.
    pub optim: Optim,
}

/// Every initialisation on every target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reproduce {
    /// Seeds; figures are means over them.
    pub seeds: Vec<u64>,
    /// Divisions of the sources into training, validation and test, each with every seed: added to the seed of each source, 0
    /// leaves that as it is. Parts that a data set gives are the same in all of them.
    #[serde(default = "as_configured")]
    pub divisions: Vec<u64>,
    /// Shares of the labels, whole patients of each class, that stages 2 and 3 learn from, in as many steps.
    #[serde(default = "all_labels")]
    pub labels: Vec<f64>,
    /// The targets that shares below 1 are for; none: all.
    #[serde(default)]
    pub label_targets: Vec<String>,
    /// Backbones.
    pub backbones: Vec<Backbone>,
    /// Initialisations.
    pub columns: Vec<Column>,
    /// Rows beside the columns: MTPret with other settings of stages 2 and 3, by name, each a `KEY=VALUE`.
    #[serde(default)]
    pub variants: BTreeMap<String, Vec<String>>,
    /// Sources to fine-tune on.
    pub targets: Vec<String>,
    /// The source of single-dataset pretraining (SD).
    pub single: String,
    /// The sources of multi-dataset pretraining (MD).
    pub multi: Vec<String>,
    /// Learning rates that `--sweep` chooses from, on validation.
    pub sweep: Vec<f64>,
    /// ImageNet's weights; without a file the columns that begin with them are left out.
    #[serde(default)]
    pub imagenet: Imagenet,
    /// Where data sets lie; also `--data` and `MTPRET_DATA`.
    #[serde(default)]
    pub roots: Roots,
    /// How files become batches.
    pub data: Data,
    /// Random views.
    pub augment: Augment,
    /// Classification, where a target has classes.
    #[serde(default)]
    pub classify: Classify,
    /// Segmentation, where a target has masks.
    pub segment: Option<Segment>,
    /// Detection, where a target has boxes.
    pub detect: Option<Detect>,
    /// Readings and checkpoints.
    pub log: Log,
    /// Stage 1 by MoCo.
    pub moco: PretrainMethod<Moco>,
    /// Stage 1 by SimCLR.
    pub simclr: PretrainMethod<Simclr>,
    /// Stage 2.
    pub multitask: DemoMultitask,
    /// Stage 3.
    pub finetune: DemoFinetune,
    /// What single targets have of their own, by source.
    #[serde(default)]
    pub target: BTreeMap<String, DemoTarget>,
    /// The data sets.
    pub source: Vec<Source>,
}

fn as_configured() -> Vec<u64> {
    vec![0]
}
fn all_labels() -> Vec<f64> {
    vec![1.0]
}

impl Reproduce {
    /// The initialisations: the columns, then the variants.
    pub fn inits(&self) -> Vec<Init> {
        let variants = self.variants.keys().cloned().map(Init::Variant);
        self.columns.iter().copied().map(Init::Column).chain(variants).collect()
    }
    /// The experiment as an initialisation has it: that of a variant with its settings.
    pub fn of(&self, init: &Init) -> Cow<'_, Self> {
        match init {
            Init::Variant(name) => Cow::Owned(self.varied(name).expect("variants were checked")),
            _ => Cow::Borrowed(self),
        }
    }
    fn varied(&self, name: &str) -> Result<Self> {
        let plain = Self { variants: BTreeMap::new(), ..self.clone() };
        set(plain, self.variants.get(name).map_or(&[], Vec::as_slice))
    }
    /// Every seed with every division and share of the labels, all labels first: then a figure is there early that can be
    /// compared.
    pub fn units(&self) -> Vec<Unit> {
        let mut shares = self.labels.clone();
        shares.sort_by(|a, b| b.total_cmp(a));
        let mut units = Vec::new();
        for division in &self.divisions {
            for seed in &self.seeds {
                let of = |labels: &f64| Unit { seed: *seed, division: *division, labels: *labels };
                units.extend(shares.iter().map(of));
            }
        }
        units
    }
    /// The targets of a unit.
    pub fn targets_of(&self, unit: Unit) -> impl Iterator<Item = &String> {
        let all = unit.labels >= 1.0 || self.label_targets.is_empty();
        self.targets.iter().filter(move |target| all || self.label_targets.contains(target))
    }
    /// MTPret with each of its parts left out in turn.
    pub fn ablation(&self) -> Vec<Init> {
        let tasks = &self.multitask.tasks;
        let without = tasks.iter().filter(|_| tasks.len() > 1).cloned().map(Init::NoTask);
        [Init::Column(Column::Mtpret), Init::NoL2sp, Init::NoCycle, Init::NoReshuffle]
            .into_iter()
            .chain(without)
            .collect()
    }
    /// The file of ImageNet's weights.
    pub fn imagenet(&self, backbone: Backbone) -> Option<&PathBuf> {
        match backbone {
            Backbone::Resnet18 => self.imagenet.resnet18.as_ref(),
            Backbone::Resnet50 => self.imagenet.resnet50.as_ref(),
        }
    }
    fn sources(&self, names: &[String], unit: Unit) -> Vec<Source> {
        let of = |name: &String| {
            let source = self.source.iter().find(|s| s.name == *name)?.clone();
            Some(Source {
                seed: source.seed.wrapping_add(unit.division),
                train_share: source.train_share * unit.labels,
                ..source
            })
        };
        names.iter().filter_map(of).collect()
    }
    /// Stage 1 by MoCo or SimCLR, on one source or on all.
    pub fn pretrain(&self, simclr: bool, single: bool, model: Model, unit: Unit) -> Pretrain {
        let names = if single { std::slice::from_ref(&self.single) } else { &self.multi[..] };
        let (epochs, optim) = match simclr {
            true => (self.simclr.epochs, &self.simclr.optim),
            false => (self.moco.epochs, &self.moco.optim),
        };
        Pretrain {
            seed: unit.seed,
            epochs,
            data: self.data.clone(),
            source: self.sources(names, unit.with_all_labels()),
            augment: self.augment.clone(),
            model,
            moco: (!simclr).then(|| self.moco.settings.clone()),
            simclr: simclr.then(|| self.simclr.settings.clone()),
            optim: optim.clone(),
            monitor: None,
            log: self.log.clone(),
        }
    }
    /// Stage 2 of an initialisation that has one. With fewer labels it has more rounds, and as many steps.
    pub fn multitask(&self, init: &Init, model: Model, unit: Unit) -> Multitask {
        let mut own = self.multitask.clone();
        if own.visit == Visit::Epoch {
            own.rounds = more(own.rounds, unit);
        }
        let plain = *init == Init::Column(Column::MtpretMinus);
        if plain || *init == Init::NoL2sp {
            (own.l2sp.alpha, own.l2sp.beta) = (0.0, 0.0);
        }
        if plain || *init == Init::NoCycle {
            // At the cycle's mean, so that what is left out is the cycle and not half of the rate.
            let mean_of = |lr: f64| own.optim.mean_of(lr);
            own.task_lr.values_mut().for_each(|lr| *lr = mean_of(*lr));
            own.optim.lr = mean_of(own.optim.lr);
            own.optim.schedule = Schedule::Constant;
            // Without a cycle there is no trough.
            own.l2sp.anchor_at = AnchorAt::End;
        }
        if plain || *init == Init::NoReshuffle {
            own.reshuffle = false;
        }
        if let Init::NoTask(task) = init {
            own.tasks.retain(|name| name != task);
            own.task_lr.remove(task);
        }
        let shared = self.shared(&own.tasks, model, unit);
        own.stage(shared)
    }
    /// Stage 3 on a target, at its own rate or at `lr`. With fewer labels it has more epochs, and as many steps.
    pub fn finetune(&self, target: &str, lr: Option<f64>, model: Model, unit: Unit) -> Finetune {
        let mut special = self.target.get(target).cloned().unwrap_or_default();
        special.lr = lr.or(special.lr);
        let shared = self.shared(&[target.to_owned()], model, unit);
        let mut stage = self.finetune.clone().stage(target, special, shared);
        stage.epochs = more(stage.epochs, unit);
        stage
    }
    fn shared(&self, sources: &[String], model: Model, unit: Unit) -> Shared {
        Shared {
            seed: unit.seed,
            data: self.data.clone(),
            source: self.sources(sources, unit),
            augment: self.augment.clone(),
            model,
            classify: self.classify,
            segment: self.segment.clone(),
            detect: self.detect.clone(),
            log: self.log.clone(),
        }
    }
    /// Makes all stages longer or shorter, none shorter than one pass.
    pub fn scale(&mut self, factor: f64) {
        let scaled = |epochs: usize| ((epochs as f64 * factor) as usize).max(1);
        self.moco.epochs = scaled(self.moco.epochs);
        self.simclr.epochs = scaled(self.simclr.epochs);
        self.multitask.rounds = scaled(self.multitask.rounds);
        self.finetune.epochs = scaled(self.finetune.epochs);
        for target in self.target.values_mut() {
            target.epochs = target.epochs.map(scaled);
        }
    }
}

/// As many passes over a share of the films as make up for what it lacks.
fn more(passes: usize, unit: Unit) -> usize {
    (passes as f64 / unit.labels).round() as usize
}

/// Refuses an empty list.
fn some<T>(key: &str, list: &[T], example: &str) -> Result<()> {
    match list {
        [] => {
            let mend = format!("for example {key} = [{example}]");
            Err(Error::config(key, "at least one", "none", mend))
        }
        _ => Ok(()),
    }
}

impl Stage for Reproduce {
    fn validate(&self) -> Result<()> {
        sources(&self.source)?;
        some("seeds", &self.seeds, "1")?;
        some("backbones", &self.backbones, "\"resnet18\"")?;
        some("columns", &self.columns, "\"scratch\", \"mtpret\"")?;
        some("targets", &self.targets, "\"pneumonia\"")?;
        some("multi", &self.multi, "\"nih\", \"pneumonia\"")?;
        let known = |key: String, name: &str| match self.source.iter().any(|s| s.name == name) {
            true => Ok(()),
            false => {
                let (found, mend) = (format!("`{name}`"), "add the source, or take the name out");
                Err(Error::config(key, "the name of a [[source]]", found, mend))
            }
        };
        known("single".into(), &self.single)?;
        for (i, name) in self.multi.iter().enumerate() {
            known(format!("multi.{i}"), name)?;
        }
        for (i, name) in self.targets.iter().enumerate() {
            among(&format!("targets.{i}"), name, &self.source)?;
        }
        for name in self.target.keys() {
            known(format!("target.{name}"), name)?;
        }
        some("divisions", &self.divisions, "0")?;
        some("labels", &self.labels, "1.0")?;
        for (i, share) in self.labels.iter().enumerate() {
            within(&format!("labels.{i}"), *share, 0.001..=1.0, 0.25)?;
        }
        for (i, name) in self.label_targets.iter().enumerate() {
            if !self.targets.contains(name) {
                let (place, found) = (format!("label_targets.{i}"), format!("`{name}`"));
                let mend = "add it there, or take this out";
                return Err(Error::config(place, "one of targets", found, mend));
            }
        }
        for (i, lr) in self.sweep.iter().enumerate() {
            within(&format!("sweep.{i}"), *lr, f64::MIN_POSITIVE..=100.0, 0.01)?;
        }
        // A folder for each: two of one name would read each other's cells.
        let stages = ["sd-simclr", "md-simclr", "sd-moco", "md-moco", "sd-moco++", "md-moco++"];
        let known = Column::ALL.map(Init::Column).into_iter().chain(self.ablation());
        let mut taken: Vec<String> = known.map(|init| init.slug()).collect();
        taken.extend(stages.map(String::from));
        for (name, settings) in &self.variants {
            let place = || format!("variants.{name}");
            let slug = Init::Variant(name.clone()).slug();
            if taken.contains(&slug) || legal(name) != *name {
                let expected = "a file's name that no other row has";
                let mend = "give it a name of its own";
                return Err(Error::config(place(), expected, format!("`{name}`"), mend));
            }
            taken.push(slug);
            let stages = ["multitask.", "finetune.", "target."];
            let foreign = |pair: &&String| !stages.iter().any(|stage| pair.starts_with(stage));
            if let Some(pair) = settings.iter().find(foreign) {
                let mend = "stage 1 and the films are the same for all rows";
                let expected = "settings of multitask, finetune or target";
                return Err(Error::config(place(), expected, format!("`{pair}`"), mend));
            }
            let named = |fault: Error| match fault {
                Error::Config(mut fault) => {
                    fault.place = format!("{}: {}", place(), fault.place).into();
                    Error::Config(fault)
                }
                other => other,
            };
            self.varied(name).and_then(|varied| varied.validate()).map_err(named)?;
        }
        let model = || Model { backbone: self.backbones[0], weights: None };
        let unit = self.units()[0];
        self.pretrain(false, false, model(), unit).validate()?;
        self.pretrain(true, false, model(), unit).validate()?;
        let stages = self.ablation().into_iter().chain([Init::Column(Column::MtpretMinus)]);
        stages
            .map(|init| self.multitask(&init, model(), unit))
            .try_for_each(|stage| stage.validate())?;
        self.targets.iter().try_for_each(|t| self.finetune(t, None, model(), unit).validate())
    }
}
