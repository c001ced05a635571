//! Initialisations compared in pairs, with intervals: which is better, by how much, how sure that is, and on how few labels.

use crate::{
    Result,
    report::{
        chart::{self, Axis, Estimate, Group, IntervalChart, Panel},
        counted, html,
        table::{Cell as Place, Column, Table},
    },
};
use mtpret_pipeline::train::{
    reproduce::{
        Cell,
        comparison::{LEAST_POSITIVES, Mean, difference, mean},
    },
    run::Run,
};

/// An experiment's cells, to be compared.
pub struct Comparison<'a> {
    /// What there is so far.
    pub cells: &'a [Cell],
}

/// The mean over targets of classification, as tables call it.
const CLASSIFICATION: &str = "mean of classification";
/// Half the width of a 95 % interval, in standard errors, and what 80 % power adds to it.
const DETECTABLE: f64 = 1.96 + 0.84;

impl Comparison<'_> {
    /// Distinct values of cells, in the order in which they first appear.
    fn distinct<T: PartialEq>(&self, of: impl Fn(&Cell) -> T) -> Vec<T> {
        let mut all = Vec::new();
        for value in self.cells.iter().map(of) {
            if !all.contains(&value) {
                all.push(value);
            }
        }
        all
    }
    fn backbones(&self) -> Vec<String> {
        self.distinct(|cell| cell.backbone.clone())
    }
    fn initialisations(&self) -> Vec<String> {
        self.distinct(|cell| cell.initialisation.clone())
    }
    /// The targets, and the mean over those of classification where there are several.
    fn places(&self) -> Vec<(String, Vec<String>)> {
        let all = self.distinct(|cell| (cell.target.clone(), cell.classifies()));
        let mut places: Vec<_> =
            all.iter().map(|(target, _)| (target.clone(), vec![target.clone()])).collect();
        let classes: Vec<String> = all
            .into_iter()
            .filter(|(_, classifies)| *classifies)
            .map(|(target, _)| target)
            .collect();
        if classes.len() > 1 {
            places.push((CLASSIFICATION.into(), classes));
        }
        places
    }
    /// The cells of an initialisation on some targets with a share of the labels.
    fn of(&self, backbone: &str, init: &str, targets: &[String], labels: f64) -> Vec<&Cell> {
        let fits = |cell: &&Cell| {
            cell.backbone == backbone
                && cell.initialisation == init
                && targets.contains(&cell.target)
                && cell.labels == labels
        };
        self.cells.iter().filter(fits).collect()
    }
    /// The shares of labels of a target, falling.
    fn shares(&self, target: &str) -> Vec<f64> {
        let mut shares: Vec<f64> = self
            .cells
            .iter()
            .filter(|cell| cell.target == target)
            .map(|cell| cell.labels)
            .collect();
        shares.sort_by(|a, b| b.total_cmp(a));
        shares.dedup();
        shares
    }
    /// What each initialisation is better than each other one, in points: a table for each backbone and place.
    fn differences(&self) -> Vec<(String, Table)> {
        let inits = self.initialisations();
        let mut tables = Vec::new();
        for backbone in self.backbones() {
            for (name, targets) in self.places() {
                let heads = inits.iter().map(|init| Column::numbers(format!("less {init}"), None));
                let first = Column::text("points");
                let mut table = Table::new(std::iter::once(first).chain(heads).collect());
                for one in &inits {
                    let place = |other: &String| {
                        let [a, b] =
                            [one, other].map(|init| self.of(&backbone, init, &targets, 1.0));
                        match one == other {
                            true => Place::text(""),
                            false => points(difference(&a, &b).as_ref()),
                        }
                    };
                    let row = std::iter::once(Place::text(one)).chain(inits.iter().map(place));
                    table.push(row.collect());
                }
                tables.push((format!("{backbone}, {name}"), table));
            }
        }
        tables
    }
    /// The figures of each target with fewer labels, by initialisation; none where nothing was trained with fewer.
    fn efficiency(&self) -> Vec<(String, Table, Panel)> {
        let mut all = Vec::new();
        for backbone in self.backbones() {
            for target in self.distinct(|cell| cell.target.clone()) {
                let mut shares = self.shares(&target);
                if shares.len() < 2 {
                    continue;
                }
                shares.reverse();
                let inits = self.initialisations();
                let found = |init: &str, share: f64| {
                    mean(self.of(&backbone, init, std::slice::from_ref(&target), share))
                };
                let heads = shares.iter().map(|share| self.films(&target, *share));
                let first = Column::text("initialisation");
                let columns = heads.clone().map(|head| Column::numbers(head, None));
                let mut table = Table::new(std::iter::once(first).chain(columns).collect());
                for init in &inits {
                    let places = shares.iter().map(|share| level(found(init, *share).as_ref()));
                    table.push(std::iter::once(Place::text(init)).chain(places).collect());
                }
                let group = |(share, name): (&f64, String)| Group {
                    name,
                    estimates: inits
                        .iter()
                        .map(|i| found(i, *share).map(|m| estimate(&m)))
                        .collect(),
                };
                let title = format!("{backbone}, {target}: how many films must be labelled?");
                let panel = Panel::Columns(IntervalChart {
                    title: title.clone(),
                    axis: Axis::linear("main figure, %"),
                    series: inits.clone(),
                    groups: shares.iter().zip(heads).map(group).collect(),
                });
                all.push((title, table, panel));
            }
        }
        all
    }
    /// A share of a target's labels, in films of the training part.
    fn films(&self, target: &str, share: f64) -> String {
        let mut fits = self.cells.iter().filter(|c| c.target == target && c.labels == share);
        let films = fits.next().map_or(0, |cell| cell.training);
        format!("{} ({:.0} %)", counted(films, "film"), 100.0 * share)
    }
    /// The differences from the first initialisation, as a picture.
    fn picture(&self) -> Vec<Panel> {
        let inits = self.initialisations();
        let [first, others @ ..] = &inits[..] else { return Vec::new() };
        let panel = |backbone: String| {
            let group = |(name, targets): (String, Vec<String>)| {
                let base = self.of(&backbone, first, &targets, 1.0);
                let of = |init: &String| {
                    difference(&self.of(&backbone, init, &targets, 1.0), &base)
                        .map(|m| estimate(&m))
                };
                Group { name, estimates: others.iter().map(of).collect() }
            };
            Panel::Intervals(IntervalChart {
                title: format!("{backbone}: points more than {first}"),
                axis: Axis::linear("points"),
                series: others.to_vec(),
                groups: self.places().into_iter().map(group).collect(),
            })
        };
        self.backbones().into_iter().map(panel).collect()
    }
    /// How the figures came about, and how large an experiment could tell more.
    fn notes(&self) -> Vec<String> {
        let units = self.distinct(|cell| (cell.seed, cell.division));
        let mut notes = vec![format!(
            "Points are percent of the main figure (AUC, Dice, AP at IoU .5), the row less the column, with 95 % intervals of a \
             bootstrap that draws units (a seed of training with a division, {} here) and, in each, patients of the test part, the \
             same for both of a pair. A label counts with {LEAST_POSITIVES} positive films in the test part, or boxes, or more; \
             the mean is over targets of classification.",
            units.len()
        )];
        if units.len() == 1 {
            notes.push(
                "With one unit the intervals know nothing of another seed or division.".into(),
            );
        }
        let inits = self.initialisations();
        if let ([.., before, last], Some((name, targets))) = (&inits[..], self.places().last())
            && let Some(backbone) = self.backbones().first()
        {
            let [a, b] = [last, before].map(|init| self.of(backbone, init, targets, 1.0));
            if let Some(found) = difference(&a, &b) {
                let least = 100.0 * DETECTABLE * found.standard_error;
                let times = (100.0 * DETECTABLE * found.standard_error).powi(2);
                notes.push(format!(
                    "{backbone}, {name}: this experiment would tell {last} from {before} (80 % power, 5 % level) from {least:.1} \
                     points on; one point needs {times:.1} times as many units and test patients."
                ));
            }
        }
        notes
    }
    /// Writes `comparison.md`, the tables as CSV and the pictures, once there are two initialisations.
    ///
    /// # Errors
    /// The disk is full or the folder is not writable.
    pub fn write(&self, run: &Run) -> Result<()> {
        if self.initialisations().len() < 2 {
            return Ok(());
        }
        run.write("comparison.md", &self.text())?;
        let csv = |tables: Vec<(String, Table)>| -> String {
            tables
                .into_iter()
                .map(|(name, table)| format!("{name}\n{}\n", table.to_csv()))
                .collect()
        };
        run.write("comparison.csv", &csv(self.differences()))?;
        run.write("comparison.svg", &chart::svg(&self.picture(), 1))?;
        let efficiency = self.efficiency();
        if !efficiency.is_empty() {
            let panels: Vec<Panel> = efficiency.iter().map(|(.., panel)| panel.clone()).collect();
            run.write("label-efficiency.svg", &chart::svg(&panels, 1))?;
            let tables = efficiency.into_iter().map(|(name, table, _)| (name, table)).collect();
            run.write("label-efficiency.csv", &csv(tables))?;
        }
        Ok(())
    }
    /// Tables and notes as markdown, for a terminal; empty of fewer than two initialisations.
    pub fn text(&self) -> String {
        if self.initialisations().len() < 2 {
            return String::new();
        }
        let efficiency = self.efficiency().into_iter().map(|(name, table, _)| (name, table));
        let tables = self.differences().into_iter().chain(efficiency);
        let table =
            |(name, table): (String, Table)| format!("**{name}**\n\n{}\n", table.to_markdown());
        let notes = self.notes().into_iter().map(|note| note + "\n\n");
        tables.map(table).chain(notes).collect()
    }
    /// Tables and pictures for a page.
    pub fn page(&self) -> Vec<html::Block> {
        if self.initialisations().len() < 2 {
            return Vec::new();
        }
        let mut blocks = vec![html::Block::Heading("Compared in pairs".into())];
        let caption = "Differences; whiskers are 95 % intervals over units and patients".into();
        blocks.push(html::Block::Figure { caption, panels: self.picture(), columns: 1 });
        let tables = self.differences().into_iter();
        blocks.extend(tables.map(|(caption, table)| html::Block::Table { caption, table }));
        for (caption, table, panel) in self.efficiency() {
            let picture = "Whiskers are 95 % intervals over units and patients".into();
            blocks.push(html::Block::Figure { caption: picture, panels: vec![panel], columns: 1 });
            blocks.push(html::Block::Table { caption, table });
        }
        blocks.extend(self.notes().into_iter().map(html::Block::Text));
        blocks
    }
}

/// A mean in percent with its interval, for a picture.
fn estimate(mean: &Mean) -> Estimate {
    let [value, low, high] = percent(mean);
    Estimate { value, interval: Some([low, high]) }
}

fn percent(mean: &Mean) -> [f64; 3] {
    [mean.value, mean.interval[0], mean.interval[1]].map(|v| 100.0 * v)
}

/// A figure in percent with its interval.
fn level(mean: Option<&Mean>) -> Place {
    let Some(mean) = mean else { return Place::number(None, 1) };
    let [value, low, high] = percent(mean);
    Place::interval(Some(value), Some([low, high]), 1)
}

/// A difference in points, with its sign and interval.
fn points(mean: Option<&Mean>) -> Place {
    let Some(mean) = mean else { return Place::number(None, 1) };
    let [value, low, high] = percent(mean);
    Place::text(format!("{value:+.1} ({low:+.1} to {high:+.1})"))
}
