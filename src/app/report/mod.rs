//! Reports: numbers as tables and pictures, in text for terminals, markdown, CSV, LaTeX, SVG, PNG
//! and one HTML file.
//!
//! Knows numbers and names, not where they come from. Whatever text is given appears as text:
//! each writer escapes it for its own format.

pub mod chart;
pub mod coco;
pub mod comparison;
pub mod discretion;
pub mod html;
pub mod paper;
pub mod paper_tables;
pub mod picture;
pub mod results;
pub mod table;

/// Text that stands where there is no number.
const MISSING: &str = "–";

/// Text of `value` with `decimals` places, [`MISSING`] if it is not finite.
fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { MISSING.to_owned() }
}

/// Count with its noun, which is called `word`: `1 op`, `2 ops`.
pub fn counted(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// Escapes text for XML and HTML, within elements and within quoted attributes. Control characters,
/// which XML forbids even when escaped, become spaces.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
