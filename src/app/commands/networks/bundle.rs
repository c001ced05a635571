//! `mtpret bundle`: a finished run as one file.

use crate::{Result, commands::options::beside};
use mtpret_engine::file;
use mtpret_pipeline::export::bundle;
use std::path::PathBuf;

/// Put a fine-tuned run into one file that `predict`, `evaluate`, `explain`, `export` and `inspect` take in its place.
///
/// It holds the weights, the labels, how films are prepared, the configuration, the figures, and digests of the films
/// that the run learned from and was tested on; no film, no patient, and no path of this machine. It is a safetensors
/// file, which other programs read too.
///
/// Example: mtpret bundle runs/pneumonia -o pneumonia.mtpret
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a finished fine-tuning run.
    run: PathBuf,
    /// The file [default: the run's name with `.mtpret` behind].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out the digests of the films, where these are gone.
    #[arg(long)]
    no_hashes: bool,
}

/// Runs the command.
///
/// # Errors
/// A run that is not finished, films that are gone, or a file that cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let to = args.output.clone().unwrap_or_else(|| beside(&args.run, bundle::ENDING));
    let made = bundle::write(&args.run, &file::target(&to), !args.no_hashes)?;
    let films = made.parts.map_or("no digests of films".into(), |parts| {
        let [train, val, test] = [parts.train, parts.val, parts.test].map(|part| part.films);
        format!("digests of {train} training, {val} validation and {test} test films")
    });
    let mib = made.bytes as f64 / f64::from(1 << 20);
    println!(
        "{}: {mib:.1} MiB, weights, labels, preparation, configuration, figures, {films}",
        to.display()
    );
    Ok(())
}
