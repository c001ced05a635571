//! A task: a head on the backbone, its losses, and how its predictions are scored.

mod classify;

pub use classify::Classify;

use super::{
    config::{Data, Metric},
    inputs::Inputs,
    metrics::{Bootstrap, ClassifyScores},
    run::Run,
};
use crate::{
    Result,
    autograd::{Mode, Tape, Var},
    data::{Dataset, Sample, Source},
    models::{Depth, ResNet},
    ops::warp::Warp,
    tensor::{Scope, Tensor},
};
use serde::Serialize;

/// What multitask learning and fine-tuning ask of a task, whatever its kind.
pub trait Task {
    /// The data set's name.
    fn name(&self) -> &str;
    /// Size of films and batches.
    fn data(&self) -> &Data;
    /// Whether a row of targets goes to the device as one run of numbers (masks, boxes) or as a row
    /// of a tensor (labels).
    fn packed(&self) -> bool {
        false
    }
    /// Declares the head's parameters in `scope` on a backbone of this depth, under torchvision's names.
    fn head(&self, scope: Scope, depth: Depth) -> Box<dyn Head>;
    /// A film's prediction in words and numbers, for people and programs.
    fn describe(&self, predicted: &Predicted) -> serde_json::Map<String, serde_json::Value>;
    /// Collects predictions and scores them.
    fn scorer(&self) -> Box<dyn Scorer + '_>;
}

/// A training batch under its random view.
pub struct View<'a> {
    /// The batch as it was sent.
    pub inputs: &'a Inputs,
    /// The random view of the films, which masks and boxes follow.
    pub warp: Warp,
    /// Films, rows and columns.
    pub size: [usize; 3],
}

/// A task's layers above the backbone.
pub trait Head {
    /// Where torchvision's whole network has the backbone: a prefix of its names.
    fn backbone(&self) -> &'static str;
    /// How the backbone's batch norm behaves in training.
    fn mode(&self) -> Mode {
        Mode::Train { groups: 1 }
    }
    /// Losses `[1]` of films `x`, whose sum is minimised.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    fn losses(&self, tape: &Tape, backbone: &ResNet, x: &Var, view: &View) -> Result<Vec<Var>>;
    /// Predictions for films `x`: tensors with a row a film, as the task's [`Scorer`] takes them.
    ///
    /// # Errors
    /// As [`Head::losses`].
    fn outputs(
        &self,
        tape: &Tape,
        backbone: &ResNet,
        x: &Var,
        extents: &Tensor,
    ) -> Result<Vec<Tensor>>;
}

/// A film's prediction, and how the film lay in the network's input.
pub struct Predicted<'a> {
    /// The film.
    pub sample: &'a Sample,
    /// The film's rows of [`Head::outputs`], one after the other.
    pub row: &'a [f32],
    /// Width and height of the film as decoded.
    pub size: [usize; 2],
    /// Width and height that the film fills of the input.
    pub extent: [f32; 2],
}

/// Predictions of a task as they come in, and their figures.
pub trait Scorer {
    /// Takes a film's prediction.
    ///
    /// # Errors
    /// The film's reference cannot be read.
    fn add(&mut self, predicted: &Predicted) -> Result<()>;
    /// Figures of all films so far.
    ///
    /// # Errors
    /// Predictions that do not fit the references.
    fn scores(&self, bootstrap: Bootstrap) -> Result<Scores>;
    /// Mean loss of the predictions, where it can be told from them.
    fn loss(&self) -> Option<f64>;
    /// Writes the predictions into the run's folder.
    ///
    /// # Errors
    /// The disk is full or the folder is not writable.
    fn write(&self, run: &Run) -> Result<()>;
}

/// The figures of a task.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Scores {
    /// Of classification.
    Classify(ClassifyScores),
}

impl Scores {
    /// The figure that a configuration chooses by, larger is better; none where it is undefined.
    pub fn figure(&self, metric: Metric) -> Option<f64> {
        match (self, metric) {
            (Self::Classify(s), Metric::Accuracy) => s.measures.overall_accuracy,
            (Self::Classify(s), _) => s.measures.mauc,
        }
    }
    /// The paper's main figure of such a task, and its 95 % interval: mean AUC.
    pub fn main(&self) -> (Option<f64>, Option<[f64; 2]>) {
        match self {
            Self::Classify(s) => (s.measures.mauc, s.ci.as_ref().and_then(|c| c.measures.mauc)),
        }
    }
    /// Films that were scored.
    pub fn images(&self) -> usize {
        match self {
            Self::Classify(s) => s.images,
        }
    }
}

/// The data set of the source of this name, and its task.
///
/// # Errors
/// The source cannot be read, or has no labels.
pub fn open(sources: &[Source], name: &str, data: &Data) -> Result<(Dataset, Box<dyn Task>)> {
    let source = sources.iter().find(|s| s.name == name);
    let source = source.expect("the configuration was checked to name a source");
    let set = source.read()?;
    let task = Box::new(Classify::new(source, &set, data)?);
    Ok((set, task))
}
