//! Chart of dots with whiskers in upright groups, such as the AUC of each disease, by
//! initialisation.

use super::{
    Anchor, BAND, Canvas, Estimate, GRID, INK, IntervalChart, RULE, Rect, SOFT, colour,
    head_height, shorten,
};
use crate::report::fixed;

/// Height of the plot.
const PLOT: f64 = 300.0;
/// Height below the plot: names of groups, written aslant.
const FOOT: f64 = 92.0;
/// Width left of the plot.
const MARGIN: f64 = 56.0;

fn names(chart: &IntervalChart) -> Vec<&str> {
    chart.series.iter().map(String::as_str).collect()
}

pub(super) fn height(chart: &IntervalChart, width: f64) -> f64 {
    head_height(&names(chart), width) + 12.0 + PLOT + FOOT
}

pub(super) fn draw(chart: &IntervalChart, canvas: &mut Canvas, place: Rect) {
    let names = names(chart);
    canvas.head(place, &chart.title, &names, |canvas, s, [x, y]| {
        canvas.mark(s, [x + 8.0, y], 4.6, "");
    });
    let y = place.y + head_height(&names, place.width) + 12.0;
    let plot = Rect { x: place.x + MARGIN, y, width: place.width - MARGIN - 4.0, height: PLOT };
    let known = chart.groups.iter().flat_map(|g| g.estimates.iter().take(names.len()).flatten());
    let positions = known
        .filter(|e| chart.axis.position(e.value).is_some())
        .flat_map(|e| e.interval.into_iter().flatten().chain([e.value]))
        .filter_map(|value| chart.axis.position(value));
    let Some(scale) = chart.axis.scale(positions, 6, true) else {
        canvas.rectangle(plot, BAND);
        let middle = [plot.x + plot.width / 2.0, plot.y + plot.height / 2.0];
        canvas.text(middle, Anchor::Middle, SOFT, "font-size=\"13\"", "no data");
        return;
    };
    let to_y = |value| {
        let at = scale.fraction(chart.axis.position(value)?).clamp(0.0, 1.0);
        Some(plot.bottom() - plot.height * at)
    };
    let group = plot.width / chart.groups.len().max(1) as f64;
    for (g, it) in chart.groups.iter().enumerate() {
        let x = plot.x + g as f64 * group;
        if g % 2 == 0 {
            canvas.rectangle(Rect { x, width: group, ..plot }, BAND);
        }
        let at = [x + group / 2.0 + 4.0, plot.bottom() + 16.0];
        let style = format!("font-size=\"12\" transform=\"rotate(-32 {:.1} {:.1})\"", at[0], at[1]);
        canvas.text(at, Anchor::End, INK, &style, &shorten(&it.name, 130.0, 12.0));
    }
    for (position, text) in &scale.ticks {
        let at = plot.bottom() - plot.height * scale.fraction(*position);
        canvas.line([plot.x, at], [plot.right(), at], GRID, "");
        canvas.text([plot.x - 8.0, at + 4.0], Anchor::End, SOFT, "", text);
    }
    canvas.line([plot.x, plot.bottom()], [plot.right(), plot.bottom()], RULE, "");
    let at = [place.x + 12.0, plot.y + plot.height / 2.0];
    let rotated = format!("transform=\"rotate(-90 {:.1} {:.1})\"", at[0], at[1]);
    canvas.text(at, Anchor::Middle, SOFT, &rotated, &chart.axis.title);

    let step = (group - 8.0).max(1.0) / names.len().max(1) as f64;
    let radius = (step * 0.42).clamp(1.6, 4.6);
    for (g, it) in chart.groups.iter().enumerate() {
        for (s, estimate) in it.estimates.iter().take(names.len()).enumerate() {
            let Some((e, y)) = estimate.and_then(|e| Some((e, to_y(e.value)?))) else { continue };
            let x = plot.x + g as f64 * group + 4.0 + (s as f64 + 0.5) * step;
            whisker(canvas, s, &e, x, to_y);
            let hint = format!("{}, {}: {}", it.name, names[s], fixed(e.value, 3));
            canvas.mark(s, [x, y], radius, &hint);
        }
    }
}

/// Draws the line from one end of an interval to the other.
fn whisker(
    canvas: &mut Canvas,
    series: usize,
    estimate: &Estimate,
    x: f64,
    to_y: impl Fn(f64) -> Option<f64>,
) {
    let ends = estimate.interval.and_then(|[low, high]| Some((to_y(low)?, to_y(high)?)));
    if let Some((low, high)) = ends {
        let style = "stroke-width=\"1.4\" stroke-opacity=\"0.6\"";
        canvas.line([x, low], [x, high], colour(series), style);
    }
}
