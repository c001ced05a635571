//! Momentum contrast: two encoders, a queue of keys, and the step that trains them (He et al. 2020; MTPret §II-B,
//! Algorithm 1).

use super::{
    checkpoint::{HostTensor, Tensors},
    config::{self, Augment, Data, KeyBn},
    inputs::Inputs,
    learner::view,
    pretrain::Contrastive,
    state,
    stepper::Steps,
    update::{Memory, Update},
};
use crate::{
    Error, Result,
    autograd::{Mode, Tape},
    gpu::{Gpu, Recording},
    models::{Depth, Encoder, Projection, interleave, interleaved},
    ops::{
        ema::Ema,
        info_nce::{InfoNce, enqueue},
        meter,
    },
    tensor::{Arena, Array, Philox, Scope, State, Tensor},
};

/// Separates the numbers of the first queue from all others of a seed.
const QUEUE_STREAM: u32 = 1;

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
    encoder: Encoder,
}

impl MocoLearner {
    /// First values from `seed`; the key encoder starts as a copy, the queue as random unit vectors.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(
        gpu: &Gpu,
        depth: Depth,
        [dim, queue]: [usize; 2],
        projection: Projection,
        seed: u64,
    ) -> Result<Self> {
        let root = Scope::root();
        let encoder = Encoder::new(&root, depth, dim, projection);
        let query = State::init(gpu, &root, seed)?;
        let key = query.duplicate(gpu)?;
        let layout = query.weights.layout.clone();
        let mut random = Philox::new(seed, u64::from(QUEUE_STREAM) << 32);
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
            loss_scale: self.query.loss_scale.as_ref(),
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

impl From<&config::Moco> for Contrast {
    fn from(moco: &config::Moco) -> Self {
        Self {
            temperature: moco.temperature as f32,
            ema: moco.momentum as f32,
            splits: moco.bn_splits,
            key_bn: moco.key_bn,
            shuffle: true,
        }
    }
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

/// A step of contrastive pretraining: two views, queries, keys, loss, backward, update.
pub struct MocoStep<'a> {
    /// The encoders and the queue.
    pub moco: &'a MocoLearner,
    /// How films become batches.
    pub data: &'a Data,
    /// The random views.
    pub augment: &'a Augment,
    /// The contrastive task.
    pub contrast: Contrast,
    /// How weights move.
    pub update: Update,
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
        let see = |number: u32| {
            let warp = view(self.data, Some(self.augment), number);
            warp.forward(rec, &inputs.pixels, [n, self.data.height, self.data.width], &inputs.step)
        };
        let views = [&see(0)?, &see(1)?];
        let loss = self.contrast.record(rec, self.moco, views, &inputs.step, first)?;
        meter::add(rec, &[loss], meter, &inputs.step)
    }
    fn update(&self, rec: &Recording, inputs: &Inputs) -> Result<()> {
        self.update.record(rec, &self.moco.memory(), 0, &inputs.step)
    }
    fn gradients(&self) -> &Arena {
        &self.moco.gradients
    }
    fn extent(&self) -> [usize; 3] {
        [self.data.batch, self.data.height * self.data.width, 0]
    }
    fn multiple(&self) -> usize {
        self.contrast.splits
    }
}

impl Contrastive for MocoLearner {
    fn encoder(&self) -> (&Encoder, &State) {
        (&self.encoder, &self.query)
    }
    fn loaded(&self, gpu: &Gpu) {
        self.query.copy_to(gpu, &self.key);
    }
    /// Both encoders, momentum and queue, under the names of MoCo's own checkpoints.
    fn tensors(&self, gpu: &Gpu) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        state::put(gpu, &mut tensors, "encoder_q.", self.query.arenas())?;
        state::put(gpu, &mut tensors, "encoder_k.", self.key.arenas())?;
        state::put(gpu, &mut tensors, "momentum.", [&self.momentum])?;
        state::put_scale(gpu, &mut tensors, &self.query)?;
        let queue: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.read(&self.queue.data)?);
        let rows = vec![self.queue.shape[0], queue.len() / self.queue.shape[0]];
        tensors.insert("queue".into(), HostTensor::f32(rows, queue));
        Ok(tensors)
    }
    fn restore(&self, gpu: &Gpu, tensors: &Tensors) -> Result<()> {
        state::take(gpu, tensors, "encoder_q.", self.query.arenas())?;
        state::take(gpu, tensors, "encoder_k.", self.key.arenas())?;
        state::take(gpu, tensors, "momentum.", [&self.momentum])?;
        state::take_scale(gpu, tensors, &self.query)?;
        let expected = self.queue.data.bytes as usize / 4;
        let queue =
            tensors.get("queue").and_then(HostTensor::as_f32).filter(|q| q.len() == expected);
        let queue = queue.ok_or_else(|| {
            let problem =
                format!("expected {expected} numbers of f32, found another shape or none");
            Error::weights("queue", problem, "resume with the configuration that began the run")
        })?;
        gpu.write(&self.queue.data, bytemuck::cast_slice(queue));
        Ok(())
    }
}
