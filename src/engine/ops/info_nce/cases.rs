//! Cases of the InfoNCE loss: shapes and values that its kernels are held to.

use super::{InfoNce, enqueue, fit, reference::enqueued};
use crate::{
    Result,
    gpu::{Gpu, Program, Recording, Variant},
    ops::{
        Case, External, Outputs, Report, Signature,
        case::{Setup, size},
        cosine::Cosine,
    },
    tensor::{Array, Philox, Step, Tensor},
};

/// Inputs and attributes of `run-op info_nce`.
pub const SIGNATURE: Signature = Signature {
    inputs: &["q", "k", "queue"],
    attributes: &[("temperature", "0.2")],
    variants: &[Variant::Plain, Variant::Subgroup],
};

/// Scales rows to unit length.
fn unit_rows(a: &mut Array) {
    let d = a.shape[1];
    for row in a.data.chunks_mut(d) {
        let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    }
}

fn case(why: &str, n: usize, d: usize, keys: usize, temperature: f32) -> Case {
    problem(why, n, d, keys, temperature, |x, _| x.iter_mut().for_each(unit_rows))
}

fn problem(
    why: &str,
    n: usize,
    d: usize,
    keys: usize,
    temperature: f32,
    inputs: fn(&mut [Array; 3], &mut Philox),
) -> Case {
    let setup = Setup { inputs, differentiable: [true, false, false], ..Setup::default() };
    Case::new(why, InfoNce { temperature }, [vec![n, d], vec![n, d], vec![keys, d]], setup)
}

/// Makes every key its query, so that the loss is close to 0 and its gradient small.
fn found(x: &mut [Array; 3], _: &mut Philox) {
    x.iter_mut().for_each(unit_rows);
    x[1] = x[0].clone();
}

/// Makes rows twenty long, so that logits reach hundreds and a sum of bare exponentials overflows.
fn long(x: &mut [Array; 3], _: &mut Philox) {
    x.iter_mut().for_each(unit_rows);
    x.iter_mut().flat_map(|a| &mut a.data).for_each(|v| *v *= 20.0);
}

/// A case whose logits are cosines over τ, as rows have unit length.
fn cosines(n: usize, d: usize, keys: usize) -> Case {
    let check = move |gpu: &Gpu, variant: Option<Variant>, seed: u64| {
        let unit = |rows: usize, seed: u64| {
            let mut a = Array::random(&[rows, d], seed);
            unit_rows(&mut a);
            Tensor::upload(gpu, &a)
        };
        let (q, queue) = (unit(n, seed)?, unit(keys, seed.wrapping_add(1))?);
        let mut rec = Recording::new(gpu);
        rec.variant = variant;
        let logits = InfoNce { temperature: 0.25 }.logits(&rec, &q, &queue)?;
        let cosines = Cosine::default().forward(&rec, &queue, &q)?;
        [&logits, &cosines].iter().for_each(|t| rec.keep(&t.data));
        let program = Program::new(rec)?;
        program.run();
        let mut report = Report::default();
        let got = logits.read(&program)?.map(|v| 0.25 * v);
        report.compare("τ · logits", &got, &cosines.read(&program)?, 2e-6);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let rows = |rows: usize| Tensor::alloc(&rec.gpu, &[rows, d]);
        InfoNce { temperature: 0.25 }.logits(rec, &rows(n)?, &rows(keys)?).map(|_| ())
    };
    Case::custom("logits of unit rows are cosines over τ", check, record)
}

fn enqueuing(why: &str, n: usize, d: usize, keys: usize, at: usize) -> Case {
    let step = Step { samples: at as u32, ..Step::default() };
    let check = move |gpu: &Gpu, _: Option<Variant>, seed: u64| {
        // The device holds f32, so the reference shall move the same numbers.
        let rows = |n, seed| Array::random(&[n, d], seed).map(|v| f64::from(v as f32));
        let (new, old) = (rows(n, seed), rows(keys, seed.wrapping_add(1)));
        let (k, queue, step) =
            (Tensor::upload(gpu, &new)?, Tensor::upload(gpu, &old)?, step.upload(gpu)?);
        let (_, program) = gpu.eager(|rec| enqueue(rec, &k, &queue, &step))?;
        let mut report = Report::default();
        report.compare("queue", &queue.read(&program)?, &enqueued(&new, &old, at), 0.0);
        Ok(report)
    };
    let record = move |rec: &Recording| {
        let rows = |rows: usize| Tensor::alloc(&rec.gpu, &[rows, d]);
        enqueue(rec, &rows(n)?, &rows(keys)?, &step.upload(&rec.gpu)?)
    };
    Case::custom(why, check, record)
}

/// The problems that info_nce must solve.
pub fn cases() -> Vec<Case> {
    vec![
        case("one query, one key, one channel", 1, 1, 1, 0.2),
        case("odd sizes, two blocks of queries", 13, 37, 331, 0.2),
        case("more channels than one block of lanes holds", 9, 137, 65, 0.2),
        case("MoCo's dimension and a queue of many chunks", 16, 128, 8201, 0.2),
        problem("a loss close to 0", 8, 128, 100, 0.07, found),
        problem("logits that overflow an exponential", 5, 16, 300, 1.0, long),
        cosines(11, 128, 77),
        enqueuing("keys that wrap", 7, 128, 20, 18),
        enqueuing("keys that fill the queue, odd channels", 6, 5, 6, 0),
    ]
}

/// A problem of random shape.
pub fn random(random: &mut Philox) -> Case {
    let (n, d, keys) = (size(random, 40), size(random, 150), size(random, 700));
    match random.below(4) {
        0 => enqueuing("random queue", n.min(keys), d, keys, random.below(keys)),
        _ => case("random", n, d, keys, 0.07 + random.uniform() as f32),
    }
}

/// Runs a problem that another program poses.
pub fn run(external: &External) -> Result<Outputs> {
    let [q, k, queue] = [external.tensor("q")?, external.tensor("k")?, external.tensor("queue")?];
    fit(&q.shape, &k.shape, &queue.shape).map_err(|e| external.blame(e))?;
    let temperature: f32 = external.attribute("temperature", 0.2)?;
    if temperature.is_nan() || temperature <= 0.0 {
        return Err(external.refused("`temperature` above 0", temperature.to_string()));
    }
    let dloss = external.dloss();
    let needs = [true, false, false];
    let op = InfoNce { temperature };
    let (loss, [dq, ..]) = external.apply(&op, [q, k, queue], dloss.as_ref(), needs)?;
    let mut out = vec![("loss".to_owned(), loss)];
    out.extend(dq.map(|dq| ("dq".to_owned(), dq)));
    Ok(out)
}
