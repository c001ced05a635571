//! One backbone with a head for each task: what multitask learning, fine-tuning and evaluation share.

use crate::{
    Result,
    models::{BACKBONE, Depth, ResNet, head},
    train::{
        Device,
        config::{Augment, Backbone, Data},
        step::optimizer::Update,
        tasks::{Head, Task, View},
    },
    weights::{self, arenas, checkpoint::Tensors},
};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    gpu::{Gpu, Recording, Slice},
    ops::{ema::Ema, warp::Warp},
    step::{Batch, Field, Optimizer, TrainState, Trainable},
    tensor::{Entry, Scope, State},
};
use std::{path::Path, rc::Rc};

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
    let backbone = Rc::new(ResNet::new(&root, depth));
    let prefix = task.map_or("", |task| task.head(&root.part(head(0)), &backbone).backbone());
    let (weights, statistics) = root.layouts();
    let named = |e: &Entry| match e.group.part {
        BACKBONE => (format!("{prefix}{}", e.name), e.file_shape.clone()),
        _ => (e.name.clone(), e.file_shape.clone()),
    };
    weights.entries().chain(statistics.entries()).map(named).collect()
}

/// Films as the network sees them: z-scored, and in training randomly rotated.
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

/// What a batch of `n` films is made of, in the order of [`crate::data::Batch::fields`]: numbers of their targets, negative where
/// one is missing; width and height that each film fills of the input; the films.
pub fn fields(n: usize, pixels: usize, targets: usize) -> Vec<Field> {
    vec![
        Field::new("targets", [n, targets.max(1)]).or(-1.0),
        Field::new("extents", [n, 2]),
        Field::packed("films", n, Warp::words(n, pixels)),
    ]
}

/// A backbone, its heads, and everything that training moves.
pub struct TaskModel {
    /// Weights, gradients, momentum, and L²-SP's w⁰ if the backbone is held to it.
    pub train: TrainState,
    /// The network below the heads.
    pub backbone: Rc<ResNet>,
    /// One head for each task.
    pub heads: Vec<Box<dyn Head>>,
    /// What the names of each head's parameters begin with.
    scopes: Vec<String>,
}

impl TaskModel {
    /// First values from `seed`. The parameters of the only head have torchvision's names; of several
    /// heads, those of each stand below `heads.<task>`.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(
        gpu: &Device,
        depth: Depth,
        tasks: &[&dyn Task],
        anchored: bool,
        seed: u64,
    ) -> Result<Self> {
        let root = Scope::root();
        let backbone = Rc::new(ResNet::new(&root, depth));
        let scopes: Vec<String> = match tasks {
            [_] => vec![String::new()],
            _ => tasks.iter().map(|task| format!("heads.{}.", task.name())).collect(),
        };
        let declare = |(i, task): (usize, &&dyn Task)| {
            let scope = match tasks.len() {
                1 => root.part(head(i)),
                _ => root.at("heads").at(task.name()).part(head(i)),
            };
            task.head(&scope, &backbone)
        };
        let heads = tasks.iter().enumerate().map(declare).collect();
        let train = TrainState::new(gpu, &root, seed, anchored, gpu.step)?;
        Ok(Self { train, backbone, heads, scopes })
    }
    /// Weights and running statistics.
    pub fn state(&self) -> &State {
        &self.train.network
    }
    /// A tensor's name in torchvision's network of this head, if the network has it.
    fn file_name(&self, entry: &Entry, number: usize) -> Option<String> {
        match entry.group.part {
            BACKBONE => Some(format!("{}{}", self.heads[number].backbone(), entry.name)),
            part if part == head(number) => {
                entry.name.strip_prefix(&self.scopes[number]).map(str::to_owned)
            }
            _ => None,
        }
    }
    /// Backbone and one head, as torchvision would save them.
    ///
    /// # Errors
    /// The device is lost.
    pub fn network(&self, gpu: &Gpu, head: usize) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        for arena in self.state().arenas() {
            for (entry, values) in arena.read(gpu)? {
                if let Some(name) = self.file_name(&entry, head) {
                    tensors.insert(name, arenas::host(&entry, values));
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
        let entries = || self.state().arenas().into_iter().flat_map(|a| a.layout.entries());
        let names: Vec<_> =
            entries().filter_map(|e| Some((e.clone(), self.file_name(e, head)?))).collect();
        let expected: Vec<_> =
            names.iter().map(|(e, name)| (name.clone(), e.file_shape.clone())).collect();
        let mut found = weights::tensors(path, &expected)?;
        let mut tensors = arenas::network(gpu, self.state())?;
        for (entry, name) in names {
            tensors.extend(found.remove(&name).map(|tensor| (entry.name, tensor)));
        }
        arenas::take(gpu, path, &tensors, "", self.state().arenas())
    }
}

/// The training step of one task on films.
pub struct TaskStep<'a> {
    /// Backbone and heads.
    pub model: &'a TaskModel,
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

impl TaskStep<'_> {
    fn head(&self) -> &dyn Head {
        &*self.model.heads[self.head]
    }
}

impl Trainable for TaskStep<'_> {
    fn state(&self) -> &TrainState {
        &self.model.train
    }
    fn mode(&self) -> Mode {
        self.head().mode()
    }
    fn samples(&self) -> usize {
        self.task.data().batch
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        let data = self.task.data();
        fields(n, data.height * data.width, self.target)
    }
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
        let data = self.task.data();
        let warp = view(data, Some(self.augment), 0);
        let size = [batch.samples, data.height, data.width];
        let x = warp.forward(tape.rec, batch.tensor("films"), size, batch.step())?;
        self.head().losses(tape, &tape.input(&x), &View { batch, warp, size })
    }
    fn loss_weight(&self) -> f64 {
        self.task.loss_weight()
    }
    fn optimizer(&self) -> Optimizer {
        let frozen = self.mode() == Mode::Frozen;
        self.update.optimizer(&self.model.train.network.weights.layout, self.head, frozen)
    }
    fn beside(&self) -> Vec<Slice> {
        let average = self.average.iter().flat_map(|(average, _)| average.arenas());
        average.map(|arena| arena.data.clone()).collect()
    }
    fn updated(&self, rec: &Recording, _: &Batch) -> Result<()> {
        let Some((average, decay)) = self.average else { return Ok(()) };
        let ema = Ema { momentum: decay as f32 };
        let arenas = average.arenas().into_iter().zip(self.model.state().arenas());
        arenas.into_iter().try_for_each(|(slow, fast)| ema.step(rec, &slow.data, &fast.data))
    }
}
