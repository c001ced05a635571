//! Cases of the matching of boxes: shapes and values that its kernels are held to.

use super::MatchBoxes;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op match_boxes`: boxes `[A, 4]` or `[N, A, 4]`, corners
/// `[N, G, 4]`, classes `[N, G]`; gives matches `[N, A]`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["boxes", "corners", "classes"],
    attributes: &[("high", "0.7"), ("low", "0.3"), ("low_quality", "true")],
    variants: &[Variant::Plain],
};

/// The matcher of torchvision's region proposal network.
const RPN: MatchBoxes = MatchBoxes { high: 0.7, low: 0.3, low_quality: true };
/// The matcher of torchvision's box head.
const ROI: MatchBoxes = MatchBoxes { high: 0.5, low: 0.5, low_quality: false };

fn solve(gpu: &Gpu, op: MatchBoxes, [boxes, corners, classes]: [&Array; 3]) -> Result<Array> {
    let boxes = Tensor::upload(gpu, boxes)?;
    let (corners, classes) = (Tensor::upload(gpu, corners)?, Tensor::upload(gpu, classes)?);
    let (matches, program) = gpu.eager(|rec| {
        let matches = op.forward(rec, &boxes, &corners, &classes)?;
        rec.keep(&matches.data);
        Ok(matches)
    })?;
    matches.read(&program)
}

/// Compares the device's matches with the reference's.
fn compared(gpu: &Gpu, op: MatchBoxes, [boxes, corners, classes]: [&Array; 3]) -> Result<Report> {
    let got = solve(gpu, op, [boxes, corners, classes])?;
    let mut report = Report::default();
    report.compare("matches", &got, &op.reference(boxes, corners, classes), 0.0);
    Ok(report)
}

/// Records the op on boxes of this shape and `g` true boxes of each of `n` images, whatever they
/// are.
fn recorded(rec: &Recording, op: MatchBoxes, boxes: &[usize], [n, g]: [usize; 2]) -> Result<()> {
    let new = |shape: &[usize]| Tensor::alloc(&rec.gpu, shape);
    op.forward(rec, &new(boxes)?, &new(&[n, g, 4])?, &new(&[n, g])?).map(|_| ())
}

/// Random boxes with whole corners within 64 pixels, so that f32 computes exact areas and many
/// overlaps are equal; every ninth has no area.
fn boxes(random: &mut Philox, shape: &[usize], areas: bool) -> Array {
    let mut boxes = Array::zeros(shape);
    for corners in boxes.data.chunks_mut(4) {
        let side = |random: &mut Philox| 4.0 * (1 + random.below(6)) as f64;
        let at = [0; 2].map(|_| 4.0 * random.below(10) as f64);
        let of = match random.below(9) {
            0 if !areas => [0.0; 2],
            _ => [side(random), side(random)],
        };
        corners.copy_from_slice(&[at[0], at[1], at[0] + of[0], at[1] + of[1]]);
    }
    boxes
}

/// A case of `n` images of `a` boxes, shared or not, and at most `g` true boxes; the first image
/// has none if there are several.
fn case(why: &str, op: MatchBoxes, [n, a, g]: [usize; 3], shared: bool) -> Case {
    let shape = if shared { vec![a, 4] } else { vec![n, a, 4] };
    let shape2 = shape.clone();
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut random = Philox::new(seed, 0);
        let boxes_in = boxes(&mut random, &shape, false);
        let corners = boxes(&mut random, &[n, g, 4], true);
        let class = |(i, _): (usize, &f64)| match random.below(4) {
            _ if n > 1 && i < g => -1.0,
            0 => -1.0,
            class => class as f64,
        };
        let mut classes = Array::zeros(&[n, g]);
        classes.data = classes.data.iter().enumerate().map(class).collect();
        compared(gpu, op, [&boxes_in, &corners, &classes])
    };
    let record = move |rec: &Recording| recorded(rec, op, &shape2, [n, g]);
    Case::custom(why, check, record)
}

/// A case of boxes of `wide` × 10 pixels, each within the true one of 100 × 10, for every whole per cent of overlap:
/// those that equal a threshold among them.
fn at_thresholds(op: MatchBoxes) -> Case {
    let op = MatchBoxes { low_quality: false, ..op };
    let check = move |gpu: &Gpu, _: Option<Variant>, _: u64| {
        let wide = |wide: usize| [3.0, 5.0, 3.0 + wide as f64, 15.0];
        let boxes = Array::new(&[100, 4], (1..=100).flat_map(wide).collect());
        let corners = Array::new(&[1, 1, 4], wide(100).into());
        let classes = Array::new(&[1, 1], vec![1.0]);
        compared(gpu, op, [&boxes, &corners, &classes])
    };
    let record = move |rec: &Recording| recorded(rec, op, &[100, 4], [1, 1]);
    let why = format!("overlaps that equal {} and {}", op.low, op.high);
    Case::custom(&why, check, record)
}

/// The problems that match_boxes must solve.
pub fn cases() -> Vec<Case> {
    vec![
        at_thresholds(RPN),
        at_thresholds(ROI),
        at_thresholds(MatchBoxes { high: 0.6, low: 0.1, ..RPN }),
        case("one box", RPN, [1, 1, 1], true),
        case("equal overlaps, an image without boxes", RPN, [3, 301, 5], true),
        case("proposals, some of them empty", ROI, [2, 130, 6], false),
        case("proposals with low-quality matches", RPN, [2, 67, 3], false),
        case("the anchors of 256 pixels", RPN, [2, 16_368, 9], true),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let axes = [size(random, 4), size(random, 700), size(random, 20)];
    let op = if random.below(2) == 0 { RPN } else { ROI };
    case("random", op, axes, random.below(2) == 0)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let op = MatchBoxes {
        high: external.attribute("high", RPN.high)?,
        low: external.attribute("low", RPN.low)?,
        low_quality: external.attribute("low_quality", RPN.low_quality)?,
    };
    let boxes = external.tensor("boxes")?;
    let inputs = [boxes, external.tensor("corners")?, external.tensor("classes")?];
    let matches = solve(&external.gpu, op, inputs).map_err(|e| external.blame(e))?;
    Ok(vec![("matches".to_owned(), matches)])
}
