//! `mtpret run-model`: a whole network on given weights and images, to be checked by any other program.

use super::{
    detection,
    network::{NetworkSettings, Subject},
    run_steps,
    tensors::image,
};
use crate::{
    Error, Result,
    commands::{external::tensors::tensors, options::DeviceArgs, posed, unread},
};
use mtpret_engine::{
    autograd::{Mode, Tape},
    gpu::{Program, Recording},
    ops::{
        external::nchw,
        loss_scale::{GROWTH, LossScale},
    },
    step::{Optimizer, Stepper, TrainState},
    tensor::{Array, Group, Step, Tensor},
};
use mtpret_pipeline::{
    models::{BACKBONE, Depth, catalogue},
    train::Device,
    weights::{
        self, arenas,
        checkpoint::{self, HostTensor, Tensors},
    },
};
use std::path::{Path, PathBuf};

/// Run a network on given weights and images, forward or backward.
///
/// Weights carry torchvision's names; the images `x [N, 3, H, W]` (or one channel, repeated) are taken as they are.
/// Eval gives `logits` and `features.2` … `features.5`, of a DeepLab `out` [N, L, H, W] (and `aux`); train gives
/// `losses.class` or `losses.mask` (and `losses.aux`) for `target`, the updated running statistics and, with --grad, every
/// parameter's gradient. A Faster R-CNN gives `boxes.i`, `scores.i` and `labels.i` (from 1) of image i; to train it takes boxes and
/// labels under these names, and `rpn.sampled_pos.i`, `rpn.sampled_neg.i` and `roi.proposals.i` for what it else draws at
/// random.
///
/// Example: mtpret run-model resnet18 --weights resnet18.pth --input x.safetensors -o y.safetensors
#[derive(clap::Args)]
pub struct Args {
    /// resnet18, resnet50, deeplabv3_resnet18, deeplabv3_resnet50, fasterrcnn_resnet18_fpn or fasterrcnn_resnet50_fpn.
    name: String,
    /// Weights: .safetensors or .pth.
    #[arg(long)]
    weights: PathBuf,
    /// Tensors `x` and, to train, `target`: int64 [N] (classes) or float [N, L] (labels, NaN = missing); of a DeepLab
    /// float [N, 1, H, W] (one class) or int64 [N, H, W] (several, negative = ignored).
    #[arg(long)]
    input: PathBuf,
    /// Where the results go.
    #[arg(short, long)]
    output: PathBuf,
    /// Outputs of the last layer [default: as many as the weights have].
    #[arg(long)]
    classes: Option<usize>,
    /// Normalise by running statistics, or by the batch.
    #[arg(long, value_enum, default_value_t = Pass::Eval)]
    mode: Pass,
    /// Give the gradients too.
    #[arg(long, requires = "mode")]
    grad: bool,
    #[command(flatten)]
    settings: NetworkSettings,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Pass {
    Eval,
    Train,
}

/// The depth of that name.
///
/// # Errors
/// No such network.
pub fn depth(name: &str) -> Result<Depth> {
    Depth::named(name).ok_or_else(|| {
        Error::request("NAME", "resnet18 or resnet50", format!("`{name}`"), "pass one of them")
    })
}

/// The weights that a request names.
///
/// # Errors
/// The file is missing, or holds no weights.
pub fn load(path: &Path) -> Result<weights::File> {
    weights::open(path).map_err(unread)
}

/// Runs the command.
///
/// # Errors
/// Weights or images that do not fit.
pub fn run(args: &Args) -> Result<()> {
    compute(args).map_err(posed)
}

fn compute(args: &Args) -> Result<()> {
    let found = load(&args.weights)?;
    let inputs = tensors(&args.input)?;
    let gpu = args.device.open_for_programs()?;
    let subject = Subject::new(&gpu, &args.name, &args.settings, args.classes, &found, false)?;
    let results = match (args.mode, &subject.network) {
        (Pass::Train, _) => train(&gpu, &subject, &inputs, args)?,
        (Pass::Eval, catalogue::Network::FasterRcnn(detector)) => {
            detection::detect(&gpu, &subject, detector, &inputs, &args.input)?
        }
        (Pass::Eval, _) => eval(&gpu, &subject, &inputs, &args.input)?,
    };
    checkpoint::write(&args.output, &results, &Default::default())
}

fn eval(gpu: &Device, subject: &Subject, inputs: &Tensors, path: &Path) -> Result<Tensors> {
    let x = Tensor::upload(gpu, &image(inputs, "x", path)?)?;
    let (outputs, program) = gpu.built(|| {
        let rec = Recording::new(gpu);
        let tape = Tape::new(&rec, &subject.train.network, Mode::Eval);
        let outputs = subject.outputs(&tape, &x, &Step::default().upload(gpu)?)?;
        drop(tape);
        outputs.iter().for_each(|(_, v)| rec.keep(&v.value.data));
        Ok((outputs, Program::new(rec)?))
    })?;
    program.run();
    let mut results = Tensors::new();
    for (name, output) in outputs {
        let value = output.value.read(&program)?;
        let value = if value.shape.len() == 4 { nchw(&value) } else { value };
        results.insert(name, host(&value));
    }
    Ok(results)
}

/// A training step that moves no weight: its losses, statistics and gradients.
fn train(gpu: &Device, subject: &Subject, inputs: &Tensors, args: &Args) -> Result<Tensors> {
    let batch = subject.batch(inputs, "", &args.input)?;
    let still = Optimizer { momentum: 0.0, groups: Default::default() };
    let mut stepper = Stepper::new(gpu, &subject.on(&batch, still))?;
    run_steps::run_batch(&mut stepper, &Step::default(), &batch)?;
    let mut results = Tensors::new();
    for (name, loss) in run_steps::losses(&mut stepper, subject.parts())? {
        results.insert(format!("losses.{name}"), HostTensor::f32(Vec::new(), vec![loss as f32]));
    }
    let TrainState { network: state, gradients, .. } = &subject.train;
    arenas::put(gpu, &mut results, "", [&state.statistics])?;
    if args.grad {
        if let Some(scale) = &state.loss_scale {
            let scaled = LossScale { growth: GROWTH };
            gpu.eager(|rec| scaled.unscale(rec, &gradients.data, scale))?;
        }
        arenas::put(gpu, &mut results, "grad.", [gradients])?;
        // Frozen batch norm has no gradients.
        let norms = Group { part: BACKBONE, vectors: true };
        let norms = gradients.layout.entries().filter(|e| e.group == norms);
        norms.filter(|_| subject.mode == Mode::Frozen).for_each(|e| {
            results.remove(&format!("grad.{}", e.name));
        });
    }
    Ok(results)
}

fn host(array: &Array) -> HostTensor {
    HostTensor::f32(array.shape.clone(), array.data.iter().map(|v| *v as f32).collect())
}
