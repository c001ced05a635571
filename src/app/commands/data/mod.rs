//! `mtpret data`: what data sets lie somewhere, what is wrong with them, and how they are divided.

mod check;
mod pack;
mod show;

use crate::{Error, Result};
use mtpret_engine::file;
use mtpret_pipeline::data::{self, Roots, Source, Split};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Look at data sets: recognise them, check every film, divide them by patient, decode them once for all runs, see how a film is
/// read.
///
/// Example: mtpret data detect films/ >> my.toml          # what lies there, as TOML
///          mtpret data check films/ --html check.html    # what is wrong with it
///          mtpret data splits films/ -o splits.csv       # which part each film is in, by patient
///          mtpret data pack finetune/resnet18 --data films/ -o films.pack
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(clap::Subcommand)]
enum DataCommand {
    Detect(Detect),
    Check(check::Check),
    Splits(Splits),
    Pack(pack::Pack),
    Show(show::Show),
}

/// Recognise the data sets in a folder, and print the TOML to use.
///
/// Known are the paper's eleven data sets and four more, by files that only they have; of others the layout is told: a folder
/// for each class, a table, COCO JSON, YOLO texts, Pascal VOC XML, films with masks, films alone. What is printed can be put into
/// a configuration as it is; all that is not printed is at its default. A known set that serves several purposes is printed once
/// for each: keep the one that you need.
///
/// Example: mtpret data detect films/ >> my.toml
#[derive(clap::Args)]
struct Detect {
    /// A data set, or a folder of several.
    folder: PathBuf,
    /// Print JSON, one object a line, in place of TOML.
    #[arg(long)]
    json: bool,
}

/// Divide a data set by patient, and write which part each film is in, with its hash
///
/// The file makes the division repeatable anywhere: name it in the configuration, `splits = "splits.csv"` under `[[source]]`.
/// Whoever trains on it is refused films that are not those it was written for. No patient is in two parts; films with
/// the same bytes stay together; each part has its share of each class. The same seed gives the same division on any machine.
///
/// Examples:
///   mtpret data splits films/ --preset paper -o splits.csv
///   mtpret data splits NIH/ --official -o official.csv
///   mtpret data splits films/ --verify splits.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
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
    /// Seed of the split.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the table goes [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write nothing: hold the films against a table that was written before.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "official", "seed"])]
    verify: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or written; of `check`, findings that are errors.
pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        DataCommand::Detect(args) => detect(args),
        DataCommand::Check(args) => check::run(args),
        DataCommand::Splits(args) => splits(args),
        DataCommand::Pack(args) => pack::run(args),
        DataCommand::Show(args) => show::run(args),
    }
}

/// The data sets in a folder, of which there must be one.
pub(in crate::commands) fn found(
    folder: &Path,
) -> Result<(Vec<data::RecognisedSet>, Vec<data::UnreadLabels>)> {
    let (found, unread) = data::recognise_all(folder)?;
    if found.is_empty() {
        return Err(Error::data(
            folder,
            "films (JPEG, PNG, TIFF, BMP or DICOM)",
            "none",
            "name the folder into which the data set was unpacked",
        ));
    }
    Ok((found, unread))
}

fn detect(args: &Detect) -> Result<()> {
    for data::RecognisedSet { source, what } in found(&args.folder)?.0 {
        if args.json {
            println!("{}", serde_json::json!({ "what": what, "source": source.own_keys()? }));
        } else {
            println!("{}", source.section(&what)?);
        }
    }
    Ok(())
}

/// How the paper divides its sets (Table I).
enum Table1 {
    /// By patient here, into shares of validation and test.
    Shares([f64; 2]),
    /// As the set is published: the part that it reports on, and a share of the rest to choose by.
    Published(f64),
}

/// The paper's division of a known set; of others 70/10/20.
fn table1(known: Option<&str>) -> Table1 {
    match known {
        Some("pneumonia" | "mura" | "lung" | "shenzhen" | "montgomery" | "tbx11k") => {
            Table1::Shares([0.1, 0.1])
        }
        Some("chexpert" | "deepcovid") => Table1::Published(0.1),
        _ => Table1::Shares([0.1, 0.2]),
    }
}

fn splits(args: &Splits) -> Result<()> {
    let wanted = args.task.as_deref();
    let fits = |found: &data::RecognisedSet| {
        let task = found.source.task.map(|t| format!("{t:?}").to_lowercase());
        wanted.is_none() || wanted == task.as_deref()
    };
    let (found, unread) = found(&args.folder)?;
    let Some(at) = found.iter().position(fits) else {
        let expected = format!("a data set for the task {}", wanted.unwrap_or(""));
        return Err(Error::data(&args.folder, expected, "none", "leave --task out"));
    };
    let mut source = found[at].source.clone();
    for labels in unread.iter().filter(|labels| labels.set == at) {
        let why = format!("{}: labels that cannot be read: {}", source.name, labels.why);
        eprintln!("warning: {}", crate::print::line(&why));
    }
    source.locate(&Roots::default())?;
    if let Some(file) = &args.verify {
        return verify(source, file);
    }
    let mut official = args.official;
    [source.val_share, source.test_share] = match args.preset.as_str() {
        "paper" => match table1(source.known.as_deref()) {
            Table1::Shares(shares) => shares,
            Table1::Published(val) => {
                official = true;
                [val, 0.0]
            }
        },
        text => shares(text)?,
    };
    source.seed = args.seed;
    source.split = Split::Patient;
    if official {
        source.split = Split::Unchecked;
        data::needs_division(&source)?;
    }
    let mut dataset = source.read()?;
    let moved = if official { 0 } else { data::together(&mut dataset)? };
    let text = data::division_table(&dataset, &source.root)?;
    match &args.output {
        None => crate::print::data(&text),
        Some(file) => file::put(file, |f| f.write_all(text.as_bytes()))?,
    }
    said(&dataset, moved, args.output.as_deref());
    Ok(())
}

/// Says on standard error what a division came to.
fn said(dataset: &data::Dataset, moved: usize, file: Option<&Path>) {
    let [train, val, test] = [&dataset.train, &dataset.val, &dataset.test].map(Vec::len);
    let place = file.map_or(String::new(), |file| format!(" in {}", file.display()));
    eprintln!("{}: {train} train, {val} val, {test} test{place}", dataset.name);
    if moved > 0 {
        eprintln!("{moved} films went to the part that has a copy of them");
    }
    let shared = dataset.shared_patients();
    match shared.first() {
        None => eprintln!("no patient is in two parts"),
        Some(first) => eprintln!(
            "{} patients in two parts as the set is published, {first} is the first: figures will be too good; \
             the table is only read beside split = \"unchecked\"; without --official the set is divided by patient",
            shared.len()
        ),
    }
}

/// Holds the films against a table of [`splits`].
fn verify(mut source: Source, file: &Path) -> Result<()> {
    let file = std::path::absolute(file).map_err(|e| Error::io(file, e, "name a file"))?;
    source.splits = Some(file.clone());
    source.split = Split::Unchecked;
    let dataset = source.read()?;
    let [train, val, test] = [&dataset.train, &dataset.val, &dataset.test].map(Vec::len);
    println!(
        "{}: {train} train, {val} val, {test} test, every film as {} has it",
        dataset.name,
        file.display()
    );
    Ok(())
}

/// `80/10/10` as shares of validation and test.
fn shares(text: &str) -> Result<[f64; 2]> {
    let parts: Option<Vec<f64>> = text.split('/').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([train, val, test]) if *train > 0.0 && *val >= 0.0 && *test >= 0.0 => {
            let all = train + val + test;
            Ok([val / all, test / all])
        }
        _ => {
            let expected = "paper, or three numbers as 80/10/10";
            let mend = "write train, validation and test";
            Err(Error::config("--preset", expected, format!("{text:?}"), mend))
        }
    }
}
