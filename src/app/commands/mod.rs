//! Words become a run: the command line.

mod data;
pub mod device;
pub mod external;
pub mod inference;
pub mod networks;
mod options;
mod runs;
mod shell;
mod stages;
mod watch;

use crate::{Error, Result};
use clap::{CommandFactory, Parser, Subcommand};
use device::{bench, doctor, tune};
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use external::{run_model, run_op, run_steps};
use inference::{evaluate, explain, predict, score};
use mtpret_engine::gpu::{Choice, Gpu, Matrices, Progress};
use mtpret_pipeline::weights::checkpoint::{self, Tensors};
use networks::{bundle, convert, export, inspect};
use runs::report;
use stages::{demo, init, reproduce};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// MTPret on any GPU: pretrain one backbone on X-ray films, then fine-tune it for many tasks.
///
/// Try `mtpret demo`: all three stages on real films that come with the program, in a few minutes.
#[derive(Parser)]
#[command(name = "mtpret", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Doctor(doctor::Args),
    Pretrain(stages::Pretrain),
    Multitask(stages::Multitask),
    Finetune(stages::Finetune),
    Evaluate(evaluate::Args),
    Reproduce(reproduce::Args),
    Predict(predict::Args),
    Explain(explain::Args),
    Report(report::Args),
    Bundle(bundle::Args),
    Export(export::Args),
    Runs(runs::Args),
    Inspect(inspect::Args),
    Convert(convert::Args),
    Data(data::Args),
    Bench(bench::Args),
    Tune(tune::Args),
    RunOp(run_op::Args),
    RunModel(run_model::Args),
    RunSteps(run_steps::Args),
    Score(score::Args),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// Which adapter to run on.
#[derive(clap::Args, Clone, Debug)]
pub struct Device {
    /// The adapter's number or a part of its name, as `mtpret doctor` lists them
    /// [default: the most powerful].
    #[arg(long, value_name = "N|NAME")]
    adapter: Option<String>,
    /// MiB of device memory that a training step keeps to, weights included: it computes cheap tensors twice,
    /// and cuts batches where it must [default: what the adapter has].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 24))]
    memory: Option<u64>,
    /// How a backbone's features and their gradients lie in memory while it is trained: half the bytes as f16. Sums,
    /// statistics, heads and weights stay f32; the loss is scaled, and a step whose gradients overflow moves nothing.
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    /// Before the first step, measure which kernel is the fastest at each shape that nobody measured on this adapter
    /// yet; kept for later runs (see `mtpret tune`).
    #[arg(long)]
    tune: bool,
    /// Also have kernels that multiply 8 × 8 matrices which a subgroup holds together (variant `coop`), where the adapter
    /// lists them and wgpu calls them experimental; `--tune` takes them where they are the fastest.
    #[arg(long)]
    matrices: bool,
}

/// How features lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Precision {
    F32,
    F16,
}

impl Device {
    /// Bytes of `--memory`.
    fn memory(&self) -> Option<u64> {
        self.memory.map(|mib| mib << 20)
    }
    /// The options that were given, as words for a command line.
    fn words(&self) -> String {
        let adapter = self.adapter.iter().map(|name| format!(" --adapter {name:?}"));
        let memory = self.memory.iter().map(|mib| format!(" --memory {mib}"));
        let half = (self.precision == Precision::F16).then(|| " --precision f16".to_owned());
        let tune = self.tune.then(|| " --tune".to_owned());
        adapter.chain(memory).chain(half).chain(tune).collect()
    }
    /// Opens the adapter.
    ///
    /// # Errors
    /// There is none, or none of that name.
    pub fn open(&self) -> Result<Gpu> {
        let checked = std::env::var_os("MTPRET_CHECKED").is_some_and(|v| v == "1");
        let memory = self.memory();
        let tune = self.tune.then_some((|line: &str| eprintln!("{line}")) as fn(&str));
        let (adapter, poison) = (self.adapter.clone(), false);
        let (half, cache) = (self.precision == Precision::F16, cache());
        let matrices = if self.matrices { Matrices::Listed } else { Matrices::Unused };
        let progress = Some(watch::progress as Progress);
        let choice =
            Choice { adapter, checked, poison, memory, half, cache, matrices, tune, progress };
        let gpu = Gpu::open(choice)?;
        mtpret_engine::autotune::cache::load(&gpu)?;
        Ok(gpu)
    }
}

/// The folder for what is kept between runs: `MTPRET_CACHE`, else `mtpret` in the system's own cache folder. None where
/// the variable is set to nothing.
fn cache() -> Option<PathBuf> {
    match std::env::var_os("MTPRET_CACHE") {
        Some(folder) => (!folder.is_empty()).then(|| folder.into()),
        None => Some(choose_native_strategy().ok()?.cache_dir().join("mtpret")),
    }
}

/// The file beside a run's folder, or a file of it, that has its name with another ending.
fn beside(run: &Path, ending: &str) -> PathBuf {
    if run.is_file() {
        return run.with_extension(ending);
    }
    let name = run.file_name().map_or("run".into(), |name| name.to_string_lossy());
    run.with_file_name(format!("{name}.{ending}"))
}

/// The tensors of a safetensors file that a request names.
fn tensors(path: &Path) -> Result<Tensors> {
    let read = checkpoint::read(path, None);
    let fault =
        |e| Error::request(path.display().to_string(), format!("expected a safetensors file: {e}"));
    Ok(read.map_err(fault)?.0)
}

/// Parses the command line, runs it, prints the error if there is one.
pub fn main() -> ExitCode {
    sigpipe::reset();
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Bundle(args) => bundle::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Pretrain(args) => stages::pretrain(&args),
        Command::Multitask(args) => stages::multitask(&args),
        Command::Finetune(args) => stages::finetune(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::RunOp(args) => run_op::run(&args),
        Command::RunModel(args) => run_model::run(&args),
        Command::RunSteps(args) => run_steps::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Completions(args) => {
            shell::completions(&args, Cli::command());
            Ok(())
        }
        Command::Man(args) => shell::man(&args, Cli::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("mtpret: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
