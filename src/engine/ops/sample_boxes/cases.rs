//! Cases of the sampling of boxes: shapes and values that its kernels are held to.

use super::SampleBoxes;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Step, Tensor},
};

/// Inputs and attributes of `run-op sample_boxes`: matches `[N, A]`; gives chosen `[N, A]` and
/// places `[N, size]`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["matches"],
    attributes: &[
        ("size", "256"),
        ("positives", "128"),
        ("stream", "0"),
        ("seed", "0"),
        ("step", "0"),
        ("stage", "0"),
    ],
    variants: &[Variant::Plain],
};

/// The sampler of torchvision's region proposal network.
const RPN: SampleBoxes = SampleBoxes { size: 256, positives: 128, stream: 0 };

fn solve(gpu: &Gpu, op: SampleBoxes, matches: &Array, step: Step) -> Result<[Array; 2]> {
    let (matches, step) = (Tensor::upload(gpu, matches)?, step.upload(gpu)?);
    let (sample, program) = gpu.eager(|rec| {
        let sample = op.forward(rec, &matches, &step)?;
        [&sample.chosen, &sample.places].iter().for_each(|t| rec.keep(&t.data));
        Ok(sample)
    })?;
    Ok([sample.chosen.read(&program)?, sample.places.read(&program)?])
}

/// A case of images of `a` boxes, of which `shares` of a hundred are matches and background.
fn case(why: &str, op: SampleBoxes, [n, a]: [usize; 2], shares: [usize; 2]) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut random = Philox::new(seed, 0);
        let one = |_| match random.below(100) {
            u if u < shares[0] => (u % 5) as f64,
            u if u < shares[0] + shares[1] => -1.0,
            _ => -2.0,
        };
        let matches = Array::new(&[n, a], (0..n * a).map(one).collect());
        let step =
            Step { step: 3, seed_low: seed as u32, seed_high: 5, stage: 2, ..Step::default() };
        let want = op.reference(&matches, &step);
        let got = solve(gpu, op, &matches, step)?;
        let mut report = Report::default();
        report.compare("chosen", &got[0], &want[0], 0.0);
        report.compare("places", &got[1], &want[1], 0.0);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let step = Step::default().upload(&rec.gpu)?;
        op.forward(rec, &Tensor::alloc(&rec.gpu, &[n, a])?, &step).map(|_| ())
    };
    Case::custom(why, check, record)
}

/// The problems that sample_boxes must solve.
pub fn cases() -> Vec<Case> {
    let few = SampleBoxes { size: 6, positives: 2, stream: 1 };
    vec![
        case("one box", SampleBoxes { size: 1, positives: 1, stream: 0 }, [1, 1], [100, 0]),
        case("more wanted than there are", RPN, [2, 131], [10, 60]),
        case("nothing to draw", few, [2, 9], [0, 0]),
        case("matches alone", few, [3, 35], [100, 0]),
        case("background alone", few, [3, 34], [0, 100]),
        case("of many a few", few, [3, 2001], [40, 40]),
        case("the anchors of 256 pixels", RPN, [2, 16_368], [1, 90]),
        case(
            "the box head's proposals",
            SampleBoxes { size: 512, positives: 128, stream: 1 },
            [2, 2003],
            [20, 80],
        ),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let (axes, size) = ([size(random, 4), size(random, 2000)], size(random, 600));
    let op =
        SampleBoxes { size, positives: random.below(size + 1), stream: random.below(3) as u32 };
    let matched = random.below(101);
    case("random", op, axes, [matched, random.below(101 - matched)])
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let matches = external.ranked("matches", 2)?;
    let op = SampleBoxes {
        size: external.attribute("size", RPN.size)?,
        positives: external.attribute("positives", RPN.positives)?,
        stream: external.attribute("stream", RPN.stream)?,
    };
    if op.size == 0 {
        return Err(external.refused("`size` from 1", "0"));
    }
    let seed: u64 = external.attribute("seed", 0)?;
    let step = Step {
        step: external.attribute("step", 0)?,
        stage: external.attribute("stage", 0)?,
        seed_low: seed as u32,
        seed_high: (seed >> 32) as u32,
        ..Step::default()
    };
    let [chosen, places] = solve(&external.gpu, op, matches, step)?;
    Ok(vec![("chosen".to_owned(), chosen), ("places".to_owned(), places)])
}
