//! Stage 2: multitask continual learning (MTPret §II-C, Algorithm 2).
//!
//! Each round visits all tasks in a new order; a visit is one pass over the task's films. The backbone is held
//! to its anchor by L²-SP (Eq. 5), the rate moves in cycles (Eq. 4), heads keep their state.

use super::{
    checkpoint::{Metadata, Tensors},
    config::{Anchor, Multitask},
    learner::{Learner, TaskStep, depth},
    pretrain::{announce, step_of},
    run::{Pace, Run, training},
    schedule::{Progress, Span},
    state,
    stepper::{Recorded, Stepper},
    task::{Classify, Task},
    update::Update,
};
use crate::{
    Error, Result,
    data::{Dataset, Loader},
    gpu::Gpu,
    tensor::{Arena, Group, Philox, Step},
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
    let (sets, tasks) = tasks(config)?;
    let all: Vec<&dyn Task> = tasks.iter().map(|t| t as &dyn Task).collect();
    let learner = Learner::new(gpu, depth(config.model.backbone), &all, true, config.seed)?;
    if let Some(path) = &config.model.weights {
        state::load(gpu, &learner.state, path, true)?;
    }
    let anchor = learner.anchor.as_ref().expect("it was made with an anchor");
    gpu.copy(&learner.state.weights.data, &anchor.data);
    let visits = visits(config, &sets)?;
    let steps = visits.last().map_or(0, |v| v.begin + v.steps);
    let mut at = 0;
    if let Some((tensors, metadata)) = run.checkpoint("multitask")? {
        at = restore(gpu, &learner, &tensors, &metadata)?;
        run.watch.note(&format!("multitask: going on at step {at}"));
    }
    let step = |head: usize| TaskStep {
        learner: &learner,
        head,
        target: tasks[head].widths()[0],
        data: &config.data,
        augment: &config.augment,
        update: Update::new(&config.optim, Some(&config.l2sp)),
    };
    let recorded = (0..tasks.len()).map(|i| Recorded::new(gpu, &step(i))).collect::<Result<_>>()?;
    let mut steppers = Stepper::share(gpu, recorded)?;
    let films = sets.iter().map(|s| s.train.len()).sum();
    announce(run, "multitask", films, steps, &steppers[0]);
    for visit in &visits {
        if visit.begin + visit.steps <= at {
            continue;
        }
        if visit.begin == at {
            begin(gpu, config, &learner, visit)?;
        }
        let stepper = &mut steppers[visit.task];
        at = self::visit(gpu, config, run, &learner, stepper, &sets[visit.task], visit, at, steps)?;
    }
    run.finish(steps, state::network(gpu, &learner.state)?)?;
    Ok(run.weights_file())
}

fn tasks(config: &Multitask) -> Result<(Vec<Dataset>, Vec<Classify>)> {
    let read = |name: &String| {
        let source = config.source.iter().find(|s| s.name == *name);
        let source = source.expect("the configuration was checked to name a source");
        let set = source.read()?;
        let task = Classify::new(source, &set)?;
        Ok((set, task))
    };
    Ok(config.tasks.iter().map(read).collect::<Result<Vec<_>>>()?.into_iter().unzip())
}

/// Algorithm 2's outer loops as a list: round after round, each in its own order.
fn visits(config: &Multitask, sets: &[Dataset]) -> Result<Vec<Visit>> {
    let lengths: Vec<u64> =
        sets.iter().map(|s| (s.train.len() / config.data.batch) as u64).collect();
    if let Some(short) = lengths.iter().position(|steps| *steps == 0) {
        let problem = format!(
            "expected at least one batch of {} films, found {} in source {}",
            config.data.batch,
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
fn begin(gpu: &Gpu, config: &Multitask, learner: &Learner, visit: &Visit) -> Result<()> {
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
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "all of a stage's state, once a visit")]
fn visit(
    gpu: &Gpu,
    config: &Multitask,
    run: &Run,
    learner: &Learner,
    stepper: &mut Stepper,
    set: &Dataset,
    visit: &Visit,
    mut at: u64,
    steps: u64,
) -> Result<u64> {
    let end = visit.begin + visit.steps;
    // The loader counts the task's own steps: one epoch a round.
    let start = visit.round * visit.steps + (at - visit.begin);
    let mut loader = Loader::new(set.train.clone(), training(&config.data, config.seed, start))?;
    let stage = format!("round {} {}", visit.round + 1, set.name);
    let mut pace = Pace::new(stage, steps, config.log.every);
    while at < end {
        let batch = loader.next_batch()?;
        let epoch = Span { at: at - visit.begin, of: visit.steps };
        let round = Span { at: visit.in_round.at + epoch.at, of: visit.in_round.of };
        let lr = config.optim.lr(&Progress { run: Span { at, of: steps }, epoch, round });
        let step = Step {
            lr: lr as f32,
            step: at as u32,
            seed_low: config.seed as u32,
            seed_high: (config.seed >> 32) as u32,
            queue_at: 0,
            epoch: visit.round as u32,
            stage: STAGE,
            pad: 0,
        };
        stepper.run(&step, &batch.pixels, &batch.targets)?;
        pace.batch(at, &batch, &set.train);
        at += 1;
        let stop = run.watch.interrupted();
        let save = at.is_multiple_of(config.log.save_every) || stop;
        if at.is_multiple_of(config.log.every) || save || at == end {
            let reading = pace.reading(gpu, stepper.read_meter()?, at, lr, &loader, run)?;
            run.watch.reading(&reading);
            run.record(&reading)?;
        }
        if save {
            run.save(at, &tensors(gpu, learner)?, &metadata(at))?;
            run.list_bad(&loader.bad())?;
        }
        if stop {
            return Err(Error::Interrupted(run.folder.clone()));
        }
    }
    run.list_bad(&loader.bad())?;
    Ok(at)
}

fn metadata(step: u64) -> Metadata {
    [("stage", "multitask".to_owned()), ("step", step.to_string())]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
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

fn tensors(gpu: &Gpu, learner: &Learner) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    for (prefix, arena) in arenas(learner) {
        state::put(gpu, &mut tensors, prefix, arena)?;
    }
    Ok(tensors)
}

fn restore(gpu: &Gpu, learner: &Learner, tensors: &Tensors, metadata: &Metadata) -> Result<u64> {
    for (prefix, arena) in arenas(learner) {
        state::take(gpu, tensors, prefix, arena)?;
    }
    step_of(metadata)
}
