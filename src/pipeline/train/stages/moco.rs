//! Momentum contrast: two encoders, a queue of keys, and the step that trains them (He et al. 2020; MTPret §II-B,
//! Algorithm 1).

use super::contrastive::{Contrastive, views};
use crate::{
    Error, Result,
    models::{Depth, Encoder, Projection, interleave, interleaved},
    train::{
        Device,
        config::{self, Augment, Data, KeyBn},
        run::Checkpoint,
        step::optimizer::Update,
        tasks::model::fields,
    },
    weights::{
        arenas,
        checkpoint::{HostTensor, Tensors},
    },
};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    error::Place,
    gpu::{Gpu, Recording, Slice},
    ops::{
        ema::Ema,
        info_nce::{InfoNce, enqueue, keep},
    },
    step::{Batch, Field, Optimizer, TrainState, Trainable},
    tensor::{Array, Philox, Scope, State, Tensor},
};
use std::cell::RefCell;

/// Separates the numbers of the first queue from all others of a seed.
const QUEUE_STREAM: u32 = 1;

/// Query and key encoder, queue, and everything that training moves.
pub struct MocoModel {
    /// f_q and g_q: what the gradient moves.
    pub query: TrainState,
    /// f_k and g_k: their moving average (Eq. 3); batch-norm statistics are its own.
    pub key: State,
    /// Keys of earlier batches, `[K, D]`.
    pub queue: Tensor,
    encoder: Encoder,
    /// Keys of the step so far, where its batch is cut.
    kept: RefCell<Option<Tensor>>,
}

impl MocoModel {
    /// First values from `seed`; the key encoder starts as a copy, the queue as random unit vectors.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(
        gpu: &Device,
        depth: Depth,
        [dim, queue]: [usize; 2],
        projection: Projection,
        seed: u64,
    ) -> Result<Self> {
        let root = Scope::root();
        let encoder = Encoder::new(&root, depth, dim, projection);
        let query = TrainState::new(gpu, &root, seed, false, gpu.step)?;
        let key = query.network.duplicate(gpu)?;
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
            encoder,
            kept: RefCell::default(),
        })
    }
}

impl MocoModel {
    /// Room for the keys of a whole batch of `rows` films that is cut into parts.
    fn kept(&self, gpu: &Gpu, rows: usize) -> Result<Tensor> {
        let mut kept = self.kept.borrow_mut();
        let shape = [rows, self.queue.shape[1]];
        if let Some(kept) = kept.as_ref().filter(|kept| kept.shape == shape) {
            return Ok(kept.clone());
        }
        Ok(kept.insert(Tensor::alloc(gpu, &shape)?).clone())
    }
    /// Records the end of a step: of a batch that is cut, the keys of all its parts go into the queue.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn updated(&self, rec: &Recording, batch: &Batch) -> Result<()> {
        if batch.micro == 1 {
            return Ok(());
        }
        let kept = self.kept(&rec.gpu, batch.micro * batch.samples)?;
        enqueue(rec, &kept, &self.queue, batch.step())
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
    /// Records: queries, average of the key encoder, keys, loss, and the keys' way into the queue behind the backward pass. Of a
    /// further micro-batch of the same step, which is not `first`, the average is left out; keys of micro-batches wait for
    /// [`MocoModel::updated`].
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn loss(
        &self,
        tape: &Tape,
        moco: &MocoModel,
        [view1, view2]: [&Tensor; 2],
        batch: &Batch,
    ) -> Result<Var> {
        let (rec, n) = (tape.rec, batch.samples);
        let q = moco.encoder.forward(tape, &tape.input(view1))?;
        if batch.first {
            let ema = Ema { momentum: self.ema };
            ema.step(rec, &moco.key.weights.data, &moco.query.network.weights.data)?;
        }
        let mode = match self.key_bn {
            KeyBn::Split => Mode::NoGrad { groups: self.splits },
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
        let step = batch.step().clone();
        if batch.micro == 1 {
            let queue = moco.queue.clone();
            tape.after_backward(move |rec| enqueue(rec, &k, &queue, &step));
        } else {
            let kept = moco.kept(&rec.gpu, batch.micro * n)?;
            tape.after_backward(move |rec| keep(rec, &k, &kept, &step));
        }
        Ok(loss)
    }
}

/// A step of contrastive pretraining: two views, queries, keys, loss, backward, update.
pub struct MocoStep<'a> {
    /// The encoders and the queue.
    pub moco: &'a MocoModel,
    /// How films become batches.
    pub data: &'a Data,
    /// The random views.
    pub augment: &'a Augment,
    /// The contrastive task.
    pub contrast: Contrast,
    /// How weights move.
    pub update: Update,
}

impl Trainable for MocoStep<'_> {
    fn state(&self) -> &TrainState {
        &self.moco.query
    }
    fn mode(&self) -> Mode {
        Mode::Train { groups: self.contrast.splits }
    }
    fn samples(&self) -> usize {
        self.data.batch
    }
    fn multiple(&self) -> usize {
        self.contrast.splits
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        fields(n, self.data.height * self.data.width, 0)
    }
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
        let views = views(tape.rec, batch, self.data, self.augment)?;
        Ok(vec![self.contrast.loss(tape, self.moco, views.each_ref(), batch)?])
    }
    fn optimizer(&self) -> Optimizer {
        self.update.optimizer(&self.moco.query.network.weights.layout, 0, false)
    }
    fn beside(&self) -> Vec<Slice> {
        let key = self.moco.key.arenas().into_iter().map(|arena| arena.data.clone());
        key.chain([self.moco.queue.data.clone()]).collect()
    }
    fn updated(&self, rec: &Recording, batch: &Batch) -> Result<()> {
        self.moco.updated(rec, batch)
    }
}

impl Contrastive for MocoModel {
    fn encoder(&self) -> (&Encoder, &TrainState) {
        (&self.encoder, &self.query)
    }
    fn loaded(&self, gpu: &Gpu) {
        self.query.network.copy_to(gpu, &self.key);
    }
    /// Both encoders, momentum and queue, under the names of MoCo's own checkpoints.
    fn tensors(&self, gpu: &Gpu) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        arenas::put(gpu, &mut tensors, "encoder_q.", self.query.network.arenas())?;
        arenas::put(gpu, &mut tensors, "encoder_k.", self.key.arenas())?;
        arenas::put(gpu, &mut tensors, "momentum.", [&self.query.momentum])?;
        arenas::put_scale(gpu, &mut tensors, &self.query.network)?;
        let queue: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.read(&self.queue.data)?);
        let rows = vec![self.queue.shape[0], queue.len() / self.queue.shape[0]];
        tensors.insert("queue".into(), HostTensor::f32(rows, queue));
        Ok(tensors)
    }
    fn restore(&self, gpu: &Gpu, Checkpoint { file, tensors, .. }: &Checkpoint) -> Result<()> {
        arenas::take(gpu, file, tensors, "encoder_q.", self.query.network.arenas())?;
        arenas::take(gpu, file, tensors, "encoder_k.", self.key.arenas())?;
        arenas::take(gpu, file, tensors, "momentum.", [&self.query.momentum])?;
        arenas::take_scale(gpu, file, tensors, &self.query.network)?;
        let expected = self.queue.data.bytes as usize / 4;
        let queue =
            tensors.get("queue").and_then(HostTensor::as_f32).filter(|q| q.len() == expected);
        let queue = queue.ok_or_else(|| {
            Error::weights(
                Place::from(file).item("queue"),
                format!("{expected} numbers of f32"),
                "another shape or none",
                "resume with the configuration that began the run",
            )
        })?;
        gpu.write(&self.queue.data, bytemuck::cast_slice(queue));
        Ok(())
    }
}
