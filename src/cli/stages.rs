//! The stages one by one: `pretrain`, `multitask`, `finetune`, and `evaluate`, `predict` on what they made.

use super::{Device, watch::Console};
use crate::{
    Error, Result,
    data::{self, Sample},
    report::table::{Cell, Column, Table},
    train::{
        self,
        config::{self, Stage},
        finetune,
        learner::{Learner, depth, infer},
        metrics::ClassifyScores,
        run::Run,
        state,
        task::{Classify, Task},
    },
};
use std::path::{Path, PathBuf};

/// What the three stages have in common.
#[derive(clap::Args)]
pub struct Common {
    /// The configuration: a TOML file, or the name of a built-in one such as `pretrain/resnet18`.
    #[arg(default_value = None)]
    config: Option<PathBuf>,
    /// Folder of the run [default: runs/<stage>].
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Go on with a run that was interrupted, bit for bit as if it had not been.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "run"])]
    resume: Option<PathBuf>,
    /// Weights to start from: .safetensors, .pth, or the run folder of the stage before.
    #[arg(long, value_name = "FILE|RUN")]
    weights: Option<PathBuf>,
    /// One setting, for example --set optim.lr=0.01.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Seed of every random number.
    #[arg(long)]
    seed: Option<u64>,
    /// Films that may turn out unreadable before the run stops.
    #[arg(long, value_name = "N")]
    max_bad: Option<usize>,
    /// Print readings and the result as JSON, one object a line, on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: Device,
}

impl Common {
    /// The configuration with its overrides, and the run it is for.
    fn begin<'w, T: Stage>(&self, stage: &str, watch: &'w Console) -> Result<(T, Run<'w>)> {
        let mut settings = self.settings.clone();
        settings.extend(self.seed.map(|s| format!("seed={s}")));
        settings.extend(self.max_bad.map(|n| format!("data.max_bad={n}")));
        if let Some(path) = &self.weights {
            let text = toml::Value::String(path.display().to_string());
            settings.push(format!("model.weights={text}"));
        }
        if let Some(folder) = &self.resume {
            let config = config::load(&folder.join("config.resolved.toml"), &settings)?;
            return Ok((config, Run::new(folder, watch, true)?));
        }
        let standard = PathBuf::from(format!("{stage}/resnet18"));
        let config = config::load(self.config.as_ref().unwrap_or(&standard), &settings)?;
        let folder = self.run.clone().unwrap_or_else(|| PathBuf::from("runs").join(stage));
        Ok((config, Run::new(&folder, watch, false)?))
    }
}

/// Stage 1: contrastive pretraining on films of several data sets, without labels (MD-MoCo).
///
/// Example: mtpret pretrain pretrain/resnet18 --run runs/moco --set source.0.root=/data/nih
#[derive(clap::Args)]
pub struct Pretrain {
    #[command(flatten)]
    common: Common,
}

/// Stage 2: multitask continual learning, task after task in rounds, held to its past by L²-SP.
///
/// Example: mtpret multitask multitask/resnet18 --weights runs/moco --run runs/mt
#[derive(clap::Args)]
pub struct Multitask {
    #[command(flatten)]
    common: Common,
}

/// Stage 3: fine-tuning on one task, with figures on its test part.
///
/// Example: mtpret finetune finetune/resnet18 --weights runs/mt --run runs/pneumonia
#[derive(clap::Args)]
pub struct Finetune {
    #[command(flatten)]
    common: Common,
}

fn say(json: bool, what: &str, file: &Path) {
    match json {
        true => println!("{}", serde_json::json!({ "result": what, "weights": file })),
        false => eprintln!("{what}: weights are in {}", file.display()),
    }
}

/// Runs stage 1.
///
/// # Errors
/// Whatever the configuration, files, the device or the person may cause.
pub fn pretrain(args: &Pretrain) -> Result<()> {
    let watch = Console::new(args.common.json)?;
    let (config, run) = args.common.begin::<config::Pretrain>("pretrain", &watch)?;
    let file = train::pretrain::pretrain(&args.common.device.open()?, &config, &run)?;
    say(args.common.json, "pretrain", &file);
    Ok(())
}

/// Runs stage 2.
///
/// # Errors
/// As [`pretrain`].
pub fn multitask(args: &Multitask) -> Result<()> {
    let watch = Console::new(args.common.json)?;
    let (config, run) = args.common.begin::<config::Multitask>("multitask", &watch)?;
    let file = train::multitask::multitask(&args.common.device.open()?, &config, &run)?;
    say(args.common.json, "multitask", &file);
    Ok(())
}

/// Runs stage 3.
///
/// # Errors
/// As [`pretrain`].
pub fn finetune(args: &Finetune) -> Result<()> {
    let watch = Console::new(args.common.json)?;
    let (config, run) = args.common.begin::<config::Finetune>("finetune", &watch)?;
    let scores = finetune::finetune(&args.common.device.open()?, &config, &run)?;
    show(args.common.json, &config.task, &scores);
    say(args.common.json, "finetune", &run.weights_file());
    Ok(())
}

/// Figures as a table, or as JSON.
fn show(json: bool, task: &str, scores: &ClassifyScores) {
    if json {
        println!("{}", serde_json::to_string(scores).expect("scores are plain data"));
        return;
    }
    let mut table = Table::new(score_columns("label"));
    for (name, _) in &scores.measures.auc.0 {
        table.push(score_row(name, name, scores));
    }
    println!("{task}, {} films\n{}", scores.images, table.to_text());
}

/// The columns of a table of figures.
pub fn score_columns(first: &str) -> Vec<Column> {
    let titles = ["AUC", "accuracy", "sensitivity", "specificity"];
    let numbers = titles.map(|title| Column::numbers(title, None));
    std::iter::once(Column::words(first)).chain(numbers).collect()
}

/// One label's figures with their 95 % intervals.
pub fn score_row(first: &str, label: &str, scores: &ClassifyScores) -> Vec<Cell> {
    let m = &scores.measures;
    let values = [&m.auc, &m.accuracy, &m.sensitivity, &m.specificity];
    let ci = scores.ci.as_ref().map(|ci| &ci.measures);
    let intervals = ci.map(|m| [&m.auc, &m.accuracy, &m.sensitivity, &m.specificity]);
    let cell = |i: usize| {
        let value = values[i].get(label).copied().flatten();
        let interval = intervals.and_then(|all| all[i].get(label).copied().flatten());
        Cell::interval(value, interval, 3)
    };
    std::iter::once(Cell::words(first)).chain((0..4).map(cell)).collect()
}

/// Compute the figures of a fine-tuned run again, on its test or validation part.
///
/// Example: mtpret evaluate runs/pneumonia --split test --json
#[derive(clap::Args)]
pub struct Evaluate {
    /// The folder of a fine-tuning run.
    run: PathBuf,
    /// Which part.
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
    /// Seed of the intervals' resampling [default: the run's].
    #[arg(long)]
    seed: Option<u64>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: Device,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Train,
    Val,
    Test,
}

/// A fine-tuned network and what it was trained for.
struct Trained {
    config: config::Finetune,
    set: data::Dataset,
    task: Classify,
    learner: Learner,
    gpu: crate::gpu::Gpu,
}

impl Trained {
    fn open(run: &Path, seed: Option<u64>, device: &Device) -> Result<Self> {
        let settings: Vec<_> = seed.map(|s| format!("seed={s}")).into_iter().collect();
        let config: config::Finetune = config::load(&run.join("config.resolved.toml"), &settings)?;
        let (set, task) = finetune::task_of(&config)?;
        let gpu = device.open()?;
        let depth = depth(config.model.backbone);
        let learner = Learner::new(&gpu, depth, &[&task as &dyn Task], false, 0)?;
        state::load(&gpu, &learner.state, &run.join(train::weights::FILE), false)?;
        Ok(Self { config, set, task, learner, gpu })
    }
}

/// Runs `evaluate`.
///
/// # Errors
/// A folder without a finished run, or films that cannot be read.
pub fn evaluate(args: &Evaluate) -> Result<()> {
    let t = Trained::open(&args.run, args.seed, &args.device)?;
    let samples = match args.split {
        Part::Train => &t.set.train,
        Part::Val => &t.set.val,
        Part::Test => &t.set.test,
    };
    let watch = Console::new(args.json)?;
    let run = Run::new(&args.run, &watch, true)?;
    let mut inference = t.learner.inference(&t.gpu, &t.config.data, 0)?;
    let scores = finetune::evaluate(&t.config, &run, &t.task, &mut inference, samples)?;
    show(args.json, &t.config.task, &scores);
    Ok(())
}

/// Predict films with a fine-tuned run: a table of probabilities, one row a film.
///
/// A film that cannot be read has a row that says why.
///
/// Example: mtpret predict runs/pneumonia films/*.png -o predictions.csv
#[derive(clap::Args)]
pub struct Predict {
    /// The folder of a fine-tuning run.
    run: PathBuf,
    /// Films, or folders of films.
    #[arg(required = true)]
    films: Vec<PathBuf>,
    /// Where the table goes [default: standard output].
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Write JSON, one object a film, instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: Device,
}

/// Runs `predict`.
///
/// # Errors
/// A folder without a finished run, or no film at all.
pub fn predict(args: &Predict) -> Result<()> {
    let mut samples = Vec::new();
    for path in &args.films {
        if path.is_dir() {
            let mut source = data::Source::new("films", data::Format::Folder, path);
            source.labelled = false;
            source.split = data::Split::Unchecked;
            (source.val_share, source.test_share) = (0.0, 0.0);
            let set = source.read()?;
            samples.extend([set.train, set.val, set.test].into_iter().flatten());
        } else if path.exists() {
            let patient = path.display().to_string();
            samples.push(Sample { path: path.clone(), patient, target: Vec::new() });
        } else {
            let place = path.display().to_string();
            return Err(Error::data(
                place,
                "expected a film or a folder, found none",
                "check the path",
            ));
        }
    }
    let mut t = Trained::open(&args.run, None, &args.device)?;
    t.config.data.max_bad = samples.len();
    let mut inference = t.learner.inference(&t.gpu, &t.config.data, 0)?;
    let (read, outputs, bad) = infer(&mut inference, &t.config.data, &samples)?;
    let (names, probabilities) = t.task.probabilities(&outputs);
    let mut rows = read.iter().zip(probabilities.chunks(names.len())).peekable();
    let mut lines: Vec<serde_json::Map<String, serde_json::Value>> = Vec::new();
    for sample in &samples {
        let mut line = serde_json::Map::new();
        line.insert("image".into(), sample.path.display().to_string().into());
        match rows.next_if(|(s, _)| s.path == sample.path) {
            Some((_, row)) => {
                line.extend(names.iter().cloned().zip(row.iter().map(|p| (*p).into())));
            }
            None => {
                let why = bad.iter().find(|film| film.path == sample.path);
                line.insert("error".into(), why.map_or("", |film| film.why.as_str()).into());
            }
        }
        lines.push(line);
    }
    let text = match args.json {
        true => {
            lines.into_iter().map(|l| serde_json::Value::Object(l).to_string() + "\n").collect()
        }
        false => table(&names, &lines),
    };
    match &args.output {
        None => print!("{text}"),
        Some(path) => {
            use std::io::Write;
            train::checkpoint::replace(path, |file| file.write_all(text.as_bytes()))?;
        }
    }
    Ok(())
}

fn table(names: &[String], lines: &[serde_json::Map<String, serde_json::Value>]) -> String {
    let columns: Vec<&str> =
        ["image"].into_iter().chain(names.iter().map(String::as_str)).chain(["error"]).collect();
    let mut table = Table::new(columns.iter().map(|c| Column::words(*c)).collect());
    for line in lines {
        let cell = |name: &&str| match line.get(*name) {
            Some(serde_json::Value::Number(n)) => Cell::number(n.as_f64(), 6),
            Some(serde_json::Value::String(s)) => Cell::words(s.as_str()),
            _ => Cell::words(""),
        };
        table.push(columns.iter().map(cell).collect());
    }
    table.to_csv()
}
