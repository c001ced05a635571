//! Cases of the labelling of sampled boxes: shapes and values that its kernels are held to.

use super::LabelBoxes;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op label_boxes`: matches `[N, A]`, places `[N, S]`, classes `[N, G]`;
/// gives matched `[N, S]`, labels and weights `[N·S, 1]`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["matches", "places", "classes"],
    attributes: &[],
    variants: &[Variant::Plain],
};

fn solve(gpu: &Gpu, [matches, places, classes]: [&Array; 3]) -> Result<[Array; 3]> {
    let (matches, places) = (Tensor::upload(gpu, matches)?, Tensor::upload(gpu, places)?);
    let classes = Tensor::upload(gpu, classes)?;
    let (out, program) = gpu.eager(|rec| {
        let of = LabelBoxes.forward(rec, &matches, &places, &classes)?;
        let out = [of.matched, of.labels, of.weights];
        out.iter().for_each(|t| rec.keep(&t.data));
        Ok(out)
    })?;
    Ok([out[0].read(&program)?, out[1].read(&program)?, out[2].read(&program)?])
}

/// A case of `a` boxes and `s` places, most of them used.
fn case(why: &str, [n, a, s, g]: [usize; 4], used: usize) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut random = Philox::new(seed, 0);
        let mut draw = |shape: &[usize], one: &mut dyn FnMut(&mut Philox) -> f64| {
            let data = (0..shape.iter().product()).map(|_| one(&mut random)).collect();
            Array::new(shape, data)
        };
        let matches = draw(&[n, a], &mut |r| r.below(g + 2) as f64 - 2.0);
        let places = draw(&[n, s], &mut |r| match r.below(100) {
            u if u < used => r.below(a) as f64,
            _ => -1.0,
        });
        let classes = draw(&[n, g], &mut |r| r.below(5) as f64);
        let want = LabelBoxes.reference(&matches, &places, &classes);
        let got = solve(gpu, [&matches, &places, &classes])?;
        let mut report = Report::default();
        for (i, (what, allowed)) in
            [("matched", 0.0), ("labels", 0.0), ("weights", 1e-6)].into_iter().enumerate()
        {
            report.compare(what, &got[i], &want[i], allowed);
        }
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let new = |shape: &[usize]| Tensor::alloc(&rec.gpu, shape);
        LabelBoxes.forward(rec, &new(&[n, a])?, &new(&[n, s])?, &new(&[n, g])?).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that label_boxes must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one box", [1, 1, 1, 1], 100),
        case("odd sizes", [3, 35, 7, 5], 70),
        case("nothing drawn", [2, 11, 6, 1], 0),
        case("the box head's proposals", [2, 2004, 512, 4], 90),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let axes = [size(random, 4), size(random, 300), size(random, 300), size(random, 9)];
    case("random", axes, random.below(101))
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let inputs =
        [external.tensor("matches")?, external.tensor("places")?, external.tensor("classes")?];
    let out = solve(&external.gpu, inputs).map_err(|e| external.blame(e))?;
    Ok(["matched", "labels", "weights"].map(str::to_owned).into_iter().zip(out).collect())
}
