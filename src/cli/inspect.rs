//! `mtpret inspect`: what a file of weights holds, and what a training step does.

use super::{Device, run_model, work::Work};
use crate::{
    Result,
    gpu::Command,
    models::{Classifier, Depth, ResNet},
    report::table::{Cell, Column, Table},
    tensor::Scope,
    train::{
        checkpoint::{self, Metadata, Tensors},
        weights,
    },
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Show what a file of weights, a checkpoint or a run folder holds, or what a training step does.
///
/// Example: mtpret inspect weights.safetensors --against resnet18
///
/// Example: mtpret inspect --recording --model moco_resnet18 --batch 16
#[derive(clap::Args)]
pub struct Args {
    /// .safetensors, .pth or a run folder.
    #[arg(required_unless_present = "recording", conflicts_with = "recording")]
    path: Option<PathBuf>,
    /// Compare names and shapes with torchvision's resnet18 or resnet50.
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
    #[arg(long, default_value = "64", value_parser = super::work::size)]
    size: [usize; 2],
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: Device,
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read, or a step beyond the adapter's limits.
pub fn run(args: &Args) -> Result<()> {
    let (text, json) = match &args.path {
        Some(path) => contents(path, args.against.as_deref())?,
        None => recording(args)?,
    };
    if args.json {
        println!("{json}")
    } else {
        print!("{text}")
    }
    Ok(())
}

/// What a file holds.
fn contents(path: &Path, against: Option<&str>) -> Result<(String, Value)> {
    let depth = against.map(run_model::depth).transpose()?;
    let (file, tensors, metadata) = read(path)?;
    let mut table = Table::new(vec![
        Column::words("tensor"),
        Column::words("type"),
        Column::words("shape"),
        Column::numbers("numbers", None),
    ]);
    let (mut rows, mut numbers, mut bytes) = (Vec::new(), 0, 0);
    for (name, tensor) in &tensors {
        let count: usize = tensor.shape.iter().product();
        let (kind, each) = match tensor.data {
            checkpoint::Data::F32(_) => ("f32", 4),
            checkpoint::Data::I64(_) => ("i64", 8),
            checkpoint::Data::U8(_) => ("u8", 1),
        };
        numbers += count;
        bytes += count * each;
        let cells = [name.as_str(), kind, &format!("{:?}", tensor.shape)].map(Cell::words);
        let count_cell = Cell::number(Some(count as f64), 0);
        table.push(cells.into_iter().chain([count_cell]).collect());
        rows.push(json!({
            "name": name, "type": kind, "shape": tensor.shape, "numbers": count,
        }));
    }
    let mut text = format!("{}\n\n{}\n", file.display(), table.to_text());
    text += &format!(
        "{} tensors, {numbers} numbers, {:.2} MiB\n",
        tensors.len(),
        bytes as f64 / f64::from(1 << 20)
    );
    for (key, value) in &metadata {
        text += &format!("{key} = {value}\n");
    }
    let mut out = json!({
        "file": file, "tensors": rows, "numbers": numbers, "bytes": bytes, "metadata": metadata,
    });
    if let (Some(model), Some(depth)) = (against, depth) {
        let (lines, difference) = differ(model, depth, weights::load(path)?);
        text += &lines;
        out["against"] = difference;
    }
    Ok((text, out))
}

/// The file that a path means, its tensors as they are named there, and its metadata.
fn read(path: &Path) -> Result<(PathBuf, Tensors, Metadata)> {
    let mut file = path.to_owned();
    if path.is_dir() {
        let finished = path.join(weights::FILE);
        file = if finished.exists() { finished } else { path.join(checkpoint::FILE) };
    }
    let pickled = file.extension().is_some_and(|e| e != "safetensors");
    let (tensors, metadata) = match pickled {
        true => (weights::load(&file)?, Metadata::new()),
        false => checkpoint::read(&file, None)?,
    };
    Ok((file, tensors, metadata))
}

/// Names and shapes of a file that torchvision's network lacks, and the other way round.
fn differ(model: &str, depth: Depth, found: Tensors) -> (String, Value) {
    let outputs = found.get("fc.weight").and_then(|t| t.shape.first()).copied().unwrap_or(1000);
    let root = Scope::root();
    ResNet::new(&root, depth);
    Classifier::new(root.head(0).at("fc"), depth.features(), outputs);
    let (parameters, statistics) = root.layouts();
    let wanted: BTreeMap<String, Vec<usize>> = parameters
        .entries()
        .chain(statistics.entries())
        .map(|e| (e.name.clone(), e.file_shape.clone()))
        .collect();
    let counter = |name: &str| name.ends_with("num_batches_tracked");
    let found: BTreeMap<&str, &Vec<usize>> =
        found.iter().filter(|(n, _)| !counter(n)).map(|(n, t)| (n.as_str(), &t.shape)).collect();
    let absent = |name: &&String| !found.contains_key(name.as_str());
    let missing: Vec<&String> = wanted.keys().filter(absent).collect();
    let unexpected: Vec<&str> =
        found.keys().filter(|n| !wanted.contains_key(**n)).copied().collect();
    let misshapen: Vec<(&String, &Vec<usize>, &Vec<usize>)> = wanted
        .iter()
        .filter_map(|(n, shape)| Some((n, shape, *found.get(n.as_str())?)))
        .filter(|(_, shape, found)| shape != found)
        .collect();
    let mut text = format!("\nagainst {model} with {outputs} outputs: ");
    let lines = missing
        .iter()
        .map(|n| format!("  missing     {n} {:?}\n", wanted[*n]))
        .chain(unexpected.iter().map(|n| format!("  unexpected  {n} {:?}\n", found[n])))
        .chain(misshapen.iter().map(|(n, w, f)| format!("  misshapen   {n}: {f:?}, not {w:?}\n")));
    let lines: Vec<String> = lines.collect();
    match lines.len() {
        0 => text += "the same names and shapes\n",
        n => text += &format!("{n} differences\n{}", lines.concat()),
    }
    let misshapen: Vec<Value> =
        misshapen.iter().map(|(n, w, f)| json!({ "name": n, "expected": w, "found": f })).collect();
    let out = json!({
        "model": model, "outputs": outputs, "missing": missing, "unexpected": unexpected,
        "misshapen": misshapen,
    });
    (text, out)
}

/// What a training step launches.
fn recording(args: &Args) -> Result<(String, Value)> {
    let gpu = args.device.open()?;
    let batch = usize::from(args.batch);
    let work = Work::new(&gpu, &args.model, batch, args.size)?;
    let stepper = &work.stepper;
    let mut table = Table::new(vec![
        Column::numbers("launch", None),
        Column::words("kernel"),
        Column::words("constants"),
        Column::words("shape"),
        Column::numbers("GFLOP", None),
        Column::numbers("MiB", None),
        Column::words("workgroups"),
    ]);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let commands = stepper.programs().iter().flat_map(|p| p.commands());
    for (number, command) in commands.enumerate() {
        let (name, constants, shape, flops, grid) = match command {
            Command::Launch(l) => {
                let set: Vec<_> = l.constants.iter().map(|(k, v)| format!("{k}={v}")).collect();
                (l.source.name, set.join(" "), l.cost.shape.as_str(), l.cost.flops, l.grid)
            }
            Command::Copy { .. } => ("copy", String::new(), "", 0, [0; 3]),
        };
        bytes += command.bytes();
        table.push(vec![
            Cell::number(Some(number as f64), 0),
            Cell::words(name),
            Cell::words(constants.as_str()),
            Cell::words(shape),
            Cell::number(Some(flops as f64 / 1e9), 4),
            Cell::number(Some(mib(command.bytes())), 2),
            Cell::words(grid.map(|g| g.to_string()).join(" × ")),
        ]);
        rows.push(json!({
            "launch": number, "kernel": name, "constants": constants, "shape": shape,
            "flops": flops, "bytes": command.bytes(), "workgroups": grid,
        }));
    }
    // Programs of one step share their arenas, so the largest counts.
    let plans = || stepper.programs().iter().map(|p| p.plan());
    let planned = plans().map(|p| p.bytes()).max().unwrap_or(0);
    let live = plans().map(|p| p.live_peak).max().unwrap_or(0);
    let (launches, flops, micro) = (rows.len(), work.flops(), stepper.micro());
    let again = stepper.again();
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
