//! Cases of softmax: shapes and values that its kernels are held to.

use super::Softmax;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op softmax`: any x, normalised along its last axis.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x"], attributes: &[], variants: &[Variant::Plain] };

fn solve(gpu: &Gpu, x: &Array) -> Result<Array> {
    let x = Tensor::upload(gpu, x)?;
    let (y, program) = gpu.eager(|rec| {
        let y = Softmax.forward(rec, &x)?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    y.read(&program)
}

/// A case of logits within ±`most`.
fn case(why: &str, shape: [usize; 2], most: f64) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let x = Array::random(&shape, seed).map(|v| f64::from((most * v) as f32));
        let mut report = Report::default();
        report.compare("y", &solve(gpu, &x)?, &Softmax.reference(&x), 1e-5);
        Ok(report)
    };
    let record =
        move |rec: &Recording| Softmax.forward(rec, &Tensor::alloc(&rec.gpu, &shape)?).map(|_| ());
    Case::custom(why, check, record)
}

/// The problems that softmax must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one class", [1, 1], 3.0),
        case("odd classes", [7, 5], 3.0),
        case("logits beyond exp's range", [9, 6], 1000.0),
        case("a detector's proposals", [2000, 3], 8.0),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", [size(random, 600), size(random, 70)], 8.0)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    Ok(vec![("y".to_owned(), solve(&external.gpu, external.tensor("x")?)?)])
}
