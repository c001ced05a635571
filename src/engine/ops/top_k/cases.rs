//! Cases of top-k: shapes and values that its kernels are held to.

use super::{LOWEST, TopK};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op top_k`: x `[R, …]`; gives values and indices `[R, k]`.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x"], attributes: &[("k", "1")], variants: &[Variant::Plain] };

/// Values and indices from the device, with the zeros that fill their rows.
fn solve(gpu: &Gpu, op: TopK, x: &Array) -> Result<[Array; 2]> {
    let padded = [x.shape[0], op.k.next_multiple_of(4)];
    let x = Tensor::upload(gpu, x)?;
    let (out, program) = gpu.eager(|rec| {
        let out = op.forward(rec, &x)?;
        out.iter().for_each(|t| rec.keep(&t.data));
        Ok(out)
    })?;
    let [values, indices] = out.map(|t| t.reshape(&padded).read(&program));
    Ok([values?, indices?])
}

/// Kinds of numbers in a row.
#[derive(Clone, Copy)]
enum Numbers {
    /// Numbers in (−1, 1), hardly two alike.
    Apart,
    /// Whole numbers from −4 to 4: many alike, −0 and 0 among them.
    Alike,
    /// Numbers as `Apart` has them, but only every other one is a candidate.
    Few,
    /// Numbers of every size that f32 has.
    AllSizes,
}

fn numbers(shape: &[usize], kind: Numbers, seed: u64) -> Array {
    let mut random = Philox::new(seed, 1);
    let mut x = Array::random(shape, seed);
    for v in &mut x.data {
        *v = match kind {
            Numbers::Apart => *v,
            Numbers::Alike => (4.0 * *v).round(),
            Numbers::Few => [f64::from(LOWEST), f64::NEG_INFINITY, *v, *v][random.below(4)],
            // Exponents that no driver flushes to zero.
            Numbers::AllSizes => f64::from((*v * 2f64.powi(random.below(225) as i32 - 100)) as f32),
        }
    }
    x
}

fn case(why: &str, shape: &[usize], k: usize, kind: Numbers) -> Case {
    let (op, shape, shape2) = (TopK { k }, shape.to_vec(), shape.to_vec());
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let x = numbers(&shape, kind, seed);
        // A difference beside the lowest number would look small; beside −10 it does not.
        let visible = |a: Array| a.map(|v| if v == f64::from(LOWEST) { -10.0 } else { v });
        let [values, indices] = solve(gpu, op, &x)?;
        let [want_values, want_indices] =
            op.reference(&x).map(|a| a.resized(1, k.next_multiple_of(4)));
        let mut report = Report::default();
        report.compare("values", &visible(values), &visible(want_values), 0.0);
        report.compare("indices", &indices, &want_indices, 0.0);
        Ok(report)
    };
    let record =
        move |rec: &Recording| op.forward(rec, &Tensor::alloc(&rec.gpu, &shape2)?).map(|_| ());
    Case::custom(why, check, record)
}

/// The problems that top_k must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one number", &[1, 1], 1, Numbers::Apart),
        case("rows shorter than k", &[3, 5], 7, Numbers::Apart),
        case("equal numbers: the first one first", &[4, 301], 300, Numbers::Alike),
        case("a short row with few candidates", &[2, 100], 50, Numbers::Few),
        case("the longest row that is sorted whole", &[2, 2048], 2048, Numbers::Apart),
        case("one number more", &[2, 2049], 2048, Numbers::Apart),
        case("objectness of three anchors a pixel", &[2, 50, 37, 3], 1000, Numbers::Apart),
        case("equal numbers of a long row", &[3, 4099], 1003, Numbers::Alike),
        case("a long row with few candidates", &[2, 6001], 2000, Numbers::Few),
        case("numbers of all sizes", &[2, 5000], 700, Numbers::AllSizes),
        case("the largest level of a detector", &[1, 200, 200, 3], 2000, Numbers::Apart),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let kinds = [Numbers::Apart, Numbers::Alike, Numbers::Few, Numbers::AllSizes];
    let mut shape = vec![size(random, 4), size(random, 65), size(random, 65)];
    if random.below(2) == 0 {
        shape.pop();
    }
    case("random", &shape, size(random, 300), kinds[random.below(4)])
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.tensor("x")?;
    let op = TopK { k: external.attribute("k", 1)? };
    if x.shape.len() < 2 || !(1..=2048).contains(&op.k) || x.data.iter().any(|v| v.is_nan()) {
        let found = format!("{:?} and k = {}", x.shape, op.k);
        return Err(external.refused("x [R, …] without NaN and `k` from 1 to 2048", found));
    }
    let [values, indices] = solve(&external.gpu, op, x)?.map(|a| a.resized(1, op.k));
    Ok(vec![("values".to_owned(), values), ("indices".to_owned(), indices)])
}
