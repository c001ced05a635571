//! How long an experiment will take: each distinct step is recorded and timed, and multiplied.

use super::{
    config::{Backbone, Column, Init, Model, Reproduce},
    learner::{Learner, TaskStep, depth},
    pretrain,
    reproduce::backbone_name,
    run::training,
    stepper::{Recorded, Stepper, Steps},
    task::{self, Settings, Task},
    update::Update,
};
use crate::{
    Result,
    data::{Dataset, Loader},
    gpu::Gpu,
    tensor::Step,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// Steps that are timed, after one that is not.
const TIMED: usize = 2;
/// What a batch costs in evaluation, in training steps: no gradients.
const EVALUATION: f64 = 1.0 / 3.0;

/// A stage or a cell, and what it will take.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Forecast {
    /// Its name.
    pub name: String,
    /// Training steps.
    pub steps: u64,
    /// Seconds, by the time of its steps here and now.
    pub seconds: f64,
    /// Device memory for activations and inputs, MiB.
    pub mib: u64,
}

/// Seconds of a step, and its memory in MiB.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    mib: u64,
}

/// A target and how many batches its parts have.
struct Sized {
    task: Box<dyn Task>,
    row: usize,
    /// Of training, validation and test.
    batches: [u64; 3],
}

/// What every stage and cell of an experiment will take.
///
/// # Errors
/// A source cannot be read, or a step does not run.
pub fn forecast(gpu: &Gpu, config: &Reproduce, inits: &[Init]) -> Result<Vec<Forecast>> {
    let sets = sizes(config)?;
    let stages: BTreeSet<Stage> = inits.iter().flat_map(stages_of).collect();
    let mut all = Vec::new();
    for backbone in &config.backbones {
        let timed = Timed::new(gpu, config, *backbone, &sets)?;
        for seed in &config.seeds {
            for stage in &stages {
                all.push(match stage {
                    Stage::Multitask(init) => timed.multitask(init, *seed),
                    stage => timed.pretrain(stage, *seed)?,
                });
            }
            for init in inits {
                all.extend(config.targets.iter().map(|target| timed.cell(init, target, *seed)));
            }
        }
    }
    Ok(all)
}

/// The cost of every distinct step with one backbone.
struct Timed<'a> {
    config: &'a Reproduce,
    backbone: Backbone,
    sets: &'a BTreeMap<String, Sized>,
    tasks: BTreeMap<&'a str, Cost>,
    moco: Cost,
    simclr: Cost,
}

impl<'a> Timed<'a> {
    fn new(
        gpu: &Gpu,
        config: &'a Reproduce,
        backbone: Backbone,
        sets: &'a BTreeMap<String, Sized>,
    ) -> Result<Self> {
        let of_task = |(name, sized): (&'a String, &Sized)| {
            Ok((name.as_str(), task_cost(gpu, config, backbone, sized)?))
        };
        let of_method = |simclr: bool| {
            let stage = config.pretrain(simclr, false, Model { backbone, weights: None }, 0);
            pretrain::prepare(gpu, &stage, Box::new(|_, step, _| time(gpu, step)))
        };
        Ok(Self {
            config,
            backbone,
            sets,
            tasks: sets.iter().map(of_task).collect::<Result<_>>()?,
            moco: of_method(false)?,
            simclr: of_method(true)?,
        })
    }
    fn model(&self) -> Model {
        Model { backbone: self.backbone, weights: None }
    }
    fn named(&self, what: String, seed: u64) -> String {
        format!("{what}, {}, seed {seed}", backbone_name(self.backbone))
    }
    fn pretrain(&self, stage: &Stage, seed: u64) -> Result<Forecast> {
        let Stage::Pretrain { simclr, single, plus } = *stage else {
            unreachable!("stage 2 is forecast by itself")
        };
        let (config, cost) = (self.config, if simclr { self.simclr } else { self.moco });
        let stage = config.pretrain(simclr, single, self.model(), seed);
        let mut films = BTreeSet::new();
        for source in &stage.source {
            films.extend(source.read()?.train.into_iter().map(|sample| sample.path));
        }
        let steps = (films.len() / config.data.batch * stage.epochs) as u64;
        let sets = if single { "SD" } else { "MD" };
        let method = if simclr { "SimCLR" } else { "MoCo" };
        let start = if plus { "++" } else { "" };
        let name = self.named(format!("{sets}-{method}{start}"), seed);
        Ok(Forecast { name, steps, seconds: steps as f64 * cost.seconds, mib: cost.mib })
    }
    fn multitask(&self, init: &Init, seed: u64) -> Forecast {
        let stage = self.config.multitask(init, self.model(), seed);
        let rounds = stage.rounds as u64;
        let visits = stage.tasks.iter().map(|t| (self.sets[t].batches[0], self.tasks[&**t]));
        let visits: Vec<(u64, Cost)> = visits.collect();
        let seconds: f64 = visits.iter().map(|(steps, cost)| *steps as f64 * cost.seconds).sum();
        Forecast {
            name: self.named(format!("{init}, stage 2"), seed),
            steps: rounds * visits.iter().map(|(steps, _)| steps).sum::<u64>(),
            seconds: rounds as f64 * seconds,
            mib: visits.iter().map(|(_, cost)| cost.mib).max().unwrap_or(0),
        }
    }
    fn cell(&self, init: &Init, target: &str, seed: u64) -> Forecast {
        let epochs = self.config.finetune(target, None, self.model(), seed).epochs as u64;
        let ([train, val, test], cost) = (self.sets[target].batches, self.tasks[target]);
        let evaluated = (val * epochs + test) as f64 * EVALUATION;
        Forecast {
            name: self.named(format!("{target} from {init}"), seed),
            steps: train * epochs,
            seconds: ((train * epochs) as f64 + evaluated) * cost.seconds,
            mib: cost.mib,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Pretrain { simclr: bool, single: bool, plus: bool },
    Multitask(Init),
}

/// The stages that an initialisation needs.
fn stages_of(init: &Init) -> Vec<Stage> {
    let pretrain = |simclr, single, plus| vec![Stage::Pretrain { simclr, single, plus }];
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
            stages.push(Stage::Multitask(init.clone()));
            stages
        }
    }
}

/// Every target and every task of stage 2.
fn sizes(config: &Reproduce) -> Result<BTreeMap<String, Sized>> {
    let names: BTreeSet<&String> = config.targets.iter().chain(&config.multitask.tasks).collect();
    let settings =
        Settings { data: &config.data, segment: &config.segment, detect: &config.detect };
    let of = |name: &String| {
        let (set, task) = task::open(&config.source, name, settings)?;
        let batch = task.data().batch;
        let row = Loader::new(set.train.clone(), training(&*task, 0, 0))?.row_len();
        let Dataset { train, val, test, .. } = &set;
        let batches = [train.len() / batch, val.len().div_ceil(batch), test.len().div_ceil(batch)];
        Ok((name.clone(), Sized { task, row, batches: batches.map(|n| n as u64) }))
    };
    names.into_iter().map(of).collect()
}

fn task_cost(gpu: &Gpu, config: &Reproduce, backbone: Backbone, sized: &Sized) -> Result<Cost> {
    let task = &*sized.task;
    let learner = Learner::new(gpu, depth(backbone), &[task], false, 1)?;
    let update = Update::new(&config.finetune.optim, None);
    let augment = &config.augment;
    time(gpu, &TaskStep { learner: &learner, task, head: 0, target: sized.row, augment, update })
}

/// Times a step on films of zeros, at the rate 0.
fn time(gpu: &Gpu, steps: &dyn Steps) -> Result<Cost> {
    let before = gpu.counters().buffer_bytes;
    let mut stepper = Stepper::share(gpu, vec![Recorded::new(gpu, steps)?])?.remove(0);
    let mib = ((gpu.counters().buffer_bytes - before).max(0) >> 20) as u64;
    let run = |stepper: &mut Stepper, count: usize| {
        for _ in 0..count {
            stepper.run(&Step::default(), &[], &[], &[])?;
        }
        stepper.read_meter()
    };
    run(&mut stepper, 1)?;
    let begun = Instant::now();
    run(&mut stepper, TIMED)?;
    Ok(Cost { seconds: begun.elapsed().as_secs_f64() / TIMED as f64, mib })
}
