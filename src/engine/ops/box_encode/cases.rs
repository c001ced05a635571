//! Cases of box encoding: shapes and values that its kernels are held to.

use super::BoxCoder;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op box_encode`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["reference", "proposals"],
    attributes: &[("weights", "[1, 1, 1, 1]")],
    variants: &[Variant::Plain],
};

/// The coder of the box head.
pub const HEAD: BoxCoder = BoxCoder { weights: [10.0, 10.0, 5.0, 5.0] };

/// Boxes by corners on an image of 500 pixels, with sides from 2 to 200.
pub fn boxes(shape: &[usize], random: &mut Philox) -> Array {
    let mut boxes = Array::zeros(shape);
    for b in boxes.data.chunks_mut(4) {
        for i in 0..2 {
            b[i] = f64::from((random.uniform() * 300.0) as f32);
            b[2 + i] = f64::from((b[i] + 2.0 + random.uniform() * 198.0) as f32);
        }
    }
    boxes
}

fn solve(gpu: &Gpu, op: BoxCoder, references: &Array, proposals: &Array) -> Result<Array> {
    let (to, at) = (Tensor::upload(gpu, references)?, Tensor::upload(gpu, proposals)?);
    let (y, program) = gpu.eager(|rec| {
        let y = op.encode(rec, &to, &at)?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    y.read(&program)
}

fn case(why: &str, op: BoxCoder, n: usize) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut random = Philox::new(seed, 0);
        let [to, at] = [0; 2].map(|_| boxes(&[n, 4], &mut random));
        let mut report = Report::default();
        report.compare("y", &solve(gpu, op, &to, &at)?, &op.encode_reference(&to, &at), 1e-5);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let boxes = || Tensor::alloc(&rec.gpu, &[n, 4]);
        op.encode(rec, &boxes()?, &boxes()?).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that box_encode must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one box", BoxCoder { weights: [1.0; 4] }, 1),
        case("the box head's weights", HEAD, 512),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let weights = std::array::from_fn(|_| 0.5 + 10.0 * random.uniform() as f32);
    case("random", BoxCoder { weights }, size(random, 1000))
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let (to, at) = (external.ranked("reference", 2)?, external.ranked("proposals", 2)?);
    if to.shape != at.shape || to.shape[1] != 4 {
        let found = format!("{:?}, {:?}", to.shape, at.shape);
        return Err(external.refused("boxes [n, 4] twice", found));
    }
    let op = BoxCoder { weights: external.attribute("weights", [1.0; 4])? };
    Ok(vec![("y".to_owned(), solve(&external.gpu, op, to, at)?)])
}
