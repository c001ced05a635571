//! The stages one by one: `pretrain`, `multitask`, `finetune`, and `evaluate`, `predict` on what they made.

use super::{Device, figures::Figures, watch::Console};
use crate::{
    Error, Result,
    data::{self, Loader, LoaderOptions, Sample},
    report::table::{Cell, Column, Table},
    train::{
        self,
        config::{self, Stage},
        finetune,
        learner::{Learner, depth},
        run::{Run, evaluating},
        task::{self, Scores, Task},
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

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
    let outcome = finetune::finetune(&args.common.device.open()?, &config, &run)?;
    show(args.common.json, &config.task, &outcome.scores);
    say(args.common.json, "finetune", &run.weights_file());
    Ok(())
}

/// Figures as a table, or as JSON.
fn show(json: bool, task: &str, scores: &Scores) {
    if json {
        println!("{}", serde_json::to_string(scores).expect("scores are plain data"));
        return;
    }
    let table = Figures::of(scores).table();
    println!("{task}, {} films\n{}", scores.images(), table.to_text());
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
    task: Box<dyn Task>,
    learner: Learner,
    gpu: crate::gpu::Gpu,
}

impl Trained {
    fn open(run: &Path, seed: Option<u64>, device: &Device) -> Result<Self> {
        let settings: Vec<_> = seed.map(|s| format!("seed={s}")).into_iter().collect();
        let config: config::Finetune = config::load(&run.join("config.resolved.toml"), &settings)?;
        let (set, task) = task::open(&config.source, &config.task, config.settings())?;
        let gpu = device.open()?;
        let depth = depth(config.model.backbone);
        let learner = Learner::new(&gpu, depth, &[&*task], false, 0)?;
        learner.load(&gpu, 0, &run.join(train::weights::FILE))?;
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
    let mut inference = t.learner.inference(&t.gpu, &*t.task, 0)?;
    let scores = finetune::evaluate(&t.config, &run, &*t.task, &mut inference, samples)?;
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
            samples.push(Sample { path: path.clone(), patient, target: Vec::new().into() });
        } else {
            let place = path.display().to_string();
            return Err(Error::data(
                place,
                "expected a film or a folder, found none",
                "check the path",
            ));
        }
    }
    let t = Trained::open(&args.run, None, &args.device)?;
    let options = LoaderOptions { max_bad: samples.len(), ..evaluating(&*t.task) };
    let mut loader = Loader::new(samples.clone(), options)?;
    let mut inference = t.learner.inference(&t.gpu, &*t.task, 0)?;
    let mut rows = BTreeMap::new();
    inference.run(&mut loader, &samples, |predicted| {
        rows.insert(predicted.sample.path.clone(), t.task.describe(predicted));
        Ok(())
    })?;
    let bad: BTreeMap<_, _> = loader.bad().into_iter().map(|f| (f.path, f.why)).collect();
    let mut lines = Vec::new();
    for sample in &samples {
        let mut line = serde_json::Map::new();
        line.insert("image".into(), sample.path.display().to_string().into());
        match rows.remove(&sample.path) {
            Some(row) => line.extend(row),
            None => {
                let why = bad.get(&sample.path).map_or("", String::as_str);
                line.insert("error".into(), why.into());
            }
        }
        lines.push(line);
    }
    let text = match args.json {
        true => {
            lines.into_iter().map(|l| serde_json::Value::Object(l).to_string() + "\n").collect()
        }
        false => table(&lines),
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

/// Every key that occurs is a column; the error comes last.
fn table(lines: &[serde_json::Map<String, serde_json::Value>]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for key in lines.iter().flat_map(|line| line.keys()).map(String::as_str) {
        if key != "error" && !columns.contains(&key) {
            columns.push(key);
        }
    }
    columns.push("error");
    let mut table = Table::new(columns.iter().map(|c| Column::words(*c)).collect());
    for line in lines {
        let cell = |name: &&str| match line.get(*name) {
            Some(serde_json::Value::Number(n)) => Cell::number(n.as_f64(), 6),
            Some(serde_json::Value::String(s)) => Cell::words(s.as_str()),
            Some(other) => Cell::words(other.to_string()),
            None => Cell::words(""),
        };
        table.push(columns.iter().map(cell).collect());
    }
    table.to_csv()
}
