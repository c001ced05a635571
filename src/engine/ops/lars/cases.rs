//! Cases of the LARS update: shapes and values that its kernels are held to.

use super::{Lars, Tensors};
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Step, Tensor},
};
use std::ops::Range;

/// Inputs and attributes of `run-op lars`: one tensor.
pub const SIGNATURE: Signature = Signature {
    inputs: &["w", "g", "v"],
    attributes: &[
        ("lr", "0.2"),
        ("momentum", "0.9"),
        ("weight_decay", "1e-6"),
        ("trust_coefficient", "0.001"),
        ("eps", "1e-8"),
    ],
    variants: &[Variant::Plain],
};

/// Runs one step on the device on the tensors at these places; gives all of w and v after it.
fn solve(
    gpu: &Gpu,
    op: Lars,
    lr: f32,
    x: [&Array; 3],
    ranges: &[Range<usize>],
) -> Result<[Array; 2]> {
    let [w, g, v] = x.map(|a| Tensor::upload(gpu, a));
    let (w, g, v) = (w?, g?, v?);
    let bytes = |r: &Range<usize>| 4 * r.start as u64..4 * r.end.next_multiple_of(4) as u64;
    let tensors = Tensors::new(gpu, &ranges.iter().map(bytes).collect::<Vec<_>>())?;
    let step = Step { lr, ..Step::default() }.upload(gpu)?;
    let (_, program) =
        gpu.eager(|rec| op.step(rec, [&w.data, &g.data, &v.data], &tensors, &step))?;
    Ok([w.read(&program)?, v.read(&program)?])
}

/// A case of tensors of these lengths, eight numbers apart; the gradient of the second is zero, and
/// so is the whole third.
fn case(why: &str, op: Lars, lengths: Vec<usize>) -> Case {
    let lr = 0.3;
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for length in lengths {
        let start = ranges.last().map_or(4, |r| r.end.next_multiple_of(4) + 8);
        ranges.push(start..start + length);
    }
    let floats = ranges.last().map_or(0, |r| r.end) + 3;
    let ranges2 = ranges.clone();
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let mut x: [Array; 3] = std::array::from_fn(|i| {
            Array::random(&[floats], seed.wrapping_add(i as u64)).map(|v| f64::from(v as f32))
        });
        // What fills a tensor up to whole vec4s is zero.
        for range in &ranges {
            let fill = range.end..range.end.next_multiple_of(4).min(floats);
            x.iter_mut().for_each(|a| a.data[fill.clone()].fill(0.0));
        }
        for (tensor, range) in ranges.iter().enumerate().skip(1).take(2) {
            x[1].data[range.clone()].fill(0.0);
            if tensor == 2 {
                x[0].data[range.clone()].fill(0.0);
            }
        }
        let mut want = [x[0].clone(), x[2].clone()];
        for range in &ranges {
            let part = |a: &Array| Array::new(&[range.len()], a.data[range.clone()].to_vec());
            let new = op.reference(lr, [&part(&x[0]), &part(&x[1]), &part(&x[2])]);
            want.iter_mut().zip(new).for_each(|(all, new)| {
                all.data[range.clone()].copy_from_slice(&new.data);
            });
        }
        let got = solve(gpu, op, lr, x.each_ref(), &ranges)?;
        let mut report = Report::default();
        report.compare("w", &got[0], &want[0], 1e-6);
        report.compare("v", &got[1], &want[1], 1e-6);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let flat = || Tensor::alloc(&rec.gpu, &[floats]);
        let (w, g, v, step) = (flat()?, flat()?, flat()?, Step::default().upload(&rec.gpu)?);
        let bytes = |r: &Range<usize>| 4 * r.start as u64..4 * r.end.next_multiple_of(4) as u64;
        let tensors = Tensors::new(&rec.gpu, &ranges2.iter().map(bytes).collect::<Vec<_>>())?;
        op.step(rec, [&w.data, &g.data, &v.data], &tensors, &step)
    };
    Case::custom(why, check, record)
}

/// The problems that lars must solve.
pub fn cases() -> Vec<Case> {
    // A trust of 1, so that an error of the norms shows.
    let usual = Lars { momentum: 0.9, decay: 1e-2, trust: 1.0, eps: 1e-8 };
    vec![
        case("one number", usual, vec![1]),
        case("odd lengths, zero gradients, zero weights", usual, vec![5, 7, 9, 1001]),
        case(
            "neither momentum nor decay",
            Lars { momentum: 0.0, decay: 0.0, ..usual },
            vec![12, 4],
        ),
        case("SimCLR's trust", Lars { trust: 1e-3, decay: 1e-6, ..usual }, vec![300]),
        case("a tensor of several stretches", usual, vec![64, 200_000, 3, 70_001]),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let mut one = || random.uniform() as f32;
    let op = Lars { momentum: one(), decay: 0.1 * one(), trust: one(), eps: 1e-8 };
    let lengths = (0..1 + random.below(5)).map(|_| size(random, 3000)).collect();
    case("random", op, lengths)
}

/// Runs a problem that another program poses, on any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let w = external.tensor("w")?;
    let flat = |name: &str| {
        let a = external.tensor(name)?;
        if a.shape != w.shape {
            let expected = format!("`{name}` like w {:?}", w.shape);
            return Err(external.refused(expected, format!("{:?}", a.shape)));
        }
        Ok(Array::new(&[a.data.len()], a.data.clone()))
    };
    let op = Lars {
        momentum: external.attribute("momentum", 0.9)?,
        decay: external.attribute("weight_decay", 1e-6)?,
        trust: external.attribute("trust_coefficient", 1e-3)?,
        eps: external.attribute("eps", 1e-8)?,
    };
    let x = [&flat("w")?, &flat("g")?, &flat("v")?];
    let lr = external.attribute("lr", 0.2)?;
    let whole = Range { start: 0, end: w.data.len() };
    let out = solve(&external.gpu, op, lr, x, &[whole])?;
    let [new_w, new_v] = out.map(|a| Array::new(&w.shape, a.data));
    Ok(vec![("w".to_owned(), new_w), ("v".to_owned(), new_v)])
}
