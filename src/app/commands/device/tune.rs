//! `mtpret tune`: which kernel is the fastest at each shape of a training step, on this adapter.

use crate::{
    Result,
    commands::options::DeviceArgs,
    report::table::{Cell, Column, Table},
};
use mtpret_engine::autotune::cache;
use mtpret_pipeline::train::estimate::synthetic::SyntheticStep;
use serde_json::json;
use std::path::PathBuf;

/// Measure which kernel is the fastest at each shape of a training step, and keep it for later runs.
///
/// Each shape's kernels compute the same random numbers; one whose result differs is left out and named. What was found
/// belongs to this adapter, driver and version of the kernels. `--tune` does the same before the first step of a run, for
/// the run's own shapes.
///
/// Example: mtpret tune --model resnet50 --batch 16 --size 224 --export tuning.json
#[derive(clap::Args)]
pub struct Args {
    /// resnet18, moco_resnet18, deeplabv3_resnet18, fasterrcnn_resnet18_fpn, or the same with resnet50; may be given
    /// several times.
    #[arg(long, default_value = "resnet18")]
    model: Vec<String>,
    /// Films of a batch.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Side of a film in pixels, or width x height.
    #[arg(long, default_value = "64", value_parser = crate::commands::options::size)]
    size: [usize; 2],
    /// Forget what was measured on this adapter before, and measure again.
    #[arg(long)]
    again: bool,
    /// Also write all that was measured on this adapter to a file, for others with the same.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Take what another measured on the same adapter and driver, and measure nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "again")]
    import: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
///
/// # Errors
/// No such network, a request beyond the adapter's limits, or a file that cannot be read or written.
pub fn run(args: &Args) -> Result<()> {
    if args.again {
        let gpu = args.device.open()?;
        if let Some(path) = cache::file(&gpu).filter(|path| path.exists()) {
            let mend = "remove it by hand";
            std::fs::remove_file(&path).map_err(|e| crate::Error::io(&path, e, mend))?;
        }
    }
    let device = DeviceArgs { tune: args.import.is_none(), ..args.device.clone() };
    let gpu = device.open()?;
    match &args.import {
        Some(path) => {
            let count = cache::import(&gpu, path)?;
            eprintln!("took {count} shapes from {}", path.display());
        }
        None => {
            for model in &args.model {
                SyntheticStep::new(&gpu, model, usize::from(args.batch), args.size)?;
            }
        }
    }
    let tuning = cache::measured(&gpu)?;
    if let Some(path) = &args.export {
        cache::write(&tuning, path)?;
    }
    if args.json {
        let file = cache::file(&gpu);
        let file = file.as_ref();
        println!(
            "{}",
            json!({ "file": file.map(|file| file.to_string_lossy()), "tuning": tuning })
        );
        return Ok(());
    }
    let mut table = Table::new(vec![
        Column::text("shape"),
        Column::text("fastest"),
        Column::numbers("ms", None),
        Column::text("the others, times as long"),
    ]);
    for (name, tuned) in &tuning.problems {
        let best = tuned.ms.get(&tuned.kernel).copied();
        let others: Vec<String> = tuned
            .ms
            .iter()
            .filter(|(kernel, _)| **kernel != tuned.kernel)
            .map(|(kernel, ms)| format!("{kernel} {:.2}", ms / best.unwrap_or(*ms)))
            .chain(tuned.wrong.iter().map(|kernel| format!("{kernel} WRONG")))
            .collect();
        table.push(vec![
            Cell::text(name.as_str()),
            Cell::text(tuned.kernel.as_str()),
            Cell::number(best, 3),
            Cell::text(others.join(", ")),
        ]);
    }
    print!("{}\n{} shapes measured on {}", table.to_text(), tuning.problems.len(), tuning.adapter);
    match cache::file(&gpu) {
        Some(path) => println!(", kept in {}", path.display()),
        None => println!(", kept nowhere: MTPRET_CACHE is empty"),
    }
    Ok(())
}
