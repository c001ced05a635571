//! Tables of results, written for a terminal, as GitHub markdown or as CSV.

use super::{MISSING, fixed};
use crate::print::shown;
use mtpret_pipeline::data::spreadsheet;

/// Alignment of the text of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Left, for words.
    Left,
    /// Right, for numbers.
    Right,
}

/// Best value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Best {
    /// The greatest, as of an AUC.
    Highest,
    /// The least, as of a loss.
    Lowest,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Title, with the unit, if there is one.
    pub title: String,
    /// Alignment of its text.
    pub align: Align,
    /// Best value, which is emphasised, if any.
    pub best: Option<Best>,
}

impl Column {
    /// A column of words.
    pub fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), align: Align::Left, best: None }
    }

    /// A column of numbers, the best of which is emphasised.
    pub fn numbers(title: impl Into<String>, best: Option<Best>) -> Self {
        Self { title: title.into(), align: Align::Right, best }
    }
}

/// Cell in one place of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Text that is shown; a page keeps its lines.
    pub text: String,
    /// The number by which the cell is compared, rounded as it is shown.
    pub value: Option<f64>,
}

impl Cell {
    /// A cell of words, which are never compared.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), value: None }
    }

    /// A cell of a number with `decimals` places; a dash where there is none or it is not finite.
    #[must_use]
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        Self::interval(value, None, decimals)
    }

    /// A cell of a number and its interval, `0.912 (0.894–0.929)`.
    #[must_use]
    pub fn interval(value: Option<f64>, interval: Option<[f64; 2]>, decimals: usize) -> Self {
        let Some(value) = value.filter(|v| v.is_finite()) else { return Self::text(MISSING) };
        let text = fixed(value, decimals);
        let value = text.parse().ok();
        match interval.map(|ends| ends.map(|end| fixed(end, decimals))) {
            Some([low, high]) => Self { text: format!("{text} ({low}–{high})"), value },
            None => Self { text, value },
        }
    }
}

/// Largest number of letters of a column on a terminal; a text that is longer stands out.
const WIDEST: usize = 1000;

/// Table of columns and rows of cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If the row does not hold one cell per column.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "one cell per column");
        self.rows.push(row);
    }

    /// Heads of the columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// Texts of the table, to be written anew; numbers that are compared stay.
    pub(super) fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let titles = self.columns.iter_mut().map(|column| &mut column.title);
        let words = self.rows.iter_mut().flatten().filter(|cell| cell.value.is_none());
        titles.chain(words.map(|cell| &mut cell.text))
    }

    /// Whether a cell holds the best value of its column. Equal values are all best; a single
    /// value is not.
    #[must_use]
    pub fn is_best(&self, row: usize, column: usize) -> bool {
        let Some(best) = self.columns[column].best else { return false };
        let Some(own) = self.rows[row][column].value else { return false };
        let values = || self.rows.iter().filter_map(|row| row[column].value);
        values().count() > 1
            && values().all(|other| match best {
                Best::Highest => own >= other,
                Best::Lowest => own <= other,
            })
    }

    /// Writes aligned columns for a terminal, a rule below the heads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines = self.lines(one_line, |text, _| one_line(text));
        let width = |c: usize| lines.iter().map(|line| line[c].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(|c| width(c).min(WIDEST)).collect();
        let rule = widths.iter().map(|&width| "─".repeat(width)).collect::<Vec<_>>().join("  ");
        let mut text = String::new();
        for (l, line) in lines.iter().enumerate() {
            let padded =
                line.iter().zip(&self.columns).zip(&widths).map(|((cell, column), &width)| {
                    let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
                    match column.align {
                        Align::Left => format!("{cell}{blanks}"),
                        Align::Right => format!("{blanks}{cell}"),
                    }
                });
            text += padded.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
            if l == 0 {
                text += &rule;
                text.push('\n');
            }
        }
        text
    }

    /// Writes a GitHub table, the best value of each column bold.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let lines = self.lines(markdown, |text, best| match best {
            true => format!("**{}**", markdown(text)),
            false => markdown(text),
        });
        let rule = self.columns.iter().map(|column| match column.align {
            Align::Left => ":--".to_owned(),
            Align::Right => "--:".to_owned(),
        });
        let mut text = String::new();
        for (l, line) in lines.iter().enumerate() {
            text += &format!("| {} |\n", line.join(" | "));
            if l == 0 {
                text += &format!("| {} |\n", rule.clone().collect::<Vec<_>>().join(" | "));
            }
        }
        text
    }

    /// Writes comma-separated values, empty where there is no number. A cell that a spreadsheet
    /// would run as a formula is preceded by an apostrophe.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in self.lines(inert, |text, _| inert(text)) {
            writer.write_record(line).expect("memory takes rows of equal length");
        }
        let bytes = writer.into_inner().expect("memory takes all bytes");
        String::from_utf8(bytes).expect("cells are UTF-8")
    }

    /// Writes the heads and then the rows, each text written by `head` or by `cell(text, is_best)`.
    fn lines(
        &self,
        head: impl Fn(&str) -> String,
        cell: impl Fn(&str, bool) -> String,
    ) -> Vec<Vec<String>> {
        let heads = self.columns.iter().map(|column| head(&column.title)).collect();
        let rows = self.rows.iter().enumerate().map(|(r, row)| {
            row.iter().enumerate().map(|(c, it)| cell(&it.text, self.is_best(r, c))).collect()
        });
        std::iter::once(heads).chain(rows).collect()
    }
}

/// Text on one line, and without what would steer a terminal.
pub(crate) fn one_line(text: &str) -> String {
    shown(&text.replace(['\n', '\t'], " ")).into_owned()
}

/// Escapes text that markdown shows as it is.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        if matches!(c, '\\' | '|' | '*' | '_' | '`' | '<' | '[' | '~') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Escapes text that a spreadsheet does not run.
pub(super) fn inert(text: &str) -> String {
    if text == MISSING { String::new() } else { spreadsheet::inert(text) }
}
