//! Configuration sections that depend on the kind of task: classification, segmentation, detection.

use super::sections::{Data, within};
use crate::{
    Error, Result,
    data::Fit,
    models::{deeplab::DeepLabOptions, faster_rcnn::FasterRcnnOptions},
};
use mtpret_engine::autograd::Mode;
use serde::{Deserialize, Serialize};

/// The figure by which fine-tuning chooses its best epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The paper's main figure of the task: AUC, Dice or AP at IoU .5.
    Main,
    /// Classification: mean area under the ROC curve over labels.
    Auc,
    /// Classification: accuracy at 0.5, or of the likeliest class.
    Accuracy,
    /// Segmentation: mean Dice of the foreground over films.
    Dice,
    /// Segmentation: mean IoU of background and foreground over all pixels.
    Miou,
    /// Detection: AP at IoU .5, mean over classes.
    Ap50,
    /// Detection: AP, mean over IoU .5 to .95 and over classes.
    Ap,
    /// Classification and segmentation: the loss, lower is better.
    Loss,
}

/// The output that tells two classes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binary {
    /// Two logits and the cross-entropy of their softmax, as torchvision's users have it.
    Softmax,
    /// One logit and the binary cross-entropy of its sigmoid, as Eq. 6 is printed.
    Sigmoid,
}

/// `[classify]`: of tasks with classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classify {
    /// The output of a task with two classes; other tasks do not look at it.
    pub binary: Binary,
}

impl Default for Classify {
    fn default() -> Self {
        Self { binary: Binary::Softmax }
    }
}

/// Whose numbers a network has where implementations differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// torchvision's.
    Torchvision,
    /// PaddleSeg's and PaddleDetection's.
    Paddle,
}

impl Preset {
    /// Options of DeepLabV3 at an output stride.
    pub fn deeplab(self, output_stride: usize) -> DeepLabOptions {
        match self {
            Self::Torchvision => DeepLabOptions::torchvision(output_stride),
            Self::Paddle => DeepLabOptions::paddle(output_stride),
        }
    }
    /// Options of Faster R-CNN.
    pub fn faster_rcnn(self) -> FasterRcnnOptions {
        match self {
            Self::Torchvision => FasterRcnnOptions::TORCHVISION,
            Self::Paddle => FasterRcnnOptions::PADDLE,
        }
    }
}

/// Over what the sums of the Dice loss run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiceReduce {
    /// Each image; the loss is their mean (Eq. 7).
    Image,
    /// The whole batch.
    Batch,
}

/// Which classes the Dice loss counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiceClasses {
    /// The foreground alone (Eq. 7).
    Fg,
    /// Foreground and background.
    All,
}

/// `[segment]`: DeepLabV3, its loss and its figures; needed where a task has masks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Width of the network's input, pixels.
    pub width: usize,
    /// Height of the network's input, pixels.
    pub height: usize,
    /// Images a step.
    pub batch: usize,
    /// Whose numbers.
    pub preset: Preset,
    /// Pixels of the image for one of the last features: 8, 16 or 32.
    pub output_stride: usize,
    /// An auxiliary head on C4, whose loss counts half.
    pub aux: bool,
    /// Added above and below the fraction of Eq. 7.
    pub smooth: f64,
    /// Over what its sums run.
    pub reduce: DiceReduce,
    /// Which classes it counts.
    pub classes: DiceClasses,
    /// Measure masks at the films' own size; else at the input's.
    pub original_size: bool,
    /// What the loss counts: its gradient is multiplied by this before momentum, decay and L²-SP, and
    /// curves show it without.
    pub loss_weight: f64,
}

/// Batch norm of a detector's backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorNorm {
    /// By the running statistics, and not trained, as torchvision does with pretrained weights.
    Frozen,
    /// By the batch, and trained, as MoCo's transfer to detection does.
    Train,
}

impl DetectorNorm {
    /// Mode of batch norm in training.
    pub fn mode(self) -> Mode {
        match self {
            Self::Frozen => Mode::Frozen,
            Self::Train => Mode::Train { groups: 1 },
        }
    }
}

/// `[detect]`: Faster R-CNN; needed where a task has boxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Width of the network's input, pixels.
    pub width: usize,
    /// Height of the network's input, pixels.
    pub height: usize,
    /// Images a step.
    pub batch: usize,
    /// Whose numbers.
    pub preset: Preset,
    /// Batch norm of the backbone.
    pub norm: DetectorNorm,
    /// How a film comes to the input's size: stretched, or with its aspect kept.
    pub fit: Fit,
    /// Best proposals of an image, in training and in detection.
    pub proposals: [usize; 2],
    /// Proposals of an image that the box head learns from.
    pub sampled: usize,
    /// What the loss counts: its gradient is multiplied by this before momentum, decay and L²-SP, and
    /// curves show it without.
    pub loss_weight: f64,
}

/// Refuses an input or a batch that [`Data`] would refuse.
fn frame(section: &str, [width, height, batch]: [usize; 3]) -> Result<()> {
    within(&format!("{section}.width"), width, 32..=8192, 512)?;
    within(&format!("{section}.height"), height, 32..=8192, 512)?;
    within(&format!("{section}.batch"), batch, 1..=4096, 8)
}

impl Segment {
    pub(in crate::train) fn check(&self) -> Result<()> {
        frame("segment", [self.width, self.height, self.batch])?;
        within("segment.smooth", self.smooth, 0.0..=1000.0, 1.0)?;
        within("segment.loss_weight", self.loss_weight, 1e-4..=1e4, 1.0)?;
        if ![8, 16, 32].contains(&self.output_stride) {
            let (key, found) = ("segment.output_stride", self.output_stride.to_string());
            return Err(Error::config(key, "8, 16 or 32", found, format!("for example {key}=16")));
        }
        Ok(())
    }
}

impl Detect {
    pub(in crate::train) fn check(&self) -> Result<()> {
        frame("detect", [self.width, self.height, self.batch])?;
        within("detect.proposals.0", self.proposals[0], 1..=2000, 2000)?;
        within("detect.proposals.1", self.proposals[1], 1..=2000, 1000)?;
        within("detect.sampled", self.sampled, 4..=2048, 512)?;
        within("detect.loss_weight", self.loss_weight, 1e-4..=1e4, 1.0)
    }
}

/// How films of each kind of task become batches.
#[derive(Clone, Copy)]
pub struct TaskSettings<'a> {
    /// What all kinds share, and the size of classification's films.
    pub data: &'a Data,
    /// Of tasks with classes.
    pub classify: Classify,
    /// Of tasks with masks.
    pub segment: &'a Option<Segment>,
    /// Of tasks with boxes.
    pub detect: &'a Option<Detect>,
}
