//! Cases of the conversion between formats: shapes and values that its kernels are held to.

use super::Convert;
use crate::{
    Result,
    gpu::{Gpu, Recording, Variant},
    ops::{Case, External, Op, Outputs, Reference, Report, Signature, case::size},
    tensor::{Array, Format, Philox, Tensor},
};

/// Inputs and attributes of `run-op convert`: f32 to f16 and back.
pub const SIGNATURE: Signature =
    Signature { inputs: &["x"], attributes: &[], variants: &[Variant::Plain] };

/// Converts to f16 and back to f32.
fn there_and_back(rec: &Recording, x: &Tensor) -> Result<Tensor> {
    let half = Convert { to: Format::F16 }.forward(rec, [x])?.0;
    Ok(Convert { to: Format::F32 }.forward(rec, [&half])?.0)
}

fn case(why: &str, shape: &[usize], scale: f64) -> Case {
    let shape = shape.to_vec();
    let of = shape.clone();
    let run = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let x = Array::random(&of, seed).map(|v| f64::from((v * scale) as f32));
        let tensor = Tensor::upload(gpu, &x)?;
        let (y, program) = gpu.eager(|rec| {
            let y = there_and_back(rec, &tensor)?;
            rec.keep(&y.data);
            Ok(y)
        })?;
        let mut report = Report::default();
        // WGSL lets an adapter round to either neighbour.
        let most = x.data.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let step = if most < 1e-3 { 2f64.powi(-24) / most } else { 2f64.powi(-10) };
        let want = Convert { to: Format::F16 }.reference([&x]);
        report.compare("y", &y.read(&program)?, &want, step);
        Ok(report)
    };
    let record =
        move |rec: &Recording| there_and_back(rec, &Tensor::alloc(&rec.gpu, &shape)?).map(|_| ());
    Case::custom(why, run, record)
}

/// A case whose numbers are beyond f16, or NaN: they come back as infinite.
fn beyond() -> Case {
    let run = |gpu: &Gpu, _: Option<Variant>, _: u64| {
        let x = [65504.0, -65504.0, 65536.0, -1e30, f64::NAN, f64::INFINITY, 0.0, 1.5];
        let tensor = Tensor::upload(gpu, &Array::new(&[2, 4], x.to_vec()))?;
        let (y, program) = gpu.eager(|rec| {
            let y = there_and_back(rec, &tensor)?;
            rec.keep(&y.data);
            Ok(y)
        })?;
        let found = y.read(&program)?.data;
        let right = [found[0] == 65504.0, found[1] == -65504.0, found[6] == 0.0, found[7] == 1.5];
        let right = right.iter().all(|v| *v) && found[2..6].iter().all(|v| v.is_infinite());
        Ok(Report(vec![(format!("{found:?}"), if right { 0.0 } else { f64::INFINITY }, 0.5)]))
    };
    let record =
        |rec: &Recording| there_and_back(rec, &Tensor::alloc(&rec.gpu, &[2, 4])?).map(|_| ());
    Case::custom("beyond the largest f16", run, record)
}

/// The problems that convert must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one number", &[1], 1.0),
        case("odd channels", &[3, 5, 7], 100.0),
        case("all of a workgroup", &[16, 16, 16], 1.0),
        case("as large as f16 goes", &[4, 33], 65000.0),
        case("below the least normal f16", &[4, 33], 1e-5),
        beyond(),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    case("random", &[size(random, 40), size(random, 40), size(random, 40)], 1.0)
}

/// Runs a problem that another program poses, on any number of axes.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.tensor("x")?;
    if x.data.is_empty() {
        return Err(external.refused("numbers in `x`", "none"));
    }
    let tensor = Tensor::upload(&external.gpu, &Array::new(&[x.data.len()], x.data.clone()))?;
    let (y, program) = external.gpu.eager(|rec| {
        let y = there_and_back(rec, &tensor)?;
        rec.keep(&y.data);
        Ok(y)
    })?;
    Ok(vec![("y".to_owned(), Array::new(&x.shape, y.read(&program)?.data))])
}
