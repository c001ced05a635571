//! `mtpret report`: what runs were and what they came to, as one HTML file.

mod experiment;
mod figures;
mod gallery;
mod labels;
mod origin;
mod predicted;
mod record;
mod shapes;
mod time;
mod training;

pub(in crate::commands) use figures::section;
pub(in crate::commands) use record::Finished;
pub(in crate::commands) use training::part_names;

use super::found::{RunFolder, Stage, metrics};
use crate::{
    Error, Place, Result,
    commands::{
        options::DeviceArgs,
        trained::{column_name, finetuned},
    },
    report::{
        chart::{self, Panel},
        discretion::Discretion,
        html::{Block, Report, Tile},
        table::{Cell as Entry, Column, Table},
    },
};
use mtpret_engine::file;
use mtpret_pipeline::train::{
    run::{films::FilmTable, hold_run},
    tasks::Scores,
};
use record::{ReportedRun, expanded};
use serde::de::DeserializeOwned;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Report on runs of any stage: one HTML file that needs nothing else, for screens, phones, print and dark mode.
///
/// It says what was run and on what, shows losses, rates and where the time went, and of fine-tuned runs their figures with 95 %
/// intervals: ROC, precision and recall, calibration, confusion and thresholds; Dice by film; boxes by class; and the films on
/// which each run fares best and worst, with what it sees in them. Runs of one task are compared. The folder of an experiment
/// (`mtpret reproduce`) gives the paper's tables and pictures, that of a demo all its runs.
///
/// Example: mtpret report runs/scratch runs/pneumonia -o comparison
#[derive(clap::Args)]
pub struct Args {
    /// Folders of runs of any stage, or of a demo, or the folder of an experiment.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Folder of `report.html` and its pictures as SVG [default: the first run's].
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Films of each run on which it fares best, and as many on which worst, computed now; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 4)]
    films: usize,
    /// Put paths as they are on this machine, and patients by name, into the page: without it paths are relative to a run or a data
    /// set and patients are short digests, so that the page can be handed on.
    #[arg(long)]
    with_ids: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
///
/// # Errors
/// A folder without a run, or a folder that cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let first = &args.runs[0];
    let folder = args.output.as_ref().unwrap_or(first);
    fs::create_dir_all(folder)
        .map_err(|e| Error::io(folder, e, "name a folder that can be written"))?;
    let _held = hold_run(folder)?;
    let report = match first.join("cells").is_dir() {
        true if args.runs.len() > 1 => {
            let found = format!("{} folders", args.runs.len());
            return Err(Error::data(first, "one experiment", found, "name it alone"));
        }
        true => experiment::experiment(first, folder)?,
        false => runs(args, folder)?,
    };
    let report = report.discreet(&discretion(args)?);
    let file = folder.join("report.html");
    write(&file, report.to_html().as_bytes())?;
    println!("{}", file.display());
    Ok(())
}

/// What the page leaves out: places of runs and data sets on this machine, and the patients of the runs' tables.
fn discretion(args: &Args) -> Result<Discretion> {
    let mut discretion = Discretion::new(args.with_ids);
    for run in args.runs.iter().flat_map(|run| std::iter::once(run.clone()).chain(expanded(run))) {
        RunFolder::read(&run).known_to(&mut discretion);
        for part in ["", ".val"] {
            let films = FilmTable::read(&run, part)?.map_or_else(Vec::new, |films| films.rows);
            discretion.patients(films.into_iter().map(|film| film.patient));
        }
    }
    Ok(discretion)
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    file::replace(file, |f| f.write_all(bytes))
}

/// A file of a run, in JSON.
fn json<T: DeserializeOwned>(file: &Path, mend: &str) -> Result<T> {
    let text = fs::read_to_string(file).map_err(|e| Error::io(file, e, mend))?;
    serde_json::from_str(&text).map_err(|e| {
        let place = Place::from(file).line(e.line() as u64);
        Error::data(place, "figures of a run", e.to_string(), mend)
    })
}

/// `[step, value]` of a key in the rows of a run's `metrics.jsonl`.
pub(in crate::commands) fn readings(folder: &Path, stage: &str, key: &str) -> Vec<[f64; 2]> {
    let rows = metrics(folder).into_iter();
    let of_stage = rows.filter(|r| r["stage"].as_str().is_some_and(|s| s.contains(stage)));
    of_stage.filter_map(|r| Some([r["step"].as_f64()?, r[key].as_f64()?])).collect()
}

/// Fine-tuned runs of one task, which can be compared.
struct TaskRuns {
    task: String,
    runs: Vec<Finished>,
}

/// Fine-tuned runs by task and labels, in the order in which they were named.
fn groups(records: &[ReportedRun]) -> Result<Vec<TaskRuns>> {
    let mut groups: Vec<TaskRuns> = Vec::new();
    for record in records.iter().filter(|record| record.stage == Stage::Finetune) {
        let run = Finished::open(&record.name, &record.folder)?;
        let task = finetuned(&record.folder, None)?.task;
        let same = |group: &&mut TaskRuns| {
            group.task == task && figures::labels(&group.runs[0]) == figures::labels(&run)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.runs.push(run),
            None => groups.push(TaskRuns { task, runs: vec![run] }),
        }
    }
    Ok(groups)
}

/// Runs of any stages, beside one another where they are of one task.
fn runs(args: &Args, folder: &Path) -> Result<Report> {
    let folders: Vec<PathBuf> = args.runs.iter().flat_map(|run| expanded(run)).collect();
    let open = |run: &PathBuf| ReportedRun::open(&column_name(run, &folders), run);
    let records = folders.iter().map(open).collect::<Result<Vec<_>>>()?;
    let groups = groups(&records)?;
    let mut blocks = vec![Block::Tiles(tiles(&records, &groups))];
    blocks.extend(overview(&records, &groups));
    for group in &groups {
        blocks.extend(task(group, groups.len() > 1, args)?);
    }
    pictures(&groups, folder)?;
    blocks.extend(training::curves(&records));
    blocks.extend(time::spent(&records));
    blocks.extend(origin::origin(&records));
    blocks.push(Block::Note("95 % intervals resample patients. Not for diagnostic use.".into()));
    let stages: Vec<&str> = [Stage::Pretrain, Stage::Multitask, Stage::Finetune]
        .into_iter()
        .filter(|stage| records.iter().any(|record| record.stage == *stage))
        .map(Stage::name)
        .collect();
    let names = records.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", ");
    let tasks = groups.iter().map(|group| group.task.as_str()).collect::<Vec<_>>().join(", ");
    Ok(Report {
        title: match (&records[..], tasks.is_empty()) {
            ([record], true) => format!("{}: {}", record.name, stages.join(", ")),
            ([_], false) => format!("{tasks}: {}", stages.join(", ")),
            (_, true) => format!("{names}: {}", stages.join(", ")),
            (_, false) => format!("{tasks}: {} runs", records.len()),
        },
        provenance: std::iter::once(("runs".into(), names))
            .chain(origin::adapters(&records).map(|names| ("trained on".into(), names)))
            .chain([("page made by".into(), format!("mtpret {}", env!("CARGO_PKG_VERSION")))])
            .collect(),
        blocks,
    })
}

/// The figures that matter most; of runs without any the last loss.
fn tiles(records: &[ReportedRun], groups: &[TaskRuns]) -> Vec<Tile> {
    let tiles: Vec<Tile> = match groups {
        [group] => figures::tiles(&group.task, &group.runs),
        _ => groups.iter().flat_map(main_tiles).collect(),
    };
    if !tiles.is_empty() {
        return tiles;
    }
    let last = |record: &ReportedRun| {
        let of = |key: &str| record.metrics.iter().rev().find_map(|r| r[key].as_f64());
        let tile = |name: &str, value: Option<f64>| {
            value.map(|value| Tile {
                name: format!("{}, {name}", record.name),
                value: format!("{value:.3}"),
                note: String::new(),
            })
        };
        [
            tile("last loss", of("loss")),
            tile("kNN AUC", of("knn_auc")),
            tile("probe AUC", of("probe_auc")),
        ]
    };
    records.iter().flat_map(last).flatten().collect()
}

fn main_tiles(group: &TaskRuns) -> Vec<Tile> {
    let mut tiles = figures::tiles(&group.task, &group.runs);
    if let [run] = &group.runs[..] {
        tiles.truncate(1);
        tiles[0].name = format!("{}, {}", run.name, tiles[0].name);
    }
    tiles
}

/// The main figure of each run by task and by what it began from: what the paper's Table II is, for these runs.
fn overview(records: &[ReportedRun], groups: &[TaskRuns]) -> Vec<Block> {
    let runs: Vec<&Finished> = groups.iter().flat_map(|group| &group.runs).collect();
    if runs.len() < 2 || groups.len() < 2 {
        return Vec::new();
    }
    let begun = |run: &Finished| {
        let record = records.iter().find(|record| record.folder == run.folder);
        match record.and_then(|record| record.setting("model.weights")) {
            None => "scratch".to_owned(),
            Some(weights) => Path::new(&weights)
                .file_name()
                .map_or(weights.clone(), |name| name.to_string_lossy().into_owned()),
        }
    };
    let metric = |scores: &Scores| match scores {
        Scores::Classify(s) if s.mauc_labels > 1 => "mAUC",
        Scores::Classify(_) => "AUC",
        Scores::Segment(_) => "Dice",
        Scores::Detect(_) => "AP50",
    };
    let mut rows: Vec<String> = Vec::new();
    for run in &runs {
        let row = begun(run);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let head = |group: &TaskRuns| {
        let title = format!("{}, {}", group.task, metric(&group.runs[0].scores));
        Column::numbers(title, Some(crate::report::table::Best::Highest))
    };
    let heads = std::iter::once(Column::text("begun from")).chain(groups.iter().map(head));
    let mut table = Table::new(heads.collect());
    for row in &rows {
        let cell = |group: &TaskRuns| match group.runs.iter().find(|run| begun(run) == *row) {
            Some(run) => {
                let (value, interval) = run.scores.main();
                Entry::interval(value, interval, 3)
            }
            None => Entry::number(None, 3),
        };
        table.push(
            std::iter::once(Entry::text(row.as_str())).chain(groups.iter().map(cell)).collect(),
        );
    }
    let caption = "The main figure of each task (95 % interval) by the weights that fine-tuning began from, as Table II of the paper has them";
    vec![Block::Heading("Every task".into()), Block::Table { caption: caption.into(), table }]
}

/// A task's runs beside one another; where it is `one_of_several` its parts stand below its name.
fn task(group: &TaskRuns, one_of_several: bool, args: &Args) -> Result<Vec<Block>> {
    let TaskRuns { task, runs } = group;
    let title = |text: &str| match one_of_several {
        true => Block::Part(text.into()),
        false => Block::Heading(text.into()),
    };
    let mut blocks = Vec::new();
    if one_of_several {
        blocks.push(Block::Heading(task.clone()));
    }
    let caption = format!("{task}, {} films of the test part", runs[0].scores.images());
    blocks.push(title("Figures"));
    blocks.extend(section(&caption, runs)?);
    let mut part = |name: &str, found: Vec<Block>| {
        if !found.is_empty() {
            blocks.push(title(name));
            blocks.extend(found);
        }
    };
    match runs[0].scores {
        Scores::Classify(_) => {
            part("Calibration", labels::calibration(runs)?);
            let thresholds = runs.iter().map(labels::thresholds).collect::<Result<Vec<_>>>()?;
            part("Confusion and thresholds", thresholds.into_iter().flatten().collect());
        }
        Scores::Segment(_) => part("Film by film", shapes::masks(runs)),
        Scores::Detect(_) => part("Boxes", shapes::boxes(runs)?),
    }
    if args.films > 0 {
        let films = runs.iter().flat_map(|run| gallery::films(run, args.films, &args.device));
        part("Best and worst films", films.collect());
    }
    Ok(blocks)
}

/// The pictures of figures as files of their own; of several tasks under their names.
fn pictures(groups: &[TaskRuns], folder: &Path) -> Result<()> {
    for group in groups {
        let name = |what: &str| match groups.len() {
            1 => format!("{what}.svg"),
            _ => format!("{what}-{}.svg", group.task),
        };
        let save = |what: &str, panels: &[Panel], columns: usize| {
            write(&folder.join(name(what)), chart::svg(panels, columns).as_bytes())
        };
        if let Some(panel) = figures::overview(&group.runs) {
            save("figures", &[panel], 1)?;
        }
        let rocs = figures::rocs(&group.runs);
        if !rocs.is_empty() {
            save("roc", &rocs, rocs.len().clamp(2, 3))?;
        }
    }
    Ok(())
}

/// The sheet that `mtpret explain` drew, if it did.
pub(in crate::commands) fn films(file: &Path) -> Option<Block> {
    let png = fs::read(file).ok()?;
    Some(Block::Picture { caption: "Films and what was seen in them".into(), png })
}
