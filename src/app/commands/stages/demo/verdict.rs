//! The results of a demo as one table and as text.

use crate::{
    commands::inference::figures::MetricValue,
    commands::runs::report::Finished,
    report::table::{Cell, Column, Table},
};
use mtpret_pipeline::train::config::{Demo, Metric, Visit};

/// What fine-tuning begins from.
pub const INITIALISATIONS: [&str; 2] = ["scratch", "MTPret"];

/// A task's fine-tuned runs, from scratch and after MTPret.
pub struct Tuned {
    pub task: String,
    /// With the positive class and the number of test films.
    pub title: String,
    pub runs: [Finished; 2],
}

/// The main figure of every task, a column for each initialisation.
pub fn table(tasks: &[Tuned]) -> Table {
    let numbers = INITIALISATIONS.map(|name| Column::numbers(name, None));
    let texts = ["task", "figure"].map(Column::text);
    let mut table = Table::new(texts.into_iter().chain(numbers).collect());
    for Tuned { task, runs, .. } in tasks {
        let cell = |run: &Finished| {
            let (value, interval) = run.scores.main();
            Cell::interval(value, interval, 3)
        };
        let head = [task.as_str(), runs[0].scores.name(Metric::Main)].map(Cell::text);
        table.push(head.into_iter().chain(runs.iter().map(cell)).collect());
    }
    table
}

/// How MTPret stands beside scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Above,
    Below,
    /// One lies within the other's interval, or is undefined.
    NotToBeTold,
}

fn standing(scratch: MetricValue, mtpret: MetricValue) -> Standing {
    let ((Some(a), Some([a_low, a_high])), (Some(b), Some([b_low, b_high]))) = (scratch, mtpret)
    else {
        return Standing::NotToBeTold;
    };
    match b > a {
        true if b > a_high && a < b_low => Standing::Above,
        false if b < a_low && a > b_high => Standing::Below,
        _ => Standing::NotToBeTold,
    }
}

/// What the table says of MTPret, and what a demo cannot say.
pub fn describe(tasks: &[Tuned], pretrained_on: usize, config: &Demo) -> Vec<String> {
    let of = |wanted: Standing| -> String {
        let stands = |tuned: &&Tuned| {
            standing(tuned.runs[0].scores.main(), tuned.runs[1].scores.main()) == wanted
        };
        tasks.iter().filter(stands).map(|tuned| tuned.task.as_str()).collect::<Vec<_>>().join(", ")
    };
    let [above, below, open] = [Standing::Above, Standing::Below, Standing::NotToBeTold].map(of);
    let Demo { data, pretrain, multitask, .. } = config;
    let mut lines = Vec::new();
    if !above.is_empty() {
        let before = match multitask.visit {
            Visit::Epoch => format!("{} passes over", multitask.rounds),
            Visit::Steps(steps) => format!("{} batches of", multitask.rounds as u64 * steps),
        };
        lines.push(format!(
            "MTPret stands above scratch on {above}: each figure lies outside the other's interval. Its stage 2 had {before} \
             each task before fine-tuning began, which scratch had not."
        ));
    }
    if !below.is_empty() {
        lines.push(format!(
            "MTPret stands below scratch on {below}: each figure lies outside the other's interval."
        ));
    }
    if !open.is_empty() {
        lines.push(format!(
            "On {open} neither stands clearly above: a figure lies within the other's interval, test parts of this size \
             cannot tell them apart."
        ));
    }
    lines.push(format!(
        "What this shows: all three stages run on this machine, and what each task comes to. What it cannot show is whether \
         pretraining helps. The paper's stage 1 saw 131,200 films at 800 × 500 pixels; this one saw {pretrained_on} films at \
         {} × {} in {} passes, films that the tasks then learn from anyway, so there is little that better first \
         weights could add. The experiment that asks is mtpret reproduce.",
        data.width, data.height, pretrain.epochs
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_intervals_that_leave_the_other_out_count() {
        let of = |a: (f64, [f64; 2]), b: (f64, [f64; 2])| {
            standing((Some(a.0), Some(a.1)), (Some(b.0), Some(b.1)))
        };
        assert_eq!(of((0.8, [0.75, 0.82]), (0.9, [0.85, 0.95])), Standing::Above);
        assert_eq!(of((0.9, [0.85, 0.95]), (0.8, [0.75, 0.82])), Standing::Below);
        assert_eq!(of((0.8, [0.7, 0.92]), (0.9, [0.85, 0.95])), Standing::NotToBeTold);
        assert_eq!(of((0.8, [0.7, 0.82]), (0.9, [0.79, 0.95])), Standing::NotToBeTold);
    }
}
