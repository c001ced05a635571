//! SimCLR: two views of each film against all other films of the batch (Chen et al. 2020).

use super::{
    checkpoint::Tensors,
    config::{Augment, Data},
    inputs::Inputs,
    learner::view,
    pretrain::Contrastive,
    state,
    stepper::Steps,
    update::{Memory, Update},
};
use crate::{
    Result,
    autograd::{Mode, Tape},
    gpu::{Gpu, Recording, Slice},
    models::{Depth, Encoder, Projection},
    ops::{meter, nt_xent::NtXent},
    tensor::{Arena, Scope, State, Tensor, bytes},
};

/// One encoder, and everything that training moves.
pub struct SimclrLearner {
    /// The encoder and its head.
    pub state: State,
    /// Gradients.
    pub gradients: Arena,
    /// Momentum.
    pub momentum: Arena,
    encoder: Encoder,
}

impl SimclrLearner {
    /// First values from `seed`; embeddings have `dim` numbers.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(gpu: &Gpu, depth: Depth, dim: usize, seed: u64) -> Result<Self> {
        let root = Scope::root();
        let encoder = Encoder::new(&root, depth, dim, Projection::Simclr);
        let state = State::init(gpu, &root, seed)?;
        let layout = state.weights.layout.clone();
        let (gradients, momentum) = (Arena::zeros(gpu, &layout)?, Arena::zeros(gpu, &layout)?);
        Ok(Self { state, gradients, momentum, encoder })
    }
    /// Records forward, loss and gradients of pairs of views `[2N, H, W, 3]`, rows 2n and 2n + 1 being the
    /// views of film n. Batch norm sees both views of all films at once.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn pass(&self, rec: &Recording, pairs: &Tensor, temperature: f32) -> Result<Tensor> {
        let tape = Tape::new(rec, &self.state, Mode::Train { groups: 1 });
        let z = self.encoder.forward(&tape, &tape.input(pairs))?;
        let loss = tape.apply(NtXent { temperature }, [&z])?;
        tape.backward(&[&loss], &self.gradients)?;
        Ok(loss.value)
    }
    /// What an update works on.
    pub fn memory(&self) -> Memory<'_> {
        Memory {
            weights: &self.state.weights,
            gradients: &self.gradients,
            momentum: &self.momentum,
            anchor: None,
            loss_scale: self.state.loss_scale.as_ref(),
        }
    }
}

impl Contrastive for SimclrLearner {
    fn encoder(&self) -> (&Encoder, &State) {
        (&self.encoder, &self.state)
    }
    fn loaded(&self, _: &Gpu) {}
    fn tensors(&self, gpu: &Gpu) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        state::put(gpu, &mut tensors, "encoder.", self.state.arenas())?;
        state::put(gpu, &mut tensors, "momentum.", [&self.momentum])?;
        state::put_scale(gpu, &mut tensors, &self.state)?;
        Ok(tensors)
    }
    fn restore(&self, gpu: &Gpu, tensors: &Tensors) -> Result<()> {
        state::take(gpu, tensors, "encoder.", self.state.arenas())?;
        state::take(gpu, tensors, "momentum.", [&self.momentum])?;
        state::take_scale(gpu, tensors, &self.state)
    }
}

/// A step of SimCLR: two views, embeddings, NT-Xent, backward, update.
pub struct SimclrStep<'a> {
    /// The encoder.
    pub simclr: &'a SimclrLearner,
    /// How films become batches.
    pub data: &'a Data,
    /// The random views.
    pub augment: &'a Augment,
    /// τ.
    pub temperature: f32,
    /// How weights move.
    pub update: Update,
}

impl Steps for SimclrStep<'_> {
    fn pass(
        &self,
        rec: &Recording,
        inputs: &Inputs,
        meter: &Tensor,
        n: usize,
        _: bool,
    ) -> Result<()> {
        let size = [n, self.data.height, self.data.width];
        let see = |number: u32| {
            let warp = view(self.data, Some(self.augment), number);
            warp.forward(rec, &inputs.pixels, size, &inputs.step)
        };
        let pairs = paired(rec, [&see(0)?, &see(1)?]);
        let loss = self.simclr.pass(rec, &pairs, self.temperature)?;
        meter::add(rec, &[loss], meter, &inputs.step)
    }
    fn update(&self, rec: &Recording, inputs: &Inputs) -> Result<()> {
        self.update.record(rec, &self.simclr.memory(), 0, &inputs.step)
    }
    fn gradients(&self) -> &Arena {
        &self.simclr.gradients
    }
    fn extent(&self) -> [usize; 3] {
        [self.data.batch, self.data.height * self.data.width, 0]
    }
    /// One film has no other film to differ from.
    fn multiple(&self) -> usize {
        2.min(self.data.batch)
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
