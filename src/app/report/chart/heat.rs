//! Heat map: figures of several things over time as a grid of colours, such as tasks and visits.

use super::{Anchor, Canvas, INK, Rect, SOFT, head_height, shorten, text_width};

/// Heat map: a grid of figures. Colours stand between the least and the greatest of each row, since rows may be figures
/// of different kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// Title above the picture.
    pub title: String,
    /// Name of what columns are, such as `visit`.
    pub across: String,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// Name of each column, and the row that is marked in it.
    pub columns: Vec<(String, Option<usize>)>,
    /// Figures of each row and column, row by row; none where it is undefined.
    pub values: Vec<Vec<Option<f64>>>,
}

/// The ink of the greatest figure, and how much of it there is, so that its number can be read.
const FULL: &str = super::COLOURS[0];
const MOST: f64 = 0.6;
const LEAST: f64 = 0.05;
/// Height above the cells: what columns are, and their names.
const HEAD: f64 = 44.0;
const CELL_HEIGHT: f64 = 34.0;
/// Widths from which on a cell has room for its number, and a column for its name.
const NUMBER: f64 = 34.0;
const NAME: f64 = 16.0;

struct HeatLayout {
    /// Width of the names of rows.
    left: f64,
    cell: f64,
}

fn layout(chart: &HeatMap, width: f64) -> HeatLayout {
    let widest = chart.rows.iter().map(|name| text_width(name, 12.0)).fold(0.0, f64::max);
    let left = widest.min(width * 0.35) + 14.0;
    let count = chart.columns.len().max(1) as f64;
    HeatLayout { left, cell: ((width - left) / count).min(64.0) }
}

pub(super) fn height(chart: &HeatMap, width: f64) -> f64 {
    head_height(&[], width) + HEAD + chart.rows.len().max(1) as f64 * CELL_HEIGHT + 8.0
}

pub(super) fn draw(chart: &HeatMap, canvas: &mut Canvas, place: Rect) {
    canvas.head(place, &chart.title, &[], |_, _, _| {});
    let HeatLayout { left, cell } = layout(chart, place.width);
    let [x, y] = [place.x + left, place.y + head_height(&[], place.width) + HEAD];
    canvas.text([x, y - 28.0], Anchor::Start, SOFT, "", &chart.across);
    // Names that would lie on one another are left out between.
    let every = (NAME / cell.max(1.0)).ceil() as usize;
    for (c, (name, _)) in chart.columns.iter().enumerate().step_by(every.max(1)) {
        let at = [x + (c as f64 + 0.5) * cell, y - 8.0];
        canvas.text(at, Anchor::Middle, SOFT, "", &shorten(name, cell * every as f64, 11.0));
    }
    for (r, (name, row)) in chart.rows.iter().zip(&chart.values).enumerate() {
        let top = y + r as f64 * CELL_HEIGHT;
        let at = [x - 8.0, top + CELL_HEIGHT / 2.0 + 3.0];
        canvas.text(at, Anchor::End, INK, "font-size=\"12\"", &shorten(name, left - 12.0, 12.0));
        let known = || row.iter().flatten().copied().filter(|value| value.is_finite());
        let (least, most) =
            (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
        for (c, value) in row.iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            let share = if most > least { (value - least) / (most - least) } else { 0.5 };
            let opacity = LEAST + (MOST - LEAST) * share;
            let at = x + c as f64 * cell;
            let marked = chart.columns.get(c).is_some_and(|(_, marked)| *marked == Some(r));
            let ring = if marked {
                format!(" stroke=\"{INK}\" stroke-width=\"2\"")
            } else {
                String::new()
            };
            canvas.element(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{FULL}\" \
                 fill-opacity=\"{opacity:.3}\"{ring}><title>{value:.4}</title></rect>",
                at + 1.5,
                top + 1.5,
                (cell - 3.0).max(1.0),
                CELL_HEIGHT - 3.0
            ));
            if cell >= NUMBER {
                let text = format!("{value:.3}").trim_start_matches('0').to_owned();
                let at = [at + cell / 2.0, top + CELL_HEIGHT / 2.0 + 4.0];
                canvas.text(at, Anchor::Middle, INK, "font-size=\"12\"", &text);
            }
        }
    }
}
