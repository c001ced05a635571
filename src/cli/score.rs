//! `mtpret score`: predictions made by any program, measured.

mod coco;
mod read;
mod table;

use super::stages::{score_columns, score_row};
use crate::{
    Error, Result,
    report::table::Table,
    train::metrics::{Bootstrap, ClassifyScores},
};
use serde::Serialize;
use std::path::PathBuf;

/// Measure predictions made by any program against what is true.
///
/// `classify`: two CSV files with the header `image,LABEL…`, probabilities and 0, 1 or blank (not
/// labelled). `segment`: two folders of masks with the same names, foreground above 127. `detect`:
/// results and ground truth in COCO's JSON. The figures are those of scikit-learn and pycocotools.
///
/// Example: mtpret score detect --predictions results.json --targets val.json
#[derive(clap::Args)]
pub struct Args {
    /// What was predicted.
    #[arg(value_enum)]
    task: Task,
    /// What a model says.
    #[arg(long, value_name = "FILE|FOLDER")]
    predictions: PathBuf,
    /// What is true.
    #[arg(long, value_name = "FILE|FOLDER")]
    targets: PathBuf,
    /// How often images are drawn anew for the 95 % intervals; 0 for none.
    #[arg(long, default_value_t = 1000)]
    replicates: u32,
    /// Seed of that drawing.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Task {
    Classify,
    Segment,
    Detect,
}

/// Runs the command.
///
/// # Errors
/// Files that are malformed or do not belong together.
pub fn run(args: &Args) -> Result<()> {
    let text = score(args).map_err(malformed)?;
    print!("{text}");
    Ok(())
}

fn score(args: &Args) -> Result<String> {
    let settings = Bootstrap { replicates: args.replicates, seed: args.seed };
    let (predictions, targets) = (&args.predictions, &args.targets);
    Ok(match args.task {
        Task::Classify => {
            let scores = read::classify(predictions, targets, settings)?;
            written(args, &scores, || (scores.images, classify_table(&scores)))
        }
        Task::Segment => {
            let scores = read::segment(predictions, targets, settings)?;
            written(args, &scores, || (scores.images, table::segment(&scores)))
        }
        Task::Detect => {
            let scores = coco::detect(predictions, targets, settings)?;
            written(args, &scores, || (scores.images, table::detect(&scores)))
        }
    })
}

/// The scores as JSON, or their table below a line that says how many images there are.
fn written(args: &Args, scores: &impl Serialize, table: impl FnOnce() -> (usize, Table)) -> String {
    if args.json {
        return serde_json::to_string_pretty(scores).expect("scores are plain data") + "\n";
    }
    let (images, table) = table();
    let intervals = match args.replicates {
        0 => String::new(),
        replicates => format!(", 95 % intervals over images ({replicates} replicates)"),
    };
    format!("{images} images{intervals}\n{}", table.to_text())
}

fn classify_table(scores: &ClassifyScores) -> Table {
    let mut table = Table::new(score_columns("label"));
    for (name, _) in &scores.measures.auc.0 {
        table.push(score_row(name, name, scores));
    }
    table
}

/// Whatever is wrong with the files is wrong with the request.
fn malformed(error: Error) -> Error {
    match error {
        Error::Data { place, problem, remedy } => {
            Error::request(place, format!("{problem}; {remedy}"))
        }
        Error::Io { path, source, remedy } => {
            Error::request(path.display().to_string(), format!("{source}; {remedy}"))
        }
        other => other,
    }
}
