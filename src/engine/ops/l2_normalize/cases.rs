//! Cases of L2 normalisation: shapes and values that its kernels are held to.

use super::L2Normalize;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op l2_normalize`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x", "dy?"],
    attributes: &[("eps", "1e-12")],
    variants: &[Variant::Plain],
};

fn case(why: &str, eps: f32, shape: [usize; 2]) -> Case {
    Case::new(why, L2Normalize { eps }, [shape.to_vec()], Setup::default())
}

/// A case whose rows have very different lengths, the first shorter than eps.
fn lengths(shape: [usize; 2]) -> Case {
    fn stretch(x: &mut [Array; 1], random: &mut Philox) {
        for (i, row) in x[0].data.chunks_mut(x[0].shape[1]).enumerate() {
            let length = if i == 0 { 0.08 } else { 10_f64.powf(random.uniform() * 4.0) };
            row.iter_mut().for_each(|v| *v *= length);
        }
    }
    let setup = Setup { inputs: stretch, ..Setup::default() };
    Case::new("rows long and shorter than eps", L2Normalize { eps: 0.5 }, [shape.to_vec()], setup)
}

/// The problems that l2_normalize must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element, shorter than eps", 2.0, [1, 1]),
        case("one element a row", 1e-12, [3, 1]),
        case("odd sizes", 1e-12, [5, 7]),
        case("MoCo's embeddings", 1e-12, [64, 128]),
        case("long rows", 1e-12, [3, 2050]),
        lengths([17, 33]),
    ]
}

/// A problem of random shape. A short row's gradient is a difference of nearly equal numbers, and
/// that of a row of one number is 0, so that rounding would decide them: no row is shorter than
/// 0.25 or has one number only (a case has).
pub fn random(random: &mut Philox) -> Case {
    fn away_from_zero(x: &mut [Array; 1], _: &mut Philox) {
        x[0].data.iter_mut().for_each(|v| *v += 0.25_f64.copysign(*v));
    }
    let shape = vec![size(random, 100), 1 + size(random, 300)];
    let setup = Setup { inputs: away_from_zero, ..Setup::default() };
    Case::new("random", L2Normalize { eps: 1e-12 }, [shape], setup)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let eps: f32 = external.attribute("eps", 1e-12)?;
    if eps <= 0.0 {
        return Err(external.refused("`eps` above 0", eps.to_string()));
    }
    let x = external.ranked("x", 2)?;
    let dy = external.tensors.get("dy");
    let (y, [dx]) = external.apply(&L2Normalize { eps }, [x], dy, [true])?;
    let mut out = vec![("y".to_owned(), y)];
    out.extend(dx.map(|dx| ("dx".to_owned(), dx)));
    Ok(out)
}
