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
    assert_eq!((alone.value, alone.interval), (0.72, ends));
    assert_eq!((alone.seeds, alone.divisions, alone.targets), (1, 1, 1));
}

/// Cells of A that are better than those of B by so many points with each seed and division.
fn better(points: &[([u64; 2], f64)]) -> [Vec<Cell>; 2] {
    let one = points.iter().map(|(unit, points)| cell("A", "nih", *unit, 0.7 + points / 100.0));
    [one.collect(), points.iter().map(|(unit, _)| cell("B", "nih", *unit, 0.7)).collect()]
}

#[test]
fn seeds_are_drawn_and_few_of_them_are_known_to_vary_too_little() {
    let [one, other] = better(&[([1, 0], 1.0), ([2, 0], 2.0), ([3, 0], 3.0), ([4, 0], 6.0)]);
    let [a, b] = [&one, &other].map(|cells| cells.iter().collect::<Vec<_>>());
    let found = difference(&a, &b).unwrap();
    assert!((found.value - 0.03).abs() < 1e-12, "{found:?}");
    // The standard error of a mean of four of which nothing else is known: s / √4, s² = 14 / 3.
    let expected = (14.0_f64 / 3.0).sqrt() / 100.0 / 2.0;
    assert!((found.standard_error / expected - 1.0).abs() < 0.1, "{found:?}, {expected}");
    let [low, high] = found.interval;
    assert!((0.005..0.02).contains(&low) && (0.04..=0.065).contains(&high), "{found:?}");
    assert_eq!((found.seeds, found.divisions, found.targets), (4, 1, 1));
    // Turned round it has the other sign.
    let turned = difference(&b, &a).unwrap();
    assert!((turned.value + found.value).abs() < 1e-12);
    assert!((turned.interval[0] + high).abs() < 1e-12);
}

#[test]
fn what_a_division_does_is_not_made_surer_by_more_seeds() {
    let mut points = Vec::new();
    for seed in 1..=6 {
        points.extend([([seed, 0], 1.0), ([seed, 1], 3.0)]);
    }
    let [one, other] = better(&points);
    let [a, b] = [&one, &other].map(|cells| cells.iter().collect::<Vec<_>>());
    let found = difference(&a, &b).unwrap();
    // Two divisions two points apart: s / √2 with s² = 2, whatever the number of seeds.
    assert!((found.standard_error / 0.01 - 1.0).abs() < 0.07, "{found:?}");
    assert_eq!((found.seeds, found.divisions), (6, 2));
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
    // Of another test part, or over another number of labels.
    assert!(other(&|b| b.films = 11).is_none());
    assert!(other(&|b| b.resampled.labels = 2).is_none());
    // A seed that lacks one of the targets, as where a cell diverged, is left out.
    let more = [cell("A", "covid", [1, 0], 0.6), cell("A", "nih", [2, 0], 0.6)];
    let found = mean([&a, &more[0], &more[1]]).unwrap();
    assert!((found.value - 0.7).abs() < 1e-12, "{found:?}");
    assert_eq!((found.seeds, found.targets), (1, 2));
    assert_eq!(mean([]), None);
}

#[test]
fn labels_that_few_patients_have_or_lack_do_not_count() {
    let labels = ["often", "seldom"].map(String::from);
    // 40 films: the first label is on every second one, the second on four. The scores know the first label well.
    let films = 40;
    let targets: Vec<f64> =
        (0..films).flat_map(|i| [f64::from(i % 2 == 0), f64::from(i % 10 == 0)]).collect();
    let score =
        |i: usize| [0.4 + 0.3 * f64::from(i.is_multiple_of(2)) + noise(i, i), noise(3, i) + 0.5];
    let probabilities: Vec<f64> = (0..films as usize).flat_map(score).collect();
    let predictions = Predictions {
        names: &labels,
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
    // A draw without one of the labels has no figure: a mean over the other alone is one of something else.
    let undefined = of(4).replicates.iter().filter(|figure| figure.is_none()).count();
    let without = (0..50).filter(|at| scores.ci.as_ref().unwrap().draws[*at][1].is_none()).count();
    assert_eq!(undefined, without);
    // Twenty positive films of three patients are three.
    let names: Vec<String> =
        (0..films).map(|i| if i % 2 == 0 { i % 3 } else { i }.to_string()).collect();
    let few = Predictions { patients: Some(&names), ..predictions };
    let few = few.scores(Bootstrap { replicates: 0, seed: 4 }).unwrap();
    assert_eq!((few.resampled(10).labels, few.resampled(3).labels), (0, 2));
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
