//! ROC curves, upright groups and ablations.

use super::{NASTY, assert_finite, assert_well_formed, texts};
use mtpret::report::chart::{
    AblationChart, Axis, Estimate, Group, IntervalChart, Panel, RocChart, RocCurve, Step, svg,
};

fn estimate(value: f64) -> Estimate {
    Estimate { value, interval: Some([value - 0.05, value + 0.05]) }
}

fn roc(name: &str, points: Vec<[f64; 2]>) -> Panel {
    let band = points.iter().map(|[x, y]| [*x, y - 0.1, y + 0.1]).collect();
    let curve = RocCurve { name: name.into(), auc: estimate(0.9), points, band };
    Panel::Roc(RocChart { title: "ROC".into(), curves: vec![curve] })
}

fn columns(name: &str, estimates: Vec<Option<Estimate>>) -> Panel {
    Panel::Columns(IntervalChart {
        title: "AUC of each disease".into(),
        axis: Axis::linear("AUC"),
        series: vec!["Scratch".into(), "MTPret".into()],
        groups: vec![Group { name: name.into(), estimates }],
    })
}

fn ablation(steps: &[(&str, Option<f64>, Option<usize>)]) -> Panel {
    let step = |&(name, value, from): &(&str, Option<f64>, Option<usize>)| Step {
        name: name.into(),
        estimate: value.map(|value| Estimate { value, interval: None }),
        from,
    };
    Panel::Ablation(AblationChart {
        title: "MURA".into(),
        axis: Axis::linear("AUC, %"),
        steps: steps.iter().map(step).collect(),
        decimals: 2,
    })
}

#[test]
fn a_roc_curve_names_its_area_and_lies_over_its_band() {
    let picture = svg(&[roc("Pneumonia", vec![[0.0, 0.0], [0.1, 0.8], [1.0, 1.0]])], 2);
    assert_well_formed(&picture);
    assert_finite(&picture);
    assert!(texts(&picture).contains(&"Pneumonia, AUC 0.900 (0.850–0.950)"));
    assert_eq!(picture.matches("fill-opacity").count(), 1);
    let (band, line) = (picture.find("fill-opacity").unwrap(), picture.find("<polyline").unwrap());
    assert!(band < line);
    // A band is cut at the square's edges rather than drawn beyond them.
    let corners = picture[..band].rsplit("points=\"").next().unwrap().split('"').next().unwrap();
    let heights = corners.split(' ').map(|c| c.split(',').nth(1).unwrap().parse::<f64>().unwrap());
    let lowest = heights.fold(f64::MIN, f64::max);
    assert!(picture.contains(&format!("y1=\"{lowest:.1}\"")), "the band ends at the axis");
}

#[test]
fn upright_groups_show_each_series_and_leave_gaps_where_there_is_no_figure() {
    let picture = svg(&[columns("Hernia", vec![Some(estimate(0.7)), None])], 1);
    assert_well_formed(&picture);
    let texts = texts(&picture);
    for text in ["Hernia", "Scratch", "MTPret", "AUC"] {
        assert!(texts.contains(&text), "{text} is not among {texts:?}");
    }
    assert!(picture.contains("Hernia, Scratch: 0.700</title>"));
    assert!(!picture.contains("Hernia, MTPret"));
}

#[test]
fn an_ablation_says_what_each_step_changes_and_in_which_direction() {
    let steps = [
        ("Scratch", Some(86.66), None),
        ("MD-MoCo", Some(88.29), Some(0)),
        ("MTPret--", Some(88.04), Some(1)),
        ("MTPret", None, Some(2)),
    ];
    let picture = svg(&[ablation(&steps)], 1);
    assert_well_formed(&picture);
    assert_finite(&picture);
    let texts = texts(&picture);
    for text in ["better", "worse", "86.66", "+1.63", "−0.25", "MTPret"] {
        assert!(texts.contains(&text), "{text} is not among {texts:?}");
    }
    // One arrow of each colour in the legend, and one for each change.
    assert_eq!(picture.matches("<polyline").count(), 4);
}

#[test]
fn charts_of_odd_numbers_and_names_stay_well_formed() {
    let nothing = [
        svg(&[columns("task", vec![None, None])], 1),
        svg(&[columns("task", vec![Some(estimate(f64::NAN))])], 1),
        svg(&[ablation(&[])], 1),
        svg(&[ablation(&[("a", Some(f64::NAN), None)])], 1),
    ];
    assert!(nothing.iter().all(|picture| picture.contains(">no data</text>")));
    let odd = [
        svg(&[roc(NASTY, vec![[f64::NAN, 0.5], [0.5, f64::INFINITY]])], 1),
        svg(&[roc("empty", vec![])], 1),
        svg(&[columns(NASTY, vec![Some(estimate(1e299)), Some(estimate(-1e-310))])], 1),
        svg(&[ablation(&[(NASTY, Some(1.0), Some(7)), ("b", Some(1.0), Some(1))])], 1),
    ];
    for picture in odd.iter().chain(&nothing) {
        assert_well_formed(picture);
        assert_finite(picture);
    }
}
