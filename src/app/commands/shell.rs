//! `mtpret completions` and `mtpret man`: what shells and manuals know of the command line.

use crate::{Error, Result};
use clap::Command;
use std::{fs, path::PathBuf};

/// Print a script that completes commands, options and built-in values of mtpret in a shell.
///
/// Example: mtpret completions bash > ~/.local/share/bash-completion/completions/mtpret
#[derive(clap::Args)]
pub struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Write manual pages, one for mtpret and one for each command.
///
/// Example: mtpret man ~/.local/share/man/man1, then man mtpret-finetune
#[derive(clap::Args)]
pub struct Man {
    /// The folder of the pages, which is made if it is missing.
    folder: PathBuf,
}

/// Prints the script.
pub fn completions(args: &Completions, mut command: Command) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "mtpret", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
}

/// Writes the pages.
///
/// # Errors
/// The folder cannot be written.
pub fn man(args: &Man, command: Command) -> Result<()> {
    fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(command, &args.folder))
        .map_err(|e| Error::io(&args.folder, e, "name a folder that can be written"))
}
