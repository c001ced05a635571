//! `mtpret data`: what data sets lie somewhere, what is wrong with them, and how they are divided.

mod check;
mod show;

use crate::{
    Error, Result,
    data::{self, Roots, Source, Split},
    train::checkpoint,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Look at data sets: recognise them, check every film, divide them by patient, see how a film is read.
///
/// Example: mtpret data check films/
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Detect(Detect),
    Check(check::Check),
    Splits(Splits),
    Show(show::Show),
}

/// Recognise the data sets in a folder, and print the TOML to use.
///
/// Known are the paper's eleven data sets and five more; of others the layout is told: a folder for each class, a table, COCO,
/// YOLO, VOC, films and masks, films alone.
///
/// Example: mtpret data detect films/ >> my.toml
#[derive(clap::Args)]
struct Detect {
    /// A data set, or a folder of several.
    folder: PathBuf,
    /// Print JSON in place of TOML.
    #[arg(long)]
    json: bool,
}

/// Divide a data set by patient, and write who is where, with a hash of each film: the file makes a division repeatable
/// anywhere (`splits = "splits.csv"` in a `[[source]]`).
///
/// Example: mtpret data splits films/ --preset paper -o splits.csv
#[derive(clap::Args)]
struct Splits {
    /// The folder of one data set.
    folder: PathBuf,
    /// Shares of validation and test: `paper` (Table I of the paper for its own sets, 70/10/20 for others), or as
    /// `80/10/10` for train, validation, test.
    #[arg(long, default_value = "paper", value_name = "paper|A/B/C")]
    preset: String,
    /// Keep the division that the set itself gives (folders, lists, a column), and take only what it lacks.
    #[arg(long)]
    official: bool,
    /// What the set is used for, where it serves several purposes: classify, segment, detect, pretrain.
    #[arg(long)]
    task: Option<String>,
    /// Of the division.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the table goes [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or written; of `check`, findings that are errors.
pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Detect(args) => detect(args),
        Command::Check(args) => check::run(args),
        Command::Splits(args) => splits(args),
        Command::Show(args) => show::run(args),
    }
}

/// The data sets in a folder, of which there must be one.
fn found(folder: &Path) -> Result<Vec<data::Found>> {
    let found = data::detect(folder)?;
    if found.is_empty() {
        return Err(Error::data(
            folder.display().to_string(),
            "expected films (JPEG, PNG, TIFF, BMP or DICOM), found none",
            "name the folder into which the data set was unpacked",
        ));
    }
    Ok(found)
}

/// The keys of a source that are not at their default.
fn keys(source: &Source) -> toml::Table {
    let table = |source: &Source| toml::Table::try_from(source).expect("a source is plain data");
    let plain = Source { known: source.known.clone(), format: source.format, ..Source::named("") };
    let plain = table(&plain);
    let own = |(key, value): &(String, toml::Value)| {
        plain.get(key) != Some(value) || ["known", "format"].contains(&key.as_str())
    };
    table(source).into_iter().filter(own).collect()
}

fn detect(args: &Detect) -> Result<()> {
    for data::Found { source, what } in found(&args.folder)? {
        if args.json {
            println!("{}", serde_json::json!({ "what": what, "source": keys(&source) }));
        } else {
            println!("# {what}\n[[source]]\n{}", keys(&source));
        }
    }
    Ok(())
}

/// Shares of validation and test of the paper's sets (Table I); of others 70/10/20.
const PAPER: [(&str, [f64; 2]); 6] = [
    ("pneumonia", [0.1, 0.1]),
    ("mura", [0.1, 0.1]),
    ("lung", [0.1, 0.1]),
    ("shenzhen", [0.1, 0.1]),
    ("montgomery", [0.1, 0.1]),
    ("tbx11k", [0.1, 0.1]),
];

fn splits(args: &Splits) -> Result<()> {
    let wanted = args.task.as_deref();
    let fits = |found: &data::Found| {
        let task = found.source.task.map(|t| format!("{t:?}").to_lowercase());
        wanted.is_none() || wanted == task.as_deref()
    };
    let Some(data::Found { mut source, .. }) = found(&args.folder)?.into_iter().find(fits) else {
        let problem =
            format!("expected a data set for the task {}, found none", wanted.unwrap_or(""));
        return Err(Error::data(args.folder.display().to_string(), problem, "leave --task out"));
    };
    source.locate(&Roots::default())?;
    let own = PAPER.iter().find(|(name, _)| source.known.as_deref() == Some(name));
    let [val, test] = match args.preset.as_str() {
        "paper" => own.map_or([0.1, 0.2], |(_, shares)| *shares),
        text => shares(text)?,
    };
    (source.val_share, source.test_share, source.seed) = (val, test, args.seed);
    source.split = if args.official { Split::Given } else { Split::Patient };
    let dataset = source.read()?;
    let text = data::division_table(&dataset, &source.root)?;
    let [train, val, test] = [&dataset.train, &dataset.val, &dataset.test].map(Vec::len);
    match &args.output {
        None => print!("{text}"),
        Some(file) => {
            checkpoint::replace(file, |f| f.write_all(text.as_bytes()))?;
            eprintln!(
                "{}: {train} train, {val} val, {test} test, no patient in two of them: {}",
                source.name,
                file.display()
            );
        }
    }
    Ok(())
}

/// `80/10/10` as shares of validation and test.
fn shares(text: &str) -> Result<[f64; 2]> {
    let parts: Vec<f64> = text.split('/').filter_map(|part| part.parse().ok()).collect();
    match parts[..] {
        [train, val, test] if train > 0.0 && val >= 0.0 && test >= 0.0 => {
            let all = train + val + test;
            Ok([val / all, test / all])
        }
        _ => {
            let problem = format!("expected paper, or three numbers as 80/10/10, found {text:?}");
            Err(Error::config("--preset", problem, "write train, validation and test"))
        }
    }
}
