//! Cases of the loss meter: shapes and values that its kernels are held to.

use super::{Meter, PARTS, add, reference::metered};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Step, Tensor},
};

/// Inputs and attributes of `run-op meter`: the loss of each step `[S]`, or its parts `[S, P]`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["loss"], attributes: &[], variants: &[Variant::Plain] };

/// The meter after these parts of losses, so many of them in each step.
fn solve(gpu: &Gpu, losses: &[f32], parts: usize) -> Result<Meter> {
    let meter = Tensor::alloc(gpu, &[8])?;
    let up = |part: &f32| Tensor::upload(gpu, &Array::new(&[1], vec![f64::from(*part)]));
    let (_, program) = gpu.eager(|rec| {
        (0..).zip(losses.chunks(parts)).try_for_each(|(step, loss)| {
            let loss = loss.iter().map(up).collect::<Result<Vec<_>>>()?;
            add(rec, &loss, &meter, &Step { step, ..Step::default() }.upload(gpu)?)
        })
    })?;
    Ok(bytemuck::pod_read_unaligned(&program.read(&meter.data)?))
}

/// Random parts of losses with others that are not finite among them.
fn losses(count: usize, faults: &[(usize, f32)], seed: u64) -> Vec<f32> {
    let random = Array::random(&[count], seed);
    let mut losses: Vec<f32> = random.data.iter().map(|v| *v as f32).collect();
    faults.iter().for_each(|(at, fault)| losses[*at] = *fault);
    losses
}

/// A case of `steps` losses of so many parts.
fn case(why: &str, [steps, parts]: [usize; 2], faults: &'static [(usize, f32)]) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let losses = losses(steps * parts, faults, seed);
        let got = solve(gpu, &losses, parts)?;
        let want = metered(&losses, parts);
        let terms = losses.iter().filter(|l| l.is_finite()).map(|l| f64::from(l.abs()));
        let scale = terms.sum::<f64>().max(1e-6);
        let off = |got: f32, want: f64| match f64::from(got) {
            got if got == want || (got.is_nan() && want.is_nan()) => 0.0,
            got => (got - want).abs() / scale,
        };
        let mut report = Report::default();
        report.0.push(("sum".into(), off(got.sum, want.sum), 1e-6));
        report.0.push(("last".into(), off(got.last, want.last), 1e-6));
        let apart = got.parts.iter().zip(want.parts).map(|(got, want)| off(*got, want));
        report.0.push(("parts".into(), apart.fold(0.0, f64::max), 1e-6));
        let differ = f64::from(u8::from([got.count, got.fault] != [want.count, want.fault]));
        report.0.push((format!("found {got:?}, wanted {want:?}"), differ, 0.0));
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let flat = |words: usize| Tensor::alloc(&rec.gpu, &[words]);
        let loss = (0..parts).map(|_| flat(1)).collect::<Result<Vec<_>>>()?;
        add(rec, &loss, &flat(8)?, &Step::default().upload(&rec.gpu)?)
    };
    Case::custom(why, check, record)
}

/// The problems that the meter must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one loss", [1, 1], &[]),
        case("losses of four parts between two readings", [50, PARTS], &[]),
        case("losses of three parts, a fault in the third step", [4, 3], &[(7, f32::NAN)]),
        case("the first of two faults counts", [9, 1], &[(3, f32::NAN), (5, f32::INFINITY)]),
        case(
            "a fault at step 0 and at the end",
            [2, 2],
            &[(0, f32::INFINITY), (3, -f32::INFINITY)],
        ),
        case("the largest number is finite", [3, 1], &[(1, f32::MAX)]),
        case("twice the largest number is a fault", [2, 2], &[(2, f32::MAX), (3, f32::MAX)]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", [size(random, 40), 1 + random.below(PARTS)], &[])
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let loss = external.tensor("loss")?;
    let parts = match loss.shape[..] {
        [_] => 1,
        [_, parts @ 1..=PARTS] => parts,
        ref found => {
            let expected = format!("`loss` [S] or [S, 1 to {PARTS}]");
            return Err(external.refused(expected, format!("{found:?}")));
        }
    };
    let losses: Vec<f32> = loss.data.iter().map(|v| *v as f32).collect();
    let meter = solve(&external.gpu, &losses, parts)?;
    let some =
        |name: &str, values: Vec<f64>| (name.to_owned(), Array::new(&[values.len()], values));
    Ok(vec![
        some("sum", vec![f64::from(meter.sum)]),
        some("count", vec![f64::from(meter.count)]),
        some("fault", vec![f64::from(meter.fault)]),
        some("last", vec![f64::from(meter.last)]),
        some("parts", meter.parts.map(f64::from).to_vec()),
    ])
}
