//! Autotuning: measures which of several kernels is the fastest at each problem of a recording.

pub mod cache;
pub mod matrices;

use crate::{
    Error, Result,
    gpu::{Gpu, Problem, Program, Recording, Tuned, Variant, time},
};
use half::f16;
use std::collections::BTreeMap;

/// Number of runs of a kernel that the median is taken of.
const RUNS: usize = 5;
/// Factor of the fastest kernel's time from which on a kernel is measured no further.
const HOPELESS: f64 = 2.0;
/// Largest difference of two kernels, as a share of the largest number: they add in another order, and where the result
/// is f16 they round it.
const AGREE: f64 = 5e-5;
const AGREE_HALF: f64 = 2e-3;

/// Measures the problems that nobody measured yet on this adapter with all the kernels that they have here (a shipped table
/// is another's), has recordings take the fastest from then on, and keeps what it found; gives their number.
///
/// # Errors
/// The device is lost, or the tuning file cannot be written.
pub fn measure(gpu: &Gpu, problems: &BTreeMap<String, Problem>, say: fn(&str)) -> Result<usize> {
    let known = cache::measured(gpu)?.problems;
    let covered = |p: &Problem| known.get(&p.name).is_some_and(|tuned| tuned.covers(p));
    let unknown: Vec<&Problem> =
        problems.values().filter(|p| p.kernels.len() > 1 && !covered(p)).collect();
    let count = unknown.len();
    for (at, problem) in unknown.iter().enumerate() {
        let tuned = fastest(gpu, problem, say)?;
        let times: Vec<_> =
            tuned.ms.iter().map(|(kernel, ms)| format!("{kernel} {ms:.3} ms")).collect();
        say(&format!("tuning {}/{count}: {}: {}", at + 1, problem.name, times.join(", ")));
        // Kept at once, so that an interrupted run measures no problem twice.
        cache::add(gpu, [(problem.name.clone(), tuned)].into())?;
    }
    Ok(count)
}

/// Runs every kernel of a problem; the first one's result is the measure of the others'.
fn fastest(gpu: &Gpu, problem: &Problem, say: fn(&str)) -> Result<Tuned> {
    let prepare = (problem.prepare)(gpu)?;
    let (mut ms, mut wrong) = (BTreeMap::new(), Vec::new());
    let mut wanted: Option<Vec<f32>> = None;
    let mut best: Option<(f64, Variant)> = None;
    for kernel in &problem.kernels {
        let once = || -> Result<(f64, Vec<f32>)> {
            let mut rec = Recording::new(gpu);
            rec.variant = Some(*kernel);
            let made = prepare(&rec)?;
            rec.keep(&made);
            let program = Program::new(rec)?;
            // The first run of a pipeline pays for things that later ones do not.
            program.seconds()?;
            let took = program.seconds()?;
            let bytes = program.read(&made)?;
            let halves = || bytemuck::pod_collect_to_vec::<u8, f16>(&bytes);
            Ok((
                took,
                match problem.half {
                    true => halves().into_iter().map(f16::to_f32).collect(),
                    false => bytemuck::pod_collect_to_vec(&bytes),
                },
            ))
        };
        let within = if problem.half { AGREE_HALF } else { AGREE };
        let done = match once() {
            Err(lost @ Error::Lost(_)) => return Err(lost),
            // The memory that other programs leave today says nothing of tomorrow's.
            Err(short @ Error::Memory(_)) => {
                say(&format!("not measured: {kernel} at {}: {short}", problem.name));
                continue;
            }
            done => done,
        };
        let right = done.map_err(|e| e.to_string()).and_then(|(took, found)| {
            let wanted = wanted.get_or_insert_with(|| found.clone());
            let off = || format!("its result differs from that of {}", problem.kernels[0]);
            agree(&found, wanted, within).then_some(took).ok_or_else(off)
        });
        let took = match right {
            Ok(took) => took,
            Err(why) => {
                let mend = "run `mtpret doctor` and report it";
                say(&format!("WRONG and left out: {kernel} at {}: {why}; {mend}", problem.name));
                wrong.push(kernel.to_string());
                continue;
            }
        };
        let hopeless = best.is_some_and(|(best, _)| took > HOPELESS * best);
        let seconds = match hopeless {
            true => took,
            false => time(gpu, Some(*kernel), RUNS, |rec| prepare(rec).map(drop))?.median(),
        };
        ms.insert(kernel.to_string(), seconds * 1e3);
        if best.is_none_or(|(best, _)| seconds < best) {
            best = Some((seconds, *kernel));
        }
    }
    let kernel = best.map_or(problem.default, |(_, kernel)| kernel).to_string();
    Ok(Tuned { kernel, ms, wrong })
}

fn agree(found: &[f32], wanted: &[f32], within: f64) -> bool {
    let scale = wanted.iter().fold(1e-6f64, |most, v| most.max(f64::from(v.abs())));
    let near = |(f, w): (&f32, &f32)| f64::from((f - w).abs()) <= within * scale;
    found.len() == wanted.len() && found.iter().zip(wanted).all(near)
}
