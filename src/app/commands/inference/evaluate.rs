//! `mtpret evaluate`: the metrics of a fine-tuned network, measured again.

use crate::{
    Error, Result,
    commands::{
        inference::figures::show,
        options::DeviceArgs,
        trained::{finetuned, network},
        watch::Console,
    },
};
use mtpret_pipeline::{
    data::{self, Labels, Sample},
    export::bundle,
    train::{config::Finetune, run::Run, stages::finetune, tasks},
};
use std::path::{Path, PathBuf};

/// Compute the figures of a fine-tuned run again, on its test part or another.
///
/// Those of the test part go into scores.json, those of another into scores.val.json, beside the predictions.
///
/// Example: mtpret evaluate runs/pneumonia --split test --json
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a fine-tuning run, or a bundle.
    #[arg(value_name = "RUN|BUNDLE")]
    run: PathBuf,
    /// Part of the data set to measure.
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
    /// The folder of the data set [default: where the run found it; a bundle keeps no place].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of what is written [default: the run; of a bundle, its name with `.evaluation` behind].
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Seed of the intervals' resampling [default: the run's].
    #[arg(long)]
    seed: Option<u64>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Train,
    Val,
    Test,
}

/// Whether films are those that a bundle was tested on.
fn acquaintance(file: &Path, films: &[Sample]) -> Result<String> {
    let Some(parts) = bundle::parts(file)? else {
        return Ok("the bundle does not say which films it was tested on".into());
    };
    let found = data::Digest::of(films)?;
    Ok(match found == parts.test {
        true => format!("the very {} films that the bundle was tested on", found.films),
        false => format!(
            "other films than the {} that the bundle was tested on, so figures may differ from its own",
            parts.test.films
        ),
    })
}

/// Refuses films of other labels than those that the network learned.
fn alike(config: &Finetune, learned: &Labels, found: &Labels) -> Result<()> {
    if learned == found {
        return Ok(());
    }
    let describe = |l: &Labels| format!("{:?} {:?}", l.kind, l.names).to_lowercase();
    let expected = format!("labels {}", describe(learned));
    let mend = "name a data set of the labels that the network learned";
    Err(Error::data(format!("--data, {}", config.task), expected, describe(found), mend))
}

/// Runs the command.
///
/// # Errors
/// A folder without a finished run, or films that cannot be read.
pub fn run(args: &Args) -> Result<()> {
    let mut config = finetuned(&args.run, args.seed)?;
    let bundled = args.run.is_file();
    match &args.data {
        Some(folder) => config.sources().into_iter().for_each(|s| *s = s.at(folder)),
        None if bundled => {
            let expected = "the folder of the films to measure on";
            let mend = "name it: a bundle keeps no place";
            return Err(Error::config("--data", expected, "none", mend));
        }
        None => {}
    }
    let (set, task) = tasks::open(&config.source, &config.task, config.settings())?;
    if args.data.is_some() {
        let learned = tasks::recalled(&args.run, &config)?.0.labels;
        alike(&config, &learned, &set.labels)?;
    }
    let (samples, suffix) = match args.split {
        Part::Train => (&set.train, ".train"),
        Part::Val => (&set.val, ".val"),
        Part::Test => (&set.test, ""),
    };
    let watch = Console::new(args.json);
    let (gpu, model) = network(&args.run, &config, &*task, &args.device)?;
    let mut inference = model.inference(&gpu, &*task, 0)?;
    let folder = match (&args.output, bundled) {
        (Some(folder), _) => folder.clone(),
        (None, true) => args.run.with_extension("evaluation"),
        (None, false) => args.run.clone(),
    };
    let run = Run::new(&folder, &watch, true)?;
    if bundled && args.split == Part::Test {
        run.watch.note(&acquaintance(&args.run, samples)?);
    }
    let scores = finetune::evaluate(&config, &run, &*task, &mut inference, samples, suffix)?;
    show(args.json, &config.task, &scores);
    Ok(())
}
