//! Metrics against scikit-learn, numpy and pycocotools (`tools/parity/metric_fixtures.py` wrote the
//! fixtures), against a second, naive computation, and on input that has no answer.

use mtpret_engine::error::Error;
use mtpret_pipeline::metrics::{
    Bootstrap, ClassifyScores, Confusion, Features, Predictions, Targets, Vote, argmax, auc,
    bootstrap, knn, linear_probe, mean_auc, one_hot, percentile, youden,
};
use serde_json::Value;

mod boxes;
mod comparison;
mod masks;
mod probabilities;
mod roc;

const POINT: Bootstrap = Bootstrap { replicates: 0, seed: 0 };

fn fixture(name: &str) -> Value {
    let path = crate::films::root().join(format!("tests/fixtures/metrics/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Numbers of a JSON list, NaN for null.
fn floats(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn singles(list: &Value) -> Vec<f32> {
    floats(list).into_iter().map(|x| x as f32).collect()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

/// Asserts that `got` holds everything in `want`, numbers within 1e-6.
fn assert_holds(place: &str, got: &Value, want: &Value) {
    match (got, want) {
        (_, Value::Object(fields)) => {
            for (key, want) in fields {
                assert_holds(&format!("{place}.{key}"), &got[key], want);
            }
        }
        (Value::Number(got), Value::Number(want)) => {
            let (got, want) = (got.as_f64().unwrap(), want.as_f64().unwrap());
            assert!((got - want).abs() < 1e-6, "{place}: got {got}, want {want}");
        }
        _ => assert_eq!(got, want, "{place}"),
    }
}

fn assert_near(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() < tolerance, "place {i}: got {got}, want {want}");
    }
}

/// Scores of one fixture of `classify.json`.
fn measured(case: &Value, settings: Bootstrap) -> ClassifyScores {
    let names = strings(&case["names"]);
    let labels = case["targets"].as_array().map(|_| floats(&case["targets"]));
    let classes: Option<Vec<Option<usize>>> = case["classes"]
        .as_array()
        .map(|list| list.iter().map(|c| c.as_u64().map(|c| c as usize)).collect());
    let targets = match (&labels, &classes) {
        (Some(labels), _) => Targets::Labels(labels),
        (_, classes) => Targets::Classes(classes.as_ref().unwrap()),
    };
    let probabilities = &floats(&case["probabilities"]);
    Predictions { names: &names, probabilities, targets, patients: None, threshold: 0.5 }
        .scores(settings)
        .unwrap()
}

#[test]
fn all_figures_of_a_task_equal_scikit_learn() {
    for (name, case) in fixture("classify").as_object().unwrap() {
        let got = serde_json::to_value(measured(case, POINT)).unwrap();
        assert_holds(name, &got, &case["want"]);
    }
}

#[test]
fn percentiles_equal_numpy() {
    for case in fixture("intervals")["percentiles"].as_array().unwrap() {
        let rising = floats(&case["rising"]);
        let got = [2.5, 50.0, 97.5].map(|q| percentile(&rising, q).unwrap());
        assert_near(&got, &floats(&case["want"]), 1e-12);
    }
    assert_eq!(percentile(&[], 50.0), None);
}

#[test]
fn neighbours_and_the_linear_probe_equal_scikit_learn() {
    let f = fixture("probes");
    let (train, queries) = (singles(&f["train"]), singles(&f["queries"]));
    let width = f["width"].as_u64().unwrap() as usize;
    let train = Features { values: &train, width };
    let queries = Features { values: &queries, width };
    let (targets, k) = (floats(&f["targets"]), f["k"].as_u64().unwrap() as usize);
    let temperature = f["temperature"].as_f64().unwrap();

    let got = knn(train, &targets, queries, k, Vote::Majority).unwrap();
    assert_near(&got, &floats(&f["majority"]), 1e-6);
    let got = knn(train, &targets, queries, k, Vote::Similarity { temperature }).unwrap();
    assert_near(&got, &floats(&f["similarity"]), 1e-6);
    let got = linear_probe(train, &targets, queries, f["alpha"].as_f64().unwrap()).unwrap();
    assert_near(&got, &floats(&f["linear_probe"]), 1e-6);
}

#[test]
fn an_auc_counts_pairs_and_half_of_the_ties() {
    assert_eq!(auc(&[0.1, 0.4, 0.4, 0.9], &[false, true, false, true]), Some(3.5 / 4.0));
    assert_eq!(auc(&[0.0, -0.0], &[true, false]), Some(0.5));
    assert_eq!(auc(&[0.3, 0.7], &[true, true]), None);
    assert_eq!(auc(&[], &[]), None);
    assert_eq!(auc(&[f64::NAN, 0.7], &[true, false]), None);
}

#[test]
fn a_mean_auc_skips_undefined_labels_and_counts_the_others() {
    assert_eq!(mean_auc(&[Some(0.5), None, Some(1.0)]), (Some(0.75), 2));
    assert_eq!(mean_auc(&[None]), (None, 0));
}

#[test]
fn a_score_equal_to_the_threshold_is_called_positive() {
    let counts = Confusion::at(0.5, &[0.5, 0.5, 0.4], &[true, false, true]);
    assert_eq!((counts.true_positive, counts.false_positive, counts.false_negative), (1, 1, 1));
    assert_eq!(counts.sensitivity(), Some(0.5));
    assert_eq!(counts.specificity(), Some(0.0));
    assert_eq!(Confusion::default().accuracy(), None);
}

#[test]
fn scores_worse_than_chance_have_no_best_threshold() {
    assert_eq!(youden(&[0.9, 0.1], &[false, true]), None);
    let point = youden(&[0.9, 0.6, 0.6, 0.1], &[true, true, false, false]).unwrap();
    assert_eq!((point.threshold, point.sensitivity, point.specificity), (0.9, 0.5, 1.0));
}

#[test]
fn the_first_of_equal_classes_is_called() {
    assert_eq!(argmax(&[0.2, 0.4, 0.4]), Some(1));
    assert_eq!(argmax(&[]), None);
}

#[test]
fn the_keys_are_the_documented_ones_and_an_undefined_auc_is_null() {
    let all = fixture("classify");
    let settings = Bootstrap { replicates: 50, seed: 1 };
    let json = serde_json::to_value(measured(&all["missing labels"], settings)).unwrap();
    assert_eq!(json["kind"], "multi-label");
    assert_eq!(json["threshold"], 0.5);
    assert!(json["auc"]["Absent"].is_null() && json["ci"]["auc"]["Absent"].is_null());
    assert_eq!(json["mauc_labels"], 3);
    assert_eq!(json["ci"]["auc"]["Edema"].as_array().unwrap().len(), 2);
    assert_eq!(json["ci"]["resampled"], "images");
    let binary = serde_json::to_value(measured(&all["binary"], POINT)).unwrap();
    assert_eq!(binary["positive_class"], "Pneumonia");
    assert_eq!(binary["images"], 80);
    assert!(binary.get("ci").is_none());
    let classes = serde_json::to_value(measured(&all["classes"], POINT)).unwrap();
    assert_eq!(classes["kind"], "multi-class");
    assert!(classes["threshold"].is_null());
}

/// The test set of `intervals.json`: targets, scores, patients.
fn cohort(f: &Value) -> (Vec<f64>, Vec<f64>, Vec<String>) {
    (floats(&f["targets"]), floats(&f["probabilities"]), strings(&f["patients"]))
}

fn interval(f: &Value, by_patient: bool, settings: Bootstrap) -> [f64; 2] {
    let (targets, probabilities, patients) = cohort(f);
    let scores = Predictions {
        names: &["Pneumonia".to_owned()],
        probabilities: &probabilities,
        targets: Targets::Labels(&targets),
        patients: by_patient.then_some(&patients),
        threshold: 0.5,
    };
    let ci = scores.scores(settings).unwrap().ci.unwrap();
    assert_eq!(ci.measures.mauc, ci.measures.auc.0[0].1);
    ci.measures.mauc.unwrap()
}

#[test]
fn intervals_agree_with_numpy_within_the_noise_of_resampling() {
    let f = fixture("intervals");
    let settings = Bootstrap { replicates: 3000, seed: 5 };
    assert_near(&interval(&f, false, settings), &floats(&f["images_auc"]), 0.008);
    assert_near(&interval(&f, true, settings), &floats(&f["patients_auc"]), 0.008);
}

#[test]
fn the_seed_alone_decides_the_intervals() {
    let f = fixture("intervals");
    let of = |seed| interval(&f, true, Bootstrap { replicates: 200, seed });
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(4));
}

#[test]
fn a_weighted_auc_is_the_auc_of_the_drawn_images() {
    let f = fixture("intervals");
    let (targets, scores, _) = cohort(&f);
    let settings = Bootstrap { replicates: 100, seed: 9 };
    let naive = bootstrap(scores.len(), None, settings, |times| {
        let drawn: Vec<usize> =
            (0..times.len()).flat_map(|i| std::iter::repeat_n(i, times[i] as usize)).collect();
        assert_eq!(drawn.len(), times.len());
        let drawn_scores: Vec<f64> = drawn.iter().map(|&i| scores[i]).collect();
        let positive: Vec<bool> = drawn.iter().map(|&i| targets[i] == 1.0).collect();
        vec![auc(&drawn_scores, &positive)]
    });
    assert_eq!(naive[0], Some(interval(&f, false, settings)));
}

#[test]
fn images_of_a_patient_are_drawn_together_and_unnamed_patients_alone() {
    let patients = ["a", "b", "a", "", ""].map(str::to_owned);
    let mut unnamed_differ = false;
    let seen = std::sync::Mutex::new(Vec::new());
    bootstrap(5, Some(&patients), Bootstrap { replicates: 200, seed: 2 }, |times| {
        seen.lock().unwrap().push(times.to_vec());
        vec![None]
    });
    for times in seen.into_inner().unwrap() {
        assert_eq!(times[0], times[2]);
        assert_eq!(times[0] + times[1] + times[3] + times[4], 4, "four patients are drawn");
        unnamed_differ |= times[3] != times[4];
    }
    assert!(unnamed_differ);
}

#[test]
fn a_replicate_with_one_class_is_left_out() {
    // One positive of three: a third of the replicates lacks it.
    let got = bootstrap(3, None, Bootstrap { replicates: 400, seed: 0 }, |times| {
        vec![(times[0] > 0).then_some(0.25), None]
    });
    assert_eq!(got, [Some([0.25, 0.25]), None]);
}

#[test]
fn one_hot_keeps_missing_classes_missing() {
    let hot = one_hot(&[Some(1), None], 2);
    assert_eq!(hot[..2], [0.0, 1.0]);
    assert!(hot[2].is_nan() && hot[3].is_nan());
}

#[test]
fn probes_recognise_well_separated_classes() {
    let (mut values, mut classes) = (Vec::new(), Vec::new());
    for i in 0..60_usize {
        let class = i % 3;
        classes.push(Some(class));
        values.extend(
            (0..20).map(|j| (i * 31 + j * 17) as f32 % 7.0 / 7.0 + 3.0 * f32::from(j % 3 == class)),
        );
    }
    let all = Features { values: &values, width: 20 };
    let targets = one_hot(&classes, 3);
    for scores in [
        knn(all, &targets, all, 5, Vote::Similarity { temperature: 0.07 }).unwrap(),
        linear_probe(all, &targets, all, 1.0).unwrap(),
    ] {
        let right = scores.chunks(3).zip(&classes).filter(|(row, class)| argmax(row) == **class);
        assert_eq!(right.count(), 60);
    }
}

#[test]
fn neighbours_of_a_sharp_vote_stay_finite() {
    let train = Features { values: &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], width: 2 };
    let query = Features { values: &[1.0, 0.1, 0.0, 0.0], width: 2 };
    let got = knn(train, &[1.0, 0.0, 0.0], query, 9, Vote::Similarity { temperature: 1e-6 });
    assert_near(&got.unwrap(), &[1.0, 1.0 / 3.0], 1e-9);
}

/// What the error says of predictions that cannot be measured.
fn refused(probabilities: &[f64], targets: Targets, patients: Option<&[String]>) -> String {
    let names = ["Edema".to_owned(), "Hernia".to_owned()];
    let predictions =
        Predictions { names: &names, probabilities, targets, patients, threshold: 0.5 };
    predictions.scores(POINT).unwrap_err().to_string()
}

#[test]
fn unusable_predictions_are_errors_that_name_image_and_label() {
    let labels = Targets::Labels(&[0.0, 1.0, 0.0, 1.0]);
    let message = refused(&[0.1, 0.2, 0.3, f64::NAN], labels, None);
    assert!(message.starts_with("image 1, label Hernia: expected a finite score"), "{message}");
    let message = refused(&[0.1; 4], Targets::Labels(&[0.0, 1.0, -1.0, 1.0]), None);
    assert!(message.starts_with("image 1, label Edema: expected 0, 1 or nothing"), "{message}");
    let message = refused(&[0.1; 4], Targets::Classes(&[Some(0), Some(2)]), None);
    assert!(message.starts_with("image 1: expected a class below 2, found 2"), "{message}");
    assert!(refused(&[0.1; 3], labels, None).contains("found 3"));
    assert!(refused(&[0.1; 4], Targets::Labels(&[1.0]), None).contains("expected 4 targets"));
    assert!(refused(&[0.1; 4], labels, Some(&[])).contains("expected 2 patients, found 0"));
}

#[test]
fn unusable_features_are_errors() {
    let two = Features { values: &[1.0, 2.0], width: 1 };
    let vote = Vote::Majority;
    let data =
        |result: mtpret_engine::error::Result<Vec<f64>>| matches!(result, Err(Error::Data { .. }));
    let nan = Features { values: &[1.0, f32::NAN], width: 1 };
    let wide = Features { values: &[1.0, 2.0], width: 2 };
    let none = Features { values: &[], width: 1 };
    assert!(data(knn(nan, &[0.0, 1.0], two, 1, vote)));
    assert!(data(knn(two, &[0.0, 1.0], wide, 1, vote)));
    assert!(data(knn(none, &[], two, 1, vote)));
    assert!(data(knn(two, &[0.0, 1.0, 1.0], two, 1, vote)));
    assert!(data(linear_probe(two, &[f64::NAN, f64::NAN], two, 1.0)));
    let config = |result| matches!(result, Err(Error::Config { .. }));
    assert!(config(linear_probe(two, &[0.0, 1.0], two, 0.0)));
    assert!(config(knn(two, &[0.0, 1.0], two, 0, vote)));
    let blunt = Vote::Similarity { temperature: f64::NAN };
    assert!(config(knn(two, &[0.0, 1.0], two, 1, blunt)));
}
