//! Pictures as hand-written SVG: lines over training, dots with their intervals, ROC curves, ablations.
//!
//! The pictures are 900 units wide, need no font file, style sheet or network, and use the
//! colours of Okabe and Ito, which colour-blind readers can tell apart.

mod ablation;
mod axis;
mod columns;
mod dots;
mod lines;
mod roc;

pub use ablation::{AblationChart, Step};
pub use axis::Axis;
pub use roc::{RocChart, RocCurve};

use super::escape;

/// Width of a picture.
const WIDTH: f64 = 900.0;
/// Between panels.
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
    /// As the legend calls it.
    pub name: String,
    /// `[x, y]` by rising x.
    pub points: Vec<[f64; 2]>,
}

/// Lines over a common x. A long series is drawn as a smooth line over its faint points.
#[derive(Debug, Clone, PartialEq)]
pub struct LineChart {
    /// Above the picture.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
}

/// A figure and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower and upper end.
    pub interval: Option<[f64; 2]>,
}

/// One row of an [`IntervalChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Such as a task.
    pub name: String,
    /// One per series, `None` where there is none.
    pub estimates: Vec<Option<Estimate>>,
}

/// Dots with whiskers: such as the AUC of each task, by initialisation.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalChart {
    /// Above the picture.
    pub title: String,
    /// The horizontal axis.
    pub axis: Axis,
    /// Such as initialisations, as the legend calls them.
    pub series: Vec<String>,
    /// From top to bottom.
    pub groups: Vec<Group>,
}

/// One picture of a figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Panel {
    /// Lines.
    Lines(LineChart),
    /// Dots with whiskers.
    Intervals(IntervalChart),
    /// The same dots upright, where there are many groups and series.
    Columns(IntervalChart),
    /// ROC curves.
    Roc(RocChart),
    /// Steps of a method.
    Ablation(AblationChart),
}

impl Panel {
    fn title(&self) -> &str {
        match self {
            Self::Lines(chart) => &chart.title,
            Self::Intervals(chart) | Self::Columns(chart) => &chart.title,
            Self::Roc(chart) => &chart.title,
            Self::Ablation(chart) => &chart.title,
        }
    }

    /// Height in a column of `width`.
    fn height(&self, width: f64) -> f64 {
        match self {
            Self::Lines(chart) => lines::height(chart, width),
            Self::Intervals(chart) => dots::height(chart, width),
            Self::Columns(chart) => columns::height(chart, width),
            Self::Roc(chart) => roc::height(chart, width),
            Self::Ablation(chart) => ablation::height(chart, width),
        }
    }

    fn draw(&self, canvas: &mut Canvas, place: Place) {
        match self {
            Self::Lines(chart) => lines::draw(chart, canvas, place),
            Self::Intervals(chart) => dots::draw(chart, canvas, place),
            Self::Columns(chart) => columns::draw(chart, canvas, place),
            Self::Roc(chart) => roc::draw(chart, canvas, place),
            Self::Ablation(chart) => ablation::draw(chart, canvas, place),
        }
    }
}

/// One SVG file with the panels side by side in `columns` columns, row by row.
///
/// Points that are not finite, or not positive on a logarithmic axis, are left out and counted
/// below the panel.
#[must_use]
pub fn svg(panels: &[Panel], columns: usize) -> String {
    let columns = columns.clamp(1, 4).min(panels.len().max(1));
    let width = (WIDTH - GAP * (columns - 1) as f64) / columns as f64;
    let mut canvas = Canvas::default();
    let mut y = 0.0;
    for row in panels.chunks(columns) {
        let height = row.iter().map(|panel| panel.height(width)).fold(0.0, f64::max);
        for (column, panel) in row.iter().enumerate() {
            let x = column as f64 * (width + GAP);
            panel.draw(&mut canvas, Place { x, y, width, height });
        }
        y += height + GAP;
    }
    let height = (y - GAP).max(1.0);
    let titles = panels.iter().map(Panel::title).collect::<Vec<_>>().join(", ");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         width=\"{WIDTH}\" height=\"{height:.0}\" role=\"img\" font-family=\"{FONT}\" \
         font-size=\"11\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
        escape(&titles),
        canvas.0
    )
}

/// A rectangle of the picture.
#[derive(Debug, Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Place {
    fn right(&self) -> f64 {
        self.x + self.width
    }

    fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// Where a text is anchored.
#[derive(Debug, Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// SVG elements in the order in which they are painted.
#[derive(Default)]
struct Canvas(String);

impl Canvas {
    fn element(&mut self, element: std::fmt::Arguments) {
        self.0 += &format!("{element}\n");
    }

    /// Text in a given colour; `style` is further attributes.
    fn text(&mut self, at: [f64; 2], anchor: Anchor, fill: &str, style: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let ([x, y], text) = (at, escape(text));
        self.element(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\" {style}>\
             {text}</text>"
        ));
    }

    fn line(&mut self, from: [f64; 2], to: [f64; 2], stroke: &str, style: &str) {
        let ([x1, y1], [x2, y2]) = (from, to);
        self.element(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" \
             stroke=\"{stroke}\" {style}/>"
        ));
    }

    fn rectangle(&mut self, Place { x, y, width, height }: Place, fill: &str) {
        self.element(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill=\"{fill}\"/>"
        ));
    }

    fn polyline(&mut self, points: impl Iterator<Item = [f64; 2]>, stroke: &str, style: &str) {
        let points: Vec<String> = points.map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.element(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{stroke}\" \
             stroke-linejoin=\"round\" stroke-linecap=\"round\" {style}/>"
        ));
    }

    /// A faint area; nothing without corners.
    fn area(&mut self, corners: impl Iterator<Item = [f64; 2]>, fill: &str) {
        let corners: Vec<String> = corners.map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        if !corners.is_empty() {
            let corners = corners.join(" ");
            self.element(format_args!(
                "<polygon points=\"{corners}\" fill=\"{fill}\" fill-opacity=\"0.15\"/>"
            ));
        }
    }

    /// The mark of a series, a shape of its own for each, with a text that appears on pointing.
    fn mark(&mut self, series: usize, [x, y]: [f64; 2], r: f64, hint: &str) {
        let fill = format!("fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"1\"", colour(series));
        let hint = match hint {
            "" => String::new(),
            hint => format!("<title>{}</title>", escape(hint)),
        };
        let polygon = |corners: &[[f64; 2]]| {
            let corners =
                corners.iter().map(|[dx, dy]| format!("{:.1},{:.1}", x + r * dx, y + r * dy));
            format!(
                "<polygon points=\"{}\" {fill}>{hint}</polygon>",
                corners.collect::<Vec<_>>().join(" ")
            )
        };
        let mark = match series % 4 {
            0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{r:.1}\" {fill}>{hint}</circle>"),
            1 => polygon(&[[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]),
            2 => polygon(&[[0.0, -1.25], [1.25, 0.0], [0.0, 1.25], [-1.25, 0.0]]),
            _ => polygon(&[[0.0, -1.2], [1.15, 0.9], [-1.15, 0.9]]),
        };
        self.element(format_args!("{mark}"));
    }

    /// Title and legend from the top of `place`; both take [`head_height`].
    fn head(
        &mut self,
        place: Place,
        title: &str,
        names: &[&str],
        key: impl Fn(&mut Self, usize, [f64; 2]),
    ) {
        let style = "font-size=\"15\" font-weight=\"600\"";
        self.text(
            [place.x, place.y + 16.0],
            Anchor::Start,
            INK,
            style,
            &shorten(title, place.width, 15.0),
        );
        for (s, [dx, dy]) in legend(names, place.width).into_iter().enumerate() {
            let at = [place.x + dx, place.y + TITLE + dy + 8.0];
            key(self, s, at);
            let name = shorten(names[s], place.width - KEY, 12.0);
            self.text([at[0] + KEY, at[1] + 4.0], Anchor::Start, INK, "font-size=\"12\"", &name);
        }
    }
}

/// Height of a panel's title.
const TITLE: f64 = 28.0;
/// Width of the sample beside a name in a legend.
const KEY: f64 = 24.0;
/// Height of a line of a legend.
const ENTRY: f64 = 20.0;

/// The colour of a series.
fn colour(series: usize) -> &'static str {
    COLOURS[series % COLOURS.len()]
}

/// Where the names of a legend stand, wrapped at `width`.
fn legend(names: &[&str], width: f64) -> Vec<[f64; 2]> {
    let (mut x, mut y) = (0.0, 0.0);
    let mut places = Vec::new();
    for name in names {
        let entry = KEY + text_width(name, 12.0) + 18.0;
        if x > 0.0 && x + entry - 18.0 > width {
            (x, y) = (0.0, y + ENTRY);
        }
        places.push([x, y]);
        x += entry;
    }
    places
}

/// Height of title and legend.
fn head_height(names: &[&str], width: f64) -> f64 {
    TITLE + legend(names, width).last().map_or(0.0, |[_, y]| y + ENTRY) + 6.0
}

/// About how wide a text is; the reader's font is not known.
fn text_width(text: &str, size: f64) -> f64 {
    let width = |c| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.32,
        'f' | 'r' | 't' | ' ' | '(' | ')' | '-' | '/' => 0.4,
        'm' | 'w' | 'M' | 'W' => 0.92,
        'A'..='Z' => 0.69,
        c if c.is_ascii() => 0.61,
        '⁰'..='⁹' | '\u{202f}' => 0.4,
        _ => 0.8,
    };
    text.chars().map(width).sum::<f64>() * size
}

/// Text that fits into `width`, with an ellipsis where it was cut.
fn shorten(text: &str, width: f64, size: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut short = text.to_owned();
    while !short.is_empty() && text_width(&short, size) + size > width {
        short.pop();
    }
    short.trim_end().to_owned() + "…"
}
