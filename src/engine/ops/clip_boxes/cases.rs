//! Cases of the clipping and filtering of boxes: shapes and values that its kernels are held to.

use super::ClipBoxes;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op clip_boxes`: boxes `[R, K, 4]`, scores `[R, K]`, extents
/// `[N, 2]`; gives boxes and scores.
pub const SIGNATURE: Signature = Signature {
    inputs: &["boxes", "scores", "extents?"],
    attributes: &[("least_score", "0.05"), ("least_side", "0.01")],
    variants: &[Variant::Plain],
};

/// The filter of torchvision's box head on its detections.
const DETECTIONS: ClipBoxes = ClipBoxes { least_score: 0.05, least_side: 1e-2 };
/// The filter of torchvision's region proposal network on proposals.
const PROPOSALS: ClipBoxes = ClipBoxes { least_score: f32::MIN, least_side: 1e-3 };

fn solve(
    gpu: &Gpu,
    op: ClipBoxes,
    [boxes, scores]: [&Array; 2],
    extents: Option<&Array>,
) -> Result<[Array; 2]> {
    let (boxes, scores) = (Tensor::upload(gpu, boxes)?, Tensor::upload(gpu, scores)?);
    let extents = extents.map(|e| Tensor::upload(gpu, e)).transpose()?;
    let (out, program) = gpu.eager(|rec| {
        let out = op.forward(rec, &boxes, &scores, extents.as_ref())?;
        out.iter().for_each(|t| rec.keep(&t.data));
        Ok(out)
    })?;
    Ok([out[0].read(&program)?, out[1].read(&program)?])
}

/// A case of `rows` rows of `k` candidates on each of `n` images of 20 to 50 pixels; many of them
/// are outside.
fn case(why: &str, op: ClipBoxes, [n, rows, k]: [usize; 3], clipped: bool) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut random = Philox::new(seed, 0);
        let mut boxes = Array::zeros(&[n * rows, k, 4]);
        for b in boxes.data.chunks_mut(4) {
            let at = [0; 2].map(|_| 100.0 * random.uniform() - 30.0);
            let size =
                [0; 2].map(|_| if random.below(5) == 0 { 0.0 } else { 60.0 * random.uniform() });
            b.copy_from_slice(&[at[0], at[1], at[0] + size[0], at[1] + size[1]]);
        }
        // The device sees f32.
        let boxes = boxes.map(|v| f64::from(v as f32));
        let scores = Array::random(&[n * rows, k], seed + 1).map(|v| f64::from((0.2 * v) as f32));
        let extents = Array::random(&[n, 2], seed + 2).map(|v| f64::from((35.0 + 15.0 * v) as f32));
        let extents = clipped.then_some(&extents);
        let want = op.reference(&boxes, &scores, extents);
        let got = solve(gpu, op, [&boxes, &scores], extents)?;
        let mut report = Report::default();
        report.compare("boxes", &got[0], &want[0], 0.0);
        report.compare("scores", &got[1], &want[1], 0.0);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let new = |shape: &[usize]| Tensor::alloc(&rec.gpu, shape);
        let extents = clipped.then(|| new(&[n, 2])).transpose()?;
        op.forward(rec, &new(&[n * rows, k, 4])?, &new(&[n * rows, k])?, extents.as_ref())?;
        Ok(())
    };
    Case::custom(why, check, record)
}

/// The problems that clip_boxes must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one box", DETECTIONS, [1, 1, 1], true),
        case("odd rows", DETECTIONS, [3, 2, 67], true),
        case("nothing is clipped", DETECTIONS, [1, 5, 35], false),
        case("a level's proposals", PROPOSALS, [2, 1, 2000], true),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let axes = [size(random, 4), size(random, 3), size(random, 300)];
    let op = if random.below(2) == 0 { DETECTIONS } else { PROPOSALS };
    case("random", op, axes, random.below(4) > 0)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let op = ClipBoxes {
        least_score: external.attribute("least_score", DETECTIONS.least_score)?,
        least_side: external.attribute("least_side", DETECTIONS.least_side)?,
    };
    let inputs = [external.ranked("boxes", 3)?, external.ranked("scores", 2)?];
    let extents = match external.tensors.contains_key("extents") {
        true => Some(external.ranked("extents", 2)?),
        false => None,
    };
    let out = solve(&external.gpu, op, inputs, extents);
    let [boxes, scores] = out.map_err(|e| external.blame(e))?;
    Ok(vec![("boxes".to_owned(), boxes), ("scores".to_owned(), scores)])
}
