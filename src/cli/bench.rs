//! `mtpret bench`: how fast kernels and a training step are, as shares of what the adapter can do.

use super::{Device, problems, work::Work};
use crate::{
    Error, Result,
    gpu::{Command, Gpu, Timing, copy_gbps, fma_gflops, time},
    report::table::{Cell, Column, Table},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Instant};

/// Measure kernels on a ResNet-18's shapes, or a whole training step.
///
/// Shares are of what `mtpret doctor` measures: multiply-adds without memory traffic, and a copy.
///
/// Example: mtpret bench step --model resnet18 --batch 8 --size 64 --profile
#[derive(clap::Args)]
pub struct Args {
    /// What is measured.
    #[arg(value_enum, default_value = "step")]
    what: What,
    /// kernel: the variant of the ops that have several; `all` measures each [default: the adapter's].
    #[arg(long)]
    variant: Option<String>,
    /// kernel: only ops whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// step: resnet18, moco_resnet18, deeplabv3_resnet18, fasterrcnn_resnet18_fpn, or the same with resnet50.
    #[arg(long, default_value = "resnet18")]
    model: String,
    /// step: films of a batch.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// step: side of a film in pixels.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(32..=8192))]
    size: u16,
    /// Runs of a kernel, or steps, that the median is taken of.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(5..))]
    steps: u16,
    /// step: also the time of each kernel, launched alone.
    #[arg(long)]
    profile: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: Device,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Single ops.
    Kernel,
    /// Random view, forward, loss, backward, SGD with momentum.
    Step,
}

/// Runs the command.
///
/// # Errors
/// No adapter, or a request beyond its limits.
pub fn run(args: &Args) -> Result<()> {
    let gpu = args.device.open()?;
    let ceiling = Ceiling { gflops: fma_gflops(&gpu)?, gbps: copy_gbps(&gpu)? };
    let info = gpu.info();
    let (text, key, body) = match args.what {
        What::Kernel => {
            kernels(&gpu, args, &ceiling).map(|(text, json)| (text, "kernels", json))?
        }
        What::Step => step(&gpu, args, &ceiling).map(|(text, json)| (text, "step", json))?,
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
struct Ceiling {
    gflops: f64,
    gbps: f64,
}

fn kernels(gpu: &Gpu, args: &Args, ceiling: &Ceiling) -> Result<(String, Value)> {
    let words = ["op", "pass", "shape", "variant"];
    let numbers = ["ms", "± %", "GFLOP/s", "% of peak", "GB/s", "% of copy"];
    let mut table = columns(&words, &numbers);
    let mut rows = Vec::new();
    let only = args.only.as_deref().unwrap_or_default();
    let problems = problems::kernels(gpu)?;
    for p in problems.iter().filter(|p| p.op.contains(only)) {
        let variants = match args.variant.as_deref() {
            Some("all") => p.variants.iter().map(|v| Some(*v)).collect(),
            Some(asked) if p.variants.contains(&asked) => vec![Some(asked)],
            Some(_) if p.variants.len() > 1 => continue,
            _ => vec![None],
        };
        for variant in variants {
            let t = time(gpu, variant, usize::from(args.steps), &p.record)?;
            let words = [p.op, p.pass, &p.shape, variant.unwrap_or("default")].map(Cell::words);
            table.push(words.into_iter().chain(figures(&t, ceiling)).collect());
            rows.push(json!({
                "op": p.op, "pass": p.pass, "shape": p.shape, "variant": variant,
                "ms": t.median() * 1e3, "spread": t.spread(), "launches": t.launches,
                "gflops": t.gflops(), "share_of_fma": t.gflops() / ceiling.gflops,
                "gbps": t.gbps(), "share_of_copy": t.gbps() / ceiling.gbps,
            }));
        }
    }
    if rows.is_empty() {
        let problem =
            "expected an op and a variant that `mtpret run-op --list` knows, found neither";
        return Err(Error::request("command line", problem));
    }
    Ok((table.to_text(), rows.into()))
}

fn columns(words: &[&str], numbers: &[&str]) -> Table {
    let words = words.iter().map(|title| Column::words(*title));
    Table::new(words.chain(numbers.iter().map(|title| Column::numbers(*title, None))).collect())
}

fn figures(t: &Timing, ceiling: &Ceiling) -> [Cell; 6] {
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

fn step(gpu: &Gpu, args: &Args, ceiling: &Ceiling) -> Result<(String, Value)> {
    let (batch, side) = (usize::from(args.batch), usize::from(args.size));
    let mut work = Work::new(gpu, &args.model, batch, side)?;
    let mut seconds = Vec::new();
    // The first two steps pay for what later ones find ready.
    for number in 0..u32::from(args.steps) + 2 {
        let start = Instant::now();
        work.run(number)?;
        gpu.wait()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.drain(..2);
    seconds.sort_by(f64::total_cmp);
    let flops = work.flops();
    let t = Timing { seconds, flops, bytes: 0, launches: work.launches() };
    let (median, share) = (t.median(), t.gflops() / ceiling.gflops);
    let images = batch as f64 / median;
    let mut text = format!(
        "{} training step, batch {batch}, {side} × {side}: {:.1} ms ± {:.0} %, {images:.2} img/s\n\
         {:.2} GFLOP in {} launches: {:.1} GFLOP/s, {:.1} % of the multiply-adds\n",
        args.model,
        median * 1e3,
        t.spread() * 100.0,
        flops as f64 / 1e9,
        t.launches,
        t.gflops(),
        share * 100.0
    );
    let mut out = json!({
        "model": args.model, "batch": batch, "size": side, "steps": args.steps,
        "ms": median * 1e3, "spread": t.spread(), "images_per_second": images,
        "gflop": flops as f64 / 1e9, "launches": t.launches,
        "gflops": t.gflops(), "share_of_fma": share,
    });
    if args.profile {
        let (table, rows) = profile(&work, ceiling)?;
        text += &format!("\nEach launch alone, with the cost of a submission:\n\n{table}");
        out["profile"] = rows;
    }
    Ok((text, out))
}

/// Time, operations and bytes of each kernel of a step, the dearest first.
fn profile(work: &Work, ceiling: &Ceiling) -> Result<(String, Value)> {
    let mut kernels: BTreeMap<&str, Timing> = BTreeMap::new();
    for program in work.stepper.programs() {
        for (command, took) in program.commands().iter().zip(program.profile()?) {
            let (name, flops) = match command {
                Command::Launch(l) => (l.source.name, l.cost.flops),
                Command::Copy { .. } => ("copy", 0),
            };
            let none = || Timing { seconds: vec![0.0], flops: 0, bytes: 0, launches: 0 };
            let t = kernels.entry(name).or_insert_with(none);
            t.seconds[0] += took.as_secs_f64();
            t.flops += flops;
            t.bytes += command.bytes();
            t.launches += 1;
        }
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
            Cell::words(*name),
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
    Ok((table.to_text(), rows.into()))
}
