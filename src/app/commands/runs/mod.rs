//! `mtpret runs`: what lies in run folders, and how runs differ.

mod compare;
pub(in crate::commands) mod found;
pub mod report;

use crate::{
    Error, Result,
    report::table::{Cell, Column, Table},
};
use found::RunFolder;
use std::path::{Path, PathBuf};

/// List runs, or compare some of them.
///
/// Example: mtpret runs list
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(clap::Subcommand)]
enum RunsCommand {
    List(List),
    Compare(compare::Args),
}

/// List the runs below a folder: what each is, how far it came, its main figure and what it ran on; the newest last.
///
/// Example: mtpret runs list
#[derive(clap::Args)]
struct List {
    /// Where to look, at any depth.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Print JSON, one object a run.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A folder that is not there, or runs that cannot be compared.
pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        RunsCommand::List(args) => list(args),
        RunsCommand::Compare(args) => compare::run(args),
    }
}

fn list(args: &List) -> Result<()> {
    let mut folders = Vec::new();
    below(&args.folder, &mut folders)
        .map_err(|e| Error::io(&args.folder, e, "name a folder of runs"))?;
    let mut runs: Vec<RunFolder> = folders.iter().map(|folder| RunFolder::read(folder)).collect();
    runs.sort_by_key(|run| run.started);
    if args.json {
        runs.iter().for_each(|run| println!("{}", run.json()));
        return Ok(());
    }
    if runs.is_empty() {
        let mend = "name the folder that --run was given, or one above it";
        return Err(Error::data(&args.folder, "the folders of runs in it", "none", mend));
    }
    let titles = ["run", "stage", "task", "started (UTC)"].map(Column::text);
    let last = ["state", "figure", "adapter"].map(Column::text);
    let columns = titles.into_iter().chain([Column::numbers("steps", None)]).chain(last);
    let mut table = Table::new(columns.collect());
    for run in &runs {
        let name = run.folder.strip_prefix(&args.folder).unwrap_or(&run.folder);
        let name = if name.as_os_str().is_empty() { &run.folder } else { name };
        let texts = [name.display().to_string(), run.stage().into(), run.task(), run.began()];
        let figure = run.figure.as_ref().map_or(Cell::text(""), |f| f.cell());
        let last = [Cell::text(run.state.describe()), figure, Cell::text(run.adapter())];
        let first = texts.map(Cell::text).into_iter().chain([Cell::text(run.steps())]);
        table.push(first.chain(last).collect());
    }
    print!("{}", table.to_text());
    Ok(())
}

/// The folders of runs at or below `folder`, but not those that belong to an experiment.
fn below(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut inner: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<_>>()?;
    inner.sort();
    if found::MARKS.iter().any(|mark| folder.join(mark).is_file()) {
        found.push(folder.into());
    }
    if folder.join(found::CELLS).is_dir() {
        return Ok(());
    }
    for folder in inner.iter().filter(|path| path.is_dir() && !path.is_symlink()) {
        // What may not be read below is no run that anyone could be shown.
        let _ = below(folder, found);
    }
    Ok(())
}
