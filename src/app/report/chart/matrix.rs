//! Confusion matrix: what is true against what was said.

use super::{Anchor, Canvas, INK, Rect, SOFT, head_height, shorten, text_width};

/// Confusion matrix: counts by row (what is true) and column (what was said).
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Title above the picture.
    pub title: String,
    /// Names of the classes, of rows and of columns.
    pub names: Vec<String>,
    /// Counts, a row for each class.
    pub counts: Vec<Vec<u64>>,
}

/// The ink of a full cell, and how much of it there is at most, so that its number can be read.
const FULL: &str = super::COLOURS[0];
const MOST: f64 = 0.55;
/// Height above the cells: what columns are, and their names.
const HEAD: f64 = 44.0;

struct MatrixLayout {
    /// Width of the names of rows.
    left: f64,
    cell: [f64; 2],
}

fn layout(chart: &Matrix, width: f64) -> MatrixLayout {
    let widest = chart.names.iter().map(|name| text_width(name, 12.0)).fold(0.0, f64::max);
    let left = widest.min(width * 0.35) + 34.0;
    let count = chart.names.len().max(1) as f64;
    let across = ((width - left) / count).clamp(18.0, 110.0);
    MatrixLayout { left, cell: [across, (across * 0.7).clamp(22.0, 56.0)] }
}

pub(super) fn height(chart: &Matrix, width: f64) -> f64 {
    let MatrixLayout { cell, .. } = layout(chart, width);
    head_height(&[], width) + HEAD + chart.names.len().max(1) as f64 * cell[1] + 8.0
}

pub(super) fn draw(chart: &Matrix, canvas: &mut Canvas, place: Rect) {
    canvas.head(place, &chart.title, &[], |_, _, _| {});
    let MatrixLayout { left, cell: [width, height] } = layout(chart, place.width);
    let [x, y] = [place.x + left, place.y + head_height(&[], place.width) + HEAD];
    let across = chart.names.len() as f64 * width;
    canvas.text([x + across / 2.0, y - 28.0], Anchor::Middle, SOFT, "", "said by the network");
    let down = chart.names.len() as f64 * height;
    let at = [place.x + 10.0, y + down / 2.0];
    let rotated = format!("transform=\"rotate(-90 {:.1} {:.1})\"", at[0], at[1]);
    canvas.text(at, Anchor::Middle, SOFT, &rotated, "true");
    for (n, name) in chart.names.iter().enumerate() {
        let at = [x + (n as f64 + 0.5) * width, y - 8.0];
        let short = shorten(name, width - 4.0, 12.0);
        canvas.text(at, Anchor::Middle, INK, "font-size=\"12\"", &short);
        let at = [x - 10.0, y + (n as f64 + 0.5) * height + 4.0];
        canvas.text(at, Anchor::End, INK, "font-size=\"12\"", &shorten(name, left - 34.0, 12.0));
    }
    for (r, row) in chart.counts.iter().enumerate() {
        let all = row.iter().sum::<u64>().max(1) as f64;
        for (c, count) in row.iter().enumerate() {
            let share = *count as f64 / all;
            let [left, top] = [x + c as f64 * width, y + r as f64 * height];
            let opacity = 0.04 + (MOST - 0.04) * share;
            canvas.element(format_args!(
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" \
                 fill=\"{FULL}\" fill-opacity=\"{opacity:.3}\"/>",
                width - 3.0,
                height - 3.0
            ));
            let middle = [left + (width - 3.0) / 2.0, top + height / 2.0];
            let roomy = width > 60.0 && height > 36.0;
            let lift = if roomy { -1.0 } else { 4.0 };
            let style = "font-size=\"13\" font-weight=\"600\"";
            canvas.text(
                [middle[0], middle[1] + lift],
                Anchor::Middle,
                INK,
                style,
                &count.to_string(),
            );
            if roomy {
                let text = format!("{:.0} %", 100.0 * share);
                canvas.text([middle[0], middle[1] + 14.0], Anchor::Middle, INK, "", &text);
            }
        }
    }
}
