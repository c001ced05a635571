//! Box head: the class of a proposal, and its exact box.

use super::{Boxes, Detections, FasterRcnnOptions, fpn::CHANNELS};
use crate::Result;
use mtpret_engine::{
    autograd::{Tape, Var},
    gpu::Recording,
    nn::Linear,
    ops::{
        Op,
        add::Add,
        box_encode::BoxCoder,
        clip_boxes::ClipBoxes,
        cross_entropy::CrossEntropy,
        gather::{self, Gather},
        join::Join,
        label_boxes::LabelBoxes,
        level_boxes::LevelBoxes,
        match_boxes::MatchBoxes,
        nms::Nms,
        relu::Relu,
        roi_align::RoiAlign,
        sample_boxes::SampleBoxes,
        smooth_l1::SmoothL1,
        softmax::Softmax,
        top_k::TopK,
    },
    tensor::{Array, Scope, Tensor},
};

/// Matcher of proposals to true boxes.
const MATCH: MatchBoxes = MatchBoxes { high: 0.5, low: 0.5, low_quality: false };
/// Coder of deltas that move a proposal.
pub const CODER: BoxCoder = BoxCoder { weights: [10.0, 10.0, 5.0, 5.0] };
/// Filter of detections that are kept at all: by their score, and by their sides in pixels.
pub const DETECTED: ClipBoxes = ClipBoxes { least_score: 0.05, least_side: 1e-2 };
/// Suppression of detections of a class that are one too many.
pub const NMS: Nms = Nms { threshold: 0.5 };
/// Number of detections of an image.
pub const MOST: usize = 100;
/// Number of bins of a proposal's features along each axis.
pub const BINS: usize = 7;
/// Width of the two hidden layers.
const HIDDEN: usize = 1024;

/// Box head: two hidden layers on a proposal's features, then a class and, for each class, a box.
pub struct RoiHeads {
    fc6: Linear,
    fc7: Linear,
    cls_score: Linear,
    bbox_pred: Linear,
    /// Number of classes with the background, which is 0.
    classes: usize,
    options: FasterRcnnOptions,
}

impl RoiHeads {
    /// Declares `box_head` and `box_predictor` in `scope`; `classes` counts the background.
    pub fn new(scope: &Scope, classes: usize, options: FasterRcnnOptions) -> Self {
        let (head, predictor) = (scope.at("box_head"), scope.at("box_predictor"));
        Self {
            fc6: Linear::of_image(head.at("fc6"), [BINS, BINS, CHANNELS], HIDDEN),
            fc7: Linear::new(head.at("fc7"), HIDDEN, HIDDEN),
            cls_score: Linear::new(predictor.at("cls_score"), HIDDEN, classes),
            bbox_pred: Linear::new(predictor.at("bbox_pred"), HIDDEN, 4 * classes),
            classes,
            options,
        }
    }
    /// Computes class logits `[N·S, C]` and deltas `[N·S, C, 4]` of boxes `[N, S, 4]`, each read
    /// from the map of its size.
    fn forward(
        &self,
        tape: &Tape,
        [p2, p3, p4, p5, _]: &[Var; 5],
        boxes: &Tensor,
        size: [usize; 2],
    ) -> Result<[Var; 2]> {
        let heights = [p2, p3, p4, p5].map(|map| map.value.shape[1]);
        let (level, align) = reading(&self.options, heights, size[0]);
        let of_box = level.forward(tape.rec, boxes)?;
        let (rois, of_box) = (tape.input(boxes), tape.input(&of_box));
        let x = tape.apply::<6, _>(align, [p2, p3, p4, p5, &rois, &of_box])?;
        let rows = x.value.shape[0];
        let x = tape.reshape(&x, &[rows, BINS * BINS * CHANNELS]);
        let x = tape.apply(Relu, [&self.fc6.forward(tape, &x)?])?;
        let x = tape.apply(Relu, [&self.fc7.forward(tape, &x)?])?;
        let deltas = self.bbox_pred.forward(tape, &x)?;
        let deltas = tape.reshape(&deltas, &[rows, self.classes, 4]);
        Ok([self.cls_score.forward(tape, &x)?, deltas])
    }
    /// Computes the losses of classes and of boxes, each `[1]`, on `given` boxes `[N, R, 4]`, or on
    /// boxes drawn of `proposals` and true boxes together.
    ///
    /// # Errors
    /// True boxes of another number of images, or a request beyond the adapter's limits.
    pub fn losses(
        &self,
        tape: &Tape,
        pyramid: &[Var; 5],
        candidates: Candidates,
        truth: &Boxes,
        size: [usize; 2],
        step: &Tensor,
    ) -> Result<[Var; 2]> {
        let rec = tape.rec;
        let matched = |all: &Tensor| MATCH.forward(rec, all, &truth.corners, &truth.classes);
        let (all, matches, places) = match candidates {
            Candidates::Given(all) => {
                let matches = matched(&all)?;
                let places = every(rec, &matches)?;
                (all, matches, places)
            }
            Candidates::Proposed(proposals) => {
                let all = with_truth(rec, &proposals, truth)?;
                let matches = matched(&all)?;
                let size = self.options.sampled;
                let sample = SampleBoxes { size, positives: size / 4, stream: 1 };
                let places = sample.forward(rec, &matches, step)?.places;
                (all, matches, places)
            }
        };
        let labelled = LabelBoxes.forward(rec, &matches, &places, &truth.classes)?;
        let (rois, _) = Gather.forward(rec, [&all, &places])?;
        let (boxes, _) = Gather.forward(rec, [&truth.corners, &labelled.matched])?;
        let targets = CODER.encode(rec, &boxes, &rois)?;
        let [logits, deltas] = self.forward(tape, pyramid, &rois, size)?;
        let labels = tape.input(&labelled.labels);
        let class = tape.apply(CrossEntropy, [&logits, &labels])?;
        // The deltas of every box's own class.
        let deltas = tape.apply(Gather, [&deltas, &labels])?;
        let targets = tape.input(&targets.reshape(&deltas.value.shape));
        let weights = tape.input(&labelled.weights);
        let smooth = SmoothL1 { beta: self.options.beta };
        let deltas = tape.apply(smooth, [&deltas, &targets, &weights])?;
        Ok([class, deltas])
    }
    /// Computes the detections of `proposals` `[N, P, 4]` (P a multiple of 4), on films of these
    /// extents.
    ///
    /// # Errors
    /// A request beyond the adapter's limits.
    pub fn detect(
        &self,
        tape: &Tape,
        pyramid: &[Var; 5],
        proposals: &Tensor,
        extents: &Tensor,
        size: [usize; 2],
    ) -> Result<Detections> {
        let (rec, gpu, c) = (tape.rec, &tape.rec.gpu, self.classes);
        let [n, p] = [proposals.shape[0], proposals.shape[1]];
        let [logits, deltas] = self.forward(tape, pyramid, proposals, size)?;
        let scores = Softmax.forward(rec, &logits.value)?.reshape(&[n, p, c]);
        let boxes = CODER.decode(rec, &deltas.value, &proposals.reshape(&[n * p, 1, 4]))?;
        let boxes = boxes.reshape(&[n, p * c, 4]);
        // A row for each class but the background, since only boxes of one class compete.
        let (rows, all) = (n * (c - 1), (c - 1) * p);
        let by_class = (1..c).flat_map(|class| (0..p).map(move |i| (i * c + class) as f64));
        let by_class = Tensor::upload(gpu, &Array::new(&[1, all], by_class.collect()))?;
        let scores = gather::elements(rec, &scores, &by_class)?.reshape(&[rows, p]);
        let (boxes, _) = Gather.forward(rec, [&boxes, &by_class])?;
        let boxes = boxes.reshape(&[rows, p, 4]);
        let [boxes, scores] = DETECTED.forward(rec, &boxes, &scores, Some(extents))?;
        let [scores, order] = TopK { k: p }.forward(rec, &scores)?;
        let (boxes, _) = Gather.forward(rec, [&boxes, &order])?;
        let scores = NMS.forward(rec, &boxes, &scores, None)?.reshape(&[n, all]);
        let [_, best] = TopK { k: MOST }.forward(rec, &scores)?;
        // Where there is no detection the table gives 0, which becomes −1.
        let table = (0..all).map(|i| (i / p + 1) as f64).collect();
        let table = Tensor::upload(gpu, &Array::new(&[1, all], table))?;
        let one_less = Tensor::upload(gpu, &Array::new(&[n, MOST], vec![-1.0; n * MOST]))?;
        let classes = gather::elements(rec, &table, &best)?;
        Ok(Detections {
            boxes: Gather.forward(rec, [&boxes.reshape(&[n, all, 4]), &best])?.0,
            scores: gather::elements(rec, &scores, &best)?,
            classes: Add.forward(rec, [&classes, &one_less])?.0,
        })
    }
}

/// Assignment of boxes of an image of this `height` to four maps of these heights, and the RoIAlign
/// that reads them.
pub fn reading(
    options: &FasterRcnnOptions,
    heights: [usize; 4],
    height: usize,
) -> (LevelBoxes, RoiAlign) {
    // A map's scale is the power of two nearest to its share of the image.
    let levels = heights.map(|map| (map as f32 / height as f32).log2().round());
    let align = RoiAlign {
        output: [BINS; 2],
        scales: levels.map(f32::exp2).to_vec(),
        sampling_ratio: options.sampling_ratio,
        aligned: options.aligned,
    };
    (LevelBoxes { first: -levels[0] as i32, maps: 4 }, align)
}

/// The boxes that the head learns from.
pub enum Candidates {
    /// Given boxes `[N, R, 4]`, all of them; zeros where there is none.
    Given(Tensor),
    /// Proposals `[N, P, 4]`, to be drawn from together with the true boxes.
    Proposed(Tensor),
}

/// Proposals `[N, P, 4]` and behind them the true boxes; zeros where there is none.
fn with_truth(rec: &Recording, proposals: &Tensor, truth: &Boxes) -> Result<Tensor> {
    let used = ClipBoxes { least_score: -0.5, least_side: 0.0 };
    let [corners, _] = used.forward(rec, &truth.corners, &truth.classes, None)?;
    let (all, _) = Join.forward(rec, [proposals, &corners])?;
    Ok(all.reshape(&[all.shape[0], all.shape[1] / 4, 4]))
}

/// The number of every box: nothing is drawn, all are taken.
fn every(rec: &Recording, matches: &Tensor) -> Result<Tensor> {
    let [n, count] = [matches.shape[0], matches.shape[1]];
    let numbers = (0..n * count).map(|i| (i % count) as f64).collect();
    Tensor::upload(&rec.gpu, &Array::new(&[n, count], numbers))
}
