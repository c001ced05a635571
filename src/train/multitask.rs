//! Stage 2: multitask continual learning (MTPret §II-C, Algorithm 2).
//!
//! Each round visits all tasks in a new order; a visit is one pass over the task's films. The backbone is held
//! to its anchor by L²-SP (Eq. 5), the rate moves in cycles (Eq. 4), heads keep their state.

use super::{
    checkpoint::{Metadata, Tensors},
    config::{Anchor, Multitask},
    learner::{Learner, TaskStep, depth},
    run::{Run, training},
    schedule::Span,
    state,
    stepper::{Recorded, Stepper},
    task::{self, Task},
    trainer::{Hooks, Pass, Trainer, metadata, step_of},
    update::Update,
};
use crate::{
    Error, Result,
    data::{Dataset, Loader},
    gpu::Gpu,
    tensor::{Arena, Group, Philox},
};
use std::path::PathBuf;

/// Separates this stage's random numbers from other stages'.
const STAGE: u32 = 2;

/// One task's visit within the stage.
struct Visit {
    round: u64,
    task: usize,
    /// Steps of the stage before it.
    begin: u64,
    steps: u64,
    /// Steps of its round before it, and of its whole round.
    in_round: Span,
}

/// Runs the stage and returns the file of weights: backbone and all heads.
///
/// # Errors
/// Whatever files, the device or the person may cause; the last checkpoint stays.
pub fn multitask(gpu: &Gpu, config: &Multitask, run: &Run) -> Result<PathBuf> {
    if run.is_done() {
        return Ok(run.weights_file());
    }
    run.write_config(config)?;
    run.sit(gpu, || learn(gpu, config, run))
}

fn learn(gpu: &Gpu, config: &Multitask, run: &Run) -> Result<PathBuf> {
    let opened =
        config.tasks.iter().map(|name| task::open(&config.source, name, config.settings()));
    let (sets, tasks): (Vec<_>, Vec<_>) = opened.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    run.has(&sets);
    let all: Vec<&dyn Task> = tasks.iter().map(|t| &**t).collect();
    let learner = Learner::new(gpu, depth(config.model.backbone), &all, true, config.seed)?;
    if let Some(path) = &config.model.weights {
        state::load_backbone(gpu, &learner.state, path)?;
    }
    let anchor = learner.anchor.as_ref().expect("it was made with an anchor");
    gpu.copy(&learner.state.weights.data, &anchor.data);
    let visits = visits(config, &sets, &tasks)?;
    let steps = visits.last().map_or(0, |v| v.begin + v.steps);
    let mut at = 0;
    if let Some((tensors, metadata)) = run.checkpoint("multitask")? {
        for (prefix, arena) in arenas(&learner) {
            state::take(gpu, &tensors, prefix, [arena])?;
        }
        state::take_scale(gpu, &tensors, &learner.state)?;
        at = step_of(&metadata)?;
        run.watch.note(&format!("multitask: going on at step {at}"));
    }
    let mut loaders = loaders(config, &sets, &tasks, &visits, at)?;
    let step = |head: usize| TaskStep {
        learner: &learner,
        task: &*tasks[head],
        head,
        target: loaders[head].row_len(),
        augment: &config.augment,
        update: Update::new(&config.optim, Some(&config.l2sp)),
    };
    let recorded = (0..tasks.len()).map(|i| Recorded::new(gpu, &step(i))).collect::<Result<_>>()?;
    let mut steppers = Stepper::share(gpu, recorded)?;
    let (optim, log, seed) = (&config.optim, &config.log, config.seed);
    let trainer = Trainer { gpu, run, optim, log, seed, stage: STAGE, steps, queue: [0, 1] };
    let films = sets.iter().map(|s| s.train.len()).sum();
    trainer.announce("multitask", films, &steppers[0]);
    for visit in &visits {
        if visit.begin + visit.steps <= at {
            continue;
        }
        if visit.begin == at {
            begin(gpu, config, &learner, visit);
        }
        let pass = Pass {
            name: format!("round {} {}", visit.round + 1, sets[visit.task].name),
            parts: learner.heads[visit.task].parts(),
            samples: &sets[visit.task].train,
            loader: &mut loaders[visit.task],
            stepper: &mut steppers[visit.task],
            begin: visit.begin,
            steps: visit.steps,
            round: visit.in_round,
            lr_factor: tasks[visit.task].lr_factor(),
        };
        at = trainer.pass(pass, at, &mut Learning { gpu, learner: &learner })?;
    }
    run.finish(steps, state::network(gpu, &learner.state)?, Metadata::new())?;
    run.ended(gpu, "multitask", steps)?;
    for (set, stepper) in sets.iter().zip(&steppers) {
        run.profile(&set.name, stepper)?;
    }
    Ok(run.weights_file())
}

/// A loader for each task, at the task's next batch after `at` steps of the stage: a visit is one of its epochs.
fn loaders(
    config: &Multitask,
    sets: &[Dataset],
    tasks: &[Box<dyn Task>],
    visits: &[Visit],
    at: u64,
) -> Result<Vec<Loader>> {
    let open = |(task, set): (usize, &Dataset)| {
        let mine = visits.iter().filter(|v| v.task == task);
        let done = mine.map(|v| at.saturating_sub(v.begin).min(v.steps)).sum();
        let mut options = training(&*tasks[task], config.seed, done);
        options.cache_bytes /= sets.len();
        Loader::new(set.train.clone(), options)
    };
    sets.iter().enumerate().map(open).collect()
}

/// What the stage does between steps.
struct Learning<'a> {
    gpu: &'a Gpu,
    learner: &'a Learner,
}

impl Hooks for Learning<'_> {
    fn checkpoint(&self, at: u64) -> Result<(Tensors, Metadata)> {
        let mut tensors = Tensors::new();
        for (prefix, arena) in arenas(self.learner) {
            state::put(self.gpu, &mut tensors, prefix, [arena])?;
        }
        state::put_scale(self.gpu, &mut tensors, &self.learner.state)?;
        Ok((tensors, metadata("multitask", at)))
    }
}

/// Algorithm 2's outer loops as a list: round after round, each in its own order.
fn visits(config: &Multitask, sets: &[Dataset], tasks: &[Box<dyn Task>]) -> Result<Vec<Visit>> {
    let all = sets.iter().zip(tasks);
    let batches = all.map(|(set, task)| set.train.len() / task.data().batch);
    let lengths: Vec<u64> = batches.map(|count| count as u64).collect();
    if let Some(short) = lengths.iter().position(|steps| *steps == 0) {
        let problem = format!(
            "expected at least one batch of {} films, found {} in source {}",
            tasks[short].data().batch,
            sets[short].train.len(),
            sets[short].name
        );
        return Err(Error::config("data.batch", problem, "make the batch smaller"));
    }
    let (round_steps, mut begin) = (lengths.iter().sum(), 0);
    let mut visits = Vec::new();
    for round in 0..config.rounds as u64 {
        let order = match config.reshuffle {
            true => {
                Philox::new(config.seed, u64::from(STAGE) << 32 | round).permutation(sets.len())
            }
            false => (0..sets.len()).collect(),
        };
        let mut before = 0;
        for task in order {
            let in_round = Span { at: before, of: round_steps };
            visits.push(Visit { round, task, begin, steps: lengths[task], in_round });
            begin += lengths[task];
            before += lengths[task];
        }
    }
    Ok(visits)
}

/// What happens before a visit's first step: the anchor is renewed, momenta are kept or cleared.
fn begin(gpu: &Gpu, config: &Multitask, learner: &Learner, visit: &Visit) {
    let renewed = match config.l2sp.anchor {
        Anchor::Moco => false,
        Anchor::PrevTask => true,
        Anchor::PrevRound => visit.in_round.at == 0,
    };
    if let (true, Some(anchor)) = (renewed, &learner.anchor) {
        gpu.copy(&learner.state.weights.data, &anchor.data);
    }
    for (group, range) in learner.momentum.layout.groups() {
        let kept = match group {
            Group::Weights | Group::Vectors => config.keep_backbone_momentum,
            Group::HeadWeights(head) | Group::HeadVectors(head) => {
                config.keep_head_momentum || head != visit.task
            }
        };
        if !kept {
            gpu.clear(&learner.momentum.slice(range.start, range.end - range.start));
        }
    }
}

fn arenas(learner: &Learner) -> [(&'static str, &Arena); 4] {
    let anchor = learner.anchor.as_ref().expect("it was made with an anchor");
    [
        ("backbone.", &learner.state.weights),
        ("backbone.", &learner.state.statistics),
        ("momentum.", &learner.momentum),
        ("anchor.", anchor),
    ]
}
