//! Arguments that several commands share.

use super::{signals, watch};
use crate::{Error, Result};
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use mtpret_engine::{
    autotune::{cache, matrices},
    gpu::{DeviceOptions, Gpu, Matrices, Progress},
    step::StepOptions,
};
use mtpret_pipeline::{
    data::{Roots, Source},
    train::{Device, run::Watch},
};
use std::path::{Path, PathBuf};

/// What is put over a configuration, and how a run is done and shown.
#[derive(clap::Args)]
pub struct Settings {
    /// One setting, for example --set optim.lr=0.01. The environment variable MTPRET_SET may hold others,
    /// separated by spaces: they come first, and are shown.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Seed of every random number.
    #[arg(long)]
    seed: Option<u64>,
    /// Unreadable films that are tolerated; one more stops the run.
    #[arg(long, value_name = "N")]
    max_bad: Option<usize>,
    /// Print readings and the result as JSON, one object a line, on standard output.
    #[arg(long)]
    pub json: bool,
    /// The adapter.
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl Settings {
    /// All settings as `key=value`, those with an option of their own last.
    pub fn overrides(&self) -> Vec<String> {
        let own = [
            self.seed.map(|seed| format!("seed={seed}")),
            self.max_bad.map(|films| format!("data.max_bad={films}")),
        ];
        let set = self.settings.iter().cloned();
        environment().into_iter().chain(set).chain(own.into_iter().flatten()).collect()
    }
}

/// The settings that `MTPRET_SET` holds. They are shown, since nothing else would say where a run has them from.
pub fn environment() -> Vec<String> {
    let text = std::env::var("MTPRET_SET").unwrap_or_default();
    if !text.trim().is_empty() {
        eprintln!("MTPRET_SET: {}", text.trim());
    }
    text.split_whitespace().map(str::to_owned).collect()
}

/// Where the data sets lie that the program knows.
#[derive(clap::Args)]
pub struct Folders {
    /// A folder that holds data sets side by side; may be given several times.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
}

impl Folders {
    /// These folders, then those that are `configured`, then that of the environment.
    pub fn roots(&self, configured: &Roots) -> Roots {
        let mut roots = configured.clone();
        roots.folders.splice(0..0, self.data.iter().cloned());
        roots.folders.extend(Roots::from_env().folders);
        roots
    }
    /// Finds sources on disk.
    ///
    /// # Errors
    /// A known data set lies nowhere; or folders are given and no source is a known data set.
    pub fn locate(&self, sources: &mut [&mut Source]) -> Result<()> {
        if !self.data.is_empty() && sources.iter().all(|source| source.known.is_none()) {
            let expected = "a [[source]] with `known` to look for there";
            let mend = "name the data set by known = \"pneumonia\" in place of format and root";
            return Err(Error::config("--data", expected, "none", mend));
        }
        let roots = self.roots(&Roots::default());
        sources.iter_mut().try_for_each(|source| source.locate(&roots))
    }
    /// Finds sources of which some may be nowhere: those are left out, and it is said.
    ///
    /// # Errors
    /// As [`locate`](Self::locate), if none is found.
    pub fn locate_some(&self, sources: &mut Vec<Source>, watch: &dyn Watch) -> Result<()> {
        let roots = self.roots(&Roots::default());
        let found = |source: &Source| source.clone().locate(&roots);
        if sources.iter().any(|source| found(source).is_ok()) {
            sources.retain(|source| match found(source) {
                Ok(()) => true,
                Err(why) => {
                    watch.note(&format!("{}: left out: {why}", source.name));
                    false
                }
            });
        }
        self.locate(&mut sources.iter_mut().collect::<Vec<_>>())
    }
}

/// The size of a film as a person writes it: `224`, or width x height, `800x500`.
///
/// # Errors
/// Anything else, or a side below 32 or beyond 8192 pixels.
pub(in crate::commands) fn size(text: &str) -> std::result::Result<[usize; 2], String> {
    let side = |text: &str| text.parse().ok().filter(|side| (32..=8192).contains(side));
    let size = match text.split_once(['x', '×']) {
        Some((width, height)) => side(width).zip(side(height)),
        None => side(text).map(|side| (side, side)),
    };
    let (width, height) =
        size.ok_or("expected a side like 224, or 800x500, of 32 to 8192 pixels")?;
    Ok([width, height])
}

/// Which adapter to run on.
#[derive(clap::Args, Clone, Debug)]
pub struct AdapterArgs {
    /// The adapter's number or a part of its name, as `mtpret doctor` lists them
    /// [default: the most powerful].
    #[arg(long, value_name = "N|NAME")]
    pub adapter: Option<String>,
}

impl AdapterArgs {
    /// Opens the adapter; measured kernels are not taken.
    ///
    /// # Errors
    /// There is none, none of that name, or one that a limit of the system would end.
    pub fn open(&self) -> Result<Gpu> {
        let gpu = Gpu::open(DeviceOptions {
            adapter: self.adapter.clone(),
            checked: std::env::var_os("MTPRET_CHECKED").is_some_and(|v| v == "1"),
            cache: folder(),
            matrices: Matrices::Listed,
            progress: Some(watch::progress as Progress),
            note: Some(|line| eprintln!("{line}")),
            ..DeviceOptions::default()
        })?;
        if let Some(most) = signals::largest_file().filter(|most| *most < ENOUGH)
            && gpu.caps().software
        {
            // Past the limit the system ends the program at the first access, without a word.
            let expected = "no limit to the size of files, in which this driver keeps its memory";
            let mend = "lift it with `ulimit -f unlimited`, or take an adapter that is a GPU";
            let found = format!("one of {most} bytes");
            return Err(Error::adapter(gpu.info().name.as_str(), expected, found, mend));
        }
        Ok(gpu)
    }
}

/// Which adapter to run on, and how its memory and kernels are used.
#[derive(clap::Args, Clone, Debug)]
pub struct DeviceArgs {
    /// The adapter.
    #[command(flatten)]
    pub adapter: AdapterArgs,
    /// MiB of device memory that a training step keeps to, weights included: it computes cheap tensors twice,
    /// and cuts batches where it must [default: what the adapter has].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 24))]
    pub memory: Option<u64>,
    /// How a backbone's features and their gradients lie in memory while it is trained: half the bytes as f16, and GPUs that
    /// multiply matrices of f16 at once do so. Sums, statistics, heads and weights stay f32; the loss is scaled, and a step
    /// whose gradients overflow moves nothing.
    #[arg(long, value_enum, default_value = "f32")]
    pub precision: Precision,
    /// Before the first step, measure which kernel is the fastest at each shape that nobody measured on this adapter
    /// yet; kept for later runs (see `mtpret tune`).
    #[arg(long)]
    pub tune: bool,
}

/// How features lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
}

impl DeviceArgs {
    /// Bytes of `--memory`.
    pub fn memory(&self) -> Option<u64> {
        self.memory.map(|mib| mib << 20)
    }
    /// The options that were given, as words for a command line.
    pub fn describe(&self) -> String {
        let adapter = self.adapter.adapter.iter().map(|name| format!(" --adapter {name:?}"));
        let memory = self.memory.iter().map(|mib| format!(" --memory {mib}"));
        let half = (self.precision == Precision::F16).then(|| " --precision f16".to_owned());
        let tune = self.tune.then(|| " --tune".to_owned());
        adapter.chain(memory).chain(half).chain(tune).collect()
    }
    /// Opens the adapter, and says so if it is no GPU.
    ///
    /// # Errors
    /// There is none, or none of that name.
    pub fn open(&self) -> Result<Device> {
        let device = self.open_for_programs()?;
        if device.caps().software {
            let name = &device.info().name;
            eprintln!("adapter: {name} runs on the CPU; `mtpret doctor` lists all adapters");
        }
        Ok(device)
    }
    /// Opens the adapter for training, and says what f16 brings there.
    ///
    /// # Errors
    /// As [`DeviceArgs::open`].
    pub fn open_for_training(&self) -> Result<Device> {
        let device = self.open()?;
        let name = &device.info().name;
        let line = match self.precision {
            Precision::F32 => {
                matrices::brings(&device)?.map(|brings| format!("{brings} (--precision f16)"))
            }
            Precision::F16 => {
                device.multiplies().map(|all| format!("multiplies matrices at once: {all}"))
            }
        };
        if let Some(line) = line {
            eprintln!("adapter: {name} {line}");
        }
        Ok(device)
    }
    /// Opens the adapter for who is run by another program, which reads standard error.
    ///
    /// # Errors
    /// As [`DeviceArgs::open`].
    pub fn open_for_programs(&self) -> Result<Device> {
        let gpu = self.adapter.open()?;
        cache::load(&gpu)?;
        let half = self.precision == Precision::F16;
        matrices::prove(&gpu, half || self.tune)?;
        let step = StepOptions {
            half,
            memory: self.memory(),
            tune: self.tune.then_some((|line: &str| eprintln!("{line}")) as fn(&str)),
        };
        Ok(Device { gpu, step })
    }
}

/// Bytes of a file that are as good as no limit.
const ENOUGH: u64 = 1 << 40;

/// The folder for what is kept between runs: `MTPRET_CACHE`, else `mtpret` in the system's own cache folder. None where
/// the variable is set to nothing.
fn folder() -> Option<PathBuf> {
    match std::env::var_os("MTPRET_CACHE") {
        Some(folder) => (!folder.is_empty()).then(|| folder.into()),
        None => Some(choose_native_strategy().ok()?.cache_dir().join("mtpret")),
    }
}

/// The file beside a run's folder, or a file of it, that has its name with another ending.
pub fn beside(run: &Path, ending: &str) -> PathBuf {
    if run.is_file() {
        return run.with_extension(ending);
    }
    let name = run.file_name().map_or("run".into(), |name| name.to_string_lossy());
    run.with_file_name(format!("{name}.{ending}"))
}
