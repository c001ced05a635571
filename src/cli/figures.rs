//! The figures of a task as rows of a table, whatever its kind.

use crate::{
    report::table::{Cell, Column},
    train::task::Scores,
};

/// A figure, undefined or not, and its 95 % interval.
pub type Figure = (Option<f64>, Option<[f64; 2]>);

/// Figures of one task.
pub struct Figures {
    /// What each column is called.
    pub titles: &'static [&'static str],
    /// A name (a label, a class) and its figures.
    pub rows: Vec<(String, Vec<Figure>)>,
    /// What is positive, where a task of two classes is one label.
    pub positive: Option<String>,
}

impl Figures {
    /// Of `scores`; the first figure of the first row is the task's main one.
    pub fn of(scores: &Scores) -> Self {
        match scores {
            Scores::Classify(s) => {
                let of = |m: &crate::train::metrics::Measures<Option<f64>>| m.auc.0.clone();
                let rows = of(&s.measures).into_iter().map(|(label, _)| {
                    let m = &s.measures;
                    let values = [&m.auc, &m.accuracy, &m.sensitivity, &m.specificity];
                    let ci = s.ci.as_ref().map(|ci| &ci.measures);
                    let intervals =
                        ci.map(|m| [&m.auc, &m.accuracy, &m.sensitivity, &m.specificity]);
                    let figure = |i: usize| {
                        let interval = intervals.and_then(|all| all[i].get(&label).copied().flatten());
                        (values[i].get(&label).copied().flatten(), interval)
                    };
                    let figures = (0..4).map(figure).collect();
                    (label, figures)
                });
                Self {
                    titles: &["AUC", "accuracy", "sensitivity", "specificity"],
                    rows: rows.collect(),
                    positive: s.positive_class.clone(),
                }
            }
        }
    }
    /// The columns of a table whose first is called `first`.
    pub fn columns(&self, first: &str) -> Vec<Column> {
        let numbers = self.titles.iter().map(|title| Column::numbers(*title, None));
        std::iter::once(Column::words(first)).chain(numbers).collect()
    }
    /// A row of that table.
    pub fn row(first: &str, figures: &[Figure]) -> Vec<Cell> {
        let cells = figures.iter().map(|(value, interval)| Cell::interval(*value, *interval, 3));
        std::iter::once(Cell::words(first)).chain(cells).collect()
    }
}
