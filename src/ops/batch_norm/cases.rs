use super::{BatchNorm, reference::Equation};
use crate::{
    Error, Result,
    gpu::{Gpu, Program, Recording},
    ops::{
        Case, External, Op, Outputs, Reference, Report, Signature, case::derivative_error,
        case::size, external::nchw,
    },
    tensor::{Array, Philox, Tensor},
};

/// What `run-op batch_norm` takes.
pub const SIGNATURE: Signature = Signature {
    inputs: &["x", "weight", "bias", "running_mean", "running_var", "dy?"],
    attributes: &[("training", "true"), ("eps", "1e-5"), ("momentum", "0.1"), ("groups", "1")],
    variants: &["plain"],
};

impl Reference<3> for Equation {
    fn reference(&self, x: [&Array; 3]) -> Array {
        self.run(x).0
    }
}

/// y, gradients if dy is given, and the running statistics after the pass.
type Outcome = (Array, Vec<Array>, [Array; 2]);

fn solve(
    gpu: &Gpu,
    at: &Equation,
    x: [&Array; 3],
    dy: Option<&Array>,
    needs: [bool; 3],
) -> Result<Outcome> {
    let [mean, variance] = &at.running;
    let op = BatchNorm {
        training: at.training,
        eps: at.eps as f32,
        momentum: at.momentum as f32,
        groups: at.groups,
        running: [Tensor::upload(gpu, mean)?, Tensor::upload(gpu, variance)?],
    };
    let rec = Recording::new(gpu);
    let x = [Tensor::upload(gpu, x[0])?, Tensor::upload(gpu, x[1])?, Tensor::upload(gpu, x[2])?];
    let (y, saved) = op.forward(&rec, x.each_ref())?;
    rec.keep(&y.data);
    let mut gradients = Vec::new();
    if let Some(dy) = dy {
        let all = op.backward(&rec, &saved, &Tensor::upload(gpu, dy)?, needs)?;
        gradients.extend(all.into_iter().flatten());
        gradients.iter().for_each(|t| rec.keep(&t.data));
    }
    let program = Program::new(rec)?;
    program.run();
    let read = |t: &Tensor| t.read(&program);
    let gradients = gradients.iter().map(read).collect::<Result<_>>()?;
    Ok((read(&y)?, gradients, [read(&op.running[0])?, read(&op.running[1])?]))
}

fn case(why: &str, shape: [usize; 4], training: bool, groups: usize) -> Case {
    let at = move |seed: u64| Equation {
        training,
        eps: 1e-5,
        momentum: 0.1,
        groups,
        running: [
            Array::random(&[shape[3]], seed + 3),
            Array::random(&[shape[3]], seed + 4).map(|v| f64::from((v + 1.5) as f32)),
        ],
    };
    let run = move |gpu: &Gpu, _: Option<&str>, seed: u64| {
        let at = at(seed);
        // A mean far from zero is what a naive variance loses its digits on.
        let x = Array::random(&shape, seed).map(|v| f64::from((3.0 * v + 10.0) as f32));
        let x = [x, Array::random(&[shape[3]], seed + 1), Array::random(&[shape[3]], seed + 2)];
        let dy = Array::random(&shape, seed + 100);
        let (want, running) = at.run(x.each_ref());
        let (y, gradients, [mean, variance]) = solve(gpu, &at, x.each_ref(), Some(&dy), [true; 3])?;
        let mut report = Report::default();
        report.compare("y", &y, &want, 2e-5);
        report.compare("running_mean", &mean, &running[0], 1e-6);
        report.compare("running_var", &variance, &running[1], 1e-5);
        for (i, got) in gradients.iter().enumerate() {
            let error = derivative_error(&at, &x, i, got, &dy, seed + 200 + i as u64);
            report.0.push((format!("gradient of input {i}"), error, 1e-4));
        }
        if !training {
            let (_, alone, _) = solve(gpu, &at, x.each_ref(), Some(&dy), [true, false, false])?;
            report.compare("gradient of a frozen norm", &alone[0], &gradients[0], 1e-6);
        }
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let vector = || Tensor::alloc(&rec.gpu, &shape[3..]);
        let running = [vector()?, vector()?];
        let op = BatchNorm { training, eps: 1e-5, momentum: 0.1, groups, running };
        let x = Tensor::alloc(&rec.gpu, &shape)?;
        let (y, saved) = op.forward(rec, [&x, &vector()?, &vector()?])?;
        let dy = Tensor::alloc(&rec.gpu, &y.shape)?;
        op.backward(rec, &saved, &dy, [true; 3])?;
        if !training {
            op.backward(rec, &saved, &dy, [true, false, false])?;
        }
        Ok(())
    };
    Case::custom(why, run, record)
}

/// The problems that batch norm must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one channel", [2, 2, 1, 1], true, 1),
        case("odd channels, ragged chunks", [3, 7, 9, 5], true, 1),
        case("many chunks", [4, 16, 17, 64], true, 1),
        case("split statistics", [8, 5, 7, 12], true, 4),
        case("running statistics", [3, 5, 5, 10], false, 1),
        case("vectors", [16, 1, 1, 33], true, 1),
    ]
}

/// A problem of random shape. A group has at least eight values a channel: with fewer, the values
/// may lie so close together that rounding decides the result.
pub fn random(random: &mut Philox) -> Case {
    let groups = 1 + random.below(3);
    let shape = [
        groups * (1 + random.below(3)),
        2 + size(random, 16),
        3 + random.below(12),
        size(random, 70),
    ];
    case("random", shape, random.below(4) > 0, groups)
}

/// Runs a posed problem.
pub fn run(external: &External) -> Result<Outputs> {
    let x = external.image("x")?;
    let c = x.shape[3];
    let vector = |name: &str| -> Result<Array> {
        let v = external.tensor(name)?;
        if v.shape != [c] {
            let problem = format!("expected `{name}` of shape [{c}], found {:?}", v.shape);
            return Err(Error::request(&external.place, problem));
        }
        Ok(v.clone())
    };
    let at = Equation {
        training: external.attribute("training", true)?,
        eps: external.attribute("eps", 1e-5)?,
        momentum: external.attribute("momentum", 0.1)?,
        groups: external.attribute("groups", 1)?,
        running: [vector("running_mean")?, vector("running_var")?],
    };
    let dy = external.image_dy()?;
    let inputs = [&x, &vector("weight")?, &vector("bias")?];
    let (y, gradients, running) = solve(&external.gpu, &at, inputs, dy.as_ref(), [true; 3])?;
    let mut out = vec![("y".to_owned(), nchw(&y))];
    let mut gradients = gradients.into_iter();
    out.extend(gradients.next().map(|dx| ("dx".into(), nchw(&dx))));
    out.extend(["dweight", "dbias"].map(String::from).into_iter().zip(gradients));
    let [mean, variance] = running;
    out.extend([("running_mean".into(), mean), ("running_var".into(), variance)]);
    Ok(out)
}
