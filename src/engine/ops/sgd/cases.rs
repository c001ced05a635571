//! Cases of the SGD update: shapes and values that its kernels are held to.

use super::Sgd;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Step, Tensor},
};

/// Inputs and attributes of `run-op sgd`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["w", "g", "v", "w0?"],
    attributes: &[("lr", "0.01"), ("momentum", "0.9"), ("weight_decay", "0"), ("alpha", "0")],
    variants: &[Variant::Plain],
};

/// Runs one step on the device; gives the new w and v.
fn solve(
    gpu: &Gpu,
    op: Sgd,
    lr: f32,
    [w, g, v]: [&Array; 3],
    anchor: Option<&Array>,
) -> Result<[Array; 2]> {
    let up = |a: &Array| Tensor::upload(gpu, a);
    let (w, g, v, anchor) = (up(w)?, up(g)?, up(v)?, anchor.map(up).transpose()?);
    let step = Step { lr, ..Step::default() }.upload(gpu)?;
    let anchor = anchor.as_ref().map(|t| &t.data);
    let (_, program) = gpu.eager(|rec| op.step(rec, &w.data, &g.data, &v.data, anchor, &step))?;
    Ok([w.read(&program)?, v.read(&program)?])
}

fn case(why: &str, floats: usize, op: Sgd, anchored: bool) -> Case {
    let lr = 0.03;
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let x: [Array; 4] = std::array::from_fn(|i| {
            Array::random(&[floats], seed.wrapping_add(i as u64)).map(|v| f64::from(v as f32))
        });
        let [w, g, v, anchor] = &x;
        let anchor = anchored.then_some(anchor);
        let [got_w, got_v] = solve(gpu, op, lr, [w, g, v], anchor)?;
        let [want_w, want_v] = op.reference(lr, [w, g, v], anchor);
        let mut report = Report::default();
        report.compare("w", &got_w, &want_w, 1e-6);
        report.compare("v", &got_v, &want_v, 1e-6);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let flat = || Tensor::alloc(&rec.gpu, &[floats]);
        let (w, g, v, step) = (flat()?, flat()?, flat()?, Step::default().upload(&rec.gpu)?);
        let anchor = anchored.then(flat).transpose()?;
        let anchor = anchor.as_ref().map(|t| &t.data);
        op.step(rec, &w.data, &g.data, &v.data, anchor, &step)
    };
    Case::custom(why, check, record)
}

/// The problems that sgd must solve.
pub fn cases() -> Vec<Case> {
    let plain = Sgd { momentum: 0.9, decay: 1e-4, alpha: 0.0 };
    let held = Sgd { momentum: 0.9, decay: 0.0, alpha: 0.1 };
    vec![
        case("one number", 1, plain, false),
        case("neither momentum nor decay", 5, Sgd { momentum: 0.0, decay: 0.0, alpha: 0.0 }, false),
        case("L²-SP, odd length", 1001, held, true),
        case("L²-SP, all of a workgroup", 4096, held, true),
        case("L²-SP beside weight decay", 64, Sgd { decay: 0.01, ..held }, true),
        case("an anchor that does not pull", 12, plain, true),
        case("the head of a ResNet-18 for ImageNet", 512 * 1000, plain, false),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let mut one = || random.uniform() as f32;
    let op = Sgd { momentum: one(), decay: 0.1 * one(), alpha: one() };
    let anchored = random.below(2) == 1;
    case("random", size(random, 5000), op, anchored)
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
    let op = Sgd {
        momentum: external.attribute("momentum", 0.9)?,
        decay: external.attribute("weight_decay", 0.0)?,
        alpha: external.attribute("alpha", 0.0)?,
    };
    let anchor = external.tensors.contains_key("w0").then(|| flat("w0")).transpose()?;
    let x = [&flat("w")?, &flat("g")?, &flat("v")?];
    let lr = external.attribute("lr", 0.01)?;
    let [new_w, new_v] = solve(&external.gpu, op, lr, x, anchor.as_ref())?;
    let shaped = |a: Array| Array::new(&w.shape, a.data);
    Ok(vec![("w".to_owned(), shaped(new_w)), ("v".to_owned(), shaped(new_v))])
}
