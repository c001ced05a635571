//! Measures of predictions: AUC, accuracy, sensitivity, specificity of classes; Dice and mIoU of
//! masks; AP of boxes; their intervals; and what kNN and a linear probe make of frozen features.
//!
//! Everything is computed in f64 on the host and equals scikit-learn and pycocotools to 1e-6.
//! Targets of classes may be missing; a missing target leaves the image out for that label only.

mod bootstrap;
mod calibration;
mod detect;
pub mod files;
mod precision;
mod probe;
mod roc;
mod scores;
mod segment;

pub use bootstrap::{Bootstrap, Intervals, Resampled, bootstrap, percentile};
pub(crate) use bootstrap::{draw, interval};
pub use calibration::{Bin, Calibration};
pub use detect::{
    BoxPredictions, ClassAp, ClassCurve, DetectMeasures, DetectScores, Detection, Truth, bbox_iou,
    match_boxes,
};
pub use precision::PrecisionRecall;
pub use probe::{Features, Vote, knn, linear_probe, one_hot};
pub use roc::{Roc, roc_band, roc_curve};
pub use scores::{ClassifyScores, Measures, PerLabel, Predictions, Targets};
pub use segment::{MaskPredictions, SegmentMeasures, SegmentScores};

use serde::Serialize;

/// Area under the ROC curve: the chance that a positive image scores above a negative one,
/// `(#{p > n} + ½ #{p = n}) / (P N)`.
///
/// `None` if one of the two classes is absent or a score is NaN. Equals
/// `sklearn.metrics.roc_auc_score`.
///
/// # Panics
/// If the two slices differ in length.
#[must_use]
pub fn auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one score per target");
    Ranking::new(scores.iter().copied().zip(positive.iter().copied()).enumerate())?.auc(|_| 1)
}

/// The plain mean of the defined values and how many they are; `None` if none is defined.
///
/// Equals `roc_auc_score(average="macro")` where every label has both classes.
#[must_use]
pub fn mean_auc(aucs: &[Option<f64>]) -> (Option<f64>, usize) {
    let count = aucs.iter().flatten().count();
    (mean(aucs.iter().copied()), count)
}

/// The plain mean of the defined values; `None` if none is defined.
pub(crate) fn mean(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.into_iter().flatten().fold((0.0, 0), |(s, n), v| (s + v, n + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Confusion matrix: how often a yes or no was right. Equals `sklearn.metrics.confusion_matrix`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Number of positive images called positive.
    pub true_positive: u64,
    /// Number of negative images called positive.
    pub false_positive: u64,
    /// Number of negative images called negative.
    pub true_negative: u64,
    /// Number of positive images called negative.
    pub false_negative: u64,
}

impl Confusion {
    /// Counts with an image called positive where its score is at least `threshold`.
    ///
    /// # Panics
    /// If the two slices differ in length.
    #[must_use]
    pub fn at(threshold: f64, scores: &[f64], positive: &[bool]) -> Self {
        assert_eq!(scores.len(), positive.len(), "one score per target");
        Self::count(scores.iter().zip(positive).map(|(s, &actual)| (*s >= threshold, actual, 1)))
    }

    /// Counts the pixels of a mask: `(predicted foreground, is foreground)` of each.
    #[must_use]
    pub fn of_pixels(pixels: impl IntoIterator<Item = (bool, bool)>) -> Self {
        Self::count(pixels.into_iter().map(|(called, actual)| (called, actual, 1)))
    }

    /// Counts `(called positive, is positive, how often)`.
    fn count(images: impl Iterator<Item = (bool, bool, u64)>) -> Self {
        let mut cells = [[0; 2]; 2];
        for (called, actual, times) in images {
            cells[usize::from(called)][usize::from(actual)] += times;
        }
        let [[true_negative, false_negative], [false_positive, true_positive]] = cells;
        Self { true_positive, false_positive, true_negative, false_negative }
    }

    /// Intersection over union, `TP / (TP + FP + FN)`, `sklearn.metrics.jaccard_score`; `None` if nothing
    /// is positive or called so.
    #[must_use]
    pub fn iou(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)
    }

    /// Accuracy, `(TP + TN) / all`, `sklearn.metrics.accuracy_score`; `None` without images.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positive + self.true_negative;
        ratio(right, right + self.false_positive + self.false_negative)
    }

    /// Sensitivity, `TP / (TP + FN)`, `sklearn.metrics.recall_score`; `None` without positive
    /// images.
    #[must_use]
    pub fn sensitivity(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// Specificity, `TN / (TN + FP)`, `recall_score(pos_label=0)`; `None` without negative images.
    #[must_use]
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negative, self.true_negative + self.false_positive)
    }

    /// Dice coefficient, `2 TP / (2 TP + FP + FN)`, `sklearn.metrics.f1_score`; `None` if nothing
    /// is positive or called so.
    #[must_use]
    pub fn dice(&self) -> Option<f64> {
        let twice = 2 * self.true_positive;
        ratio(twice, twice + self.false_positive + self.false_negative)
    }

    /// Mean over positive and negative of intersection over union, `TP / (TP + FP + FN)` and
    /// `TN / (TN + FP + FN)`, `sklearn.metrics.jaccard_score(average="macro")`; a class without a
    /// union is left out, and without any it is `None`.
    #[must_use]
    pub fn mean_iou(&self) -> Option<f64> {
        let wrong = self.false_positive + self.false_negative;
        mean([self.true_positive, self.true_negative].map(|right| ratio(right, right + wrong)))
    }
}

impl std::ops::AddAssign for Confusion {
    fn add_assign(&mut self, other: Self) {
        self.true_positive += other.true_positive;
        self.false_positive += other.false_positive;
        self.true_negative += other.true_negative;
        self.false_negative += other.false_negative;
    }
}

impl std::ops::Mul<u64> for Confusion {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self {
            true_positive: self.true_positive * times,
            false_positive: self.false_positive * times,
            true_negative: self.true_negative * times,
            false_negative: self.false_negative * times,
        }
    }
}

/// A point of the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, serde::Deserialize)]
pub struct OperatingPoint {
    /// Threshold: an image is called positive where its score is at least this.
    pub threshold: f64,
    /// Sensitivity there, `TP / (TP + FN)`.
    pub sensitivity: f64,
    /// Specificity there, `TN / (TN + FP)`.
    pub specificity: f64,
}

/// The threshold at which sensitivity + specificity is greatest (Youden's J), the highest one of
/// equals.
///
/// `None` if one class is absent, a score is NaN, or no threshold beats chance. It flatters the
/// images on which it was chosen: choose it on validation images. Equals the first maximum of
/// `tpr - fpr` of `sklearn.metrics.roc_curve`.
///
/// # Panics
/// If the two slices differ in length.
#[must_use]
pub fn youden(scores: &[f64], positive: &[bool]) -> Option<OperatingPoint> {
    assert_eq!(scores.len(), positive.len(), "one score per target");
    Ranking::new(scores.iter().copied().zip(positive.iter().copied()).enumerate())?.youden()
}

/// Index of the greatest value, the first of equals, as `numpy.argmax`; `None` if empty.
#[must_use]
pub fn argmax(values: &[f64]) -> Option<usize> {
    values.iter().enumerate().fold(None, |best: Option<usize>, (i, v)| match best {
        Some(b) if values[b] >= *v => Some(b),
        _ => Some(i),
    })
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Ranking of the images of one label by rising score. Sorted once, it is then measured under any
/// number of weightings, which is what a bootstrap does.
struct Ranking(Vec<RankedScore>);

struct RankedScore {
    image: usize,
    score: f64,
    positive: bool,
    /// Whether the image before has the same score.
    tied: bool,
}

impl Ranking {
    /// Ranks `(image, (score, positive))`; `None` if a score is NaN.
    fn new(images: impl Iterator<Item = (usize, (f64, bool))>) -> Option<Self> {
        let mut ranked: Vec<RankedScore> = images
            .map(|(image, (score, positive))| RankedScore { image, score, positive, tied: false })
            .collect();
        if ranked.iter().any(|r| r.score.is_nan()) {
            return None;
        }
        ranked.sort_by(|a, b| a.score.total_cmp(&b.score));
        for i in 1..ranked.len() {
            // -0 and +0 sort apart but are equal scores.
            ranked[i].tied = ranked[i].score == ranked[i - 1].score;
        }
        Some(Self(ranked))
    }

    /// AUC with image `i` counted `times(i)` times. Counts are whole numbers, so the result does
    /// not depend on any order of summation.
    fn auc(&self, times: impl Fn(usize) -> u64) -> Option<f64> {
        // Negatives and positives so far, and those of the current run of ties; indexed by class
        // rather than branched upon, since a processor cannot guess the class.
        let (mut seen, mut run, mut twice_won) = ([0; 2], [0; 2], 0);
        for ranked in &self.0 {
            if !ranked.tied {
                twice_won += run[1] * (2 * seen[0] + run[0]);
                seen = [seen[0] + run[0], seen[1] + run[1]];
                run = [0; 2];
            }
            run[usize::from(ranked.positive)] += times(ranked.image);
        }
        twice_won += run[1] * (2 * seen[0] + run[0]);
        ratio(twice_won, 2 * (seen[0] + run[0]) * (seen[1] + run[1]))
    }

    fn youden(&self) -> Option<OperatingPoint> {
        let positives = self.0.iter().filter(|r| r.positive).count() as i128;
        let negatives = self.0.len() as i128 - positives;
        if positives == 0 || negatives == 0 {
            return None;
        }
        // J · P · N in whole numbers, so that equal thresholds compare equal.
        let (mut best, mut best_j) = (None, 0);
        let (mut true_positive, mut false_positive) = (0_i128, 0_i128);
        for ranked in self.0.iter().rev() {
            match ranked.positive {
                true => true_positive += 1,
                false => false_positive += 1,
            }
            let j = true_positive * negatives - false_positive * positives;
            // A threshold lies below a whole run of ties, never within it.
            if !ranked.tied && j > best_j {
                best_j = j;
                best = Some(OperatingPoint {
                    threshold: ranked.score,
                    sensitivity: true_positive as f64 / positives as f64,
                    specificity: 1.0 - false_positive as f64 / negatives as f64,
                });
            }
        }
        best
    }
}
