//! `mtpret run-steps`: training steps on given weights and batches, to be checked by any other program.

use super::{
    network::{Batch, NetworkSettings, Subject, of_one_length},
    run_model,
    tensors::image,
};
use crate::{
    Error, Result,
    commands::{external::tensors::tensors, options::DeviceArgs, posed},
};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    file,
    gpu::Recording,
    step::{self, Field, Optimizer, Samples::Numbers, Stepper, TrainState, Trainable},
    tensor::{Array, Step},
};
use mtpret_pipeline::{
    models::{Projection, catalogue::Network},
    train::{
        Device,
        config::{self, L2sp, Moco, Optim},
        schedule::{Progress, Schedule, Span},
        stages::{
            contrastive::Contrastive,
            moco::{Contrast, MocoModel},
        },
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
            optim: Optim {
                lr: 0.01,
                momentum: 0.9,
                weight_decay: 0.0,
                schedule: Schedule::Constant,
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
struct StepRow {
    step: usize,
    loss: f32,
    losses: serde_json::Map<String, serde_json::Value>,
    lr: f64,
    grad_norm: f64,
}

/// Runs the command.
///
/// # Errors
/// Weights or batches that do not fit.
pub fn run(args: &Args) -> Result<()> {
    train(args).map_err(posed)
}

fn train(args: &Args) -> Result<()> {
    let settings = config::set(Hyper::new(), &args.settings)?;
    let batches = tensors(&args.batches)?;
    let found = run_model::load(&args.weights)?;
    let gpu = args.device.open_for_programs()?;
    if args.task == Kind::Moco {
        return moco(&gpu, args, &settings, &batches, &found);
    }
    let held = settings.l2sp.alpha > 0.0 || settings.l2sp.beta > 0.0;
    let subject = Subject::new(&gpu, &args.name, &args.network, None, &found, held)?;
    let learnt = match &subject.network {
        Network::Classifier(_) => Kind::Classify,
        Network::DeepLab(_) => Kind::Segment,
        Network::FasterRcnn(_) => Kind::Detect,
    };
    if learnt != args.task {
        let expected = format!("one that is learnt by {}", args.name);
        return Err(Error::request("--task", expected, "another", "pass that of the network"));
    }
    let update = Update::new(&settings.optim, held.then_some(&settings.l2sp));
    let layout = &subject.train.network.weights.layout;
    let optimizer = update.optimizer(layout, 0, subject.mode == Mode::Frozen);
    let count = count(&batches, "x.");
    let batch = |t: usize| subject.batch(&batches, &format!(".{t}"), &args.batches);
    let record = |batch: &Batch| Stepper::new(&gpu, &subject.on(batch, optimizer.clone()));
    let trace = Trace { gpu: &gpu, args, settings: &settings, state: &subject.train };
    trace.steps(count, subject.parts(), batch, record)
}

fn moco(
    gpu: &Device,
    args: &Args,
    settings: &Hyper,
    batches: &Tensors,
    found: &weights::File,
) -> Result<()> {
    let depth = run_model::depth(&args.name)?;
    let queue = batches.get("queue").filter(|q| q.shape.len() == 2);
    let (Some(start), Some(shape)) = (queue.and_then(|q| q.as_f32()), queue.map(|q| &q.shape))
    else {
        let (expected, mend) = ("a tensor `queue` [D, K] in f32", "write the keys to begin with");
        return Err(Error::request(&args.batches, expected, "none", mend));
    };
    let [dim, keys] = [shape[0], shape[1]];
    let projection = match found.tensors.contains_key("fc.0.weight") {
        true => Projection::Mlp,
        false => Projection::Linear,
    };
    let model = MocoModel::new(gpu, depth, [dim, keys], projection, 0)?;
    arenas::load(gpu, &model.query.network, found)?;
    model.loaded(gpu);
    let start = Array::new(&[dim, keys], start.iter().map(|v| f64::from(*v)).collect());
    let rows = start.permuted(&[1, 0]).padded();
    gpu.write(&model.queue.data, bytemuck::cast_slice(&rows));
    let contrast = Contrast {
        temperature: settings.moco.temperature as f32,
        ema: settings.moco.momentum as f32,
        splits: settings.moco.bn_splits,
        key_bn: settings.moco.key_bn,
        shuffle: false,
    };
    let update = Update::new(&settings.optim, None);
    let batch = |t: usize| -> Result<Batch> {
        let view = |v: usize| image(batches, &format!("view{v}.{t}"), &args.batches);
        of_one_length(Batch::from([("view1", view(1)?), ("view2", view(2)?)]), &args.batches)
    };
    let record = |batch: &Batch| {
        let shape = batch["view1"].shape.clone();
        Stepper::new(gpu, &OnViews { moco: &model, contrast, shape, update })
    };
    let trace = Trace { gpu, args, settings, state: &model.query };
    trace.steps(count(batches, "view1."), &["contrast"], batch, record)
}

/// The training step of momentum contrast on views from a file.
pub struct OnViews<'a> {
    /// The encoders and the queue.
    pub moco: &'a MocoModel,
    /// The contrastive task.
    pub contrast: Contrast,
    /// Of a view, `[N, H, W, 3]`.
    pub shape: Vec<usize>,
    /// How weights move.
    pub update: Update,
}

impl Trainable for OnViews<'_> {
    fn state(&self) -> &TrainState {
        &self.moco.query
    }
    fn mode(&self) -> Mode {
        Mode::Train { groups: self.contrast.splits }
    }
    fn samples(&self) -> usize {
        self.shape[0]
    }
    fn multiple(&self) -> usize {
        self.contrast.splits
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        ["view1", "view2"].map(|name| Field::new(name, [&[n], &self.shape[1..]].concat())).into()
    }
    fn losses(&self, tape: &Tape, batch: &step::Batch) -> Result<Vec<Var>> {
        let views = [batch.tensor("view1"), batch.tensor("view2")];
        Ok(vec![self.contrast.loss(tape, self.moco, views, batch)?])
    }
    fn optimizer(&self) -> Optimizer {
        self.update.optimizer(&self.moco.query.network.weights.layout, 0, false)
    }
    fn updated(&self, rec: &Recording, batch: &step::Batch) -> Result<()> {
        self.moco.updated(rec, batch)
    }
}

/// Batches in a file: how many names `prefix` + number there are from 0 on.
fn count(batches: &Tensors, prefix: &str) -> usize {
    (0..).take_while(|t| batches.contains_key(&format!("{prefix}{t}"))).count()
}

/// Runs a step on a batch.
///
/// # Errors
/// The device is lost.
pub fn run_batch(stepper: &mut Stepper, step: &Step, batch: &Batch) -> Result<()> {
    let numbers = |array: &Array| -> Vec<f32> { array.data.iter().map(|v| *v as f32).collect() };
    let fields: Vec<Vec<f32>> = batch.values().map(numbers).collect();
    stepper.run(step, &fields.iter().map(|field| Numbers(field)).collect::<Vec<_>>())
}

/// The losses of the step that ran last, by name; NaN where one of them is not finite.
///
/// # Errors
/// The device is lost.
pub fn losses(stepper: &mut Stepper, names: &[&'static str]) -> Result<Vec<(&'static str, f64)>> {
    let meter = stepper.read_meter()?;
    let steps = f64::from(meter.count);
    let mean = |sum: &f32| if meter.fault > 0 { f64::NAN } else { f64::from(*sum) / steps };
    Ok(names.iter().copied().zip(meter.parts.iter().map(mean)).collect())
}

/// What the steps of a request come to.
struct Trace<'a> {
    gpu: &'a Device,
    args: &'a Args,
    settings: &'a Hyper,
    state: &'a TrainState,
}

impl Trace<'_> {
    /// Trains on `count` batches, with a recording for each change of their shapes, and writes the trace.
    fn steps(
        &self,
        count: usize,
        parts: &[&'static str],
        batch: impl Fn(usize) -> Result<Batch>,
        record: impl Fn(&Batch) -> Result<Stepper>,
    ) -> Result<()> {
        let (mut recorded, mut samples): (Option<(Stepper, Shapes)>, usize) = (None, 0);
        let mut rows = Vec::new();
        for t in 0..count {
            let batch = batch(t)?;
            let shapes: Shapes = batch.values().map(|array| array.shape.clone()).collect();
            let stepper = match &mut recorded {
                Some((stepper, of)) if *of == shapes => stepper,
                other => &mut other.insert((record(&batch)?, shapes)).0,
            };
            let run = Span { at: t as u64, of: count as u64 };
            let lr = self.settings.optim.lr(&Progress { run, epoch: run, round: run });
            let step =
                Step { lr: lr as f32, step: t as u32, samples: samples as u32, ..Step::default() };
            run_batch(stepper, &step, &batch)?;
            samples += stepper.samples();
            rows.push(self.row(t, lr, losses(stepper, parts)?)?);
        }
        self.write(&rows)
    }
    fn row(&self, step: usize, lr: f64, losses: Vec<(&'static str, f64)>) -> Result<StepRow> {
        let loss = losses.iter().map(|(_, loss)| loss).sum::<f64>() as f32;
        let losses = losses.into_iter().map(|(name, loss)| (name.to_owned(), loss.into()));
        let gradients = self.gpu.read(&self.state.gradients.data)?;
        let gradients: Vec<f32> = bytemuck::pod_collect_to_vec(&gradients);
        let grad_norm = gradients.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        Ok(StepRow { step, loss, losses: losses.collect(), lr, grad_norm })
    }
    fn write(&self, rows: &[StepRow]) -> Result<()> {
        if rows.is_empty() {
            let (expected, mend) = ("batches numbered from 0", "name their tensors so, as x.0");
            return Err(Error::request(&self.args.batches, expected, "none", mend));
        }
        if let Some(path) = &self.args.save_weights {
            let network = arenas::network(self.gpu, &self.state.network)?;
            weights::save(path, network, Default::default())?;
        }
        let trace = serde_json::json!({ "steps": rows }).to_string();
        file::put(&self.args.output, |file| file.write_all(trace.as_bytes()))
    }
}

/// The shapes of a batch's tensors.
type Shapes = Vec<Vec<usize>>;
