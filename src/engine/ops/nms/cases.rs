//! Cases of non-maximum suppression: shapes and values that its kernels are held to.

use super::{MOST, Nms};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{
        Case, External, Op, Outputs, Report, Signature,
        case::size,
        gather::Gather,
        top_k::{LOWEST, TopK},
    },
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op nms`: boxes `[B, 4]`, scores `[B]` in any order; gives the places
/// of those that are kept, by falling score.
pub const SIGNATURE: Signature = Signature {
    inputs: &["boxes", "scores"],
    attributes: &[("iou_threshold", "0.5")],
    variants: &[Variant::Plain],
};

/// Random boxes on whole pixels of a small image, so that many overlap and no overlap lies within
/// rounding of a threshold.
fn boxes(shape: &[usize], extent: usize, random: &mut Philox) -> Array {
    let mut boxes = Array::zeros(shape);
    for b in boxes.data.chunks_mut(4) {
        for i in 0..2 {
            b[i] = random.below(extent) as f64;
            b[2 + i] = b[i] + random.below(extent / 2 + 1) as f64;
        }
    }
    boxes
}

fn solve(
    gpu: &Gpu,
    op: Nms,
    boxes: &Array,
    scores: &Array,
    classes: Option<&Array>,
) -> Result<Array> {
    let padded = [scores.shape[0], scores.shape[1].next_multiple_of(4)];
    let up = |a: &Array| Tensor::upload(gpu, a);
    let (boxes, scores, classes) = (up(boxes)?, up(scores)?, classes.map(up).transpose()?);
    let (y, program) = gpu.eager(|rec| {
        let y = op.forward(rec, &boxes, &scores, classes.as_ref())?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    y.reshape(&padded).read(&program)
}

/// A case of random boxes; without classes where `classes` is 0. The last eighth of each row holds
/// no candidates.
fn case(
    why: &str,
    [rows, count]: [usize; 2],
    extent: usize,
    threshold: f64,
    classes: usize,
) -> Case {
    let op = Nms { threshold };
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut random = Philox::new(seed, 0);
        let boxes = boxes(&[rows, count, 4], extent, &mut random);
        let there = count - count / 8;
        let score = |i: usize| if i < there { -(i as f64) } else { f64::from(LOWEST) };
        let scores = (0..rows * count).map(|i| score(i % count)).collect();
        let scores = Array::new(&[rows, count], scores);
        let of_class = (0..rows * count).map(|_| random.below(classes.max(1)) as f64).collect();
        let of_class = Array::new(&[rows, count], of_class);
        let of_class = (classes > 0).then_some(&of_class);
        // A difference beside the lowest number would look small; beside 10 it does not.
        let visible = |a: Array| a.map(|v| if v == f64::from(LOWEST) { 10.0 } else { v });
        let want = op.reference(&boxes, &scores, of_class).resized(1, count.next_multiple_of(4));
        let mut report = Report::default();
        let got = solve(gpu, op, &boxes, &scores, of_class)?;
        report.compare("scores", &visible(got), &visible(want), 0.0);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let flat = || Tensor::alloc(&rec.gpu, &[rows, count]);
        let of_class = (classes > 0).then(flat).transpose()?;
        let boxes = Tensor::alloc(&rec.gpu, &[rows, count, 4])?;
        op.forward(rec, &boxes, &flat()?, of_class.as_ref()).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that nms must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one box", [1, 1], 8, 0.5, 0),
        case("odd sizes", [3, 77], 20, 0.5, 0),
        case("a threshold that boxes reach exactly", [2, 200], 4, 0.5, 0),
        case("any overlap suppresses", [1, 100], 30, 0.0, 0),
        case("five levels of proposals", [2, 900], 50, 0.7, 5),
        case("detections of two classes", [2, 300], 30, 0.5, 2),
        case("a level of the proposals of an image", [1, 2000], 60, 0.7, 0),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let shape = [size(random, 4), size(random, 200)];
    case("random", shape, 2 + random.below(40), 0.25 * random.below(4) as f64, random.below(4))
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let (boxes, scores) = (external.ranked("boxes", 2)?, external.ranked("scores", 1)?);
    let n = scores.shape[0];
    if boxes.shape != [n, 4] {
        let expected = format!("boxes [{n}, 4] as scores are");
        return Err(external.refused(expected, format!("{:?}", boxes.shape)));
    }
    // The most candidates that top_k sorts.
    if n > 2048.min(MOST) {
        return Err(external.refused("at most 2048 boxes", n.to_string()));
    }
    let op = Nms { threshold: external.attribute("iou_threshold", 0.5)? };
    let one = |a: &Array, shape: &[usize]| {
        Tensor::upload(&external.gpu, &Array::new(shape, a.data.clone()))
    };
    let (boxes, scores) = (one(boxes, &[1, n, 4])?, one(scores, &[1, n])?);
    let ((order, left), program) = external.gpu.eager(|rec| {
        let [sorted, order] = TopK { k: n }.forward(rec, &scores)?;
        let (candidates, _) = Gather.forward(rec, [&boxes, &order])?;
        let left = op.forward(rec, &candidates, &sorted, None)?;
        rec.keep(&order.data);
        rec.keep(&left.data);
        Ok((order, left))
    })?;
    let (order, left) = (order.read(&program)?, left.read(&program)?);
    let kept = order.data.iter().zip(&left.data).filter(|(_, s)| **s > f64::from(LOWEST));
    let keep: Vec<f64> = kept.map(|(i, _)| *i).collect();
    Ok(vec![("keep".to_owned(), Array::new(&[keep.len()], keep))])
}
