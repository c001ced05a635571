//! Curves of training: losses, the rate, figures of validation.

use super::{super::found::Stage, record::ReportedRun};
use crate::report::{
    chart::{Axis, HeatMap, LineChart, Panel, Series},
    html::Block,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Figures of validation that are shown, and what they are called.
const VALIDATED: [(&str, &str); 6] = [
    ("mauc", "AUC"),
    ("overall_accuracy", "accuracy"),
    ("dice", "Dice"),
    ("miou", "mIoU"),
    ("ap50", "AP50"),
    ("ap", "AP"),
];

fn panel(title: &str, x: &str, y: Axis, series: Vec<Series>) -> Option<Panel> {
    let (title, x) = (title.to_owned(), Axis::linear(x));
    (!series.is_empty()).then_some(Panel::Lines(LineChart { title, x, y, series }))
}

/// The task that a reading is of: its stage without the round.
fn task(reading: &Value) -> Option<String> {
    let stage = reading["stage"].as_str()?;
    let name = match stage.strip_prefix("round ").and_then(|rest| rest.split_once(' ')) {
        Some((_, task)) => task,
        None => stage.strip_prefix("finetune ").unwrap_or(stage),
    };
    Some(name.to_owned())
}

/// `[step, value]` by task, of the numbers that a JSON pointer such as `/loss` leads to.
fn by_task(run: &ReportedRun, pointer: &str) -> BTreeMap<String, Vec<[f64; 2]>> {
    let mut series: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
    for reading in run.metrics.iter().filter(|reading| reading["lr"].is_number()) {
        let value = reading.pointer(pointer).and_then(Value::as_f64);
        let point = task(reading).zip(reading["step"].as_f64()).zip(value);
        let Some(((task, step), value)) = point else { continue };
        series.entry(task).or_default().push([step, value]);
    }
    series
}

/// What is shown of each task of each run, under a name that tells it from all others.
fn named<T>(
    runs: &[&ReportedRun],
    shown: impl Fn(&ReportedRun) -> BTreeMap<String, T>,
) -> Vec<(String, T)> {
    let several = runs.len() > 1;
    let of = |run: &&ReportedRun| {
        let tasks = shown(run);
        let (alone, run) = (tasks.len() == 1, run.name.clone());
        tasks.into_iter().map(move |(task, what)| match (several, alone) {
            (true, true) => (run.clone(), what),
            (true, false) => (format!("{run}, {task}"), what),
            (false, _) => (task, what),
        })
    };
    runs.iter().flat_map(of).collect()
}

/// The series of all runs of a stage; of several tasks of a run, one each.
fn series(runs: &[&ReportedRun], pointer: &str) -> Vec<Series> {
    let all = named(runs, |run| by_task(run, pointer));
    all.into_iter().map(|(name, points)| Series { name, points }).collect()
}

/// The parts of each loss that has several, a picture for each task of each run.
fn parts(runs: &[&ReportedRun]) -> Vec<Panel> {
    let by_task = |run: &ReportedRun| {
        let mut tasks: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for name in part_names(&run.metrics) {
            for (task, points) in by_task(run, &format!("/losses/{name}")) {
                tasks.entry(task).or_default().push(Series { name: name.into(), points });
            }
        }
        tasks
    };
    let picture = |(name, series)| {
        panel(&format!("Parts of the loss: {name}"), "step", Axis::linear("loss"), series)
    };
    named(runs, by_task).into_iter().filter_map(picture).collect()
}

/// The names of the parts that the losses of a run have.
pub fn part_names(metrics: &[Value]) -> BTreeSet<&str> {
    let parts = metrics.iter().filter_map(|reading| reading["losses"].as_object());
    parts.flat_map(|parts| parts.keys().map(String::as_str)).collect()
}

/// Figures of validation, epoch by epoch.
fn validation(runs: &[&ReportedRun]) -> Vec<Panel> {
    let panel = |(key, title): (&str, &str)| {
        let of = |run: &&ReportedRun| {
            let point =
                |r: &Value| Some([r["epoch"].as_f64()? + 1.0, r["validation"][key].as_f64()?]);
            let points: Vec<_> = run.metrics.iter().filter_map(point).collect();
            (!points.is_empty()).then(|| Series { name: run.name.clone(), points })
        };
        let series = runs.iter().filter_map(of).collect();
        panel(&format!("Validation: {title}"), "epoch", Axis::linear(title), series)
    };
    VALIDATED.into_iter().filter_map(panel).collect()
}

/// What features know while they are pretrained.
fn monitored(runs: &[&ReportedRun]) -> Option<Panel> {
    let mut all = Vec::new();
    for run in runs {
        for (key, name) in [("knn_auc", "kNN"), ("probe_auc", "linear probe")] {
            let readings = run.metrics.iter().filter(|r| r["stage"] == "monitor");
            let point = |r: &Value| Some([r["step"].as_f64()?, r[key].as_f64()?]);
            let points: Vec<_> = readings.filter_map(point).collect();
            let name = if runs.len() > 1 { format!("{}, {name}", run.name) } else { name.into() };
            if !points.is_empty() {
                all.push(Series { name, points });
            }
        }
    }
    panel("What features know: AUC", "step", Axis::linear("AUC"), all)
}

/// Every task's figure after the visits that were followed by a validation, the visited task marked.
fn forgetting(run: &ReportedRun) -> Option<Panel> {
    let lines: Vec<&Value> =
        run.metrics.iter().filter(|line| line["visited"].is_string()).collect();
    let rows: Vec<String> = lines.last()?["figures"].as_object()?.keys().cloned().collect();
    let column = |line: &&Value| {
        let name = line["visit"].as_u64().map_or(String::new(), |visit| visit.to_string());
        (name, rows.iter().position(|task| line["visited"] == task.as_str()))
    };
    let columns = lines.iter().map(column).collect();
    let row = |task: &String| lines.iter().map(|line| line["figures"][task].as_f64()).collect();
    let values = rows.iter().map(row).collect();
    let title = format!("Figures after each visit: {}", run.name);
    let across = "visit; the ring marks the task that was visited".into();
    Some(Panel::Heat(HeatMap { title, across, rows, columns, values }))
}

/// How much is forgotten as visits go on.
fn forgotten(runs: &[&ReportedRun]) -> Vec<Panel> {
    let figures = [
        ("average_forgetting", "Average forgetting: below the best before"),
        ("backward_transfer", "Backward transfer: since a task's own visit"),
    ];
    let curve = |(key, title): (&str, &str)| {
        let of = |run: &&ReportedRun| {
            let point = |line: &Value| Some([line["visit"].as_f64()?, line[key].as_f64()?]);
            let points: Vec<_> = run.metrics.iter().filter_map(point).collect();
            (!points.is_empty()).then(|| Series { name: run.name.clone(), points })
        };
        panel(title, "visit", Axis::linear("mean over tasks"), runs.iter().filter_map(of).collect())
    };
    figures.into_iter().filter_map(curve).collect()
}

/// Curves of all runs, stage by stage.
pub fn curves(runs: &[ReportedRun]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for stage in [Stage::Pretrain, Stage::Multitask, Stage::Finetune] {
        let of_stage: Vec<&ReportedRun> = runs.iter().filter(|run| run.stage == stage).collect();
        let loss = panel("Loss", "step", Axis::linear("loss"), series(&of_stage, "/loss"));
        let rate = panel("Learning rate", "step", Axis::linear("rate"), series(&of_stage, "/lr"));
        let pace = series(&of_stage, "/images_per_second");
        let pace = panel("Pace", "step", Axis::linear("films a second"), pace);
        let mut panels: Vec<Panel> = loss.into_iter().chain(rate).collect();
        panels.extend(parts(&of_stage));
        panels.extend(validation(&of_stage));
        panels.extend(monitored(&of_stage));
        panels.extend(forgotten(&of_stage));
        panels.extend(pace);
        if panels.is_empty() {
            continue;
        }
        let mut name = stage.name().to_owned();
        name[..1].make_ascii_uppercase();
        blocks.push(Block::Part(name));
        let caption = "From metrics.jsonl; a long series is smoothed over its faint points".into();
        blocks.push(Block::Figure { caption, panels, columns: 2 });
        let panels: Vec<Panel> = of_stage.iter().filter_map(|run| forgetting(run)).collect();
        if !panels.is_empty() {
            let caption = "AUC, Dice or AP50 on validation films; colours stand between the least and the greatest of a row".into();
            blocks.push(Block::Figure { caption, panels, columns: 1 });
        }
    }
    if !blocks.is_empty() {
        blocks.insert(0, Block::Heading("Training".into()));
    }
    blocks
}
