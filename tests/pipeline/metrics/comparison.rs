//! Initialisations compared in pairs: what is drawn together, what counts, and how wide intervals are.

use mtpret_pipeline::{
    metrics::{
        Bootstrap, BoxPredictions, Detection, MaskPredictions, Predictions, Resampled, Targets,
        Truth, bootstrap, percentile,
    },
    train::reproduce::{
        Cell, Figure,
        comparison::{difference, mean},
    },
};

/// Replicates of a figure that patients move by a whole point and no more.
fn noise(seed: usize, at: usize) -> f64 {
    (((at + seed) * 7919) % 1000) as f64 / 50_000.0 - 0.01
}

fn cell(init: &str, target: &str, [seed, division]: [u64; 2], value: f64) -> Cell {
    // Patients are drawn by division and target: whatever the seed and the initialisation.
    let draws = target.len() + 10 * division as usize;
    let replicates = (0..1000).map(|at| Some(value + noise(draws, at))).collect();
    Cell {
        backbone: "resnet18".into(),
        initialisation: init.into(),
        target: target.into(),
        seed,
        division,
        labels: 1.0,
        figures: vec![Figure { metric: "AUC".into(), value: Some(value), interval: None }],
        validation: None,
        lr: 0.01,
        epochs: 1,
        training: 10,
        films: 10,
        weights: None,
        seconds: 1.0,
        resampled: Resampled { value: Some(value), labels: 1, replicates },
    }
}

#[test]
fn what_patients_do_to_both_of_a_pair_is_no_difference() {
    let [a, b] = [cell("A", "nih", [1, 0], 0.72), cell("B", "nih", [1, 0], 0.70)];
    let found = difference(&[&a], &[&b]).unwrap();
    assert!((found.value - 0.02).abs() < 1e-12 && found.standard_error < 1e-12, "{found:?}");
    assert!(found.interval.iter().all(|end| (end - 0.02).abs() < 1e-12), "{found:?}");
    // The figure itself is as unsure as patients make it.
    let alone = mean([&a]).unwrap();
    let mut all: Vec<f64> = a.resampled.replicates.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let ends = [2.5, 97.5].map(|percent| percentile(&all, percent).unwrap());
    assert_eq!((alone.value, alone.interval, alone.units), (0.72, ends, 1));
}

#[test]
fn units_are_drawn_with_the_patients() {
    // Differences of 1, 2, 3 and 6 points in four units.
    let units = [[1, 0], [2, 0], [1, 1], [2, 1]];
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for (unit, points) in units.into_iter().zip([1.0, 2.0, 3.0, 6.0]) {
        one.push(cell("A", "nih", unit, 0.7 + points / 100.0));
        other.push(cell("B", "nih", unit, 0.7));
    }
    let [a, b] = [&one, &other].map(|cells| cells.iter().collect::<Vec<_>>());
    let found = difference(&a, &b).unwrap();
    assert!((found.value - 0.03).abs() < 1e-12, "{found:?}");
    // The standard deviation of the four is √3.5, and a bootstrap's mean of four has half of it.
    let expected = 3.5_f64.sqrt() / 100.0 / 2.0;
    assert!((found.standard_error / expected - 1.0).abs() < 0.1, "{found:?}, {expected}");
    let [low, high] = found.interval;
    assert!((0.01..0.02).contains(&low) && (0.04..=0.06).contains(&high), "{found:?}");
    assert_eq!((found.units, found.targets), (4, 1));
    // Turned round it has the other sign.
    let turned = difference(&b, &a).unwrap();
    assert!((turned.value + found.value).abs() < 1e-12);
    assert!((turned.interval[0] + high).abs() < 1e-12);
}

#[test]
fn only_cells_of_one_place_are_a_pair() {
    let a = cell("A", "nih", [1, 0], 0.8);
    let other = |change: &dyn Fn(&mut Cell)| {
        let mut b = cell("B", "nih", [1, 0], 0.7);
        change(&mut b);
        difference(&[&a], &[&b])
    };
    assert!(other(&|_| ()).is_some());
    assert!(other(&|b| b.seed = 2).is_none());
    assert!(other(&|b| b.division = 1).is_none());
    assert!(other(&|b| b.labels = 0.1).is_none());
    assert!(other(&|b| b.backbone = "resnet50".into()).is_none());
    assert!(other(&|b| b.target = "covid".into()).is_none());
    assert!(other(&|b| b.resampled.value = None).is_none());
    // A mean over targets counts each once in its unit, not each cell.
    let more = [cell("A", "covid", [1, 0], 0.6), cell("A", "nih", [2, 0], 0.6)];
    let found = mean([&a, &more[0], &more[1]]).unwrap();
    assert!((found.value - 0.65).abs() < 1e-12 && found.units == 2, "{found:?}");
    assert_eq!(mean([]), None);
}

#[test]
fn labels_with_few_positives_do_not_count() {
    let names = ["often", "seldom"].map(String::from);
    // 40 films: the first label is on every second one, the second on four. The scores know the first label well.
    let films = 40;
    let targets: Vec<f64> =
        (0..films).flat_map(|i| [f64::from(i % 2 == 0), f64::from(i % 10 == 0)]).collect();
    let score =
        |i: usize| [0.4 + 0.3 * f64::from(i.is_multiple_of(2)) + noise(i, i), noise(3, i) + 0.5];
    let probabilities: Vec<f64> = (0..films as usize).flat_map(score).collect();
    let predictions = Predictions {
        names: &names,
        probabilities: &probabilities,
        targets: Targets::Labels(&targets),
        patients: None,
        threshold: 0.5,
    };
    let scores = predictions.scores(Bootstrap { replicates: 50, seed: 4 }).unwrap();
    let auc = |name: &str| scores.measures.auc.get(name).unwrap().unwrap();
    let of = |least: u64| scores.resampled(least);
    assert_eq!((of(10).value, of(10).labels), (Some(auc("often")), 1));
    assert_eq!((of(4).value, of(4).labels), (scores.measures.mauc, 2));
    assert_eq!((of(100).value, of(100).labels), (None, 0));
    // The interval is that of the replicates.
    let ends = |values: &[Option<f64>]| {
        let mut all: Vec<f64> = values.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        [2.5, 97.5].map(|percent| percentile(&all, percent).unwrap())
    };
    let ci = &scores.ci.as_ref().unwrap().measures;
    assert_eq!(Some(ends(&of(4).replicates)), ci.mauc);
    assert_eq!(Some(ends(&of(10).replicates)), *ci.auc.get("often").unwrap());
}

#[test]
fn masks_and_boxes_are_resampled_by_their_main_figures() {
    use mtpret_pipeline::metrics::Confusion;
    let counts: Vec<Confusion> = (1..=12)
        .map(|i| Confusion { true_positive: i, false_positive: 12 - i, ..Confusion::default() })
        .collect();
    let settings = Bootstrap { replicates: 40, seed: 2 };
    let scores = MaskPredictions { counts: &counts, patients: None }.scores(settings).unwrap();
    let found = scores.resampled();
    assert_eq!((found.value, found.replicates.len()), (scores.measures.dice, 40));
    let dice = |times: &[u64]| {
        let all = counts.iter().zip(times);
        let sum: f64 = all.map(|(c, t)| c.dice().unwrap() * *t as f64).sum();
        vec![Some(sum / times.iter().sum::<u64>() as f64)]
    };
    let ends = bootstrap(counts.len(), None, settings, dice)[0].unwrap();
    let theirs = scores.ci.as_ref().unwrap().measures.dice.unwrap();
    assert!(ends.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12));

    let names = ["many", "one"].map(String::from);
    let bbox = [0.0, 0.0, 10.0, 10.0];
    let truth = |image| Truth { image, class: 0, bbox, crowd: false };
    let mut truths: Vec<Truth> = (0..12).map(truth).collect();
    truths.push(Truth { image: 0, class: 1, bbox, crowd: false });
    let detection = |image| Detection { image, class: 0, bbox, score: 0.9 - image as f64 / 100.0 };
    let detections: Vec<Detection> = (0..6).map(detection).collect();
    let predictions = BoxPredictions {
        names: &names,
        images: 12,
        truths: &truths,
        detections: &detections,
        patients: None,
    };
    let scores = predictions.scores(settings).unwrap();
    let many = scores.measures.per_class.get("many").unwrap().ap50;
    assert_eq!((scores.resampled(10).value, scores.resampled(10).labels), (many, 1));
    assert_eq!(scores.resampled(1).value, scores.measures.ap50);
    assert!(many.unwrap() > scores.measures.ap50.unwrap());
}
