//! A task: a head on the backbone, its loss, and what its figures are computed from.

use super::metrics::{Bootstrap, ClassifyScores, Predictions, Targets};
use crate::{
    Error, Result,
    autograd::{Tape, Var},
    data::{Dataset, Kind, Labels, Sample, Source},
    models::{Classifier, Depth},
    ops::{bce_with_logits::BceWithLogits, cross_entropy::CrossEntropy},
    tensor::{Scope, Tensor},
};

/// What multitask learning and fine-tuning ask of a task, whatever its kind.
pub trait Task {
    /// The data set's name.
    fn name(&self) -> &str;
    /// Numbers of a target, and of a prediction.
    fn widths(&self) -> [usize; 2];
    /// Declares the head's parameters in `scope` on a backbone of this depth.
    fn head(&self, scope: Scope, depth: Depth) -> Box<dyn Head>;
    /// Figures of predictions `[n · width]` for `samples`; a larger `better` is better.
    ///
    /// # Errors
    /// Predictions that do not fit the samples.
    fn score(
        &self,
        samples: &[&Sample],
        outputs: &[f32],
        bootstrap: Bootstrap,
    ) -> Result<ClassifyScores>;
    /// Probabilities from raw outputs, and their column names.
    fn probabilities(&self, outputs: &[f32]) -> (Vec<String>, Vec<f64>);
}

/// A task's layers above the backbone.
pub trait Head {
    /// Raw outputs `[N, L]` from C2 … C5.
    ///
    /// # Errors
    /// Feature maps of other channels.
    fn forward(&self, tape: &Tape, features: &[Var; 4]) -> Result<Var>;
    /// The loss `[1]` of raw outputs against `[N, T]`.
    ///
    /// # Errors
    /// Shapes that do not fit.
    fn loss(&self, tape: &Tape, outputs: &Var, targets: &Tensor) -> Result<Var>;
}

/// Classification: one class of several, or several labels that may each be present or missing.
pub struct Classify {
    name: String,
    labels: Labels,
    /// Of two classes, the one whose presence is called positive.
    positive: usize,
}

impl Classify {
    /// The task of a labelled data set.
    ///
    /// # Errors
    /// No labels, fewer than two classes, or a positive class that is none of them.
    pub fn new(source: &Source, dataset: &Dataset) -> Result<Self> {
        let labels = dataset.labels.clone();
        let place = format!("source {}", source.name);
        if labels.kind == Kind::None || (labels.kind == Kind::Classes && labels.names.len() < 2) {
            let problem =
                format!("expected labels of two classes or more, found {:?}", labels.names);
            return Err(Error::data(place, problem, "a task needs a labelled source"));
        }
        let positive = match &source.positive {
            None => 1.min(labels.names.len() - 1),
            Some(name) => labels.names.iter().position(|n| n == name).ok_or_else(|| {
                let problem =
                    format!("positive: expected one of {:?}, found `{name}`", labels.names);
                Error::config(&place, problem, "name one of the classes")
            })?,
        };
        Ok(Self { name: dataset.name.clone(), labels, positive })
    }
}

impl Classify {
    /// A sample's labels as 0, 1 or NaN for each name: what nearest neighbours vote with.
    pub fn indicator(&self, sample: &Sample) -> Vec<f64> {
        match self.labels.kind {
            Kind::Classes => {
                let class = sample.target[0] as usize;
                (0..self.labels.names.len()).map(|i| f64::from(u8::from(i == class))).collect()
            }
            _ => sample.target.iter().map(|v| f64::from(*v)).collect(),
        }
    }
    /// Mean AUC of scores `[n · L]` for samples.
    ///
    /// # Errors
    /// Scores that do not fit the samples.
    pub fn auc(&self, samples: &[&Sample], scores: &[f64]) -> Result<Option<f64>> {
        Ok(self.figures(samples, scores, Bootstrap { replicates: 0, seed: 0 })?.measures.mauc)
    }
    /// Mean cross-entropy of raw outputs, over what is labelled.
    pub fn loss(&self, samples: &[&Sample], outputs: &[f32]) -> f64 {
        let (names, probabilities) = self.probabilities(outputs);
        let (mut sum, mut count) = (0.0, 0);
        for (sample, row) in samples.iter().zip(probabilities.chunks(names.len())) {
            for (p, present) in row.iter().zip(self.indicator(sample)) {
                let likelihood = match (self.labels.kind == Kind::Classes, present) {
                    (_, 1.0) => *p,
                    (false, 0.0) => 1.0 - p,
                    _ => continue,
                };
                sum -= likelihood.max(1e-12).ln();
                count += 1;
            }
        }
        sum / f64::from(count.max(1))
    }
    fn figures(
        &self,
        samples: &[&Sample],
        probabilities: &[f64],
        bootstrap: Bootstrap,
    ) -> Result<ClassifyScores> {
        let names = &self.labels.names;
        let patients: Vec<String> = samples.iter().map(|s| s.patient.clone()).collect();
        let target = |s: &&Sample| s.target.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let predict = |names: &[String], probabilities: &[f64], targets: Targets| {
            let patients = Some(&patients[..]);
            Predictions { names, probabilities, targets, patients, threshold: 0.5 }
                .scores(bootstrap)
        };
        match self.labels.kind {
            // Two classes are one label: the presence of the positive class.
            Kind::Classes if names.len() == 2 => {
                let of = |row: &[f64]| row[self.positive];
                let probabilities: Vec<f64> = probabilities.chunks(2).map(of).collect();
                let present =
                    |s: &&Sample| f64::from(u8::from(s.target[0] as usize == self.positive));
                let labels: Vec<f64> = samples.iter().map(present).collect();
                let names = &names[self.positive..=self.positive];
                predict(names, &probabilities, Targets::Labels(&labels))
            }
            Kind::Classes => {
                let class = |s: &&Sample| (s.target[0] >= 0.0).then_some(s.target[0] as usize);
                let classes: Vec<_> = samples.iter().map(class).collect();
                predict(names, probabilities, Targets::Classes(&classes))
            }
            _ => {
                let labels: Vec<f64> = samples.iter().flat_map(target).collect();
                predict(names, probabilities, Targets::Labels(&labels))
            }
        }
    }
}

impl Task for Classify {
    fn name(&self) -> &str {
        &self.name
    }
    fn widths(&self) -> [usize; 2] {
        [self.labels.target_len(), self.labels.names.len()]
    }
    fn head(&self, scope: Scope, depth: Depth) -> Box<dyn Head> {
        let head = Classifier::new(scope, depth.features(), self.labels.names.len());
        Box::new(ClassifyHead { head, classes: self.labels.kind == Kind::Classes })
    }
    fn probabilities(&self, outputs: &[f32]) -> (Vec<String>, Vec<f64>) {
        let rows = outputs.chunks(self.labels.names.len());
        let probabilities = match self.labels.kind {
            Kind::Classes => rows.flat_map(softmax).collect(),
            _ => outputs.iter().map(|v| 1.0 / (1.0 + (-f64::from(*v)).exp())).collect(),
        };
        (self.labels.names.clone(), probabilities)
    }
    fn score(
        &self,
        samples: &[&Sample],
        outputs: &[f32],
        bootstrap: Bootstrap,
    ) -> Result<ClassifyScores> {
        self.figures(samples, &self.probabilities(outputs).1, bootstrap)
    }
}

fn softmax(row: &[f32]) -> Vec<f64> {
    let most = row.iter().fold(f64::NEG_INFINITY, |m, v| m.max(f64::from(*v)));
    let powers: Vec<f64> = row.iter().map(|v| (f64::from(*v) - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

struct ClassifyHead {
    head: Classifier,
    classes: bool,
}

impl Head for ClassifyHead {
    fn forward(&self, tape: &Tape, features: &[Var; 4]) -> Result<Var> {
        self.head.forward(tape, &features[3])
    }
    fn loss(&self, tape: &Tape, outputs: &Var, targets: &Tensor) -> Result<Var> {
        let targets = tape.input(targets);
        match self.classes {
            true => tape.apply(CrossEntropy, [outputs, &targets]),
            false => tape.apply(BceWithLogits, [outputs, &targets]),
        }
    }
}
