//! Faster R-CNN with a feature pyramid as an ONNX graph: on one film, what `models::faster_rcnn` computes on many at
//! fixed places, by lists that are as long as there are boxes.

use super::{
    Graph, Value,
    proto::{Attribute, Constant},
};
use crate::models::faster_rcnn::{
    FasterRcnnOptions,
    anchors::{self, ANCHORS},
    roi, rpn,
};
use mtpret_engine::ops::{
    box_decode::MOST_GROWTH, box_encode::BoxCoder, clip_boxes::ClipBoxes, roi_align::RoiAlign,
};

/// A score below which nothing is looked at.
const LOWEST: f32 = f32::MIN;

/// Outputs of the detector on a film.
pub struct DetectorOutputs {
    /// Corners x1 y1 x2 y2 `[D, 4]`, in pixels of the input.
    pub boxes: Value,
    /// Probabilities `[D]`, the highest first.
    pub scores: Value,
    /// Classes from 0 `[D]`.
    pub labels: Value,
}

/// The detector on a film.
pub struct Detector<'g, 'w> {
    /// The graph.
    pub graph: &'g Graph<'w>,
    /// Options in which implementations differ.
    pub options: FasterRcnnOptions,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Number of classes with the background, which is 0.
    pub classes: usize,
    /// Limits of the film, width, height, width and height: boxes end there. `[4]`.
    pub limits: Value,
}

impl Detector<'_, '_> {
    /// Adds the detections from C2 … C5 of the film.
    pub fn detect(&self, features: &[Value; 4]) -> DetectorOutputs {
        let pyramid = self.pyramid(features);
        let proposals = self.proposals(&pyramid);
        self.found(&pyramid, &proposals)
    }
    /// Number of rows and columns of a level's map, P2 being 0.
    fn places(&self, level: usize) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(4 << level))
    }
    /// Adds the maps P2 … P6.
    fn pyramid(&self, features: &[Value; 4]) -> [Value; 5] {
        let graph = self.graph;
        let conv = |kind: &str, i: usize, x: &Value| {
            let at = format!("backbone.fpn.{kind}.{i}.0");
            graph.conv(&at, x, [1, graph.kernel(&at) / 2, 1])
        };
        let mut above = conv("inner_blocks", 3, &features[3]);
        let p5 = conv("layer_blocks", 3, &above);
        let mut maps = vec![graph.max_pool(&p5, [1, 2, 0]), p5];
        for i in (0..3).rev() {
            let lateral = conv("inner_blocks", i, &features[i]);
            let enlarged = graph.resize(&above, self.places(i), false);
            above = graph.node("Add", [&lateral, &enlarged], []);
            maps.push(conv("layer_blocks", i, &above));
        }
        maps.reverse();
        maps.try_into().unwrap_or_else(|_| unreachable!("there are five maps"))
    }
    /// Adds the boxes `[P, 4]` that may hold something, the likeliest first.
    fn proposals(&self, pyramid: &[Value; 5]) -> Value {
        let graph = self.graph;
        let [per_level, most] = self.options.proposals(false);
        let (mut boxes, mut logits, mut candidates) = (Vec::new(), Vec::new(), 0);
        for (level, map) in pyramid.iter().enumerate() {
            let count = ANCHORS * self.places(level).iter().product::<usize>();
            let k = per_level.min(count);
            candidates += k;
            let [kept, of_kept] = self.level(level, map, k);
            boxes.push(kept);
            logits.push(of_kept);
        }
        let join = |parts: &[Value]| graph.concat::<5>(std::array::from_fn(|i| &parts[i]), 0);
        let (boxes, logits) = (join(&boxes), join(&logits));
        let [_, best] = self.top(&logits, most.min(candidates).next_multiple_of(4));
        graph.gather(&boxes, &best, 0)
    }
    /// Adds the boxes of a level that no better one covers, of the `k` with the highest logits, and their
    /// logits.
    fn level(&self, level: usize, map: &Value, k: usize) -> [Value; 2] {
        let graph = self.graph;
        let at = |name: &str| format!("rpn.head.{name}");
        let t = graph.relu(&graph.conv(&at("conv.0.0"), map, [1, 1, 1]));
        // Ordered by row, column and anchor, as the anchors.
        let listed = |name: &str, shape: &[i64]| {
            let y = graph.conv(&at(name), &t, [1, 0, 1]);
            graph.reshape(&graph.transpose(&y, &[0, 2, 3, 1]), shape)
        };
        let (logits, deltas) = (listed("cls_logits", &[-1]), listed("bbox_pred", &[-1, 4]));
        let corners = anchors::corners(level, self.places(level), self.size);
        let corners: Vec<f32> = corners.into_iter().map(|corner| corner as f32).collect();
        let anchors = graph.floats(&[corners.len() / 4, 4], &corners);
        let [logits, best] = self.top(&logits, k);
        let [deltas, anchors] = [&deltas, &anchors].map(|rows| graph.gather(rows, &best, 0));
        let moved = self.decode(&rpn::CODER, &deltas, &anchors);
        let clip = ClipBoxes { least_score: LOWEST, least_side: self.options.least_side };
        let [boxes, scores] = self.clip(&clip, &moved, &logits);
        let film = graph.integers(&[0]);
        let one = graph.node("Unsqueeze", [&boxes, &film], []);
        let rows = graph.reshape(&scores, &[1, 1, -1]);
        let kept = self.suppress(&one, &rows, k, rpn::NMS.threshold);
        let kept = graph.gather(&kept, &graph.integer(2), 1);
        [graph.gather(&boxes, &kept, 0), graph.gather(&logits, &kept, 0)]
    }
    /// Adds the detections of the proposals `[P, 4]`.
    fn found(&self, pyramid: &[Value; 5], proposals: &Value) -> DetectorOutputs {
        let (graph, classes) = (self.graph, self.classes as i64);
        let [proposals, x] = self.aligned(pyramid, proposals);
        let at = |name: &str| format!("roi_heads.{name}");
        let x = graph.node("Flatten", [&x], [Attribute::int("axis", 1)]);
        let x = graph.relu(&graph.linear(&at("box_head.fc6"), &x));
        let x = graph.relu(&graph.linear(&at("box_head.fc7"), &x));
        let logits = graph.linear(&at("box_predictor.cls_score"), &x);
        let scores = graph.node("Softmax", [&logits], [Attribute::int("axis", 1)]);
        let deltas = graph.linear(&at("box_predictor.bbox_pred"), &x);
        let deltas = graph.reshape(&deltas, &[0, classes, 4]);
        // A row for each class but the background, since only boxes of one class compete: [C − 1, P, 4] and [C − 1, P].
        let deltas = graph.slice(&deltas, 1, 1, classes);
        let axis = graph.integers(&[1]);
        let boxes =
            self.decode(&roi::CODER, &deltas, &graph.node("Unsqueeze", [&proposals, &axis], []));
        let boxes = graph.transpose(&boxes, &[1, 0, 2]);
        let scores = graph.transpose(&graph.slice(&scores, 1, 1, classes), &[1, 0]);
        let [boxes, scores] = self.clip(&roi::DETECTED, &boxes, &scores);
        let scores = graph.node("Unsqueeze", [&scores, &axis], []);
        let most = self.options.proposals(false)[1].next_multiple_of(4);
        // Rows of class, 0 and proposal.
        let kept = self.suppress(&boxes, &scores, most, roi::NMS.threshold);
        let scores = graph.node("GatherND", [&scores, &kept], []);
        let place = graph.gather(&kept, &graph.integers(&[0, 2]), 1);
        let boxes = graph.node("GatherND", [&boxes, &place], []);
        let labels = graph.gather(&kept, &graph.integer(0), 1);
        let [scores, best] = self.top(&scores, roi::MOST);
        let [boxes, labels] = [&boxes, &labels].map(|rows| graph.gather(rows, &best, 0));
        DetectorOutputs { boxes, scores, labels }
    }
    /// Adds proposals in the order of the maps that they are read from, and their features
    /// `[P, C, 7, 7]`.
    fn aligned(&self, pyramid: &[Value; 5], proposals: &Value) -> [Value; 2] {
        let graph = self.graph;
        let heights = std::array::from_fn(|level| self.places(level)[0]);
        let (level, align) = roi::reading(&self.options, heights, self.size[0]);
        let [low, high] = self.ends(proposals);
        let sides = graph.node("Sub", [&high, &low], []);
        let side = |axis: i64| graph.gather(&sides, &graph.integer(axis), 1);
        let area = graph.node("Mul", [&side(0), &side(1)], []);
        // Whether a box is as large as the least of the second map, of the third and of the fourth.
        let reaches = |map: i32| {
            let bound = graph.float((level.bound() * 4f64.powi(map)) as f32);
            graph.node("GreaterOrEqual", [&area, &bound], [])
        };
        let [second, third, fourth] = [0, 1, 2].map(reaches);
        let not = |which: &Value| graph.node("Not", [which], []);
        let both = |a: &Value, b: &Value| graph.node("And", [a, b], []);
        let of_map =
            [not(&second), both(&second, &not(&third)), both(&third, &not(&fourth)), fourth];
        let parts: [[Value; 2]; 4] = std::array::from_fn(|map| {
            let axis = graph.integers(&[0]);
            let rows = graph.node("NonZero", [&of_map[map]], []);
            let rows = graph.node("Squeeze", [&rows, &axis], []);
            let boxes = graph.gather(proposals, &rows, 0);
            let x = self.align(&align, align.scales[map], &pyramid[map], &boxes, &rows);
            [boxes, x]
        });
        [0, 1].map(|i| graph.concat(parts.each_ref().map(|part| &part[i]), 0))
    }
    /// Adds RoIAlign of boxes on the map of one film; as many `rows` as boxes.
    fn align(
        &self,
        align: &RoiAlign,
        scale: f32,
        map: &Value,
        boxes: &Value,
        rows: &Value,
    ) -> Value {
        let graph = self.graph;
        let count = graph.node("TensorShape", [rows], []);
        let film = Attribute::tensor("value", Constant::integers("", &[1], &[0]));
        let film = graph.node("ConstantOfShape", [&count], [film]);
        let frame = if align.aligned { "half_pixel" } else { "output_half_pixel" };
        let attributes = [
            Attribute::text("mode", "avg"),
            Attribute::text("coordinate_transformation_mode", frame),
            Attribute::int("output_height", align.output[0] as i64),
            Attribute::int("output_width", align.output[1] as i64),
            Attribute::int("sampling_ratio", align.sampling_ratio as i64),
            Attribute::float("spatial_scale", scale),
        ];
        graph.node("RoiAlign", [map, boxes, &film], attributes)
    }
    /// Adds the `most` highest numbers of a list, fewer if there are no more, and their places.
    fn top(&self, x: &Value, most: usize) -> [Value; 2] {
        let graph = self.graph;
        let count = graph.node("TensorShape", [x], []);
        let k = graph.node("Min", [&count, &graph.integers(&[most as i64])], []);
        graph.nodes("TopK", [x, &k], [Attribute::int("axis", 0)])
    }
    /// Adds rows (list, 0, box) of the boxes `[L, K, 4]` that none of their list with a higher score `[L, 1, K]`
    /// covers.
    fn suppress(&self, boxes: &Value, scores: &Value, most: usize, threshold: f64) -> Value {
        let graph = self.graph;
        let most = graph.integers(&[most as i64]);
        let threshold = graph.floats(&[1], &[threshold as f32]);
        let least = graph.floats(&[1], &[LOWEST]);
        graph.node("NonMaxSuppression", [boxes, scores, &most, &threshold, &least], [])
    }
    /// Adds the upper left and the lower right corners of boxes.
    fn ends(&self, boxes: &Value) -> [Value; 2] {
        [[0, 2], [2, 4]].map(|[from, to]| self.graph.slice(boxes, -1, from, to))
    }
    /// Adds the boxes that deltas make of others.
    fn decode(&self, coder: &BoxCoder, deltas: &Value, boxes: &Value) -> Value {
        let graph = self.graph;
        let two = |op: &str, a: &Value, b: &Value| graph.node(op, [a, b], []);
        let deltas = two("Div", deltas, &graph.floats(&[4], &coder.weights));
        let ([away, growth], [low, high]) = (self.ends(&deltas), self.ends(boxes));
        let (size, half) = (two("Sub", &high, &low), graph.float(0.5));
        let centre = two("Add", &low, &two("Mul", &half, &size));
        let centre = two("Add", &centre, &two("Mul", &away, &size));
        let growth = two("Min", &growth, &graph.float(MOST_GROWTH as f32));
        let growth = graph.node("Exp", [&growth], []);
        let half = two("Mul", &two("Mul", &half, &growth), &size);
        graph.concat([&two("Sub", &centre, &half), &two("Add", &centre, &half)], -1)
    }
    /// Adds boxes within the film, and their scores, which are the lowest where a box is too small or scores too
    /// little.
    fn clip(&self, clip: &ClipBoxes, boxes: &Value, scores: &Value) -> [Value; 2] {
        let graph = self.graph;
        let boxes = graph.node("Max", [boxes, &graph.float(0.0)], []);
        let boxes = graph.node("Min", [&boxes, &self.limits], []);
        let [low, high] = self.ends(&boxes);
        let sides = graph.node("Sub", [&high, &low], []);
        let least = graph.node(
            "ReduceMin",
            [&sides, &graph.integers(&[-1])],
            [Attribute::int("keepdims", 0)],
        );
        let large = graph.node("GreaterOrEqual", [&least, &graph.float(clip.least_side)], []);
        let likely = graph.node("Greater", [scores, &graph.float(clip.least_score)], []);
        let kept = graph.node("And", [&large, &likely], []);
        let scores = graph.node("Where", [&kept, scores, &graph.float(LOWEST)], []);
        [boxes, scores]
    }
}
