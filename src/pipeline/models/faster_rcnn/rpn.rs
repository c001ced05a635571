//! Region proposal network (Ren et al. 2015): the anchors that hold something, and where it lies.

use super::{
    Boxes, FasterRcnnOptions,
    anchors::{ANCHORS, Anchors},
    fpn::CHANNELS,
};
use crate::Result;
use mtpret_engine::{
    autograd::{Tape, Var},
    gpu::Recording,
    nn::Conv2d,
    ops::{
        Op,
        bce_with_logits::BceWithLogits,
        box_encode::BoxCoder,
        clip_boxes::ClipBoxes,
        conv2d,
        gather::Gather,
        join::Join,
        label_boxes::LabelBoxes,
        match_boxes::MatchBoxes,
        nms::Nms,
        relu::Relu,
        sample_boxes::{Sample, SampleBoxes},
        smooth_l1::SmoothL1,
        top_k::TopK,
    },
    tensor::{Init, Scope, Tensor},
};

/// Matcher of anchors to true boxes.
const MATCH: MatchBoxes = MatchBoxes { high: 0.7, low: 0.3, low_quality: true };
/// Sampler of an image's anchors to learn from.
const SAMPLE: SampleBoxes = SampleBoxes { size: 256, positives: 128, stream: 0 };
/// Coder of deltas that move an anchor.
pub const CODER: BoxCoder = BoxCoder { weights: [1.0; 4] };
/// Suppression of proposals of a level that are one too many.
pub const NMS: Nms = Nms { threshold: 0.7 };

/// Head of the region proposal network, which all levels share.
pub struct Rpn {
    conv: Conv2d,
    cls_logits: Conv2d,
    bbox_pred: Conv2d,
}

/// Scores and deltas of every anchor, level by level.
pub struct Scored {
    /// Logits of an anchor that holds something, `[N, H, W, A]`.
    logits: [Var; 5],
    /// Deltas from the anchor to the box, `[N, H, W, 4·A]`.
    deltas: [Var; 5],
    anchors: Anchors,
}

impl Rpn {
    /// Declares `conv.0.0`, `cls_logits` and `bbox_pred` in `scope`.
    pub fn new(scope: &Scope) -> Self {
        let conv = |at: Scope, k: usize, kernel: usize| {
            let op = conv2d::Conv2d::new(1, kernel / 2);
            Conv2d::biased(at, [CHANNELS, k], kernel, op, Init::Normal(0.01))
        };
        Self {
            conv: conv(scope.at("conv").at("0").at("0"), CHANNELS, 3),
            cls_logits: conv(scope.at("cls_logits"), ANCHORS, 1),
            bbox_pred: conv(scope.at("bbox_pred"), 4 * ANCHORS, 1),
        }
    }
    /// Scores the anchors of the pyramid's maps of an image of `size` (height, width).
    ///
    /// # Errors
    /// Maps of other channels.
    pub fn forward(&self, tape: &Tape, pyramid: &[Var; 5], size: [usize; 2]) -> Result<Scored> {
        let (mut logits, mut deltas) = (Vec::new(), Vec::new());
        for map in pyramid {
            let t = tape.apply(Relu, [&self.conv.forward(tape, map)?])?;
            logits.push(self.cls_logits.forward(tape, &t)?);
            deltas.push(self.bbox_pred.forward(tape, &t)?);
        }
        let places =
            std::array::from_fn(|i| [pyramid[i].value.shape[1], pyramid[i].value.shape[2]]);
        let five = |maps: Vec<Var>| maps.try_into().unwrap_or_else(|_| unreachable!("five maps"));
        let anchors = Anchors::upload(&tape.rec.gpu, places, size)?;
        Ok(Scored { logits: five(logits), deltas: five(deltas), anchors })
    }
}

impl Scored {
    /// Computes the losses of objectness and of boxes, each `[1]`, on `given` anchors or on such as
    /// are drawn.
    ///
    /// # Errors
    /// True boxes of another number of images.
    pub fn losses(
        &self,
        tape: &Tape,
        truth: &Boxes,
        step: &Tensor,
        given: Option<&Sample>,
        beta: f32,
    ) -> Result<[Var; 2]> {
        let (rec, all) = (tape.rec, &self.anchors.all);
        let count = all.shape[1];
        let matches =
            MATCH.forward(rec, &all.reshape(&[count, 4]), &truth.corners, &truth.classes)?;
        let drawn;
        let sample = match given {
            Some(sample) => sample,
            None => {
                drawn = SAMPLE.forward(rec, &matches, step)?;
                &drawn
            }
        };
        let logits = tape.apply(Join, self.logits.each_ref())?;
        let objectness = tape.apply(BceWithLogits, [&logits, &tape.input(&sample.chosen)])?;

        let labelled = LabelBoxes.forward(rec, &matches, &sample.places, &truth.classes)?;
        let deltas = tape.apply(Join, self.deltas.each_ref())?;
        let deltas = tape.reshape(&deltas, &[truth.corners.shape[0], count, 4]);
        let places = tape.input(&sample.places);
        let deltas = tape.apply(Gather, [&deltas, &places])?;
        let (anchors, _) = Gather.forward(rec, [all, &sample.places])?;
        let (boxes, _) = Gather.forward(rec, [&truth.corners, &labelled.matched])?;
        let targets = tape.input(&CODER.encode(rec, &boxes, &anchors)?);
        let weights = tape.input(&labelled.weights);
        let boxes = tape.apply(SmoothL1 { beta }, [&deltas, &targets, &weights])?;
        Ok([objectness, boxes])
    }
    /// Selects the best boxes `[N, P, 4]` within the films, at most `most`; zeros where there are
    /// fewer.
    ///
    /// Of every level the `per_level` anchors with the highest logits are moved by their deltas and
    /// clipped, and what overlaps a better one of its level is dropped.
    ///
    /// # Errors
    /// A request beyond the adapter's limits.
    pub fn proposals(
        &self,
        rec: &Recording,
        extents: &Tensor,
        options: &FasterRcnnOptions,
        training: bool,
    ) -> Result<Tensor> {
        let [per_level, most] = options.proposals(training);
        let clip = ClipBoxes { least_score: f32::MIN, least_side: options.least_side };
        let (mut boxes, mut scores) = (Vec::new(), Vec::new());
        for level in 0..5 {
            let (logits, anchors) = (&self.logits[level].value, &self.anchors.levels[level]);
            let (n, count) = (logits.shape[0], anchors.shape[1]);
            let deltas = self.deltas[level].value.reshape(&[n, count, 4]);
            let [logits, places] = TopK { k: per_level.min(count) }.forward(rec, logits)?;
            let (deltas, _) = Gather.forward(rec, [&deltas, &places])?;
            let (anchors, _) = Gather.forward(rec, [anchors, &places])?;
            let moved = CODER.decode(rec, &deltas, &anchors)?;
            let [clipped, logits] = clip.forward(rec, &moved, &logits, Some(extents))?;
            scores.push(NMS.forward(rec, &clipped, &logits, None)?);
            boxes.push(clipped);
        }
        let five = |list: &[Tensor]| -> Result<Tensor> {
            let (joined, _) = Join.forward(rec, std::array::from_fn::<_, 5, _>(|i| &list[i]))?;
            Ok(joined)
        };
        let (boxes, scores) = (five(&boxes)?, five(&scores)?);
        let [n, candidates] = [scores.shape[0], scores.shape[1]];
        // A multiple of four, so that lists of proposals have no padding.
        let k = most.min(candidates).next_multiple_of(4);
        let [_, best] = TopK { k }.forward(rec, &scores)?;
        let boxes = boxes.reshape(&[n, candidates, 4]);
        Ok(Gather.forward(rec, [&boxes, &best])?.0)
    }
}
