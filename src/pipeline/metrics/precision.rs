//! Curve of precision over recall, and its intervals.

use super::{
    Ranking,
    bootstrap::{Bootstrap, bootstrap},
    ratio,
};

/// Number of recalls at which a band is given.
const RECALLS: usize = 50;

/// Curve of precision over recall of a label.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionRecall {
    /// Points `[recall, precision]` at every threshold that a score sets, by rising recall.
    pub points: Vec<[f64; 2]>,
    /// Band of 95 % intervals, `[recall, lowest, highest precision]`.
    pub band: Vec<[f64; 3]>,
    /// Average precision, Σ (Rₙ − Rₙ₋₁) Pₙ: `sklearn.metrics.average_precision_score`.
    pub average: f64,
    /// 95 % interval of the average precision.
    pub interval: Option<[f64; 2]>,
    /// The share of positive images: the precision of calling everything positive.
    pub prevalence: f64,
}

impl PrecisionRecall {
    /// The curve of a label's scores; none if no image is positive or a score is NaN. Intervals resample
    /// `patients`.
    ///
    /// # Panics
    /// If the slices differ in length.
    #[must_use]
    pub fn of(
        scores: &[f64],
        positive: &[bool],
        patients: &[String],
        settings: Bootstrap,
    ) -> Option<Self> {
        assert_eq!(scores.len(), positive.len(), "one score per target");
        let images = scores.iter().copied().zip(positive.iter().copied()).enumerate();
        let ranking = Ranking::new(images)?;
        let points = ranking.precision(|_| 1)?;
        let recalls: Vec<f64> = (1..=RECALLS).map(|i| i as f64 / RECALLS as f64).collect();
        let ends = bootstrap(scores.len(), Some(patients), settings, |times| {
            let curve = ranking.precision(|image| times[image]);
            let at = |recall: &f64| Some(precision(curve.as_deref()?, *recall));
            let average = curve.as_deref().map(average);
            recalls.iter().map(at).chain([average]).collect()
        });
        let band = recalls.iter().zip(&ends);
        let band = band.filter_map(|(recall, ends)| ends.map(|[low, high]| [*recall, low, high]));
        Some(Self {
            band: band.collect(),
            average: average(&points),
            interval: ends.last().copied().flatten(),
            prevalence: positive.iter().filter(|p| **p).count() as f64 / positive.len() as f64,
            points,
        })
    }
}

/// The precision at the first threshold that reaches `recall`.
fn precision(curve: &[[f64; 2]], recall: f64) -> f64 {
    let at = curve.partition_point(|point| point[0] < recall - 1e-12);
    curve[at.min(curve.len() - 1)][1]
}

fn average(curve: &[[f64; 2]]) -> f64 {
    let before = std::iter::once(0.0).chain(curve.iter().map(|point| point[0]));
    curve
        .iter()
        .zip(before)
        .map(|([recall, precision], before)| (recall - before) * precision)
        .sum()
}

impl Ranking {
    /// Points `[recall, precision]` by falling threshold with image `i` counted `times(i)` times; none without positive
    /// images.
    fn precision(&self, times: impl Fn(usize) -> u64) -> Option<Vec<[f64; 2]>> {
        let (mut seen, mut counts) = ([0; 2], Vec::new());
        for ranked in self.0.iter().rev() {
            seen[usize::from(ranked.positive)] += times(ranked.image);
            // A threshold lies below a whole run of ties, never within it.
            if !ranked.tied && seen != [0; 2] {
                counts.push(seen);
            }
        }
        let point = |c: &[u64; 2]| Some([ratio(c[1], seen[1])?, ratio(c[1], c[0] + c[1])?]);
        let points: Vec<_> = counts.iter().map(point).collect::<Option<_>>()?;
        (!points.is_empty()).then_some(points)
    }
}
