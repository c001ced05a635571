//! Cases of the concatenation of parts by image: shapes and values that its kernels are held to.

use super::Join;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op join`: parts `[N, …, C]`, the last axis fastest.
pub const SIGNATURE: Signature =
    Signature { inputs: &["a", "b", "dy?"], attributes: &[], variants: &[Variant::Plain] };

fn case<const N: usize>(why: &str, shapes: [&[usize]; N]) -> Case {
    Case::new(why, Join, shapes.map(<[usize]>::to_vec), Setup::default())
}

/// The problems that join must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one number", [&[1, 1]]),
        case("odd lists", [&[3, 5], &[3, 2], &[3, 6]]),
        case("a part of one number, rows of other lengths", [&[2, 3, 5], &[2, 1], &[2, 2, 4]]),
        case(
            "objectness of five levels",
            [&[2, 16, 16, 3], &[2, 8, 8, 3], &[2, 4, 4, 3], &[2, 2, 2, 3], &[2, 1, 1, 3]],
        ),
        case("box deltas of two levels", [&[2, 8, 8, 12], &[2, 4, 4, 12]]),
        case("proposals and true boxes", [&[2, 100, 4], &[2, 7, 4]]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let n = size(random, 4);
    let mut part = || vec![n, size(random, 40), size(random, 17)];
    let shapes = [part(), part(), part()];
    Case::new("random", Join, shapes, Setup::default())
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let [a, b] = [external.tensor("a")?, external.tensor("b")?];
    if a.shape.len() < 2 || b.shape.len() < 2 || a.shape[0] != b.shape[0] {
        let found = format!("{:?} and {:?}", a.shape, b.shape);
        return Err(external.refused("a and b [N, …, C]", found));
    }
    let dy: Option<&Array> = external.tensors.get("dy");
    let (y, [da, db]) = external.apply(&Join, [a, b], dy, [true; 2])?;
    let mut out = vec![("y".to_owned(), y)];
    out.extend(da.map(|da| ("da".to_owned(), da)));
    out.extend(db.map(|db| ("db".to_owned(), db)));
    Ok(out)
}
