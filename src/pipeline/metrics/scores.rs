//! Scores of one classification task: what `evaluate --json` prints.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
    ser::{Serialize, Serializer},
};

use super::{
    Confusion, OperatingPoint, Ranking, argmax,
    bootstrap::{Bootstrap, Intervals, Resampled, check_patients, patients},
    mean_auc,
};
use mtpret_engine::error::{Error, Result};

/// Truth of each image.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// Labels of a binary (one label) or multi-label task: 1, 0 or NaN (missing),
    /// `[images, labels]` row by row.
    Labels(&'a [f64]),
    /// Class of each image of a multi-class task, `[images]`; `None` where it is missing.
    Classes(&'a [Option<usize>]),
}

/// Predictions of a model on some images, and the truth of them.
#[derive(Debug, Clone, Copy)]
pub struct Predictions<'a> {
    /// Name of each label or class. Of a binary task: the one positive class.
    pub names: &'a [String],
    /// Scores `[images, names]` row by row: sigmoid outputs, or softmax outputs of classes.
    pub probabilities: &'a [f64],
    /// Truth of each image.
    pub targets: Targets<'a>,
    /// The patient of each image, so that intervals resample patients.
    pub patients: Option<&'a [String]>,
    /// Threshold: a label is called positive from this score on. Classes are called by the greatest
    /// score.
    pub threshold: f64,
}

/// Values of the labels, one each, in their order; a JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct PerLabel<T>(pub Vec<(String, T)>);

impl<T> PerLabel<T> {
    pub(crate) fn new(names: &[String], values: impl IntoIterator<Item = T>) -> Self {
        Self(names.iter().cloned().zip(values).collect())
    }

    /// The value of the label called `name`.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(label, _)| label == name).map(|(_, value)| value)
    }
}

impl<T: Serialize> Serialize for PerLabel<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(label, value)| (label, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PerLabel<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        /// Visitor that takes labels in the order in which they stand, which a map of the standard
        /// library forgets.
        struct InOrder<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = PerLabel<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object with a value for each label")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    values.push(entry);
                }
                Ok(PerLabel(values))
            }
        }
        deserializer.deserialize_map(InOrder(std::marker::PhantomData))
    }
}

/// The figures of a task: `T` is a value or an interval, `None` (JSON `null`) where undefined.
///
/// Classes are measured one against the rest, each as the positive class in turn.
#[derive(Debug, Clone, PartialEq, serde::Serialize, Deserialize)]
pub struct Measures<T> {
    /// AUC of each label, [`auc`](super::auc).
    pub auc: PerLabel<T>,
    /// Mean AUC over the labels that have one, `roc_auc_score(average="macro")`.
    pub mauc: T,
    /// Accuracy of each label, [`Confusion::accuracy`].
    pub accuracy: PerLabel<T>,
    /// Accuracy over all: of classes, the share of images whose greatest score is that of the true
    /// class; of labels, the mean of their accuracies. Both are `accuracy_score` where there is one label.
    pub overall_accuracy: T,
    /// Sensitivity of each label, [`Confusion::sensitivity`].
    pub sensitivity: PerLabel<T>,
    /// Mean sensitivity over the labels that have one, `recall_score(average="macro")`.
    pub mean_sensitivity: T,
    /// Specificity of each label, [`Confusion::specificity`].
    pub specificity: PerLabel<T>,
    /// Mean specificity over the labels that have one.
    pub mean_specificity: T,
}

impl<T> Measures<T> {
    /// The measures from values in the order of the fields.
    fn from_values(names: &[String], values: Vec<T>) -> Self {
        let mut values = values.into_iter();
        let mut per_label = || {
            let labels = PerLabel::new(names, values.by_ref().take(names.len()));
            (labels, values.next().expect("a mean follows the labels"))
        };
        let (auc, mauc) = per_label();
        let (accuracy, overall_accuracy) = per_label();
        let (sensitivity, mean_sensitivity) = per_label();
        let (specificity, mean_specificity) = per_label();
        Self {
            auc,
            mauc,
            accuracy,
            overall_accuracy,
            sensitivity,
            mean_sensitivity,
            specificity,
            mean_specificity,
        }
    }
}

/// Scores of a classification task.
#[derive(Debug, Clone, PartialEq, serde::Serialize, Deserialize)]
pub struct ClassifyScores {
    /// Kind of the task: `"binary"`, `"multi-label"` or `"multi-class"`.
    pub kind: String,
    /// Class of a binary task that sensitivity is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive_class: Option<String>,
    /// Number of images, with missing targets or without.
    pub images: usize,
    /// Number of images of which the label is known.
    pub labelled: PerLabel<u64>,
    /// Number of images of which the label is known and positive.
    pub positives: PerLabel<u64>,
    /// Numbers of patients with and without each label, those with both in both; in no file, so that none are known of
    /// scores that were read.
    #[serde(skip)]
    pub patients: Vec<[u64; 2]>,
    /// The figures.
    #[serde(flatten)]
    pub measures: Measures<Option<f64>>,
    /// Number of labels that `mauc` is the mean of.
    pub mauc_labels: usize,
    /// Threshold: the score from which on a label is called positive; `None` of classes.
    pub threshold: Option<f64>,
    /// Operating point at which sensitivity + specificity is greatest, see
    /// [`youden`](super::youden).
    pub youden: PerLabel<Option<OperatingPoint>>,
    /// 95 % intervals, if any replicates were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<Intervals<Measures<Option<[f64; 2]>>>>,
}

impl ClassifyScores {
    /// The mean AUC over the labels that so many patients have and so many lack, and its replicates.
    #[must_use]
    pub fn resampled(&self, least: u64) -> Resampled {
        let aucs: Vec<Option<f64>> = self.measures.auc.0.iter().map(|(_, auc)| *auc).collect();
        let counts =
            |l: &usize| self.patients.get(*l).is_some_and(|both| both.iter().all(|n| *n >= least));
        let places: Vec<usize> = (0..aucs.len()).filter(counts).collect();
        Resampled::mean_of(&places, &aucs, self.ci.as_ref())
    }
}

impl Predictions<'_> {
    /// Measures the predictions.
    ///
    /// # Errors
    /// [`Error::Data`] if lengths do not fit, a score is not finite, or a target is neither 0, 1
    /// nor missing.
    pub fn scores(&self, settings: Bootstrap) -> Result<ClassifyScores> {
        let images = self.images()?;
        self.check_values()?;
        let labels: Vec<Label> = (0..self.names.len()).map(|l| self.label(l, images)).collect();
        let classes = matches!(self.targets, Targets::Classes(_));
        let measure = |times: &[u64]| measure(&labels, classes, |image| times[image]);

        let measures = Measures::from_values(self.names, measure(&vec![1; images]));
        let aucs: Vec<Option<f64>> = measures.auc.0.iter().map(|(_, auc)| *auc).collect();
        let ci = settings.intervals(images, self.patients, measure, |ends| {
            Measures::from_values(self.names, ends)
        });
        let binary = !classes && self.names.len() == 1;
        Ok(ClassifyScores {
            kind: match (classes, binary) {
                (true, _) => "multi-class",
                (_, true) => "binary",
                _ => "multi-label",
            }
            .into(),
            positive_class: binary.then(|| self.names[0].clone()),
            images,
            labelled: PerLabel::new(self.names, labels.iter().map(|l| l.ranking.0.len() as u64)),
            positives: PerLabel::new(self.names, labels.iter().map(Label::positives)),
            patients: labels.iter().map(|label| label.patients(self.patients)).collect(),
            measures,
            mauc_labels: mean_auc(&aucs).1,
            threshold: (!classes).then_some(self.threshold),
            youden: PerLabel::new(self.names, labels.iter().map(|l| l.ranking.youden())),
            ci,
        })
    }

    /// Checks that all lengths are consistent; gives the number of images.
    fn images(&self) -> Result<usize> {
        let mend = "give one score per image and label";
        let fault = |expected: String, found: usize| {
            Err(Error::data("predictions", expected, found.to_string(), mend))
        };
        let (names, scores) = (self.names.len(), self.probabilities.len());
        if names == 0 || !scores.is_multiple_of(names) {
            return fault(format!("scores [images, {names} labels]"), scores);
        }
        let images = scores / names;
        let (expected, found) = match self.targets {
            Targets::Labels(targets) => (scores, targets.len()),
            Targets::Classes(targets) => (images, targets.len()),
        };
        if found != expected {
            return fault(format!("{expected} targets"), found);
        }
        check_patients(images, self.patients)?;
        Ok(images)
    }

    fn check_values(&self) -> Result<()> {
        let names = self.names.len();
        let place = |i: usize| format!("image {}, label {}", i / names, self.names[i % names]);
        if let Some(i) = self.probabilities.iter().position(|p| !p.is_finite()) {
            let found = self.probabilities[i].to_string();
            let mend = "look for a diverged training run";
            return Err(Error::data(place(i), "a finite score", found, mend));
        }
        let fault = |place: String, found: String, expected: String| {
            Err(Error::data(place, expected, found, "correct the table of targets"))
        };
        match self.targets {
            Targets::Labels(targets) => {
                match targets.iter().position(|t| !t.is_nan() && *t != 0.0 && *t != 1.0) {
                    Some(i) => fault(place(i), targets[i].to_string(), "0, 1 or nothing".into()),
                    None => Ok(()),
                }
            }
            Targets::Classes(targets) => {
                match targets.iter().position(|t| t.is_some_and(|c| c >= names)) {
                    Some(i) => {
                        let found = targets[i].unwrap_or_default().to_string();
                        fault(format!("image {i}"), found, format!("a class below {names}"))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Label or class `l` as a question of yes or no.
    fn label(&self, l: usize, images: usize) -> Label {
        let names = self.names.len();
        let row = |image: usize| &self.probabilities[image * names..][..names];
        let known: Vec<(usize, bool)> = (0..images)
            .filter_map(|image| match self.targets {
                Targets::Labels(t) if t[image * names + l].is_nan() => None,
                Targets::Labels(t) => Some((image, t[image * names + l] == 1.0)),
                Targets::Classes(t) => t[image].map(|class| (image, class == l)),
            })
            .collect();
        let called = (0..images)
            .map(|image| match self.targets {
                Targets::Labels(_) => row(image)[l] >= self.threshold,
                Targets::Classes(_) => argmax(row(image)) == Some(l),
            })
            .collect();
        let scored = known.iter().map(|&(image, positive)| (image, (row(image)[l], positive)));
        Label { ranking: Ranking::new(scored).expect("scores were checked to be finite"), called }
    }
}

/// Label with its scores on all images.
struct Label {
    /// The images whose label is known.
    ranking: Ranking,
    /// Whether the model calls each image positive.
    called: Vec<bool>,
}

impl Label {
    fn positives(&self) -> u64 {
        self.ranking.0.iter().filter(|r| r.positive).count() as u64
    }

    /// Numbers of patients with this label and without it.
    fn patients(&self, names: Option<&[String]>) -> [u64; 2] {
        [true, false].map(|wanted| {
            let images = self.ranking.0.iter().filter(|r| r.positive == wanted);
            patients(names, images.map(|r| r.image))
        })
    }

    fn confusion(&self, times: impl Fn(usize) -> u64) -> Confusion {
        let images = self.ranking.0.iter();
        Confusion::count(images.map(|r| (self.called[r.image], r.positive, times(r.image))))
    }
}

/// The values of [`Measures::from_values`] with image `i` counted `times(i)` times.
fn measure(
    labels: &[Label],
    classes: bool,
    times: impl Fn(usize) -> u64 + Copy,
) -> Vec<Option<f64>> {
    let confusions: Vec<Confusion> = labels.iter().map(|l| l.confusion(times)).collect();
    let mut values: Vec<Option<f64>> = labels.iter().map(|l| l.ranking.auc(times)).collect();
    values.push(mean_auc(&values).0);
    let rates = [Confusion::accuracy, Confusion::sensitivity, Confusion::specificity];
    for (r, rate) in rates.into_iter().enumerate() {
        let of_labels: Vec<Option<f64>> = confusions.iter().map(rate).collect();
        let mean = mean_auc(&of_labels).0;
        values.extend(of_labels);
        // An image is rightly classed exactly where one class is a true positive.
        let right = confusions.iter().map(|c| c.true_positive).sum();
        let all = confusions[0];
        let all = all.true_positive + all.false_positive + all.true_negative + all.false_negative;
        values.push(if classes && r == 0 { super::ratio(right, all) } else { mean });
    }
    values
}
