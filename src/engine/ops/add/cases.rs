//! Cases of addition: shapes and values that its kernels are held to.

use super::Add;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op add`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["a", "b"], attributes: &[], variants: &[Variant::Plain] };

fn case(why: &str, shape: &[usize]) -> Case {
    Case::new(why, Add, [shape.to_vec(), shape.to_vec()], Setup::default())
}

fn half(why: &str, shape: &[usize]) -> Case {
    let setup = Setup { half: [true; 2], allowed: (1e-3, 2e-3), ..Setup::default() };
    Case::new(why, Add, [shape.to_vec(), shape.to_vec()], setup)
}

/// The problems that add must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", &[1, 1, 1, 1]),
        case("odd channels", &[2, 3, 5, 7]),
        half("f16", &[2, 9, 11, 20]),
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
    let (a, b) = (external.tensor("a")?, external.tensor("b")?);
    if a.shape != b.shape {
        return Err(external.refused("a and b alike", format!("{:?} and {:?}", a.shape, b.shape)));
    }
    let dy = external.tensors.get("dy").map(flat);
    let (y, [da, db]) = external.apply(&Add, [&flat(a), &flat(b)], dy.as_ref(), [true; 2])?;
    let shaped = |v: Array| Array::new(&a.shape, v.data);
    let mut out = vec![("y".to_owned(), shaped(y))];
    out.extend(da.map(|g| ("da".to_owned(), shaped(g))));
    out.extend(db.map(|g| ("db".to_owned(), shaped(g))));
    Ok(out)
}
