//! `films.csv` in the folder of a fine-tuned run: the metrics of each film.

use super::Run;
use crate::{
    Error, Result,
    data::{Table, spreadsheet::meant},
};
use std::path::{Path, PathBuf};

/// A figure of a film, and whether more of it is better.
pub struct FilmMetric {
    /// The column's name.
    pub name: &'static str,
    /// Whether the greatest is the best.
    pub rising: bool,
}

/// Classification: mean cross-entropy over what is labelled.
pub const LOSS: FilmMetric = FilmMetric { name: "loss", rising: false };
/// Segmentation: Dice of the foreground.
pub const DICE: FilmMetric = FilmMetric { name: "dice", rising: true };
/// Segmentation: intersection over union of the foreground.
pub const IOU: FilmMetric = FilmMetric { name: "iou", rising: true };
/// Detection, at a probability of ½ and IoU ½: boxes rightly found.
pub const FOUND: FilmMetric = FilmMetric { name: "found", rising: true };
/// Detection: boxes that are not there.
pub const FALSE: FilmMetric = FilmMetric { name: "false", rising: false };
/// Detection: boxes that were not found.
pub const MISSED: FilmMetric = FilmMetric { name: "missed", rising: false };

/// A film and its figures.
#[derive(Clone, Debug, PartialEq)]
pub struct FilmRow {
    /// The file.
    pub path: PathBuf,
    /// The patient.
    pub patient: String,
    /// In the order of the table's columns; none where it is undefined.
    pub figures: Vec<Option<f64>>,
}

/// A table of films.
#[derive(Clone, Debug, PartialEq)]
pub struct FilmTable {
    /// Names of the figures.
    pub names: Vec<String>,
    /// In the order of the data set.
    pub rows: Vec<FilmRow>,
}

/// The name of the table of a part (`.val`, nothing for test).
fn file(suffix: &str) -> String {
    format!("films{suffix}.csv")
}

/// Writes the table of films with these figures.
///
/// # Errors
/// The disk is full or the folder is not writable.
pub fn write<'a, const N: usize>(
    run: &Run,
    suffix: &str,
    figures: [FilmMetric; N],
    rows: impl Iterator<Item = (&'a Path, &'a str, [Option<f64>; N])>,
) -> Result<()> {
    let header = ["image", "patient"].into_iter().chain(figures.iter().map(|f| f.name));
    let rows = rows.map(|(path, patient, values)| {
        let numbers = values.map(|v| v.map_or(String::new(), |v| format!("{v:.6}")));
        [path.display().to_string(), patient.to_owned()].into_iter().chain(numbers).collect()
    });
    run.write_table(&file(suffix), std::iter::once(header.map(str::to_owned).collect()).chain(rows))
}

impl FilmTable {
    /// The table of a run; none where there is none.
    ///
    /// # Errors
    /// It cannot be read, or a figure is no number.
    pub fn read(folder: &Path, suffix: &str) -> Result<Option<Self>> {
        let path = folder.join(file(suffix));
        if !path.exists() {
            return Ok(None);
        }
        let table = Table::read(path, false)?;
        let mut rows = Vec::new();
        for (line, cells) in &table.rows {
            let fault = |found: &str| {
                let (expected, found) = ("image,patient,NUMBER…", format!("{found:?}"));
                let mend = "write it anew: mtpret evaluate";
                Error::data(table.place(*line), expected, found, mend)
            };
            let [path, patient, figures @ ..] = &cells[..] else {
                return Err(fault(&cells.join(",")));
            };
            let number = |cell: &String| match cell.as_str() {
                "" => Ok(None),
                text => text.parse().map(Some).map_err(|_| fault(text)),
            };
            rows.push(FilmRow {
                path: meant(path).into(),
                patient: meant(patient).to_owned(),
                figures: figures.iter().map(number).collect::<Result<_>>()?,
            });
        }
        Ok(Some(Self { names: table.header.iter().skip(2).cloned().collect(), rows }))
    }
    /// A figure of each film, if the table has it.
    pub fn of(&self, figure: &FilmMetric) -> Option<Vec<Option<f64>>> {
        let column = self.names.iter().position(|name| name == figure.name)?;
        Some(self.rows.iter().map(|film| film.figures[column]).collect())
    }
}
