//! Chart of an ablation: steps of a method and what each changes, as dots, and arrows from one to
//! another.

use super::{
    Anchor, BAND, Canvas, Estimate, GRID, INK, RULE, Rect, SOFT, axis::Axis, head_height, shorten,
};
use crate::report::fixed;

/// Step of a method: its name and its figure.
#[derive(Debug, Clone, PartialEq)]
pub struct AblationStep {
    /// Name of the step, such as an initialisation, or what was left out.
    pub name: String,
    /// The figure, `None` where there is none.
    pub estimate: Option<Estimate>,
    /// Index of the earlier step that it is compared with.
    pub from: Option<usize>,
}

/// Chart of steps' figures with arrows, as the paper's Fig. 4.
#[derive(Debug, Clone, PartialEq)]
pub struct AblationChart {
    /// Title above the picture.
    pub title: String,
    /// The vertical axis; more is better.
    pub axis: Axis,
    /// Steps from left to right.
    pub steps: Vec<AblationStep>,
    /// Number of places after the decimal point of figures and differences.
    pub decimals: usize,
}

const BETTER: &str = "#009e73";
const WORSE: &str = "#d55e00";
const KEYS: [&str; 2] = ["better", "worse"];
const PLOT: f64 = 250.0;
const FOOT: f64 = 84.0;
const MARGIN: f64 = 56.0;

pub(super) fn height(_: &AblationChart, width: f64) -> f64 {
    head_height(&KEYS, width) + 14.0 + PLOT + FOOT
}

pub(super) fn draw(chart: &AblationChart, canvas: &mut Canvas, place: Rect) {
    canvas.head(place, &chart.title, &KEYS, |canvas, s, [x, y]| {
        let (from, to) = if s == 0 { (y + 7.0, y - 7.0) } else { (y - 7.0, y + 7.0) };
        arrow(canvas, x + 8.0, from, to);
    });
    let y = place.y + head_height(&KEYS, place.width) + 14.0;
    let plot = Rect { x: place.x + MARGIN, y, width: place.width - MARGIN - 4.0, height: PLOT };
    let shown = |e: &Estimate| chart.axis.position(e.value).is_some();
    let positions = chart
        .steps
        .iter()
        .filter_map(|step| step.estimate.filter(shown))
        .flat_map(|e| e.interval.into_iter().flatten().chain([e.value]))
        .filter_map(|value| chart.axis.position(value));
    let Some(scale) = chart.axis.scale(positions, 5, true) else {
        canvas.rectangle(plot, BAND);
        let middle = [plot.x + plot.width / 2.0, plot.y + plot.height / 2.0];
        canvas.text(middle, Anchor::Middle, SOFT, "font-size=\"13\"", "no data");
        return;
    };
    for (position, text) in &scale.ticks {
        let at = plot.bottom() - plot.height * scale.fraction(*position);
        canvas.line([plot.x, at], [plot.right(), at], GRID, "");
        canvas.text([plot.x - 8.0, at + 4.0], Anchor::End, SOFT, "", text);
    }
    canvas.line([plot.x, plot.bottom()], [plot.right(), plot.bottom()], RULE, "");
    let at = [place.x + 12.0, plot.y + plot.height / 2.0];
    let rotated = format!("transform=\"rotate(-90 {:.1} {:.1})\"", at[0], at[1]);
    canvas.text(at, Anchor::Middle, SOFT, &rotated, &chart.axis.title);

    let width = plot.width / chart.steps.len().max(1) as f64;
    let to_x = |s: usize| plot.x + (s as f64 + 0.5) * width;
    let to_y = |value| {
        let at = scale.fraction(chart.axis.position(value)?).clamp(0.0, 1.0);
        Some(plot.bottom() - plot.height * at)
    };
    let placed: Vec<_> = chart
        .steps
        .iter()
        .map(|step| step.estimate.and_then(|e| Some((e, to_y(e.value)?))))
        .collect();
    for (s, step) in chart.steps.iter().enumerate() {
        let before = step.from.and_then(|from| Some((from, placed.get(from).copied()??)));
        let (Some((e, y)), Some((from, (old, level)))) = (placed[s], before) else { continue };
        let x = to_x(s) - width * 0.36;
        let style = "stroke-dasharray=\"3 3\"";
        canvas.line([to_x(from) + 8.0, level], [x, level], RULE, style);
        arrow(canvas, x, level, y);
        change(canvas, e.value - old.value, [x, level, y], chart.decimals);
    }
    for (s, (step, placed)) in chart.steps.iter().zip(&placed).enumerate() {
        name(canvas, &step.name, [to_x(s), plot.bottom() + 16.0]);
        let Some((e, y)) = placed else { continue };
        if let Some((low, high)) = e.interval.and_then(|[l, h]| Some((to_y(l)?, to_y(h)?))) {
            canvas.line([to_x(s), low], [to_x(s), high], INK, "stroke-width=\"1.4\"");
        }
        let text = fixed(e.value, chart.decimals);
        canvas.mark(0, [to_x(s), *y], 5.2, &format!("{}: {text}", step.name));
        // White about the figure, where a line passes behind it.
        let style = "font-size=\"12\" paint-order=\"stroke\" stroke=\"#ffffff\" stroke-width=\"4\"";
        canvas.text([to_x(s), y - 10.0], Anchor::Middle, INK, style, &text);
    }
}

/// Draws the difference beside a long arrow, or below a short one.
fn change(canvas: &mut Canvas, change: f64, [x, from, to]: [f64; 3], decimals: usize) {
    let sign = if change < 0.0 { "−" } else { "+" };
    let text = format!("{sign}{}", fixed(change.abs(), decimals));
    let colour = if change < 0.0 { WORSE } else { BETTER };
    let (at, anchor) = match (from - to).abs() > 44.0 {
        true => ([x + 6.0, (from + to) / 2.0 + 4.0], Anchor::Start),
        false => ([x, from.max(to) + 14.0], Anchor::Middle),
    };
    canvas.text(at, anchor, colour, "font-size=\"11\" font-weight=\"600\"", &text);
}

fn name(canvas: &mut Canvas, text: &str, at: [f64; 2]) {
    let style = format!("font-size=\"12\" transform=\"rotate(-32 {:.1} {:.1})\"", at[0], at[1]);
    canvas.text(at, Anchor::End, INK, &style, &shorten(text, 120.0, 12.0));
}

/// Draws an upright arrow, coloured by whether it points up.
fn arrow(canvas: &mut Canvas, x: f64, from: f64, to: f64) {
    let (colour, back) = if to <= from { (BETTER, 6.0) } else { (WORSE, -6.0) };
    canvas.line([x, from], [x, to], colour, "stroke-width=\"2\"");
    let head = [[x - 4.0, to + back], [x, to], [x + 4.0, to + back]];
    canvas.polyline(head.into_iter(), colour, "stroke-width=\"2\"");
}
