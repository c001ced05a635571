//! `mtpret demo`: the three stages on real films, and fine-tuning from scratch beside them.

mod page;
mod sheet;
mod verdict;

use crate::{
    Error, Result,
    commands::{
        inference::{explain, figures::Figures},
        options::{DeviceArgs, Settings},
        runs::report::Finished,
        stages::{demo::page::Page, of_whole},
        watch::Console,
    },
};
use mtpret_pipeline::{
    data::{self, Format, Source, Split},
    train::{
        Device,
        config::{self, Demo},
        estimate::{demo::DemoEstimate, span},
        file_name::{FileNames, legal},
        run::{Run, Watch},
        stages::{
            finetune::finetune,
            multitask::multitask,
            pretrain::{self, pretrain},
        },
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};
use verdict::{INITIALISATIONS, Tuned};

/// All three stages of MTPret on real films, in minutes: pretraining, multitask learning, fine-tuning, and fine-tuning
/// from scratch to compare with.
///
/// Without --data it trains on 1232 films that come with the program: pneumonia classified, lungs outlined, each lung found
/// as a box, fractures classified. With --data it does the same on your own: a folder with a folder a class in it, a folder with a
/// `manifest.csv` (columns path, label, patient, split), or NIH's folder with its `Data_Entry*.csv`; several --data are
/// several tasks. It first times a few steps and says how long it will take here.
///
/// Example: mtpret demo --data films/pneumonia --data films/fracture --minutes 20
#[derive(clap::Args)]
pub struct Args {
    /// A folder of your own films; may be given several times.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Do less where this machine would take longer: fewer passes, then without the last tasks.
    #[arg(long, value_name = "N", conflicts_with = "resume", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minutes: Option<u32>,
    /// Folder of the run [default: the first free of runs/demo, runs/demo-2, …].
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Resume a demo that was interrupted.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["data", "run"])]
    resume: Option<PathBuf>,
    /// Go on although films, settings or the machine are not what the demo began with; what differs is said.
    #[arg(long, requires = "resume")]
    accept_changes: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Runs the command.
///
/// # Errors
/// Whatever the configuration, files, the device or the person may cause.
pub fn run(args: &Args) -> Result<()> {
    let begun = Instant::now();
    let settings = args.settings.overrides();
    let watch = Console::new(args.settings.json);
    watch.listen()?;
    let gpu = args.settings.device.open_for_training()?;
    let (mut config, run) = match &args.resume {
        Some(folder) => {
            let config = config::load(&folder.join("config.resolved.toml"), &settings)?;
            (config, Run::new(folder, &watch, true)?.accepting(args.accept_changes))
        }
        None => {
            let folder = args.run.clone().unwrap_or_else(free_folder);
            let run = Run::new(&folder, &watch, false)?;
            let mut config: Demo = config::load(Path::new("demo"), &settings)?;
            sources(&mut config, &args.data, &folder)?;
            run.write_config(&config)?;
            (config, run)
        }
    };
    let info = gpu.info();
    watch.note(&format!("adapter: {} ({} {})", info.name, info.driver, info.driver_info));
    if args.resume.is_none() {
        if args.data.is_empty() {
            introduce(&config, &watch);
        }
        foretell(&gpu, &mut config, args.minutes, &watch)?;
        run.write_config(&config)?;
        if watch.interrupted() {
            return Err(Error::Interrupted(run.folder.clone()));
        }
    }
    stages(&gpu, &config, &run).map_err(|e| of_whole(e, &run))?;
    let tasks = finished(&config, &run)?;
    let pictures = pictures(&config, &run, &args.settings.device)?;
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let (_, pretrained_on) = pretrain::films(&config.pretrain())?;
    let verdict = verdict::describe(&tasks, pretrained_on.len(), &config);
    let page = Page { tasks: &tasks, pictures: &pictures, verdict: &verdict, minutes };
    let report = page.write(&gpu, &config, &run)?;
    if args.settings.json {
        let cells = tasks.iter().flat_map(|Tuned { task, runs, .. }| {
            runs.iter().map(move |run| {
                serde_json::json!({
                    "task": task, "initialisation": run.name, "scores": run.scores,
                })
            })
        });
        let cells: Vec<_> = cells.collect();
        println!(
            "{}",
            serde_json::json!({
                "run": run.folder.to_string_lossy(), "minutes": minutes, "tasks": config.multitask.tasks, "cells": cells,
                "verdict": verdict, "sheet": pictures.sheet, "report": report,
            })
        );
        return Ok(());
    }
    println!("\n{}", verdict::table(&tasks).to_text());
    println!("95 % intervals resample patients. Not for diagnostic use.\n");
    verdict.iter().for_each(|line| println!("{line}\n"));
    println!("pictures     {}", pictures.sheet.display());
    println!("loss curves  {}", run.folder.join("curves.svg").display());
    println!("report       {}", report.display());
    println!("run folder   {} ({minutes:.1} min)", run.folder.display());
    println!(
        "on your own films: mtpret demo --data DIR   (DIR/<class>/*.png, or DIR/manifest.csv)"
    );
    Ok(())
}

/// The sample's tasks, and what to expect of them.
const SAMPLE: [(&str, &str); 4] = [
    ("pneumonia", "children's chests, with pneumonia or without: classified"),
    (
        "lungs",
        "both lungs of these chests outlined; the outlines were drawn by networks of this program, not by people",
    ),
    ("lung-boxes", "each of these lungs found, as a box around it"),
    (
        "fracture",
        "limbs, broken or not: classified. Hard: most breaks are finer than a pixel here, expect little more than chance (AUC .5)",
    ),
];

/// Says what will be asked of the networks, before it is asked.
fn introduce(config: &Demo, watch: &Console) {
    let there = |(task, _): &&(&str, &str)| config.multitask.tasks.iter().any(|t| t == task);
    for (task, what) in SAMPLE.iter().filter(there) {
        watch.note(&format!("{task:10}  {what}"));
    }
}

/// Share of the time that pictures, the report and readings take, which no dry run sees: measured at 4 %.
const ASIDE: f64 = 0.05;

/// Says how long the demo will take here, and makes it shorter where it is given fewer minutes.
fn foretell(gpu: &Device, config: &mut Demo, minutes: Option<u32>, watch: &Console) -> Result<()> {
    let begun = Instant::now();
    watch.note("timing a few steps of every stage on this machine");
    let plan = DemoEstimate::dry_run(gpu, config)?;
    let runs = INITIALISATIONS.len();
    if let Some(minutes) = minutes {
        let whole = config.clone();
        let left = f64::from(minutes) * 60.0 - begun.elapsed().as_secs_f64();
        let fits = plan.fit(config, runs, (1.0 - ASIDE) * left);
        let kept = config.multitask.tasks.len();
        let mut less = Vec::new();
        if config.pretrain != whole.pretrain || config.multitask.visit != whole.multitask.visit {
            less.push("fewer passes".to_owned());
        }
        if kept < whole.multitask.tasks.len() {
            less.push(format!("without {}", whole.multitask.tasks[kept..].join(" and ")));
        }
        if !less.is_empty() {
            let all = span(plan.seconds(&whole, runs).iter().sum());
            watch.note(&format!("all of it would take {all} here: {}", less.join(", ")));
        }
        if !fits {
            watch.note(&format!("even the least takes longer than {minutes} min on this machine"));
        }
    }
    let seconds = plan.seconds(config, runs);
    let [pretrain, multitask, finetune] = seconds.map(span);
    watch.note(&format!(
        "measured on this machine: about {} (pretraining {pretrain}, multitask {multitask}, fine-tuning {finetune}){}",
        span(seconds.iter().sum()),
        if minutes.is_none() { "; --minutes N does less" } else { "" }
    ));
    Ok(())
}

fn free_folder() -> PathBuf {
    let named = |n: usize| match n {
        1 => PathBuf::from("runs/demo"),
        n => PathBuf::from(format!("runs/demo-{n}")),
    };
    let mut n = 1;
    while named(n).exists() {
        n += 1;
    }
    named(n)
}

/// Puts the person's folders, or the sample's, in the place of the configuration's sources.
fn sources(config: &mut Demo, folders: &[PathBuf], run: &Path) -> Result<()> {
    if folders.is_empty() {
        let sample = run.join("sample");
        data::unpack(&sample)?;
        for source in config.source.iter_mut().filter(|s| s.root.is_relative()) {
            source.root = sample.join(&source.root);
        }
        return Ok(());
    }
    config.source = folders.iter().map(|folder| own(folder)).collect::<Result<_>>()?;
    // Two folders of one name are two tasks.
    let mut names = FileNames::default();
    config.source.iter_mut().for_each(|source| source.name = names.own(&source.name));
    config.multitask.tasks = config.source.iter().map(|s| s.name.clone()).collect();
    config.forget_absent_tasks();
    if let Some(monitor) = &mut config.pretrain.monitor {
        monitor.source = config.source[0].name.clone();
    }
    Ok(())
}

/// A source for a folder of one's own, by what lies in it.
fn own(folder: &Path) -> Result<Source> {
    let names = fs::read_dir(folder)
        .map_err(|e| Error::io(folder, e, "name a folder of films"))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect::<Vec<_>>();
    let whole =
        folder.canonicalize().map_err(|e| Error::io(folder, e, "name a folder of films"))?;
    let name = whole.file_name().map_or("films".into(), |n| n.to_string_lossy().into_owned());
    let table = |start: &str| names.iter().find(|n| n.starts_with(start) && n.ends_with(".csv"));
    if table("Data_Entry").is_some() {
        return Ok(Source::new(name, Format::Nih, whole));
    }
    let Some(manifest) = table("manifest") else {
        let mut source = Source::new(name, Format::Folder, whole);
        source.split = Split::Patient;
        return Ok(source);
    };
    let mut source = Source::new(name, Format::Csv, &whole);
    let path = whole.join(manifest);
    let no_table =
        |e: csv::Error| Error::data(&path, "a table in CSV", e.to_string(), "check the file");
    let mut reader = csv::Reader::from_path(&path).map_err(no_table)?;
    let header = reader.headers().map_err(no_table)?;
    let has = |column: &str| header.iter().any(|h| h == column).then(|| column.to_owned());
    source.table = Some(manifest.into());
    source.label_columns = has("label").into_iter().collect();
    source.patient_column = has("patient");
    source.split_column = has("split");
    Ok(source)
}

/// The folder of a task's fine-tuning.
fn fine_tuned(task: &str, initialisation: &str) -> String {
    format!("finetune-{}-{}", legal(task), initialisation.to_lowercase())
}

fn stages(gpu: &Device, config: &Demo, run: &Run) -> Result<()> {
    let moco = pretrain(gpu, &config.pretrain(), &run.part("pretrain")?)?;
    let mtpret = multitask(gpu, &config.multitask(Some(moco)), &run.part("multitask")?)?;
    for task in &config.multitask.tasks {
        for (initialisation, weights) in
            INITIALISATIONS.into_iter().zip([None, Some(mtpret.clone())])
        {
            run.watch.note(&format!("fine-tuning {task} from {initialisation}"));
            let part = run.part(&fine_tuned(task, initialisation))?;
            finetune(gpu, &config.finetune(task, weights), &part)?;
        }
    }
    Ok(())
}

fn finished(config: &Demo, run: &Run) -> Result<Vec<Tuned>> {
    let of = |task: &String| {
        let part = |name: &str| Finished::open(name, &run.folder.join(fine_tuned(task, name)));
        let [scratch, mtpret] = INITIALISATIONS;
        let runs = [part(scratch)?, part(mtpret)?];
        let films = runs[0].scores.images();
        let title = match Figures::of(&runs[0].scores).positive {
            Some(class) => format!("{task} (positive: {class}, {films} test films)"),
            None => format!("{task} ({films} test films)"),
        };
        Ok(Tuned { task: task.clone(), title, runs })
    };
    config.multitask.tasks.iter().map(of).collect()
}

/// The pictures at the end.
struct Pictures {
    /// Every task's, by MTPret's networks.
    sheet: PathBuf,
    /// Of each task, as both of its runs see a few test films.
    of_tasks: Vec<PathBuf>,
}

fn pictures(config: &Demo, run: &Run, device: &DeviceArgs) -> Result<Pictures> {
    let of = |task: &String| {
        explain::draw(&explain::Args {
            paths: INITIALISATIONS.map(|name| run.folder.join(fine_tuned(task, name))).into(),
            class: Vec::new(),
            count: 4,
            seed: config.seed,
            score: 0.5,
            random: false,
            cell: 240,
            output: Some(run.folder.join(format!("explain-{}", legal(task)))),
            with_ids: false,
            device: device.clone(),
        })
    };
    let tasks = &config.multitask.tasks;
    let [_, mtpret] = INITIALISATIONS;
    let runs = tasks.iter().map(|task| (task.clone(), run.folder.join(fine_tuned(task, mtpret))));
    let sheet = run.folder.join("sheet.png");
    sheet::draw(&runs.collect::<Vec<_>>(), device, config.seed, &sheet)?;
    Ok(Pictures { sheet, of_tasks: tasks.iter().map(of).collect::<Result<_>>()? })
}
