//! Stage 1: MD-MoCo, contrastive pretraining over several data sets (MTPret §II-B, Algorithm 1).

use super::{
    checkpoint::{HostTensor, Metadata, Tensors},
    config::{Backbone, KeyBn, Pretrain},
    inputs::Inputs,
    learner::{depth, view},
    monitor::Online,
    run::{Pace, Run, training},
    schedule::{Progress, Span},
    state,
    stepper::{Recorded, Stepper, Steps},
    update::{Memory, Update},
};
use crate::{
    Error, Result,
    autograd::{Mode, Tape},
    data::{Dataset, Loader, Sample},
    gpu::{Gpu, Recording},
    models::{Encoder, interleave, interleaved},
    ops::{
        ema::Ema,
        info_nce::{InfoNce, enqueue},
        meter,
    },
    tensor::{Arena, Array, Philox, Scope, State, Step, Tensor},
};
use std::path::PathBuf;

/// Separates this stage's random numbers from other stages'.
const STAGE: u32 = 1;

/// Query and key encoder, queue, and everything that training moves.
pub struct MocoLearner {
    /// f_q and g_q: what the gradient moves.
    pub query: State,
    /// f_k and g_k: their moving average (Eq. 3); batch-norm statistics are its own.
    pub key: State,
    /// Keys of earlier batches, `[K, D]`.
    pub queue: Tensor,
    /// Gradients of f_q.
    pub gradients: Arena,
    /// Momentum of f_q.
    pub momentum: Arena,
    pub(super) encoder: Encoder,
}

impl MocoLearner {
    /// First values from `seed`; the key encoder starts as a copy, the queue as random unit vectors.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(
        gpu: &Gpu,
        backbone: Backbone,
        [dim, queue]: [usize; 2],
        mlp: bool,
        seed: u64,
    ) -> Result<Self> {
        let root = Scope::root();
        let encoder = Encoder::new(&root, depth(backbone), dim, mlp);
        let query = State::init(gpu, &root, seed)?;
        let key = query.duplicate(gpu)?;
        let layout = query.weights.layout.clone();
        let mut random = Philox::new(seed, u64::from(STAGE) << 32);
        let mut rows =
            Array::new(&[queue, dim], (0..queue * dim).map(|_| random.normal()).collect());
        for row in rows.data.chunks_mut(dim) {
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter_mut().for_each(|v| *v /= length);
        }
        Ok(Self {
            query,
            key,
            queue: Tensor::upload(gpu, &rows)?,
            gradients: Arena::zeros(gpu, &layout)?,
            momentum: Arena::zeros(gpu, &layout)?,
            encoder,
        })
    }
    /// What an update works on.
    pub fn memory(&self) -> Memory<'_> {
        Memory {
            weights: &self.query.weights,
            gradients: &self.gradients,
            momentum: &self.momentum,
            anchor: None,
        }
    }
}

/// What distinguishes one contrastive step from another.
#[derive(Clone, Copy, Debug)]
pub struct Contrast {
    /// τ of Eq. 2.
    pub temperature: f32,
    /// m of Eq. 3.
    pub ema: f32,
    /// Parts of a batch that batch norm treats apart.
    pub splits: usize,
    /// What the key encoder's batch norm normalises by.
    pub key_bn: KeyBn,
    /// Deal the keys out to other parts than their queries.
    pub shuffle: bool,
}

impl Contrast {
    /// Records: queries, average of the key encoder, keys, loss, enqueue, gradients. Without `first` the
    /// average is left out: a further micro-batch of the same step.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn record(
        &self,
        rec: &Recording,
        moco: &MocoLearner,
        [view1, view2]: [&Tensor; 2],
        step: &Tensor,
        first: bool,
    ) -> Result<Tensor> {
        let n = view1.shape[0];
        let tape = Tape::new(rec, &moco.query, Mode::Train { groups: self.splits });
        let q = moco.encoder.forward(&tape, &tape.input(view1))?;
        if first {
            let ema = Ema { momentum: self.ema };
            ema.step(rec, &moco.key.weights.data, &moco.query.weights.data)?;
        }
        let mode = match self.key_bn {
            KeyBn::Split => Mode::Keys { groups: self.splits },
            KeyBn::Global => Mode::Eval,
        };
        let keys = Tape::new(rec, &moco.key, mode);
        let order = interleaved(n, self.splits);
        let dealt = (self.shuffle && self.splits > 1).then(|| interleave(rec, view2, &order));
        let k = moco.encoder.forward(&keys, &keys.input(dealt.as_ref().unwrap_or(view2)))?.value;
        let k = match dealt {
            None => k,
            Some(_) => {
                let mut back = vec![0; n];
                order.iter().enumerate().for_each(|(at, sample)| back[*sample] = at);
                interleave(rec, &k, &back)
            }
        };
        let loss = InfoNce { temperature: self.temperature };
        let loss = tape.apply(loss, [&q, &tape.input(&k), &tape.input(&moco.queue)])?;
        tape.backward(&[&loss], &moco.gradients)?;
        enqueue(rec, &k, &moco.queue, step)?;
        Ok(loss.value)
    }
}

/// The training step of the stage.
struct MocoStep<'a> {
    moco: &'a MocoLearner,
    config: &'a Pretrain,
    contrast: Contrast,
    update: Update,
}

impl Steps for MocoStep<'_> {
    fn pass(
        &self,
        rec: &Recording,
        inputs: &Inputs,
        meter: &Tensor,
        n: usize,
        first: bool,
    ) -> Result<()> {
        let data = &self.config.data;
        let see = |number: u32| {
            let warp = view(data, Some(&self.config.augment), number);
            warp.forward(rec, &inputs.pixels, [n, data.height, data.width], &inputs.step)
        };
        let views = [&see(0)?, &see(1)?];
        let loss = self.contrast.record(rec, self.moco, views, &inputs.step, first)?;
        meter::add(rec, &loss, meter, &inputs.step)
    }
    fn update(&self, rec: &Recording, inputs: &Inputs) -> Result<()> {
        self.update.record(rec, &self.moco.memory(), 0, &inputs.step)
    }
    fn gradients(&self) -> &Arena {
        &self.moco.gradients
    }
    fn extent(&self) -> [usize; 3] {
        [self.config.data.batch, self.config.data.height * self.config.data.width, 0]
    }
    fn multiple(&self) -> usize {
        self.contrast.splits
    }
}

/// Runs the stage and returns the file of f_q's weights.
///
/// # Errors
/// Whatever files, the device or the person may cause; the last checkpoint stays.
pub fn pretrain(gpu: &Gpu, config: &Pretrain, run: &Run) -> Result<PathBuf> {
    if run.is_done() {
        return Ok(run.weights_file());
    }
    run.write_config(config)?;
    let sets = config.source.iter().map(|s| s.read()).collect::<Result<Vec<_>>>()?;
    let samples: Vec<Sample> = sets.iter().flat_map(unlabelled).collect();
    let m = &config.moco;
    let moco = MocoLearner::new(gpu, config.model.backbone, [m.dim, m.queue], m.mlp, config.seed)?;
    if let Some(path) = &config.model.weights {
        state::load(gpu, &moco.query, path, true)?;
        gpu.copy(&moco.query.weights.data, &moco.key.weights.data);
        gpu.copy(&moco.query.statistics.data, &moco.key.statistics.data);
    }
    let mut at = 0;
    if let Some((tensors, metadata)) = run.checkpoint("pretrain")? {
        at = restore(gpu, &moco, &tensors, &metadata)?;
        run.watch.note(&format!("pretrain: going on at step {at}"));
    }
    let mut loader = Loader::new(samples.clone(), training(&config.data, config.seed, at))?;
    let epoch = loader.epoch_len();
    let steps = epoch * config.epochs as u64;
    let contrast = Contrast {
        temperature: m.temperature as f32,
        ema: m.momentum as f32,
        splits: m.bn_splits,
        key_bn: m.key_bn,
        shuffle: true,
    };
    let update = Update::new(&config.optim, None);
    let recorded = Recorded::new(gpu, &MocoStep { moco: &moco, config, contrast, update })?;
    let mut stepper = Stepper::share(gpu, vec![recorded])?.remove(0);
    announce(run, "pretrain", samples.len(), steps, &stepper);
    let monitor = config.monitor.as_ref().map(|m| Online::new(gpu, config, &moco, m, &sets));
    let mut monitor = monitor.transpose()?;
    let mut pace = Pace::new("pretrain", steps, config.log.every);
    while at < steps {
        let batch = loader.next_batch()?;
        let here = Span { at: at % epoch, of: epoch };
        let lr =
            config.optim.lr(&Progress { run: Span { at, of: steps }, epoch: here, round: here });
        let step = Step {
            lr: lr as f32,
            step: at as u32,
            seed_low: config.seed as u32,
            seed_high: (config.seed >> 32) as u32,
            queue_at: (at * config.data.batch as u64 % m.queue as u64) as u32,
            epoch: batch.epoch as u32,
            stage: STAGE,
            pad: 0,
        };
        stepper.run(&step, &batch.pixels, &[])?;
        pace.batch(at, &batch, &samples);
        at += 1;
        let stop = run.watch.interrupted();
        let save = at % config.log.save_every == 0 || stop;
        // At an epoch's end too: the loss tells a divergence more plainly than a figure can.
        if at % config.log.every == 0 || save || at % epoch == 0 {
            let reading = pace.reading(gpu, stepper.read_meter()?, at, lr, &loader, run)?;
            run.watch.reading(&reading);
            run.record(&reading)?;
        }
        if save {
            run.save(at, &tensors(gpu, &moco)?, &metadata(at))?;
            run.list_bad(&loader.bad())?;
        }
        if stop {
            return Err(Error::Interrupted(run.folder.clone()));
        }
        if let (Some(monitor), Some(set)) = (&mut monitor, &config.monitor)
            && at.is_multiple_of(epoch * set.every_epochs as u64)
        {
            monitor.read(run, at)?;
        }
    }
    run.list_bad(&loader.bad())?;
    run.finish(steps, state::network(gpu, &moco.query)?)?;
    Ok(run.weights_file())
}

/// One line that says what is about to run.
pub(super) fn announce(run: &Run, stage: &str, films: usize, steps: u64, stepper: &Stepper) {
    let peak: u64 =
        stepper.programs().iter().map(|p| p.plan().arenas.iter().sum()).max().unwrap_or(0);
    let launches: usize = stepper.programs().iter().map(|p| p.commands().len()).sum();
    run.watch.note(&format!(
        "{stage}: {films} films, {steps} steps of {launches} launches, {} MiB of activations",
        peak >> 20
    ));
    if stepper.micro() > 1 {
        run.watch.note(&format!(
            "{stage}: a batch goes beyond what this adapter binds at once; it is cut into {} \
             micro-batches, each with batch statistics of its own",
            stepper.micro()
        ));
    }
}

/// The training films of a data set without their labels: MoCo sees none.
fn unlabelled(set: &Dataset) -> Vec<Sample> {
    set.train.iter().map(|s| Sample { target: Vec::new(), ..s.clone() }).collect()
}

fn metadata(step: u64) -> Metadata {
    [("stage", "pretrain".to_owned()), ("step", step.to_string())]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
}

fn tensors(gpu: &Gpu, moco: &MocoLearner) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    for (prefix, state) in [("encoder_q.", &moco.query), ("encoder_k.", &moco.key)] {
        state::put(gpu, &mut tensors, prefix, &state.weights)?;
        state::put(gpu, &mut tensors, prefix, &state.statistics)?;
    }
    state::put(gpu, &mut tensors, "momentum.", &moco.momentum)?;
    let queue: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.read(&moco.queue.data)?);
    let rows = vec![moco.queue.shape[0], queue.len() / moco.queue.shape[0]];
    tensors.insert("queue".into(), HostTensor::f32(rows, queue));
    Ok(tensors)
}

fn restore(gpu: &Gpu, moco: &MocoLearner, tensors: &Tensors, metadata: &Metadata) -> Result<u64> {
    for (prefix, state) in [("encoder_q.", &moco.query), ("encoder_k.", &moco.key)] {
        state::take(gpu, tensors, prefix, &state.weights)?;
        state::take(gpu, tensors, prefix, &state.statistics)?;
    }
    state::take(gpu, tensors, "momentum.", &moco.momentum)?;
    let expected = moco.queue.data.bytes as usize / 4;
    let queue = tensors.get("queue").and_then(HostTensor::as_f32).filter(|q| q.len() == expected);
    let queue = queue.ok_or_else(|| {
        let problem = format!("expected {expected} numbers of f32, found another shape or none");
        Error::weights("queue", problem, "resume with the configuration that began the run")
    })?;
    gpu.write(&moco.queue.data, bytemuck::cast_slice(queue));
    step_of(metadata)
}

/// The step that a checkpoint was written after.
///
/// # Errors
/// Its metadata names none.
pub(super) fn step_of(metadata: &Metadata) -> Result<u64> {
    metadata.get("step").and_then(|s| s.parse().ok()).ok_or_else(|| {
        let remedy = "use a checkpoint that this program wrote";
        Error::weights("checkpoint", "expected a `step` in the metadata, found none", remedy)
    })
}
