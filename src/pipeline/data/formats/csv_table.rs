//! Tables in memory whose cells `,`, `;`, tabs or `|` separate.

use std::path::{Path, PathBuf};

use mtpret_engine::error::Place;

use super::text;
use crate::{
    Error, Result,
    data::{Source, dataset::listing::Part, walk::composed},
    did_you_mean,
};

/// Separators of cells; of several that fit, the first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Number of rows and of bytes that are looked at to tell the separator.
const LOOKED_AT: (usize, usize) = (20, 1 << 16);
/// Largest number of bytes of a table, of cells of all its rows together, of columns, of bytes of a cell and of letters of
/// a column's name; none beyond is read.
const MOST_BYTES: u64 = 512 << 20;
const MOST_CELLS: usize = 12 << 20;
const MOST_COLUMNS: usize = 10_000;
const LONGEST_CELL: usize = 1 << 20;
const LONGEST_NAME: usize = 1000;

/// A table in memory.
pub struct Table {
    /// Path of its file.
    pub path: PathBuf,
    /// The names of the columns.
    pub header: Vec<String>,
    /// Line number and cells of each row below the header.
    pub rows: Vec<(u64, Vec<String>)>,
}

impl Table {
    /// Reads a file of cells between commas, semicolons, tabs or `|`, whichever its rows have; `ragged` allows rows of more or
    /// fewer cells than the header.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Data`] with file and line if it cannot be read or is no table.
    pub fn read(path: PathBuf, ragged: bool) -> Result<Self> {
        Self::parse(path, ragged, true)
    }

    /// Reads a file as [`Table::read`] does, but one that has no header.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn headless(path: PathBuf) -> Result<Self> {
        Self::parse(path, true, false)
    }

    fn parse(path: PathBuf, ragged: bool, headed: bool) -> Result<Self> {
        let text =
            text::read_at_most(&path, MOST_BYTES, "see that the table exists and may be read")?;
        let (separator, start) = separator(&text);
        bounded(&path, &text, start, separator, headed)?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(ragged)
            .has_headers(headed)
            .delimiter(separator)
            .from_reader(&text.as_bytes()[start..]);
        let mut lines = Lines { text: &text, at: 0, line: 1 };
        let mut line = |position: Option<&csv::Position>| {
            position.map(|position| lines.of(start + position.byte() as usize))
        };
        let words = |record: &csv::StringRecord| {
            record.iter().map(|cell| cell.trim_matches(unseen).to_owned()).collect()
        };
        let header = if headed {
            words(reader.headers().map_err(|e| csv_fault(&path, line(e.position()), e))?)
        } else {
            Vec::new()
        };
        let mut table = Self { path: path.clone(), header, rows: Vec::new() };
        let mut record = csv::StringRecord::new();
        while reader
            .read_record(&mut record)
            .map_err(|e| csv_fault(&path, line(e.position()), e))?
        {
            let line = line(record.position()).unwrap_or_default();
            table.rows.push((line, words(&record)));
        }
        table.closed(&text)?;
        Ok(table)
    }

    /// Refuses a last row that goes on to the file's end because its quote is never closed, with all rows in it.
    fn closed(&self, text: &str) -> Result<()> {
        let Some((line, cells)) = self.rows.last() else { return Ok(()) };
        let open = cells.iter().any(|cell| cell.contains('\n'));
        if !open || text.matches('"').count().is_multiple_of(2) {
            return Ok(());
        }
        let (expected, found) =
            ("a double quote that is closed", "one open to the end of the file");
        Err(Error::data(self.place(*line), expected, found, "close it, or remove it"))
    }

    /// Place of a line of the file, for errors.
    pub fn place(&self, line: u64) -> Place {
        Place::from(&self.path).line(line)
    }

    /// Index of a column.
    pub(in crate::data) fn column(&self, name: &str) -> Result<usize> {
        let wanted = composed(name);
        let is = |column: &String| *column == wanted || composed(column) == wanted;
        if self.header.iter().filter(|column| is(column)).count() > 1 {
            let (expected, found) = (format!("one column {name}"), "several");
            return Err(Error::data(self.place(1), expected, found, "give each a name of its own"));
        }
        self.header.iter().position(is).ok_or_else(|| {
            Error::data(
                self.place(1),
                format!("a column {name}"),
                self.header.join(", "),
                did_you_mean(name, &self.header),
            )
        })
    }
}

/// Whether nobody sees a letter, as programs leave them at the ends of cells.
fn unseen(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

/// The lines of a text, whichever way they end, told one after another.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of what stands at a place, or behind the ends of lines there; places are asked for in their order.
    fn of(&mut self, place: usize) -> u64 {
        let bytes = self.text.as_bytes();
        let ends = |at: usize| matches!(bytes.get(at), Some(b'\n' | b'\r'));
        while self.at < place || ends(self.at) {
            let Some(byte) = bytes.get(self.at) else { break };
            // A carriage return before a line feed ends the line together with it.
            let half = *byte == b'\r' && bytes.get(self.at + 1) == Some(&b'\n');
            self.line += u64::from(ends(self.at) && !half);
            self.at += 1;
        }
        self.line
    }
}

/// Refuses what is no table of films before anything of it is kept: a cell, a row or all rows beyond their bounds.
fn bounded(path: &Path, text: &str, start: usize, separator: u8, headed: bool) -> Result<()> {
    let mut line = Lines { text, at: 0, line: 1 }.of(start);
    let (mut cells, mut length, mut first) = (1, 0, headed);
    let (mut opened, mut quoted, mut last) = (false, false, 0);
    for byte in text[start..].bytes() {
        let ends = !quoted && matches!(byte, b'\n' | b'\r');
        if byte == b'\n' || last == b'\r' {
            line += 1;
        }
        // A quote opens at the beginning of a cell, and again behind itself.
        opened = if length == 0 { byte == b'"' } else { opened };
        quoted = match byte {
            b'"' if quoted => false,
            b'"' => length == 0 || opened && last == b'"',
            _ => quoted,
        };
        last = byte;
        let next = ends || !quoted && byte == separator;
        length = if next { 0 } else { length + 1 };
        cells += usize::from(next);
        let most = if first { LONGEST_NAME } else { LONGEST_CELL };
        let expected = match () {
            () if length > most => format!("cells of at most {most} bytes"),
            () if first && cells > MOST_COLUMNS => format!("at most {MOST_COLUMNS} columns"),
            () if cells > MOST_CELLS => format!("a table of at most {MOST_CELLS} cells"),
            () => {
                first &= !ends;
                continue;
            }
        };
        let mend = "see that every double quote is closed, and that it is the right file";
        return Err(Error::data(Place::from(path).line(line), expected, "more", mend));
    }
    Ok(())
}

/// Separator of the cells, and place where the header begins behind a line that says so (`sep=;`, as spreadsheets write it). Of
/// what the first rows have as often as the header has it, it is what makes the most columns.
fn separator(text: &str) -> (u8, usize) {
    let said = text.split(['\n', '\r']).next().unwrap_or_default();
    if let Some(&[separator]) = said.strip_prefix("sep=").map(str::as_bytes)
        && SEPARATORS.contains(&separator)
    {
        let ends = text[said.len()..].chars().take_while(|c| matches!(c, '\n' | '\r')).count();
        return (separator, said.len() + ends);
    }
    let (rows, bytes) = LOOKED_AT;
    let first = &text.as_bytes()[..text.len().min(bytes)];
    let columns = |separator: u8| {
        let mut reader = csv::ReaderBuilder::new();
        reader.delimiter(separator).flexible(true).has_headers(false);
        let mut reader = reader.from_reader(first);
        let records = reader.byte_records().take(rows).map_while(std::result::Result::ok);
        let mut widths: Vec<usize> = records.map(|record| record.len()).collect();
        if first.len() < text.len() && widths.len() < rows {
            // The last row is cut.
            widths.pop();
        }
        let header = widths.first().copied().unwrap_or(0);
        (header > 1 && widths.iter().all(|width| *width == header), header)
    };
    let found = SEPARATORS.into_iter().rev().max_by_key(|separator| columns(*separator));
    (found.unwrap_or(b','), 0)
}

fn csv_fault(path: &Path, line: Option<u64>, error: csv::Error) -> Error {
    let place = Place { line, ..Place::from(path) };
    match error.into_kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Error::data(
            place,
            format!("{expected_len} cells as in the header"),
            len.to_string(),
            "put cells that hold what separates them in double quotes",
        ),
        other => Error::data(place, "a table in CSV", format!("{other:?}"), "save it as UTF-8 CSV"),
    }
}

impl Table {
    /// Drops the rows that have not the words of [`Source::only`].
    ///
    /// # Errors
    /// A column that the table lacks.
    pub(in crate::data) fn keep_only(&mut self, source: &Source) -> Result<()> {
        for (column, word) in &source.only {
            let column = self.column(column)?;
            let word = composed(word);
            self.rows.retain(|(_, cells)| composed(&cells[column]) == word);
        }
        Ok(())
    }
}

/// The columns that say whose a film is and of which part, where the source names them.
pub(in crate::data) struct OwnerColumns {
    patients: Option<usize>,
    parts: Option<usize>,
}

impl OwnerColumns {
    /// The columns of a table.
    ///
    /// # Errors
    /// A column that the table lacks.
    pub(in crate::data) fn of(source: &Source, table: &Table) -> Result<Self> {
        let at = |name: &Option<String>| name.as_ref().map(|name| table.column(name)).transpose();
        Ok(Self { patients: at(&source.patient_column)?, parts: at(&source.split_column)? })
    }

    /// The patient of a row, empty without a column, and its part; `whole` is that of the whole table.
    ///
    /// # Errors
    /// A blank patient, or a word that is no part.
    pub(in crate::data) fn read(
        &self,
        place: &Place,
        cells: &[String],
        whole: Option<Part>,
    ) -> Result<(String, Option<Part>)> {
        let patient = self.patients.map_or("", |column| &cells[column]);
        if self.patients.is_some() && patient.is_empty() {
            return Err(Error::data(place, "a patient", "a blank", "fill it in"));
        }
        let named = |column: usize| {
            let cell = &cells[column];
            Part::named(cell).ok_or_else(|| {
                Error::data(
                    place,
                    "train, val or test",
                    format!("{cell:?}"),
                    "correct the cell, or leave split_column out to divide by patient",
                )
            })
        };
        let part = match whole {
            None => self.parts.map(named).transpose()?,
            part => part,
        };
        Ok((patient.to_owned(), part))
    }
}
