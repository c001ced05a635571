//! Tables in memory whose cells `,`, `;`, tabs or `|` separate.

use std::path::{Path, PathBuf};

use mtpret_engine::error::Place;

use super::text;
use crate::{
    Error, Result,
    data::{Source, dataset::listing::Part},
    did_you_mean,
};

/// Separators of cells; of several that fit, the first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Number of rows and of bytes that are looked at to tell the separator.
const LOOKED_AT: (usize, usize) = (20, 1 << 16);
/// Largest number of bytes of a table, of cells of all its rows together, of bytes of a cell and of letters of a
/// column's name; none beyond is read.
const MOST_BYTES: u64 = 512 << 20;
const MOST_CELLS: usize = 32 << 20;
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
        let (separator, skipped) = separator(&text);
        let start = text.split_inclusive('\n').take(skipped).map(str::len).sum::<usize>();
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(ragged)
            .has_headers(headed)
            .delimiter(separator)
            .from_reader(&text.as_bytes()[start..]);
        let fault = |e: csv::Error| csv_fault(&path, skipped, e);
        let words = |record: &csv::StringRecord| record.iter().map(str::to_string).collect();
        let header = if headed { words(reader.headers().map_err(fault)?) } else { Vec::new() };
        let mut table = Self { path: path.clone(), header, rows: Vec::new() };
        table.bounded(1, &table.header, LONGEST_NAME)?;
        let (mut record, mut cells) = (csv::StringRecord::new(), 0);
        while reader.read_record(&mut record).map_err(fault)? {
            let line = record.position().map_or(0, csv::Position::line) + skipped as u64;
            cells += record.len();
            if cells > MOST_CELLS {
                return table.too_much(line, format!("a table of at most {MOST_CELLS} cells"));
            }
            table.rows.push((line, words(&record)));
            table.bounded(line, &table.rows[table.rows.len() - 1].1, LONGEST_CELL)?;
        }
        table.closed(&text)?;
        Ok(table)
    }

    /// Refuses a row with a cell of more than `most` bytes.
    fn bounded(&self, line: u64, cells: &[String], most: usize) -> Result<()> {
        match cells.iter().any(|cell| cell.len() > most) {
            true => self.too_much(line, format!("cells of at most {most} bytes")),
            false => Ok(()),
        }
    }

    fn too_much<T>(&self, line: u64, expected: String) -> Result<T> {
        let mend = "see that every double quote is closed, and that it is the right file";
        Err(Error::data(self.place(line), expected, "more", mend))
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
        if self.header.iter().filter(|column| *column == name).count() > 1 {
            let (expected, found) = (format!("one column {name}"), "several");
            return Err(Error::data(self.place(1), expected, found, "give each a name of its own"));
        }
        self.header.iter().position(|column| column == name).ok_or_else(|| {
            Error::data(
                self.place(1),
                format!("a column {name}"),
                self.header.join(", "),
                did_you_mean(name, &self.header),
            )
        })
    }
}

/// Separator of the cells, and number of lines before the header that say so (`sep=;`, as spreadsheets write it). Of
/// what the first rows have as often as the header has it, it is what makes the most columns.
fn separator(text: &str) -> (u8, usize) {
    let said = text.lines().next().and_then(|line| line.strip_prefix("sep="));
    if let Some(&[separator]) = said.map(str::as_bytes)
        && SEPARATORS.contains(&separator)
    {
        return (separator, 1);
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

fn csv_fault(path: &Path, skipped: usize, error: csv::Error) -> Error {
    let line = error.position().map(|position| position.line() + skipped as u64);
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
            self.rows.retain(|(_, cells)| cells[column] == *word);
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
