//! Forgetting: the figures of all tasks after visits of multitask learning, and what they come to.

use super::multitask::TaskVisit;
use crate::{
    Error, Result,
    data::{Dataset, Sample},
    metrics::Bootstrap,
    train::{
        Device,
        config::{HandOn, Metric, Multitask},
        run::{Checkpoint, Run},
        tasks::{Task, inference::Inference, model::TaskModel},
    },
    weights::{
        arenas,
        checkpoint::{Metadata, Tensors},
    },
};
use mtpret_engine::tensor::{Philox, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Separates the choice of validation films from other random numbers.
const STREAM: u64 = 0x666f_7267;
/// Where a checkpoint keeps the history.
const HISTORY: &str = "forgetting";
/// The file with the round that is handed on.
const BEST: &str = "best.json";

/// Each task's main figure on its validation part after one visit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AfterVisit {
    /// The task that was visited.
    pub visited: usize,
    /// AUC, Dice or AP50 of each task; none where it is undefined.
    pub figures: Vec<Option<f64>>,
}

/// The matrix R of figures: R\[i\]\[j\] is task j's figure after the i-th visit that was followed by a validation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History(pub Vec<AfterVisit>);

impl History {
    /// Average forgetting (Chaudhry et al. 2018): of every task but the one visited last, how far its figure lies below the best
    /// that it had before.
    ///
    /// ```text
    /// F = mean over tasks j of  max over i < k of R[i][j]  −  R[k][j]
    /// ```
    /// None before a second row, and where no such task has figures.
    pub fn average_forgetting(&self) -> Option<f64> {
        let (last, before) = self.0.split_last()?;
        let forgotten = |task: usize| {
            let best = before.iter().filter_map(|row| row.figures[task]).reduce(f64::max)?;
            Some(best - last.figures[task]?)
        };
        mean((0..last.figures.len()).filter(|task| *task != last.visited).filter_map(forgotten))
    }
    /// Backward transfer (Lopez-Paz & Ranzato 2017): of every task but the one visited last, how far its figure has risen since
    /// its own latest visit; below 0, what later visits cost it.
    ///
    /// ```text
    /// BWT = mean over tasks j of  R[k][j] − R[i(j)][j],   i(j) the latest visit of task j
    /// ```
    /// None where no row follows a visit of another task.
    pub fn backward_transfer(&self) -> Option<f64> {
        let (last, before) = self.0.split_last()?;
        let risen = |task: usize| {
            let own = before.iter().rfind(|row| row.visited == task)?;
            Some(last.figures[task]? - own.figures[task]?)
        };
        mean((0..last.figures.len()).filter(|task| *task != last.visited).filter_map(risen))
    }
    /// The mean of the main figures after the last visit.
    fn mean(&self) -> Option<f64> {
        mean(self.0.last()?.figures.iter().flatten().copied())
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The round with the best mean of figures so far.
struct BestRound {
    state: State,
    figure: f64,
    /// From 1; 0 before there is one.
    round: u64,
}

/// What is validated after visits, and what came of it.
pub(super) struct Forgetting<'a> {
    gpu: &'a Device,
    config: &'a Multitask,
    run: &'a Run<'a>,
    model: &'a TaskModel,
    tasks: Vec<ValidatedTask<'a>>,
    history: History,
    best: Option<BestRound>,
}

struct ValidatedTask<'a> {
    task: &'a dyn Task,
    inference: Inference,
    films: Vec<Sample>,
}

/// A line of `metrics.jsonl`.
#[derive(Serialize)]
struct Validated<'a> {
    stage: &'static str,
    step: u64,
    /// From 1.
    visit: usize,
    /// From 1.
    round: u64,
    visited: &'a str,
    figures: BTreeMap<&'a str, Option<f64>>,
    average_forgetting: Option<f64>,
    backward_transfer: Option<f64>,
}

/// At most `most` of a task's validation films, always the same; all where `most` is 0.
pub(in crate::train) fn part(films: &[Sample], most: usize, seed: u64) -> Vec<Sample> {
    if most == 0 || films.len() <= most {
        return films.to_vec();
    }
    let mut chosen = Philox::new(seed, STREAM).permutation(films.len());
    chosen.truncate(most);
    chosen.sort_unstable();
    chosen.into_iter().map(|at| films[at].clone()).collect()
}

impl<'a> Forgetting<'a> {
    /// Records inference of every task, if visits are validated.
    ///
    /// # Errors
    /// A task without validation films, or too little device memory.
    pub fn new(
        gpu: &'a Device,
        config: &'a Multitask,
        run: &'a Run<'a>,
        model: &'a TaskModel,
        sets: &[Dataset],
        tasks: &'a [Box<dyn Task>],
    ) -> Result<Option<Self>> {
        if config.validate.is_never() {
            return Ok(None);
        }
        let mut validated = Vec::new();
        for (head, (set, task)) in sets.iter().zip(tasks).enumerate() {
            set.needs("val", &set.val)?;
            let films = part(&set.val, config.validate_films, config.seed);
            let inference = model.inference(gpu, &**task, head)?;
            validated.push(ValidatedTask { task: &**task, inference, films });
        }
        let best = match config.hand_on {
            HandOn::Last => None,
            HandOn::Best => Some(BestRound {
                state: model.state().duplicate(gpu)?,
                figure: f64::NEG_INFINITY,
                round: 0,
            }),
        };
        let history = History::default();
        Ok(Some(Self { gpu, config, run, model, tasks: validated, history, best }))
    }
    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// A checkpoint without a history.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let Checkpoint { file, tensors, metadata, .. } = checkpoint;
        let fault = |found: String| {
            let expected = "the figures of earlier visits in the metadata";
            Error::weights(file, expected, found, "begin the run anew, or set validate = \"never\"")
        };
        let text = metadata.get(HISTORY).ok_or_else(|| fault("none".into()))?;
        let (history, figure, round) = serde_json::from_str::<(History, u64, u64)>(text)
            .map_err(|e| fault(format!("others: {e}")))?;
        self.history = history;
        if let Some(best) = &mut self.best {
            arenas::take(self.gpu, file, tensors, "best.", best.state.arenas())?;
            (best.figure, best.round) = (f64::from_bits(figure), round);
        }
        Ok(())
    }
    /// Adds what a resumed stage needs to a checkpoint.
    ///
    /// # Errors
    /// The device is lost.
    pub fn save(&self, tensors: &mut Tensors, metadata: &mut Metadata) -> Result<()> {
        let (mut figure, mut round) = (f64::NEG_INFINITY, 0);
        if let Some(best) = &self.best {
            arenas::put(self.gpu, tensors, "best.", best.state.arenas())?;
            (figure, round) = (best.figure, best.round);
        }
        let text = serde_json::to_string(&(&self.history, figure.to_bits(), round));
        metadata.insert(HISTORY.into(), text.expect("figures are plain data"));
        Ok(())
    }
    /// Validates all tasks after a visit, the stage's `number`-th from 0, if it is one of those that are followed by it.
    ///
    /// # Errors
    /// Films that cannot be read, or a lost device.
    pub fn visited(&mut self, visit: &TaskVisit, number: usize, at: u64) -> Result<()> {
        if !self.config.validate.is_due(number, visit.ends_round()) {
            return Ok(());
        }
        self.run.finite(at, &arenas::network(self.gpu, self.model.state())?)?;
        let (mut figures, mut shown) = (Vec::new(), Vec::new());
        for ValidatedTask { task, inference, films } in &mut self.tasks {
            let mut scorer = task.scorer();
            self.run.list_bad(&inference.score(*task, films, &mut *scorer)?)?;
            let scores = scorer.scores(Bootstrap { replicates: 0, seed: 0 })?;
            let (figure, _) = scores.main();
            let number = figure.map_or("undefined".into(), |figure| format!("{figure:.4}"));
            shown.push(format!("{} {} {number}", task.name(), scores.name(Metric::Main)));
            figures.push(figure);
        }
        self.history.0.push(AfterVisit { visited: visit.task, figures });
        let (forgotten, transfer) =
            (self.history.average_forgetting(), self.history.backward_transfer());
        let round = visit.round + 1;
        let name = self.tasks[visit.task].task.name();
        let mut line = format!("round {round} {name}: validation {}", shown.join(", "));
        for (what, figure) in [("average forgetting", forgotten), ("backward transfer", transfer)] {
            line += &figure.map_or(String::new(), |figure| format!("; {what} {figure:.4}"));
        }
        self.run.watch.note(&line);
        let names = self.tasks.iter().map(|validated| validated.task.name());
        let last = &self.history.0.last().expect("it was pushed").figures;
        self.run.record(&Validated {
            stage: "multitask",
            step: at,
            visit: number + 1,
            round,
            visited: name,
            figures: names.zip(last.iter().copied()).collect(),
            average_forgetting: forgotten,
            backward_transfer: transfer,
        })?;
        if let Some(best) = self.best.as_mut().filter(|_| visit.ends_round())
            && let Some(figure) = self.history.mean().filter(|figure| *figure > best.figure)
        {
            self.model.state().copy_to(self.gpu, &best.state);
            (best.figure, best.round) = (figure, round);
        }
        Ok(())
    }
    /// Puts the best round's network in the place of the last one's, if that is to be handed on, and writes down which it is.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn hand_on(&self) -> Result<()> {
        let Some(best) = self.best.as_ref().filter(|best| best.round > 0) else { return Ok(()) };
        best.state.copy_to(self.gpu, self.model.state());
        let (round, figure) = (best.round, best.figure);
        self.run.watch.note(&format!(
            "multitask: hands on round {round} of {}, mean of main figures {figure:.4}",
            self.config.rounds
        ));
        let record = serde_json::json!({ "round": round, "validation": figure });
        self.run.write(BEST, &(record.to_string() + "\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(rows: &[(usize, [f64; 3])]) -> History {
        let row = |(visited, figures): &(usize, [f64; 3])| AfterVisit {
            visited: *visited,
            figures: figures.iter().map(|f| f.is_finite().then_some(*f)).collect(),
        };
        History(rows.iter().map(row).collect())
    }

    #[test]
    fn forgetting_is_measured_from_the_best_and_transfer_from_a_tasks_own_visit() {
        let undefined = f64::NAN;
        let mut rows = vec![(0, [0.8, 0.5, undefined])];
        let of = |rows: &[(usize, [f64; 3])]| {
            let history = history(rows);
            let round = |figure: f64| (figure * 1e9).round() / 1e9;
            (history.average_forgetting().map(round), history.backward_transfer().map(round))
        };
        assert_eq!(of(&rows), (None, None));
        // Task 0 loses .2; task 2 has no figure yet.
        rows.push((1, [0.6, 0.9, 0.4]));
        assert_eq!(of(&rows), (Some(0.2), Some(-0.2)));
        // Task 0 is back at .7: .1 below its best, .1 below its own visit; task 1 is .1 above its own.
        rows.push((2, [0.7, 1.0, 0.5]));
        assert_eq!(of(&rows), (Some(0.0), Some(0.0)));
        // The latest visit of a task counts, not its first.
        rows.push((0, [0.9, 0.95, 0.5]));
        rows.push((1, [0.85, 0.9, 0.45]));
        let forgotten = (0.05 + 0.05) / 2.0;
        assert_eq!(of(&rows), (Some(forgotten), Some(-forgotten)));
    }

    #[test]
    fn a_part_of_the_films_is_always_the_same_part() {
        let films: Vec<Sample> = (0..50)
            .map(|n| Sample {
                path: format!("{n}.png").into(),
                patient: n.to_string(),
                target: vec![0.0].into(),
            })
            .collect();
        let some = part(&films, 10, 3);
        assert_eq!((some.len(), &some), (10, &part(&films, 10, 3)));
        assert_ne!(some, part(&films, 10, 4));
        assert_eq!(part(&films, 0, 3).len(), 50);
    }
}
