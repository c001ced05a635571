//! Detectors for the external runners: their weights, true boxes and given samples by name.

use super::network::{Batch, Losses, Settings, Trained, image, numbers, unknown};
use crate::{
    Error, Result,
    autograd::{Mode, Tape},
    gpu::{Gpu, Program, Recording},
    models::{
        Depth, FasterRcnn, ResNet,
        faster_rcnn::{Boxes, Sampling, anchors},
    },
    ops::sample_boxes::Sample,
    tensor::{Array, Scope, State, Tensor},
    train::{
        checkpoint::{HostTensor, Tensors},
        state,
        weights::{File, Unexpected},
    },
};
use std::path::Path;

/// A Faster R-CNN with its weights.
pub struct Detector {
    state: State,
    backbone: ResNet,
    head: FasterRcnn,
    /// Classes with the background.
    classes: usize,
    mode: Mode,
}

impl Detector {
    /// The detector called `name` with the weights that `found` holds, strictly; with as many classes as those
    /// have, or `classes`.
    ///
    /// # Errors
    /// No such detector, or weights that do not fit it.
    pub fn new(
        gpu: &Gpu,
        name: &str,
        settings: &Settings,
        classes: Option<usize>,
        found: &File,
    ) -> Result<Self> {
        let of = name.strip_prefix("fasterrcnn_").and_then(|name| name.strip_suffix("_fpn"));
        let depth = of.and_then(Depth::named).ok_or_else(|| unknown(name))?;
        let last = "roi_heads.box_predictor.cls_score.weight";
        let rows = found.tensors.get(last).and_then(|t| t.shape.first()).copied();
        let classes = classes.or(rows).filter(|n| *n > 1).ok_or_else(|| {
            let problem = format!("expected {last} with two rows or more, found {rows:?}");
            let remedy = "pass weights of a whole detector, or --classes for another head";
            Error::weights(found.path.display().to_string(), problem, remedy)
        })?;
        let (options, mode) = settings.faster_rcnn();
        let root = Scope::root();
        let backbone = ResNet::new(&root.at("backbone").at("body"), depth);
        let head = FasterRcnn::new(&root.head(0), depth, classes, options);
        let state = State::init(gpu, &root, 0)?;
        let found = found.matched(&state.shapes(), Unexpected::Refuse)?;
        state::take(gpu, &found, "", state.arenas())?;
        Ok(Self { state, backbone, head, classes, mode })
    }
    /// `boxes.i`, `scores.i` and `labels.i` of every image, the best first.
    ///
    /// # Errors
    /// No images, or a request beyond the adapter's limits.
    pub fn detect(&self, gpu: &Gpu, inputs: &Tensors, path: &Path) -> Result<Tensors> {
        let x = Tensor::upload(gpu, &image(inputs, "x", path)?)?;
        let (n, size) = (x.shape[0], [x.shape[1], x.shape[2]]);
        let rec = Recording::new(gpu);
        let tape = Tape::new(&rec, &self.state, Mode::Eval);
        let features = self.backbone.forward(&tape, &tape.input(&x))?;
        let extents = Tensor::upload(gpu, &extents(n, size))?;
        let found = self.head.detect(&tape, &features, &extents, size)?;
        drop(tape);
        [&found.boxes, &found.scores, &found.classes].iter().for_each(|t| rec.keep(&t.data));
        let program = Program::new(rec)?;
        program.run();
        let [boxes, scores, classes] = [found.boxes, found.scores, found.classes];
        let read = |tensor: Tensor| tensor.read(&program);
        let (boxes, scores, classes) = (read(boxes)?, read(scores)?, read(classes)?);
        let mut results = Tensors::new();
        let most = scores.shape[1];
        for i in 0..n {
            let row = |array: &Array, width: usize, count: usize| -> Vec<f32> {
                array.data[i * most * width..]
                    .iter()
                    .take(count * width)
                    .map(|v| *v as f32)
                    .collect()
            };
            let labels = row(&classes, 1, most);
            let count = labels.iter().take_while(|class| **class >= 0.0).count();
            let labels = labels[..count].iter().map(|class| *class as i64 + 1).collect();
            results
                .insert(format!("boxes.{i}"), HostTensor::f32([count, 4], row(&boxes, 4, count)));
            results.insert(format!("scores.{i}"), HostTensor::f32([count], row(&scores, 1, count)));
            results.insert(format!("labels.{i}"), HostTensor::i64([count], labels));
        }
        Ok(results)
    }
}

impl Trained for Detector {
    fn state(&self) -> &State {
        &self.state
    }
    fn mode(&self) -> Mode {
        self.mode
    }
    /// Images `x`, the true boxes `boxes.i` and `labels.i` of each, and what the file gives of
    /// `rpn.sampled_pos.i`, `rpn.sampled_neg.i` and `roi.proposals.i`; of batch t `boxes.t.i` and so on.
    /// All batches of a file have the same shapes.
    fn batch(&self, inputs: &Tensors, at: &str, path: &Path) -> Result<Batch<Array>> {
        let read = Reader { inputs, path };
        let x = image(inputs, &format!("x{at}"), path)?;
        let (n, size) = (x.shape[0], [x.shape[1], x.shape[2]]);
        let truths = read.most("boxes.").max(1);
        let mut classes = Array::new(&[n, truths], vec![-1.0; n * truths]);
        for i in 0..n {
            let count = read.boxes(&format!("boxes{at}.{i}"))?.len() / 4;
            let labels = read.labels(&format!("labels{at}.{i}"), count, self.classes)?;
            classes.data[i * truths..][..count].copy_from_slice(&labels);
        }
        let corners = read.lists(&format!("boxes{at}"), n, truths)?;
        let mut batch = Batch::from([
            ("x", x),
            ("corners", corners),
            ("classes", classes),
            ("extents", extents(n, size)),
        ]);
        if read.most("rpn.sampled_") > 0 {
            let [chosen, places] = read.samples(at, n, anchors::count(size))?;
            batch.extend([("chosen", chosen), ("places", places)]);
        }
        let proposals = read.most("roi.proposals.");
        if proposals > 0 {
            batch.insert("proposals", read.lists(&format!("roi.proposals{at}"), n, proposals)?);
        }
        Ok(batch)
    }
    fn losses(&self, tape: &Tape, batch: &Batch<Tensor>, step: &Tensor) -> Result<Losses> {
        let tensor = |name: &str| batch[name].clone();
        let (x, drawn) = (tape.input(&batch["x"]), batch.contains_key("chosen"));
        let truth = Boxes {
            corners: tensor("corners"),
            classes: tensor("classes"),
            extents: tensor("extents"),
        };
        let given = Sampling {
            anchors: drawn.then(|| Sample { chosen: tensor("chosen"), places: tensor("places") }),
            proposals: batch.get("proposals").cloned(),
        };
        let size = [x.value.shape[1], x.value.shape[2]];
        let features = self.backbone.forward(tape, &x)?;
        let losses = self.head.losses(tape, &features, &truth, size, step, Some(&given))?;
        Ok(FasterRcnn::LOSSES.into_iter().zip(losses).collect())
    }
}

/// The extents of films that fill their images.
fn extents(n: usize, [h, w]: [usize; 2]) -> Array {
    Array::new(&[n, 2], [w as f64, h as f64].repeat(n))
}

/// Tensors of a request, and where they come from.
struct Reader<'a> {
    inputs: &'a Tensors,
    path: &'a Path,
}

impl Reader<'_> {
    fn refused(&self, problem: String) -> Error {
        Error::request(self.path.display().to_string(), problem)
    }
    /// The longest first axis of tensors whose name begins so.
    fn most(&self, name: &str) -> usize {
        let of = self.inputs.iter().filter(|(key, _)| key.starts_with(name));
        of.filter_map(|(_, tensor)| tensor.shape.first()).copied().max().unwrap_or(0)
    }
    /// Corners `[R, 4]` of boxes with an area, one after the other.
    fn boxes(&self, name: &str) -> Result<Vec<f64>> {
        let (tensor, values) = numbers(self.inputs, name, self.path)?;
        if tensor.shape.len() != 2 || tensor.shape[1] != 4 {
            return Err(self.refused(format!("expected `{name}` [R, 4], found {:?}", tensor.shape)));
        }
        let area = |b: &[f64]| b[2] > b[0] && b[3] > b[1] && b.iter().all(|v| v.is_finite());
        if let Some(b) = values.chunks(4).find(|b| !area(b)) {
            return Err(
                self.refused(format!("expected boxes x1 < x2, y1 < y2 in `{name}`, found {b:?}"))
            );
        }
        Ok(values)
    }
    /// The boxes `name.i` of each of `n` images, `[N, most, 4]`; zeros behind the last.
    fn lists(&self, name: &str, n: usize, most: usize) -> Result<Array> {
        let mut lists = Array::zeros(&[n, most, 4]);
        for (i, list) in lists.data.chunks_mut(4 * most).enumerate() {
            let boxes = self.boxes(&format!("{name}.{i}"))?;
            list[..boxes.len()].copy_from_slice(&boxes);
        }
        Ok(lists)
    }
    /// Classes from 0 of `count` boxes, from labels that count the background.
    fn labels(&self, name: &str, count: usize, classes: usize) -> Result<Vec<f64>> {
        let (tensor, values) = numbers(self.inputs, name, self.path)?;
        if tensor.shape != [count] {
            let found = &tensor.shape;
            return Err(self.refused(format!("expected `{name}` [{count}], found {found:?}")));
        }
        if let Some(v) = values.iter().find(|v| !(1.0..classes as f64).contains(*v)) {
            let problem =
                format!("expected labels from 1 to {} in `{name}`, found {v}", classes - 1);
            return Err(self.refused(problem));
        }
        Ok(values.iter().map(|v| v - 1.0).collect())
    }
    /// What is given of each of `n` images' anchors: chosen `[N, A]` and places `[N, S]`.
    fn samples(&self, at: &str, n: usize, count: usize) -> Result<[Array; 2]> {
        let most = self.most("rpn.sampled_pos.") + self.most("rpn.sampled_neg.");
        let mut chosen = Array::new(&[n, count], vec![-1.0; n * count]);
        let mut places = Array::new(&[n, most], vec![-1.0; n * most]);
        for i in 0..n {
            let mut drawn = 0;
            for (kind, value) in [("pos", 1.0), ("neg", 0.0)] {
                let name = format!("rpn.sampled_{kind}{at}.{i}");
                for place in numbers(self.inputs, &name, self.path)?.1 {
                    if !(0.0..count as f64).contains(&place) {
                        let problem =
                            format!("expected anchors below {count} in `{name}`, found {place}");
                        return Err(self.refused(problem));
                    }
                    chosen.data[i * count + place as usize] = value;
                    places.data[i * most + drawn] = place;
                    drawn += 1;
                }
            }
        }
        Ok([chosen, places])
    }
}
