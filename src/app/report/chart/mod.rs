//! Charts as hand-written SVG: lines over training, dots with their intervals, curves in a unit square (ROC,
//! precision and recall, calibration), histograms, bars, confusion, ablations.
//!
//! A file of them is 900 units wide, needs no font file, style sheet or network, and uses the
//! colours of Okabe and Ito, which colour-blind readers can tell apart. On a page each panel is a picture of
//! its own, and the page's style gives each colour its counterpart in the dark.

mod ablation;
mod axis;
mod bars;
mod canvas;
mod columns;
mod dots;
mod heat;
mod histogram;
mod lines;
mod matrix;
mod unit;

pub use ablation::{AblationChart, AblationStep};
pub use axis::Axis;
pub use bars::{Bar, BarChart};
pub use heat::HeatMap;
pub use histogram::Histogram;
pub use matrix::Matrix;
pub use unit::{Curve, Reference, UnitChart};

use super::escape;
use canvas::{Anchor, Canvas, Rect, colour, head_height, shorten, text_width};

/// Width of a file of pictures.
pub(super) const WIDTH: f64 = 900.0;
/// Width of a panel that fills a telephone.
pub(super) const NARROW: f64 = 360.0;
/// Distance between panels.
const GAP: f64 = 28.0;

const INK: &str = "#1f2a36";
const SOFT: &str = "#5f6d7a";
const RULE: &str = "#8e9aa6";
const GRID: &str = "#e7ebef";
const BAND: &str = "#f5f7f9";
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d"];
const FONT: &str =
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name of the series in the legend.
    pub name: String,
    /// Points `[x, y]` by rising x.
    pub points: Vec<[f64; 2]>,
}

/// Chart of lines over a common x. A long series is drawn as a smooth line over its faint points.
#[derive(Debug, Clone, PartialEq)]
pub struct LineChart {
    /// Title above the picture.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
}

/// Figure and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower and upper end of its interval.
    pub interval: Option<[f64; 2]>,
}

/// One row of an [`IntervalChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Name of the row, such as a task.
    pub name: String,
    /// Estimates, one per series, `None` where there is none.
    pub estimates: Vec<Option<Estimate>>,
}

/// Chart of dots with whiskers, such as the AUC of each task, by initialisation.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalChart {
    /// Title above the picture.
    pub title: String,
    /// The horizontal axis.
    pub axis: Axis,
    /// Names of the series in the legend, such as initialisations.
    pub series: Vec<String>,
    /// Rows from top to bottom.
    pub groups: Vec<Group>,
}

/// One picture of a figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Panel {
    /// Lines.
    Lines(LineChart),
    /// Dots with whiskers.
    Intervals(IntervalChart),
    /// Dots with whiskers upright, where there are many groups and series.
    Columns(IntervalChart),
    /// Curves in a unit square.
    Unit(UnitChart),
    /// Histogram of a figure.
    Histogram(Histogram),
    /// Lengths with a name each.
    Bars(BarChart),
    /// Confusion matrix: what is true against what was said.
    Matrix(Matrix),
    /// Figures of several things over time.
    Heat(HeatMap),
    /// Steps of a method.
    Ablation(AblationChart),
}

impl Panel {
    fn title(&self) -> &str {
        match self {
            Self::Lines(chart) => &chart.title,
            Self::Intervals(chart) | Self::Columns(chart) => &chart.title,
            Self::Unit(chart) => &chart.title,
            Self::Histogram(chart) => &chart.title,
            Self::Bars(chart) => &chart.title,
            Self::Matrix(chart) => &chart.title,
            Self::Heat(chart) => &chart.title,
            Self::Ablation(chart) => &chart.title,
        }
    }

    /// This panel for a page with room for one narrow column: upright groups lie down.
    pub(super) fn narrow(&self) -> Self {
        match self {
            Self::Columns(chart) => Self::Intervals(chart.clone()),
            panel => panel.clone(),
        }
    }

    /// Height of the panel in a column of `width`.
    fn height(&self, width: f64) -> f64 {
        match self {
            Self::Lines(chart) => lines::height(chart, width),
            Self::Intervals(chart) => dots::height(chart, width),
            Self::Columns(chart) => columns::height(chart, width),
            Self::Unit(chart) => unit::height(chart, width),
            Self::Histogram(chart) => histogram::height(chart, width),
            Self::Bars(chart) => bars::height(chart, width),
            Self::Matrix(chart) => matrix::height(chart, width),
            Self::Heat(chart) => heat::height(chart, width),
            Self::Ablation(chart) => ablation::height(chart, width),
        }
    }

    fn draw(&self, canvas: &mut Canvas, place: Rect) {
        match self {
            Self::Lines(chart) => lines::draw(chart, canvas, place),
            Self::Intervals(chart) => dots::draw(chart, canvas, place),
            Self::Columns(chart) => columns::draw(chart, canvas, place),
            Self::Unit(chart) => unit::draw(chart, canvas, place),
            Self::Histogram(chart) => histogram::draw(chart, canvas, place),
            Self::Bars(chart) => bars::draw(chart, canvas, place),
            Self::Matrix(chart) => matrix::draw(chart, canvas, place),
            Self::Heat(chart) => heat::draw(chart, canvas, place),
            Self::Ablation(chart) => ablation::draw(chart, canvas, place),
        }
    }
}

/// Draws one SVG file with the panels side by side in `columns` columns, row by row.
///
/// Points that are not finite, or not positive on a logarithmic axis, are left out and counted
/// below the panel.
#[must_use]
pub fn svg(panels: &[Panel], columns: usize) -> String {
    let columns = columns.clamp(1, 4).min(panels.len().max(1));
    let width = column_width(columns);
    let mut canvas = Canvas::default();
    let mut y = 0.0;
    for row in panels.chunks(columns) {
        let height = row.iter().map(|panel| panel.height(width)).fold(0.0, f64::max);
        for (column, panel) in row.iter().enumerate() {
            let x = column as f64 * (width + GAP);
            panel.draw(&mut canvas, Rect { x, y, width, height });
        }
        y += height + GAP;
    }
    let size = [WIDTH, (y - GAP).max(1.0)];
    let titles = panels.iter().map(Panel::title).collect::<Vec<_>>().join(", ");
    let paper = "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
    element(size, &titles, &(paper.to_owned() + &canvas.0))
}

/// Width of a panel where `columns` of them stand side by side.
pub(super) fn column_width(columns: usize) -> f64 {
    (WIDTH - GAP * (columns - 1) as f64) / columns as f64
}

/// Draws one panel as a picture of this width, without paper below it.
pub(super) fn drawing(panel: &Panel, width: f64) -> String {
    let height = panel.height(width);
    let mut canvas = Canvas::default();
    panel.draw(&mut canvas, Rect { x: 0.0, y: 0.0, width, height });
    element([width, height], panel.title(), &canvas.0)
}

fn element([width, height]: [f64; 2], title: &str, elements: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" font-family=\"{FONT}\" \
         font-size=\"11\">\n<title>{}</title>\n{elements}</svg>\n",
        escape(title)
    )
}
