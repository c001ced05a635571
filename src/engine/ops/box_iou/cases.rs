//! Cases of the intersection over union of boxes: shapes and values that its kernels are held to.

use super::BoxIou;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op box_iou`: boxes `[N, 4]` and `[M, 4]`; gives y `[N, M]`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["a", "b"], attributes: &[], variants: &[Variant::Plain] };

/// Boxes by corners within a square of `extent` pixels, sides up to half of it; some are empty.
pub fn boxes(shape: &[usize], extent: f64, random: &mut Philox) -> Array {
    let mut boxes = Array::zeros(shape);
    for b in boxes.data.chunks_mut(4) {
        let empty = random.below(16) == 0;
        for i in 0..2 {
            b[i] = f64::from((random.uniform() * extent) as f32);
            let side = if empty { 0.0 } else { random.uniform() * 0.5 * extent };
            b[2 + i] = f64::from((b[i] + side) as f32);
        }
    }
    boxes
}

/// Intersections over union from the device, with the zeros that fill their rows.
fn solve(gpu: &Gpu, a: &Array, b: &Array) -> Result<Array> {
    let padded = [b.shape[0], a.shape[1], b.shape[1].next_multiple_of(4)];
    let (a, b) = (Tensor::upload(gpu, a)?, Tensor::upload(gpu, b)?);
    let (y, program) = gpu.eager(|rec| {
        let y = BoxIou.forward(rec, &a, &b)?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    y.reshape(&padded).read(&program)
}

fn case(why: &str, [of_a, r, n, m]: [usize; 4]) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut random = Philox::new(seed, 0);
        let a = boxes(&[of_a, n, 4], 100.0, &mut random);
        let b = boxes(&[r, m, 4], 100.0, &mut random);
        let want = BoxIou.reference(&a, &b).resized(2, m.next_multiple_of(4));
        let mut report = Report::default();
        report.compare("y", &solve(gpu, &a, &b)?, &want, 1e-5);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let a = Tensor::alloc(&rec.gpu, &[of_a, n, 4])?;
        BoxIou.forward(rec, &a, &Tensor::alloc(&rec.gpu, &[r, m, 4])?).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that box_iou must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one pair", [1, 1, 1, 1]),
        case("odd sizes", [3, 3, 5, 7]),
        case("anchors against the boxes of a batch", [1, 4, 3000, 6]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let r = size(random, 5);
    let of_a = if random.below(2) == 0 { 1 } else { r };
    case("random", [of_a, r, size(random, 65), size(random, 65)])
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let (a, b) = (external.ranked("a", 2)?, external.ranked("b", 2)?);
    if a.shape[1] != 4 || b.shape[1] != 4 {
        return Err(external.refused("boxes of 4", format!("{:?} and {:?}", a.shape, b.shape)));
    }
    let one = |a: &Array| Array::new(&[1, a.shape[0], 4], a.data.clone());
    let y = solve(&external.gpu, &one(a), &one(b))?.resized(2, b.shape[0]);
    Ok(vec![("y".to_owned(), Array::new(&[a.shape[0], b.shape[0]], y.data))])
}
