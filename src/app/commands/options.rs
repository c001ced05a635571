//! Arguments that several commands share.

use super::Device;
use crate::{Error, Result};
use mtpret_pipeline::{
    data::{Roots, Source},
    train::run::Watch,
};
use std::path::PathBuf;

/// What is put over a configuration, and how a run is done and shown.
#[derive(clap::Args)]
pub struct Settings {
    /// One setting, for example --set optim.lr=0.01. The environment variable MTPRET_SET may hold others, apart by
    /// blanks: they come first, and are shown.
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
    pub json: bool,
    /// The adapter.
    #[command(flatten)]
    pub device: Device,
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
            let problem = "expected a [[source]] with `known` to look for there, found none";
            let remedy = "name the data set by known = \"pneumonia\" in place of format and root";
            return Err(Error::config("--data", problem, remedy));
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
