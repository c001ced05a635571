//! How long an experiment will take: a dry run of each distinct stage, multiplied.

use crate::{
    Result,
    train::{
        Device,
        config::{Backbone, Model},
        estimate::dry_run::{self, DryRun},
        reproduce::{
            backbone_name,
            config::Reproduce,
            init::{Column, Init},
            unit::Unit,
        },
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// A stage or a cell, and what it will take.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Estimate {
    /// Its name.
    pub name: String,
    /// Training steps.
    pub steps: u64,
    /// Seconds, by the time of its steps here and now.
    pub seconds: f64,
    /// The most device memory that it will have in buffers, MiB.
    pub mib: u64,
}

/// Dry runs of everything distinct in an experiment.
pub struct DryRuns {
    backbones: Vec<Stages>,
}

/// With one backbone.
struct Stages {
    backbone: Backbone,
    pretrain: BTreeMap<[bool; 2], DryRun>,
    /// Of each task; none where no initialisation has a second stage.
    multitask: Vec<DryRun>,
    finetune: BTreeMap<String, DryRun>,
}

impl DryRuns {
    /// A dry run of what these initialisations need.
    ///
    /// # Errors
    /// A source cannot be read, or a step does not run.
    pub fn new(gpu: &Device, config: &Reproduce, inits: &[Init]) -> Result<Self> {
        let needed: BTreeSet<SharedStage> = inits.iter().flat_map(stages_of).collect();
        let of = |backbone: &Backbone| Stages::new(gpu, config, *backbone, &needed);
        Ok(Self { backbones: config.backbones.iter().map(of).collect::<Result<_>>()? })
    }
    /// What every stage and cell will take at the epochs of `config`.
    pub fn estimates(&self, config: &Reproduce, inits: &[Init]) -> Vec<Estimate> {
        let stages: BTreeSet<SharedStage> = inits.iter().flat_map(stages_of).collect();
        let mut all = Vec::new();
        for dry_run in &self.backbones {
            for unit in config.units() {
                // Stage 1 is the same for every share of the labels; the greatest comes first.
                let first = config.labels.iter().all(|share| *share <= unit.labels);
                let new =
                    |stage: &&SharedStage| first || matches!(stage, SharedStage::Multitask(_));
                let stages = stages.iter().filter(new);
                all.extend(stages.map(|stage| dry_run.stage(config, stage, unit)));
                for init in inits {
                    let cell = |target: &String| dry_run.cell(config, init, target, unit);
                    all.extend(config.targets_of(unit).map(cell));
                }
            }
        }
        all
    }
}

impl Stages {
    fn new(
        gpu: &Device,
        config: &Reproduce,
        backbone: Backbone,
        needed: &BTreeSet<SharedStage>,
    ) -> Result<Self> {
        let model = || Model { backbone, weights: None };
        let unit = Unit { seed: 0, division: 0, labels: 1.0 };
        let (mut pretrain, mut multitask) = (BTreeMap::new(), Vec::new());
        for stage in needed {
            match stage {
                SharedStage::Pretrain { simclr, single, .. } => {
                    let stage = config.pretrain(*simclr, *single, model(), unit);
                    pretrain.insert([*simclr, *single], dry_run::pretrain(gpu, &stage)?);
                }
                SharedStage::Multitask(_) if multitask.is_empty() => {
                    let whole = Init::Column(Column::Mtpret);
                    let stage = config.multitask(&whole, model(), unit);
                    multitask = dry_run::multitask(gpu, &stage)?;
                }
                SharedStage::Multitask(_) => {}
            }
        }
        let tune = |target: &String| {
            let stage = config.finetune(target, None, model(), unit);
            Ok((target.clone(), dry_run::finetune(gpu, &stage)?))
        };
        let finetune = config.targets.iter().map(tune).collect::<Result<_>>()?;
        Ok(Self { backbone, pretrain, multitask, finetune })
    }
    fn estimate(&self, what: String, unit: Unit, dry_runs: &[&DryRun], epochs: usize) -> Estimate {
        let epochs = epochs as u64;
        Estimate {
            name: format!("{what}, {}, {unit}", backbone_name(self.backbone)),
            steps: dry_runs.iter().map(|one| one.steps * epochs).sum(),
            seconds: dry_runs.iter().map(|one| one.seconds(epochs)).sum(),
            mib: dry_runs.iter().map(|one| one.mib).max().unwrap_or(0),
        }
    }
    fn stage(&self, config: &Reproduce, stage: &SharedStage, unit: Unit) -> Estimate {
        let model = Model { backbone: self.backbone, weights: None };
        // A share of the labels has as many steps as all of them.
        let whole = unit.with_all_labels();
        match stage {
            SharedStage::Pretrain { simclr, single, plus } => {
                let sets = if *single { "SD" } else { "MD" };
                let method = if *simclr { "SimCLR" } else { "MoCo" };
                let start = if *plus { "++" } else { "" };
                let epochs = config.pretrain(*simclr, *single, model, whole).epochs;
                let dry_run = &self.pretrain[&[*simclr, *single]];
                self.estimate(format!("{sets}-{method}{start}"), unit, &[dry_run], epochs)
            }
            SharedStage::Multitask(init) => {
                let stage = config.of(init).multitask(init, model, whole);
                let learnt = |one: &&DryRun| stage.tasks.contains(&one.name);
                let dry_runs: Vec<_> = self.multitask.iter().filter(learnt).collect();
                self.estimate(format!("{init}, stage 2"), unit, &dry_runs, stage.rounds)
            }
        }
    }
    fn cell(&self, config: &Reproduce, init: &Init, target: &str, unit: Unit) -> Estimate {
        let model = Model { backbone: self.backbone, weights: None };
        let stage = config.of(init).finetune(target, None, model, unit.with_all_labels());
        self.estimate(
            format!("{target} from {init}"),
            unit,
            &[&self.finetune[target]],
            stage.epochs,
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SharedStage {
    Pretrain { simclr: bool, single: bool, plus: bool },
    Multitask(Init),
}

/// The stages that an initialisation needs.
fn stages_of(init: &Init) -> Vec<SharedStage> {
    let pretrain = |simclr, single, plus| vec![SharedStage::Pretrain { simclr, single, plus }];
    match init {
        Init::Column(Column::Scratch | Column::Imagenet) => vec![],
        Init::Column(Column::SdSimclr) => pretrain(true, true, false),
        Init::Column(Column::MdSimclr) => pretrain(true, false, false),
        Init::Column(Column::SdMoco) => pretrain(false, true, false),
        Init::Column(Column::MdMoco) => pretrain(false, false, false),
        Init::Column(Column::MdMocoPlus) => pretrain(false, false, true),
        Init::Column(Column::MocoCxr) => pretrain(false, true, true),
        _ => {
            let mut stages = pretrain(false, false, false);
            stages.push(SharedStage::Multitask(init.clone()));
            stages
        }
    }
}
