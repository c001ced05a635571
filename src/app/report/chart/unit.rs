//! Chart of curves in a unit square: ROC, precision over recall, calibration.

use super::{Anchor, Canvas, Estimate, GRID, RULE, Rect, SOFT, axis::Axis, colour, head_height};
use crate::report::fixed;

/// Curve in a unit square.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name of the curve, such as a label or an initialisation, with its figure where it has one:
    /// [`Curve::named`].
    pub name: String,
    /// Points `[x, y]` by rising x.
    pub points: Vec<[f64; 2]>,
    /// Band of a 95 % interval, `[x, lowest, highest y]`; may be empty.
    pub band: Vec<[f64; 3]>,
    /// Whether each point has a mark, and its band is a whisker: points that are few.
    pub marked: bool,
}

impl Curve {
    /// A name with a figure and its interval: `MTPret, AUC 0.912 (0.894–0.929)`.
    #[must_use]
    pub fn named(name: &str, figure: &str, estimate: Estimate) -> String {
        let value = fixed(estimate.value, 3);
        match estimate.interval {
            Some([low, high]) => {
                format!("{name}, {figure} {value} ({}–{})", fixed(low, 3), fixed(high, 3))
            }
            None => format!("{name}, {figure} {value}"),
        }
    }
}

/// Reference that the curves are held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reference {
    /// The diagonal: chance of a ROC curve, truth of probabilities.
    Diagonal,
    /// A level: precision of calling everything positive.
    Level(f64),
    /// No reference.
    None,
}

/// Chart of curves in a square whose axes reach from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitChart {
    /// Title above the picture.
    pub title: String,
    /// The horizontal and the vertical quantity.
    pub axes: [String; 2],
    /// Reference, drawn as a dashed line.
    pub reference: Reference,
    /// The curves.
    pub curves: Vec<Curve>,
}

impl UnitChart {
    /// A chart of ROC curves.
    pub fn roc(title: impl Into<String>, curves: Vec<Curve>) -> Self {
        let axes = ["1 − specificity".into(), "sensitivity".into()];
        Self { title: title.into(), axes, reference: Reference::Diagonal, curves }
    }
}

/// Width left of the square: ticks and the axis' title.
const MARGIN: f64 = 52.0;
/// Height below the square.
const FOOT: f64 = 46.0;

fn names(chart: &UnitChart) -> Vec<&str> {
    chart.curves.iter().map(|curve| curve.name.as_str()).collect()
}

fn side(width: f64) -> f64 {
    (width - MARGIN - 12.0).clamp(120.0, 440.0)
}

pub(super) fn height(chart: &UnitChart, width: f64) -> f64 {
    head_height(&names(chart), width) + 8.0 + side(width) + FOOT
}

pub(super) fn draw(chart: &UnitChart, canvas: &mut Canvas, place: Rect) {
    let names = names(chart);
    canvas.head(place, &chart.title, &names, |canvas, s, [x, y]| {
        canvas.line([x, y], [x + 16.0, y], colour(s), "stroke-width=\"3\"");
        if chart.curves[s].marked {
            canvas.mark(s, [x + 8.0, y], 4.0, "");
        }
    });
    let side = side(place.width);
    let y = place.y + head_height(&names, place.width) + 8.0;
    let plot = Rect { x: place.x + MARGIN, y, width: side, height: side };
    let to_place = |[x, y]: [f64; 2]| {
        [plot.x + plot.width * x.clamp(0.0, 1.0), plot.bottom() - plot.height * y.clamp(0.0, 1.0)]
    };
    let ticks = Axis::linear("").scale([0.0, 1.0].into_iter(), 5, true).map(|s| s.ticks);
    for (tick, text) in ticks.into_iter().flatten() {
        canvas.line(to_place([0.0, tick]), to_place([1.0, tick]), GRID, "");
        canvas.line(to_place([tick, 0.0]), to_place([tick, 1.0]), GRID, "");
        let [x, y] = to_place([0.0, tick]);
        canvas.text([x - 8.0, y + 4.0], Anchor::End, SOFT, "", &text);
        let [x, y] = to_place([tick, 0.0]);
        canvas.text([x, y + 17.0], Anchor::Middle, SOFT, "", &text);
    }
    let ends = match chart.reference {
        Reference::Diagonal => Some([[0.0, 0.0], [1.0, 1.0]]),
        Reference::Level(level) => Some([[0.0, level], [1.0, level]]),
        Reference::None => None,
    };
    if let Some([from, to]) = ends {
        canvas.line(to_place(from), to_place(to), RULE, "stroke-dasharray=\"4 4\"");
    }
    for (s, curve) in chart.curves.iter().enumerate() {
        draw_curve(canvas, s, curve, to_place);
    }
    canvas.line(to_place([0.0, 0.0]), to_place([1.0, 0.0]), RULE, "");
    canvas.line(to_place([0.0, 0.0]), to_place([0.0, 1.0]), RULE, "");
    let [middle, bottom] = to_place([0.5, 0.0]);
    canvas.text([middle, bottom + 36.0], Anchor::Middle, SOFT, "", &chart.axes[0]);
    let at = [place.x + 12.0, plot.y + plot.height / 2.0];
    let rotated = format!("transform=\"rotate(-90 {:.1} {:.1})\"", at[0], at[1]);
    canvas.text(at, Anchor::Middle, SOFT, &rotated, &chart.axes[1]);
}

fn draw_curve(
    canvas: &mut Canvas,
    s: usize,
    curve: &Curve,
    to_place: impl Fn([f64; 2]) -> [f64; 2] + Copy,
) {
    let finite = |values: &[f64]| values.iter().all(|v| v.is_finite());
    let band = || curve.band.iter().filter(|b| finite(&b[..]));
    if curve.marked {
        for &[x, low, high] in band() {
            let style = "stroke-width=\"1.4\" stroke-opacity=\"0.6\"";
            canvas.line(to_place([x, low]), to_place([x, high]), colour(s), style);
        }
    } else {
        let below = band().rev().map(|&[x, low, _]| to_place([x, low]));
        canvas.area(band().map(|&[x, _, high]| to_place([x, high])).chain(below), colour(s));
    }
    let points = || curve.points.iter().filter(|p| finite(&p[..]));
    canvas.polyline(points().map(|&p| to_place(p)), colour(s), "stroke-width=\"2.2\"");
    for &[x, y] in points().filter(|_| curve.marked) {
        canvas.mark(s, to_place([x, y]), 4.2, &format!("{}: {x:.3}, {y:.3}", curve.name));
    }
}
