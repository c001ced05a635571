//! Chart of dots with whiskers, one row per series within a band per group.

use super::{
    Anchor, BAND, Canvas, Estimate, GRID, INK, IntervalChart, RULE, Rect, SOFT, colour,
    head_height, shorten, text_width,
};
use crate::report::fixed;

/// Height of one dot's row.
const ROW: f64 = 16.0;
/// Height above and below the rows of a group.
const PAD: f64 = 7.0;
/// Height below the last group: ticks and the axis' title.
const FOOT: f64 = 40.0;
/// Width beside a dot: its figures.
const FIGURES: f64 = 128.0;

fn names(chart: &IntervalChart) -> Vec<&str> {
    chart.series.iter().map(String::as_str).collect()
}

fn band(chart: &IntervalChart) -> f64 {
    chart.series.len().max(1) as f64 * ROW + 2.0 * PAD
}

pub(super) fn height(chart: &IntervalChart, width: f64) -> f64 {
    head_height(&names(chart), width) + chart.groups.len().max(1) as f64 * band(chart) + FOOT
}

pub(super) fn draw(chart: &IntervalChart, canvas: &mut Canvas, place: Rect) {
    let names = names(chart);
    canvas.head(place, &chart.title, &names, |canvas, s, [x, y]| {
        whisker(canvas, s, [x, x + 8.0, x + 16.0], y, "");
    });
    let top = place.y + head_height(&names, place.width);
    let longest = chart.groups.iter().map(|g| text_width(&g.name, 12.0)).fold(0.0, f64::max);
    let margin = longest.min(place.width * 0.3) + 24.0;
    let plot = Rect {
        x: place.x + margin,
        y: top,
        width: (place.width - margin - FIGURES).max(40.0),
        height: chart.groups.len().max(1) as f64 * band(chart),
    };
    for (g, group) in chart.groups.iter().enumerate() {
        let y = top + g as f64 * band(chart);
        if g % 2 == 0 {
            canvas.rectangle(Rect { y, height: band(chart), ..place }, BAND);
        }
        let name = shorten(&group.name, margin - 24.0, 12.0);
        let at = [place.x + 10.0, y + band(chart) / 2.0 + 4.0];
        canvas.text(at, Anchor::Start, INK, "font-size=\"12\"", &name);
    }
    let shown = |e: &Estimate| chart.axis.position(e.value).is_some();
    let estimates =
        chart.groups.iter().flat_map(|g| g.estimates.iter().flatten()).filter(|e| shown(e));
    let positions = estimates
        .flat_map(|e| e.interval.into_iter().flatten().chain([e.value]))
        .filter_map(|value| chart.axis.position(value));
    let Some(scale) = chart.axis.scale(positions, (plot.width / 80.0) as usize, true) else {
        let middle = [plot.x + plot.width / 2.0, plot.y + plot.height / 2.0 + 4.0];
        canvas.text(middle, Anchor::Middle, SOFT, "font-size=\"13\"", "no data");
        return;
    };
    for (position, text) in &scale.ticks {
        let at = plot.x + plot.width * scale.fraction(*position);
        canvas.line([at, plot.y], [at, plot.bottom()], GRID, "");
        canvas.text([at, plot.bottom() + 17.0], Anchor::Middle, SOFT, "", text);
    }
    canvas.line([plot.x, plot.bottom()], [plot.right(), plot.bottom()], RULE, "");
    let title = [plot.x + plot.width / 2.0, plot.bottom() + 34.0];
    canvas.text(title, Anchor::Middle, SOFT, "", &chart.axis.title);

    let to_x = |value| {
        Some(plot.x + plot.width * scale.fraction(chart.axis.position(value)?).clamp(0.0, 1.0))
    };
    for (g, group) in chart.groups.iter().enumerate() {
        for (s, estimate) in group.estimates.iter().take(names.len()).enumerate() {
            let y = top + g as f64 * band(chart) + PAD + (s as f64 + 0.5) * ROW;
            let Some((estimate, x)) = estimate.and_then(|e| Some((e, to_x(e.value)?))) else {
                continue;
            };
            let ends = estimate.interval.and_then(|[low, high]| Some((to_x(low)?, to_x(high)?)));
            let (low, high) = ends.unwrap_or((x, x));
            let text = figures(&estimate);
            let hint = format!("{}, {}: {text}", group.name, names[s]);
            whisker(canvas, s, [low, x, high], y, &hint);
            let style = "font-variant-numeric=\"tabular-nums\"";
            canvas.text([place.right() - 6.0, y + 4.0], Anchor::End, SOFT, style, &text);
        }
    }
}

fn figures(estimate: &Estimate) -> String {
    match estimate.interval {
        Some([low, high]) => {
            format!("{} ({}–{})", fixed(estimate.value, 3), fixed(low, 3), fixed(high, 3))
        }
        None => fixed(estimate.value, 3),
    }
}

/// Draws a dot at the middle x between the ends of its interval.
fn whisker(canvas: &mut Canvas, series: usize, [low, x, high]: [f64; 3], y: f64, hint: &str) {
    if high > low {
        canvas.line([low, y], [high, y], colour(series), "stroke-width=\"2\"");
        for end in [low, high] {
            canvas.line([end, y - 3.5], [end, y + 3.5], colour(series), "stroke-width=\"2\"");
        }
    }
    canvas.mark(series, [x, y], 4.6, hint);
}
