//! One backbone with a head for each task: what multitask learning, fine-tuning and evaluation share.

use super::{
    config::{Augment, Backbone, Data},
    inputs::Inputs,
    stepper::Steps,
    task::{Head, Task},
    update::{Memory, Update},
};
use crate::{
    Error, Result,
    autograd::{Mode, Tape, Var},
    data::{BadFilm, Loader, Sample},
    gpu::{Gpu, Program, Recording},
    models::{Depth, ResNet},
    ops::{meter, warp::Warp},
    tensor::{Arena, Scope, State, Step, Tensor},
};

/// The depth that a configuration names.
pub fn depth(backbone: Backbone) -> Depth {
    match backbone {
        Backbone::Resnet18 => Depth::R18,
        Backbone::Resnet50 => Depth::R50,
    }
}

/// Films as the network sees them: z-scored, and in training randomly turned.
pub fn view(data: &Data, augment: Option<&Augment>, view: u32) -> Warp {
    let random = augment.map_or((0.0, 0.0, 0.0), |a| (a.flip, a.rotate_deg, a.shift));
    Warp {
        mean: data.mean as f32,
        std: data.std as f32,
        flip: random.0 as f32,
        rotate_deg: random.1 as f32,
        shift: random.2 as f32,
        view,
    }
}

/// A backbone, its heads, and everything that training moves.
pub struct Learner {
    /// Weights and running statistics.
    pub state: State,
    /// Gradients of the weights.
    pub gradients: Arena,
    /// Momentum of the weights.
    pub momentum: Arena,
    /// L²-SP's w⁰, if the backbone is held to it.
    pub anchor: Option<Arena>,
    backbone: ResNet,
    heads: Vec<Box<dyn Head>>,
}

impl Learner {
    /// First values from `seed`. The only head is called `fc`, as in torchvision; several are
    /// called `heads.<task>`.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(
        gpu: &Gpu,
        depth: Depth,
        tasks: &[&dyn Task],
        anchored: bool,
        seed: u64,
    ) -> Result<Self> {
        let root = Scope::root();
        let backbone = ResNet::new(&root, depth);
        let head = |(i, task): (usize, &&dyn Task)| {
            let scope = match tasks.len() {
                1 => root.at("fc"),
                _ => root.at("heads").at(task.name()),
            };
            task.head(scope.head(i), depth)
        };
        let heads = tasks.iter().enumerate().map(head).collect();
        let state = State::init(gpu, &root, seed)?;
        let layout = state.weights.layout.clone();
        let anchor = anchored.then(|| state.weights.duplicate(gpu)).transpose()?;
        let (gradients, momentum) = (Arena::zeros(gpu, &layout)?, Arena::zeros(gpu, &layout)?);
        Ok(Self { state, gradients, momentum, anchor, backbone, heads })
    }
    /// Raw outputs of the head of this number.
    ///
    /// # Errors
    /// An image that is too small.
    pub fn outputs(&self, tape: &Tape, x: &Var, head: usize) -> Result<([Var; 4], Var)> {
        let features = self.backbone.forward(tape, x)?;
        let outputs = self.heads[head].forward(tape, &features)?;
        Ok((features, outputs))
    }
    /// Records forward, loss and backward of a batch that is on the device.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn pass(
        &self,
        rec: &Recording,
        x: &Tensor,
        targets: &Tensor,
        head: usize,
    ) -> Result<Tensor> {
        let tape = Tape::new(rec, &self.state, Mode::Train { groups: 1 });
        let (_, outputs) = self.outputs(&tape, &tape.input(x), head)?;
        let loss = self.heads[head].loss(&tape, &outputs, targets)?;
        tape.backward(&[&loss], &self.gradients)?;
        Ok(loss.value)
    }
    /// What an update works on.
    pub fn memory(&self) -> Memory<'_> {
        Memory {
            weights: &self.state.weights,
            gradients: &self.gradients,
            momentum: &self.momentum,
            anchor: self.anchor.as_ref(),
        }
    }
}

/// The training step of one task.
pub struct TaskStep<'a> {
    /// Backbone and heads.
    pub learner: &'a Learner,
    /// The task's head.
    pub head: usize,
    /// Numbers of a target.
    pub target: usize,
    /// How films become batches.
    pub data: &'a Data,
    /// The random view.
    pub augment: &'a Augment,
    /// How weights move.
    pub update: Update,
}

impl Steps for TaskStep<'_> {
    fn pass(
        &self,
        rec: &Recording,
        inputs: &Inputs,
        meter: &Tensor,
        n: usize,
        _: bool,
    ) -> Result<()> {
        let size = [n, self.data.height, self.data.width];
        let warp = view(self.data, Some(self.augment), 0);
        let x = warp.forward(rec, &inputs.pixels, size, &inputs.step)?;
        let loss = self.learner.pass(rec, &x, &inputs.targets, self.head)?;
        meter::add(rec, &loss, meter, &inputs.step)
    }
    fn update(&self, rec: &Recording, inputs: &Inputs) -> Result<()> {
        self.update.record(rec, &self.learner.memory(), self.head, &inputs.step)
    }
    fn gradients(&self) -> &Arena {
        &self.learner.gradients
    }
    fn extent(&self) -> [usize; 3] {
        [self.data.batch, self.data.height * self.data.width, self.target]
    }
}

/// Recorded inference: raw outputs of one head, or any other rows of numbers, for batches of films.
pub struct Inference {
    inputs: Inputs,
    /// Pixels of a film.
    film: usize,
    program: Program,
    rows: Tensor,
}

impl Inference {
    /// Records `network` on batches of `data`'s size and keeps the rows `[N, L]` it gives. A batch that
    /// goes beyond the adapter's limits runs in parts; no row depends on another, so the rows are the same.
    ///
    /// # Errors
    /// Shapes that do not fit, or one film beyond the adapter's limits.
    pub fn new(
        gpu: &Gpu,
        data: &Data,
        network: impl Fn(&Recording, &Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let mut n = data.batch;
        loop {
            match Self::record(gpu, data, n, &network) {
                Err(Error::Adapter(_)) if n > 1 => n = n.div_ceil(2),
                recorded => return recorded,
            }
        }
    }
    fn record(
        gpu: &Gpu,
        data: &Data,
        n: usize,
        network: impl Fn(&Recording, &Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let film = data.height * data.width;
        let inputs = Inputs::new(gpu, n, film, 1)?;
        let rec = Recording::new(gpu);
        let size = [n, data.height, data.width];
        let x = view(data, None, 0).forward(&rec, &inputs.pixels, size, &inputs.step)?;
        let rows = network(&rec, &x)?;
        rec.keep(&rows.data);
        Ok(Self { inputs, film, program: Program::new(rec)?, rows })
    }
    /// Runs one pass over a loader; rows of the films that could be read, and their numbers.
    ///
    /// # Errors
    /// Too many films that cannot be read, or a lost device.
    pub fn run(&mut self, loader: &mut Loader) -> Result<(Vec<usize>, Vec<f32>)> {
        let (mut numbers, mut rows) = (Vec::new(), Vec::new());
        for _ in 0..loader.epoch_len() {
            let batch = loader.next_batch()?;
            for films in batch.pixels.chunks(self.rows.rows() * self.film) {
                self.inputs.send(&Step::default(), films, &[])?;
                self.program.run();
                let all = self.rows.read(&self.program)?;
                let known = films.len() / self.film * self.rows.channels();
                rows.extend(all.data[..known].iter().map(|v| *v as f32));
            }
            numbers.extend(batch.indices);
        }
        Ok((numbers, rows))
    }
}

/// Raw outputs of a learner's head for `samples`, the samples they belong to, and those that are bad.
///
/// # Errors
/// Too many films that cannot be read, or a lost device.
pub fn infer<'s>(
    inference: &mut Inference,
    data: &Data,
    samples: &'s [Sample],
) -> Result<(Vec<&'s Sample>, Vec<f32>, Vec<BadFilm>)> {
    let mut loader = Loader::new(samples.to_vec(), super::run::evaluating(data))?;
    let (numbers, rows) = inference.run(&mut loader)?;
    Ok((numbers.into_iter().map(|i| &samples[i]).collect(), rows, loader.bad()))
}

impl Learner {
    /// Recorded inference with the head of this number.
    ///
    /// # Errors
    /// As [`Inference::new`].
    pub fn inference(&self, gpu: &Gpu, data: &Data, head: usize) -> Result<Inference> {
        Inference::new(gpu, data, |rec, x| {
            let tape = Tape::new(rec, &self.state, Mode::Eval);
            Ok(self.outputs(&tape, &tape.input(x), head)?.1.value)
        })
    }
}
