//! ROC curves with the band that resampling gives them.

use super::axis::Axis;
use super::{Anchor, Canvas, Estimate, GRID, Place, RULE, SOFT, colour, head_height};
use crate::report::fixed;

/// A label's curve.
#[derive(Debug, Clone, PartialEq)]
pub struct RocCurve {
    /// Such as a label or an initialisation.
    pub name: String,
    /// The area below.
    pub auc: Estimate,
    /// `[1 − specificity, sensitivity]` by rising 1 − specificity.
    pub points: Vec<[f64; 2]>,
    /// `[1 − specificity, lowest, highest sensitivity]` of a 95 % interval; may be empty.
    pub band: Vec<[f64; 3]>,
}

/// ROC curves in a square.
#[derive(Debug, Clone, PartialEq)]
pub struct RocChart {
    /// Above the picture.
    pub title: String,
    /// The curves.
    pub curves: Vec<RocCurve>,
}

/// Left of the square: ticks and the axis' title.
const MARGIN: f64 = 52.0;
/// Below it.
const FOOT: f64 = 46.0;

fn names(chart: &RocChart) -> Vec<String> {
    let auc = |e: &Estimate| match e.interval {
        Some([low, high]) => {
            format!("{} ({}–{})", fixed(e.value, 3), fixed(low, 3), fixed(high, 3))
        }
        None => fixed(e.value, 3),
    };
    chart.curves.iter().map(|c| format!("{}, AUC {}", c.name, auc(&c.auc))).collect()
}

fn side(width: f64) -> f64 {
    (width - MARGIN - 12.0).clamp(120.0, 440.0)
}

pub(super) fn height(chart: &RocChart, width: f64) -> f64 {
    let names = names(chart);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    head_height(&names, width) + 8.0 + side(width) + FOOT
}

pub(super) fn draw(chart: &RocChart, canvas: &mut Canvas, place: Place) {
    let names = names(chart);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    canvas.head(place, &chart.title, &names, |canvas, s, [x, y]| {
        canvas.line([x, y], [x + 16.0, y], colour(s), "stroke-width=\"3\"");
    });
    let side = side(place.width);
    let y = place.y + head_height(&names, place.width) + 8.0;
    let plot = Place { x: place.x + MARGIN, y, width: side, height: side };
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
    canvas.line(to_place([0.0, 0.0]), to_place([1.0, 1.0]), RULE, "stroke-dasharray=\"4 4\"");
    for (s, curve) in chart.curves.iter().enumerate() {
        let finite = |values: &[f64]| values.iter().all(|v| v.is_finite());
        let band = || curve.band.iter().filter(|b| finite(&b[..]));
        let below = band().rev().map(|&[x, low, _]| to_place([x, low]));
        canvas.area(band().map(|&[x, _, high]| to_place([x, high])).chain(below), colour(s));
        let points = curve.points.iter().filter(|p| finite(&p[..])).map(|&p| to_place(p));
        canvas.polyline(points, colour(s), "stroke-width=\"2.2\"");
    }
    canvas.line(to_place([0.0, 0.0]), to_place([1.0, 0.0]), RULE, "");
    canvas.line(to_place([0.0, 0.0]), to_place([0.0, 1.0]), RULE, "");
    let [middle, bottom] = to_place([0.5, 0.0]);
    canvas.text([middle, bottom + 36.0], Anchor::Middle, SOFT, "", "1 − specificity");
    let at = [place.x + 12.0, plot.y + plot.height / 2.0];
    let turned = format!("transform=\"rotate(-90 {:.1} {:.1})\"", at[0], at[1]);
    canvas.text(at, Anchor::Middle, SOFT, &turned, "sensitivity");
}
