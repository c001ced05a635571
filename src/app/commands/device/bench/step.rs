//! `mtpret bench step`: a whole training step, and its launches each by itself.

use super::{Args, Ceiling, columns, figures};
use crate::{
    Result,
    report::table::{Cell, Table},
};
use mtpret_engine::{
    file,
    gpu::{Command, Timing},
};
use mtpret_pipeline::train::{Device, estimate::synthetic::SyntheticStep};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Write, rc::Rc, time::Instant};

pub(super) fn step(gpu: &Device, args: &Args, ceiling: &Ceiling) -> Result<(String, Value)> {
    let (batch, [width, height]) = (usize::from(args.batch), args.size);
    let model = args.model.as_deref().unwrap_or("resnet18");
    let begun = Instant::now();
    let mut work = SyntheticStep::new(gpu, model, batch, args.size)?;
    let built = begun.elapsed().as_secs_f64();
    let (t, first) = timed(gpu, &mut work, args.steps)?;
    let first = built + first;
    let replay = replay(&work);
    let (median, share) = (t.median(), t.gflops() / ceiling.gflops);
    let images = batch as f64 / median;
    let mut text = format!(
        "{} training step, batch {batch}, {width} × {height}: {:.1} ms ± {:.0} %, {images:.2} img/s\n\
         {:.2} GFLOP in {} launches: {:.1} GFLOP/s, {:.1} % of the multiply-adds\n",
        model,
        median * 1e3,
        t.spread() * 100.0,
        t.flops as f64 / 1e9,
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
        "gflop": t.flops as f64 / 1e9, "launches": t.launches,
        "gflops": t.gflops(), "share_of_fma": share, "first_step_seconds": first, "start_seconds": start, "replay_seconds": replay,
    });
    let launches = match args.profile || args.layers || args.trace.is_some() {
        true => launches(&work, args.steps)?,
        false => vec![],
    };
    if let Some(path) = &args.trace {
        let trace = trace(&launches).to_string();
        file::put(path, |file| file.write_all(trace.as_bytes()))?;
        text += &format!("\nTrace in {}\n", path.display());
    }
    if args.layers {
        let (table, means, rows) = layers(&launches, ceiling);
        let table = table.to_text();
        text += &format!("\nEach distinct layer, its launches alone:\n\n{table}{means}");
        out["layers"] = rows;
    }
    if args.profile {
        let (table, rows) = profile(&launches, ceiling);
        text += &format!("\nEach launch alone:\n\n{}", table.to_text());
        out["profile"] = rows;
    }
    Ok((text, out))
}

/// So many steps, each with a wait for its end, and the seconds of the very first: that and a second one pay for what those that
/// count find ready.
///
/// # Errors
/// The device is lost.
pub(super) fn timed(gpu: &Device, work: &mut SyntheticStep, steps: u16) -> Result<(Timing, f64)> {
    let mut one = |number: u16| -> Result<f64> {
        let start = Instant::now();
        work.run(number.into())?;
        gpu.wait()?;
        Ok(start.elapsed().as_secs_f64())
    };
    let first = one(0)?;
    one(1)?;
    let mut seconds = (2..steps + 2).map(one).collect::<Result<Vec<_>>>()?;
    seconds.sort_by(f64::total_cmp);
    let (flops, launches) = (work.flops(), work.launches());
    Ok((Timing { seconds, flops, bytes: 0, launches }, first))
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
pub(super) struct Alone {
    pub kernel: &'static str,
    pub op: Option<Rc<str>>,
    pub shape: String,
    pub timing: Timing,
}

/// Every command of a step, launched alone `runs` times.
pub(super) fn launches(work: &SyntheticStep, runs: u16) -> Result<Vec<Alone>> {
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
pub(super) fn layers(launches: &[Alone], ceiling: &Ceiling) -> (Table, String, Value) {
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
    let mut text = String::new();
    for (pass, logs) in &logs {
        let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        let least = logs.iter().copied().fold(f64::INFINITY, f64::min).exp();
        text += &format!(
            "{pass}: geometric mean {:.1} % of the multiply-adds, least {:.1} %\n",
            mean * 100.0,
            least * 100.0
        );
    }
    (table, text, rows.into())
}

/// Time, operations and bytes of each kernel of a step, the dearest first.
pub(super) fn profile(launches: &[Alone], ceiling: &Ceiling) -> (Table, Value) {
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
    (table, rows.into())
}
