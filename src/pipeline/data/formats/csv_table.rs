//! A CSV file in memory.

use std::path::{Path, PathBuf};

use mtpret_engine::error::Place;

use crate::{Error, Result, did_you_mean};

/// A CSV file in memory.
pub struct Table {
    /// Where it was read.
    pub path: PathBuf,
    /// The names of the columns.
    pub header: Vec<String>,
    /// Line number and cells of each row below the header.
    pub rows: Vec<(u64, Vec<String>)>,
}

impl Table {
    /// Reads a comma-separated file; `ragged` allows rows of more or fewer cells than the header.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Data`] with file and line if it cannot be read or is no table.
    pub fn read(path: PathBuf, ragged: bool) -> Result<Self> {
        Self::parse(path, ragged, true)
    }

    /// Reads a comma-separated file that has no header.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn headless(path: PathBuf) -> Result<Self> {
        Self::parse(path, true, false)
    }

    fn parse(path: PathBuf, ragged: bool, headed: bool) -> Result<Self> {
        let fault = |e: csv::Error| csv_fault(&path, e);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(ragged)
            .has_headers(headed)
            .from_path(&path)
            .map_err(fault)?;
        let text = |record: &csv::ByteRecord| {
            record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
        };
        let header = if headed { text(reader.byte_headers().map_err(fault)?) } else { Vec::new() };
        let mut rows = Vec::new();
        for record in reader.byte_records() {
            let record = record.map_err(fault)?;
            rows.push((record.position().map_or(0, csv::Position::line), text(&record)));
        }
        Ok(Self { path, header, rows })
    }

    /// File and line, for errors.
    pub fn place(&self, line: u64) -> Place {
        Place::from(&self.path).line(line)
    }

    /// The place of a column.
    pub(in crate::data) fn column(&self, name: &str) -> Result<usize> {
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

fn csv_fault(path: &Path, error: csv::Error) -> Error {
    let line = error.position().map(csv::Position::line);
    let place = Place { line, ..Place::from(path) };
    match error.into_kind() {
        csv::ErrorKind::Io(source) => {
            Error::io(path, source, "see that the table exists and may be read")
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Error::data(
            place,
            format!("{expected_len} cells as in the header"),
            len.to_string(),
            "put cells that hold commas in double quotes",
        ),
        other => Error::data(place, "a table in CSV", format!("{other:?}"), "save it as UTF-8 CSV"),
    }
}
