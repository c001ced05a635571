//! Cases of scaling by a number: shapes and values that its kernels are held to.

use super::Scale;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op scale`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x", "s", "dy?"], attributes: &[], variants: &[Variant::Plain] };

fn case(why: &str, shape: &[usize]) -> Case {
    let setup = Setup { differentiable: [true, false], ..Setup::default() };
    Case::new(why, Scale, [shape.to_vec(), vec![1]], setup)
}

/// The problems that scale must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", &[1]),
        case("odd channels", &[2, 3, 5, 7]),
        case("the gradient of a loss", &[64, 14]),
        case("more than one workgroup", &[2, 33, 31, 12]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let shape = [size(random, 4), size(random, 20), size(random, 20), size(random, 40)];
    case("random", &shape)
}

/// Runs a problem that another program poses, on x of any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let flat = |a: &Array| Array::new(&[a.data.len()], a.data.clone());
    let (x, s) = (external.tensor("x")?, flat(external.tensor("s")?));
    if s.shape != [1] {
        return Err(external.refused("one number in `s`", s.data.len().to_string()));
    }
    let dy = external.tensors.get("dy").map(flat);
    let (y, [dx, _]) = external.apply(&Scale, [&flat(x), &s], dy.as_ref(), [true, false])?;
    let shaped = |v: Array| Array::new(&x.shape, v.data);
    let mut out = vec![("y".to_owned(), shaped(y))];
    out.extend(dx.map(|dx| ("dx".to_owned(), shaped(dx))));
    Ok(out)
}
