//! Cases of cosine similarity: shapes and values that its kernels are held to.

use super::{Cosine, fit};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op cosine`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["a", "b"], attributes: &[("eps", "1e-8")], variants: &[Variant::Plain] };

/// Cosines from the device, with the zeros that fill their rows.
fn solve(gpu: &Gpu, op: Cosine, a: &Array, b: &Array) -> Result<Array> {
    let padded = [a.shape[0], b.shape[0].next_multiple_of(4)];
    let (a, b) = (Tensor::upload(gpu, a)?, Tensor::upload(gpu, b)?);
    let (y, program) = gpu.eager(|rec| {
        let y = op.forward(rec, &a, &b)?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    y.reshape(&padded).read(&program)
}

/// A case in which rows of b are `shrink` long at most, so that some may be shorter than ε.
fn case(why: &str, [n, m, d]: [usize; 3], shrink: f64) -> Case {
    let op = Cosine::default();
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let rows = |n: usize, seed: u64, scale: f64| {
            Array::random(&[n, d], seed).map(|v| f64::from((scale * v) as f32))
        };
        let (a, b) = (rows(n, seed, 1.0), rows(m, seed.wrapping_add(1), shrink));
        let mut report = Report::default();
        let want = op.reference(&a, &b).resized(1, m.next_multiple_of(4));
        report.compare("y", &solve(gpu, op, &a, &b)?, &want, 2e-5);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let rows = |rows: usize| Tensor::alloc(&rec.gpu, &[rows, d]);
        op.forward(rec, &rows(n)?, &rows(m)?).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that cosine must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", [1, 1, 1], 1.0),
        case("odd sizes", [5, 7, 13], 1.0),
        case("neighbours of a batch in a bank of features", [16, 301, 512], 1.0),
        case("rows shorter than ε", [3, 5, 8], 1e-9),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", [size(random, 40), size(random, 70), size(random, 150)], 1.0)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let (a, b) = (external.tensor("a")?, external.tensor("b")?);
    fit(&a.shape, &b.shape).map_err(|e| external.blame(e))?;
    let op = Cosine { eps: external.attribute("eps", 1e-8)? };
    let y = solve(&external.gpu, op, a, b)?.resized(1, b.shape[0]);
    Ok(vec![("y".to_owned(), y)])
}
