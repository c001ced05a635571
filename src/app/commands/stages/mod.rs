//! The stages one by one: `pretrain`, `multitask`, `finetune`.

pub mod demo;
pub mod init;
pub mod preview;
pub mod reproduce;

use super::{
    inference::figures::show,
    networks::doubt,
    options::{Folders, Settings},
    stages::preview::{ByHeart, overfit, preview},
    watch::Console,
};
use crate::{Error, Result};
use mtpret_pipeline::{
    data,
    train::{
        self, Device,
        config::{self, Stage},
        estimate::dry_run,
        run::{Run, Watch},
        stages::finetune,
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
    /// Resume a run that was interrupted, bit for bit as if it had not been.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "run", "data"])]
    resume: Option<PathBuf>,
    /// Go on although films, settings or the machine are not what the run began with; what differs is said.
    #[arg(long, requires = "resume")]
    accept_changes: bool,
    /// How often the adapter is opened again where its driver was reset or the GPU taken away; the run goes on from its last
    /// checkpoint.
    #[arg(long, value_name = "N", default_value_t = 0)]
    reopen: u32,
    /// Make everything, put a few batches of each task through, say how long an epoch takes and how much memory the
    /// run will have, and write nothing (but for compiled kernels in the cache, which the run then finds).
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// Weights to start from: .safetensors, .pth, or the run folder of the stage before. The backbone is
    /// taken from them, and heads begin anew, whatever tasks and classes the weights were for.
    #[arg(long, value_name = "FILE|RUN")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    settings: Settings,
}

impl Common {
    /// As [`Common::load`], with the places of the data sets.
    fn located<T: Stage>(
        &self,
        stage: &str,
        sources: fn(&mut T) -> Vec<&mut data::Source>,
    ) -> Result<(T, PathBuf, bool)> {
        let (mut config, folder, resume): (T, _, _) = self.load(stage)?;
        self.folders.locate(&mut sources(&mut config))?;
        Ok((config, folder, resume))
    }
    fn gpu(&self) -> Result<Device> {
        self.settings.device.open_for_training()
    }
    /// Does the work of a run, which is this process's meanwhile. A lost device is opened again as often as was asked for.
    ///
    /// # Errors
    /// What `work` gives; of a lost device with the last checkpoint.
    fn work<T>(
        &self,
        watch: &Console,
        folder: &Path,
        mut resume: bool,
        work: impl Fn(&Device, &Run) -> Result<T>,
    ) -> Result<T> {
        watch.listen()?;
        let mut left = self.reopen;
        loop {
            let run = Run::new(folder, watch, resume)?.accepting(self.accept_changes);
            match work(&self.gpu()?, &run) {
                Err(Error::Lost(mut fault)) => {
                    fault.mend = run.saved();
                    let why = Error::Lost(fault);
                    if left == 0 {
                        return Err(why);
                    }
                    watch.note(&format!("{why}; the adapter is opened again"));
                }
                done => return done,
            }
            (left, resume) = (left - 1, true);
        }
    }
    /// The configuration, the folder of its run, and whether to go on there.
    fn load<T: Stage>(&self, stage: &str) -> Result<(T, PathBuf, bool)> {
        let mut settings = self.settings.overrides();
        if let Some(path) = &self.weights {
            let text = toml::Value::String(path.display().to_string());
            settings.push(format!("model.weights={text}"));
        }
        if let Some(folder) = &self.resume {
            let config = config::load(&folder.join("config.resolved.toml"), &settings)?;
            return Ok((config, folder.clone(), true));
        }
        let standard = PathBuf::from(format!("{stage}/resnet18"));
        let config = config::load(self.config.as_ref().unwrap_or(&standard), &settings)?;
        let folder = self.run.clone().unwrap_or_else(|| PathBuf::from("runs").join(stage));
        Ok((config, folder, false))
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
    /// Overfit the first N training films of each task, without augmentation: the losses of all tasks fall toward 0. Larger batches
    /// are made as small. (Contrast has no such check: a film that is overfitted is its own neighbour in the queue.)
    #[arg(long, value_name = "N", conflicts_with = "resume", value_parser = clap::value_parser!(u16).range(2..))]
    overfit: Option<u16>,
    #[command(flatten)]
    common: Common,
}

/// Stage 3: fine-tuning on one task, with figures on its test part.
///
/// After each epoch it is measured on the validation part (`metric`), and it ends early once that figure has not grown for
/// `patience` epochs. The best epoch's weights are weights.safetensors, those of the last one last.safetensors.
///
/// Example: mtpret finetune finetune/resnet18 --weights runs/mt --run runs/pneumonia
#[derive(clap::Args)]
pub struct Finetune {
    /// Overfit the first N training films, without augmentation, and measure on the same: a network and a rate that can
    /// learn reach AUC 1, Dice 0.98 or AP50 0.95 soon. Larger batches are made as small.
    #[arg(long, value_name = "N", conflicts_with = "resume", value_parser = clap::value_parser!(u16).range(2..))]
    overfit: Option<u16>,
    #[command(flatten)]
    common: Common,
}

fn say(json: bool, what: &str, file: &Path) {
    match json {
        true => {
            println!("{}", serde_json::json!({ "result": what, "weights": file.to_string_lossy() }))
        }
        false => eprintln!("{what}: weights are in {}", file.display()),
    }
}

/// Runs stage 1.
///
/// # Errors
/// Whatever the configuration, files, the device or the person may cause.
pub fn pretrain(args: &Pretrain) -> Result<()> {
    let watch = Console::new(args.common.settings.json);
    let (mut config, folder, resume): (config::Pretrain, _, _) = args.common.load("pretrain")?;
    // Pretraining takes what films there are.
    args.common.folders.locate_some(&mut config.source, &watch)?;
    config.validate()?;
    if args.common.dry_run {
        return preview(
            args.common.settings.json,
            &[dry_run::pretrain(&args.common.gpu()?, &config)?],
        );
    }
    doubt(config.model.weights.as_deref());
    let file = args.common.work(&watch, &folder, resume, |gpu, run| {
        train::stages::pretrain::pretrain(gpu, &config, run)
    })?;
    say(args.common.settings.json, "pretrain", &file);
    Ok(())
}

/// Runs stage 2.
///
/// # Errors
/// As [`pretrain`].
pub fn multitask(args: &Multitask) -> Result<()> {
    let watch = Console::new(args.common.settings.json);
    let (mut config, folder, resume) =
        args.common.located("multitask", config::Multitask::sources)?;
    if let Some(films) = args.overfit {
        let config::Multitask { source, augment, data, segment, detect, .. } = &mut config;
        overfit(films, ByHeart { source, augment, data, segment, detect });
    }
    if args.common.dry_run {
        return preview(
            args.common.settings.json,
            &dry_run::multitask(&args.common.gpu()?, &config)?,
        );
    }
    doubt(config.model.weights.as_deref());
    let file = args.common.work(&watch, &folder, resume, |gpu, run| {
        train::stages::multitask::multitask(gpu, &config, run)
    })?;
    say(args.common.settings.json, "multitask", &file);
    Ok(())
}

/// Runs stage 3.
///
/// # Errors
/// As [`pretrain`].
pub fn finetune(args: &Finetune) -> Result<()> {
    let watch = Console::new(args.common.settings.json);
    let (mut config, folder, resume) =
        args.common.located("finetune", config::Finetune::sources)?;
    if let Some(films) = args.overfit {
        let config::Finetune { source, augment, data, segment, detect, .. } = &mut config;
        overfit(films, ByHeart { source, augment, data, segment, detect });
    }
    if args.common.dry_run {
        return preview(
            args.common.settings.json,
            &[dry_run::finetune(&args.common.gpu()?, &config)?],
        );
    }
    doubt(config.model.weights.as_deref());
    let (scores, file) = args.common.work(&watch, &folder, resume, |gpu, run| {
        Ok((finetune::finetune(gpu, &config, run)?.scores, run.weights_file()))
    })?;
    show(args.common.settings.json, &config.task, &scores);
    say(args.common.settings.json, "finetune", &file);
    Ok(())
}

/// The interruption of a part as one of its run, which is what can be gone on with.
fn of_whole(error: Error, run: &Run) -> Error {
    match error {
        Error::Interrupted(_) => Error::Interrupted(run.folder.clone()),
        other => other,
    }
}
