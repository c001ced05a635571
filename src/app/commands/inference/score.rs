//! `mtpret score`: predictions made by any program, measured.

use super::figures::Figures;
use crate::{
    Result,
    commands::faults::{as_request, unread},
};
use mtpret_pipeline::{
    metrics::{Bootstrap, files},
    train::tasks::Scores,
};
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
    task: ScoredTask,
    /// What a model says.
    #[arg(long, value_name = "FILE|FOLDER")]
    predictions: PathBuf,
    /// What is true.
    #[arg(long, value_name = "FILE|FOLDER")]
    targets: PathBuf,
    /// How often images are drawn anew for the 95 % intervals; 0 for none.
    #[arg(long, default_value_t = 1000)]
    replicates: u32,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ScoredTask {
    Classify,
    Segment,
    Detect,
}

/// Runs the command.
///
/// # Errors
/// Files that are malformed or do not belong together.
pub fn run(args: &Args) -> Result<()> {
    let text = score(args).map_err(|e| unread(as_request(e)))?;
    print!("{text}");
    Ok(())
}

fn score(args: &Args) -> Result<String> {
    let settings = Bootstrap { replicates: args.replicates, seed: args.seed };
    let (predictions, targets) = (&args.predictions, &args.targets);
    let scores = match args.task {
        ScoredTask::Classify => {
            Scores::Classify(Box::new(files::classify(predictions, targets, settings)?))
        }
        ScoredTask::Segment => Scores::Segment(files::segment(predictions, targets, settings)?),
        ScoredTask::Detect => Scores::Detect(files::coco::detect(predictions, targets, settings)?),
    };
    if args.json {
        return Ok(serde_json::to_string_pretty(&scores).expect("scores are plain data") + "\n");
    }
    let intervals = match args.replicates {
        0 => String::new(),
        replicates => format!(", 95 % intervals over images ({replicates} replicates)"),
    };
    let table = Figures::of(&scores).table();
    Ok(format!("{} images{intervals}\n{}", scores.images(), table.to_text()))
}
