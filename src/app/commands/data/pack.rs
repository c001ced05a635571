//! `mtpret data pack`: the films of a configuration in one file, decoded and resized.

use crate::{
    Result,
    commands::{
        options::{Folders, environment},
        watch::{Console, progress},
    },
};
use mtpret_pipeline::{
    data,
    train::{
        config::{self, StageKind},
        stages::packing,
    },
};
use std::path::PathBuf;

/// Decode and resize the films of a configuration once, into one file, from which runs then take them.
///
/// A run with `--set data.pack=FILE` decodes nothing, in no epoch, and learns the same bit for bit. The file holds all films of
/// the configuration at the sizes that it says, with their masks, in 8 bits a pixel, 16 of deeper films. It is for these films
/// where they lie, as they are: a run that has others, or changed ones, or another size, is refused until they are packed anew.
///
/// Example: mtpret data pack finetune/resnet18 --data DIR -o films.pack
#[derive(clap::Args)]
pub struct Pack {
    /// The configuration of a stage: a TOML file, or the name of a built-in one such as `pretrain/resnet18`.
    config: PathBuf,
    /// Where the films go.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// One setting, as for the run: --set data.width=224.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    folders: Folders,
}

/// Runs the command.
///
/// # Errors
/// A configuration or source that cannot be read, or a file that cannot be written.
pub fn run(args: &Pack) -> Result<()> {
    let mut settings = environment();
    settings.extend(args.settings.iter().cloned());
    let (path, folders) = (&args.config, &args.folders);
    let parts = match config::kind(path)? {
        StageKind::Finetune => {
            let mut config: config::Finetune = config::load(path, &settings)?;
            folders.locate(&mut config.sources())?;
            packing::finetune(&config)?
        }
        StageKind::Multitask => {
            let mut config: config::Multitask = config::load(path, &settings)?;
            folders.locate(&mut config.sources())?;
            packing::multitask(&config)?
        }
        StageKind::Pretrain => {
            let mut config: config::Pretrain = config::load(path, &settings)?;
            folders.locate_some(&mut config.source, &Console::new(false))?;
            packing::pretrain(&config)?
        }
    };
    let packed = data::pack(&args.output, &parts, |done, of| progress("packing", done, of))?;
    for data::BadFilm { path, why } in &packed.bad {
        eprintln!("{}", crate::print::line(&format!("{}: {why}", path.display())));
    }
    eprintln!(
        "{} films in {}, {} MiB, of which {} cannot be read",
        packed.films,
        args.output.display(),
        packed.bytes >> 20,
        packed.bad.len()
    );
    Ok(())
}
