//! One backbone with a head for each task: what multitask learning, fine-tuning and evaluation share.

use super::{
    bundle,
    checkpoint::Tensors,
    config::{Augment, Backbone, Data},
    inputs::Inputs,
    state,
    stepper::Steps,
    task::{Head, Task, View},
    update::{Memory, Update},
};
use crate::{
    Result,
    autograd::{Mode, Tape},
    gpu::{Gpu, Recording},
    models::{Depth, ResNet},
    nn,
    ops::{ema::Ema, meter, warp::Warp},
    tensor::{Arena, Entry, Group, Scope, State, Tensor},
};
use std::path::Path;

/// The depth that a configuration names.
pub fn depth(backbone: Backbone) -> Depth {
    match backbone {
        Backbone::Resnet18 => Depth::R18,
        Backbone::Resnet50 => Depth::R50,
    }
}

/// Names and shapes, in torchvision's files, of a backbone, with the head of a task if there is one.
pub fn expected(depth: Depth, task: Option<&dyn Task>) -> Vec<(String, Vec<usize>)> {
    let root = Scope::root();
    ResNet::new(&root, depth);
    let prefix = task.map_or("", |task| task.head(root.head(0), depth).backbone());
    let (weights, statistics) = root.layouts();
    let named = |e: &Entry| match e.group {
        Group::Weights | Group::Vectors => (format!("{prefix}{}", e.name), e.file_shape.clone()),
        Group::HeadWeights(_) | Group::HeadVectors(_) => (e.name.clone(), e.file_shape.clone()),
    };
    weights.entries().chain(statistics.entries()).map(named).collect()
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
    /// The network below the heads.
    pub backbone: ResNet,
    /// One head for each task.
    pub heads: Vec<Box<dyn Head>>,
    /// What the names of each head's parameters begin with.
    scopes: Vec<String>,
}

impl Learner {
    /// First values from `seed`. The parameters of the only head have torchvision's names; of several
    /// heads, those of each stand below `heads.<task>`.
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
        let scopes: Vec<String> = match tasks {
            [_] => vec![String::new()],
            _ => tasks.iter().map(|task| format!("heads.{}.", task.name())).collect(),
        };
        let head = |(i, task): (usize, &&dyn Task)| {
            let scope = match tasks.len() {
                1 => root.head(i),
                _ => root.at("heads").at(task.name()).head(i),
            };
            task.head(scope, depth)
        };
        let heads = tasks.iter().enumerate().map(head).collect();
        let state = State::init(gpu, &root, seed)?;
        let layout = state.weights.layout.clone();
        let anchor = anchored.then(|| state.weights.duplicate(gpu)).transpose()?;
        let (gradients, momentum) = (Arena::zeros(gpu, &layout)?, Arena::zeros(gpu, &layout)?);
        Ok(Self { state, gradients, momentum, anchor, backbone, heads, scopes })
    }
    /// Records forward, losses and backward of a batch `x` that is on the device; returns the losses
    /// `[1]`, whose sum times `weight` is minimised.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    pub fn pass(
        &self,
        rec: &Recording,
        x: &Tensor,
        view: &View,
        head: usize,
        weight: f64,
    ) -> Result<Vec<Tensor>> {
        let head = &self.heads[head];
        let tape = Tape::new(rec, &self.state, head.mode());
        let losses = head.losses(&tape, &self.backbone, &tape.input(x), view)?;
        let weighted = losses.iter().map(|loss| nn::weighted(&tape, loss, weight));
        let weighted = weighted.collect::<Result<Vec<_>>>()?;
        tape.backward(&weighted.iter().collect::<Vec<_>>(), &self.gradients)?;
        Ok(losses.into_iter().map(|loss| loss.value).collect())
    }
    /// What an update works on.
    pub fn memory(&self) -> Memory<'_> {
        Memory {
            weights: &self.state.weights,
            gradients: &self.gradients,
            momentum: &self.momentum,
            anchor: self.anchor.as_ref(),
            loss_scale: self.state.loss_scale.as_ref(),
        }
    }
    /// A tensor's name in torchvision's network of this head, if the network has it.
    fn file_name(&self, entry: &Entry, head: usize) -> Option<String> {
        match entry.group {
            Group::Weights | Group::Vectors => {
                Some(format!("{}{}", self.heads[head].backbone(), entry.name))
            }
            Group::HeadWeights(of) | Group::HeadVectors(of) if of == head => {
                entry.name.strip_prefix(&self.scopes[head]).map(str::to_owned)
            }
            Group::HeadWeights(_) | Group::HeadVectors(_) => None,
        }
    }
    /// Backbone and one head, as torchvision would save them.
    ///
    /// # Errors
    /// The device is lost.
    pub fn network(&self, gpu: &Gpu, head: usize) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        for arena in self.state.arenas() {
            for (entry, values) in arena.read(gpu)? {
                if let Some(name) = self.file_name(&entry, head) {
                    tensors.insert(name, state::host(&entry, values));
                }
            }
        }
        Ok(tensors)
    }
    /// Sets backbone and one head from a file with torchvision's names, or a bundle.
    ///
    /// # Errors
    /// The file cannot be read, or a tensor is missing or has another shape.
    pub fn load(&self, gpu: &Gpu, head: usize, path: &Path) -> Result<()> {
        let entries = || self.state.arenas().into_iter().flat_map(|a| a.layout.entries());
        let names: Vec<_> =
            entries().filter_map(|e| Some((e.clone(), self.file_name(e, head)?))).collect();
        let expected: Vec<_> =
            names.iter().map(|(e, name)| (name.clone(), e.file_shape.clone())).collect();
        let mut found = bundle::tensors(path, &expected)?;
        let mut tensors = state::network(gpu, &self.state)?;
        for (entry, name) in names {
            tensors.extend(found.remove(&name).map(|tensor| (entry.name, tensor)));
        }
        state::take(gpu, &tensors, "", self.state.arenas())
    }
}

/// The training step of one task.
pub struct TaskStep<'a> {
    /// Backbone and heads.
    pub learner: &'a Learner,
    /// The task.
    pub task: &'a dyn Task,
    /// The number of its head.
    pub head: usize,
    /// Numbers of a film's target.
    pub target: usize,
    /// The random view.
    pub augment: &'a Augment,
    /// How weights move.
    pub update: Update,
    /// A moving average of weights and statistics, and its decay.
    pub average: Option<(&'a State, f64)>,
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
        let data = self.task.data();
        let warp = view(data, Some(self.augment), 0);
        let size = [n, data.height, data.width];
        let x = warp.forward(rec, &inputs.pixels, size, &inputs.step)?;
        let weight = self.task.loss_weight();
        let losses = self.learner.pass(rec, &x, &View { inputs, warp, size }, self.head, weight)?;
        meter::add(rec, &losses, meter, &inputs.step)
    }
    fn update(&self, rec: &Recording, inputs: &Inputs) -> Result<()> {
        let update = match self.learner.heads[self.head].mode() {
            Mode::Frozen => self.update.frozen(),
            _ => self.update,
        };
        update.record(rec, &self.learner.memory(), self.head, &inputs.step)?;
        if let Some((average, decay)) = self.average {
            let ema = Ema { momentum: decay as f32 };
            for (slow, fast) in average.arenas().into_iter().zip(self.learner.state.arenas()) {
                ema.step(rec, &slow.data, &fast.data)?;
            }
        }
        Ok(())
    }
    fn gradients(&self) -> &Arena {
        &self.learner.gradients
    }
    fn extent(&self) -> [usize; 3] {
        let data = self.task.data();
        [data.batch, data.height * data.width, self.target]
    }
}
