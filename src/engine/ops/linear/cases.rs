//! Cases of the fully connected layer: shapes and values that its kernels are held to.

use super::Linear;
use crate::{
    Result,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
        conv2d::VARIANTS,
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op linear`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x", "w", "b?", "dy?"], attributes: &[], variants: VARIANTS };

fn case(why: &str, n: usize, i: usize, o: usize) -> Case {
    // Rows of w beyond I are zeros, as an arena has them.
    fn zero_rows(x: &mut [Array; 3], _: &mut Philox) {
        let (i, padded) = (x[0].shape[1], x[1].shape[2]);
        x[1] = x[1].resized(2, i).resized(2, padded);
    }
    let shapes = [vec![n, i], vec![1, 1, i.next_multiple_of(4), o], vec![o]];
    Case::new(why, Linear, shapes, Setup { inputs: zero_rows, ..Setup::default() })
}

/// The problems that linear must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one number", 1, 1, 1),
        case("odd sizes", 5, 33, 7),
        case("a classifier of two classes", 8, 512, 2),
        case("a projection head", 16, 512, 128),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", size(random, 33), size(random, 200), size(random, 140))
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let (x, w) = (external.ranked("x", 2)?, external.ranked("w", 2)?);
    let [o, i] = w.shape[..] else { unreachable!("two axes were asked for") };
    let b = external.tensors.get("b").cloned().unwrap_or_else(|| Array::zeros(&[o]));
    if x.shape[1] != i || b.shape != [o] {
        let expected = format!("x [N, {i}] and b [{o}] for w [{o}, {i}]");
        return Err(external.refused(expected, format!("x {:?} and b {:?}", x.shape, b.shape)));
    }
    let transposed = w.permuted(&[1, 0]).resized(0, i.next_multiple_of(4));
    let transposed = Array::new(&[1, 1, i.next_multiple_of(4), o], transposed.data);
    let dy = external.tensors.contains_key("dy").then(|| external.ranked("dy", 2)).transpose()?;
    let needs = [true, true, external.tensors.contains_key("b")];
    let (y, [dx, dw, db]) = external.apply(&Linear, [x, &transposed, &b], dy, needs)?;
    let mut out = vec![("y".to_owned(), y)];
    out.extend(dx.map(|g| ("dx".to_owned(), g)));
    out.extend(dw.map(|g| {
        let rows = Array::new(&g.shape[2..], g.data).resized(0, i);
        ("dw".to_owned(), rows.permuted(&[1, 0]))
    }));
    out.extend(db.map(|g| ("db".to_owned(), g)));
    Ok(out)
}
