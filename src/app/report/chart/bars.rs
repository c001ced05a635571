//! Bar chart: lengths with a name each, such as seconds by kernel.

use super::{Anchor, Canvas, GRID, INK, Rect, SOFT, colour, head_height, shorten, text_width};

/// Bar of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Name, left of the bar.
    pub name: String,
    /// Length of the bar, 0 or more.
    pub value: f64,
    /// Text, right of the bar.
    pub text: String,
}

/// Chart of bars below one another.
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    /// Title above the picture.
    pub title: String,
    /// Bars from top to bottom.
    pub bars: Vec<Bar>,
    /// Value that the whole width stands for [default: the longest bar].
    pub whole: Option<f64>,
}

/// Height of a bar's row, and of the bar.
const ROW: f64 = 24.0;
const BAR: f64 = 12.0;

pub(super) fn height(chart: &BarChart, _: f64) -> f64 {
    head_height(&[], 0.0) + chart.bars.len().max(1) as f64 * ROW + 8.0
}

pub(super) fn draw(chart: &BarChart, canvas: &mut Canvas, place: Rect) {
    canvas.head(place, &chart.title, &[], |_, _, _| {});
    let top = place.y + head_height(&[], place.width);
    let widest = |text: fn(&Bar) -> &str, size| {
        chart.bars.iter().map(|bar| text_width(text(bar), size)).fold(0.0, f64::max)
    };
    let left = widest(|bar| &bar.name, 12.0).min(place.width * 0.4) + 10.0;
    let right = widest(|bar| &bar.text, 11.0).min(place.width * 0.3) + 10.0;
    let room = (place.width - left - right).max(20.0);
    let longest = chart.bars.iter().map(|bar| bar.value).filter(|v| v.is_finite());
    let most = chart.whole.unwrap_or(longest.fold(0.0, f64::max));
    if most <= 0.0 {
        let at = [place.x + place.width / 2.0, top + ROW / 2.0 + 4.0];
        canvas.text(at, Anchor::Middle, SOFT, "font-size=\"13\"", "no data");
        return;
    }
    for (b, bar) in chart.bars.iter().enumerate() {
        let y = top + b as f64 * ROW;
        let name = shorten(&bar.name, left - 10.0, 12.0);
        let baseline = y + ROW / 2.0 + 4.0;
        canvas.text([place.x, baseline], Anchor::Start, INK, "font-size=\"12\"", &name);
        let whole = Rect { x: place.x + left, y: y + (ROW - BAR) / 2.0, width: room, height: BAR };
        canvas.rectangle(whole, GRID);
        let share = if bar.value.is_finite() { (bar.value / most).clamp(0.0, 1.0) } else { 0.0 };
        canvas.rectangle(Rect { width: (room * share).max(1.0), ..whole }, colour(0));
        let style = "font-variant-numeric=\"tabular-nums\"";
        canvas.text([place.right(), baseline], Anchor::End, SOFT, style, &bar.text);
    }
}
