//! Cases of loss scaling: shapes and values that its kernels are held to.

use super::{GROWTH, LossScale};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Step, Tensor},
};

/// Inputs and attributes of `run-op loss_scale`: gradients, and the scale that their loss was
/// multiplied by.
pub const SIGNATURE: Signature =
    Signature { inputs: &["g"], attributes: &[("scale", "1024")], variants: &[Variant::Plain] };

fn record(rec: &Recording, op: LossScale, g: &Tensor, state: &Tensor, step: &Tensor) -> Result<()> {
    op.unscale(rec, &g.data, state)?;
    op.adjust(rec, state, step)
}

/// A case of steps one after another, whose gradients hold the given number at one place.
fn case(why: &str, floats: usize, odd: &'static [f64]) -> Case {
    let op = LossScale { growth: 2 };
    let run = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut draw = Philox::new(seed, 2);
        let mut wanted = (1024.0, 0, 0);
        let state = Tensor::upload(gpu, &Array::new(&[4], vec![wanted.0, 0.0, 0.0, 0.0]))?;
        let mut report = Report::default();
        for (at, odd) in odd.iter().enumerate() {
            let mut g = Array::random(&[floats], seed + at as u64);
            g.data[draw.below(floats)] = *odd;
            let g = g.map(|v| f64::from(v as f32));
            let (tensor, step) = (Tensor::upload(gpu, &g)?, Step::default().upload(gpu)?);
            let (_, program) = gpu.eager(|rec| record(rec, op, &tensor, &state, &step))?;
            let (want, moves, next) = op.reference(&g.data, wanted);
            wanted = next;
            if moves {
                let want = Array::new(&[floats], want);
                report.compare(format!("g of step {at}"), &tensor.read(&program)?, &want, 1e-6);
            }
            let words: [u32; 4] = bytemuck::pod_read_unaligned(&gpu.read(&state.data)?);
            let step = gpu.read(&step.data)?;
            let step: Step = bytemuck::pod_read_unaligned(&step[..size_of::<Step>()]);
            let found = (f64::from(f32::from_bits(words[0])), words[1], words[3]);
            let right = found == wanted && words[2] == 0 && step.skip == u32::from(!moves);
            let what = format!("state {found:?} of step {at}, expected {wanted:?}");
            report.0.push((what, if right { 0.0 } else { f64::INFINITY }, 0.5));
        }
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let (g, state) = (Tensor::alloc(&rec.gpu, &[floats])?, Tensor::alloc(&rec.gpu, &[4])?);
        record(rec, op, &g, &state, &Step::default().upload(&rec.gpu)?)
    };
    Case::custom(why, run, record)
}

/// The problems that loss_scale must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one number", 1, &[3.0]),
        case("the scale is doubled after good steps", 1001, &[1.0, 2.0, 3.0, 4.0]),
        case("an infinite gradient halves it", 70_001, &[1.0, f64::INFINITY, 1.0, 1.0, 1.0]),
        case("so does one that is no number", 5003, &[f64::NAN, f64::NEG_INFINITY, 1.0]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", size(random, 5000), &[1.0, f64::INFINITY, 1.0])
}

/// Runs a problem that another program poses, on any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let (g, scale) = (external.tensor("g")?, external.attribute("scale", 1024.0)?);
    if !(scale > 0.0) {
        return Err(external.refused("a scale above 0", scale.to_string()));
    }
    let gpu = &external.gpu;
    let tensor = Tensor::upload(gpu, &Array::new(&[g.data.len()], g.data.clone()))?;
    let state = Tensor::upload(gpu, &Array::new(&[4], vec![scale, 0.0, 0.0, 0.0]))?;
    let (op, step) = (LossScale { growth: GROWTH }, Step::default().upload(gpu)?);
    let (_, program) = gpu.eager(|rec| record(rec, op, &tensor, &state, &step))?;
    let next = state.read(&program)?.data[0];
    Ok(vec![
        ("y".to_owned(), Array::new(&g.shape, tensor.read(&program)?.data)),
        ("scale".to_owned(), Array::new(&[1], vec![next])),
    ])
}
