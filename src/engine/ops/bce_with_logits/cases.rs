//! Cases of binary cross-entropy with logits: shapes and values that its kernels are held to.

use super::BceWithLogits;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op bce_with_logits`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["logits", "target", "mask?", "dloss?"],
    attributes: &[],
    variants: &[Variant::Plain],
};

/// Draws targets: 0, 1, something between, or (but for the first element) missing.
fn targets(x: &mut [Array; 2], random: &mut Philox) {
    for (i, t) in x[1].data.iter_mut().enumerate() {
        *t = match random.below(4) {
            0 => 0.0,
            1 if i > 0 => -1.0,
            2 => random.uniform(),
            _ => 1.0,
        };
    }
}

/// Draws logits from −5 to 5.
fn usual(x: &mut [Array; 2], random: &mut Philox) {
    targets(x, random);
    x[0].data.iter_mut().for_each(|v| *v *= 5.0);
}

/// Draws logits whose exponentials f32 does not hold.
fn huge(x: &mut [Array; 2], random: &mut Philox) {
    targets(x, random);
    x[0].data.iter_mut().for_each(|v| *v *= 1000.0);
}

/// Draws logits each of which is right by 11 to 13: the loss is about 1e-5.
fn confident(x: &mut [Array; 2], random: &mut Philox) {
    let [x, t] = x;
    for (x, t) in x.data.iter_mut().zip(&mut t.data) {
        *t = random.below(2) as f64;
        *x += if *t > 0.0 { 12.0 } else { -12.0 };
    }
}

fn missing(x: &mut [Array; 2], _: &mut Philox) {
    x[1].data.fill(-1.0);
}

fn case(why: &str, shape: &[usize], inputs: fn(&mut [Array; 2], &mut Philox)) -> Case {
    let setup = Setup { inputs, differentiable: [true, false], ..Setup::default() };
    Case::new(why, BceWithLogits, [shape.to_vec(), shape.to_vec()], setup)
}

/// The problems that bce_with_logits must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", &[1, 1], usual),
        case("odd sizes", &[7, 15], usual),
        case("a batch with ChestX-ray14's labels", &[64, 14], usual),
        case("objectness of many anchors", &[40_000, 1], usual),
        case("an image", &[2, 17, 23, 1], usual),
        case("logits beyond exp's range", &[6, 14], huge),
        case("a confident network that is right", &[30, 14], confident),
        case("every target missing", &[5, 3], missing),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", &[size(random, 600), size(random, 70)], usual)
}

/// Runs a problem that another program poses, on any number of axes. Where `mask` is 0, the target is missing,
/// as it is where it is negative.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.tensor("logits")?;
    let alike = |name: &str| {
        let a = external.tensor(name)?;
        if a.shape != x.shape {
            let expected = format!("`{name}` like logits {:?}", x.shape);
            return Err(external.refused(expected, format!("{:?}", a.shape)));
        }
        Ok(a)
    };
    let mut t = alike("target")?.clone();
    if external.tensors.contains_key("mask") {
        let mask = &alike("mask")?.data;
        t.data.iter_mut().zip(mask).filter(|(_, m)| **m == 0.0).for_each(|(t, _)| *t = -1.0);
    }
    let dloss = external.dloss();
    let (loss, [dx, _]) = external.apply(&BceWithLogits, [x, &t], dloss.as_ref(), [true, false])?;
    let mut out = vec![("loss".to_owned(), loss)];
    out.extend(dx.map(|dx| ("dlogits".to_owned(), dx)));
    Ok(out)
}
