//! `mtpret run-steps`: training steps on given weights and batches, to be checked by any other program.

use super::{
    batch::{batch, of_one_length},
    network::{self, NetworkSettings, network},
    tensors::{image, tensors},
};
use crate::{
    Error, Result,
    commands::{faults::as_request, options::DeviceArgs},
};
use mtpret_engine::{
    autograd::Mode,
    file,
    step::{Stepper, TrainState},
    tensor::Array,
};
use mtpret_pipeline::{
    models::catalogue::{self, Network},
    train::{
        Device,
        config::{self, L2sp, Moco, Optim},
        on_tensors::{self, NamedArrays, OnViews, StepTrace, load_moco},
        stages::moco::Contrast,
        step::optimizer::Update,
    },
    weights::{self, arenas, checkpoint::Tensors},
};
use serde::{Deserialize, Serialize};
use std::{io::Write, path::PathBuf};

/// Train for as many steps as there are batches, on given weights, and write each step's loss.
///
/// --set takes optim.lr, optim.momentum, optim.weight_decay, l2sp.alpha, l2sp.beta (anchor: the given weights), moco.temperature,
/// moco.momentum, moco.bn_splits. Batches are `x.0 target.0 x.1 target.1 …`; for moco `view1.t view2.t` and the starting
/// `queue [D, K]`; to detect `x.t boxes.t.i labels.t.i …`, as `run-model` takes them.
///
/// Example: mtpret run-steps resnet18 --weights w.safetensors --batches b.safetensors --task classify -o trace.json
#[derive(clap::Args)]
pub struct Args {
    /// resnet18, resnet50, to segment deeplabv3_resnet18 or deeplabv3_resnet50, to detect
    /// fasterrcnn_resnet18_fpn or fasterrcnn_resnet50_fpn.
    name: String,
    /// Weights to start from: .safetensors or .pth.
    #[arg(long)]
    weights: PathBuf,
    /// The batches.
    #[arg(long)]
    batches: PathBuf,
    /// What is trained.
    #[arg(long, value_enum)]
    task: Kind,
    /// Where the trace goes (JSON).
    #[arg(short, long)]
    output: PathBuf,
    /// Where the trained weights go, under the same names.
    #[arg(long)]
    save_weights: Option<PathBuf>,
    /// A setting, as a.b=value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    network: NetworkSettings,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Classify,
    Detect,
    Segment,
    Moco,
}

/// What --set can set, with its defaults.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hyper {
    optim: Optim,
    l2sp: L2sp,
    moco: Moco,
}

impl Hyper {
    fn new() -> Self {
        Self {
            optim: Optim::constant(0.01),
            l2sp: L2sp {
                anchor: config::Anchor::Moco,
                anchor_at: config::AnchorAt::End,
                alpha: 0.0,
                beta: 0.0,
                scope: config::Scope::Weights,
            },
            moco: Moco {
                dim: 128,
                queue: 0,
                momentum: 0.999,
                temperature: 0.2,
                bn_splits: 8,
                key_bn: config::KeyBn::Split,
                mlp: true,
            },
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Weights or batches that do not fit.
pub fn run(args: &Args) -> Result<()> {
    train(args).map_err(as_request)
}

fn train(args: &Args) -> Result<()> {
    let settings = config::set(Hyper::new(), &args.settings)?;
    let batches = tensors(&args.batches)?;
    let found = network::weights(&args.weights)?;
    let gpu = args.device.open_for_programs()?;
    if args.task == Kind::Moco {
        return moco(&gpu, args, &settings, &batches, &found);
    }
    let held = settings.l2sp.alpha > 0.0 || settings.l2sp.beta > 0.0;
    let loaded = network(&gpu, &args.name, &args.network, None, &found, held)?;
    let learnt = match &loaded.network {
        Network::Classifier(_) => Kind::Classify,
        Network::DeepLab(_) => Kind::Segment,
        Network::FasterRcnn(_) => Kind::Detect,
    };
    if learnt != args.task {
        let expected = format!("one that is learnt by {}", args.name);
        return Err(Error::request("--task", expected, "another", "pass that of the network"));
    }
    let update = Update::new(&settings.optim, held.then_some(&settings.l2sp));
    let state = &loaded.train;
    let layout = &state.network.weights.layout;
    let optimizer = update.optimizer(layout, 0, loaded.mode == Mode::Frozen);
    let trace = on_tensors::train(
        &gpu,
        state,
        &settings.optim,
        loaded.parts(),
        count(&batches, "x."),
        |t| batch(&loaded, &batches, &format!(".{t}"), &args.batches),
        |batch| Stepper::new(&gpu, &loaded.on(batch, optimizer.clone())),
    )?;
    write(&gpu, args, state, &trace)
}

fn moco(
    gpu: &Device,
    args: &Args,
    settings: &Hyper,
    batches: &Tensors,
    found: &weights::File,
) -> Result<()> {
    let depth = catalogue::backbone(&args.name)?;
    let queue = batches.get("queue").filter(|q| q.shape.len() == 2);
    let (Some(keys), Some(shape)) = (queue.and_then(|q| q.as_f32()), queue.map(|q| &q.shape))
    else {
        let (expected, mend) = ("a tensor `queue` [D, K] in f32", "write the keys to begin with");
        return Err(Error::request(&args.batches, expected, "none", mend));
    };
    let keys = Array::new(shape, keys.iter().map(|v| f64::from(*v)).collect());
    let model = load_moco(gpu, depth, &keys, found)?;
    let contrast = Contrast {
        temperature: settings.moco.temperature as f32,
        ema: settings.moco.momentum as f32,
        splits: settings.moco.bn_splits,
        key_bn: settings.moco.key_bn,
        shuffle: false,
    };
    let update = Update::new(&settings.optim, None);
    let state = &model.query;
    let trace = on_tensors::train(
        gpu,
        state,
        &settings.optim,
        &["contrast"],
        count(batches, "view1."),
        |t| {
            let view = |v: usize| image(batches, &format!("view{v}.{t}"), &args.batches);
            let views = NamedArrays::from([("view1", view(1)?), ("view2", view(2)?)]);
            of_one_length(views, &args.batches)
        },
        |batch| {
            let shape = batch["view1"].shape.clone();
            Stepper::new(gpu, &OnViews { moco: &model, contrast, shape, update })
        },
    )?;
    write(gpu, args, state, &trace)
}

/// Batches in a file: how many names `prefix` + number there are from 0 on.
fn count(batches: &Tensors, prefix: &str) -> usize {
    (0..).take_while(|t| batches.contains_key(&format!("{prefix}{t}"))).count()
}

/// Writes the trace of the steps and, if they are asked for, the weights that they ended with.
fn write(gpu: &Device, args: &Args, state: &TrainState, trace: &[StepTrace]) -> Result<()> {
    if trace.is_empty() {
        let (expected, mend) = ("batches numbered from 0", "name their tensors so, as x.0");
        return Err(Error::request(&args.batches, expected, "none", mend));
    }
    if let Some(path) = &args.save_weights {
        let network = arenas::network(gpu, &state.network)?;
        weights::save(path, network, Default::default())?;
    }
    let trace = serde_json::json!({ "steps": trace }).to_string();
    file::put(&args.output, |file| file.write_all(trace.as_bytes()))
}
