//! SVG elements, and how much room text takes.

use super::{COLOURS, INK};
use crate::report::escape;

/// A rectangle of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// Anchor of a text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// SVG elements in the order in which they are painted.
#[derive(Default)]
pub(super) struct Canvas(pub(super) String);

impl Canvas {
    pub fn element(&mut self, element: std::fmt::Arguments) {
        self.0 += &format!("{element}\n");
    }

    /// Paints text in a given colour; `style` is further attributes.
    pub fn text(&mut self, at: [f64; 2], anchor: Anchor, fill: &str, style: &str, text: &str) {
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

    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], stroke: &str, style: &str) {
        let ([x1, y1], [x2, y2]) = (from, to);
        self.element(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" \
             stroke=\"{stroke}\" {style}/>"
        ));
    }

    pub fn rectangle(&mut self, Rect { x, y, width, height }: Rect, fill: &str) {
        self.element(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill=\"{fill}\"/>"
        ));
    }

    pub fn polyline(&mut self, points: impl Iterator<Item = [f64; 2]>, stroke: &str, style: &str) {
        let points: Vec<String> = points.map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.element(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{stroke}\" \
             stroke-linejoin=\"round\" stroke-linecap=\"round\" {style}/>"
        ));
    }

    /// Paints a faint area; nothing without corners.
    pub fn area(&mut self, corners: impl Iterator<Item = [f64; 2]>, fill: &str) {
        let corners: Vec<String> = corners.map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        if !corners.is_empty() {
            let corners = corners.join(" ");
            self.element(format_args!(
                "<polygon points=\"{corners}\" fill=\"{fill}\" fill-opacity=\"0.15\"/>"
            ));
        }
    }

    /// Paints the mark of a series, a shape of its own for each, with a text that appears on
    /// pointing.
    pub fn mark(&mut self, series: usize, [x, y]: [f64; 2], r: f64, hint: &str) {
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

    /// Paints title and legend from the top of `place`; both take [`head_height`].
    pub fn head(
        &mut self,
        place: Rect,
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
            // Wider than it would be if it were not bold.
            &shorten(title, place.width, 17.0),
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
pub(super) fn colour(series: usize) -> &'static str {
    COLOURS[series % COLOURS.len()]
}

/// Places of the names of a legend, wrapped at `width`.
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
pub(super) fn head_height(names: &[&str], width: f64) -> f64 {
    TITLE + legend(names, width).last().map_or(0.0, |[_, y]| y + ENTRY) + 6.0
}

/// Width of a text, about: the reader's font is not known.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let width = |c| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.32,
        'f' | 'r' | 't' | ' ' | '(' | ')' | '-' | '/' => 0.4,
        'm' | 'w' | 'M' | 'W' => 0.92,
        'A'..='Z' => 0.69,
        // The widest of the usual fonts has digits of 0.636.
        '0'..='9' => 0.65,
        c if c.is_ascii() => 0.61,
        '⁰'..='⁹' | '\u{202f}' => 0.4,
        _ => 0.8,
    };
    text.chars().map(width).sum::<f64>() * size
}

/// Shortens text to fit into `width`, with an ellipsis where it was cut.
pub(super) fn shorten(text: &str, width: f64, size: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut short = text.to_owned();
    while !short.is_empty() && text_width(&short, size) + size > width {
        short.pop();
    }
    short.trim_end().to_owned() + "…"
}
