//! Cases of batch normalisation: shapes and values that its kernels are held to.

use super::{BatchNorm, reference::Equation};
use crate::{
    Result,
    gpu::{Gpu, Program, Recording, Variant},
    ops::{
        Case, External, Outputs, Reference, Report, Signature,
        case::{derivative_error, rounded, size},
        external::nchw,
    },
    tensor::{Array, Format, Philox, Tensor},
};

/// Inputs and attributes of `run-op batch_norm`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x", "weight", "bias", "running_mean", "running_var", "residual?", "dy?"],
    attributes: &[
        ("training", "true"),
        ("eps", "1e-5"),
        ("momentum", "0.1"),
        ("groups", "1"),
        ("relu", "false"),
    ],
    variants: &[Variant::Plain],
};

impl Reference<3> for Equation {
    fn reference(&self, x: [&Array; 3]) -> Array {
        self.run(x, None).0
    }
}

impl Reference<4> for Equation {
    fn reference(&self, [x, weight, bias, residual]: [&Array; 4]) -> Array {
        self.run([x, weight, bias], Some(residual)).0
    }
}

/// The outcome of a pass: y, gradients if dy is given, and the running statistics after it.
type Outcome = (Array, Vec<Array>, [Array; 2]);

/// Runs batch norm on the device, on three inputs or four with a residual.
fn solve(
    gpu: &Gpu,
    at: &Equation,
    x: &[&Array],
    dy: Option<&Array>,
    (needs, format): ([bool; 4], Format),
) -> Result<Outcome> {
    let [mean, variance] = &at.running;
    let op = BatchNorm {
        training: at.training,
        eps: at.eps as f32,
        momentum: at.momentum as f32,
        groups: at.groups,
        running: [Tensor::upload(gpu, mean)?, Tensor::upload(gpu, variance)?],
        relu: at.relu,
    };
    let rec = Recording::new(gpu);
    let of = |a: &Array| if a.shape.len() == 1 { Format::F32 } else { format };
    let x = x.iter().map(|a| Tensor::upload_as(gpu, of(a), a)).collect::<Result<Vec<_>>>()?;
    let (y, saved) = op.normalise(&rec, [&x[0], &x[1], &x[2]], x.get(3))?;
    rec.keep(&y.data);
    let mut gradients = Vec::new();
    if let Some(dy) = dy {
        let all = op.derive(&rec, &saved, &Tensor::upload_as(gpu, format, dy)?, needs)?;
        gradients.extend(all.into_iter().flatten());
        gradients.iter().for_each(|t| rec.keep(&t.data));
    }
    let program = Program::new(rec)?;
    program.run();
    let read = |t: &Tensor| t.read(&program);
    let gradients = gradients.iter().map(read).collect::<Result<_>>()?;
    Ok((read(&y)?, gradients, [read(&op.running[0])?, read(&op.running[1])?]))
}

/// The operation behind the normalisation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Relu,
    AddRelu,
}

fn case(why: &str, shape: [usize; 4], training: bool, groups: usize, then: Then) -> Case {
    case_of(Format::F32, why, shape, training, groups, then)
}

fn case_of(
    format: Format,
    why: &str,
    shape: [usize; 4],
    training: bool,
    groups: usize,
    then: Then,
) -> Case {
    let relu = then != Then::Nothing;
    let at = move |seed: u64| Equation {
        training,
        eps: 1e-5,
        momentum: 0.1,
        groups,
        running: [
            Array::random(&[shape[3]], seed + 3),
            Array::random(&[shape[3]], seed + 4).map(|v| f64::from((v + 1.5) as f32)),
        ],
        relu,
    };
    let run = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        let at = at(seed);
        // A mean far from zero is what a naive variance loses its digits on.
        let x = rounded(Array::random(&shape, seed).map(|v| 3.0 * v + 10.0), format);
        let [w, b] = [1, 2].map(|i| Array::random(&[shape[3]], seed + i));
        let x = [x, w, b, rounded(Array::random(&shape, seed + 5), format)];
        let count = if then == Then::AddRelu { 4 } else { 3 };
        let all: Vec<&Array> = x.iter().take(count).collect();
        let dy = rounded(Array::random(&shape, seed + 100), format);
        let (want, running) = at.run([&x[0], &x[1], &x[2]], all.get(3).copied());
        let needs = [true, true, true, count == 4];
        let (y, gradients, [mean, variance]) = solve(gpu, &at, &all, Some(&dy), (needs, format))?;
        let mut report = Report::default();
        let (of_value, of_gradient) =
            if format == Format::F16 { (1e-3, 5e-3) } else { (2e-5, 1e-4) };
        report.compare("y", &y, &want, of_value);
        report.compare("running_mean", &mean, &running[0], 1e-6);
        report.compare("running_var", &variance, &running[1], 1e-5);
        for (i, got) in gradients.iter().enumerate() {
            let seed = seed + 200 + i as u64;
            let error = match x.clone() {
                [x, w, b, _] if count == 3 => {
                    derivative_error::<3>(&at, &[x, w, b], i, got, &dy, seed)
                }
                x => derivative_error::<4>(&at, &x, i, got, &dy, seed),
            };
            report.0.push((format!("gradient of input {i}"), error, of_gradient));
        }
        if !training {
            let needs = [true, false, false, count == 4];
            let (_, alone, _) = solve(gpu, &at, &all, Some(&dy), (needs, format))?;
            report.compare("gradient of a frozen norm", &alone[0], &gradients[0], 1e-6);
            if count == 4 {
                report.compare("gradient of its residual", &alone[1], &gradients[3], 1e-6);
            }
        }
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let vector = || Tensor::alloc(&rec.gpu, &shape[3..]);
        let running = [vector()?, vector()?];
        let op = BatchNorm { training, eps: 1e-5, momentum: 0.1, groups, running, relu };
        let x = Tensor::alloc_as(&rec.gpu, format, &shape)?;
        let residual = (then == Then::AddRelu).then_some(&x);
        let (y, saved) = op.normalise(rec, [&x, &vector()?, &vector()?], residual)?;
        let dy = Tensor::alloc_as(&rec.gpu, format, &y.shape)?;
        op.derive(rec, &saved, &dy, [true; 4])?;
        if !training {
            op.derive(rec, &saved, &dy, [true, false, false, true])?;
        }
        Ok(())
    };
    Case::custom(why, run, record)
}

/// The problems that batch norm must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one channel", [2, 2, 1, 1], true, 1, Then::Nothing),
        case("odd channels, ragged chunks", [3, 7, 9, 5], true, 1, Then::Nothing),
        case("many chunks", [4, 16, 17, 64], true, 1, Then::Nothing),
        case("chunks of chunks", [3, 75, 77, 3], true, 1, Then::Relu),
        case("chunks of chunks, split statistics", [4, 71, 73, 4], true, 2, Then::AddRelu),
        case("split statistics", [8, 5, 7, 12], true, 4, Then::Nothing),
        case("running statistics", [3, 5, 5, 10], false, 1, Then::Nothing),
        case("ReLU behind", [3, 7, 9, 5], true, 1, Then::Relu),
        case("ReLU behind, split statistics", [4, 9, 9, 12], true, 2, Then::Relu),
        case("ReLU behind, running statistics", [3, 5, 5, 10], false, 1, Then::Relu),
        case("the end of a block", [2, 9, 11, 20], true, 1, Then::AddRelu),
        case("the end of a block, running statistics", [3, 5, 5, 10], false, 1, Then::AddRelu),
        case_of(Format::F16, "f16", [3, 7, 9, 20], true, 1, Then::Nothing),
        case_of(Format::F16, "f16, ReLU behind", [4, 9, 9, 12], true, 2, Then::Relu),
        case_of(Format::F16, "f16, the end of a block", [2, 9, 11, 20], true, 1, Then::AddRelu),
        case_of(Format::F16, "f16, running statistics", [3, 5, 5, 12], false, 1, Then::AddRelu),
        case("vectors", [16, 1, 1, 33], true, 1, Then::Nothing),
    ]
}

/// A problem of random shape. Each group has at least eight values a channel: with fewer, the
/// values may lie so close together that rounding decides the result.
pub fn random(random: &mut Philox) -> Case {
    let groups = 1 + random.below(3);
    let shape = [
        groups * (1 + random.below(3)),
        2 + size(random, 16),
        3 + random.below(12),
        size(random, 70),
    ];
    let then = [Then::Nothing, Then::Relu, Then::AddRelu][random.below(3)];
    case("random", shape, random.below(4) > 0, groups, then)
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.image("x")?;
    let c = x.shape[3];
    let vector = |name: &str| -> Result<Array> {
        let v = external.tensor(name)?;
        if v.shape != [c] {
            let expected = format!("`{name}` of shape [{c}]");
            return Err(external.refused(expected, format!("{:?}", v.shape)));
        }
        Ok(v.clone())
    };
    let at = Equation {
        training: external.attribute("training", true)?,
        eps: external.attribute("eps", 1e-5)?,
        momentum: external.attribute("momentum", 0.1)?,
        groups: external.attribute("groups", 1)?,
        running: [vector("running_mean")?, vector("running_var")?],
        relu: external.attribute("relu", false)?,
    };
    let dy = external.image_dy()?;
    let (weight, bias) = (vector("weight")?, vector("bias")?);
    let mut inputs = vec![&x, &weight, &bias];
    let residual = match external.tensors.contains_key("residual") {
        true => Some(external.image("residual")?),
        false => None,
    };
    inputs.extend(&residual);
    let needs = [true, true, true, residual.is_some()];
    let (y, gradients, running) =
        solve(&external.gpu, &at, &inputs, dy.as_ref(), (needs, Format::F32))?;
    let mut out = vec![("y".to_owned(), nchw(&y))];
    let mut gradients = gradients.into_iter();
    out.extend(gradients.next().map(|dx| ("dx".into(), nchw(&dx))));
    let gradients: Vec<_> = gradients.collect();
    out.extend(gradients.get(2).map(|g| ("dresidual".into(), nchw(g))));
    out.extend(["dweight", "dbias"].map(String::from).into_iter().zip(gradients));
    let [mean, variance] = running;
    out.extend([("running_mean".into(), mean), ("running_var".into(), variance)]);
    Ok(out)
}
