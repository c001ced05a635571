//! `mtpret run-model`: a whole network on given weights and images, to be checked by any other program.

use super::{Device, tensors};
use crate::{
    Error, Result,
    autograd::{Mode, Tape, Var},
    gpu::{Gpu, Program, Recording},
    models::{Classifier, Depth, ResNet},
    ops::{bce_with_logits::BceWithLogits, cross_entropy::CrossEntropy, external::nchw},
    tensor::{Arena, Array, Scope, State, Tensor},
    train::{
        checkpoint::{self, HostTensor, Tensors},
        state,
        weights::{self, Unexpected},
    },
};
use std::path::{Path, PathBuf};

/// Run a network on given weights and images, forward or backward.
///
/// Weights carry torchvision's names; the images `x [N, 3, H, W]` (or one channel, repeated) are taken as they are.
/// Eval gives `logits` and `features.2` … `features.5`; train gives `losses.class` for `target`, the updated running
/// statistics and, with --grad, every parameter's gradient.
///
/// Example: mtpret run-model resnet18 --weights resnet18.pth --input x.safetensors -o y.safetensors
#[derive(clap::Args)]
pub struct Args {
    /// resnet18 or resnet50.
    name: String,
    /// Weights: .safetensors or .pth.
    #[arg(long)]
    weights: PathBuf,
    /// Tensors `x` and, to train, `target`: int64 [N] (classes) or float [N, L] (labels, NaN = missing).
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
    device: Device,
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
        let problem = format!("NAME: expected resnet18 or resnet50, found `{name}`");
        Error::request("command line", problem)
    })
}

/// Outputs of the last layer, by its weights' shape.
///
/// # Errors
/// There are no such weights.
pub fn labels_of(tensors: &Tensors, path: &Path) -> Result<usize> {
    let rows = tensors.get("fc.weight").and_then(|t| t.shape.first());
    rows.copied().ok_or_else(|| {
        let remedy = "pass weights of a whole classifier, or --classes for another head";
        Error::weights(path.display().to_string(), "expected fc.weight, found none", remedy)
    })
}

struct Network {
    backbone: ResNet,
    head: Classifier,
    state: State,
}

impl Network {
    fn forward(&self, tape: &Tape, x: &Tensor) -> Result<([Var; 4], Var)> {
        let features = self.backbone.forward(tape, &tape.input(x))?;
        let logits = self.head.forward(tape, &features[3])?;
        Ok((features, logits))
    }
}

/// The fault of what was asked for, as a malformed request (exit code 2).
pub fn posed(fault: Error) -> Error {
    match fault {
        Error::Config { place, problem, remedy } | Error::Weights { place, problem, remedy } => {
            Error::request(place, format!("{problem}; {remedy}"))
        }
        Error::Shape { op, problem } => Error::request(op, problem),
        other => other,
    }
}

/// The weights that a request names.
///
/// # Errors
/// The file is missing, or holds no weights.
pub fn load(path: &Path) -> Result<Tensors> {
    weights::load(path).map_err(|fault| match fault {
        Error::Io { path, source, remedy } => {
            Error::request(path.display().to_string(), format!("{source}; {remedy}"))
        }
        other => other,
    })
}

/// Runs the command.
///
/// # Errors
/// Weights or images that do not fit.
pub fn run(args: &Args) -> Result<()> {
    compute(args).map_err(posed)
}

fn compute(args: &Args) -> Result<()> {
    let depth = depth(&args.name)?;
    let found = load(&args.weights)?;
    let labels = match args.classes {
        Some(classes) => classes,
        None => labels_of(&found, &args.weights)?,
    };
    let inputs = tensors(&args.input)?;
    let gpu = args.device.open()?;
    let root = Scope::root();
    let backbone = ResNet::new(&root, depth);
    let head = Classifier::new(root.head(0).at("fc"), depth.features(), labels);
    let network = Network { backbone, head, state: State::init(&gpu, &root, 0)? };
    let shapes = network.state.shapes();
    let found = weights::matched(&args.weights, found, &shapes, Unexpected::Refuse)?;
    state::take(&gpu, &found, "", network.state.arenas())?;
    let x = image(&gpu, &inputs, "x", &args.input)?;
    let results = match args.mode {
        Pass::Eval => eval(&gpu, &network, &x)?,
        Pass::Train => {
            let target = target(&gpu, &inputs, "target", labels, &args.input)?;
            train(&gpu, &network, &x, &target, args.grad)?
        }
    };
    checkpoint::write(&args.output, &results, &Default::default())
}

fn eval(gpu: &Gpu, network: &Network, x: &Tensor) -> Result<Tensors> {
    let rec = Recording::new(gpu);
    let tape = Tape::new(&rec, &network.state, Mode::Eval);
    let (features, logits) = network.forward(&tape, x)?;
    drop(tape);
    features.iter().chain([&logits]).for_each(|v| rec.keep(&v.value.data));
    let program = Program::new(rec)?;
    program.run();
    let mut results = Tensors::new();
    results.insert("logits".into(), host(&logits.value.read(&program)?));
    for (i, feature) in features.iter().enumerate() {
        let feature = nchw(&feature.value.read(&program)?);
        results.insert(format!("features.{}", i + 2), host(&feature));
    }
    Ok(results)
}

/// Targets on the device: class numbers `[N, 1]` or labels `[N, L]`.
pub enum Target {
    /// For cross-entropy.
    Classes(Tensor),
    /// For binary cross-entropy, negative = missing.
    Labels(Tensor),
}

fn train(gpu: &Gpu, network: &Network, x: &Tensor, target: &Target, grad: bool) -> Result<Tensors> {
    let gradients = Arena::zeros(gpu, &network.state.weights.layout)?;
    let rec = Recording::new(gpu);
    let tape = Tape::new(&rec, &network.state, Mode::Train { groups: 1 });
    let (_, logits) = network.forward(&tape, x)?;
    let loss = match target {
        Target::Classes(t) => tape.apply(CrossEntropy, [&logits, &tape.input(t)])?,
        Target::Labels(t) => tape.apply(BceWithLogits, [&logits, &tape.input(t)])?,
    };
    rec.keep(&loss.value.data);
    if grad {
        tape.backward(&[&loss], &gradients)?;
    } else {
        drop(tape);
    }
    let program = Program::new(rec)?;
    program.run();
    let mut results = Tensors::new();
    let value = loss.value.read(&program)?.data[0] as f32;
    results.insert("losses.class".into(), HostTensor::f32(Vec::new(), vec![value]));
    state::put(gpu, &mut results, "", [&network.state.statistics])?;
    if grad {
        state::put(gpu, &mut results, "grad.", [&gradients])?;
    }
    Ok(results)
}

fn host(array: &Array) -> HostTensor {
    HostTensor::f32(array.shape.clone(), array.data.iter().map(|v| *v as f32).collect())
}

fn numbers<'a>(inputs: &'a Tensors, name: &str, path: &Path) -> Result<(&'a HostTensor, Vec<f64>)> {
    let place = path.display().to_string();
    let tensor = inputs
        .get(name)
        .ok_or_else(|| Error::request(&place, format!("expected a tensor `{name}`, found none")))?;
    let values = match (tensor.as_f32(), tensor.as_i64()) {
        (Some(v), _) => v.iter().map(|v| f64::from(*v)).collect(),
        (_, Some(v)) => v.iter().map(|v| *v as f64).collect(),
        _ => return Err(Error::request(place, format!("expected `{name}` in f32 or int64"))),
    };
    Ok((tensor, values))
}

/// Images `[N, 3, H, W]`, or `[N, 1, H, W]` repeated, on the device with channels last.
///
/// # Errors
/// The tensor is missing or has another shape.
pub fn image(gpu: &Gpu, inputs: &Tensors, name: &str, path: &Path) -> Result<Tensor> {
    Tensor::upload(gpu, &image_array(inputs, name, path)?)
}

/// As [`image`], on the host.
///
/// # Errors
/// The tensor is missing or has another shape.
pub fn image_array(inputs: &Tensors, name: &str, path: &Path) -> Result<Array> {
    let (tensor, values) = numbers(inputs, name, path)?;
    let (n, c, h, w) = match tensor.shape[..] {
        [n, c @ (1 | 3), h, w] if n * h * w > 0 => (n, c, h, w),
        _ => {
            let problem = format!("expected `{name}` [N, 3 or 1, H, W], found {:?}", tensor.shape);
            return Err(Error::request(path.display().to_string(), problem));
        }
    };
    let planes = Array::new(&[n, c, h, w], values).permuted(&[0, 2, 3, 1]);
    let repeated = planes.data.chunks(c).flat_map(|p| [p[0], p[1 % c], p[2 % c]]).collect();
    Ok(Array::new(&[n, h, w, 3], repeated))
}

/// Targets as an array, and whether they are class numbers.
///
/// # Errors
/// The tensor is missing or has another shape.
pub fn target_array(
    inputs: &Tensors,
    name: &str,
    labels: usize,
    path: &Path,
) -> Result<(Array, bool)> {
    let (tensor, values) = numbers(inputs, name, path)?;
    let place = path.display().to_string();
    match (tensor.as_i64().is_some(), &tensor.shape[..]) {
        (true, &[n]) => {
            if let Some(v) = values.iter().find(|v| **v >= labels as f64) {
                let problem = format!("expected classes below {labels} in `{name}`, found {v}");
                return Err(Error::request(place, problem));
            }
            Ok((Array::new(&[n, 1], values), true))
        }
        (false, &[n, l]) if l == labels => {
            let values = values.iter().map(|v| if v.is_nan() { -1.0 } else { *v }).collect();
            Ok((Array::new(&[n, l], values), false))
        }
        _ => {
            let problem = format!(
                "expected `{name}` int64 [N] or float [N, {labels}], found {:?}",
                tensor.shape
            );
            Err(Error::request(place, problem))
        }
    }
}

fn target(gpu: &Gpu, inputs: &Tensors, name: &str, labels: usize, path: &Path) -> Result<Target> {
    let (array, classes) = target_array(inputs, name, labels, path)?;
    let tensor = Tensor::upload(gpu, &array)?;
    Ok(if classes { Target::Classes(tensor) } else { Target::Labels(tensor) })
}
