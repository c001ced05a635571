//! SimCLR: two views of each film against all other films of the batch (Chen et al. 2020).

use super::contrastive::{Contrastive, views};
use crate::{
    Result,
    models::{Depth, Encoder, Projection},
    train::{
        Device,
        config::{Augment, Data},
        run::Checkpoint,
        step::optimizer::Update,
        tasks::model::fields,
    },
    weights::{arenas, checkpoint::Tensors},
};
use mtpret_engine::{
    autograd::{Tape, Var},
    gpu::{Gpu, Recording, Slice},
    ops::nt_xent::NtXent,
    step::{Batch, Field, Optimizer, TrainState, Trainable},
    tensor::{Scope, Tensor, bytes},
};

/// One encoder, and everything that training moves.
pub struct SimclrModel {
    /// The encoder with its head.
    pub train: TrainState,
    encoder: Encoder,
}

impl SimclrModel {
    /// First values from `seed`; embeddings have `dim` numbers.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(gpu: &Device, depth: Depth, dim: usize, seed: u64) -> Result<Self> {
        let root = Scope::root();
        let encoder = Encoder::new(&root, depth, dim, Projection::Simclr);
        Ok(Self { train: TrainState::new(gpu, &root, seed, false, gpu.step)?, encoder })
    }
    /// The loss of pairs of views `[2N, H, W, 3]`, rows 2n and 2n + 1 being the views of film n. Batch norm sees both views of
    /// all films at once.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn loss(&self, tape: &Tape, pairs: &Tensor, temperature: f32) -> Result<Var> {
        let z = self.encoder.forward(tape, &tape.input(pairs))?;
        tape.apply(NtXent { temperature }, [&z])
    }
}

impl Contrastive for SimclrModel {
    fn encoder(&self) -> (&Encoder, &TrainState) {
        (&self.encoder, &self.train)
    }
    fn loaded(&self, _: &Gpu) {}
    fn tensors(&self, gpu: &Gpu) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        let TrainState { network, momentum, .. } = &self.train;
        arenas::put(gpu, &mut tensors, "encoder.", network.arenas())?;
        arenas::put(gpu, &mut tensors, "momentum.", [momentum])?;
        arenas::put_scale(gpu, &mut tensors, network)?;
        Ok(tensors)
    }
    fn restore(&self, gpu: &Gpu, Checkpoint { file, tensors, .. }: &Checkpoint) -> Result<()> {
        let TrainState { network, momentum, .. } = &self.train;
        arenas::take(gpu, file, tensors, "encoder.", network.arenas())?;
        arenas::take(gpu, file, tensors, "momentum.", [momentum])?;
        arenas::take_scale(gpu, file, tensors, network)
    }
}

/// A step of SimCLR: two views, embeddings, NT-Xent, backward, update.
pub struct SimclrStep<'a> {
    /// The encoder.
    pub simclr: &'a SimclrModel,
    /// How films become batches.
    pub data: &'a Data,
    /// The random views.
    pub augment: &'a Augment,
    /// τ.
    pub temperature: f32,
    /// How weights move.
    pub update: Update,
}

impl Trainable for SimclrStep<'_> {
    fn state(&self) -> &TrainState {
        &self.simclr.train
    }
    fn samples(&self) -> usize {
        self.data.batch
    }
    /// One film has no other film to differ from.
    fn multiple(&self) -> usize {
        2.min(self.data.batch)
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        fields(n, self.data.height * self.data.width, 0)
    }
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
        let views = views(tape.rec, batch, self.data, self.augment)?;
        let pairs = paired(tape.rec, views.each_ref());
        Ok(vec![self.simclr.loss(tape, &pairs, self.temperature)?])
    }
    fn optimizer(&self) -> Optimizer {
        self.update.optimizer(&self.simclr.train.network.weights.layout, 0, false)
    }
}

/// Two batches of one shape, film by film side by side.
fn paired(rec: &Recording, views: [&Tensor; 2]) -> Tensor {
    let mut shape = views[0].shape.clone();
    let films = shape[0] as u64;
    shape[0] *= 2;
    let pairs = Tensor::new(rec, &shape);
    let length = bytes(&shape) / (2 * films);
    let film = |data: &Slice, at: u64| Slice {
        memory: data.memory.clone(),
        offset: data.offset + at * length,
        bytes: length,
    };
    for at in 0..films {
        for (second, view) in (0..).zip(views) {
            rec.copy(&film(&view.data, at), &film(&pairs.data, 2 * at + second));
        }
    }
    pairs
}
