//! A task: a head on the backbone, its losses, and how its predictions are scored.

pub mod attention;
mod classify;
mod compare;
mod detect;
pub mod explain;
pub mod inference;
pub mod loading;
mod metadata;
pub mod model;
mod segment;

pub use classify::ClassifyTask;
pub use compare::{Compared, FoundBox};
pub use detect::DetectTask;
pub use metadata::{GREY, means, metadata, preparation};
pub use segment::{SegmentTask, picture};

use super::{
    config::{self, Data, Metric, TaskSettings},
    run::Run,
};
use crate::{
    Error, Result,
    data::{Dataset, Fit, Kind, Labels, Sample, Source},
    metrics::{Bootstrap, ClassifyScores, DetectScores, Resampled, SegmentScores},
    models::{Depth, ResNet},
    onnx::{self, Extent, Graph, Value},
    weights::{self, checkpoint},
};
use mtpret_engine::{
    autograd::{Mode, Tape, Var},
    ops::warp::Warp,
    step::Batch,
    tensor::{Scope, Tensor},
};
use serde::{Deserialize, Serialize};
use std::{path::Path, rc::Rc};

/// What multitask learning and fine-tuning ask of a task, whatever its kind.
pub trait Task {
    /// The data set's name.
    fn name(&self) -> &str;
    /// What it tells apart: classes, findings, the foreground of masks or what boxes are drawn around.
    fn labels(&self) -> &Labels;
    /// Size of films and batches.
    fn data(&self) -> &Data;
    /// How a film comes to the input's size.
    fn fit(&self) -> Fit {
        Fit::Stretch
    }
    /// What its loss counts beside those of other kinds of tasks: a factor of the gradient.
    fn loss_weight(&self) -> f64 {
        1.0
    }
    /// Declares the head's parameters in `scope` on this backbone, under torchvision's names.
    fn head(&self, scope: &Scope, backbone: &Rc<ResNet>) -> Box<dyn Head>;
    /// Draws the whole network, from the film to outputs that people understand.
    fn graph(&self, graph: &Graph, depth: Depth);
    /// A film's prediction beside what is known of it. Boxes whose probability is below `least` are left out.
    ///
    /// # Errors
    /// The film's reference cannot be read.
    fn compare(&self, predicted: &Predicted, least: f64) -> Result<Compared>;
    /// What of [`Head::scores`] speaks for a label: a weight for each score; none of a task without labels.
    fn direction(&self, _label: usize) -> Vec<f64> {
        Vec::new()
    }
    /// Collects predictions and scores them.
    fn scorer(&self) -> Box<dyn Scorer + '_>;
}

/// A training batch under its random view.
pub struct View<'a> {
    /// The batch as it was sent: `targets`, `extents` and `films` ([`model::fields`]).
    pub batch: &'a Batch<'a>,
    /// The random view of the films, which masks and boxes follow.
    pub warp: Warp,
    /// Films, rows and columns.
    pub size: [usize; 3],
}

/// A task's network: the layers above the backbone, on the backbone.
pub trait Head {
    /// Where torchvision's whole network has the backbone: a prefix of its names.
    fn backbone(&self) -> &'static str;
    /// How the backbone's batch norm behaves in training; frozen, it is not updated either.
    fn mode(&self) -> Mode {
        Mode::Train { groups: 1 }
    }
    /// What its losses are called, in their order; none of a head that has one, which is the loss.
    fn parts(&self) -> &'static [&'static str] {
        &[]
    }
    /// Losses `[1]` of films `x`, whose sum is minimised: one to four.
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    fn losses(&self, tape: &Tape, x: &Var, view: &View) -> Result<Vec<Var>>;
    /// Scores `[N, S]` from C5, of a head that gives labels: what attention is measured by, with [`Task::direction`].
    ///
    /// # Errors
    /// As [`Head::losses`].
    fn scores(&self, _: &Tape, _c5: &Var) -> Result<Option<Var>> {
        Ok(None)
    }
    /// Predictions for films `x`: tensors with a row a film, as the task's [`Scorer`] takes them.
    ///
    /// # Errors
    /// As [`Head::losses`].
    fn outputs(&self, tape: &Tape, x: &Var, extents: &Tensor) -> Result<Vec<Tensor>>;
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

impl Predicted<'_> {
    /// Refuses numbers that say nothing, which finite weights give too where they are beyond all measure.
    ///
    /// # Errors
    /// [`Error::Data`] with the film.
    pub fn finite(&self) -> Result<()> {
        let Some(found) = self.row.iter().find(|v| !v.is_finite()) else { return Ok(()) };
        let found = format!("that the network gives {found}");
        let mend = "use other weights, or learn them at a lower rate";
        Err(Error::data(&self.sample.path, "a finite prediction", found, mend))
    }
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
    /// Writes the predictions and, of labels, the ROC curves with their bands into the run's folder, under
    /// names that end in `suffix` (`.val`).
    ///
    /// # Errors
    /// The disk is full or the folder is not writable.
    fn write(&self, run: &Run, suffix: &str, bootstrap: Bootstrap) -> Result<()>;
}

/// The figures of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scores {
    /// Of classification.
    Classify(Box<ClassifyScores>),
    /// Of detection.
    Detect(DetectScores),
    /// Of segmentation. It stands last, since reading takes the first that fits, and figures that are not there
    /// fit as undefined ones.
    Segment(SegmentScores),
}

impl Scores {
    /// The figure that a configuration chooses by, larger is better; none where it is undefined.
    ///
    /// # Errors
    /// A figure that tasks of this kind do not have.
    pub fn figure(&self, metric: Metric) -> Result<Option<f64>> {
        Ok(match (self, metric) {
            (_, Metric::Main) => self.main().0,
            (Self::Classify(s), Metric::Auc) => s.measures.mauc,
            (Self::Classify(s), Metric::Accuracy) => s.measures.overall_accuracy,
            (Self::Segment(s), Metric::Dice) => s.measures.dice,
            (Self::Segment(s), Metric::Miou) => s.measures.miou,
            (Self::Detect(s), Metric::Ap50) => s.measures.ap50,
            (Self::Detect(s), Metric::Ap) => s.measures.ap,
            (_, metric) => {
                let found = format!("{metric:?}").to_lowercase();
                let mend = "use `main`, which every kind has";
                return Err(Error::config("metric", "a figure of this kind of task", found, mend));
            }
        })
    }
    /// What the figure is called that a configuration chooses by.
    pub fn name(&self, metric: Metric) -> &'static str {
        match (metric, self) {
            (Metric::Auc, _) | (Metric::Main, Self::Classify(_)) => "AUC",
            (Metric::Dice, _) | (Metric::Main, Self::Segment(_)) => "Dice",
            (Metric::Ap50, _) | (Metric::Main, Self::Detect(_)) => "AP50",
            (Metric::Accuracy, _) => "accuracy",
            (Metric::Miou, _) => "mIoU",
            (Metric::Ap, _) => "AP",
            (Metric::Loss, _) => "loss",
        }
    }
    /// The paper's main figure of such a task, and its 95 % interval: mean AUC, Dice, or AP at IoU .5.
    pub fn main(&self) -> (Option<f64>, Option<[f64; 2]>) {
        match self {
            Self::Classify(s) => (s.measures.mauc, s.ci.as_ref().and_then(|c| c.measures.mauc)),
            Self::Segment(s) => (s.measures.dice, s.ci.as_ref().and_then(|c| c.measures.dice)),
            Self::Detect(s) => (s.measures.ap50, s.ci.as_ref().and_then(|c| c.measures.ap50)),
        }
    }
    /// The main figure over the labels that so many patients have and so many lack, and its replicates: what runs are compared
    /// by.
    pub fn resampled(&self, least: u64) -> Resampled {
        match self {
            Self::Classify(s) => s.resampled(least),
            Self::Segment(s) => s.resampled(),
            Self::Detect(s) => s.resampled(least),
        }
    }
    /// Films that were scored.
    pub fn images(&self) -> usize {
        match self {
            Self::Classify(s) => s.images,
            Self::Segment(s) => s.images,
            Self::Detect(s) => s.images,
        }
    }
}

/// The data set of the source of this name, and its task: what its films are annotated with says the kind.
///
/// # Errors
/// The source cannot be read, has no annotation, or its kind has no section in the configuration.
pub fn open(
    sources: &[Source],
    name: &str,
    settings: TaskSettings,
) -> Result<(Dataset, Box<dyn Task>)> {
    let source = sources.iter().find(|s| s.name == name);
    let source = source.expect("the configuration was checked to name a source");
    let set = source.read()?;
    let task = of(source, &set, settings)?;
    Ok((set, task))
}

/// The task of a fine-tuned run or bundle, by what its weights say of their labels; of weights that do not say, by the data
/// set.
///
/// # Errors
/// The weights cannot be read, or as [`open`].
pub fn recall(run: &Path, config: &config::Finetune) -> Result<Box<dyn Task>> {
    Ok(recalled(run, config)?.1)
}

/// As [`recall`], with the data set: without films where the weights say what their labels are.
///
/// # Errors
/// As [`recall`].
pub fn recalled(run: &Path, config: &config::Finetune) -> Result<(Dataset, Box<dyn Task>)> {
    let metadata = checkpoint::metadata(&weights::of(run))?;
    match metadata::recalled(&config.task, &metadata) {
        Some((source, set)) => {
            let task = of(&source, &set, config.settings())?;
            Ok((set, task))
        }
        None => open(&config.source, &config.task, config.settings()),
    }
}

/// The task of a data set, by its kind of labels.
fn of(source: &Source, set: &Dataset, settings: TaskSettings) -> Result<Box<dyn Task>> {
    let missing = |section: &str| {
        let name = &source.name;
        let expected = format!("a section [{section}] for source {name}");
        let mend = format!("add [{section}] as configs/demo.toml has it");
        Error::config(section, expected, "none", mend)
    };
    let data = settings.data;
    Ok(match set.labels.kind {
        Kind::Mask => {
            let settings = settings.segment.as_ref().ok_or_else(|| missing("segment"))?;
            Box::new(SegmentTask::new(set, data, settings)?)
        }
        Kind::Boxes => {
            let settings = settings.detect.as_ref().ok_or_else(|| missing("detect"))?;
            Box::new(DetectTask::new(set, data, settings)?)
        }
        Kind::Classes | Kind::Multi | Kind::None => {
            Box::new(ClassifyTask::new(source, set, data, settings.classify)?)
        }
    })
}

/// The input of a task's network in a graph.
fn film(graph: &Graph, data: &Data, n: Extent) -> Value {
    let size = [data.height, data.width].map(Extent::Fixed);
    onnx::film(graph, n, size, [data.mean, data.std])
}
