//! Kernels to be timed: products of matrices, and a ResNet-18's ops on its own shapes.

use crate::Result;
use mtpret_engine::{
    gpu::{Gpu, Recording, Variant},
    ops::{
        Op,
        add::Add,
        batch_norm::BatchNorm,
        conv2d::Conv2d,
        ema::Ema,
        global_avg_pool::GlobalAvgPool,
        info_nce::InfoNce,
        max_pool2d::MaxPool2d,
        relu::Relu,
        sgd::Sgd,
        warp::{Grey, Warp},
    },
    tensor::{Array, Philox, Step, Tensor},
};

type RecordOp = dyn Fn(&Recording) -> Result<()>;

/// An op on a network's shapes, to be timed by each kernel that it has.
pub struct BenchKernel {
    /// The op's name.
    pub op: &'static str,
    /// Forward, or which gradient.
    pub pass: &'static str,
    /// The shape, as a person would say it.
    pub shape: String,
    /// Records it.
    pub record: Box<RecordOp>,
}

impl BenchKernel {
    /// The kernels that can solve it on this adapter.
    ///
    /// # Errors
    /// A kernel that naga refuses.
    pub fn variants(&self, gpu: &Gpu) -> Result<Vec<Variant>> {
        let rec = Recording::new(gpu);
        (self.record)(&rec)?;
        let problem = rec.take_problems().into_values().next();
        Ok(problem.map_or_else(|| vec![Variant::Plain], |problem| problem.kernels))
    }
}

/// The distinct convolutions of a ResNet-18 at 64 × 64: side and channels of x, channels of y,
/// kernel, stride.
const CONVOLUTIONS: [[usize; 5]; 11] = [
    [64, 3, 64, 7, 2],
    [16, 64, 64, 3, 1],
    [16, 64, 128, 3, 2],
    [16, 64, 128, 1, 2],
    [8, 128, 128, 3, 1],
    [8, 128, 256, 3, 2],
    [8, 128, 256, 1, 2],
    [4, 256, 256, 3, 1],
    [4, 256, 512, 3, 2],
    [4, 256, 512, 1, 2],
    [2, 512, 512, 3, 1],
];
/// Rows, columns and terms of products of matrices.
const PRODUCTS: [usize; 3] = [512, 1024, 2048];
/// Films of a batch.
const BATCH: usize = 8;
/// Floats of a ResNet-18.
const WEIGHTS: usize = 11_689_512;

/// What a ResNet-18 does to eight films of 64 × 64, op by op.
///
/// # Errors
/// Too little device memory.
pub fn resnet18(gpu: &Gpu) -> Result<Vec<BenchKernel>> {
    let mut all = PRODUCTS.into_iter().map(|n| product(gpu, n)).collect::<Result<Vec<_>>>()?;
    for shape in CONVOLUTIONS {
        // Films need no gradient.
        let trained = |k: &BenchKernel| shape[1] > 3 || k.pass != "grad_input";
        all.extend(convolution(gpu, shape)?.into_iter().filter(trained));
    }
    for [side, c] in [[32, 64], [16, 64], [8, 128], [4, 256], [2, 512]] {
        let x = vec![BATCH, side, side, c];
        let running = [random(gpu, &[c])?, Tensor::upload(gpu, &Array::new(&[c], vec![1.0; c]))?];
        let norm =
            BatchNorm { training: true, eps: 1e-5, momentum: 0.1, groups: 1, running, relu: false };
        all.extend(passes::<3, _>(gpu, "batch_norm", norm, [x, vec![c], vec![c]])?);
    }
    let stem = vec![BATCH, 32, 32, 64];
    all.extend(passes(gpu, "relu", Relu, [stem.clone()])?);
    let first = vec![BATCH, 16, 16, 64];
    all.push(passes(gpu, "add", Add, [first.clone(), first])?.swap_remove(0));
    let pool = MaxPool2d { kernel: [3; 2], stride: [2; 2], padding: [1; 2] };
    all.extend(passes(gpu, "max_pool2d", pool, [stem])?);
    all.extend(passes(gpu, "global_avg_pool", GlobalAvgPool, [vec![BATCH, 2, 2, 512]])?);
    let (keys, queue) = (vec![BATCH, 128], vec![4096, 128]);
    all.extend(passes(gpu, "info_nce", InfoNce { temperature: 0.2 }, [keys.clone(), keys, queue])?);
    all.extend(updates(gpu)?);
    Ok(all)
}

/// Uniform numbers in (−1, 1).
///
/// # Errors
/// Too little device memory.
pub fn random(gpu: &Gpu, shape: &[usize]) -> Result<Tensor> {
    Tensor::upload(gpu, &Array::random(shape, shape.iter().sum::<usize>() as u64))
}

/// A product of two n × n matrices: a 1 × 1 convolution.
fn product(gpu: &Gpu, n: usize) -> Result<BenchKernel> {
    let (x, w) = (random(gpu, &[1, 1, n, n])?, random(gpu, &[1, 1, n, n])?);
    let record = move |rec: &Recording| Conv2d::new(1, 0).forward(rec, &x, &w, None).map(|_| ());
    Ok(BenchKernel {
        op: "product",
        pass: "forward",
        shape: format!("{n} × {n} × {n}"),
        record: Box::new(record),
    })
}

fn convolution(gpu: &Gpu, [side, c, k, kernel, stride]: [usize; 5]) -> Result<[BenchKernel; 3]> {
    let conv = Conv2d::new(stride, kernel / 2);
    let x = random(gpu, &[BATCH, side, side, c])?;
    let w = random(gpu, &[kernel, kernel, c.next_multiple_of(4), k])?;
    let out = side / stride;
    let dy = random(gpu, &[BATCH, out, out, k])?;
    let shape = format!("{side} × {side} × {c} → {k}, {kernel} × {kernel} / {stride}");
    let bench = |pass, record| BenchKernel { op: "conv2d", pass, shape: shape.clone(), record };
    let (x1, w1) = (x.clone(), w.clone());
    let forward = move |rec: &Recording| conv.forward(rec, &x1, &w1, None).map(|_| ());
    let gradient = |needs: [bool; 3]| {
        let (x, w, dy) = (x.clone(), w.clone(), dy.clone());
        Box::new(move |rec: &Recording| conv.backward(rec, &x, &w, &dy, needs).map(|_| ()))
    };
    Ok([
        bench("forward", Box::new(forward)),
        bench("grad_input", gradient([true, false, false])),
        bench("grad_weight", gradient([false, true, false])),
    ])
}

/// The op forward, and forward and backward; its own output stands in for the gradient.
fn passes<const N: usize, O: Op<N> + Clone>(
    gpu: &Gpu,
    name: &'static str,
    op: O,
    shapes: [Vec<usize>; N],
) -> Result<Vec<BenchKernel>> {
    let x = shapes.iter().map(|s| random(gpu, s)).collect::<Result<Vec<_>>>()?;
    let x: [Tensor; N] = x.try_into().unwrap_or_else(|_| unreachable!("as many as went in"));
    let bench = |pass, backward: bool| {
        let (x, op) = (x.clone(), op.clone());
        let record = move |rec: &Recording| {
            let (y, saved) = op.forward(rec, x.each_ref())?;
            if backward {
                op.backward(rec, &saved, &y, [true; N])?;
            }
            Ok(())
        };
        BenchKernel { op: name, pass, shape: format!("{:?}", shapes[0]), record: Box::new(record) }
    };
    Ok(vec![bench("forward", false), bench("forward + backward", true)])
}

/// What is no function of tensors: updates of weights, and films as the network sees them.
fn updates(gpu: &Gpu) -> Result<[BenchKernel; 3]> {
    let flat = || Tensor::alloc(gpu, &[WEIGHTS]);
    let (w, g, v) = (flat()?, flat()?, flat()?);
    let step = Step { lr: 0.01, ..Step::default() }.upload(gpu)?;
    let mut draw = Philox::new(1, 0);
    let bytes: Vec<u8> = (0..BATCH * 64 * 64).map(|_| draw.below(256) as u8).collect();
    let films: Vec<Grey> = bytes.chunks(64 * 64).map(Grey::Bytes).collect();
    let films = Warp::upload(gpu, &films)?;
    let bench = |op, shape: String, record| BenchKernel { op, pass: "forward", shape, record };
    let (step1, [w1, g1]) = (step.clone(), [w.clone(), g.clone()]);
    let sgd = Sgd { momentum: 0.9, decay: 1e-4, alpha: 0.0 };
    let sgd = move |rec: &Recording| sgd.step(rec, &w1.data, &g1.data, &v.data, None, &step1);
    let ema = Ema { momentum: 0.999 };
    let ema = move |rec: &Recording| ema.step(rec, &g.data, &w.data);
    let view =
        Warp { mean: 122.786, std: 18.39, flip: 0.5, rotate_deg: 10.0, shift: 0.05, view: 0 };
    let warp = move |rec: &Recording| view.forward(rec, &films, [BATCH, 64, 64], &step).map(|_| ());
    Ok([
        bench("sgd", format!("{WEIGHTS} floats"), Box::new(sgd)),
        bench("ema", format!("{WEIGHTS} floats"), Box::new(ema)),
        bench("warp", format!("{BATCH} × 64 × 64"), Box::new(warp)),
    ])
}
