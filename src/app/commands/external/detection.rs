//! Detectors for the external runners: true boxes and given samples by name, and what is found.

use super::tensors::{image, numbers};
use crate::{Error, Place, Result};
use mtpret_engine::tensor::Array;
use mtpret_pipeline::{
    models::faster_rcnn::anchors,
    train::on_tensors::{BoxList, NamedArrays, extents},
    weights::checkpoint::{HostTensor, Tensors},
};
use std::path::Path;

/// `boxes.i`, `scores.i` and `labels.i` of every image, the best first; labels count the background.
pub fn results(found: Vec<BoxList>) -> Tensors {
    let mut results = Tensors::new();
    for (i, BoxList { corners, scores, classes }) in found.into_iter().enumerate() {
        let count = scores.len();
        let labels = classes.iter().map(|class| *class as i64 + 1).collect();
        results.insert(format!("boxes.{i}"), HostTensor::f32([count, 4], corners));
        results.insert(format!("scores.{i}"), HostTensor::f32([count], scores));
        results.insert(format!("labels.{i}"), HostTensor::i64([count], labels));
    }
    results
}

/// Images `x`, the true boxes `boxes.i` and `labels.i` of each, and what the file gives of `rpn.sampled_pos.i`,
/// `rpn.sampled_neg.i` and `roi.proposals.i`; of batch t `boxes.t.i` and so on. All batches of a file have the same shapes.
///
/// # Errors
/// A tensor is missing, or has another shape or other values.
pub fn batch(inputs: &Tensors, at: &str, path: &Path, outputs: usize) -> Result<NamedArrays> {
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
    let mut batch = NamedArrays::from([
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
