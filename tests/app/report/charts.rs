//! ROC curves, upright groups and ablations.

use super::{NASTY, assert_finite, assert_well_formed, plain, texts};
use mtpret::report::chart::{
    AblationChart, AblationStep, Axis, Bar, BarChart, Curve, Estimate, Group, HeatMap, Histogram,
    IntervalChart, Matrix, Panel, Reference, UnitChart, svg,
};

fn estimate(value: f64) -> Estimate {
    Estimate { value, interval: Some([value - 0.05, value + 0.05]) }
}

fn roc(name: &str, points: Vec<[f64; 2]>) -> Panel {
    let band = points.iter().map(|[x, y]| [*x, y - 0.1, y + 0.1]).collect();
    let name = Curve::named(name, "AUC", estimate(0.9));
    let curve = Curve { name, points, band, marked: false };
    Panel::Unit(UnitChart::roc("ROC", vec![curve]))
}

fn columns(name: &str, estimates: Vec<Option<Estimate>>) -> Panel {
    Panel::Columns(IntervalChart {
        title: "AUC of each disease".into(),
        axis: Axis::linear("AUC"),
        series: vec!["Scratch".into(), "MTPret".into()],
        groups: vec![Group { name: name.into(), estimates }],
    })
}

fn bars(bars: &[(&str, f64)]) -> Panel {
    let bar = |&(name, value): &(&str, f64)| Bar { name: name.into(), value, text: name.into() };
    Panel::Bars(BarChart {
        title: "Time".into(),
        bars: bars.iter().map(bar).collect(),
        whole: None,
    })
}

fn histogram(values: Vec<f64>) -> Panel {
    let [title, axis, counted] = ["Dice", "Dice", "films"].map(String::from);
    Panel::Histogram(Histogram { title, axis, counted, series: vec![("a".into(), values)] })
}

fn ablation(steps: &[(&str, Option<f64>, Option<usize>)]) -> Panel {
    let step = |&(name, value, from): &(&str, Option<f64>, Option<usize>)| AblationStep {
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
fn points_of_calibration_are_marks_with_whiskers() {
    let points = vec![[0.1, 0.2], [0.9, 0.8]];
    let band = points.iter().map(|[x, y]| [*x, y - 0.1, y + 0.1]).collect();
    let curve = Curve { name: "MTPret".into(), points, band, marked: true };
    let axes = ["said".into(), "true".into()];
    let (title, reference) = ("Calibration".into(), Reference::Level(0.4));
    let panel = Panel::Unit(UnitChart { title, axes, reference, curves: vec![curve] });
    let picture = svg(&[panel], 2);
    assert_well_formed(&picture);
    // Two marks and the legend's; whiskers in place of an area; a level in place of the diagonal.
    assert_eq!(picture.matches("<circle").count(), 3);
    assert_eq!(picture.matches("<polygon").count(), 0);
    let dashed = picture.lines().find(|line| line.contains("stroke-dasharray")).unwrap();
    let at =
        |name: &str| dashed.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(at("y1"), at("y2"));
}

#[test]
fn histograms_bars_and_matrices_show_their_numbers() {
    let histogram = Histogram {
        title: "Dice of each film".into(),
        axis: "Dice".into(),
        counted: "films".into(),
        series: vec![("MTPret".into(), vec![0.91, 0.93, 0.31, 1.0, f64::NAN])],
    };
    let bar = |name: &str, value| Bar { name: name.into(), value, text: format!("{value} s") };
    let bars = BarChart {
        title: "Time".into(),
        bars: vec![bar("training", 3.0), bar("saving", 1.5)],
        whole: None,
    };
    let matrix = Matrix {
        title: "Confusion".into(),
        names: vec!["normal".into(), "pneumonia".into()],
        counts: vec![vec![30, 10], vec![0, 60]],
    };
    let heat = HeatMap {
        title: "Figures after each visit".into(),
        across: "visit".into(),
        rows: vec!["pneumonia".into(), "lungs".into()],
        columns: vec![("1".into(), Some(0)), ("2".into(), Some(1)), ("3".into(), None)],
        values: vec![vec![Some(0.9), Some(0.8), None], vec![Some(0.7), Some(f64::NAN), Some(0.7)]],
    };
    let map = svg(&[Panel::Heat(heat.clone())], 1);
    assert_eq!(map.matches("<title>0.").count(), 4, "a cell for each figure that is known");
    assert_eq!(
        map.matches("stroke-width=\"2\"").count(),
        1,
        "the visited task of a figure is marked"
    );
    let bare = HeatMap { rows: vec![], columns: vec![], values: vec![], ..heat.clone() };
    let many = HeatMap { columns: vec![("x".into(), Some(0)); 400], ..heat.clone() };
    let pictures = [
        svg(&[Panel::Histogram(histogram)], 2),
        svg(&[Panel::Bars(bars)], 2),
        svg(&[Panel::Matrix(matrix)], 2),
        map,
        svg(&[Panel::Heat(bare)], 1),
        svg(&[Panel::Heat(many)], 2),
    ];
    for picture in &pictures {
        assert_well_formed(picture);
        assert_finite(picture);
    }
    // Two films share a bin; with paper and the legend's sample that is three bars more.
    assert_eq!(pictures[0].matches("<rect").count(), 5);
    let texts_of: Vec<Vec<&str>> = pictures.iter().map(|p| texts(p)).collect();
    assert!(texts_of[1].contains(&"3 s") && texts_of[1].contains(&"saving"));
    for text in ["30", "25 %", "0 %", "100 %", "normal", "pneumonia"] {
        assert!(texts_of[2].contains(&text), "{text} is not among {:?}", texts_of[2]);
    }
}

#[test]
fn charts_of_odd_numbers_and_names_stay_well_formed() {
    let nothing = [
        svg(&[columns("task", vec![None, None])], 1),
        svg(&[columns("task", vec![Some(estimate(f64::NAN))])], 1),
        svg(&[ablation(&[])], 1),
        svg(&[ablation(&[("a", Some(f64::NAN), None)])], 1),
        svg(&[bars(&[("a", f64::NAN), ("b", -1.0)])], 1),
        svg(&[bars(&[])], 1),
        svg(&[histogram(vec![f64::NAN])], 1),
    ];
    assert!(nothing.iter().all(|picture| picture.contains(">no data</text>")));
    let odd = [
        svg(&[roc(NASTY, vec![[f64::NAN, 0.5], [0.5, f64::INFINITY]])], 1),
        svg(&[roc("empty", vec![])], 1),
        svg(&[bars(&[(NASTY, f64::INFINITY), ("b", 1.0)])], 4),
        svg(&[histogram(vec![-3.0, 1e300, 0.5])], 4),
        svg(&[Panel::Matrix(Matrix { title: NASTY.into(), names: vec![], counts: vec![] })], 1),
        svg(
            &[Panel::Matrix(Matrix {
                title: "m".into(),
                names: vec![NASTY.into()],
                counts: vec![vec![u64::MAX / 2]],
            })],
            4,
        ),
        svg(&[columns(NASTY, vec![Some(estimate(1e299)), Some(estimate(-1e-310))])], 1),
        svg(&[ablation(&[(NASTY, Some(1.0), Some(7)), ("b", Some(1.0), Some(1))])], 1),
    ];
    for picture in odd.iter().chain(&nothing) {
        assert_well_formed(picture);
        assert_finite(picture);
    }
}

#[test]
fn steps_and_epochs_have_no_decimals_but_those_that_tell_them_apart() {
    let epoch = svg(&[plain(vec![("a", vec![[1.0, 0.5]])])], 1);
    assert!(texts(&epoch).contains(&"1") && !texts(&epoch).contains(&"1.00"), "{epoch}");
    let long = svg(&[plain(vec![("a", vec![[0.0, 1.0], [1.5e6, 0.5]])])], 1);
    for text in ["0.5×10⁶", "1.0×10⁶", "1.5×10⁶"] {
        assert!(texts(&long).contains(&text), "{text} is not among {:?}", texts(&long));
    }
}
