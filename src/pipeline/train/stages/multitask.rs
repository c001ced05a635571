//! Stage 2: multitask continual learning (MTPret §II-C, Algorithm 2).
//!
//! Each round visits all tasks in a new order; a visit is one pass over the task's films, or a number of batches. The
//! backbone is held to its anchor by L²-SP (Eq. 5), the rate moves in cycles (Eq. 4), heads keep their state.

use super::forgetting::Forgetting;
use crate::{
    Error, Result,
    data::{Dataset, Loader},
    models::{BACKBONE, head},
    train::{
        Device,
        config::{Anchor, AnchorAt, Multitask, Optim},
        run::{Checkpoint, Run},
        schedule::Span,
        step::{
            optimizer::Update,
            trainer::{Hooks, Pass, Trainer, metadata},
        },
        tasks::{
            self, Task,
            loading::training,
            model::{TaskModel, TaskStep, depth},
        },
    },
    weights::{
        arenas,
        checkpoint::{Metadata, Tensors},
    },
};
use mtpret_engine::{
    step::{Stepper, TrainState, Trainable},
    tensor::{Arena, Philox, State},
};
use std::path::PathBuf;

/// Separates this stage's random numbers from other stages'.
const STAGE: u32 = 2;

/// One task's visit within the stage.
pub(super) struct TaskVisit {
    pub round: u64,
    pub task: usize,
    /// Steps of the stage before it.
    begin: u64,
    steps: u64,
    /// Steps of its round before it, and of its whole round.
    in_round: Span,
}

impl TaskVisit {
    /// Whether it is the last one of its round.
    pub fn ends_round(&self) -> bool {
        self.in_round.at + self.steps == self.in_round.of
    }
}

/// Runs the stage and returns the file of weights: backbone and all heads.
///
/// # Errors
/// Whatever files, the device or the person may cause; the last checkpoint stays.
pub fn multitask(gpu: &Device, config: &Multitask, run: &Run) -> Result<PathBuf> {
    if run.is_done() {
        return Ok(run.weights_file());
    }
    run.write_config(config)?;
    run.process(gpu, || learn(gpu, config, run))
}

fn learn(gpu: &Device, config: &Multitask, run: &Run) -> Result<PathBuf> {
    let opened =
        config.tasks.iter().map(|name| tasks::open(&config.source, name, config.settings()));
    let (sets, tasks): (Vec<_>, Vec<_>) = opened.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    run.has(gpu, &sets)?;
    let all: Vec<&dyn Task> = tasks.iter().map(|t| &**t).collect();
    let model = TaskModel::new(gpu, depth(config.model.backbone), &all, true, config.seed)?;
    if let Some(path) = &config.model.weights {
        arenas::load_backbone(gpu, model.state(), path)?;
    }
    let continual = Continual::new(gpu, config, &model)?;
    let mut forgetting = Forgetting::new(gpu, config, run, &model, &sets, &tasks)?;
    let visits = visits(config, &sets, &tasks)?;
    let steps = visits.last().map_or(0, |v| v.begin + v.steps);
    let mut at = 0;
    if let Some(checkpoint) = run.checkpoint("multitask")? {
        let Checkpoint { file, tensors, .. } = &checkpoint;
        for (prefix, arena) in continual.arenas() {
            arenas::take(gpu, file, tensors, prefix, [arena])?;
        }
        arenas::take_scale(gpu, file, tensors, model.state())?;
        forgetting.iter_mut().try_for_each(|forgetting| forgetting.restore(&checkpoint))?;
        at = checkpoint.step()?;
        run.watch.note(&format!("multitask: going on at step {at}"));
    }
    let mut loaders = loaders(config, &sets, &tasks, &visits, at)?;
    let step = |head: usize| TaskStep {
        model: &model,
        task: &*tasks[head],
        head,
        target: loaders[head].row_len(),
        augment: &config.augment,
        update: Update::new(&config.optim, Some(&config.l2sp)),
        average: continual.average(),
    };
    let heads: Vec<TaskStep> = (0..tasks.len()).map(step).collect();
    let heads: Vec<&dyn Trainable> = heads.iter().map(|head| head as &dyn Trainable).collect();
    let mut steppers = Stepper::share(gpu, &heads)?;
    let (log, seed) = (&config.log, config.seed);
    let trainer = Trainer { gpu, run, log, seed, stage: STAGE, steps };
    let optims: Vec<Optim> = config.tasks.iter().map(|task| config.optim_of(task)).collect();
    let films = sets.iter().map(|s| s.train.len()).sum();
    trainer.announce("multitask", films, &steppers)?;
    for (number, visit) in visits.iter().enumerate() {
        if visit.begin + visit.steps <= at {
            continue;
        }
        if visit.begin == at {
            continual.begin(visit);
        }
        let pass = Pass {
            name: format!("round {} {}", visit.round + 1, sets[visit.task].name),
            parts: model.heads[visit.task].parts(),
            samples: &sets[visit.task].train,
            loader: &mut loaders[visit.task],
            stepper: &mut steppers[visit.task],
            begin: visit.begin,
            steps: visit.steps,
            round: visit.in_round,
            optim: &optims[visit.task],
        };
        let forgetting = forgetting.as_mut();
        let mut visiting = Visiting { continual: &continual, visit, number, forgetting };
        at = trainer.pass(pass, at, &mut visiting)?;
    }
    forgetting.iter().try_for_each(Forgetting::hand_on)?;
    run.finish(steps, arenas::network(gpu, model.state())?, Metadata::new())?;
    run.ended(gpu, "multitask", steps)?;
    for (set, stepper) in sets.iter().zip(&steppers) {
        run.profile(&set.name, stepper)?;
    }
    Ok(run.weights_file())
}

/// A loader for each task, at the task's next batch after `at` steps of the stage: visits go on where the last one ended.
fn loaders(
    config: &Multitask,
    sets: &[Dataset],
    tasks: &[Box<dyn Task>],
    visits: &[TaskVisit],
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

/// What the stage keeps from visit to visit.
pub(in crate::train) struct Continual<'a> {
    gpu: &'a Device,
    config: &'a Multitask,
    model: &'a TaskModel,
    /// The weights in the middle of the visit, if the next one is to be held to them.
    trough: Option<Arena>,
    /// The average of weights and statistics over the visit, if that is handed on.
    average: Option<State>,
}

impl<'a> Continual<'a> {
    /// Everything as the first visit finds it.
    ///
    /// # Errors
    /// Too little device memory.
    pub(in crate::train) fn new(
        gpu: &'a Device,
        config: &'a Multitask,
        model: &'a TaskModel,
    ) -> Result<Self> {
        let state = model.state();
        let trough = config.l2sp.anchor_at == AnchorAt::Trough;
        let trough = trough.then(|| state.weights.duplicate(gpu)).transpose()?;
        let average = (config.ema > 0.0).then(|| state.duplicate(gpu)).transpose()?;
        let all = Self { gpu, config, model, trough, average };
        gpu.copy(&state.weights.data, &all.anchor().data);
        Ok(all)
    }
    /// The average that a step keeps, and its decay.
    pub(in crate::train) fn average(&self) -> Option<(&State, f64)> {
        self.average.as_ref().map(|average| (average, self.config.ema))
    }
    fn anchor(&self) -> &Arena {
        self.model.train.anchor.as_ref().expect("it was made with an anchor")
    }
    /// What happens before a visit's first step: the anchor is renewed, the average begins anew, and the backbone's velocity is
    /// zero: what an earlier visit left is the gradient of other films, and replayed it moves the backbone further than
    /// the visit itself.
    fn begin(&self, visit: &TaskVisit) {
        let (gpu, config, model) = (self.gpu, self.config, self.model);
        let renewed = match config.l2sp.anchor {
            Anchor::Moco => false,
            Anchor::PrevTask => true,
            Anchor::PrevRound => visit.in_round.at == 0,
        };
        if renewed {
            let latest = self.trough.as_ref().unwrap_or(&model.state().weights);
            gpu.copy(&latest.data, &self.anchor().data);
        }
        if let Some(average) = &self.average {
            model.state().copy_to(gpu, average);
        }
        for (group, range) in model.train.momentum.layout.groups() {
            let kept = match group.part {
                BACKBONE => config.keep_backbone_momentum,
                part => config.keep_head_momentum || part != head(visit.task),
            };
            if !kept {
                gpu.clear(&model.train.momentum.slice(range.start, range.end - range.start));
            }
        }
    }
    /// Everything that a resumed stage needs, and its names in the checkpoint.
    fn arenas(&self) -> Vec<(&'static str, &Arena)> {
        let TrainState { network: state, momentum, .. } = &self.model.train;
        let mut all = vec![
            ("backbone.", &state.weights),
            ("backbone.", &state.statistics),
            ("momentum.", momentum),
            ("anchor.", self.anchor()),
        ];
        all.extend(self.trough.iter().map(|trough| ("trough.", trough)));
        let average = self.average.iter().flat_map(State::arenas);
        all.extend(average.map(|arena| ("average.", arena)));
        all
    }
}

/// What a visit does between its steps.
struct Visiting<'a, 'f> {
    continual: &'a Continual<'a>,
    visit: &'a TaskVisit,
    /// Visits before it.
    number: usize,
    forgetting: Option<&'a mut Forgetting<'f>>,
}

impl Hooks for Visiting<'_, '_> {
    fn checkpoint(&self, at: u64) -> Result<(Tensors, Metadata)> {
        let Continual { gpu, model, .. } = self.continual;
        let mut tensors = Tensors::new();
        for (prefix, arena) in self.continual.arenas() {
            arenas::put(gpu, &mut tensors, prefix, [arena])?;
        }
        arenas::put_scale(gpu, &mut tensors, model.state())?;
        let mut metadata = metadata("multitask", at);
        if let Some(forgetting) = &self.forgetting {
            forgetting.save(&mut tensors, &mut metadata)?;
        }
        Ok((tensors, metadata))
    }
    /// The step in the middle of the visit has the lowest rate of `cyclic2pi`: what it leaves is kept.
    fn stepped(&mut self, at: u64) {
        let Continual { gpu, model, trough, .. } = self.continual;
        if let Some(trough) = trough
            && at - self.visit.begin == (self.visit.steps / 2 + 1).min(self.visit.steps)
        {
            gpu.copy(&model.state().weights.data, &trough.data);
        }
    }
    /// The average, if there is one, is handed on; then every task is validated.
    fn pass_ended(&mut self, at: u64) -> Result<()> {
        if let Some(average) = &self.continual.average {
            average.copy_to(self.continual.gpu, self.continual.model.state());
        }
        match &mut self.forgetting {
            Some(forgetting) => forgetting.visited(self.visit, self.number, at),
            None => Ok(()),
        }
    }
}

/// Algorithm 2's outer loops as a list: round after round, each in its own order.
fn visits(config: &Multitask, sets: &[Dataset], tasks: &[Box<dyn Task>]) -> Result<Vec<TaskVisit>> {
    let all = sets.iter().zip(tasks);
    let batches = all.map(|(set, task)| set.train.len() / task.data().batch);
    let epochs: Vec<u64> = batches.map(|count| count as u64).collect();
    if let Some(short) = epochs.iter().position(|steps| *steps == 0) {
        let expected = format!("at least one batch of {} films", tasks[short].data().batch);
        let found = format!("{} in source {}", sets[short].train.len(), sets[short].name);
        return Err(Error::config("data.batch", expected, found, "make the batch smaller"));
    }
    let lengths: Vec<u64> = epochs.into_iter().map(|epoch| config.visit.steps(epoch)).collect();
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
            visits.push(TaskVisit { round, task, begin, steps: lengths[task], in_round });
            begin += lengths[task];
            before += lengths[task];
        }
    }
    Ok(visits)
}
