//! `mtpret run-steps`: training steps on given weights and batches, to be checked by any other program.

use super::{
    Device,
    detection::Detector,
    network::{self, Batch, Network, Settings, Trained},
    run_model, tensors,
};
use crate::{
    Error, Result,
    autograd::{Mode, Tape},
    gpu::{Gpu, Program, Recording},
    models::Projection,
    tensor::{Arena, Array, State, Step, Tensor},
    train::{
        checkpoint::{self, Tensors},
        config::{self, L2sp, Moco, Optim},
        moco::{Contrast, MocoLearner},
        pretrain::Contrastive,
        schedule::{Progress, Span},
        state,
        update::{Memory, Update},
        weights::{self, Unexpected},
    },
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
    network: Settings,
    #[command(flatten)]
    device: Device,
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
            optim: Optim {
                lr: 0.01,
                momentum: 0.9,
                weight_decay: 0.0,
                schedule: crate::train::schedule::Schedule::Constant,
                lr_min: 0.0,
                warmup_steps: 0,
                period: None,
                lars: None,
            },
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

#[derive(Serialize)]
struct Row {
    step: usize,
    loss: f32,
    losses: serde_json::Map<String, serde_json::Value>,
    lr: f64,
    grad_norm: f64,
}

/// A recorded step: its program, what it reads, what it leaves.
struct Recorded {
    program: Program,
    /// Device memory of each of a batch's tensors.
    batch: Vec<Tensor>,
    step: Tensor,
    /// Losses by name, which are added.
    losses: Vec<(&'static str, Tensor)>,
}

/// Runs the command.
///
/// # Errors
/// Weights or batches that do not fit.
pub fn run(args: &Args) -> Result<()> {
    train(args).map_err(run_model::posed)
}

fn train(args: &Args) -> Result<()> {
    let settings = config::set(Hyper::new(), &args.settings)?;
    let batches = tensors(&args.batches)?;
    let found = run_model::load(&args.weights)?;
    let gpu = args.device.open()?;
    match args.task {
        Kind::Detect => {
            let detector = Detector::new(&gpu, &args.name, &args.network, None, &found)?;
            supervised(&gpu, args, &settings, &batches, &detector)
        }
        Kind::Classify | Kind::Segment => {
            let network = Network::new(&gpu, &args.name, &args.network, None, &found)?;
            if network.segments() != (args.task == Kind::Segment) {
                let problem =
                    format!("--task: expected one that is learnt by {}, found another", args.name);
                return Err(Error::request("command line", problem));
            }
            supervised(&gpu, args, &settings, &batches, &network)
        }
        Kind::Moco => moco(&gpu, args, &settings, &batches, &found),
    }
}

fn set_state(gpu: &Gpu, state: &State, found: &weights::File) -> Result<()> {
    let found = found.matched(&state.shapes(), Unexpected::Refuse)?;
    state::take(gpu, &found, "", state.arenas())
}

fn supervised(
    gpu: &Gpu,
    args: &Args,
    settings: &Hyper,
    batches: &Tensors,
    network: &dyn Trained,
) -> Result<()> {
    let (state, mode) = (network.state(), network.mode());
    let anchor = state.weights.duplicate(gpu)?;
    let gradients = Arena::zeros(gpu, &state.weights.layout)?;
    let momentum = Arena::zeros(gpu, &state.weights.layout)?;
    let held = settings.l2sp.alpha > 0.0 || settings.l2sp.beta > 0.0;
    let update = Update::new(&settings.optim, held.then_some(&settings.l2sp));
    let update = if mode == Mode::Frozen { update.frozen() } else { update };
    let memory = Memory {
        weights: &state.weights,
        gradients: &gradients,
        momentum: &momentum,
        anchor: held.then_some(&anchor),
        loss_scale: state.loss_scale.as_ref(),
    };
    let record = |first: &Batch<Array>| -> Result<Recorded> {
        let alloc =
            |(name, array): (&&'static str, &Array)| Ok((*name, Tensor::alloc(gpu, &array.shape)?));
        let batch = first.iter().map(alloc).collect::<Result<Batch<Tensor>>>()?;
        let step = Step::default().upload(gpu)?;
        let rec = Recording::new(gpu);
        let tape = Tape::new(&rec, state, mode);
        let losses = network.losses(&tape, &batch, &step)?;
        losses.iter().for_each(|(_, loss)| rec.keep(&loss.value.data));
        tape.backward(&losses.iter().map(|(_, loss)| loss).collect::<Vec<_>>(), &gradients)?;
        update.record(&rec, &memory, 0, &step)?;
        let losses = losses.into_iter().map(|(name, loss)| (name, loss.value)).collect();
        let batch = batch.into_values().collect();
        Ok(Recorded { program: Program::new(rec)?, batch, step, losses })
    };
    let count = count(batches, "x.");
    let mut recorded: Option<Recorded> = None;
    let mut rows = Vec::new();
    for t in 0..count {
        let batch = network.batch(batches, &format!(".{t}"), &args.batches)?;
        let alike = |r: &Recorded| batch.values().zip(&r.batch).all(|(a, b)| a.shape == b.shape);
        if !recorded.as_ref().is_some_and(alike) {
            recorded = Some(record(&batch)?);
        }
        let recorded = recorded.as_ref().expect("it was recorded above");
        let batch: Vec<Array> = batch.into_values().collect();
        rows.push(step(gpu, settings, recorded, &batch, [t, count, 0], &gradients)?);
    }
    finish(gpu, args, &rows, state)
}

fn moco(
    gpu: &Gpu,
    args: &Args,
    settings: &Hyper,
    batches: &Tensors,
    found: &weights::File,
) -> Result<()> {
    let depth = run_model::depth(&args.name)?;
    let place = args.batches.display().to_string();
    let queue = batches.get("queue").filter(|q| q.shape.len() == 2);
    let (Some(start), Some(shape)) = (queue.and_then(|q| q.as_f32()), queue.map(|q| &q.shape))
    else {
        return Err(Error::request(place, "expected `queue` [D, K] in f32, found none"));
    };
    let [dim, keys] = [shape[0], shape[1]];
    let projection = match found.tensors.contains_key("fc.0.weight") {
        true => Projection::Mlp,
        false => Projection::Linear,
    };
    let learner = MocoLearner::new(gpu, depth, [dim, keys], projection, 0)?;
    set_state(gpu, &learner.query, found)?;
    learner.loaded(gpu);
    let start = Array::new(&[dim, keys], start.iter().map(|v| f64::from(*v)).collect());
    let rows = start.permuted(&[1, 0]).padded();
    gpu.write(&learner.queue.data, bytemuck::cast_slice(&rows));
    let contrast = Contrast {
        temperature: settings.moco.temperature as f32,
        ema: settings.moco.momentum as f32,
        splits: settings.moco.bn_splits,
        key_bn: settings.moco.key_bn,
        shuffle: false,
    };
    let update = Update::new(&settings.optim, None);
    let view = |v: usize, t: usize| network::image(batches, &format!("view{v}.{t}"), &args.batches);
    let record = |x: &Array| -> Result<Recorded> {
        let batch = vec![Tensor::alloc(gpu, &x.shape)?, Tensor::alloc(gpu, &x.shape)?];
        let step = Step::default().upload(gpu)?;
        let rec = Recording::new(gpu);
        let loss = contrast.record(&rec, &learner, [&batch[0], &batch[1]], &step, true)?;
        rec.keep(&loss.data);
        update.record(&rec, &learner.memory(), 0, &step)?;
        Ok(Recorded { program: Program::new(rec)?, batch, step, losses: vec![("contrast", loss)] })
    };
    let count = count(batches, "view1.");
    let (mut recorded, mut at): (Option<Recorded>, usize) = (None, 0);
    let mut rows = Vec::new();
    for t in 0..count {
        let (a, b) = (view(1, t)?, view(2, t)?);
        if recorded.as_ref().is_none_or(|r| r.batch[0].shape != a.shape) {
            recorded = Some(record(&a)?);
        }
        let recorded = recorded.as_ref().expect("it was recorded above");
        let n = a.shape[0];
        let place = [t, count, at];
        let gradients = &learner.gradients;
        rows.push(step(gpu, settings, recorded, &[a, b], place, gradients)?);
        at = (at + n) % keys;
    }
    finish(gpu, args, &rows, &learner.query)
}

/// Batches in a file: how many names `prefix` + number there are from 0 on.
fn count(batches: &Tensors, prefix: &str) -> usize {
    (0..).take_while(|t| batches.contains_key(&format!("{prefix}{t}"))).count()
}

fn step(
    gpu: &Gpu,
    settings: &Hyper,
    recorded: &Recorded,
    batch: &[Array],
    [t, count, queue_at]: [usize; 3],
    gradients: &Arena,
) -> Result<Row> {
    let run = Span { at: t as u64, of: count as u64 };
    let lr = settings.optim.lr(&Progress { run, epoch: run, round: run });
    let numbers =
        Step { lr: lr as f32, step: t as u32, queue_at: queue_at as u32, ..Step::default() };
    gpu.write(&recorded.step.data, bytemuck::bytes_of(&numbers));
    for (tensor, array) in recorded.batch.iter().zip(batch) {
        if tensor.shape != array.shape {
            let problem =
                format!("expected {:?} at step {t}, found {:?}", tensor.shape, array.shape);
            return Err(Error::request("batches", problem));
        }
        gpu.write(&tensor.data, bytemuck::cast_slice(&array.padded()));
    }
    recorded.program.run();
    let mut losses = serde_json::Map::new();
    let mut loss = 0.0;
    for (name, value) in &recorded.losses {
        let value = value.read(&recorded.program)?.data[0];
        loss += value;
        losses.insert((*name).to_owned(), value.into());
    }
    let all: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.read(&gradients.data)?);
    let grad_norm = all.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    Ok(Row { step: t, loss: loss as f32, losses, lr, grad_norm })
}

fn finish(gpu: &Gpu, args: &Args, rows: &[Row], state: &State) -> Result<()> {
    if rows.is_empty() {
        let place = args.batches.display().to_string();
        return Err(Error::request(place, "expected batches numbered from 0, found none"));
    }
    if let Some(path) = &args.save_weights {
        weights::save(path, state::network(gpu, state)?, Default::default())?;
    }
    let trace = serde_json::json!({ "steps": rows }).to_string();
    checkpoint::replace(&args.output, |file| file.write_all(trace.as_bytes()))
}
