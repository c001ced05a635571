//! `mtpret bench`: how fast kernels and a training step are, as shares of what the adapter can do.

use super::{bench_compare::compare, bench_loader::loader, kernels::kernels};
use crate::{
    Error, Result,
    commands::options::DeviceArgs,
    report::{
        counted,
        table::{Cell, Column, Table},
    },
};
use mtpret_engine::{
    file,
    gpu::{Command, Timing, copy_gbps, fma_gflops},
};
use mtpret_pipeline::train::{Device, estimate::synthetic::SyntheticStep};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Write, path::PathBuf, rc::Rc, time::Instant};

/// Measure kernels on the shapes of a network, a whole training step, or how fast films are loaded; or compare two results.
///
/// Shares are of what `mtpret doctor` measures: multiply-adds without memory traffic, and a copy.
///
/// Example: mtpret bench step --model resnet18 --batch 8 --size 64 --profile
///
/// Example: mtpret bench loader                # films a second with one thread and more, and how many cores a device needs
///
/// Example: mtpret bench step --json > a.json, the same elsewhere > b.json, then mtpret bench compare a.json b.json
#[derive(clap::Args)]
pub struct Args {
    /// What is measured.
    #[arg(value_enum, default_value = "step")]
    what: What,
    /// compare: two files that `--json` wrote. loader: a folder of films [default: JPEG, PNG and DICOM made for it].
    #[arg(value_name = "FILE|FOLDER", num_args = 1..=2)]
    files: Vec<PathBuf>,
    /// kernel: the variant of the ops that have several; `all` measures each [default: the adapter's].
    #[arg(long)]
    pub(in crate::commands) variant: Option<String>,
    /// kernel: only ops whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::commands) only: Option<String>,
    /// resnet18, moco_resnet18, deeplabv3_resnet18, fasterrcnn_resnet18_fpn, or the same with resnet50 [default: for a step
    /// resnet18; for kernels products of matrices, and a ResNet-18's ops at 8 × 64 × 64].
    #[arg(long)]
    pub(in crate::commands) model: Option<String>,
    /// Films of a batch.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(in crate::commands) batch: u16,
    /// Side of a film in pixels, or width x height.
    #[arg(long, default_value = "64", value_parser = crate::commands::options::size)]
    pub(in crate::commands) size: [usize; 2],
    /// Runs of a kernel, or steps, that the median is taken of.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(5..))]
    pub(in crate::commands) steps: u16,
    /// step: also the time of each kernel, launched alone.
    #[arg(long)]
    profile: bool,
    /// step: also the time of each distinct convolution and linear layer, forward and gradients, and their means.
    #[arg(long)]
    layers: bool,
    /// step: also write the launches, one after another, as a trace that ui.perfetto.dev and chrome://tracing show.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Single ops.
    Kernel,
    /// Random view, forward, loss, backward, SGD with momentum.
    Step,
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
        (What::Compare, [a, b]) => {
            let (text, json) = compare(a, b)?;
            match args.json {
                true => println!("{json}"),
                false => print!("{text}"),
            }
            return Ok(());
        }
        (What::Loader, [] | [_]) => {
            let (text, json) = loader(args.files.first().map(PathBuf::as_path))?;
            match args.json {
                true => println!("{json}"),
                false => print!("{text}"),
            }
            return Ok(());
        }
        (What::Compare | What::Loader, _) | (_, [_, ..]) => {
            let expected = "two files after `compare`, a folder or nothing after `loader`, nothing after `kernel` or `step`";
            let found = counted(args.files.len(), "file");
            return Err(Error::request("FILE", expected, found, "name what is to be read"));
        }
        _ => {}
    }
    let gpu = args.device.open()?;
    let ceiling = Ceiling { gflops: fma_gflops(&gpu)?, gbps: copy_gbps(&gpu)? };
    let info = gpu.info();
    let (text, key, body) = match args.what {
        What::Kernel => {
            kernels(&gpu, args, &ceiling).map(|(text, json)| (text, "kernels", json))?
        }
        What::Step | What::Compare | What::Loader => {
            step(&gpu, args, &ceiling).map(|(text, json)| (text, "step", json))?
        }
    };
    let Ceiling { gflops, gbps } = ceiling;
    if args.json {
        let driver = format!("{} {}", info.driver, info.driver_info);
        let out = json!({
            "adapter": info.name, "driver": driver, "fma_gflops": gflops, "copy_gbps": gbps, key: body,
        });
        println!("{out}");
    } else {
        print!("{}: {gflops:.1} GFLOP/s multiply-adds, {gbps:.1} GB/s copy\n\n{text}", info.name);
    }
    Ok(())
}

/// What the adapter can do at most.
pub(in crate::commands) struct Ceiling {
    pub gflops: f64,
    pub gbps: f64,
}

pub(in crate::commands) fn columns(texts: &[&str], numbers: &[&str]) -> Table {
    let texts = texts.iter().map(|title| Column::text(*title));
    Table::new(texts.chain(numbers.iter().map(|title| Column::numbers(*title, None))).collect())
}

pub(in crate::commands) fn figures(t: &Timing, ceiling: &Ceiling) -> [Cell; 6] {
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

fn step(gpu: &Device, args: &Args, ceiling: &Ceiling) -> Result<(String, Value)> {
    let (batch, [width, height]) = (usize::from(args.batch), args.size);
    let model = args.model.as_deref().unwrap_or("resnet18");
    let begun = Instant::now();
    let mut work = SyntheticStep::new(gpu, model, batch, args.size)?;
    let (mut seconds, mut first) = (Vec::new(), 0.0);
    // The first two steps pay for what later ones find ready.
    for number in 0..u32::from(args.steps) + 2 {
        let start = Instant::now();
        work.run(number)?;
        gpu.wait()?;
        seconds.push(start.elapsed().as_secs_f64());
        if number == 0 {
            first = begun.elapsed().as_secs_f64();
        }
    }
    let replay = replay(&work);
    seconds.drain(..2);
    seconds.sort_by(f64::total_cmp);
    let flops = work.flops();
    let t = Timing { seconds, flops, bytes: 0, launches: work.launches() };
    let (median, share) = (t.median(), t.gflops() / ceiling.gflops);
    let images = batch as f64 / median;
    let mut text = format!(
        "{} training step, batch {batch}, {width} × {height}: {:.1} ms ± {:.0} %, {images:.2} img/s\n\
         {:.2} GFLOP in {} launches: {:.1} GFLOP/s, {:.1} % of the multiply-adds\n",
        model,
        median * 1e3,
        t.spread() * 100.0,
        flops as f64 / 1e9,
        t.launches,
        t.gflops(),
        share * 100.0
    );
    // A run pays for this once: drawing weights, planning, making and compiling pipelines.
    let start = (first - median).max(0.0);
    text += &format!(
        "first step done {first:.2} s after the adapter was opened, {start:.2} s later than a step takes; to encode a \
         launch takes {:.2} µs of the host\n",
        replay * 1e6
    );
    let mut out = json!({
        "model": model, "batch": batch, "size": args.size, "steps": args.steps,
        "ms": median * 1e3, "spread": t.spread(), "seconds": t.seconds, "images_per_second": images,
        "gflop": flops as f64 / 1e9, "launches": t.launches,
        "gflops": t.gflops(), "share_of_fma": share, "first_step_seconds": first, "start_seconds": start, "replay_seconds": replay,
    });
    let launches = match args.profile || args.layers || args.trace.is_some() {
        true => launches(&work, args.steps)?,
        false => vec![],
    };
    if let Some(path) = &args.trace {
        let trace = trace(&launches).to_string();
        file::replace(path, |file| file.write_all(trace.as_bytes()))?;
        text += &format!("\nTrace in {}\n", path.display());
    }
    if args.layers {
        let (table, rows) = layers(&launches, ceiling);
        text += &format!("\nEach distinct layer, its launches alone:\n\n{table}");
        out["layers"] = rows;
    }
    if args.profile {
        let (table, rows) = profile(&launches, ceiling);
        text += &format!("\nEach launch alone, with the cost of a submission:\n\n{table}");
        out["profile"] = rows;
    }
    Ok((text, out))
}

/// Seconds of the host that a launch takes to encode, the median of several programs' worth.
fn replay(work: &SyntheticStep) -> f64 {
    let program = &work.stepper.programs()[0];
    let mut seconds: Vec<f64> = (0..REPLAYS).map(|_| program.encoding().as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[REPLAYS / 2] / program.commands().len() as f64
}

/// Replays that the median is taken of.
const REPLAYS: usize = 21;

/// A command of a step, launched alone.
pub(in crate::commands) struct Alone {
    pub kernel: &'static str,
    pub op: Option<Rc<str>>,
    pub shape: String,
    pub timing: Timing,
}

/// Every command of a step, launched alone `runs` times, with the cost of a submission.
pub(in crate::commands) fn launches(work: &SyntheticStep, runs: u16) -> Result<Vec<Alone>> {
    let mut all = Vec::new();
    for program in work.stepper.programs() {
        let runs = (0..runs).map(|_| program.profile()).collect::<Result<Vec<_>>>()?;
        for (at, command) in program.commands().iter().enumerate() {
            let mut seconds: Vec<f64> = runs.iter().map(|run| run[at].as_secs_f64()).collect();
            seconds.sort_by(f64::total_cmp);
            let (kernel, op, shape, flops) = match command {
                Command::Launch(l) => {
                    (l.source.name, l.op.clone(), l.cost.shape.clone(), l.cost.flops)
                }
                Command::Copy { .. } => ("copy", None, String::new(), 0),
            };
            let timing = Timing { seconds, flops, bytes: command.bytes(), launches: 1 };
            all.push(Alone { kernel, op, shape, timing });
        }
    }
    Ok(all)
}

/// Adds what launches take to a sum of medians.
fn add(sum: &mut Timing, t: &Timing) {
    sum.seconds[0] += t.median();
    sum.flops += t.flops;
    sum.bytes += t.bytes;
    sum.launches += t.launches;
}

fn nothing() -> Timing {
    Timing { seconds: vec![0.0], flops: 0, bytes: 0, launches: 0 }
}

/// The launches one after another, an op above its launches, in the Trace Event Format of Chrome.
fn trace(launches: &[Alone]) -> Value {
    let event = |name: &str, thread: u32, from: f64, to: f64, args: Value| {
        json!({
            "name": name, "ph": "X", "pid": 1, "tid": thread, "ts": from * 1e6, "dur": (to - from) * 1e6,
            "args": args,
        })
    };
    let (mut events, mut now) = (Vec::new(), 0.0);
    let same = |a: &Alone, b: &Alone| a.op.is_some() && a.op == b.op;
    for part in launches.chunk_by(same) {
        let start = now;
        for l in part {
            let t = &l.timing;
            let args = json!({ "shape": l.shape, "gflops": t.gflops(), "gbps": t.gbps() });
            events.push(event(l.kernel, 2, now, now + t.median(), args));
            now += t.median();
        }
        let name = part[0].op.as_deref().unwrap_or(part[0].kernel);
        events.push(event(name, 1, start, now, json!({ "launches": part.len() })));
    }
    json!({ "displayTimeUnit": "ms", "traceEvents": events })
}

/// Time and share of the multiply-adds of each distinct layer, in the order of the step, and the means.
fn layers(launches: &[Alone], ceiling: &Ceiling) -> (String, Value) {
    let mut order: Vec<Rc<str>> = Vec::new();
    let mut ops: BTreeMap<Rc<str>, (Timing, usize)> = BTreeMap::new();
    for part in launches.chunk_by(|a, b| a.op.is_some() && a.op == b.op) {
        let Some(op) = &part[0].op else { continue };
        let (sum, times) = ops.entry(op.clone()).or_insert_with(|| {
            order.push(op.clone());
            (nothing(), 0)
        });
        part.iter().for_each(|l| add(sum, &l.timing));
        *times += 1;
    }
    let mut table = columns(&["layer"], &["times", "ms", "GFLOP/s", "% of peak"]);
    let (mut rows, mut logs) = (Vec::new(), BTreeMap::<String, Vec<f64>>::new());
    for op in &order {
        let (t, times) = &ops[op];
        let share = t.gflops() / ceiling.gflops;
        let ms = t.median() * 1e3 / *times as f64;
        let pass = op.split(':').next().unwrap_or_default().to_owned();
        logs.entry(pass).or_default().push(share.ln());
        table.push(vec![
            Cell::text(&**op),
            Cell::number(Some(*times as f64), 0),
            Cell::number(Some(ms), 3),
            Cell::number(Some(t.gflops()), 2),
            Cell::number(Some(share * 100.0), 1),
        ]);
        rows.push(json!({
            "layer": &**op, "times": times, "ms": ms, "gflops": t.gflops(), "share_of_fma": share,
        }));
    }
    let mut text = table.to_text();
    for (pass, logs) in &logs {
        let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        let least = logs.iter().copied().fold(f64::INFINITY, f64::min).exp();
        text += &format!(
            "{pass}: geometric mean {:.1} % of the multiply-adds, least {:.1} %\n",
            mean * 100.0,
            least * 100.0
        );
    }
    (text, rows.into())
}

/// Time, operations and bytes of each kernel of a step, the dearest first.
fn profile(launches: &[Alone], ceiling: &Ceiling) -> (String, Value) {
    let mut kernels: BTreeMap<&str, Timing> = BTreeMap::new();
    for l in launches {
        add(kernels.entry(l.kernel).or_insert_with(nothing), &l.timing);
    }
    let total: f64 = kernels.values().map(Timing::median).sum();
    let mut kernels: Vec<_> = kernels.into_iter().collect();
    kernels.sort_by(|a, b| b.1.median().total_cmp(&a.1.median()));
    let numbers = ["launches", "ms", "% of step", "GFLOP/s", "% of peak", "GB/s"];
    let mut table = columns(&["kernel"], &numbers);
    let mut rows = Vec::new();
    for (name, t) in &kernels {
        let [_, _, gflops, of_peak, gbps, _] = figures(t, ceiling);
        table.push(vec![
            Cell::text(*name),
            Cell::number(Some(t.launches as f64), 0),
            Cell::number(Some(t.median() * 1e3), 2),
            Cell::number(Some(t.median() / total * 100.0), 1),
            gflops,
            of_peak,
            gbps,
        ]);
        rows.push(json!({
            "kernel": name, "launches": t.launches, "ms": t.median() * 1e3,
            "share": t.median() / total, "gflops": t.gflops(), "gbps": t.gbps(),
        }));
    }
    (table.to_text(), rows.into())
}
