//! Cases of gradient accumulation: shapes and values that its kernels are held to.

use super::Accumulate;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Outputs, Report, Signature, case::size},
    tensor::{Array, Philox, Tensor},
};

/// Inputs and attributes of `run-op accumulate`: `y + scale · x`, or `scale · x` without y.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x", "y?"], attributes: &[("scale", "1")], variants: &[Variant::Plain] };

/// Records the sum of `x` in `y`, which `set` overwrites.
fn sum(rec: &Recording, op: Accumulate, x: &[Tensor], y: &Tensor) -> Result<()> {
    op.set(rec, &x[0].data, &y.data)?;
    x[1..].iter().try_for_each(|x| op.add(rec, &x.data, &y.data))
}

fn case(why: &str, floats: usize, micro_batches: usize) -> Case {
    let op = Accumulate { scale: 1.0 / micro_batches as f32 };
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let flat = |i| Array::random(&[floats], seed.wrapping_add(i)).map(|v| f64::from(v as f32));
        let x: Vec<Array> = (0..micro_batches as u64).map(flat).collect();
        let up = |a: &Array| Tensor::upload(gpu, a);
        // What y held before must not matter, not even NaN.
        let (tensors, y) =
            (x.iter().map(up).collect::<Result<Vec<_>>>()?, up(&flat(0).map(|_| f64::NAN))?);
        let (_, program) = gpu.eager(|rec| sum(rec, op, &tensors, &y))?;
        let mut report = Report::default();
        report.compare("y", &y.read(&program)?, &op.reference(&x), 2e-6);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let flat = |_| Tensor::alloc(&rec.gpu, &[floats]);
        let x = (0..micro_batches).map(flat).collect::<Result<Vec<_>>>()?;
        sum(rec, op, &x, &flat(0)?)
    };
    Case::custom(why, check, record)
}

/// The problems that accumulate must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one number, one micro-batch", 1, 1),
        case("odd length, three micro-batches", 1001, 3),
        case("the head of a ResNet-18 for ImageNet", 512 * 1000, 2),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", size(random, 5000), 1 + random.below(4))
}

/// Runs a problem that another program poses, on any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.tensor("x")?;
    let op = Accumulate { scale: external.attribute("scale", 1.0)? };
    let flat = |a: &Array| Array::new(&[a.data.len()], a.data.clone());
    let up = |a: &Array| Tensor::upload(&external.gpu, &flat(a));
    let (given, y) = (up(x)?, external.tensors.get("y"));
    if let Some(y) = y.filter(|y| y.shape != x.shape) {
        return Err(external.refused("x and y alike", format!("{:?} and {:?}", x.shape, y.shape)));
    }
    let sum = up(y.unwrap_or(x))?;
    let (_, program) = external.gpu.eager(|rec| match y {
        Some(_) => op.add(rec, &given.data, &sum.data),
        None => op.set(rec, &given.data, &sum.data),
    })?;
    Ok(vec![("y".to_owned(), Array::new(&x.shape, sum.read(&program)?.data))])
}
