//! Cases of cross-entropy: shapes and values that its kernels are held to.

use super::CrossEntropy;
use crate::{
    Result,
    gpu::Variant,
    ops::{
        Case, External, Outputs, Signature,
        case::{Setup, size},
    },
    tensor::{Array, Philox},
};

/// Inputs and attributes of `run-op cross_entropy`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["logits", "target", "dloss?"],
    attributes: &[("ignore_index", "-100")],
    variants: &[Variant::Plain],
};

/// Draws targets; every fifth row but the first is ignored.
fn targets(x: &mut [Array; 2], random: &mut Philox) {
    let classes = x[0].shape[x[0].shape.len() - 1];
    for (i, t) in x[1].data.iter_mut().enumerate() {
        let ignored = i > 0 && random.below(5) == 0;
        *t = if ignored { -1.0 } else { random.below(classes) as f64 };
    }
}

/// Draws logits from −8 to 8.
fn usual(x: &mut [Array; 2], random: &mut Philox) {
    targets(x, random);
    x[0].data.iter_mut().for_each(|v| *v *= 8.0);
}

/// Draws logits whose exponentials f32 does not hold, all below 0 in even rows.
fn huge(x: &mut [Array; 2], random: &mut Philox) {
    targets(x, random);
    for (i, row) in x[0].data.chunks_mut(x[0].shape[1]).enumerate() {
        row.iter_mut().for_each(|v| *v = 1000.0 * (*v - [2.0, 0.0][i % 2]));
    }
}

/// Draws logits in which the class of every row stands out by 12 to 16: the loss is about 1e-5.
fn confident(x: &mut [Array; 2], random: &mut Philox) {
    targets(x, random);
    let [x, t] = x;
    for (row, t) in x.data.chunks_mut(x.shape[1]).zip(&t.data) {
        row[t.max(0.0) as usize] += 14.0;
    }
}

/// Draws logits of which several classes share the largest.
fn ties(x: &mut [Array; 2], random: &mut Philox) {
    targets(x, random);
    x[0].data.iter_mut().for_each(|v| *v = (*v * 2.0).round());
}

fn ignored(x: &mut [Array; 2], _: &mut Philox) {
    x[1].data.fill(-1.0);
}

fn case(why: &str, x: &[usize], inputs: fn(&mut [Array; 2], &mut Philox)) -> Case {
    let setup = Setup { inputs, differentiable: [true, false], ..Setup::default() };
    let (_, rows) = x.split_last().expect("logits have classes");
    Case::new(why, CrossEntropy, [x.to_vec(), [rows, &[1]].concat()], setup)
}

/// The problems that cross_entropy must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one element", &[1, 1], usual),
        case("two classes", &[1, 2], usual),
        case("odd sizes", &[9, 15], usual),
        case("a batch with ChestX-ray14's labels", &[64, 14], usual),
        case("a detector's proposals", &[1024, 3], usual),
        case("the pixels of images, three classes", &[2, 17, 19, 3], usual),
        case("many classes", &[33, 1000], usual),
        case("logits beyond exp's range", &[17, 14], huge),
        case("a confident network that is right", &[40, 14], confident),
        case("equal logits", &[20, 6], ties),
        case("every row ignored", &[5, 3], ignored),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", &[size(random, 600), size(random, 200)], usual)
}

/// Runs a problem that another program poses: `target` holds whole numbers `[N]`.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.ranked("logits", 2)?;
    let t = external.ranked("target", 1)?;
    let [n, l] = x.shape[..] else { unreachable!("two axes were asked for") };
    if t.shape != [n] {
        return Err(external.refused(format!("`target` of shape [{n}]"), format!("{:?}", t.shape)));
    }
    let ignored = external.attribute("ignore_index", -100_i64)? as f64;
    let class = |(row, t): (usize, &f64)| match *t {
        t if t == ignored => Ok(-1.0),
        t if t.fract() == 0.0 && (0.0..l as f64).contains(&t) => Ok(t),
        t => Err(external.refused(format!("`target[{row}]` from 0 to {}", l - 1), t.to_string())),
    };
    let t = t.data.iter().enumerate().map(class).collect::<Result<_>>()?;
    let (dloss, t) = (external.dloss(), Array::new(&[n, 1], t));
    let (loss, [dx, _]) = external.apply(&CrossEntropy, [x, &t], dloss.as_ref(), [true, false])?;
    let mut out = vec![("loss".to_owned(), loss)];
    out.extend(dx.map(|dx| ("dlogits".to_owned(), dx)));
    Ok(out)
}
