//! Precision over recall, and whether probabilities mean what they say.

use mtpret_pipeline::metrics::{Bootstrap, Calibration, PrecisionRecall};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| i.to_string()).collect()
}

fn curve(scores: &[f64], positive: &[bool], replicates: u32) -> Option<PrecisionRecall> {
    PrecisionRecall::of(scores, positive, &names(scores.len()), Bootstrap { replicates, seed: 1 })
}

#[test]
fn average_precision_is_that_of_scikit_learn() {
    // The example of sklearn.metrics.average_precision_score: 0.8333…
    let found = curve(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true], 200).unwrap();
    assert!((found.average - 5.0 / 6.0).abs() < 1e-12, "{}", found.average);
    assert_eq!(found.prevalence, 0.5);
    assert_eq!(found.points, [[0.5, 1.0], [0.5, 0.5], [1.0, 2.0 / 3.0], [1.0, 0.5]]);
    let [low, high] = found.interval.unwrap();
    assert!(low < found.average && found.average <= high, "{low} to {high}");
    assert!(found.band.iter().all(|[_, low, high]| low <= high && (0.0..=1.0).contains(low)));
    // Equal scores are one threshold.
    let tied = curve(&[0.5; 4], &[true, false, false, false], 0).unwrap();
    assert_eq!((tied.points.as_slice(), tied.average), (&[[1.0, 0.25]][..], 0.25));
    assert!(tied.interval.is_none() && tied.band.is_empty());
}

#[test]
fn precision_of_nothing_is_not_told() {
    assert_eq!(curve(&[0.1, 0.9], &[false, false], 10), None);
    assert_eq!(curve(&[], &[], 10), None);
    assert_eq!(curve(&[f64::NAN, 0.9], &[true, false], 10), None);
}

#[test]
fn calibration_compares_what_is_said_with_what_happens() {
    // Two bins: .2 said and a quarter true; .9 said and all true.
    let probabilities = [0.2, 0.2, 0.2, 0.2, 0.9, 0.9];
    let positive = [true, false, false, false, true, true];
    let found = Calibration::of(&probabilities, &positive).unwrap();
    assert_eq!(found.bins.len(), 2);
    assert_eq!((found.bins[0].images, found.bins[0].share), (4, 0.25));
    let expected = 4.0 / 6.0 * 0.05 + 2.0 / 6.0 * 0.1;
    assert!((found.error - expected).abs() < 1e-12, "{}", found.error);
    let brier = (0.64 + 3.0 * 0.04 + 2.0 * 0.01) / 6.0;
    assert!((found.brier - brier).abs() < 1e-12, "{}", found.brier);
    // Wilson's interval of 1 in 4: statsmodels.stats.proportion.proportion_confint(1, 4, method="wilson").
    let [low, high] = found.bins[0].interval;
    assert!((low - 0.045_587).abs() < 1e-5 && (high - 0.699_358).abs() < 1e-5, "{low}, {high}");
    assert_eq!(Calibration::of(&[1.2], &[true]), None);
    assert_eq!(Calibration::of(&[], &[]), None);
    // What is always right is without error.
    let right = Calibration::of(&[0.0, 1.0], &[false, true]).unwrap();
    assert_eq!((right.error, right.brier), (0.0, 0.0));
}
