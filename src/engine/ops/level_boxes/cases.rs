//! Cases of the assignment of boxes to maps: shapes and values that its kernels are held to.

use super::LevelBoxes;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op level_boxes`: boxes `[N, K, 4]`; gives y `[N, K]`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["boxes"],
    attributes: &[("first", "2"), ("maps", "4")],
    variants: &[Variant::Plain],
};

/// Assignment to the maps P2 to P5.
const PYRAMID: LevelBoxes = LevelBoxes { first: 2, maps: 4 };

fn solve(gpu: &Gpu, op: LevelBoxes, boxes: &Array) -> Result<Array> {
    let boxes = Tensor::upload(gpu, boxes)?;
    let (y, program) = gpu.eager(|rec| {
        let y = op.forward(rec, &boxes)?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    y.read(&program)
}

/// A case of sides of powers of two times 7, which lie just at the bounds, and a pixel more or
/// less.
fn case(why: &str, op: LevelBoxes, [n, k]: [usize; 2]) -> Case {
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut random = Philox::new(seed, 0);
        let mut boxes = Array::zeros(&[n, k, 4]);
        for b in boxes.data.chunks_mut(4) {
            let side = |r: &mut Philox| 7.0 * f64::from(1 << r.below(8)) + r.below(3) as f64 - 1.0;
            let at = [random.below(9) as f64, random.below(9) as f64];
            let square = side(&mut random);
            let size = match random.below(4) {
                0 => [0.0, square],
                1 => [square, square],
                2 => [4.0 * square, square / 4.0],
                _ => [square, side(&mut random)],
            };
            b.copy_from_slice(&[at[0], at[1], at[0] + size[0], at[1] + size[1]]);
        }
        let mut report = Report::default();
        report.compare("y", &solve(gpu, op, &boxes)?, &op.reference(&boxes), 0.0);
        Ok(report)
    };
    let record =
        move |rec: &Recording| op.forward(rec, &Tensor::alloc(&rec.gpu, &[n, k, 4])?).map(|_| ());
    Case::custom(why, check, record)
}

/// The problems that level_boxes must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one box", PYRAMID, [1, 1]),
        case("odd rows", PYRAMID, [3, 301]),
        case("one map", LevelBoxes { first: 4, maps: 1 }, [1, 9]),
        case("the box head's proposals", PYRAMID, [2, 1000]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let op = LevelBoxes { first: 1 + random.below(3) as i32, maps: 1 + random.below(5) };
    case("random", op, [size(random, 4), size(random, 700)])
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let op = LevelBoxes {
        first: external.attribute("first", PYRAMID.first)?,
        maps: external.attribute("maps", PYRAMID.maps)?,
    };
    let boxes = external.ranked("boxes", 3)?;
    if boxes.shape[2] != 4 || !(1..=16).contains(&op.maps) {
        let found = format!("{:?} and {}", boxes.shape, op.maps);
        return Err(external.refused("boxes [N, K, 4] and `maps` from 1 to 16", found));
    }
    Ok(vec![("y".to_owned(), solve(&external.gpu, op, boxes)?)])
}
