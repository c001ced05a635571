//! `mtpret bench`: how fast kernels, a training step and the way from disk are, as shares of what the adapter can do.

mod all;
mod compare;
mod kernels;
mod loader;
mod made_films;
mod page;
mod step;

use crate::{
    Error, Result,
    commands::options::DeviceArgs,
    report::{
        counted,
        table::{Cell, Column, Table},
    },
};
use compare::compare;
use kernels::kernels;
use loader::loader;
use mtpret_engine::gpu::{Timing, copy_gbps, fma_gflops};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use step::step;

/// Measure kernels on the shapes of a network, a whole training step, how fast films are loaded, or all that tells of a GPU; or
/// compare two results.
///
/// Shares are of what `mtpret doctor` measures: multiply-adds without memory traffic, and a copy.
///
/// Example: mtpret bench step --model resnet18 --batch 8 --size 64 --profile
///
/// Example: mtpret bench all my-gpu --minutes 10
///
/// Example: mtpret bench loader                # films a second with one thread and more, and how many cores a device needs
///
/// Example: mtpret bench step --json > a.json, the same elsewhere > b.json, then mtpret bench compare a.json b.json
#[derive(clap::Args)]
pub struct Args {
    /// What is measured.
    #[arg(value_enum, default_value = "step")]
    what: What,
    /// compare: two files that `--json` wrote. loader: a folder of films [default: JPEG, PNG and DICOM made for it]. all: the folder
    /// that results.json and page.html go into, written anew after each step [default: bench].
    #[arg(value_name = "FILE|FOLDER", num_args = 1..=2)]
    files: Vec<PathBuf>,
    /// kernel: the variant of the ops that have several; `all` measures each [default: the adapter's].
    #[arg(long)]
    pub(super) variant: Option<String>,
    /// kernel: only ops whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub(super) only: Option<String>,
    /// resnet18, moco_resnet18, deeplabv3_resnet18, fasterrcnn_resnet18_fpn, or the same with resnet50 [default: for a step
    /// resnet18; for kernels products of matrices, and a ResNet-18's ops at 8 × 64 × 64].
    #[arg(long)]
    pub(super) model: Option<String>,
    /// Films of a batch.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(super) batch: u16,
    /// Side of a film in pixels, or width x height.
    #[arg(long, default_value = "64", value_parser = crate::commands::options::size)]
    pub(super) size: [usize; 2],
    /// Runs of a kernel, or steps, that the median is taken of.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(5..))]
    pub(super) steps: u16,
    /// step: also the time of each kernel, launched alone.
    #[arg(long)]
    profile: bool,
    /// step: also the time of each distinct convolution and linear layer, forward and gradients, and their means.
    #[arg(long)]
    layers: bool,
    /// step: also write the launches, one after another, as a trace that ui.perfetto.dev and chrome://tracing show.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// all: begin nothing more after so many minutes; what is worth most is measured first.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(super) minutes: u32,
    /// all: a Python that has torch and torchvision: the same steps on its device, between two runs of ours.
    #[arg(long, value_name = "PYTHON")]
    pub(super) torch: Option<PathBuf>,
    /// all: films of 32 pixels, four a batch, and nothing tuned: whether everything runs, not how fast.
    #[arg(long)]
    pub(super) tiny: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Single ops.
    Kernel,
    /// Random view, forward, loss, backward, SGD with momentum.
    Step,
    /// Steps of every network in f32 and f16, tuned, and a ResNet-50's kernels: a page about an adapter.
    All,
    /// Films from disk to batches, without a device.
    Loader,
    /// How many times faster the second of two results is.
    Compare,
}

/// Runs the command.
///
/// # Errors
/// No adapter, or a request beyond its limits.
pub fn run(args: &Args) -> Result<()> {
    match (args.what, &args.files[..]) {
        (What::Compare, [a, b]) => shown(args, compare(a, b)?),
        (What::Loader, [] | [_]) => shown(args, loader(args.files.first().map(PathBuf::as_path))?),
        (What::All, []) => all::run(args, Path::new("bench")),
        (What::All, [folder]) => all::run(args, folder),
        (What::Kernel | What::Step, []) => on_device(args),
        _ => {
            let expected = "two files after `compare`, a folder or nothing after `loader` and `all`, nothing after `kernel` or `step`";
            let found = counted(args.files.len(), "file");
            Err(Error::request("FILE", expected, found, "name what is to be read or written"))
        }
    }
}

/// As text or as JSON.
fn shown(args: &Args, (text, json): (String, Value)) -> Result<()> {
    match args.json {
        true => println!("{json}"),
        false => print!("{text}"),
    }
    Ok(())
}

fn on_device(args: &Args) -> Result<()> {
    let gpu = args.device.open()?;
    let ceiling = Ceiling { gflops: fma_gflops(&gpu)?, gbps: copy_gbps(&gpu)? };
    let info = gpu.info();
    let (text, key, body) = match args.what {
        What::Kernel => {
            kernels(&gpu, args, &ceiling).map(|(text, json)| (text, "kernels", json))?
        }
        _ => step(&gpu, args, &ceiling).map(|(text, json)| (text, "step", json))?,
    };
    let Ceiling { gflops, gbps } = ceiling;
    let driver = format!("{} {}", info.driver, info.driver_info);
    let json = json!({
        "adapter": info.name, "driver": driver, "fma_gflops": gflops, "copy_gbps": gbps, key: body,
    });
    let name = &info.name;
    let text = format!("{name}: {gflops:.1} GFLOP/s multiply-adds, {gbps:.1} GB/s copy\n\n{text}");
    shown(args, (text, json))
}

/// What the adapter can do at most.
pub(super) struct Ceiling {
    pub gflops: f64,
    pub gbps: f64,
}

pub(super) fn columns(texts: &[&str], numbers: &[&str]) -> Table {
    let texts = texts.iter().map(|title| Column::text(*title));
    Table::new(texts.chain(numbers.iter().map(|title| Column::numbers(*title, None))).collect())
}

pub(super) fn figures(t: &Timing, ceiling: &Ceiling) -> [Cell; 6] {
    let (gflops, gbps) = (t.gflops(), t.gbps());
    let computes = t.flops > 0;
    [
        Cell::number(Some(t.median() * 1e3), 3),
        Cell::number(Some(t.spread() * 100.0), 0),
        Cell::number(computes.then_some(gflops), 2),
        Cell::number(computes.then_some(gflops / ceiling.gflops * 100.0), 1),
        Cell::number(Some(gbps), 2),
        Cell::number(Some(gbps / ceiling.gbps * 100.0), 0),
    ]
}
