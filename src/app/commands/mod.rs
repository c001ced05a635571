//! The command-line interface: its subcommands, and how an error ends the program.

mod data;
pub mod device;
pub mod external;
pub mod inference;
pub mod networks;
mod options;
mod runs;
mod shell;
mod signals;
mod stages;
mod trained;
mod watch;

use crate::{Error, Place, Result, print};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use device::{bench, doctor, tune};
use external::{run_model, run_op, run_steps};
use inference::{evaluate, explain, predict, score};
use networks::{bundle, convert, export, inspect};
use runs::report;
use stages::{demo, init, reproduce};
use std::{path::Path, process::ExitCode};

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

/// Parses the command line, runs it, prints the error if there is one.
pub fn main() -> ExitCode {
    signals::survive();
    let matches = Cli::command().get_matches();
    let Cli { command } = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    let outcome = run(command).and_then(|()| print::refusal().map_or(Ok(()), Err));
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("mtpret: {}", print::line(&error.to_string()));
    if let Some(line) = hint(&error, matches.subcommand_name().unwrap_or_default()) {
        eprintln!("{line}");
    }
    ExitCode::from(exit_code(&error))
}

fn run(command: Command) -> Result<()> {
    match command {
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
    }
}

/// The flag that helps after an error, if the subcommand has it. Errors themselves speak of settings: only the program has
/// flags.
fn hint(error: &Error, subcommand: &str) -> Option<String> {
    let cli = Cli::command();
    let subcommand = cli.find_subcommand(subcommand)?;
    let has =
        |flag: &str| subcommand.get_arguments().any(|argument| argument.get_long() == Some(flag));
    let memory = "--memory MIB says what a training step may take";
    Some(match error {
        Error::Interrupted(folder) if has("resume") => {
            format!("go on with --resume {}", folder.display())
        }
        Error::Changed(_) if has("accept-changes") => {
            "--accept-changes, beside --resume, goes on with it as it is now".into()
        }
        Error::Memory(_) if has("resume") => {
            format!("{memory}, --set data.batch=N how many films it learns from")
        }
        Error::Memory(_) if has("batch") => format!("{memory}, --batch N of how many films it is"),
        Error::Lost(_) if has("reopen") => {
            "go on with --resume RUN, and with --reopen N the adapter is opened again by itself"
                .into()
        }
        // Of a known set that lies nowhere.
        Error::Data(fault)
            if has("data")
                && fault.place.file.is_none()
                && fault.expected.starts_with("its folder ") =>
        {
            "--data DIR names a folder that holds data sets side by side".into()
        }
        Error::Adapter(_) if has("adapter") => {
            "--adapter N|NAME takes another of those that `mtpret doctor` lists and tests".into()
        }
        _ => return None,
    })
}

/// The exit code of the program when it ends with this error.
fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Request(_) => 2,
        Error::Interrupted(_) => 130,
        _ => 1,
    }
}

/// The fault of what was asked for, as a malformed request.
fn posed(error: Error) -> Error {
    match error {
        Error::Config(fault) | Error::Data(fault) | Error::Weights(fault) => Error::Request(fault),
        Error::Shape { op, expected, found } => {
            Error::request(op, expected, found, "pose tensors that fit")
        }
        other => other,
    }
}

/// A file that was asked for and cannot be read, as a malformed request.
fn unread(error: Error) -> Error {
    match error {
        Error::Io { path, source, mend } => {
            Error::request(&path, "a file that can be read", source.to_string(), mend)
        }
        other => other,
    }
}

/// A file that is no configuration, with the line.
fn not_a_configuration(file: &Path, text: &str, fault: &toml::de::Error, mend: &str) -> Error {
    let before = fault.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(before).filter(|byte| *byte == b'\n').count() as u64;
    let found = fault.message().trim().replace('\n', " ");
    Error::config(Place::from(file).line(line), "a configuration in TOML", found, mend)
}
