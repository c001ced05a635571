//! Cases of box decoding: shapes and values that its kernels are held to.

use super::BoxCoder;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{
        Case, External, Outputs, Report, Signature,
        box_encode::cases::{HEAD, boxes},
        case::size,
    },
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op box_decode`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["deltas", "proposals"],
    attributes: &[("weights", "[1, 1, 1, 1]")],
    variants: &[Variant::Plain],
};

fn solve(gpu: &Gpu, op: BoxCoder, deltas: &Array, proposals: &Array) -> Result<Array> {
    let (d, at) = (Tensor::upload(gpu, deltas)?, Tensor::upload(gpu, proposals)?);
    let (y, program) = gpu.eager(|rec| {
        let y = op.decode(rec, &d, &at)?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    y.read(&program)
}

/// A case with deltas up to `reach` and proposals of the shape `[of_a, of_b, 4]`.
fn case(why: &str, op: BoxCoder, [a, b]: [usize; 2], of: [usize; 2], reach: f64) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let deltas = Array::random(&[a, b, 4], seed).map(|v| f64::from((reach * v) as f32));
        let at = boxes(&[of[0], of[1], 4], &mut Philox::new(seed, 1));
        let mut report = Report::default();
        let want = op.decode_reference(&deltas, &at);
        report.compare("y", &solve(gpu, op, &deltas, &at)?, &want, 1e-5);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let deltas = Tensor::alloc(&rec.gpu, &[a, b, 4])?;
        op.decode(rec, &deltas, &Tensor::alloc(&rec.gpu, &[of[0], of[1], 4])?).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that box_decode must solve.
pub fn cases() -> Vec<Case> {
    let plain = BoxCoder { weights: [1.0; 4] };
    vec![
        case("one box", plain, [1, 1], [1, 1], 1.0),
        case("anchors for a batch", plain, [3, 700], [1, 700], 1.0),
        case("deltas for each class of a proposal", HEAD, [301, 4], [301, 1], 3.0),
        case("growth beyond the limit", plain, [5, 7], [5, 7], 10.0),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let weights = std::array::from_fn(|_| 0.5 + 10.0 * random.uniform() as f32);
    let shape = [size(random, 20), size(random, 70)];
    let of = shape.map(|s| if random.below(2) == 0 { 1 } else { s });
    case("random", BoxCoder { weights }, shape, of, 3.0)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let (deltas, at) = (external.ranked("deltas", 2)?, external.ranked("proposals", 2)?);
    if deltas.shape != at.shape || at.shape[1] != 4 {
        return Err(external.refused("[n, 4] twice", format!("{:?}, {:?}", deltas.shape, at.shape)));
    }
    let op = BoxCoder { weights: external.attribute("weights", [1.0; 4])? };
    let one = |a: &Array| Array::new(&[1, a.shape[0], 4], a.data.clone());
    let y = solve(&external.gpu, op, &one(deltas), &one(at))?;
    Ok(vec![("y".to_owned(), Array::new(&deltas.shape, y.data))])
}
