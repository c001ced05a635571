//! Cases of the exponential moving average: shapes and values that its kernels are held to.

use super::Ema;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op ema`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["k", "q"], attributes: &[("m", "0.999")], variants: &[Variant::Plain] };

fn solve(gpu: &Gpu, op: Ema, k: &Array, q: &Array) -> Result<Array> {
    let (k, q) = (Tensor::upload(gpu, k)?, Tensor::upload(gpu, q)?);
    let (_, program) = gpu.eager(|rec| op.step(rec, &k.data, &q.data))?;
    k.read(&program)
}

fn case(why: &str, floats: usize, momentum: f32) -> Case {
    let op = Ema { momentum };
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let flat = |seed| Array::random(&[floats], seed).map(|v| f64::from(v as f32));
        let (k, q) = (flat(seed), flat(seed.wrapping_add(1)));
        let mut report = Report::default();
        report.compare("k", &solve(gpu, op, &k, &q)?, &op.reference(&k, &q), 1e-6);
        report.compare("k where it equals q", &solve(gpu, op, &q, &q)?, &q, 0.0);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let flat = || Tensor::alloc(&rec.gpu, &[floats]);
        op.step(rec, &flat()?.data, &flat()?.data)
    };
    Case::custom(why, check, record)
}

/// The problems that ema must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one number", 1, 0.999),
        case("odd length", 1001, 0.9),
        case("weights that follow at once", 12, 0.0),
        case("the head of a ResNet-18 for ImageNet", 512 * 1000, 0.999),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let momentum = random.uniform() as f32;
    case("random", size(random, 5000), momentum)
}

/// Runs a problem that another program poses, on any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let (k, q) = (external.tensor("k")?, external.tensor("q")?);
    if k.shape != q.shape {
        return Err(external.refused("k and q alike", format!("{:?} and {:?}", k.shape, q.shape)));
    }
    let op = Ema { momentum: external.attribute("m", 0.999)? };
    let flat = |a: &Array| Array::new(&[a.data.len()], a.data.clone());
    let new = solve(&external.gpu, op, &flat(k), &flat(q))?;
    Ok(vec![("k".to_owned(), Array::new(&k.shape, new.data))])
}
