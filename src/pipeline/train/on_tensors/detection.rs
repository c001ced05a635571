//! Detectors on given tensors: true boxes and given samples by name, and what is found.

use super::LoadedNetwork;
use crate::{
    Result,
    models::{
        FasterRcnn,
        faster_rcnn::{Boxes, Sampling},
    },
    train::Device,
};
use mtpret_engine::{
    ops::sample_boxes::Sample,
    step::Batch,
    tensor::{Array, Tensor},
};

/// Boxes that a detector found on an image, the best first.
pub struct BoxList {
    /// Corners x1 y1 x2 y2 of each.
    pub corners: Vec<f32>,
    /// Probabilities of the boxes.
    pub scores: Vec<f32>,
    /// Classes of the boxes, from 0.
    pub classes: Vec<f32>,
}

/// Detects boxes on each image.
pub(super) fn detect(
    gpu: &Device,
    loaded: &LoadedNetwork,
    detector: &FasterRcnn,
    x: &Tensor,
) -> Result<Vec<BoxList>> {
    let (n, size) = (x.shape[0], [x.shape[1], x.shape[2]]);
    let extents = Tensor::upload(gpu, &extents(n, size))?;
    let found = loaded.read(gpu, |tape| {
        let found = detector.detect(tape, &tape.input(x), &extents)?;
        let named = [("boxes", found.boxes), ("scores", found.scores), ("classes", found.classes)];
        Ok(named.map(|(name, tensor)| (name.to_owned(), tensor)).into())
    })?;
    let [(_, boxes), (_, scores), (_, classes)] = &found[..] else {
        unreachable!("as many as were recorded")
    };
    let most = scores.shape[1];
    let list = |i: usize| {
        let row = |array: &Array, width: usize, count: usize| -> Vec<f32> {
            array.data[i * most * width..].iter().take(count * width).map(|v| *v as f32).collect()
        };
        let all = row(classes, 1, most);
        let count = all.iter().take_while(|class| **class >= 0.0).count();
        BoxList {
            corners: row(boxes, 4, count),
            scores: row(scores, 1, count),
            classes: all[..count].to_vec(),
        }
    };
    Ok((0..n).map(list).collect())
}

/// Takes the true boxes of a batch on the device, and the samples that are given.
pub(super) fn given(batch: &Batch) -> (Boxes, Sampling) {
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

/// Extents of films that fill their images.
pub fn extents(n: usize, [h, w]: [usize; 2]) -> Array {
    Array::new(&[n, 2], [w as f64, h as f64].repeat(n))
}
