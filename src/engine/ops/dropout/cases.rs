//! Cases of dropout: shapes and values that its kernels are held to.

use super::Dropout;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Op, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Step, Tensor},
};

/// Inputs and attributes of `run-op dropout`; gives y and the mask of what was kept.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x"],
    attributes: &[("p", "0.5"), ("seed", "0"), ("step", "0"), ("stage", "0"), ("layer", "0")],
    variants: &[Variant::Plain],
};

/// Dropout's y, and dx of dy, from the device.
fn solve(gpu: &Gpu, op: Dropout, [x, dy]: [&Array; 2], step: &Step) -> Result<[Array; 2]> {
    let (x, dy, step) = (Tensor::upload(gpu, x)?, Tensor::upload(gpu, dy)?, step.upload(gpu)?);
    let ((y, dx), program) = gpu.eager(|rec| {
        let (y, saved) = op.forward(rec, [&x, &step])?;
        let [dx, _] = op.backward(rec, &saved, &dy, [true, false])?;
        let dx = dx.expect("the gradient that was asked for");
        rec.keep(&y.data);
        rec.keep(&dx.data);
        Ok((y, dx))
    })?;
    Ok([y.read(&program)?, dx.read(&program)?])
}

fn case(why: &str, op: Dropout, shape: &[usize]) -> Case {
    let (shape, shape2) = (shape.to_vec(), shape.to_vec());
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        // No element is 0, so that what is dropped can be told from what is kept.
        let away = |v: f64| f64::from((v + 0.5_f64.copysign(v)) as f32);
        let [x, dy] = [seed, seed.wrapping_add(1)].map(|s| Array::random(&shape, s).map(away));
        let seed_high = (seed as u32).wrapping_mul(0x9E37_79B9);
        let step = Step { step: 5, seed_low: seed as u32, seed_high, stage: 1, ..Step::default() };
        let [y, dx] = solve(gpu, op, [&x, &dy], &step)?;
        let mut report = Report::default();
        let kept = |a: &Array| a.clone().map(|v| f64::from(v != 0.0));
        report.compare("what is kept", &kept(&y), &op.mask(&shape, &step), 0.0);
        report.compare("y", &y, &op.reference(&x, &step), 1e-6);
        report.compare("gradient", &dx, &op.reference(&dy, &step), 1e-6);
        // About p·n elements are dropped, within six standard deviations and what few elements allow.
        let (n, p) = (x.data.len() as f64, f64::from(op.p));
        let dropped = y.data.iter().filter(|v| **v == 0.0).count() as f64;
        let allowed = if p > 0.0 { 6.0 * (p * n).sqrt() + 6.0 } else { 0.0 };
        report.0.push(("elements dropped".into(), (dropped - p * n).abs(), allowed));
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let step = Step::default().upload(&rec.gpu)?;
        op.forward(rec, [&Tensor::alloc(&rec.gpu, &shape2)?, &step]).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that dropout must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", Dropout { p: 0.5, layer: 0 }, &[1, 1, 1, 1]),
        case("nothing is dropped", Dropout { p: 0.0, layer: 0 }, &[2, 3, 5, 7]),
        case("behind DeepLab's pyramid", Dropout { p: 0.5, layer: 1 }, &[2, 12, 10, 256]),
        case("odd sizes, a tenth", Dropout { p: 0.1, layer: 2 }, &[3, 11, 13, 21]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let op = Dropout { p: 0.99 * random.uniform() as f32, layer: random.below(5) as u32 };
    case("random", op, &[size(random, 20), size(random, 20), size(random, 40)])
}

/// Runs a problem that another program poses, on any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.tensor("x")?;
    let op = Dropout { p: external.attribute("p", 0.5)?, layer: external.attribute("layer", 0)? };
    if !(0.0..1.0).contains(&op.p) {
        return Err(external.refused("`p` from 0 to below 1", op.p.to_string()));
    }
    let seed: u64 = external.attribute("seed", 0)?;
    let step = Step {
        step: external.attribute("step", 0)?,
        stage: external.attribute("stage", 0)?,
        seed_low: seed as u32,
        seed_high: (seed >> 32) as u32,
        ..Step::default()
    };
    let flat = Array::new(&[x.data.len()], x.data.clone());
    // The gradient of ones is the mask by the share that is kept.
    let ones = flat.clone().map(|_| 1.0);
    let out = solve(&external.gpu, op, [&flat, &ones], &step)?;
    let [y, scaled] = out.map(|a| Array::new(&x.shape, a.data));
    Ok(vec![("y".to_owned(), y), ("mask".to_owned(), scaled.map(|v| f64::from(v != 0.0)))])
}
