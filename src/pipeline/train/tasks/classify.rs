//! Classification: one class of several, or several labels.

use super::{Compared, Head, Predicted, Scorer, Scores, Task, View};
use crate::{
    Error, Result,
    data::{Dataset, Kind, Labels, Sample, Source},
    metrics::{Bootstrap, ClassifyScores, Predictions, Roc, Targets},
    models::{Classifier, Depth, ResNet, catalogue},
    onnx::{
        self, Extent, Graph,
        proto::{Attribute, FLOAT},
    },
    train::{
        config::{Binary, Classify as Settings, Data},
        run::{Run, films},
    },
};
use mtpret_engine::{
    autograd::{Tape, Var},
    tensor::{Scope, Tensor},
};
use std::rc::Rc;

/// Where torchvision's network has the backbone.
const BACKBONE: &str = catalogue::HeadKind::Classifier.backbone();

/// Classification: one class of several, or several labels that may each be present or missing.
pub struct ClassifyTask {
    name: String,
    data: Data,
    labels: Labels,
    /// Of two classes, the one whose presence is called positive.
    positive: usize,
    /// One logit tells two classes apart (Eq. 6 as printed): that of the second.
    sigmoid: bool,
}

impl ClassifyTask {
    /// The task of a labelled data set.
    ///
    /// # Errors
    /// No labels, fewer than two classes, or a positive class that is none of them.
    pub fn new(
        source: &Source,
        dataset: &Dataset,
        data: &Data,
        settings: Settings,
    ) -> Result<Self> {
        let labels = dataset.labels.clone();
        let place = format!("source {}", source.name);
        if !matches!(labels.kind, Kind::Classes | Kind::Multi)
            || (labels.kind == Kind::Classes && labels.names.len() < 2)
        {
            let (expected, found) =
                ("labels of two classes or more", format!("{:?}", labels.names));
            return Err(Error::data(place, expected, found, "a task needs a labelled source"));
        }
        let positive = match &source.positive {
            None => 1.min(labels.names.len() - 1),
            Some(name) => labels.names.iter().position(|n| n == name).ok_or_else(|| {
                let expected = format!("one of {:?}", labels.names);
                let (place, found) = (format!("{place}: positive"), format!("`{name}`"));
                Error::config(place, expected, found, "name one of the classes")
            })?,
        };
        let two = labels.kind == Kind::Classes && labels.names.len() == 2;
        let sigmoid = two && settings.binary == Binary::Sigmoid;
        Ok(Self { name: dataset.name.clone(), data: data.clone(), labels, positive, sigmoid })
    }
}

impl ClassifyTask {
    /// Logits of the network.
    fn logits(&self) -> usize {
        if self.sigmoid { 1 } else { self.labels.names.len() }
    }
    /// A sample's labels as 0, 1 or NaN for each name: what nearest neighbours vote with.
    pub fn indicator(&self, sample: &Sample) -> Vec<f64> {
        match self.labels.kind {
            Kind::Classes => {
                let class = sample.target.labels()[0];
                let known = if class >= 0.0 { 1.0 } else { f64::NAN };
                let is = |i| if i as f32 == class { 1.0 } else { 0.0 };
                (0..self.labels.names.len()).map(|i| known * is(i)).collect()
            }
            _ => sample.target.labels().iter().map(|v| f64::from(*v)).collect(),
        }
    }
    /// Mean AUC of scores `[n · L]` for samples, and its 95 % interval.
    ///
    /// # Errors
    /// Scores that do not fit the samples.
    pub fn auc(
        &self,
        samples: &[&Sample],
        scores: &[f64],
        bootstrap: Bootstrap,
    ) -> Result<(Option<f64>, Option<[f64; 2]>)> {
        let scores = self.figures(samples, scores, bootstrap)?;
        Ok((scores.measures.mauc, scores.ci.and_then(|c| c.measures.mauc)))
    }
    /// The names of the labels, and their probabilities from raw outputs `[n · L]`.
    pub fn probabilities(&self, outputs: &[f32]) -> (&[String], Vec<f64>) {
        let rows = outputs.chunks(self.logits());
        let probabilities = match self.labels.kind {
            // The softmax of 0 and z is the sigmoid of −z and of z.
            Kind::Classes if self.sigmoid => rows.flat_map(|row| softmax(&[0.0, row[0]])).collect(),
            Kind::Classes => rows.flat_map(softmax).collect(),
            _ => outputs.iter().map(|v| 1.0 / (1.0 + (-f64::from(*v)).exp())).collect(),
        };
        (&self.labels.names, probabilities)
    }
    /// The ROC curve of each label; of two classes, that of the positive one.
    fn curves(&self, samples: &[Sample], probabilities: &[f64], bootstrap: Bootstrap) -> Vec<Roc> {
        let names = &self.labels.names;
        let one = self.labels.kind == Kind::Classes && names.len() == 2;
        let truths: Vec<Vec<f64>> = samples.iter().map(|s| self.indicator(s)).collect();
        let labels = (0..names.len()).filter(|label| !one || *label == self.positive);
        let curve = |label: usize| {
            let known = |film: &usize| !truths[*film][label].is_nan();
            let films: Vec<usize> = (0..samples.len()).filter(known).collect();
            let score = |film: &usize| probabilities[film * names.len() + label];
            let scores: Vec<f64> = films.iter().map(score).collect();
            let positive: Vec<bool> = films.iter().map(|f| truths[*f][label] == 1.0).collect();
            let patients: Vec<_> = films.iter().map(|f| samples[*f].patient.clone()).collect();
            Roc::of(&names[label], &scores, &positive, &patients, bootstrap)
        };
        labels.filter_map(curve).collect()
    }
    fn figures(
        &self,
        samples: &[&Sample],
        probabilities: &[f64],
        bootstrap: Bootstrap,
    ) -> Result<ClassifyScores> {
        let names = &self.labels.names;
        let patients: Vec<String> = samples.iter().map(|s| s.patient.clone()).collect();
        let target =
            |s: &&Sample| s.target.labels().iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
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
                let present = |s: &&Sample| {
                    f64::from(u8::from(s.target.labels()[0] as usize == self.positive))
                };
                let labels: Vec<f64> = samples.iter().map(present).collect();
                let names = &names[self.positive..=self.positive];
                predict(names, &probabilities, Targets::Labels(&labels))
            }
            Kind::Classes => {
                let class = |s: &&Sample| {
                    (s.target.labels()[0] >= 0.0).then_some(s.target.labels()[0] as usize)
                };
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

impl Task for ClassifyTask {
    fn name(&self) -> &str {
        &self.name
    }
    fn labels(&self) -> &Labels {
        &self.labels
    }
    fn data(&self) -> &Data {
        &self.data
    }
    fn head(&self, scope: &Scope, backbone: &Rc<ResNet>) -> Box<dyn Head> {
        let classifier = Classifier::new(scope, backbone, self.logits());
        let softmax = self.labels.kind == Kind::Classes && !self.sigmoid;
        Box::new(ClassifyHead { classifier, softmax })
    }
    fn graph(&self, graph: &Graph, depth: Depth) {
        let n = Extent::Free("N");
        let x = super::film(graph, &self.data, n);
        let [.., c5] = onnx::resnet(graph, BACKBONE, depth, &x, |_, _| None);
        let logits = graph.linear("fc", &onnx::pooled(graph, &c5));
        let y = match self.labels.kind {
            Kind::Classes if self.sigmoid => {
                let second = graph.node("Sigmoid", [&logits], []);
                let first = graph.node("Sub", [&graph.float(1.0), &second], []);
                graph.concat([&first, &second], 1)
            }
            Kind::Classes => graph.node("Softmax", [&logits], [Attribute::int("axis", 1)]),
            _ => graph.node("Sigmoid", [&logits], []),
        };
        let shape = [n, Extent::Fixed(self.labels.names.len())];
        graph.output("probabilities", &y, FLOAT, &shape, "of the labels, in their order");
    }
    fn compare(&self, predicted: &Predicted, _: f64) -> Result<Compared> {
        let (names, probabilities) = self.probabilities(predicted.row);
        let likeliest = (0..names.len())
            .max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]))
            .expect("a task has labels");
        let known = !predicted.sample.target.labels().is_empty();
        let truth =
            if known { self.indicator(predicted.sample) } else { vec![f64::NAN; names.len()] };
        let classes = self.labels.kind == Kind::Classes;
        let right = (0..names.len()).map(|label| match classes {
            _ if truth[label].is_nan() => None,
            true => Some(truth[likeliest] == 1.0),
            false => Some((probabilities[label] >= 0.5) == (truth[label] == 1.0)),
        });
        Ok(Compared::Labels {
            chosen: if classes && names.len() == 2 { self.positive } else { likeliest },
            right: right.collect(),
            present: known.then(|| {
                let there = names.iter().zip(&truth).filter(|(_, there)| **there == 1.0);
                there.map(|(name, _)| name.clone()).collect()
            }),
            names: names.to_vec(),
            probabilities,
        })
    }
    fn direction(&self, label: usize) -> Vec<f64> {
        match self.sigmoid {
            true => vec![if label == 1 { 1.0 } else { -1.0 }],
            false => {
                (0..self.labels.names.len()).map(|l| f64::from(u8::from(l == label))).collect()
            }
        }
    }
    fn scorer(&self) -> Box<dyn Scorer + '_> {
        Box::new(ClassifyScorer { task: self, samples: Vec::new(), probabilities: Vec::new() })
    }
}

fn softmax(row: &[f32]) -> Vec<f64> {
    let most = row.iter().fold(f64::NEG_INFINITY, |m, v| m.max(f64::from(*v)));
    let powers: Vec<f64> = row.iter().map(|v| (f64::from(*v) - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

struct ClassifyHead {
    classifier: Classifier,
    /// Classes that exclude each other, told apart by a softmax; else each logit has a sigmoid of its own.
    softmax: bool,
}

impl Head for ClassifyHead {
    fn backbone(&self) -> &'static str {
        BACKBONE
    }
    fn losses(&self, tape: &Tape, x: &Var, view: &View) -> Result<Vec<Var>> {
        let targets = view.batch.tensor("targets");
        Ok(vec![self.classifier.loss(tape, x, targets, self.softmax)?])
    }
    fn scores(&self, tape: &Tape, c5: &Var) -> Result<Option<Var>> {
        self.classifier.logits(tape, c5).map(Some)
    }
    fn outputs(&self, tape: &Tape, x: &Var, _: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![self.classifier.forward(tape, x)?.value])
    }
}

struct ClassifyScorer<'a> {
    task: &'a ClassifyTask,
    samples: Vec<Sample>,
    /// A row of the labels' probabilities for each sample.
    probabilities: Vec<f64>,
}

impl Scorer for ClassifyScorer<'_> {
    fn add(&mut self, predicted: &Predicted) -> Result<()> {
        self.samples.push(predicted.sample.clone());
        self.probabilities.extend(self.task.probabilities(predicted.row).1);
        Ok(())
    }
    fn scores(&self, bootstrap: Bootstrap) -> Result<Scores> {
        let samples: Vec<&Sample> = self.samples.iter().collect();
        let scores = self.task.figures(&samples, &self.probabilities, bootstrap)?;
        Ok(Scores::Classify(Box::new(scores)))
    }
    /// Mean cross-entropy over what is labelled.
    fn loss(&self) -> Option<f64> {
        let rows = self.probabilities.chunks(self.task.labels.names.len());
        let each = self.samples.iter().zip(rows).map(|(s, row)| self.cross_entropy(s, row));
        let (sum, count) = each.fold((0.0, 0), |(s, n), (sum, count)| (s + sum, n + count));
        Some(sum / f64::from(count.max(1)))
    }
    /// `predictions.csv`: one row for each film, its path and the probability of each label; `targets.csv`: the same with what
    /// is true, 1, 0 or nothing; `films.csv`: the films' losses; `roc.json`: a [`Roc`] for each label.
    fn write(&self, run: &Run, suffix: &str, bootstrap: Bootstrap) -> Result<()> {
        let curves = self.task.curves(&self.samples, &self.probabilities, bootstrap);
        let json = serde_json::to_string(&curves).expect("curves are plain data");
        run.write(&format!("roc{suffix}.json"), &(json + "\n"))?;
        let names = &self.task.labels.names;
        let header: Vec<String> =
            std::iter::once("image".to_owned()).chain(names.iter().cloned()).collect();
        let table = |name: &str, number: &dyn Fn(f64) -> String, numbers: Vec<Vec<f64>>| {
            let rows = self.samples.iter().zip(numbers).map(|(sample, row)| {
                let path = sample.path.display().to_string();
                std::iter::once(path).chain(row.into_iter().map(number)).collect()
            });
            run.write_table(
                &format!("{name}{suffix}.csv"),
                std::iter::once(header.clone()).chain(rows),
            )
        };
        let rows = || self.probabilities.chunks(names.len());
        table("predictions", &|p| format!("{p:.6}"), rows().map(<[f64]>::to_vec).collect())?;
        let known = |v: f64| if v.is_nan() { String::new() } else { v.to_string() };
        table("targets", &known, self.samples.iter().map(|s| self.task.indicator(s)).collect())?;
        let films = self.samples.iter().zip(rows()).map(|(sample, row)| {
            let (sum, count) = self.cross_entropy(sample, row);
            let loss = (count > 0).then(|| sum / f64::from(count));
            (&*sample.path, &*sample.patient, [loss])
        });
        films::write(run, suffix, [films::LOSS], films)
    }
}

impl ClassifyScorer<'_> {
    /// The sum over what is labelled of a film, and how much that is.
    fn cross_entropy(&self, sample: &Sample, row: &[f64]) -> (f64, u32) {
        let (mut sum, mut count) = (0.0, 0);
        for (p, present) in row.iter().zip(self.task.indicator(sample)) {
            let likelihood = match (self.task.labels.kind == Kind::Classes, present) {
                (_, 1.0) => *p,
                (false, 0.0) => 1.0 - p,
                _ => continue,
            };
            sum -= likelihood.max(1e-12).ln();
            count += 1;
        }
        (sum, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Format;

    #[test]
    fn one_logit_is_that_of_the_second_class() {
        let labels =
            Labels { kind: Kind::Classes, names: ["absent", "present"].map(String::from).into() };
        let set = Dataset::new("t", labels);
        let data = Data {
            width: 32,
            height: 32,
            batch: 4,
            threads: 1,
            cache_mb: 0,
            pack: None,
            max_bad: 0,
            mean: 0.0,
            std: 1.0,
        };
        let source = Source::new("t", Format::Folder, ".");
        let of = |binary| {
            ClassifyTask::new(&source, &set, &data, Settings { binary }).expect("it is whole")
        };
        let (one, two) = (of(Binary::Sigmoid), of(Binary::Softmax));
        let (_, of_one) = one.probabilities(&[1.5, -0.5]);
        let (_, of_two) = two.probabilities(&[0.0, 1.5, 0.0, -0.5]);
        assert_eq!(of_one, of_two);
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        assert!(
            (of_one[1] - sigmoid(1.5)).abs() < 1e-15 && (of_one[3] - sigmoid(-0.5)).abs() < 1e-15
        );
        assert_eq!([0, 1].map(|label| one.direction(label)), [[-1.0], [1.0]]);
        assert_eq!([0, 1].map(|label| two.direction(label)), [[1.0, 0.0], [0.0, 1.0]]);
    }
}
