//! `mtpret init`: a folder of films becomes configurations that fit this adapter and the time there is.

use crate::{
    Error, Result,
    commands::{data::found, options::DeviceArgs},
    print,
    report::table::{Cell, Column, Table},
};
use mtpret_engine::file;
use mtpret_pipeline::{
    data::{RecognisedSet, Roots},
    train::estimate::init::{InitPlan, Set},
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Look at a folder of films and write commented configurations for them: size, batch and epochs fit this adapter's memory
/// and the time there is.
///
/// Data sets are recognised as by `mtpret data detect`. For one labelled set finetune.toml is written; films without labels
/// bring pretrain.toml, several tasks multitask.toml too, and each stage starts from the one before. Steps are timed here and
/// now, and the files say how everything was chosen.
///
/// Example: mtpret init films --minutes 30
#[derive(clap::Args)]
pub struct Args {
    /// A data set, or a folder of several.
    folder: PathBuf,
    /// Minutes that the training may take on this adapter, all stages together.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minutes: u32,
    /// Folder that the files are written to.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Args {
    /// Where a stage's configuration goes.
    fn file(&self, stage: &str) -> PathBuf {
        let name = PathBuf::from(format!("{stage}.toml"));
        if self.output == Path::new(".") { name } else { self.output.join(name) }
    }
}

/// Runs the command.
///
/// # Errors
/// No films, files that are there already, or whatever would stop a run before its first step.
pub fn run(args: &Args) -> Result<()> {
    let sets = sets(&args.folder)?;
    let stages = stages(&sets);
    for stage in &stages {
        let path = args.file(stage);
        if path.exists() && !args.force {
            let mend = "pass --force to write over it, or name another folder with --output";
            return Err(Error::config(&path, "no such file yet", "one", mend));
        }
    }
    show(&sets);
    let gpu = args.device.open_for_training()?;
    let author = format!("mtpret init {} --minutes {}", args.folder.display(), args.minutes);
    let plan = InitPlan {
        author: &author,
        minutes: args.minutes,
        memory: args.device.memory(),
        gpu: &gpu,
        sets: &sets,
        stages: &stages,
        file: &|stage| args.file(stage),
        say: &|line| eprintln!("{line}"),
    };
    let files = plan.files()?;
    fs::create_dir_all(&args.output)
        .map_err(|e| Error::io(&args.output, e, "name a folder that can be written"))?;
    let mut command = Vec::new();
    for (stage, text) in &files {
        let path = args.file(stage);
        file::replace(&path, |file| file.write_all(text.as_bytes()))?;
        println!("written: {}", path.display());
        command.push(format!("mtpret {stage} {}{}", path.display(), args.device.describe()));
    }
    println!("\nstart with:\n  {}", command.join(" && "));
    Ok(())
}

/// The data sets in a folder that can be read; of the others it is said why not.
fn sets(folder: &Path) -> Result<Vec<Set>> {
    let (mut sets, mut fault) = (Vec::new(), None);
    for RecognisedSet { mut source, what } in found(folder)?.0 {
        let written = source.clone();
        match source.locate(&Roots::default()).and_then(|()| source.read()) {
            Ok(data) => sets.push(Set { source: written, what, data }),
            Err(why) => {
                eprintln!("{}", print::line(&format!("{}: left out: {why}", source.name)));
                fault = Some(why);
            }
        }
    }
    // The largest task first: it is the one to fine-tune on.
    sets.sort_by_key(|set| (!set.is_task(), std::cmp::Reverse(set.data.train.len())));
    match fault {
        Some(why) if sets.is_empty() => Err(why),
        _ => Ok(sets),
    }
}

fn show(sets: &[Set]) {
    let numbers = ["train", "val", "test"].map(|title| Column::numbers(title, None));
    let texts = ["name", "what"].map(Column::text);
    let mut table = Table::new(texts.into_iter().chain(numbers).collect());
    for set in sets {
        let parts = [&set.data.train, &set.data.val, &set.data.test];
        let counts = parts.map(|part| Cell::number(Some(part.len() as f64), 0));
        let texts = [set.source.name.as_str(), set.what.as_str()].map(Cell::text);
        table.push(texts.into_iter().chain(counts).collect());
    }
    println!("{}", table.to_text());
}

/// The stages that these sets are good for, in their order.
fn stages(sets: &[Set]) -> Vec<&'static str> {
    let tasks = sets.iter().filter(|set| set.is_task()).count();
    let pretrain = (sets.len() > 1 || tasks == 0).then_some("pretrain");
    let multitask = (tasks > 1).then_some("multitask");
    let finetune = (tasks > 0).then_some("finetune");
    [pretrain, multitask, finetune].into_iter().flatten().collect()
}
