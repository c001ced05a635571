//! Cases of the smooth L1 loss: shapes and values that its kernels are held to.

use super::SmoothL1;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op smooth_l1`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x", "target", "dloss?"],
    attributes: &[("beta", "1/9"), ("reduction", "sum or mean; mean")],
    variants: &[Variant::Plain],
};

/// torchvision's β in both stages of a detector.
const USUAL: SmoothL1 = SmoothL1 { beta: 1.0 / 9.0 };

/// Draws weights from 0 to 1; of the rows but the first, a quarter have weight 0.
fn weighted(x: &mut [Array; 3], random: &mut Philox) {
    for (i, w) in x[2].data.iter_mut().enumerate() {
        *w = if i > 0 && random.below(4) == 0 { 0.0 } else { 0.1 + 0.9 * random.uniform() };
    }
    // Differences must not straddle the kink at 0 that β = 0 has.
    let [x, t, _] = x;
    x.data.iter_mut().zip(&t.data).for_each(|(x, t)| *x += 0.01_f64.copysign(*x - t));
}

/// Makes the target of rows without weight NaN.
fn unknown(x: &mut [Array; 3], random: &mut Philox) {
    weighted(x, random);
    let [x, t, w] = x;
    for (t, w) in t.data.chunks_mut(x.shape[1]).zip(&w.data).filter(|(_, w)| **w == 0.0) {
        t.fill(f64::NAN);
        debug_assert_eq!(*w, 0.0);
    }
}

fn case(
    why: &str,
    op: SmoothL1,
    shape: [usize; 2],
    inputs: fn(&mut [Array; 3], &mut Philox),
) -> Case {
    let setup = Setup { inputs, differentiable: [true, false, false], ..Setup::default() };
    Case::new(why, op, [shape.to_vec(), shape.to_vec(), vec![shape[0], 1]], setup)
}

/// The problems that smooth_l1 must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", USUAL, [1, 1], weighted),
        case("odd sizes", USUAL, [13, 7], weighted),
        case("no square at all", SmoothL1 { beta: 0.0 }, [33, 4], weighted),
        case("hardly any line", SmoothL1 { beta: 1.9 }, [33, 4], weighted),
        case("boxes of many anchors", USUAL, [20_000, 4], weighted),
        case("targets of rows without weight are never read", USUAL, [40, 4], unknown),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let op = SmoothL1 { beta: random.below(3) as f32 * random.uniform() as f32 };
    case("random", op, [size(random, 600), size(random, 33)], weighted)
}

/// Runs a problem that another program poses, on any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let (x, t) = (external.tensor("x")?, external.tensor("target")?);
    if x.shape != t.shape {
        let expected = format!("`target` like x {:?}", x.shape);
        return Err(external.refused(expected, format!("{:?}", t.shape)));
    }
    let op = SmoothL1 { beta: external.attribute("beta", USUAL.beta)? };
    if op.beta.is_nan() || op.beta < 0.0 {
        return Err(external.refused("`beta` of at least 0", op.beta.to_string()));
    }
    let n = x.data.len();
    let weight = match external.attribute("reduction", "mean".to_owned())?.as_str() {
        "sum" => 1.0,
        "mean" => 1.0 / n as f64,
        other => {
            return Err(external.refused("`reduction` sum or mean", other));
        }
    };
    let flat = |a: &Array| Array::new(&[n, 1], a.data.clone());
    let weights = Array::new(&[n, 1], vec![weight; n]);
    let dloss = external.dloss();
    let x_t_w = [&flat(x), &flat(t), &weights];
    let (loss, [dx, ..]) = external.apply(&op, x_t_w, dloss.as_ref(), [true, false, false])?;
    let mut out = vec![("loss".to_owned(), loss)];
    out.extend(dx.map(|dx| ("dx".to_owned(), Array::new(&x.shape, dx.data))));
    Ok(out)
}
