//! The command-line interface: its subcommands, and how an error ends the program.

mod data;
mod device;
mod external;
mod faults;
mod inference;
mod networks;
mod options;
mod runs;
mod shell;
mod signals;
mod stages;
mod trained;
mod watch;

use crate::{Result, print};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use device::{bench, doctor, tune};
use external::{run_model, run_op, run_steps};
use inference::{evaluate, explain, predict, score};
use networks::{bundle, convert, export, inspect};
use runs::report;
use stages::{demo, init, reproduce};
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
    let cli = Cli::command();
    let subcommand = matches.subcommand_name().and_then(|name| cli.find_subcommand(name));
    if let Some(line) = subcommand.and_then(|subcommand| faults::hint(&error, subcommand)) {
        eprintln!("{line}");
    }
    ExitCode::from(faults::exit_code(&error))
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
