//! `mtpret runs compare`: figures, curves and configurations of runs side by side.

use super::found::RunFolder;
use crate::{
    Error, Result,
    commands::{inference::figures::Figures, runs::report::part_names, trained::column_name},
    report::{
        chart::{self, Axis, LineChart, Panel, Series},
        discretion::Discretion,
        html::{Block, Report},
        table::{Cell, Column, Table},
    },
};
use mtpret_engine::file;
use mtpret_pipeline::train::{config::Metric, run::hold_run, tasks::Scores};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::PathBuf,
};

/// Compare runs of any stage, finished or not: figures and the keys of their configurations that differ as tables,
/// losses, rates and figures over steps as one page.
///
/// Example: mtpret runs compare runs/scratch runs/pneumonia
#[derive(clap::Args)]
pub struct Args {
    /// Folders of runs.
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Folder of `compare.html` and `compare.svg` [default: the first run's].
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Put paths as they are on this machine into the page: without it they are relative to a run or a data set, so that the page
    /// can be handed on.
    #[arg(long)]
    with_ids: bool,
}

/// Runs the command.
///
/// # Errors
/// A folder that is no run's, or one that cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let mut runs = Vec::new();
    for folder in &args.runs {
        if !super::found::MARKS.iter().any(|mark| folder.join(mark).is_file()) {
            let mend = "name one that `mtpret runs list` shows";
            return Err(Error::data(folder, "the folder of a run", "none", mend));
        }
        runs.push((column_name(folder, &args.runs), RunFolder::read(folder)));
    }
    let folder = args.output.as_ref().unwrap_or(&args.runs[0]);
    fs::create_dir_all(folder)
        .map_err(|e| Error::io(folder, e, "name a folder that can be written"))?;
    let _held = hold_run(folder)?;
    let (facts, differences, panels) = (facts(&runs), differences(&runs), panels(&runs));
    println!("{}\n{}", facts.to_text(), differences.to_text());
    let names: Vec<&str> = runs.iter().map(|(name, _)| name.as_str()).collect();
    let mut blocks = vec![Block::Table { caption: "Runs".into(), table: facts }];
    if !panels.is_empty() {
        let file = folder.join("compare.svg");
        file::replace(&file, |f| f.write_all(chart::svg(&panels, 2).as_bytes()))?;
        let caption = "By step; figures of validation by epoch".into();
        blocks.push(Block::Figure { caption, panels, columns: 2 });
    }
    let caption = "Keys of the configurations that differ".into();
    blocks.push(Block::Table { caption, table: differences });
    blocks.push(Block::Note("Not for diagnostic use.".into()));
    let report = Report {
        title: names.join(", "),
        provenance: vec![
            ("program".into(), format!("mtpret {}", env!("CARGO_PKG_VERSION"))),
            (
                "runs".into(),
                args.runs.iter().map(|r| r.display().to_string()).collect::<Vec<_>>().join(", "),
            ),
        ],
        blocks,
    };
    let mut discretion = Discretion::new(args.with_ids);
    runs.iter().for_each(|(_, run)| run.known_to(&mut discretion));
    let report = report.discreet(&discretion);
    let file = folder.join("compare.html");
    file::replace(&file, |f| f.write_all(report.to_html().as_bytes()))?;
    println!("{}", file.display());
    Ok(())
}

/// A column for each run.
fn columns(first: &str, runs: &[(String, RunFolder)]) -> Vec<Column> {
    let named = runs.iter().map(|(name, _)| Column::text(name));
    std::iter::once(Column::text(first)).chain(named).collect()
}

/// What each run is, and its figures.
fn facts(runs: &[(String, RunFolder)]) -> Table {
    let mut table = Table::new(columns("", runs));
    let mut row = |name: &str, cell: &dyn Fn(&RunFolder) -> Cell| {
        let cells: Vec<Cell> = runs.iter().map(|(_, run)| cell(run)).collect();
        if cells.iter().any(|cell| !cell.text.is_empty()) {
            table.push(std::iter::once(Cell::text(name)).chain(cells).collect());
        }
    };
    row("stage", &|run| Cell::text(run.stage()));
    row("task", &|run| Cell::text(run.task()));
    row("started (UTC)", &|run| Cell::text(run.began()));
    row("steps", &|run| Cell::text(run.steps()));
    row("state", &|run| Cell::text(run.state.describe()));
    row("adapter", &|run| Cell::text(run.adapter()));
    let last =
        |run: &RunFolder, key: &str| run.metrics.iter().rev().find_map(|line| line[key].as_f64());
    let number = |value: Option<f64>, decimals| match value {
        Some(_) => Cell::number(value, decimals),
        None => Cell::text(""),
    };
    row("last loss", &|run| number(last(run, "loss"), 4));
    row("films a second, median", &|run| number(median(run, "images_per_second"), 1));
    row("device memory, MiB", &|run| number(last(run, "memory_mib"), 0));
    // Figures of the test part where there are any, else what a run was judged by last.
    let figures: Vec<Option<Figures>> =
        runs.iter().map(|(_, run)| run.scores.as_ref().map(Figures::of)).collect();
    let mut titles: Vec<(&str, &str)> = Vec::new();
    for figures in figures.iter().flatten() {
        for (label, values) in &figures.rows {
            for title in &figures.titles[..values.len()] {
                if !titles.contains(&(label.as_str(), *title)) {
                    titles.push((label, title));
                }
            }
        }
    }
    for (label, title) in titles {
        let cell = |figures: &Option<Figures>| -> Option<Cell> {
            let figures = figures.as_ref()?;
            let (_, values) = figures.rows.iter().find(|(name, _)| name == label)?;
            let at = figures.titles.iter().position(|t| *t == title)?;
            let (value, interval) = values.get(at)?;
            Some(Cell::interval(*value, *interval, 3))
        };
        let cells = figures.iter().map(|f| cell(f).unwrap_or(Cell::text("")));
        table.push(std::iter::once(Cell::text(format!("{title}, {label}"))).chain(cells).collect());
    }
    let untested = |run: &RunFolder| run.scores.is_none() && run.figure.is_some();
    if runs.iter().any(|(_, run)| untested(run)) {
        let cell = |run: &RunFolder| match &run.figure {
            Some(figure) if untested(run) => figure.cell(),
            _ => Cell::text(""),
        };
        let cells = runs.iter().map(|(_, run)| cell(run));
        table.push(std::iter::once(Cell::text("last figure")).chain(cells).collect());
    }
    table
}

/// The value in the middle of those that a key had.
fn median(run: &RunFolder, key: &str) -> Option<f64> {
    let mut values: Vec<f64> = run.metrics.iter().filter_map(|line| line[key].as_f64()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Keys of the configurations that differ, and their values. A section or a source that some runs lack is one row.
fn differences(runs: &[(String, RunFolder)]) -> Table {
    let mut flat = Vec::new();
    for (_, run) in runs {
        let mut keys = BTreeMap::new();
        flatten("", &toml::Value::Table(run.config.clone()), &mut keys);
        flat.push(keys);
    }
    for section in flat
        .iter()
        .flat_map(|keys| keys.keys().filter_map(|key| section(key)))
        .collect::<BTreeSet<_>>()
    {
        let has =
            |keys: &BTreeMap<String, String>| keys.keys().any(|key| key.starts_with(&section));
        if !flat.iter().all(has) {
            for keys in flat.iter_mut().filter(|keys| has(keys)) {
                keys.retain(|key, _| !key.starts_with(&section));
                keys.insert(section.trim_end_matches('.').into(), "there".into());
            }
        }
    }
    let all: BTreeSet<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    let mut table = Table::new(columns("key", runs));
    for key in all {
        let values: Vec<Option<&String>> = flat.iter().map(|keys| keys.get(key)).collect();
        if values.iter().any(|value| *value != values[0]) {
            let cells = values.into_iter().map(|v| Cell::text(v.map_or("–", String::as_str)));
            table.push(std::iter::once(Cell::text(key)).chain(cells).collect());
        }
    }
    table
}

/// The section or the source that a key belongs to, with the dot behind it.
fn section(key: &str) -> Option<String> {
    let parts = if key.starts_with("source.") { 2 } else { 1 };
    let at = key.match_indices('.').nth(parts - 1)?.0;
    Some(key[..=at].to_owned())
}

/// Every value below a key; the entries of lists of tables go by their names.
fn flatten(key: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    let below = |name: &str| if key.is_empty() { name.into() } else { format!("{key}.{name}") };
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(name, value)| flatten(&below(name), value, into));
        }
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            for (at, value) in list.iter().enumerate() {
                let name = value.get("name").and_then(toml::Value::as_str);
                flatten(&below(name.unwrap_or(&at.to_string())), value, into);
            }
        }
        value => {
            into.insert(key.into(), value.to_string());
        }
    }
}

/// Pictures of what the runs told of: losses, rates, pretraining's monitor, figures of validation.
fn panels(runs: &[(String, RunFolder)]) -> Vec<Panel> {
    let panel = |title: &str, x: &str, y: Axis, points: &dyn Fn(&Value) -> Option<[f64; 2]>| {
        let series = runs.iter().map(|(name, run)| Series {
            name: name.clone(),
            points: run.metrics.iter().filter_map(points).collect(),
        });
        let series: Vec<Series> = series.filter(|s| !s.points.is_empty()).collect();
        let x = Axis::linear(x);
        (!series.is_empty()).then(|| Panel::Lines(LineChart { title: title.into(), x, y, series }))
    };
    let by_step = |pointer: &str| {
        let pointer = pointer.to_owned();
        move |line: &Value| Some([line["step"].as_f64()?, line.pointer(&pointer)?.as_f64()?])
    };
    let validated = |line: &Value| {
        let scores: Scores = serde_json::from_value(line.get("validation")?.clone()).ok()?;
        Some([line["epoch"].as_f64()? + 1.0, scores.main().0?])
    };
    let main = runs.iter().find_map(|(_, run)| run.scores.as_ref()).map(|s| s.name(Metric::Main));
    let main = main.unwrap_or("main figure");
    let parts: BTreeSet<&str> = runs.iter().flat_map(|(_, run)| part_names(&run.metrics)).collect();
    let part = |name: &str| {
        let points = by_step(&format!("/losses/{name}"));
        panel(&format!("Loss of training: {name}"), "step", Axis::linear("loss"), &points)
    };
    let loss = panel("Loss of training", "step", Axis::linear("loss"), &by_step("/loss"));
    let others = [
        panel("Learning rate", "step", Axis::linear("rate"), &by_step("/lr")),
        panel("Validation", "epoch", Axis::linear(main), &validated),
        panel("Nearest neighbours", "step", Axis::linear("kNN AUC"), &by_step("/knn_auc")),
        panel("Linear probe", "step", Axis::linear("AUC"), &by_step("/probe_auc")),
    ];
    std::iter::once(loss).chain(parts.into_iter().map(part)).chain(others).flatten().collect()
}
