//! The figures of a task as rows of a table, whatever its kind.

use crate::report::table::{Cell, Column, Table};
use mtpret_pipeline::{
    metrics::{ClassAp, Measures},
    train::tasks::Scores,
};

/// A figure, undefined or not, and its 95 % interval.
pub type MetricValue = (Option<f64>, Option<[f64; 2]>);

/// Figures of one task.
pub struct Figures {
    /// What each column is called.
    pub titles: &'static [&'static str],
    /// A name (a label, a class) and its figures.
    pub rows: Vec<(String, Vec<MetricValue>)>,
    /// What is positive, where a task of two classes is one label.
    pub positive: Option<String>,
}

impl Figures {
    /// Of `scores`; the first figure of the first row is the task's main one.
    pub fn of(scores: &Scores) -> Self {
        match scores {
            Scores::Classify(s) => {
                let of = |m: &Measures<Option<f64>>| m.auc.0.clone();
                let rows = of(&s.measures).into_iter().map(|(label, _)| {
                    let m = &s.measures;
                    let values = [&m.auc, &m.accuracy, &m.sensitivity, &m.specificity];
                    let ci = s.ci.as_ref().map(|ci| &ci.measures);
                    let intervals =
                        ci.map(|m| [&m.auc, &m.accuracy, &m.sensitivity, &m.specificity]);
                    let figure = |i: usize| {
                        let interval =
                            intervals.and_then(|all| all[i].get(&label).copied().flatten());
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
            Scores::Segment(s) => {
                let (m, ci) = (&s.measures, s.ci.as_ref().map(|ci| &ci.measures));
                let figures = vec![
                    (m.dice, ci.and_then(|ci| ci.dice)),
                    (m.miou, ci.and_then(|ci| ci.miou)),
                    (m.dice_pooled, ci.and_then(|ci| ci.dice_pooled)),
                    (m.miou_per_image, ci.and_then(|ci| ci.miou_per_image)),
                ];
                Self {
                    titles: &["Dice", "mIoU", "Dice, pooled", "mIoU, per film"],
                    rows: vec![("foreground".into(), figures)],
                    positive: None,
                }
            }
            Scores::Detect(s) => {
                let (m, ci) = (&s.measures, s.ci.as_ref().map(|ci| &ci.measures));
                let all = vec![
                    (m.ap50, ci.and_then(|ci| ci.ap50)),
                    (m.ap, ci.and_then(|ci| ci.ap)),
                    (m.ap75, ci.and_then(|ci| ci.ap75)),
                    (m.voc07_ap50, ci.and_then(|ci| ci.voc07_ap50)),
                    (m.voc10_ap50, ci.and_then(|ci| ci.voc10_ap50)),
                ];
                let class = |(name, ap): &(String, ClassAp<Option<f64>>)| {
                    let ci = ci.and_then(|ci| ci.per_class.get(name));
                    let figures = vec![
                        (ap.ap50, ci.and_then(|ci| ci.ap50)),
                        (ap.ap, ci.and_then(|ci| ci.ap)),
                    ];
                    (name.clone(), figures)
                };
                let classes = m.per_class.0.iter().filter(|_| m.per_class.0.len() > 1).map(class);
                Self {
                    titles: &["AP50", "AP", "AP75", "VOC07 AP50", "VOC10 AP50"],
                    rows: std::iter::once(("mean".into(), all)).chain(classes).collect(),
                    positive: None,
                }
            }
        }
    }
    /// A table with a row for each name.
    pub fn table(&self) -> Table {
        let mut table = Table::new(self.columns("label"));
        for (name, row) in &self.rows {
            table.push(self.row(name, row));
        }
        table
    }
    /// The columns of a table whose first is called `first`.
    pub fn columns(&self, first: &str) -> Vec<Column> {
        let numbers = self.titles.iter().map(|title| Column::numbers(*title, None));
        std::iter::once(Column::text(first)).chain(numbers).collect()
    }
    /// A row of that table.
    pub fn row(&self, first: &str, figures: &[MetricValue]) -> Vec<Cell> {
        // A class has fewer figures than their mean.
        let missing = self.titles.len() - figures.len();
        let cells = figures.iter().map(|(value, interval)| Cell::interval(*value, *interval, 3));
        let none = std::iter::repeat_n(Cell::text(""), missing);
        std::iter::once(Cell::text(first)).chain(cells).chain(none).collect()
    }
}

/// Figures as a table, or as JSON.
pub(in crate::commands) fn show(json: bool, task: &str, scores: &Scores) {
    if json {
        println!("{}", serde_json::to_string(scores).expect("scores are plain data"));
        return;
    }
    let table = Figures::of(scores).table();
    println!("{task}, {} films\n{}", scores.images(), table.to_text());
}
