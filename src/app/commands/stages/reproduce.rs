//! `mtpret reproduce`: every initialisation on every target, and the paper's tables.

use crate::{
    Error, Result,
    commands::{
        options::{DeviceArgs, Folders, environment},
        stages::of_whole,
        watch::Console,
    },
    report::{
        comparison::Comparison,
        paper::PaperLayout,
        table::{Cell as Entry, Column as Heading, Table},
    },
};
use mtpret_pipeline::train::{
    config::{self, Stage},
    reproduce::{
        Cell, Experiment,
        config::Reproduce,
        estimate::{DryRuns, Estimate},
        init::Init,
        unit::Unit,
    },
    run::{Run, Watch},
};
use std::path::PathBuf;

/// Run the paper's whole experiment: pretrain, learn tasks, fine-tune, and print its tables.
///
/// Stages that several columns share are trained once, a cell that is done is not done again: a run
/// goes on with --resume where it stopped. Data sets that are not found are left out, and said to be.
///
/// Example: mtpret reproduce reproduce/small --data films --run runs/small --budget 90m
#[derive(clap::Args)]
pub struct Args {
    /// The configuration: a TOML file, or a built-in one (`reproduce/small`, `reproduce/full`).
    #[arg(default_value = "reproduce/small")]
    config: PathBuf,
    #[command(flatten)]
    folders: Folders,
    /// Folder of the run.
    #[arg(long, value_name = "DIR", default_value = "runs/reproduce")]
    run: PathBuf,
    /// Resume a run.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "run", "data", "budget"])]
    resume: Option<PathBuf>,
    /// Go on although films, settings or the machine are not what the run began with; what differs is said.
    #[arg(long, requires = "resume")]
    accept_changes: bool,
    /// Only these initialisations and targets, for example --only mtpret,scratch,pneumonia.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Make all stages shorter (or longer) so that the whole takes about this long, for example 20m or 3h.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    budget: Option<f64>,
    /// Choose each cell's learning rate on validation from the configuration's `sweep`.
    #[arg(long)]
    sweep: bool,
    /// MTPret with each of its parts left out in turn, in place of the columns.
    #[arg(long)]
    ablation: bool,
    /// Say what would be run, how long it would take and what memory it needs, and stop.
    #[arg(long)]
    dry_run: bool,
    /// One setting, for example --set moco.epochs=5; those of MTPRET_SET, separated by spaces, come first.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Print readings, cells and estimates as JSON, one object a line, on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// `90s`, `20m`, `3h` in seconds.
fn seconds(text: &str) -> std::result::Result<f64, String> {
    let units = [('s', 1.0), ('m', 60.0), ('h', 3600.0)];
    let found = units.iter().find_map(|(unit, length)| {
        let number: f64 = text.strip_suffix(*unit)?.trim().parse().ok()?;
        (number > 0.0).then_some(number * length)
    });
    found.ok_or_else(|| "expected a time such as 90s, 20m or 3h".into())
}

/// Runs the command.
///
/// # Errors
/// Whatever the configuration, files, the device or the person may cause.
pub fn run(args: &Args) -> Result<()> {
    let watch = Console::new(args.json);
    let (folder, resume) = match &args.resume {
        Some(folder) => (folder, true),
        None => (&args.run, false),
    };
    let file = folder.join("config.resolved.toml");
    let settings = [environment(), args.settings.clone()].concat();
    let mut config: Reproduce = match resume {
        true => config::load(&file, &settings)?,
        false => config::load(&args.config, &settings)?,
    };
    locate(&mut config, &args.folders, &watch)?;
    let inits = chosen(args, &mut config)?;
    let gpu = args.device.open_for_training()?;
    let (inits, missing) = Experiment::available(&config, inits);
    if args.dry_run || (args.budget.is_some() && !resume) {
        watch.note("timing every distinct stage");
        let dry_run = DryRuns::new(&gpu, &config, &inits)?;
        let mut estimates = dry_run.estimates(&config, &inits);
        if let Some(budget) = args.budget {
            let whole: f64 = estimates.iter().map(|f| f.seconds).sum();
            config.scale(budget / whole);
            estimates = dry_run.estimates(&config, &inits);
            let now: f64 = estimates.iter().map(|f| f.seconds).sum();
            watch.note(&format!(
                "budget {:.0} min: {:.0} min as configured, all epochs times {:.2}, now {:.0} min",
                budget / 60.0,
                whole / 60.0,
                budget / whole,
                now / 60.0
            ));
        }
        if args.dry_run {
            show(args.json, &estimates);
            return Ok(());
        }
    }
    watch.listen()?;
    let run = Run::new(folder, &watch, true)?.accepting(args.accept_changes);
    if !resume && file.exists() {
        let (expected, found) = ("an empty run folder", "an experiment in it");
        let mend = "pass --resume with it to go on, or another --run folder to begin anew";
        return Err(Error::config(folder, expected, found, mend));
    }
    run.write_config(&config)?;
    run.settle()?;
    let experiment = Experiment { gpu: &gpu, config: &config, run: &run, sweep: args.sweep };
    let cells = cells(args, &experiment, &inits, &missing).map_err(|e| of_whole(e, &run))?;
    let layout =
        PaperLayout { config: &config, cells: &cells, missing: &missing, ablation: args.ablation };
    println!("{}", layout.text());
    println!("{}", Comparison { cells: &cells, ablation: args.ablation }.text());
    eprintln!("tables and pictures are in {}", run.folder.display());
    Ok(())
}

/// Trains every cell, and writes the tables anew after each. A cell that diverges is said to, and the others
/// go on without it.
///
/// # Errors
/// Once all others are there, [`Error::Diverged`] with the first cell that did; else as [`Experiment::cell`].
fn cells(
    args: &Args,
    experiment: &Experiment,
    inits: &[Init],
    missing: &[(Init, String)],
) -> Result<Vec<Cell>> {
    let (config, run) = (experiment.config, experiment.run);
    let units = config.units();
    let targets: usize = units.iter().map(|unit| config.targets_of(*unit).count()).sum();
    let all = inits.len() * targets * config.backbones.len();
    let (mut cells, mut failed) = (Vec::new(), None);
    for backbone in &config.backbones {
        for unit in &units {
            for init in inits {
                for target in config.targets_of(*unit) {
                    let cell = match experiment.cell(init, *backbone, target, *unit) {
                        Err(why) if is_left_out(&why, *unit) => {
                            let cell = format!("{target} from {init}, {unit}");
                            run.watch.note(&format!("{cell}: left out: {why}"));
                            failed.get_or_insert(why);
                            continue;
                        }
                        cell => cell?,
                    };
                    if args.json {
                        println!("{}", serde_json::to_string(&cell).expect("cells are plain"));
                    }
                    let main = cell.figures.first();
                    let figure = main.and_then(|f| Some(format!("{} {:.4}", f.metric, f.value?)));
                    run.watch.note(&format!(
                        "cell {} of {all}: {target} from {init}, {unit}: {}",
                        cells.len() + 1,
                        figure.unwrap_or("undefined".into())
                    ));
                    cells.push(cell);
                    let ablation = args.ablation;
                    PaperLayout { config, cells: &cells, missing, ablation }.write(run)?;
                    Comparison { cells: &cells, ablation }.write(run)?;
                }
            }
        }
    }
    failed.map_or(Ok(cells), Err)
}

/// Whether the others go on without a cell that fails so: it diverges, or has too few labels for a batch.
fn is_left_out(why: &Error, unit: Unit) -> bool {
    let few = unit.labels < 1.0 && matches!(why, Error::Config(_) | Error::Data(_));
    few || matches!(why, Error::Diverged { .. })
}

/// Finds every source on disk; what is not there is left out of everything.
fn locate(config: &mut Reproduce, folders: &Folders, watch: &Console) -> Result<()> {
    let roots = folders.roots(&config.roots);
    let mut absent = Vec::new();
    config.source.retain_mut(|source| match source.locate(&roots) {
        Ok(()) => true,
        Err(why) => {
            watch.note(&format!("{}: left out: {why}", source.name));
            absent.push(source.name.clone());
            false
        }
    });
    let there = |name: &String| !absent.contains(name);
    config.targets.retain(there);
    narrow(config);
    config.multi.retain(there);
    config.multitask.tasks.retain(there);
    config.multitask.task_lr.retain(|name, _| there(name));
    config.target.retain(|name, _| there(name));
    if !there(&config.single) {
        let Some(first) = config.multi.first().cloned() else {
            let (expected, found) = ("a data set to pretrain on", "none of the configured ones");
            return Err(Error::data("--data", expected, found, "name the folder that holds them"));
        };
        watch.note(&format!(
            "single-dataset pretraining takes {first} in place of {}",
            config.single
        ));
        config.single = first;
    }
    config.validate()
}

/// Asks for shares of the labels only of targets that are there.
fn narrow(config: &mut Reproduce) {
    if config.label_targets.is_empty() {
        return;
    }
    config.label_targets.retain(|target| config.targets.contains(target));
    if config.label_targets.is_empty() {
        config.labels = vec![1.0];
    }
}

/// The initialisations that are asked for; narrows the targets too.
fn chosen(args: &Args, config: &mut Reproduce) -> Result<Vec<Init>> {
    let all: Vec<Init> = match args.ablation {
        true => config.ablation(),
        false => config.inits(),
    };
    if args.only.is_empty() {
        return Ok(all);
    }
    for name in &args.only {
        if !config.targets.contains(name) && !all.iter().any(|init| init.slug() == *name) {
            let slugs = all.iter().map(Init::slug);
            let known: Vec<String> = config.targets.iter().cloned().chain(slugs).collect();
            let (expected, found) = (format!("some of {}", known.join(", ")), format!("`{name}`"));
            return Err(Error::config("--only", expected, found, "name columns, targets or both"));
        }
    }
    if config.targets.iter().any(|target| args.only.contains(target)) {
        config.targets.retain(|target| args.only.contains(target));
        narrow(config);
    }
    let some = all.iter().any(|init| args.only.contains(&init.slug()));
    Ok(all.into_iter().filter(|init| !some || args.only.contains(&init.slug())).collect())
}

fn show(json: bool, estimates: &[Estimate]) {
    if json {
        for estimate in estimates {
            println!("{}", serde_json::to_string(estimate).expect("an estimate is plain data"));
        }
        return;
    }
    let titles = ["steps", "minutes", "MiB"].map(|title| Heading::numbers(title, None));
    let mut table =
        Table::new(std::iter::once(Heading::text("stage or cell")).chain(titles).collect());
    let mut row = |name: &str, steps: u64, seconds: f64, mib: u64| {
        let steps = Entry::number(Some(steps as f64), 0);
        let mib = Entry::number(Some(mib as f64), 0);
        table.push(vec![Entry::text(name), steps, Entry::number(Some(seconds / 60.0), 1), mib]);
    };
    for f in estimates {
        row(&f.name, f.steps, f.seconds, f.mib);
    }
    let steps = estimates.iter().map(|f| f.steps).sum();
    let seconds = estimates.iter().map(|f| f.seconds).sum();
    row("all", steps, seconds, estimates.iter().map(|f| f.mib).max().unwrap_or(0));
    print!("{}", table.to_text());
}
