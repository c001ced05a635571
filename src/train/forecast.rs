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
    let mut all = Vec::new();
    for backbone in &config.backbones {
        let mut costs = BTreeMap::new();
        for (name, sized) in &sets {
            costs.insert(name.as_str(), task_cost(gpu, config, *backbone, sized)?);
        }
        let model = || Model { backbone: *backbone, weights: None };
        let mut of_method = |simclr: bool| {
            let stage = config.pretrain(simclr, false, model(), 0);
            let timed = pretrain::prepare(gpu, &stage, Box::new(|_, step, _| time(gpu, step)))?;
            Ok::<_, crate::Error>(timed)
        };
        let costs_of = [of_method(false)?, of_method(true)?];
        let mut stages = BTreeSet::new();
        for init in inits {
            stages.extend(stages_of(init));
        }
        for seed in &config.seeds {
            for stage in &stages {
                let (name, steps, seconds, mib) = match stage {
                    Stage::Pretrain { simclr, single, plus } => {
                        let names = match single {
                            true => std::slice::from_ref(&config.single),
                            false => &config.multi[..],
                        };
                        let films: usize =
                            names.iter().map(|n| films(config, n)).sum::<Result<_>>()?;
                        let method =
                            if *simclr { config.simclr.epochs } else { config.moco.epochs };
                        let steps = (films / config.data.batch * method) as u64;
                        let cost = costs_of[usize::from(*simclr)];
                        let sets = if *single { "SD" } else { "MD" };
                        let name = if *simclr { "SimCLR" } else { "MoCo" };
                        let start = if *plus { "++" } else { "" };
                        (
                            format!("{sets}-{name}{start}"),
                            steps,
                            steps as f64 * cost.seconds,
                            cost.mib,
                        )
                    }
                    Stage::Multitask(init) => {
                        let stage = config.multitask(init, model(), *seed);
                        let visits = stage.tasks.iter().map(|t| (sets[t].batches[0], costs[&**t]));
                        let rounds = stage.rounds as u64;
                        let steps = rounds * visits.clone().map(|(n, _)| n).sum::<u64>();
                        let seconds: f64 = visits.clone().map(|(n, c)| n as f64 * c.seconds).sum();
                        let mib = visits.map(|(_, c)| c.mib).max().unwrap_or(0);
                        (format!("{init}, stage 2"), steps, rounds as f64 * seconds, mib)
                    }
                };
                let name = format!("{name}, {}, seed {seed}", backbone_name(*backbone));
                all.push(Forecast { name, steps, seconds, mib });
            }
            for init in inits {
                for target in &config.targets {
                    let cell = config.finetune(target, None, model(), *seed);
                    let ([train, val, test], cost) = (sets[target].batches, costs[&**target]);
                    let epochs = cell.epochs as u64;
                    let steps = train * epochs;
                    let evaluated = (val * epochs + test) as f64 * EVALUATION;
                    let name = backbone_name(*backbone);
                    all.push(Forecast {
                        name: format!("{target} from {init}, {name}, seed {seed}"),
                        steps,
                        seconds: (steps as f64 + evaluated) * cost.seconds,
                        mib: cost.mib,
                    });
                }
            }
        }
    }
    Ok(all)
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

fn films(config: &Reproduce, name: &str) -> Result<usize> {
    let source = config.source.iter().find(|s| s.name == name);
    Ok(source.expect("the configuration was checked to name a source").read()?.train.len())
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
