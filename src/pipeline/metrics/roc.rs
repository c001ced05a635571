//! ROC curve, and its intervals.

use super::{
    Ranking,
    bootstrap::{Bootstrap, bootstrap},
    ratio,
};
use serde::{Deserialize, Serialize};

/// Number of places along 1 − specificity at which a band is given.
const RATES: usize = 100;

/// ROC curve of a label, and its intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roc {
    /// The label, or the positive class.
    pub label: String,
    /// Points `[1 − specificity, sensitivity]` where the curve begins, turns and ends.
    pub points: Vec<[f64; 2]>,
    /// Band of 95 % intervals, `[1 − specificity, lowest, highest sensitivity]`, at hundredths.
    pub band: Vec<[f64; 3]>,
}

impl Roc {
    /// The curve of a label's scores; none if one class is absent or a score is NaN.
    ///
    /// # Panics
    /// If the slices differ in length.
    #[must_use]
    pub fn of(
        label: &str,
        scores: &[f64],
        positive: &[bool],
        patients: &[String],
        settings: Bootstrap,
    ) -> Option<Self> {
        let all = roc_curve(scores, positive)?;
        let straight = |[from, at, to]: [[f64; 2]; 3]| {
            let [run, rise] = [at[0] - from[0], at[1] - from[1]];
            (run * (to[1] - at[1]) - rise * (to[0] - at[0])).abs() < 1e-12
        };
        let turn =
            |i: usize| i == 0 || i + 1 == all.len() || !straight([all[i - 1], all[i], all[i + 1]]);
        let points = (0..all.len()).filter(|i| turn(*i)).map(|i| all[i]).collect();
        let rates: Vec<f64> = (0..=RATES).map(|i| i as f64 / RATES as f64).collect();
        let ends = roc_band(scores, positive, Some(patients), &rates, settings);
        let band = rates.iter().zip(ends);
        let band = band.filter_map(|(rate, ends)| ends.map(|[low, high]| [*rate, low, high]));
        Some(Self { label: label.into(), points, band: band.collect() })
    }
}

/// Points `[1 − specificity, sensitivity]` at every threshold that a score sets, from `[0, 0]` to
/// `[1, 1]`.
///
/// `None` if one class is absent or a score is NaN. Equals
/// `sklearn.metrics.roc_curve(drop_intermediate=False)`.
///
/// # Panics
/// If the two slices differ in length.
#[must_use]
pub fn roc_curve(scores: &[f64], positive: &[bool]) -> Option<Vec<[f64; 2]>> {
    ranking(scores, positive)?.roc(|_| 1)
}

/// 95 % intervals of the sensitivity where 1 − specificity is each of `rates`, by resampling
/// images or `patients`, see [`bootstrap`]; between two points the curve is straight.
///
/// # Panics
/// If the slices differ in length.
#[must_use]
pub fn roc_band(
    scores: &[f64],
    positive: &[bool],
    patients: Option<&[String]>,
    rates: &[f64],
    settings: Bootstrap,
) -> Vec<Option<[f64; 2]>> {
    let Some(ranking) = ranking(scores, positive) else { return vec![None; rates.len()] };
    bootstrap(scores.len(), patients, settings, |times| {
        let curve = ranking.roc(|image| times[image]);
        rates.iter().map(|rate| curve.as_deref().map(|curve| sensitivity(curve, *rate))).collect()
    })
}

fn ranking(scores: &[f64], positive: &[bool]) -> Option<Ranking> {
    assert_eq!(scores.len(), positive.len(), "one score per target");
    Ranking::new(scores.iter().copied().zip(positive.iter().copied()).enumerate())
}

/// The height of the curve at `rate`, the upper end where it is upright.
fn sensitivity(curve: &[[f64; 2]], rate: f64) -> f64 {
    let next = curve.partition_point(|point| point[0] <= rate);
    match (next.checked_sub(1).map(|i| curve[i]), curve.get(next)) {
        (Some([x, y]), Some([to_x, to_y])) => y + (to_y - y) * (rate - x) / (to_x - x),
        (Some([_, y]), None) => y,
        (None, _) => 0.0,
    }
}

impl Ranking {
    /// The curve with image `i` counted `times(i)` times.
    fn roc(&self, times: impl Fn(usize) -> u64) -> Option<Vec<[f64; 2]>> {
        let mut seen = [0; 2];
        let mut counts = vec![seen];
        for ranked in self.0.iter().rev() {
            seen[usize::from(ranked.positive)] += times(ranked.image);
            // A threshold lies below a whole run of ties, never within it.
            if !ranked.tied {
                counts.push(seen);
            }
        }
        counts.iter().map(|c| Some([ratio(c[0], seen[0])?, ratio(c[1], seen[1])?])).collect()
    }
}
