//! Dice and mIoU.

use super::{POINT, assert_holds, fixture};
use mtpret_pipeline::metrics::{Bootstrap, Confusion, MaskPredictions, SegmentScores};
use serde_json::Value;

/// The counts of each image of one fixture.
fn counts(case: &Value) -> Vec<Confusion> {
    let masks = |key: &str| -> Vec<Vec<bool>> {
        let rows = case[key].as_array().unwrap().iter();
        rows.map(|row| row.as_array().unwrap().iter().map(|v| *v == 1).collect()).collect()
    };
    let pairs = masks("predicted").into_iter().zip(masks("truths"));
    pairs.map(|(p, t)| Confusion::of_pixels(p.into_iter().zip(t))).collect()
}

fn scores(counts: &[Confusion], patients: Option<&[String]>, settings: Bootstrap) -> SegmentScores {
    MaskPredictions { counts, patients }.scores(settings).unwrap()
}

#[test]
fn figures_of_masks_equal_scikit_learn() {
    for (name, case) in fixture("segment").as_object().unwrap() {
        let got = serde_json::to_value(scores(&counts(case), None, POINT)).unwrap();
        assert_holds(name, &got, &case["want"]);
    }
}

#[test]
fn an_image_that_is_empty_on_both_sides_has_no_dice_and_a_perfect_background() {
    let empty = Confusion::of_pixels([(false, false); 4]);
    let half = Confusion::of_pixels([(true, true), (true, false), (false, false), (false, false)]);
    let got = scores(&[empty, half], None, POINT).measures;
    assert_eq!(got.dice, Some(2.0 / 3.0));
    assert_eq!(got.miou_per_image, Some((1.0 + (0.5 + 2.0 / 3.0) / 2.0) / 2.0));
    let nothing = scores(&[], None, POINT).measures;
    assert_eq!((nothing.dice, nothing.miou), (None, None));
}

#[test]
fn intervals_of_masks_hold_the_figures_and_their_ends_are_figures_of_drawn_images() {
    let counts = counts(&fixture("segment")["random"]);
    let got = scores(&counts, None, Bootstrap { replicates: 300, seed: 4 });
    let (m, ci) = (got.measures, got.ci.unwrap());
    assert_eq!((&*ci.resampled, ci.replicates), ("images", 300));
    let c = ci.measures;
    let pairs = [
        (m.dice, c.dice),
        (m.dice_pooled, c.dice_pooled),
        (m.miou, c.miou),
        (m.miou_per_image, c.miou_per_image),
    ];
    for (value, interval) in pairs {
        let (value, [low, high]) = (value.unwrap(), interval.unwrap());
        assert!(low < value && value < high, "{value} is not between {low} and {high}");
    }
    let each: Vec<f64> = counts.iter().filter_map(Confusion::dice).collect();
    let most = each.iter().copied().fold(0.0, f64::max);
    assert!(c.dice.unwrap()[1] <= most, "no mean is above the best image");
}

#[test]
fn masks_of_one_patient_are_drawn_together() {
    let counts = counts(&fixture("segment")["random"]);
    let patients = vec!["a".to_owned(); counts.len()];
    let got = scores(&counts, Some(&patients), Bootstrap { replicates: 20, seed: 4 });
    let ci = got.ci.unwrap();
    assert_eq!(ci.resampled, "patients");
    assert_eq!(ci.measures.miou, got.measures.miou.map(|m| [m, m]));
    let few = MaskPredictions { counts: &counts, patients: Some(&patients[1..]) };
    let message = few.scores(POINT).unwrap_err().to_string();
    assert!(message.contains("expected 8 patients, found 7"), "{message}");
}
