//! Networks by name on weights and tensors from files: their batches, losses and outputs, and how they are trained.

use super::{
    detection,
    tensors::{image, numbers},
};
use crate::{Error, Place, Result};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    ops::dice_loss::DiceLoss,
    step::{self, Field, Optimizer, TrainState, Trainable},
    tensor::{Array, Scope, Tensor},
};
use mtpret_pipeline::{
    models::{
        DeepLab, FasterRcnn,
        catalogue::{AUX, Architecture, HeadOptions, Network},
        deeplab, faster_rcnn,
    },
    train::Device,
    weights::{File, arenas, checkpoint::Tensors},
};
use std::{collections::BTreeMap, path::Path};

/// What a DeepLab or a Faster R-CNN can be told.
#[derive(clap::Args)]
pub struct NetworkSettings {
    /// DeepLab: image pixels for one of the last features: 8, 16 or 32.
    #[arg(long, default_value_t = 8)]
    pub output_stride: usize,
    /// DeepLab: pixels between the taps of the three atrous branches [default: 12,24,36 at output stride 8, else 6,12,18].
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    pub rates: Option<Vec<usize>>,
    /// Whose numbers to take where implementations differ.
    #[arg(long, value_enum, default_value_t = Preset::Torchvision)]
    pub preset: Preset,
    /// Faster R-CNN: train with batch norm by the batch, or frozen.
    #[arg(long, value_enum, default_value_t = Norm::Train)]
    pub det_bn: Norm,
    /// Share of features that dropout sets to zero in training.
    #[arg(long, default_value_t = 0.0)]
    pub dropout: f32,
}

/// Whose numbers to take.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// torchvision's.
    Torchvision,
    /// PaddleSeg's and PaddleDetection's.
    Paddle,
}

/// How a detector's batch norm trains.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Norm {
    /// By the batch.
    Train,
    /// By the running statistics, which stay.
    Frozen,
}

impl NetworkSettings {
    /// The options of a network whose weights have an auxiliary head, or not.
    fn options(&self, aux: bool) -> Result<HeadOptions> {
        let refused = |flag: &str, expected: &str, found: String| {
            Error::request(flag, expected, found, "correct it or leave it out")
        };
        if ![8, 16, 32].contains(&self.output_stride) {
            let found = self.output_stride.to_string();
            return Err(refused("--output-stride", "8, 16 or 32", found));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let found = self.dropout.to_string();
            return Err(refused("--dropout", "from 0 to below 1", found));
        }
        let (preset, faster_rcnn) = match self.preset {
            Preset::Torchvision => (
                deeplab::DeepLabOptions::torchvision(self.output_stride),
                faster_rcnn::FasterRcnnOptions::TORCHVISION,
            ),
            Preset::Paddle => (
                deeplab::DeepLabOptions::paddle(self.output_stride),
                faster_rcnn::FasterRcnnOptions::PADDLE,
            ),
        };
        let rates = match self.rates.as_deref() {
            None => preset.rates,
            Some(&[a, b, c]) if a * b * c > 0 => [a, b, c],
            Some(found) => {
                return Err(refused("--rates", "three numbers above 0", format!("{found:?}")));
            }
        };
        let deeplab = deeplab::DeepLabOptions { rates, dropout: self.dropout, aux, ..preset };
        Ok(HeadOptions { deeplab, faster_rcnn })
    }
    /// How batch norm behaves in the training of a network.
    fn mode(&self, network: &Network) -> Mode {
        match (network, self.det_bn) {
            (Network::FasterRcnn(_), Norm::Frozen) => Mode::Frozen,
            _ => Mode::Train { groups: 1 },
        }
    }
}

/// The tensors of a batch by name, the images `x` among them; what there is of others decides how the network learns.
pub type Batch = BTreeMap<&'static str, Array>;

/// A batch whose tensors have as many samples as one another.
///
/// # Errors
/// Two of them differ.
pub fn of_one_length(batch: Batch, path: &Path) -> Result<Batch> {
    let samples = |array: &Array| array.shape[0];
    let counts: Vec<usize> = batch.values().map(samples).collect();
    if counts.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(batch);
    }
    let found: Vec<String> =
        batch.iter().map(|(name, array)| format!("{} of `{name}`", samples(array))).collect();
    let (expected, found) = ("as many targets as images", found.join(" and "));
    Err(Error::request(path, expected, found, "write one for each"))
}

/// A network with the weights of a file.
pub struct Subject {
    /// Weights, gradients, momentum.
    pub train: TrainState,
    /// Its layers.
    pub network: Network,
    /// How batch norm behaves in training.
    pub mode: Mode,
    /// Outputs of the last layer, classes with the background for boxes.
    classes: usize,
}

impl Subject {
    /// The network called `name` with the weights that `found` holds, strictly; with as many outputs as those have, or
    /// `classes`; with an anchor at these weights if `anchored`.
    ///
    /// # Errors
    /// No such network, or weights that do not fit it.
    pub fn new(
        gpu: &Device,
        name: &str,
        settings: &NetworkSettings,
        classes: Option<usize>,
        found: &File,
        anchored: bool,
    ) -> Result<Self> {
        let architecture = Architecture::named(name)?;
        let last = architecture.kind.last();
        let rows = found.tensors.get(last).and_then(|t| t.shape.first()).copied();
        let least = if name.starts_with("fasterrcnn_") { 2 } else { 1 };
        let classes = classes.or(rows).filter(|n| *n >= least).ok_or_else(|| {
            let mend = "pass weights of a whole network, or --classes for another head";
            let outputs = classes.or(rows).map_or("none".into(), |n| n.to_string());
            let place = Place::from(&found.path).item(last);
            Error::weights(place, format!("at least {least} rows"), outputs, mend)
        })?;
        let root = Scope::root();
        let options = settings.options(found.tensors.contains_key(AUX))?;
        let network = architecture.declare(&root, classes, &options);
        let train = TrainState::new(gpu, &root, 0, anchored, gpu.step)?;
        arenas::load(gpu, &train.network, found)?;
        if let Some(anchor) = &train.anchor {
            gpu.copy(&train.network.weights.data, &anchor.data);
        }
        let mode = settings.mode(&network);
        Ok(Self { train, network, mode, classes })
    }
    /// What its losses are called.
    pub fn parts(&self) -> &'static [&'static str] {
        match &self.network {
            Network::Classifier(_) => &["class"],
            Network::DeepLab(deeplab) if deeplab.has_aux() => &DeepLab::LOSSES,
            Network::DeepLab(_) => &DeepLab::LOSSES[..1],
            Network::FasterRcnn(_) => &FasterRcnn::LOSSES,
        }
    }
    /// A batch's images `x` and targets, with `at` (`.t` for batch t of several) behind their names in the file.
    ///
    /// # Errors
    /// A tensor is missing, or has another shape or other values.
    pub fn batch(&self, inputs: &Tensors, at: &str, path: &Path) -> Result<Batch> {
        if let Network::FasterRcnn(_) = self.network {
            return detection::batch(inputs, at, path, self.classes);
        }
        let x = image(inputs, &format!("x{at}"), path)?;
        let target = self.target(inputs, &format!("target{at}"), path)?;
        of_one_length(Batch::from([("x", x), target]), path)
    }
    /// The targets of a batch and what they are: for labels int64 `[N]` (`classes`) or float `[N, L]` (`labels`, NaN =
    /// missing); for masks (`mask`) float `[N, 1, H, W]` from 0 to 1 where there is one class, else int64 `[N, H, W]`,
    /// negative = ignored.
    fn target(&self, inputs: &Tensors, name: &str, path: &Path) -> Result<(&'static str, Array)> {
        let (tensor, mut values) = numbers(inputs, name, path)?;
        let (labels, classes) = (self.classes, tensor.as_i64().is_some());
        let segments = matches!(self.network, Network::DeepLab(_));
        let refused = |expected: String, found: String| {
            Error::request(Place::from(path).item(name), expected, found, "correct it")
        };
        let (kind, shape) = match (segments, classes, &tensor.shape[..]) {
            (false, true, &[n]) => ("classes", vec![n, 1]),
            (false, false, &[n, l]) if l == labels => ("labels", vec![n, l]),
            (true, false, &[n, 1, h, w]) if labels == 1 => ("mask", vec![n, h, w, 1]),
            (true, true, &[n, h, w]) if labels > 1 => ("mask", vec![n, h, w, 1]),
            (segments, _, found) => {
                let wanted = match segments {
                    false => format!("int64 [N] or float [N, {labels}]"),
                    true if labels == 1 => "float [N, 1, H, W]".into(),
                    true => "int64 [N, H, W]".into(),
                };
                let kind = if classes { "int64" } else { "float" };
                return Err(refused(wanted, format!("{kind} {found:?}")));
            }
        };
        if classes && let Some(v) = values.iter().find(|v| **v >= labels as f64) {
            return Err(refused(format!("classes below {labels}"), v.to_string()));
        }
        if segments
            && !classes
            && let Some(v) = values.iter().find(|v| !(0.0..=1.0).contains(*v))
        {
            return Err(refused("from 0 to 1".into(), v.to_string()));
        }
        values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = -1.0);
        Ok((kind, Array::new(&shape, values)))
    }
    /// What a classifier or a DeepLab gives for images, by name.
    ///
    /// # Errors
    /// Images of another shape, or a detector, whose outputs are lists.
    pub fn outputs(&self, tape: &Tape, x: &Tensor, step: &Tensor) -> Result<Vec<(String, Var)>> {
        let (x, size) = (tape.input(x), [x.shape[1], x.shape[2]]);
        match &self.network {
            Network::Classifier(classifier) => {
                let features = classifier.features(tape, &x)?;
                let logits = classifier.logits(tape, &features[3])?;
                let names = (2..).map(|i| format!("features.{i}"));
                Ok(names.zip(features).chain([("logits".into(), logits)]).collect())
            }
            Network::DeepLab(deeplab) => {
                let features = deeplab.features(tape, &x)?;
                let out = deeplab.forward(tape, &features, size, step)?;
                let aux = deeplab.auxiliary(tape, &features, size, step)?;
                let aux = aux.map(|a| ("aux".into(), a));
                Ok([("out".into(), out)].into_iter().chain(aux).collect())
            }
            Network::FasterRcnn(_) => unreachable!("a detector's outputs are read by `detection`"),
        }
    }
    /// Its training step on batches of these shapes.
    pub fn on(&self, batch: &Batch, optimizer: Optimizer) -> OnTensors<'_> {
        let shapes = batch.iter().map(|(name, array)| (*name, array.shape.clone())).collect();
        OnTensors { subject: self, shapes, optimizer }
    }
}

/// The training step of a network on tensors from a file.
pub struct OnTensors<'a> {
    subject: &'a Subject,
    /// The tensors of a batch, `[N, …]`.
    shapes: Vec<(&'static str, Vec<usize>)>,
    optimizer: Optimizer,
}

impl Trainable for OnTensors<'_> {
    fn state(&self) -> &TrainState {
        &self.subject.train
    }
    fn mode(&self) -> Mode {
        self.subject.mode
    }
    fn samples(&self) -> usize {
        self.shapes[0].1[0]
    }
    fn fields(&self, n: usize) -> Vec<Field> {
        let field = |(name, shape): &(&'static str, Vec<usize>)| {
            Field::new(name, [&[n], &shape[1..]].concat())
        };
        self.shapes.iter().map(field).collect()
    }
    fn losses(&self, tape: &Tape, batch: &step::Batch) -> Result<Vec<Var>> {
        let (x, step) = (tape.input(batch.tensor("x")), batch.step());
        match &self.subject.network {
            Network::Classifier(classifier) => {
                let (targets, exclusive) = match batch.get("classes") {
                    Some(classes) => (classes, true),
                    None => (batch.tensor("labels"), false),
                };
                Ok(vec![classifier.loss(tape, &x, targets, exclusive)?])
            }
            Network::DeepLab(deeplab) => {
                deeplab.losses(tape, &x, batch.tensor("mask"), DiceLoss::default(), step)
            }
            Network::FasterRcnn(detector) => {
                let (truth, given) = detection::given(batch);
                Ok(detector.losses(tape, &x, &truth, step, Some(&given))?.into())
            }
        }
    }
    fn optimizer(&self) -> Optimizer {
        self.optimizer.clone()
    }
}
