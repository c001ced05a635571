//! Detectors for the external runners: true boxes and given samples by name, and what is found.

use super::{
    network::{Batch, Subject},
    tensors::{image, numbers},
};
use crate::{Error, Place, Result};
use mtpret_engine::{
    autograd::{Mode, Tape},
    gpu::{Program, Recording},
    ops::sample_boxes::Sample,
    step,
    tensor::{Array, Tensor},
};
use mtpret_pipeline::{
    models::{
        FasterRcnn,
        faster_rcnn::{Boxes, Sampling, anchors},
    },
    train::Device,
    weights::checkpoint::{HostTensor, Tensors},
};
use std::path::Path;

/// `boxes.i`, `scores.i` and `labels.i` of every image, the best first.
///
/// # Errors
/// No images, or a request beyond the adapter's limits.
pub fn detect(
    gpu: &Device,
    subject: &Subject,
    detector: &FasterRcnn,
    inputs: &Tensors,
    path: &Path,
) -> Result<Tensors> {
    let x = Tensor::upload(gpu, &image(inputs, "x", path)?)?;
    let (n, size) = (x.shape[0], [x.shape[1], x.shape[2]]);
    let extents = Tensor::upload(gpu, &extents(n, size))?;
    let (found, program) = gpu.built(|| {
        let rec = Recording::new(gpu);
        let tape = Tape::new(&rec, &subject.train.network, Mode::Eval);
        let found = detector.detect(&tape, &tape.input(&x), &extents)?;
        drop(tape);
        [&found.boxes, &found.scores, &found.classes].iter().for_each(|t| rec.keep(&t.data));
        Ok((found, Program::new(rec)?))
    })?;
    program.run();
    let [boxes, scores, classes] = [found.boxes, found.scores, found.classes];
    let read = |tensor: Tensor| tensor.read(&program);
    let (boxes, scores, classes) = (read(boxes)?, read(scores)?, read(classes)?);
    let mut results = Tensors::new();
    let most = scores.shape[1];
    for i in 0..n {
        let row = |array: &Array, width: usize, count: usize| -> Vec<f32> {
            array.data[i * most * width..].iter().take(count * width).map(|v| *v as f32).collect()
        };
        let labels = row(&classes, 1, most);
        let count = labels.iter().take_while(|class| **class >= 0.0).count();
        let labels = labels[..count].iter().map(|class| *class as i64 + 1).collect();
        results.insert(format!("boxes.{i}"), HostTensor::f32([count, 4], row(&boxes, 4, count)));
        results.insert(format!("scores.{i}"), HostTensor::f32([count], row(&scores, 1, count)));
        results.insert(format!("labels.{i}"), HostTensor::i64([count], labels));
    }
    Ok(results)
}

/// Images `x`, the true boxes `boxes.i` and `labels.i` of each, and what the file gives of `rpn.sampled_pos.i`,
/// `rpn.sampled_neg.i` and `roi.proposals.i`; of batch t `boxes.t.i` and so on. All batches of a file have the same shapes.
///
/// # Errors
/// A tensor is missing, or has another shape or other values.
pub fn batch(inputs: &Tensors, at: &str, path: &Path, outputs: usize) -> Result<Batch> {
    let read = Reader { inputs, path };
    let x = image(inputs, &format!("x{at}"), path)?;
    let (n, size) = (x.shape[0], [x.shape[1], x.shape[2]]);
    let truths = read.most("boxes.").max(1);
    let mut classes = Array::new(&[n, truths], vec![-1.0; n * truths]);
    for i in 0..n {
        let count = read.boxes(&format!("boxes{at}.{i}"))?.len() / 4;
        let labels = read.labels(&format!("labels{at}.{i}"), count, outputs)?;
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

/// True boxes of a batch on the device, and the samples that are given.
pub fn given(batch: &step::Batch) -> (Boxes, Sampling) {
    let tensor = |name: &str| batch.tensor(name).clone();
    let truth = Boxes {
        corners: tensor("corners"),
        classes: tensor("classes"),
        extents: tensor("extents"),
    };
    let drawn = batch.get("chosen").is_some();
    let given = Sampling {
        anchors: drawn.then(|| Sample { chosen: tensor("chosen"), places: tensor("places") }),
        proposals: batch.get("proposals").cloned(),
    };
    (truth, given)
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
    fn refused(&self, name: &str, expected: impl Into<String>, found: String) -> Error {
        Error::request(Place::from(self.path).item(name), expected, found, "correct it")
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
            return Err(self.refused(name, "[R, 4]", format!("{:?}", tensor.shape)));
        }
        let area = |b: &[f64]| b[2] > b[0] && b[3] > b[1] && b.iter().all(|v| v.is_finite());
        if let Some(b) = values.chunks(4).find(|b| !area(b)) {
            return Err(self.refused(name, "boxes x1 < x2, y1 < y2", format!("{b:?}")));
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
            return Err(self.refused(name, format!("[{count}]"), format!("{:?}", tensor.shape)));
        }
        if let Some(v) = values.iter().find(|v| !(1.0..classes as f64).contains(*v)) {
            let expected = format!("labels from 1 to {}", classes - 1);
            return Err(self.refused(name, expected, v.to_string()));
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
                        let expected = format!("anchors below {count}");
                        return Err(self.refused(&name, expected, place.to_string()));
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
