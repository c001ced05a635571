//! `mtpret report`: what finished runs came to, as one HTML file.

use super::{
    figures::Figures, paper::Layout, reproduce::available, stages::finetuned, watch::Console,
};
use crate::{
    Error, Result,
    report::{
        chart::{
            self, Axis, Estimate, Group, IntervalChart, LineChart, Panel, RocChart, RocCurve,
            Series,
        },
        html::{Block, Report},
        table::Table,
    },
    train::{
        checkpoint,
        config::{self, Init, Reproduce},
        metrics::Roc,
        reproduce::Cell,
        run::Run,
        task::Scores,
    },
};
use serde::de::DeserializeOwned;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Report on finished runs: one HTML file that needs nothing else, with figures and their intervals, ROC
/// curves, losses and, where `mtpret explain` drew one, the sheet of films.
///
/// Fine-tuned runs of one task are compared: rows of one table, curves of one picture. The folder of
/// an experiment (`mtpret reproduce`) gives the paper's tables and its pictures.
///
/// Example: mtpret report runs/scratch runs/pneumonia -o comparison
#[derive(clap::Args)]
pub struct Args {
    /// Folders of fine-tuning runs of one task, or the folder of an experiment.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Folder of `report.html` and its pictures as SVG [default: the first run's].
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// A folder without a finished run, runs of different tasks, or a folder that cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let first = &args.runs[0];
    let folder = args.output.as_ref().unwrap_or(first);
    fs::create_dir_all(folder)
        .map_err(|e| Error::io(folder, e, "name a folder that can be written"))?;
    let report = match first.join("cells").is_dir() {
        true if args.runs.len() > 1 => {
            let problem = format!("expected one experiment, found {} folders", args.runs.len());
            return Err(Error::data(first.display().to_string(), problem, "name it alone"));
        }
        true => experiment(first, folder)?,
        false => {
            let named = args.runs.iter().map(|run| (column_name(run, &args.runs), run.clone()));
            comparison(&named.collect::<Vec<_>>(), folder)?
        }
    };
    let file = folder.join("report.html");
    write(&file, report.to_html().as_bytes())?;
    println!("{}", file.display());
    Ok(())
}

/// A run's own name, or its path where two have the same.
pub(super) fn column_name<P: AsRef<Path>>(run: &Path, runs: &[P]) -> String {
    let own = |run: &Path| run.file_name().map(|name| name.to_string_lossy().into_owned());
    let alike = runs.iter().filter(|other| own(other.as_ref()) == own(run)).count();
    match own(run) {
        Some(name) if alike == 1 => name,
        _ => run.display().to_string(),
    }
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    checkpoint::replace(file, |f| f.write_all(bytes))
}

/// A file of a run, in JSON.
fn json<T: DeserializeOwned>(file: &Path, remedy: &str) -> Result<T> {
    let text = fs::read_to_string(file).map_err(|e| Error::io(file, e, remedy))?;
    serde_json::from_str(&text).map_err(|e| {
        let place = format!("{}:{}", file.display(), e.line());
        Error::data(place, format!("expected figures of a run: {e}"), remedy)
    })
}

/// ROC curves side by side.
const COLUMNS: usize = 3;

/// A fine-tuned run, as its folder tells of it.
pub(super) struct Finished {
    /// As tables and legends call it.
    pub name: String,
    folder: PathBuf,
    /// Its figures on the test part.
    pub scores: Scores,
    curves: Vec<Roc>,
}

impl Finished {
    /// # Errors
    /// The folder has no figures.
    pub fn open(name: &str, folder: &Path) -> Result<Self> {
        let remedy =
            "name the folder of a finished fine-tuning run; `mtpret evaluate` writes its figures";
        let scores = json(&folder.join("scores.json"), remedy)?;
        let roc = folder.join("roc.json");
        let curves = if roc.exists() { json(&roc, remedy)? } else { Vec::new() };
        Ok(Self { name: name.into(), folder: folder.into(), scores, curves })
    }
}

/// A table of figures: a row for each run and label.
pub(super) fn table(runs: &[Finished]) -> Table {
    let first = Figures::of(&runs[0].scores);
    let mut table = Table::new(first.columns("run"));
    for run in runs {
        let figures = Figures::of(&run.scores);
        for (label, row) in &figures.rows {
            let name = match figures.rows.len() {
                1 => run.name.clone(),
                _ => format!("{}, {label}", run.name),
            };
            table.push(figures.row(&name, row));
        }
    }
    table
}

/// Pictures of runs of one task: the main figure of each label by run (the paper's Fig. 3), and ROC curves of
/// each label, where the runs have labels.
fn pictures(runs: &[Finished]) -> (Panel, Vec<Panel>) {
    let figures: Vec<Figures> = runs.iter().map(|run| Figures::of(&run.scores)).collect();
    let main = figures[0].titles[0];
    let estimate = |figures: &Figures, label: &str| {
        let (_, row) = figures.rows.iter().find(|(name, _)| name == label)?;
        let (value, interval) = *row.first()?;
        Some(Estimate { value: value?, interval })
    };
    let group = |(label, _): &(String, Vec<_>)| Group {
        name: label.clone(),
        estimates: figures.iter().map(|f| estimate(f, label)).collect(),
    };
    let overview = IntervalChart {
        title: format!("{main} on the test part, 95 % intervals"),
        axis: Axis::linear(main),
        series: runs.iter().map(|run| run.name.clone()).collect(),
        groups: figures[0].rows.iter().map(group).collect(),
    };
    let overview = match overview.groups.len() {
        ..4 => Panel::Intervals(overview),
        _ => Panel::Columns(overview),
    };
    let roc = |label: &str| {
        let curve = |(run, figures): (&Finished, &Figures)| {
            let roc = run.curves.iter().find(|curve| curve.label == label)?;
            Some(RocCurve {
                name: run.name.clone(),
                auc: estimate(figures, label)?,
                points: roc.points.clone(),
                band: roc.band.clone(),
            })
        };
        let curves: Vec<_> = runs.iter().zip(&figures).filter_map(curve).collect();
        (!curves.is_empty()).then(|| Panel::Roc(RocChart { title: label.into(), curves }))
    };
    (overview, figures[0].rows.iter().filter_map(|(label, _)| roc(label)).collect())
}

/// Table and pictures of runs of one task.
pub(super) fn section(caption: &str, runs: &[Finished]) -> Vec<Block> {
    let (overview, rocs) = pictures(runs);
    let mut blocks = vec![
        Block::Table { caption: caption.into(), table: table(runs) },
        Block::Figure { caption: caption.into(), panels: vec![overview], columns: 1 },
    ];
    if !rocs.is_empty() {
        let caption =
            "ROC curves; bands are 95 % intervals of the sensitivity, resampling patients";
        let columns = rocs.len().clamp(2, COLUMNS);
        blocks.push(Block::Figure { caption: caption.into(), panels: rocs, columns });
    }
    blocks
}

/// `[step, value]` of a key in the rows of a run's `metrics.jsonl`.
pub(super) fn readings(folder: &Path, stage: &str, key: &str) -> Vec<[f64; 2]> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
    let rows = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let of_stage = rows.filter(|r| r["stage"].as_str().is_some_and(|s| s.contains(stage)));
    of_stage.filter_map(|r| Some([r["step"].as_f64()?, r[key].as_f64()?])).collect()
}

/// Fine-tuned runs of one task beside one another.
fn comparison(runs: &[(String, PathBuf)], folder: &Path) -> Result<Report> {
    let runs = runs.iter().map(|(name, folder)| Finished::open(name, folder));
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let labels = |run: &Finished| -> Vec<String> {
        Figures::of(&run.scores).rows.into_iter().map(|(label, _)| label).collect()
    };
    if let Some(other) = runs.iter().find(|run| labels(run) != labels(&runs[0])) {
        let problem =
            format!("expected figures of {:?}, found {:?}", labels(&runs[0]), labels(other));
        let place = other.folder.display().to_string();
        return Err(Error::data(place, problem, "report on runs of one task at a time"));
    }
    let config = finetuned(&runs[0].folder, None)?;
    let (overview, rocs) = pictures(&runs);
    write(&folder.join("figures.svg"), chart::svg(&[overview], 1).as_bytes())?;
    if !rocs.is_empty() {
        write(&folder.join("roc.svg"), chart::svg(&rocs, rocs.len().clamp(2, COLUMNS)).as_bytes())?;
    }
    let caption = format!("{}, {} films of the test part", config.task, runs[0].scores.images());
    let mut blocks = vec![Block::Heading("Figures".into())];
    blocks.extend(section(&caption, &runs));
    let loss = |run: &Finished| Series {
        name: run.name.clone(),
        points: readings(&run.folder, "finetune", "loss"),
    };
    let series: Vec<Series> = runs.iter().map(loss).filter(|s| !s.points.is_empty()).collect();
    if !series.is_empty() {
        let (title, x, y) = ("Loss of training".into(), Axis::linear("step"), Axis::linear("loss"));
        let panels = vec![Panel::Lines(LineChart { title, x, y, series })];
        blocks.push(Block::Heading("Training".into()));
        blocks.push(Block::Figure { caption: "Loss by step".into(), panels, columns: 1 });
    }
    blocks.extend(films(&runs[0].folder.join("explain/sheet.png")));
    blocks.push(Block::Note("Intervals resample patients. Not for diagnostic use.".into()));
    let pair = |key: &str, value: String| (key.to_owned(), value);
    Ok(Report {
        title: format!(
            "{}: {} fine-tuned",
            config.task,
            if runs.len() > 1 { "runs" } else { "a run" }
        ),
        provenance: vec![
            pair("program", format!("mtpret {}", env!("CARGO_PKG_VERSION"))),
            pair("seed", config.seed.to_string()),
            pair(
                "runs",
                runs.iter().map(|r| r.folder.display().to_string()).collect::<Vec<_>>().join(", "),
            ),
        ],
        blocks,
    })
}

/// The sheet that `mtpret explain` drew, if it did.
pub(super) fn films(file: &Path) -> Option<Block> {
    let png = fs::read(file).ok()?;
    Some(Block::Picture { caption: "Films and what was seen in them".into(), png })
}

/// The paper's tables and pictures of an experiment.
fn experiment(run: &Path, folder: &Path) -> Result<Report> {
    let config: Reproduce = config::load(&run.join("config.resolved.toml"), &[])?;
    let mut files = Vec::new();
    collect(&run.join("cells"), &mut files)?;
    let remedy = "remove the file: `mtpret reproduce --resume` makes it again";
    let cells = files.iter().map(|file| json(file, remedy)).collect::<Result<Vec<Cell>>>()?;
    let (mut blocks, watch) = (Vec::new(), Console::new(false)?);
    let columns = config.columns.iter().copied().map(Init::Column).collect();
    for (ablation, inits) in [(false, columns), (true, config.ablation())] {
        let (inits, missing) = available(&config, inits);
        let row = |init: &Init| {
            let name = init.to_string();
            cells.iter().filter(move |cell| cell.initialisation == name).cloned()
        };
        let cells: Vec<Cell> = inits.iter().flat_map(row).collect();
        // MTPret is a row of both.
        let there = cells.iter().any(|c| !ablation || c.initialisation != inits[0].to_string());
        if there {
            let layout = Layout { config: &config, cells: &cells, missing: &missing, ablation };
            layout.write(&Run::new(folder, &watch, true)?)?;
            blocks.extend(layout.page());
        }
    }
    blocks.push(Block::Note("Not for diagnostic use.".into()));
    Ok(Report {
        title: "MTPret: every initialisation on every target".into(),
        provenance: vec![
            ("program".into(), format!("mtpret {}", env!("CARGO_PKG_VERSION"))),
            ("run folder".into(), run.display().to_string()),
        ],
        blocks,
    })
}

/// Every `cell.json` below a folder, by path.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let fault = |e| Error::io(folder, e, "name the folder of an experiment");
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(fault)?;
    entries.sort();
    for entry in entries {
        match entry.file_name().is_some_and(|name| name == "cell.json") {
            true => files.push(entry),
            false if entry.is_dir() => collect(&entry, files)?,
            false => (),
        }
    }
    Ok(())
}
