//! `mtpret run-model`: a whole network on given weights and images, to be checked by any other program.

use super::{
    batch::batch,
    detection,
    network::{self, NetworkSettings, network},
    tensors::{image, tensors},
};
use crate::{
    Result,
    commands::{faults::as_request, options::DeviceArgs},
};
use mtpret_engine::{ops::external::nchw, tensor::Array};
use mtpret_pipeline::{
    train::{
        Device,
        on_tensors::{Evaluated, LoadedNetwork},
    },
    weights::{
        arenas,
        checkpoint::{self, HostTensor, Tensors},
    },
};
use std::path::PathBuf;

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

/// Runs the command.
///
/// # Errors
/// Weights or images that do not fit.
pub fn run(args: &Args) -> Result<()> {
    compute(args).map_err(as_request)
}

fn compute(args: &Args) -> Result<()> {
    let found = network::weights(&args.weights)?;
    let inputs = tensors(&args.input)?;
    let gpu = args.device.open_for_programs()?;
    let loaded = network(&gpu, &args.name, &args.settings, args.classes, &found, false)?;
    let results = match args.mode {
        Pass::Train => train(&gpu, &loaded, &inputs, args)?,
        Pass::Eval => eval(&gpu, &loaded, &image(&inputs, "x", &args.input)?)?,
    };
    checkpoint::write(&args.output, &results, &Default::default())
}

fn eval(gpu: &Device, loaded: &LoadedNetwork, images: &Array) -> Result<Tensors> {
    let named = |(name, value): (String, Array)| {
        let value = if value.shape.len() == 4 { nchw(&value) } else { value };
        (name, host(&value))
    };
    Ok(match loaded.evaluate(gpu, images)? {
        Evaluated::Outputs(outputs) => outputs.into_iter().map(named).collect(),
        Evaluated::Boxes(found) => detection::results(found),
    })
}

/// A training step that moves no weight: its losses, statistics and gradients.
fn train(gpu: &Device, loaded: &LoadedNetwork, inputs: &Tensors, args: &Args) -> Result<Tensors> {
    let batch = batch(loaded, inputs, "", &args.input)?;
    let mut results = Tensors::new();
    for (name, loss) in loaded.differentiate(gpu, &batch)? {
        results.insert(format!("losses.{name}"), HostTensor::f32(Vec::new(), vec![loss as f32]));
    }
    arenas::put(gpu, &mut results, "", [&loaded.train.network.statistics])?;
    if args.grad {
        let gradients = loaded.gradients(gpu)?.into_iter();
        results.extend(gradients.map(|(name, tensor)| (format!("grad.{name}"), tensor)));
    }
    Ok(results)
}

fn host(array: &Array) -> HostTensor {
    HostTensor::f32(array.shape.clone(), array.data.iter().map(|v| *v as f32).collect())
}
