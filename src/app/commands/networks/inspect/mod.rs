//! `mtpret inspect`: what a file of weights holds, and what a training step does.

mod contents;

use crate::{
    Result,
    commands::options::DeviceArgs,
    report::table::{Cell, Column, Table},
};
use mtpret_engine::gpu::Command;
use mtpret_pipeline::train::estimate::synthetic::SyntheticStep;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Show what a file of weights, a checkpoint or a run folder holds and which networks it fits, or what a training
/// step does.
///
/// Nothing that a .pth names is run, and no tensor is read: this is safe and quick with any file.
///
/// Example: mtpret inspect weights.safetensors --against resnet18
///
/// Example: mtpret inspect --recording --model moco_resnet18 --batch 16
#[derive(clap::Args)]
pub struct Args {
    /// .safetensors, .pth or a run folder.
    #[arg(required_unless_present = "recording", conflicts_with = "recording")]
    path: Option<PathBuf>,
    /// List what differs from torchvision's tensors of this network: resnet18, resnet50, deeplabv3_resnet18,
    /// deeplabv3_resnet50, fasterrcnn_resnet18_fpn or fasterrcnn_resnet50_fpn.
    #[arg(long, value_name = "MODEL", conflicts_with = "recording")]
    against: Option<String>,
    /// List the launches of a training step.
    #[arg(long)]
    recording: bool,
    /// recording: resnet18, moco_resnet18, deeplabv3_resnet18, fasterrcnn_resnet18_fpn, or the same with resnet50.
    #[arg(long, default_value = "resnet18")]
    model: String,
    /// recording: films of a batch.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=4096))]
    batch: u16,
    /// recording: side of a film in pixels, or width x height.
    #[arg(long, default_value = "64", value_parser = crate::commands::options::size)]
    size: [usize; 2],
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read, or a step beyond the adapter's limits.
pub fn run(args: &Args) -> Result<()> {
    let (text, json) = match &args.path {
        Some(path) => contents::read(path, args.against.as_deref())?,
        None => recording(args)?,
    };
    if args.json {
        println!("{json}")
    } else {
        print!("{text}")
    }
    Ok(())
}

/// What a training step launches.
fn recording(args: &Args) -> Result<(String, Value)> {
    let gpu = args.device.open()?;
    let batch = usize::from(args.batch);
    let work = SyntheticStep::new(&gpu, &args.model, batch, args.size)?;
    let stepper = &work.stepper;
    let mut table = Table::new(vec![
        Column::numbers("launch", None),
        Column::text("kernel"),
        Column::text("constants"),
        Column::text("shape"),
        Column::numbers("GFLOP", None),
        Column::numbers("MiB", None),
        Column::numbers("trips", None),
        Column::text("workgroups"),
    ]);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let commands = stepper.programs().iter().flat_map(|p| p.commands());
    for (number, command) in commands.enumerate() {
        let (name, constants, shape, [flops, trips], grid) = match command {
            Command::Launch(l) => {
                let set: Vec<_> = l.constants.iter().map(|(k, v)| format!("{k}={v}")).collect();
                (
                    l.source.name,
                    set.join(" "),
                    l.cost.shape.as_str(),
                    [l.cost.flops, l.cost.trips],
                    l.grid,
                )
            }
            Command::Copy { .. } => ("copy", String::new(), "", [0, 0], [0; 3]),
        };
        bytes += command.bytes();
        table.push(vec![
            Cell::number(Some(number as f64), 0),
            Cell::text(name),
            Cell::text(constants.as_str()),
            Cell::text(shape),
            Cell::number(Some(flops as f64 / 1e9), 4),
            Cell::number(Some(mib(command.bytes())), 2),
            Cell::number(Some(trips as f64), 0),
            Cell::text(grid.map(|g| g.to_string()).join(" × ")),
        ]);
        rows.push(json!({
            "launch": number, "kernel": name, "constants": constants, "shape": shape,
            "flops": flops, "bytes": command.bytes(), "trips": trips, "workgroups": grid,
        }));
    }
    // Programs of one step share their arenas, so the largest counts.
    let plans = || stepper.programs().iter().map(|p| p.plan());
    let planned = plans().map(|p| p.bytes()).max().unwrap_or(0);
    let live = plans().map(|p| p.live_peak).max().unwrap_or(0);
    let (launches, flops, micro) = (rows.len(), work.flops(), stepper.micro());
    let again = stepper.recomputed();
    let text = format!(
        "{}\n{launches} launches, {:.3} GFLOP, {:.1} MiB read and written; {micro} micro-batches, {again} cheap launches twice\n\
         planned peak {:.2} MiB, largest live set {:.2} MiB\n",
        table.to_text(),
        flops as f64 / 1e9,
        mib(bytes),
        mib(planned),
        mib(live)
    );
    let out = json!({
        "adapter": gpu.info().name, "model": args.model, "batch": batch, "size": args.size,
        "launches": rows, "flops": flops, "bytes": bytes, "micro_batches": micro, "launches_twice": again,
        "planned_peak": planned, "live_peak": live,
    });
    Ok((text, out))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
