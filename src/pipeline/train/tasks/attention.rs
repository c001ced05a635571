//! Grad-CAM, and films to show it on.

use super::{Predicted, Task, inference::Inference};
use crate::{
    Error, Result,
    data::{Annotation, Dataset, Kind, Loader, LoaderOptions, Sample},
    train::{
        config::Data,
        tasks::{loading::evaluating, model::TaskModel},
    },
};
use image::{ImageBuffer, Luma, imageops};
use mtpret_engine::{
    autograd::{Mode, Tape},
    gpu::Gpu,
    tensor::{Array, Philox, Tensor},
};
use std::{cell::Cell, collections::BTreeMap};

/// How much each part of a film speaks for a label, 0 and above.
pub type Attention = ImageBuffer<Luma<f32>, Vec<f32>>;

/// Grad-CAM of feature maps `[H, W, C]` and a score's gradient with respect to them (Selvaraju et al.
/// 2017, Eq. 1 and 2): ReLU of the sum of the maps, each weighted by its gradient's spatial mean.
///
/// # Panics
/// If the shapes differ.
pub fn grad_cam(features: &Array, gradient: &Array) -> Attention {
    assert_eq!(features.shape, gradient.shape, "a gradient has the shape of its features");
    let [h, w, c] = features.shape[..] else { panic!("features of one film have three axes") };
    let mut weights = vec![0.0; c];
    for row in gradient.data.chunks(c) {
        weights.iter_mut().zip(row).for_each(|(sum, g)| *sum += g / (h * w) as f64);
    }
    let place = |row: &[f64]| -> f64 { row.iter().zip(&weights).map(|(f, w)| f * w).sum() };
    let cam = features.data.chunks(c).map(|row| place(row).max(0.0) as f32).collect();
    ImageBuffer::from_raw(w as u32, h as u32, cam).expect("a number for each place")
}

/// Attention at a film's size, by bilinear interpolation between centres of pixels
/// (`torch.nn.functional.interpolate`, `align_corners=False`).
pub fn enlarged(attention: &Attention, [width, height]: [usize; 2]) -> Attention {
    // `imageops::resize` clips at 1, so it is given shares of the greatest value.
    let greatest = attention.iter().fold(f32::MIN_POSITIVE, |most, v| most.max(*v));
    let mut shares = attention.clone();
    shares.iter_mut().for_each(|v| *v /= greatest);
    let triangle = imageops::FilterType::Triangle;
    let mut large = imageops::resize(&shares, width as u32, height as u32, triangle);
    large.iter_mut().for_each(|v| *v *= greatest);
    large
}

/// Grad-CAM of a fine-tuned network at C5, recorded once and run film by film.
pub struct GradCam<'a> {
    gpu: &'a Gpu,
    task: &'a dyn Task,
    inference: Inference,
    /// The direction of the label that is explained, `[1, S]`.
    seed: Tensor,
    /// Height, width and channels of C5.
    shape: [usize; 3],
}

impl<'a> GradCam<'a> {
    /// Of the first head of `model`.
    ///
    /// # Errors
    /// The head gives none, or one film is beyond the adapter's limits.
    pub fn new(gpu: &'a Gpu, model: &TaskModel, task: &'a dyn Task) -> Result<Self> {
        let seed = Tensor::alloc(gpu, &[1, task.direction(0).len().max(1)])?;
        let one = Data { batch: 1, ..task.data().clone() };
        let shape = Cell::new([0; 3]);
        let inference = Inference::new(gpu, &one, |rec, x, _| {
            let tape = Tape::new(rec, model.state(), Mode::Eval);
            let c5 = model.backbone.forward(&tape, &tape.input(x))?[3].clone();
            let c5 = tape.watch(&c5.value);
            let [_, h, w, c] = c5.value.axes();
            shape.set([h, w, c]);
            let refused = |found: &str| {
                let expected = "a task with labels, whose scores depend on C5 alone";
                let mend = "explain a network of classes";
                Error::request(format!("task {}", task.name()), expected, found, mend)
            };
            let scores = model.heads[0].scores(&tape, &c5)?;
            let scores = scores.ok_or_else(|| refused("one without scores of labels"))?;
            let gradient = tape.gradient(&scores, &seed, &c5)?;
            let gradient = gradient.ok_or_else(|| refused("scores that do not depend on it"))?;
            Ok(vec![c5.value, gradient])
        })?;
        Ok(Self { gpu, task, inference, seed, shape: shape.get() })
    }
    /// The attention of each film to a label of its own; `each` takes those of films that could be read.
    ///
    /// # Errors
    /// As [`Inference::run`].
    pub fn run(
        &mut self,
        films: &[(Sample, usize)],
        mut each: impl FnMut(&Predicted, Attention) -> Result<()>,
    ) -> Result<()> {
        let mut by_label: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
        for (film, label) in films {
            by_label.entry(*label).or_default().push(film.clone());
        }
        for (label, samples) in by_label {
            let seed = Array::new(&self.seed.shape, self.task.direction(label));
            self.gpu.write(&self.seed.data, bytemuck::cast_slice(&seed.padded()));
            let options =
                LoaderOptions { batch: 1, max_bad: samples.len(), ..evaluating(self.task) };
            let mut loader = Loader::new(samples.clone(), options)?;
            let shape = self.shape;
            self.inference.run(&mut loader, &samples, |predicted| {
                let (features, gradient) = predicted.row.split_at(predicted.row.len() / 2);
                let array =
                    |v: &[f32]| Array::new(&shape, v.iter().map(|v| f64::from(*v)).collect());
                each(predicted, grad_cam(&array(features), &array(gradient)))
            })?;
        }
        Ok(())
    }
}

/// Some of `samples`, drawn by `seed`: as many of each group as possible, the last group first.
///
/// Groups are the classes; with a `label`, or of findings, masks and boxes, films without (first) and
/// with it. Films of which that is not known are left out.
pub fn choose(
    set: &Dataset,
    samples: &[Sample],
    label: Option<usize>,
    count: usize,
    seed: u64,
) -> Vec<Sample> {
    let group = |sample: &Sample| match (&sample.target, label) {
        (Annotation::Labels(labels), label) if set.labels.kind == Kind::Classes => {
            let class = *labels.first()? as usize;
            Some(label.map_or(class, |label| usize::from(class == label)))
        }
        (Annotation::Labels(labels), Some(label)) => {
            let value = *labels.get(label)?;
            (!value.is_nan()).then_some(usize::from(value == 1.0))
        }
        (Annotation::Labels(labels), None) => Some(usize::from(labels.contains(&1.0))),
        (Annotation::Mask { files, .. }, _) => Some(usize::from(!files.is_empty())),
        (Annotation::Polygons { polygons, .. }, _) => Some(usize::from(!polygons.is_empty())),
        (Annotation::Boxes { boxes, .. }, _) => Some(usize::from(!boxes.is_empty())),
    };
    let mut groups: BTreeMap<usize, Vec<&Sample>> = BTreeMap::new();
    for at in Philox::new(seed, 0).permutation(samples.len()) {
        if let Some(group) = group(&samples[at]) {
            groups.entry(group).or_default().push(&samples[at]);
        }
    }
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let available: usize = groups.values().map(Vec::len).sum();
    let mut left = count.min(available);
    while left > 0 {
        for (group, films) in groups.iter().rev() {
            let taken = taken.entry(*group).or_default();
            if left > 0 && *taken < films.len() {
                (*taken, left) = (*taken + 1, left - 1);
            }
        }
    }
    let of = |(group, films): (&usize, &Vec<&Sample>)| -> Vec<Sample> {
        films[..taken.get(group).copied().unwrap_or(0)].iter().map(|s| (*s).clone()).collect()
    };
    groups.iter().rev().flat_map(of).collect()
}
