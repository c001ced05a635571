//! One problem an op must solve: the unit of test, bench and self-check.

use super::{Op, Reference};
use crate::{
    Error, Result,
    gpu::{Gpu, Recording, Variant},
    tensor::{Array, Format, Philox, Tensor},
};
use half::f16;

type Run = dyn Fn(&Gpu, Option<Variant>, u64) -> Result<Report>;
type Record = dyn Fn(&Recording) -> Result<()>;

/// A problem of stated shape, solvable for any seed.
pub struct Case {
    /// Reason why the case is there.
    pub why: String,
    run: Box<Run>,
    record: Box<Record>,
}

/// Errors of the GPU against the reference, each with its name and the error allowed.
#[derive(Clone, Debug, Default)]
pub struct Report(pub Vec<(String, f64, f64)>);

impl Report {
    /// Adds the error of a tensor: the largest difference, as a share of the largest value wanted.
    pub fn compare(&mut self, what: impl Into<String>, got: &Array, want: &Array, allowed: f64) {
        self.0.push((what.into(), error(got, want), allowed));
    }
    /// Messages of the errors above what is allowed, NaN among them.
    pub fn faults(&self) -> Vec<String> {
        let off = self.0.iter().filter(|(_, error, allowed)| !(error <= allowed));
        off.map(|(what, error, allowed)| {
            format!("{what}: error {error:.1e}, allowed {allowed:.0e}")
        })
        .collect()
    }
    /// The largest error as a share of what is allowed.
    pub fn worst(&self) -> f64 {
        self.0
            .iter()
            .map(|(_, e, a)| if e.is_nan() { f64::INFINITY } else { e / a })
            .fold(0.0, f64::max)
    }
}

/// The largest difference as a share of the largest value wanted; infinite if anything is not
/// finite or a shape differs.
pub fn error(got: &Array, want: &Array) -> f64 {
    if got.shape != want.shape || got.data.iter().any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    let scale = want.data.iter().fold(1e-6, |m: f64, v| m.max(v.abs()));
    got.data.iter().zip(&want.data).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max) / scale
}

/// Settings of a case: its inputs, their formats and the errors allowed.
pub struct Setup<const N: usize> {
    /// Draws the inputs; the default is uniform in (−1, 1).
    pub inputs: fn(&mut [Array; N], &mut Philox),
    /// Whether each input has a derivative.
    pub differentiable: [bool; N],
    /// Whether each input lies in memory as f16.
    pub half: [bool; N],
    /// Error allowed for the value and for a directional derivative.
    pub allowed: (f64, f64),
}

impl<const N: usize> Default for Setup<N> {
    fn default() -> Self {
        Self {
            inputs: |_, _| {},
            differentiable: [true; N],
            half: [false; N],
            allowed: (2e-5, 1e-4),
        }
    }
}

impl Case {
    /// A problem for a differentiable op: its value against the reference, its gradients against
    /// the reference's directional derivative.
    pub fn new<const N: usize, O: Op<N> + Reference<N> + Clone>(
        why: impl Into<String>,
        op: O,
        shapes: [Vec<usize>; N],
        setup: Setup<N>,
    ) -> Self {
        let (op2, shapes2, formats) = (op.clone(), shapes.clone(), setup.half.map(format));
        Self {
            why: why.into(),
            run: Box::new(move |gpu, variant, seed| {
                check(gpu, variant, &op, draw(&shapes, &setup, seed), &setup, seed)
            }),
            record: Box::new(move |rec| {
                let x =
                    std::array::from_fn(|i| Tensor::alloc_as(&rec.gpu, formats[i], &shapes2[i]));
                let x = all(x)?;
                let (y, saved) = op2.forward(rec, x.each_ref())?;
                let dy = Tensor::alloc_as(&rec.gpu, y.format, &y.shape)?;
                op2.backward(rec, &saved, &dy, [true; N]).map(|_| ())
            }),
        }
    }
    /// A problem for anything but a differentiable op: `run` compares (device, variant, seed),
    /// `record` only records.
    pub fn custom(
        why: impl Into<String>,
        run: impl Fn(&Gpu, Option<Variant>, u64) -> Result<Report> + 'static,
        record: impl Fn(&Recording) -> Result<()> + 'static,
    ) -> Self {
        Self { why: why.into(), run: Box::new(run), record: Box::new(record) }
    }
    /// Solves the problem on the device and compares.
    ///
    /// # Errors
    /// A kernel that does not compile, or a lost device.
    pub fn check(&self, gpu: &Gpu, variant: Option<Variant>, seed: u64) -> Result<Report> {
        (self.run)(gpu, variant, seed)
    }
    /// Records the problem, forward and backward, without running it.
    ///
    /// # Errors
    /// A kernel that naga refuses, or too little memory.
    pub fn record(&self, rec: &Recording) -> Result<()> {
        (self.record)(rec)
    }
}

fn all<const N: usize>(x: [Result<Tensor>; N]) -> Result<[Tensor; N]> {
    let x: Vec<Tensor> = x.into_iter().collect::<Result<_>>()?;
    Ok(x.try_into().unwrap_or_else(|_| unreachable!("as many as went in")))
}

fn draw<const N: usize>(shapes: &[Vec<usize>; N], setup: &Setup<N>, seed: u64) -> [Array; N] {
    let mut x: [Array; N] =
        std::array::from_fn(|i| Array::random(&shapes[i], seed.wrapping_add(i as u64)));
    (setup.inputs)(&mut x, &mut Philox::new(seed, 1));
    // The device sees f32 or f16, so the reference shall see the same numbers.
    let mut half = setup.half.into_iter();
    x.map(|a| rounded(a, format(half.next().unwrap_or_default())))
}

fn format(half: bool) -> Format {
    if half { Format::F16 } else { Format::F32 }
}

/// The numbers rounded to a format, as they lie in memory.
pub fn rounded(array: Array, format: Format) -> Array {
    array.map(|v| match format {
        Format::F32 => f64::from(v as f32),
        Format::F16 => f16::from_f64(v).to_f64(),
    })
}

fn check<const N: usize, O: Op<N> + Reference<N>>(
    gpu: &Gpu,
    variant: Option<Variant>,
    op: &O,
    x: [Array; N],
    setup: &Setup<N>,
    seed: u64,
) -> Result<Report> {
    let want = op.reference(x.each_ref());
    let dy = Array::random(&want.shape, seed.wrapping_add(100));
    let dy = rounded(dy, format(setup.half[0]));
    let formats = setup.half.map(format);
    let given = std::array::from_fn(|i| (&x[i], formats[i]));
    let (y, dx) = differentiate(gpu, variant, op, given, Some(&dy), setup.differentiable)?;
    let mut report = Report::default();
    report.compare("y", &y, &want, setup.allowed.0);
    for i in (0..N).filter(|i| setup.differentiable[*i]) {
        let error = match &dx[i] {
            None => f64::INFINITY,
            Some(dx) => derivative_error(op, &x, i, dx, &dy, seed.wrapping_add(200 + i as u64)),
        };
        report.0.push((format!("gradient of input {i}"), error, setup.allowed.1));
    }
    Ok(report)
}

/// Error of a directional derivative: ⟨dx, v⟩ from the GPU against ⟨dy, (f(x + εv) − f(x − εv)) /
/// 2ε⟩ of the f64 reference, for a random direction v, as a share of the length that such a sum of
/// random signs has.
///
/// The error is infinite where a shape differs or anything is not finite.
pub fn derivative_error<const N: usize>(
    op: &impl Reference<N>,
    x: &[Array; N],
    i: usize,
    dx: &Array,
    dy: &Array,
    seed: u64,
) -> f64 {
    if dx.shape != x[i].shape || dx.data.iter().any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    let v = Array::random(&x[i].shape, seed);
    let along = |step: f64| {
        let mut x = x.clone();
        x[i].data.iter_mut().zip(&v.data).for_each(|(x, v)| *x += step * v);
        let y = op.reference(x.each_ref());
        y.data.iter().zip(&dy.data).map(|(a, b)| a * b).sum::<f64>()
    };
    let numeric = (along(1e-6) - along(-1e-6)) / 2e-6;
    let terms = || dx.data.iter().zip(&v.data).map(|(a, b)| a * b);
    let analytic: f64 = terms().sum();
    let length = terms().map(|t| t * t).sum::<f64>().sqrt();
    (analytic - numeric).abs() / (1e-3 + length.max(numeric.abs()))
}

/// An op's value and, given the gradient of that, the gradients of its inputs, run eagerly.
///
/// # Errors
/// Shapes that do not fit, or a kernel that does not compile.
pub fn differentiate<const N: usize, O: Op<N>>(
    gpu: &Gpu,
    variant: Option<Variant>,
    op: &O,
    x: [(&Array, Format); N],
    dy: Option<&Array>,
    needs: [bool; N],
) -> Result<(Array, [Option<Array>; N])> {
    let x = all(x.map(|(a, format)| Tensor::upload_as(gpu, format, a)))?;
    let mut recording = Recording::new(gpu);
    recording.variant = variant;
    let rec = &recording;
    let (y, saved) = op.forward(rec, x.each_ref())?;
    rec.keep(&y.data);
    let mut dx: [Option<Tensor>; N] = [const { None }; N];
    if let Some(dy) = dy {
        if dy.shape != y.shape {
            let expected = format!("dy of y's shape {:?}", y.shape);
            return Err(Error::shape("gradient", expected, format!("{:?}", dy.shape)));
        }
        dx = op.backward(rec, &saved, &Tensor::upload_as(gpu, y.format, dy)?, needs)?;
        dx.iter().flatten().for_each(|t| rec.keep(&t.data));
    }
    let program = crate::gpu::Program::new(recording)?;
    program.run();
    gpu.wait()?;
    let read = |t: &Option<Tensor>| t.as_ref().map(|t| t.read(&program)).transpose();
    let gradients = dx.iter().map(read).collect::<Result<Vec<_>>>()?;
    let gradients = gradients.try_into().unwrap_or_else(|_| unreachable!("as many as went in"));
    Ok((y.read(&program)?, gradients))
}

/// A random size from 1 to `most`: ones, primes and sizes around a tile come up often.
pub fn size(random: &mut Philox, most: usize) -> usize {
    const TELLING: [usize; 16] = [1, 2, 3, 5, 7, 11, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65];
    let telling = TELLING.iter().filter(|s| **s <= most).count();
    match random.below(3) {
        0 => 1 + random.below(most),
        _ => TELLING[random.below(telling)],
    }
}
