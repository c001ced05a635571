use super::{Meter, add, reference::metered};
use crate::{
    Result,
    gpu::{Gpu, Recording},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Step, Tensor},
};

/// What `run-op meter` takes: the loss of each step.
pub const SIGNATURE: Signature =
    Signature { inputs: &["loss"], attributes: &[], variants: &["plain"] };

/// The meter after these losses, `per_step` of them in each step.
fn solve(gpu: &Gpu, losses: &[f32], per_step: usize) -> Result<Meter> {
    let meter = Tensor::alloc(gpu, &[8])?;
    let (_, program) = gpu.eager(|rec| {
        (0..).zip(losses.chunks(per_step)).try_for_each(|(step, losses)| {
            let losses = losses.iter().map(|l| f64::from(*l)).collect::<Vec<_>>();
            let losses = Tensor::upload(gpu, &Array::new(&[losses.len()], losses))?;
            add(rec, &losses, &meter, &Step { step, ..Step::default() }.upload(gpu)?)
        })
    })?;
    Ok(bytemuck::pod_read_unaligned(&program.read(&meter.data)?))
}

/// Losses with others that are not finite among them.
fn losses(count: usize, faults: &[(usize, f32)], seed: u64) -> Vec<f32> {
    let random = Array::random(&[count], seed);
    let mut losses: Vec<f32> = random.data.iter().map(|v| *v as f32).collect();
    faults.iter().for_each(|(at, fault)| losses[*at] = *fault);
    losses
}

fn case(why: &str, count: usize, per_step: usize, faults: &'static [(usize, f32)]) -> Case {
    let check = move |gpu: &Gpu, _: Option<&str>, seed: u64| {
        let losses = losses(count, faults, seed);
        let got = solve(gpu, &losses, per_step)?;
        let (want, sum) = metered(&losses, per_step);
        let mut report = Report::default();
        let terms = losses.iter().filter(|l| l.is_finite()).map(|l| f64::from(l.abs()));
        let off = (f64::from(got.sum) - sum).abs() / terms.sum::<f64>().max(1e-6);
        report.0.push(("sum".into(), off, 1e-6));
        // Everything else is exact; a NaN is the same by its bits.
        let exact = |m: Meter| [m.count, m.fault, m.last.to_bits()];
        let differ = f64::from(u8::from(exact(got) != exact(want)));
        report.0.push((format!("found {got:?}, wanted {want:?}"), differ, 0.0));
        Ok(report)
    };
    let record = |rec: &Recording| {
        let flat = |words: usize| Tensor::alloc(&rec.gpu, &[words]);
        add(rec, &flat(1)?, &flat(8)?, &Step::default().upload(&rec.gpu)?)
    };
    Case::custom(why, check, record)
}

/// The problems that the meter must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one loss", 1, 1, &[]),
        case("losses between two readings", 50, 1, &[]),
        case("three losses a step, a fault in the third step", 12, 3, &[(7, f32::NAN)]),
        case("the first of two faults counts", 9, 1, &[(3, f32::NAN), (5, f32::INFINITY)]),
        case("a fault at step 0 and at the end", 4, 1, &[(0, f32::INFINITY), (3, -f32::INFINITY)]),
        case("the largest number is finite", 3, 1, &[(1, f32::MAX)]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", size(random, 40), 1 + random.below(4), &[])
}

/// Runs a posed problem.
pub fn run(external: &External) -> Result<Outputs> {
    let losses: Vec<f32> = external.ranked("loss", 1)?.data.iter().map(|v| *v as f32).collect();
    let meter = solve(&external.gpu, &losses, 1)?;
    let one = |name: &str, value: f64| (name.to_owned(), Array::new(&[1], vec![value]));
    Ok(vec![
        one("sum", f64::from(meter.sum)),
        one("count", f64::from(meter.count)),
        one("fault", f64::from(meter.fault)),
        one("last", f64::from(meter.last)),
    ])
}
