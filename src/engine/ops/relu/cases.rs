//! Cases of ReLU: shapes and values that its kernels are held to.

use super::Relu;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op relu`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x"], attributes: &[], variants: &[Variant::Plain] };

fn case(why: &str, shape: &[usize]) -> Case {
    // Differences must not straddle the kink at 0.
    fn away_from_zero(x: &mut [Array; 1], _: &mut Philox) {
        x[0].data.iter_mut().for_each(|v| *v += 0.01_f64.copysign(*v));
    }
    Case::new(why, Relu, [shape.to_vec()], Setup { inputs: away_from_zero, ..Setup::default() })
}

/// The problems that relu must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", &[1, 1, 1, 1]),
        case("odd channels", &[2, 3, 5, 7]),
        case("more than one workgroup", &[2, 33, 31, 12]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let shape = [size(random, 4), size(random, 20), size(random, 20), size(random, 40)];
    case("random", &shape)
}

/// Runs a problem that another program poses, on any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let flat = |a: &Array| Array::new(&[a.data.len()], a.data.clone());
    let x = external.tensor("x")?;
    let dy = external.tensors.get("dy").map(flat);
    let (y, [dx]) = external.apply(&Relu, [&flat(x)], dy.as_ref(), [true])?;
    let shaped = |a: Array| Array::new(&x.shape, a.data);
    let mut out = vec![("y".to_owned(), shaped(y))];
    out.extend(dx.map(|dx| ("dx".to_owned(), shaped(dx))));
    Ok(out)
}
