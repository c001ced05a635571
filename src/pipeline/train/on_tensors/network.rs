//! A network by name on weights from a file: its outputs, its losses and how it is trained.

use super::{
    NamedArrays,
    detection::{BoxList, detect, given},
    losses, run_batch,
};
use crate::{
    Result,
    models::{
        BACKBONE, DeepLab, FasterRcnn,
        catalogue::{Architecture, HeadOptions, Network},
    },
    train::{Device, config::DetectorNorm},
    weights::{File, arenas, checkpoint::Tensors},
};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    gpu::{Program, Recording},
    ops::{
        dice_loss::DiceLoss,
        loss_scale::{GROWTH, LossScale},
    },
    step::{Batch, Field, Optimizer, Stepper, TrainState, Trainable},
    tensor::{Array, Group, Scope, Step, Tensor},
};

/// Options of a network beside its weights.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Options of the head.
    pub heads: HeadOptions,
    /// Batch norm of a detector in training.
    pub norm: DetectorNorm,
    /// Whether there is an anchor at its weights.
    pub anchored: bool,
}

/// A network with the weights of a file.
pub struct LoadedNetwork {
    /// Weights, gradients and momentum of the network.
    pub train: TrainState,
    /// Layers of the network.
    pub network: Network,
    /// How batch norm behaves in training.
    pub mode: Mode,
    /// Outputs of the last layer, classes with the background for boxes.
    pub outputs: usize,
}

/// Outputs of a network for images.
pub enum Evaluated {
    /// Outputs of a classifier or a DeepLab by name, channels last.
    Outputs(Vec<(String, Array)>),
    /// Boxes that a detector found on each image.
    Boxes(Vec<BoxList>),
}

impl LoadedNetwork {
    /// Loads a network with so many outputs and the weights that `found` holds, strictly.
    ///
    /// # Errors
    /// Weights that do not fit it, or too little device memory.
    pub fn new(
        gpu: &Device,
        architecture: Architecture,
        outputs: usize,
        options: &LoadOptions,
        found: &File,
    ) -> Result<Self> {
        let root = Scope::root();
        let network = architecture.declare(&root, outputs, &options.heads);
        let train = TrainState::new(gpu, &root, 0, options.anchored, gpu.step)?;
        arenas::load(gpu, &train.network, found)?;
        if let Some(anchor) = &train.anchor {
            gpu.copy(&train.network.weights.data, &anchor.data);
        }
        let mode = match &network {
            Network::FasterRcnn(_) => options.norm.mode(),
            _ => Mode::Train { groups: 1 },
        };
        Ok(Self { train, network, mode, outputs })
    }
    /// Names of the network's losses.
    pub fn parts(&self) -> &'static [&'static str] {
        match &self.network {
            Network::Classifier(_) => &["class"],
            Network::DeepLab(deeplab) if deeplab.has_aux() => &DeepLab::LOSSES,
            Network::DeepLab(_) => &DeepLab::LOSSES[..1],
            Network::FasterRcnn(_) => &FasterRcnn::LOSSES,
        }
    }
    /// Evaluates the network on images.
    ///
    /// # Errors
    /// Images of another shape, or a request beyond the adapter's limits.
    pub fn evaluate(&self, gpu: &Device, images: &Array) -> Result<Evaluated> {
        let (x, step) = (Tensor::upload(gpu, images)?, Step::default().upload(gpu)?);
        if let Network::FasterRcnn(detector) = &self.network {
            return Ok(Evaluated::Boxes(detect(gpu, self, detector, &x)?));
        }
        let read = self.read(gpu, |tape| {
            let outputs = self.outputs(tape, &x, &step)?.into_iter();
            Ok(outputs.map(|(name, output)| (name, output.value)).collect())
        });
        Ok(Evaluated::Outputs(read?))
    }
    /// Runs what `record` records in evaluation, and reads its outputs back by name.
    pub(super) fn read(
        &self,
        gpu: &Device,
        record: impl Fn(&Tape) -> Result<Vec<(String, Tensor)>>,
    ) -> Result<Vec<(String, Array)>> {
        let (outputs, program) = gpu.built(|| {
            let rec = Recording::new(gpu);
            let tape = Tape::new(&rec, &self.train.network, Mode::Eval);
            let outputs = record(&tape)?;
            drop(tape);
            outputs.iter().for_each(|(_, output)| rec.keep(&output.data));
            Ok((outputs, Program::new(rec)?))
        })?;
        program.run();
        outputs.into_iter().map(|(name, output)| Ok((name, output.read(&program)?))).collect()
    }
    /// Records the outputs of a classifier or a DeepLab, by name.
    fn outputs(&self, tape: &Tape, x: &Tensor, step: &Tensor) -> Result<Vec<(String, Var)>> {
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
    /// Training step of the network on batches of these shapes.
    pub fn on(&self, batch: &NamedArrays, optimizer: Optimizer) -> OnTensors<'_> {
        let shapes = batch.iter().map(|(name, array)| (*name, array.shape.clone())).collect();
        OnTensors { subject: self, shapes, optimizer }
    }
    /// Runs a training step that moves no weight: gives its losses by name, and leaves this batch's statistics and gradients in `train`.
    ///
    /// # Errors
    /// Tensors that do not fit, or a request beyond the adapter's limits.
    pub fn differentiate(
        &self,
        gpu: &Device,
        batch: &NamedArrays,
    ) -> Result<Vec<(&'static str, f64)>> {
        let still = Optimizer { momentum: 0.0, groups: Default::default() };
        let mut stepper = Stepper::new(gpu, &self.on(batch, still))?;
        run_batch(&mut stepper, &Step::default(), batch)?;
        losses(&mut stepper, self.parts())
    }
    /// Reads the gradients of [`LoadedNetwork::differentiate`], without its scale of losses; frozen batch norm has none.
    ///
    /// # Errors
    /// The device is lost.
    pub fn gradients(&self, gpu: &Device) -> Result<Tensors> {
        let TrainState { network: state, gradients, .. } = &self.train;
        if let Some(scale) = &state.loss_scale {
            let scaled = LossScale { growth: GROWTH };
            gpu.eager(|rec| scaled.unscale(rec, &gradients.data, scale))?;
        }
        let mut read = Tensors::new();
        arenas::put(gpu, &mut read, "", [gradients])?;
        let norms = Group { part: BACKBONE, vectors: true };
        let norms = gradients.layout.entries().filter(|e| e.group == norms);
        norms.filter(|_| self.mode == Mode::Frozen).for_each(|e| {
            read.remove(&e.name);
        });
        Ok(read)
    }
}

/// Training step of a network on given tensors.
pub struct OnTensors<'a> {
    subject: &'a LoadedNetwork,
    /// Names and shapes `[N, …]` of a batch's tensors.
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
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>> {
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
                let (truth, given) = given(batch);
                Ok(detector.losses(tape, &x, &truth, step, Some(&given))?.into())
            }
        }
    }
    fn optimizer(&self) -> Optimizer {
        self.optimizer.clone()
    }
}
