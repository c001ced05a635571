//! ROC curves and their bands.

use super::{assert_near, fixture, floats};
use mtpret_pipeline::metrics::{Bootstrap, roc_band, roc_curve};

#[test]
fn curves_equal_scikit_learn_and_bands_numpy_within_the_noise_of_resampling() {
    let f = fixture("roc");
    let positive: Vec<bool> = floats(&f["targets"]).iter().map(|t| *t == 1.0).collect();
    let rates = floats(&f["rates"]);
    for name in ["plain", "ties"] {
        let scores = floats(&f[name]["probabilities"]);
        let curve = roc_curve(&scores, &positive).unwrap();
        let want = f[name]["curve"].as_array().unwrap();
        assert_eq!(curve.len(), want.len(), "{name}");
        curve.iter().zip(want).for_each(|(got, want)| assert_near(got, &floats(want), 1e-12));
        let settings = Bootstrap { replicates: 3000, seed: 8 };
        let band = roc_band(&scores, &positive, None, &rates, settings);
        for (got, want) in band.iter().zip(f[name]["band"].as_array().unwrap()).skip(1) {
            assert_near(&got.unwrap(), &floats(want), 0.03);
        }
    }
}

#[test]
fn one_class_has_no_curve_and_no_band() {
    assert_eq!(roc_curve(&[0.1, 0.2], &[true, true]), None);
    assert_eq!(roc_curve(&[0.1, f64::NAN], &[true, false]), None);
    let settings = Bootstrap { replicates: 10, seed: 0 };
    assert_eq!(roc_band(&[0.1, 0.2], &[true, true], None, &[0.5], settings), [None]);
}

#[test]
fn patients_that_are_all_drawn_together_give_a_band_without_width() {
    let (scores, positive) = ([0.9, 0.4, 0.6, 0.1], [true, true, false, false]);
    let patients = ["a", "a", "a", "a"].map(str::to_owned);
    let settings = Bootstrap { replicates: 10, seed: 0 };
    let band = roc_band(&scores, &positive, Some(&patients), &[0.0, 0.25, 1.0], settings);
    // Straight from (0, .5) to (.5, .5), then up to 1.
    assert_eq!(band, [Some([0.5, 0.5]), Some([0.5, 0.5]), Some([1.0, 1.0])]);
}
