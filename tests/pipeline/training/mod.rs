//! The engine: a step is recorded once, planned, and replayed; nothing is made or read on the way.

use mtpret_engine::{
    gpu::{DeviceOptions, Gpu},
    ops::warp::Grey,
    step::{
        Samples::{self, Numbers},
        StepOptions, Stepper, Trainable,
    },
    tensor::{Philox, Step},
};
use mtpret_pipeline::{
    data::{Dataset, Kind, Labels, Source},
    models::{Depth, Projection},
    train::{
        Device,
        config::{Augment, Data, KeyBn, Optim},
        stages::moco::{Contrast, MocoModel, MocoStep},
        step::optimizer::Update,
        tasks::{
            ClassifyTask, Task,
            model::{TaskModel, TaskStep},
        },
    },
};
use std::path::Path;

mod continual;
mod forgetting;
mod half;
mod heads;
mod limits;
mod lost;
mod plan;
mod replay;
mod trips;
mod updates;

/// Classes of the films.
const CLASSES: usize = 3;

fn open() -> Device {
    with(StepOptions::default())
}

/// The default adapter, which training steps use so.
fn with(step: StepOptions) -> Device {
    Device { gpu: Gpu::open(DeviceOptions::default()).unwrap(), step }
}

fn data(batch: usize, [height, width]: [usize; 2]) -> Data {
    let (mean, std) = (122.786, 18.390);
    Data { width, height, batch, threads: 1, cache_mb: 16, pack: None, max_bad: 0, mean, std }
}

/// Random views, so that a step draws from its seed.
fn augment() -> Augment {
    Augment { flip: 0.5, rotate_deg: 10.0, shift: 0.05 }
}

fn optim() -> Optim {
    Optim { weight_decay: 1e-4, ..Optim::constant(0.01) }
}

/// A source of films in a folder per class.
fn source(name: &str, root: &Path, labelled: bool) -> Source {
    let root = root.display();
    let text =
        format!("name = '{name}'\nformat = 'folder'\nroot = '{root}'\nlabelled = {labelled}");
    toml::from_str(&text).unwrap()
}

/// A task of [`CLASSES`] classes.
fn task(data: &Data) -> ClassifyTask {
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    let labels = Labels { kind: Kind::Classes, names };
    let set = Dataset::new("t", labels);
    ClassifyTask::new(&source("t", Path::new("."), true), &set, data, Default::default()).unwrap()
}

fn task_model(gpu: &Device, seed: u64) -> TaskModel {
    let task = task(&data(4, [32, 32]));
    TaskModel::new(gpu, Depth::R18, &[&task as &dyn Task], false, seed).unwrap()
}

fn task_step<'a>(
    model: &'a TaskModel,
    task: &'a ClassifyTask,
    augment: &'a Augment,
) -> TaskStep<'a> {
    let update = Update::new(&optim(), None);
    TaskStep { model, task, head: 0, target: 1, augment, update, average: None }
}

fn stepper(gpu: &Gpu, trainable: &dyn Trainable) -> Stepper {
    Stepper::new(gpu, trainable).unwrap()
}

/// A batch of films of noise, and their classes.
struct Films {
    greys: Vec<u8>,
    /// Of a film.
    pixels: usize,
    classes: Vec<f32>,
}

impl Films {
    fn of(greys: &[u8], pixels: usize) -> Samples<'_> {
        Samples::images(greys.chunks(pixels).map(Grey::Bytes).collect())
    }
    /// What the fields of a task take.
    fn labelled(&self) -> [Samples<'_>; 3] {
        [Numbers(&self.classes), Numbers(&[]), Self::of(&self.greys, self.pixels)]
    }
    /// What the fields of pretraining take.
    fn unlabelled(&self) -> [Samples<'_>; 3] {
        [Numbers(&[]), Numbers(&[]), Self::of(&self.greys, self.pixels)]
    }
}

fn films(data: &Data, seed: u64) -> Films {
    let mut random = Philox::new(seed, 0);
    let pixels = data.height * data.width;
    let greys = (0..data.batch * pixels).map(|_| random.below(256) as u8).collect();
    let classes = (0..data.batch).map(|_| random.below(CLASSES) as f32).collect();
    Films { greys, pixels, classes }
}

/// The record of a step of the run with this seed.
fn numbers(seed: u32, step: u32, samples: u32) -> Step {
    Step { lr: 0.01, step, seed_low: seed, samples, stage: 1, ..Step::default() }
}

fn moco(gpu: &Device, seed: u64) -> MocoModel {
    MocoModel::new(gpu, Depth::R18, [32, 16], Projection::Mlp, seed).unwrap()
}

/// A contrastive step as stage 1 records it.
fn moco_step<'a>(moco: &'a MocoModel, data: &'a Data, augment: &'a Augment) -> MocoStep<'a> {
    let key_bn = KeyBn::Split;
    let contrast = Contrast { temperature: 0.2, ema: 0.9, splits: 2, key_bn, shuffle: true };
    MocoStep { moco, data, augment, contrast, update: Update::new(&optim(), None) }
}
