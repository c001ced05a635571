//! `mtpret bench`: how fast kernels and a training step are, as shares of what the adapter can do.

use super::{Device, inspect, run_model};
use crate::{
    Error, Result,
    gpu::{Command, Gpu, Recording, Timing, copy_gbps, fma_gflops, time},
    models::Depth,
    ops::{
        Op, SUITES,
        add::Add,
        batch_norm::BatchNorm,
        conv2d::{self, Conv2d},
        ema::Ema,
        global_avg_pool::GlobalAvgPool,
        info_nce::InfoNce,
        max_pool2d::MaxPool2d,
        relu::Relu,
        sgd::Sgd,
        warp::Warp,
    },
    report::table::{Cell, Column, Table},
    tensor::{Array, Philox, Step, Tensor},
    train::stepper::Stepper,
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
    /// step: resnet18 or resnet50.
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
    /// Forward, cross-entropy, backward, SGD with momentum.
    Step,
}

/// Runs the command.
///
/// # Errors
/// No adapter, or a request beyond its limits.
pub fn run(args: &Args) -> Result<()> {
    let depth = run_model::depth(&args.model)?;
    let gpu = args.device.open()?;
    let ceiling = Ceiling { gflops: fma_gflops(&gpu)?, gbps: copy_gbps(&gpu)? };
    let info = gpu.info();
    let (text, key, body) = match args.what {
        What::Kernel => {
            kernels(&gpu, args, &ceiling).map(|(text, json)| (text, "kernels", json))?
        }
        What::Step => step(&gpu, args, depth, &ceiling).map(|(text, json)| (text, "step", json))?,
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

/// An op on a network's shapes.
pub struct Problem {
    /// The op's name.
    pub op: &'static str,
    /// Forward, or which gradient.
    pub pass: &'static str,
    /// The shape, as a person would say it.
    pub shape: String,
    /// The kernels to choose from.
    pub variants: &'static [&'static str],
    /// Records it.
    pub record: Box<dyn Fn(&Recording) -> Result<()>>,
}

/// The distinct convolutions of a ResNet-18 at 64 × 64: side and channels of x, channels of y,
/// kernel, stride.
const CONVOLUTIONS: [[usize; 5]; 11] = [
    [64, 3, 64, 7, 2],
    [16, 64, 64, 3, 1],
    [16, 64, 128, 3, 2],
    [16, 64, 128, 1, 2],
    [8, 128, 128, 3, 1],
    [8, 128, 256, 3, 2],
    [8, 128, 256, 1, 2],
    [4, 256, 256, 3, 1],
    [4, 256, 512, 3, 2],
    [4, 256, 512, 1, 2],
    [2, 512, 512, 3, 1],
];
/// Films of a batch.
const BATCH: usize = 8;
/// Floats of a ResNet-18.
const WEIGHTS: usize = 11_689_512;

/// What a ResNet-18 does to eight films of 64 × 64, op by op.
///
/// # Errors
/// Too little device memory.
pub fn problems(gpu: &Gpu) -> Result<Vec<Problem>> {
    let mut all = Vec::new();
    for shape in CONVOLUTIONS {
        // Films need no gradient.
        let trained = |p: &Problem| shape[1] > 3 || p.pass != "grad_input";
        all.extend(convolution(gpu, shape)?.into_iter().filter(trained));
    }
    for [side, c] in [[32, 64], [16, 64], [8, 128], [4, 256], [2, 512]] {
        let x = vec![BATCH, side, side, c];
        let running = [random(gpu, &[c])?, Tensor::upload(gpu, &Array::new(&[c], vec![1.0; c]))?];
        let norm = BatchNorm { training: true, eps: 1e-5, momentum: 0.1, groups: 1, running };
        all.extend(passes(gpu, "batch_norm", norm, [x, vec![c], vec![c]])?);
    }
    let stem = vec![BATCH, 32, 32, 64];
    all.extend(passes(gpu, "relu", Relu, [stem.clone()])?);
    let first = vec![BATCH, 16, 16, 64];
    all.push(passes(gpu, "add", Add, [first.clone(), first])?.swap_remove(0));
    let pool = MaxPool2d { kernel: [3; 2], stride: [2; 2], padding: [1; 2] };
    all.extend(passes(gpu, "max_pool2d", pool, [stem])?);
    all.extend(passes(gpu, "global_avg_pool", GlobalAvgPool, [vec![BATCH, 2, 2, 512]])?);
    let (keys, queue) = (vec![BATCH, 128], vec![4096, 128]);
    all.extend(passes(gpu, "info_nce", InfoNce { temperature: 0.2 }, [keys.clone(), keys, queue])?);
    all.extend(updates(gpu)?);
    Ok(all)
}

/// Uniform numbers in (−1, 1).
pub(super) fn random(gpu: &Gpu, shape: &[usize]) -> Result<Tensor> {
    Tensor::upload(gpu, &Array::random(shape, shape.iter().sum::<usize>() as u64))
}

fn convolution(gpu: &Gpu, [side, c, k, kernel, stride]: [usize; 5]) -> Result<[Problem; 3]> {
    let conv = Conv2d::new(stride, kernel / 2);
    let x = random(gpu, &[BATCH, side, side, c])?;
    let w = random(gpu, &[kernel, kernel, c.next_multiple_of(4), k])?;
    let out = side / stride;
    let dy = random(gpu, &[BATCH, out, out, k])?;
    let shape = format!("{side} × {side} × {c} → {k}, {kernel} × {kernel} / {stride}");
    let problem = |pass, record| Problem {
        op: "conv2d",
        pass,
        shape: shape.clone(),
        variants: conv2d::VARIANTS,
        record,
    };
    let (x1, w1) = (x.clone(), w.clone());
    let forward = move |rec: &Recording| conv.forward(rec, &x1, &w1, None).map(|_| ());
    let gradient = |needs: [bool; 3]| {
        let (x, w, dy) = (x.clone(), w.clone(), dy.clone());
        Box::new(move |rec: &Recording| conv.backward(rec, &x, &w, &dy, needs).map(|_| ()))
    };
    Ok([
        problem("forward", Box::new(forward)),
        problem("grad_input", gradient([true, false, false])),
        problem("grad_weight", gradient([false, true, false])),
    ])
}

/// The op forward, and forward and backward; its own output stands in for the gradient.
fn passes<const N: usize, O: Op<N> + Clone>(
    gpu: &Gpu,
    name: &'static str,
    op: O,
    shapes: [Vec<usize>; N],
) -> Result<Vec<Problem>> {
    let x = shapes.iter().map(|s| random(gpu, s)).collect::<Result<Vec<_>>>()?;
    let x: [Tensor; N] = x.try_into().unwrap_or_else(|_| unreachable!("as many as went in"));
    let suite = SUITES.iter().find(|s| s.name == name).expect("a listed op");
    let problem = |pass, backward: bool| {
        let (x, op) = (x.clone(), op.clone());
        let record = move |rec: &Recording| {
            let (y, saved) = op.forward(rec, x.each_ref())?;
            if backward {
                op.backward(rec, &saved, &y, [true; N])?;
            }
            Ok(())
        };
        Problem {
            op: name,
            pass,
            shape: format!("{:?}", shapes[0]),
            variants: suite.signature.variants,
            record: Box::new(record),
        }
    };
    Ok(vec![problem("forward", false), problem("forward + backward", true)])
}

/// What is no function of tensors: updates of weights, and films as the network sees them.
fn updates(gpu: &Gpu) -> Result<[Problem; 3]> {
    let flat = || Tensor::alloc(gpu, &[WEIGHTS]);
    let (w, g, v) = (flat()?, flat()?, flat()?);
    let step = Step { lr: 0.01, ..Step::default() }.upload(gpu)?;
    let pixels = random(gpu, &[BATCH * 64 * 64])?;
    let variants = &["plain"];
    let problem =
        |op, shape: String, record| Problem { op, pass: "forward", shape, variants, record };
    let (step1, [w1, g1]) = (step.clone(), [w.clone(), g.clone()]);
    let sgd = Sgd { momentum: 0.9, decay: 1e-4, alpha: 0.0 };
    let sgd = move |rec: &Recording| sgd.step(rec, &w1.data, &g1.data, &v.data, None, &step1);
    let ema = Ema { momentum: 0.999 };
    let ema = move |rec: &Recording| ema.step(rec, &g.data, &w.data);
    let view =
        Warp { mean: 122.786, std: 18.39, flip: 0.5, rotate_deg: 10.0, shift: 0.05, view: 0 };
    let warp =
        move |rec: &Recording| view.forward(rec, &pixels, [BATCH, 64, 64], &step).map(|_| ());
    Ok([
        problem("sgd", format!("{WEIGHTS} floats"), Box::new(sgd)),
        problem("ema", format!("{WEIGHTS} floats"), Box::new(ema)),
        problem("warp", format!("{BATCH} × 64 × 64"), Box::new(warp)),
    ])
}

fn kernels(gpu: &Gpu, args: &Args, ceiling: &Ceiling) -> Result<(String, Value)> {
    let words = ["op", "pass", "shape", "variant"];
    let numbers = ["ms", "± %", "GFLOP/s", "% of peak", "GB/s", "% of copy"];
    let mut table = columns(&words, &numbers);
    let mut rows = Vec::new();
    let only = args.only.as_deref().unwrap_or_default();
    let problems = problems(gpu)?;
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

fn step(gpu: &Gpu, args: &Args, depth: Depth, ceiling: &Ceiling) -> Result<(String, Value)> {
    let (batch, side) = (usize::from(args.batch), usize::from(args.size));
    let mut stepper = inspect::classify(gpu, depth, batch, side)?;
    let mut draw = Philox::new(1, 0);
    let pixels: Vec<f32> =
        (0..batch * side * side).map(|_| draw.uniform() as f32 * 255.0).collect();
    let targets: Vec<f32> = (0..batch).map(|_| draw.below(inspect::CLASSES) as f32).collect();
    let mut seconds = Vec::new();
    // The first two steps pay for what later ones find ready.
    for number in 0..u32::from(args.steps) + 2 {
        let start = Instant::now();
        let record = Step { lr: 0.01, step: number, ..Step::default() };
        stepper.run(&record, &pixels, &targets)?;
        gpu.wait()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.drain(..2);
    seconds.sort_by(f64::total_cmp);
    let flops = inspect::flops(&stepper);
    let t = Timing { seconds, flops, bytes: 0, launches: inspect::launches(&stepper) };
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
        let (table, rows) = profile(&stepper, ceiling)?;
        text += &format!("\nEach launch alone, with the cost of a submission:\n\n{table}");
        out["profile"] = rows;
    }
    Ok((text, out))
}

/// Time, operations and bytes of each kernel of a step, the dearest first.
fn profile(stepper: &Stepper, ceiling: &Ceiling) -> Result<(String, Value)> {
    let mut kernels: BTreeMap<&str, Timing> = BTreeMap::new();
    for program in stepper.programs() {
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
