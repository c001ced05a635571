//! A classifier's predictions beside the true labels, read from the tables in a run folder.

use super::record::Finished;
use crate::Result;
use mtpret_pipeline::{
    data::{Table, spreadsheet::meant},
    train::run::films::FilmTable,
};
use std::path::Path;

/// Probabilities and truth of labels on the films of a part.
pub struct Predicted {
    /// The labels.
    pub names: Vec<String>,
    /// A row of probabilities for each film.
    pub probabilities: Vec<Vec<f64>>,
    /// What is true, NaN where it is not known.
    pub truths: Vec<Vec<f64>>,
    /// The films' patients.
    pub patients: Vec<String>,
}

/// A label's films of which it is known.
pub struct Known {
    pub scores: Vec<f64>,
    pub positive: Vec<bool>,
    pub patients: Vec<String>,
}

impl Predicted {
    /// Of a part (`.val`, nothing for test) of a run; none where a table is missing.
    ///
    /// # Errors
    /// A table cannot be read.
    pub fn read(run: &Finished, suffix: &str) -> Result<Option<Self>> {
        let file = |name: &str| run.folder.join(format!("{name}{suffix}.csv"));
        let files = ["predictions", "targets"].map(file);
        let Some(films) = FilmTable::read(&run.folder, suffix)? else { return Ok(None) };
        if !files.iter().all(|file| file.exists()) {
            return Ok(None);
        }
        let [probabilities, truths] = [numbers(&files[0])?, numbers(&files[1])?];
        let patients = films.rows.into_iter().map(|film| film.patient).collect::<Vec<_>>();
        // Tables of different evaluations say nothing together.
        let alike = probabilities.0 == truths.0
            && [probabilities.1.len(), truths.1.len()] == [patients.len(); 2];
        Ok(alike.then_some(Self {
            names: probabilities.0,
            probabilities: probabilities.1,
            truths: truths.1,
            patients,
        }))
    }
    /// The films of which a label is known.
    pub fn label(&self, name: &str) -> Option<Known> {
        let l = self.names.iter().position(|n| n == name)?;
        let films: Vec<usize> =
            (0..self.truths.len()).filter(|f| !self.truths[*f][l].is_nan()).collect();
        Some(Known {
            scores: films.iter().map(|f| self.probabilities[*f][l]).collect(),
            positive: films.iter().map(|f| self.truths[*f][l] == 1.0).collect(),
            patients: films.iter().map(|f| self.patients[*f].clone()).collect(),
        })
    }
}

/// The labels of a table and its rows of numbers.
fn numbers(path: &Path) -> Result<(Vec<String>, Vec<Vec<f64>>)> {
    let table = Table::read(path.into(), false)?;
    // A blank is a label that is not known.
    let row =
        |cells: &Vec<String>| cells[1..].iter().map(|c| c.parse().unwrap_or(f64::NAN)).collect();
    let rows = table.rows.iter().map(|(_, cells)| row(cells)).collect();
    let labels = table.header.iter().skip(1).map(|label| meant(label).to_owned());
    Ok((labels.collect(), rows))
}
