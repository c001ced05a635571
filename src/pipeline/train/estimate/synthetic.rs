//! A training step of each network on synthetic films, to be timed, tuned and looked at.

use crate::{
    Error, Result,
    data::{Dataset, Fit, Kind, Labels, Source},
    models::{
        Depth, Projection,
        catalogue::{self, Architecture, HeadKind},
    },
    train::{
        Device,
        config::{
            Augment, Data, Detect, DetectorNorm, DiceClasses, DiceReduce, KeyBn, Optim, Preset,
            Segment,
        },
        stages::moco::{Contrast, MocoModel, MocoStep},
        step::optimizer::Update,
        tasks::{
            ClassifyTask, DetectTask, SegmentTask, Task,
            model::{TaskModel, TaskStep},
        },
    },
};
use mtpret_engine::{
    gpu::Command,
    ops::warp::Grey,
    step::{
        Recorded,
        Samples::{self, Numbers},
        Stepper, Trainable,
    },
    tensor::{Philox, Step},
};

/// What stands before the name of a ResNet that learns by momentum contrast.
const MOCO: &str = "moco_";
/// The networks and stages that can be trained, by name.
pub fn names() -> Vec<String> {
    let moco = catalogue::backbones().map(|backbone| format!("{MOCO}{}", backbone.name));
    catalogue::ALL.into_iter().map(|known| known.name.to_owned()).chain(moco).collect()
}

/// Classes of a classifier.
const CLASSES: usize = 10;
/// Boxes of a film.
const BOXES: usize = 2;
const AUGMENT: Augment = Augment { flip: 0.5, rotate_deg: 10.0, shift: 0.05 };

/// A training step and a batch for it.
pub struct SyntheticStep {
    /// The step.
    pub stepper: Stepper,
    /// Greys of a batch, and pixels of a film.
    films: (Vec<u8>, usize),
    targets: Vec<f32>,
    extents: Vec<[f32; 2]>,
}

impl SyntheticStep {
    /// A training step of the network `name`, one of [`names`], on `batch` films of `size`, width and height: random view, forward, loss,
    /// backward, SGD with momentum. A ResNet learns 10 classes by cross-entropy; with `moco_` before its name 4096 keys by
    /// InfoNCE; a DeepLabV3 (output stride 16) masks by the Dice loss; a Faster R-CNN two boxes a film, with torchvision's
    /// numbers.
    ///
    /// # Errors
    /// No such network, or a request beyond the adapter's limits.
    pub fn new(gpu: &Device, name: &str, batch: usize, size: [usize; 2]) -> Result<Self> {
        Self::with(gpu, name, batch, size, |step, data, targets| {
            let mut draw = Philox::new(1, 0);
            let pixels = data.width * data.height;
            Ok(Self {
                stepper: Stepper::new(gpu, step)?,
                films: ((0..data.batch * pixels).map(|_| draw.below(256) as u8).collect(), pixels),
                targets,
                extents: vec![[data.width as f32, data.height as f32]; data.batch],
            })
        })
    }
    /// The launches of such a step, without memory for what is between them.
    ///
    /// # Errors
    /// As [`SyntheticStep::new`].
    pub fn recorded(
        gpu: &Device,
        name: &str,
        batch: usize,
        size: [usize; 2],
    ) -> Result<Vec<Command>> {
        Self::with(gpu, name, batch, size, |step, _, _| Ok(Recorded::new(gpu, step)?.commands()))
    }
    /// What `make` makes of the step of a network, its data and its targets.
    fn with<T>(
        gpu: &Device,
        name: &str,
        batch: usize,
        size: [usize; 2],
        make: impl FnOnce(&dyn Trainable, &Data, Vec<f32>) -> Result<T>,
    ) -> Result<T> {
        let [width, height] = size;
        let data = films(batch, size);
        let unknown = || {
            let (expected, found) = (format!("one of {}", names().join(", ")), format!("`{name}`"));
            Error::request("model", expected, found, "name one of these")
        };
        let (network, moco) =
            name.strip_prefix(MOCO).map_or((name, false), |network| (network, true));
        let Architecture { depth, kind, .. } =
            Architecture::named(network).map_err(|_| unknown())?;
        match kind {
            HeadKind::Classifier if moco => Self::moco(gpu, depth, &data, make),
            _ if moco => Err(unknown()),
            HeadKind::Classifier => {
                let (source, set) = set(Kind::Classes, CLASSES);
                let mut draw = Philox::new(2, 0);
                let targets = (0..batch).map(|_| draw.below(CLASSES) as f32).collect();
                let task = ClassifyTask::new(&source, &set, &data, Default::default())?;
                Self::of_task(gpu, depth, &task, targets, make)
            }
            HeadKind::DeepLab => {
                let masks = Segment {
                    width,
                    height,
                    batch,
                    preset: Preset::Torchvision,
                    output_stride: 16,
                    aux: false,
                    smooth: 1.0,
                    reduce: DiceReduce::Batch,
                    classes: DiceClasses::Fg,
                    original_size: false,
                    loss_weight: 1.0,
                };
                let task = SegmentTask::new(&set(Kind::Mask, 1).1, &data, &masks)?;
                // The left half of every film is foreground.
                let targets =
                    (0..batch * width * height).map(|i| f32::from(u8::from(i % width < width / 2)));
                Self::of_task(gpu, depth, &task, targets.collect(), make)
            }
            HeadKind::FasterRcnn => {
                let boxes = Detect {
                    width,
                    height,
                    batch,
                    preset: Preset::Torchvision,
                    norm: DetectorNorm::Train,
                    fit: Fit::Stretch,
                    proposals: [2000, 1000],
                    sampled: 512,
                    loss_weight: 1.0,
                };
                let task = DetectTask::new(&set(Kind::Boxes, 1).1, &data, &boxes)?;
                let mut draw = Philox::new(2, 0);
                let corners = (0..batch * BOXES).flat_map(|_| {
                    let [x, y] = [draw.uniform(), draw.uniform()].map(|v| v * 0.6);
                    let [w, h] = [width, height].map(|length| length as f64);
                    [x * w, y * h, (x + 0.3) * w, (y + 0.3) * h]
                        .map(|v| v as f32)
                        .into_iter()
                        .chain([0.0])
                });
                Self::of_task(gpu, depth, &task, corners.collect(), make)
            }
        }
    }
    fn of_task<T>(
        gpu: &Device,
        depth: Depth,
        task: &dyn Task,
        targets: Vec<f32>,
        make: impl FnOnce(&dyn Trainable, &Data, Vec<f32>) -> Result<T>,
    ) -> Result<T> {
        let model = &TaskModel::new(gpu, depth, &[task], false, 1)?;
        let (target, update) = (targets.len() / task.data().batch, momentum_sgd());
        let step =
            TaskStep { model, task, head: 0, target, augment: &AUGMENT, update, average: None };
        make(&step, task.data(), targets)
    }
    fn moco<T>(
        gpu: &Device,
        depth: Depth,
        data: &Data,
        make: impl FnOnce(&dyn Trainable, &Data, Vec<f32>) -> Result<T>,
    ) -> Result<T> {
        let splits = if data.batch.is_multiple_of(2) { 2 } else { 1 };
        let contrast =
            Contrast { temperature: 0.2, ema: 0.999, splits, key_bn: KeyBn::Split, shuffle: true };
        let moco = &MocoModel::new(gpu, depth, [128, 4096], Projection::Mlp, 1)?;
        let update = momentum_sgd();
        let step = MocoStep { moco, data, augment: &AUGMENT, contrast, update };
        make(&step, data, vec![])
    }
    /// Runs step `number`.
    ///
    /// # Errors
    /// The device is lost.
    pub fn run(&mut self, number: u32) -> Result<()> {
        let step = Step { lr: 0.01, step: number, ..Step::default() };
        let extents = Numbers(self.extents.as_flattened());
        let films = self.films.0.chunks(self.films.1).map(Grey::Bytes);
        self.stepper
            .run(&step, &[Numbers(&self.targets), extents, Samples::images(films.collect())])
    }
    /// Floating-point operations of a whole step.
    pub fn flops(&self) -> u64 {
        let of =
            |command: &Command| if let Command::Launch(l) = command { l.cost.flops } else { 0 };
        self.over_step(|commands| commands.iter().map(of).sum())
    }
    /// Launches and copies of a whole step.
    pub fn launches(&self) -> usize {
        self.over_step(|commands| commands.len() as u64) as usize
    }
    /// A sum over the commands of a step: the second of three programs runs for every micro-batch but
    /// the first.
    fn over_step(&self, of: impl Fn(&[Command]) -> u64) -> u64 {
        let times = |at: usize| if at == 1 { self.stepper.micro() as u64 - 1 } else { 1 };
        self.stepper.programs().iter().enumerate().map(|(at, p)| times(at) * of(p.commands())).sum()
    }
}

/// A data set of one kind without films.
fn set(kind: Kind, count: usize) -> (Source, Dataset) {
    let names = (0..count).map(|i| i.to_string()).collect();
    let set = Dataset::new("noise", Labels { kind, names });
    let source = serde_json::json!({ "name": "noise", "format": "folder", "root": "." });
    (serde_json::from_value(source).expect("the keys a source needs"), set)
}

fn films(batch: usize, [width, height]: [usize; 2]) -> Data {
    let (mean, std) = (122.786, 18.39);
    Data { width, height, batch, threads: 0, cache_mb: 0, pack: None, max_bad: 0, mean, std }
}

fn momentum_sgd() -> Update {
    Update::new(&Optim { weight_decay: 1e-4, ..Optim::constant(0.01) }, None)
}
