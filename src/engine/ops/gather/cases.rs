//! Cases of gathering by index: shapes and values that its kernels are held to.

use super::{Gather, elements, reference};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{
        Case, External, Outputs, Report, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op gather`: x `[R or 1, L, D]` or, for single numbers,
/// `[R or 1, L]`, and indices `[R or 1, k]`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x", "indices", "dy?"], attributes: &[], variants: &[Variant::Plain] };

/// Random indices from −1 to L, one beyond the last row; some come up more than once.
fn indices(shape: &[usize], length: usize, random: &mut Philox) -> Array {
    let draw = |_| random.below(length + 2) as f64 - 1.0;
    Array::new(shape, (0..shape.iter().product()).map(draw).collect())
}

fn rows(why: &str, x: [usize; 3], of: [usize; 2]) -> Case {
    let inputs = |x: &mut [Array; 2], random: &mut Philox| {
        x[1] = indices(&x[1].shape, x[0].shape[1], random);
    };
    let setup = Setup { inputs, differentiable: [true, false], ..Setup::default() };
    Case::new(why, Gather, [x.to_vec(), of.to_vec()], setup)
}

fn numbers(why: &str, shape: &[usize], of: [usize; 2]) -> Case {
    let (shape, shape2) = (shape.to_vec(), shape.to_vec());
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let x = Array::random(&shape, seed);
        let i = indices(&of, x.data.len() / shape[0], &mut Philox::new(seed, 1));
        let want = reference::elements(&x, &i).resized(1, of[1].next_multiple_of(4));
        let mut report = Report::default();
        report.compare("y", &solve(gpu, &x, &i)?, &want, 0.0);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let x = Tensor::alloc(&rec.gpu, &shape2)?;
        elements(rec, &x, &Tensor::alloc(&rec.gpu, &of)?).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// Single numbers picked on the device, with the zeros that fill their rows.
fn solve(gpu: &Gpu, x: &Array, indices: &Array) -> Result<Array> {
    let padded = indices.shape[1].next_multiple_of(4);
    let (x, indices) = (Tensor::upload(gpu, x)?, Tensor::upload(gpu, indices)?);
    let (y, program) = gpu.eager(|rec| {
        let y = elements(rec, &x, &indices)?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    y.reshape(&[y.rows(), padded]).read(&program)
}

/// The problems that gather must solve.
pub fn cases() -> Vec<Case> {
    vec![
        rows("one number", [1, 1, 1], [1, 1]),
        rows("odd sizes, rows that come up often", [3, 7, 5], [3, 19]),
        rows("anchors of all images", [1, 900, 4], [4, 200]),
        rows("the same rows of every image", [3, 50, 6], [1, 9]),
        rows("sampled proposals", [2, 2000, 4], [2, 512]),
        rows("deltas of the class of each proposal", [300, 4, 4], [300, 1]),
        numbers("a single number", &[1, 1], [1, 1]),
        numbers("scores of sampled anchors", &[2, 25, 30, 3], [2, 77]),
        numbers("classes that all images share", &[1, 101], [5, 30]),
        numbers("the same numbers of every row", &[3, 33], [1, 6]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let r = size(random, 5);
    let mut one = || if random.below(3) == 0 { 1 } else { r };
    let (a, b) = (one(), one());
    let (length, k) = (size(random, 65), size(random, 65));
    match random.below(2) {
        0 => rows("random", [a, length, size(random, 20)], [b, k]),
        _ => numbers("random", &[a, length, size(random, 7)], [b, k]),
    }
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let (x, i) = (external.tensor("x")?, external.ranked("indices", 2)?);
    let [a, b] = [x.shape.first(), i.shape.first()].map(|axis| axis.copied().unwrap_or(0));
    if !(2..=3).contains(&x.shape.len()) || (a != b && a != 1 && b != 1) {
        let found = format!("{:?} and {:?}", x.shape, i.shape);
        let expected = "x [R or 1, L, D] or [R or 1, L] and indices [R or 1, k]";
        return Err(external.refused(expected, found));
    }
    if x.shape.len() == 2 {
        let y = solve(&external.gpu, x, i)?.resized(1, i.shape[1]);
        return Ok(vec![("y".to_owned(), y)]);
    }
    let dy = external.tensors.get("dy");
    let (y, [dx, _]) = external.apply(&Gather, [x, i], dy, [true, false])?;
    let mut out = vec![("y".to_owned(), y)];
    out.extend(dx.map(|dx| ("dx".to_owned(), dx)));
    Ok(out)
}
