//! `mtpret bench all`: what one measures when a GPU is at hand for ten minutes. What tells most comes first, and everything is
//! written after each step, so that a cut loses the least.

use super::{
    Args, Ceiling,
    page::page,
    step::{launches, layers, profile, timed},
};
use crate::{Error, Result, commands::watch};
use mtpret_engine::{
    autotune::matrices,
    file,
    gpu::{copy_gbps, fma_gflops},
};
use mtpret_pipeline::train::{Device, estimate::synthetic::SyntheticStep};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// A training step to measure: network, films of a batch, width and height, features in f16.
type Workload = (&'static str, usize, [usize; 2], bool);

const SQUARE: [usize; 2] = [224, 224];
const PAPER: [usize; 2] = [800, 500];

/// The steps, those that tell most first.
const STEPS: [Workload; 18] = [
    ("resnet50", 64, SQUARE, false),
    ("resnet50", 64, SQUARE, true),
    ("fasterrcnn_resnet50_fpn", 8, PAPER, false),
    ("deeplabv3_resnet50", 16, SQUARE, false),
    ("moco_resnet50", 32, PAPER, false),
    ("moco_resnet50", 32, PAPER, true),
    ("resnet18", 64, SQUARE, false),
    ("resnet18", 64, SQUARE, true),
    ("fasterrcnn_resnet50_fpn", 8, PAPER, true),
    ("deeplabv3_resnet50", 16, SQUARE, true),
    ("resnet50", 16, PAPER, false),
    ("resnet50", 16, PAPER, true),
    ("moco_resnet18", 64, SQUARE, false),
    ("moco_resnet18", 64, SQUARE, true),
    ("deeplabv3_resnet18", 8, PAPER, false),
    ("fasterrcnn_resnet18_fpn", 8, SQUARE, false),
    ("resnet18", 16, PAPER, false),
    ("moco_resnet18", 16, PAPER, true),
];
/// Of these torchvision has the same network.
const OF_TORCHVISION: [&str; 4] =
    ["resnet18", "resnet50", "deeplabv3_resnet50", "fasterrcnn_resnet50_fpn"];
/// Steps that a median is taken of.
const RUNS: u16 = 7;

/// A step as it was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StepFigures {
    pub model: &'static str,
    pub batch: usize,
    pub size: [usize; 2],
    pub precision: &'static str,
    /// Why there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    pub ms: f64,
    pub images_per_second: f64,
    pub gflops: f64,
    pub share_of_fma: f64,
    pub launches: usize,
    pub micro_batches: usize,
    /// Images a second of PyTorch, by what it computes in.
    pub torch: BTreeMap<String, f64>,
}

/// All that was measured.
#[derive(Serialize)]
pub(super) struct AdapterFigures {
    pub program: String,
    pub adapter: String,
    pub driver: String,
    pub software: bool,
    pub fma_gflops: f64,
    pub copy_gbps: f64,
    /// What PyTorch ran on, if it did.
    pub torch: Option<String>,
    pub steps: Vec<StepFigures>,
    /// Steps for which there was no time.
    pub left_out: Vec<String>,
    pub kernels: Value,
    pub layers: Value,
}

/// Measures, and writes `results.json` and `page.html`.
///
/// # Errors
/// No adapter, one that computes wrongly, or a folder that cannot be written.
pub(super) fn run(args: &Args, out: &Path) -> Result<()> {
    let begun = Instant::now();
    fs::create_dir_all(out).map_err(|e| Error::io(out, e, "name another folder"))?;
    let device = args.device.open()?;
    // Some of the steps are in f16, whatever was asked for.
    matrices::prove(&device, true)?;
    let info = device.info().clone();
    let ceiling = Ceiling { gflops: fma_gflops(&device)?, gbps: copy_gbps(&device)? };
    let mut results = AdapterFigures {
        program: env!("CARGO_PKG_VERSION").into(),
        adapter: info.name,
        driver: format!("{} {}", info.driver, info.driver_info),
        software: device.caps().software,
        fma_gflops: ceiling.gflops,
        copy_gbps: ceiling.gbps,
        torch: None,
        steps: Vec::new(),
        left_out: Vec::new(),
        kernels: json!([]),
        layers: json!([]),
    };
    let mut tables = Vec::new();
    let most = Duration::from_secs(60 * u64::from(args.minutes));
    for (at, step) in STEPS.iter().enumerate() {
        let (model, batch, size, half) = match args.tiny {
            true => (step.0, 4, [32, 32], step.3),
            false => *step,
        };
        let name = format!("{model}, {batch} × {} × {}, {}", size[0], size[1], precision(half));
        if begun.elapsed() > most {
            results.left_out.push(name);
            continue;
        }
        watch::progress("measuring", at, STEPS.len());
        let mut of = device.clone();
        of.step.half = half;
        of.step.tune = (!args.tiny).then_some(|line| eprintln!("{line}"));
        let mut measured = match measure(&of, model, batch, size, &ceiling) {
            Ok((measured, work)) => {
                // The kernels of the first step: a ResNet-50's.
                if tables.is_empty() {
                    let alone = launches(&work, 5)?;
                    let (by_kernel, rows) = profile(&alone, &ceiling);
                    let (by_layer, means, of_layers) = layers(&alone, &ceiling);
                    (results.kernels, results.layers) = (rows, of_layers);
                    tables = vec![(name.clone(), by_kernel), (means, by_layer)];
                }
                measured
            }
            // A network that is too large for an adapter, or a kernel that its driver refuses, is a finding.
            Err(why) => {
                StepFigures { refused: Some(why.to_string()), ..nothing(&of, model, batch, size) }
            }
        };
        if let Some(python) =
            args.torch.as_deref().filter(|_| !half && OF_TORCHVISION.contains(&model))
        {
            match torch(python, model, batch, size) {
                Ok((device, speeds)) => {
                    (results.torch, measured.torch) = (Some(device), speeds);
                    // Ours once more, so that what else ran counts for both.
                    if let Ok((again, _)) = measure(&of, model, batch, size, &ceiling)
                        && again.ms < measured.ms
                    {
                        measured = StepFigures { torch: measured.torch, ..again };
                    }
                }
                Err(why) => eprintln!("{name}: PyTorch: {why}"),
            }
        }
        results.steps.push(measured);
        write(out, &results, &tables)?;
    }
    watch::progress("measuring", STEPS.len(), STEPS.len());
    write(out, &results, &tables)?;
    println!("{}", out.join("page.html").display());
    Ok(())
}

type Tables = [(String, crate::report::table::Table)];

fn write(out: &Path, results: &AdapterFigures, tables: &Tables) -> Result<()> {
    let json = serde_json::to_string_pretty(results).expect("plain data");
    file::replace(&out.join("results.json"), |file| file.write_all(json.as_bytes()))?;
    let html = page(results, tables).to_html();
    file::replace(&out.join("page.html"), |file| file.write_all(html.as_bytes()))
}

fn precision(half: bool) -> &'static str {
    if half { "f16" } else { "f32" }
}

fn nothing(device: &Device, model: &'static str, batch: usize, size: [usize; 2]) -> StepFigures {
    StepFigures {
        model,
        batch,
        size,
        precision: precision(device.step.half),
        refused: None,
        ms: 0.0,
        images_per_second: 0.0,
        gflops: 0.0,
        share_of_fma: 0.0,
        launches: 0,
        micro_batches: 0,
        torch: BTreeMap::new(),
    }
}

/// The median of a few steps.
fn measure(
    device: &Device,
    model: &'static str,
    batch: usize,
    size: [usize; 2],
    ceiling: &Ceiling,
) -> Result<(StepFigures, SyntheticStep)> {
    let mut work = SyntheticStep::new(device, model, batch, size)?;
    let (t, _) = timed(device, &mut work, RUNS)?;
    let measured = StepFigures {
        ms: 1e3 * t.median(),
        images_per_second: batch as f64 / t.median(),
        gflops: t.gflops(),
        share_of_fma: t.gflops() / ceiling.gflops,
        launches: t.launches,
        micro_batches: work.stepper.micro(),
        ..nothing(device, model, batch, size)
    };
    Ok((measured, work))
}

/// The script that times PyTorch, which this program carries.
const STEP: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/torch/step.py"));

/// What PyTorch ran on, and its images a second by what it computed in.
fn torch(
    python: &Path,
    model: &str,
    batch: usize,
    [width, height]: [usize; 2],
) -> std::result::Result<(String, BTreeMap<String, f64>), String> {
    let words = [model, &batch.to_string(), &format!("{width}x{height}"), &RUNS.to_string()];
    let output = Command::new(python).args(["-c", STEP]).args(words).output();
    let output = output.map_err(|e| format!("{}: {e}", python.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let said: Value = serde_json::from_str(last).map_err(|_| {
        let fault = String::from_utf8_lossy(&output.stderr);
        fault.lines().last().unwrap_or("it said nothing").to_owned()
    })?;
    let speeds = serde_json::from_value(said["img_per_s"].clone()).map_err(|e| e.to_string())?;
    Ok((format!("{}, {}", said["peer"], said["device"]).replace('"', ""), speeds))
}
