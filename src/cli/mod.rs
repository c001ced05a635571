//! Words become a run: the command line.

mod run_op;

use crate::{
    Result,
    gpu::{Choice, Gpu},
};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

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
    RunOp(run_op::Args),
}

/// Which adapter to run on.
#[derive(clap::Args, Clone, Debug)]
pub struct Device {
    /// The adapter's number or a part of its name, as `mtpret doctor` lists them
    /// [default: the most powerful].
    #[arg(long, value_name = "N|NAME")]
    adapter: Option<String>,
}

impl Device {
    /// Opens the adapter.
    ///
    /// # Errors
    /// There is none, or none of that name.
    pub fn open(&self) -> Result<Gpu> {
        let checked = std::env::var_os("MTPRET_CHECKED").is_some_and(|v| v == "1");
        Gpu::open(Choice { adapter: self.adapter.clone(), checked, poison: false })
    }
}

/// Parses the command line, runs it, prints the error if there is one.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::RunOp(args) => run_op::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("mtpret: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
