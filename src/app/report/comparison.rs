//! Comparison of initialisations in pairs, with intervals: which is better, by how much, how sure that is, and on how
//! few labels.

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
        comparison::{LEAST_PATIENTS, Mean, difference, mean},
        init::Column as Initialisation,
    },
    run::Run,
};

/// Comparison of an experiment's cells.
pub struct Comparison<'a> {
    /// Cells that there are so far.
    pub cells: &'a [Cell],
    /// Whether the rows are MTPret with one part left out each.
    pub ablation: bool,
}

/// Name in tables of the mean over targets of classification.
const CLASSIFICATION: &str = "mean of classification";
/// Number of standard errors from which on a difference shows, at the level of 5 %, in four of five
/// experiments.
const DETECTABLE: f64 = 1.96 + 0.84;

/// Part of a comparison that a table is of: a backbone, targets and a share of the labels.
#[derive(Clone)]
struct ComparedPart {
    backbone: String,
    name: String,
    targets: Vec<String>,
    labels: f64,
}

/// Figures by share of the labels: what they are of, a table and a picture.
type LabelCurve = (String, Table, Panel);

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
    fn inits(&self) -> Vec<String> {
        self.distinct(|cell| cell.initialisation.clone())
    }
    /// The parts: each target, and the mean over those of classification where there are several, with all
    /// labels first.
    fn parts(&self) -> Vec<ComparedPart> {
        let mut shares = self.distinct(|cell| cell.labels);
        shares.sort_by(|a, b| b.total_cmp(a));
        let mut parts = Vec::new();
        for labels in shares {
            for backbone in self.distinct(|cell| cell.backbone.clone()) {
                let here = |cell: &Cell| cell.backbone == backbone && cell.labels == labels;
                let all = self.distinct(|c| here(c).then(|| (c.target.clone(), c.classifies())));
                let all: Vec<(String, bool)> = all.into_iter().flatten().collect();
                let classes = all.iter().filter(|(_, classifies)| *classifies);
                let classes: Vec<String> = classes.map(|(target, _)| target.clone()).collect();
                let part = |name: String, targets: Vec<String>| ComparedPart {
                    backbone: backbone.clone(),
                    name,
                    targets,
                    labels,
                };
                let single =
                    |(target, _): &(String, bool)| part(target.clone(), vec![target.clone()]);
                parts.extend(all.iter().map(single));
                if classes.len() > 1 {
                    parts.push(part(CLASSIFICATION.into(), classes));
                }
            }
        }
        parts
    }
    /// The cells of an initialisation in a part.
    fn of(&self, part: &ComparedPart, init: &str) -> Vec<&Cell> {
        let fits = |cell: &&Cell| {
            cell.backbone == part.backbone
                && cell.initialisation == init
                && part.targets.contains(&cell.target)
                && cell.labels == part.labels
        };
        self.cells.iter().filter(fits).collect()
    }
    fn difference(&self, part: &ComparedPart, one: &str, other: &str) -> Option<Mean> {
        difference(&self.of(part, one), &self.of(part, other))
    }
    /// Differences in points by which each initialisation is better than each other one: a table
    /// for each part.
    fn differences(&self) -> Vec<(String, Table)> {
        let inits = self.inits();
        let table = |part: ComparedPart| {
            let heads = inits.iter().map(|init| Column::numbers(format!("less {init}"), None));
            let first = Column::text("points");
            let mut table = Table::new(std::iter::once(first).chain(heads).collect());
            for one in &inits {
                let place = |other: &String| match one == other {
                    true => Place::text(""),
                    false => points(self.difference(&part, one, other).as_ref()),
                };
                let row = std::iter::once(Place::text(one)).chain(inits.iter().map(place));
                table.push(row.collect());
            }
            let labels = match part.labels < 1.0 {
                true => format!(", {} of the labels", percentage(part.labels)),
                false => String::new(),
            };
            (format!("{}, {}{labels}", part.backbone, part.name), table)
        };
        self.parts().into_iter().map(table).collect()
    }
    /// The figures of each target with fewer labels, by initialisation; none where nothing was trained with fewer.
    fn efficiency(&self) -> Vec<LabelCurve> {
        let (parts, inits) = (self.parts(), self.inits());
        let whole = parts.iter().filter(|part| part.labels >= 1.0 && part.name != CLASSIFICATION);
        let curve = |whole: &ComparedPart| {
            let same =
                |part: &&ComparedPart| part.backbone == whole.backbone && part.name == whole.name;
            let shares: Vec<&ComparedPart> = parts.iter().filter(same).rev().collect();
            if shares.len() < 2 {
                return None;
            }
            // A point of the curve is a mean over the seeds and divisions that all its points have.
            let unit = |cell: &Cell| (cell.seed, cell.division);
            let has = |part: &&ComparedPart, of: &Cell| {
                let mut all = inits.iter().flat_map(|init| self.of(part, init));
                all.any(|cell| unit(cell) == unit(of))
            };
            let found = |init: &str, part: &ComparedPart| {
                let cells = self.of(part, init).into_iter();
                mean(cells.filter(|cell| shares.iter().all(|part| has(part, cell))))
            };
            let heads: Vec<String> = shares.iter().map(|part| self.films(part)).collect();
            let first = Column::text("initialisation");
            let columns = heads.iter().map(|head| Column::numbers(head, None));
            let mut table = Table::new(std::iter::once(first).chain(columns).collect());
            for init in &inits {
                let places = shares.iter().map(|part| level(found(init, part).as_ref()));
                table.push(std::iter::once(Place::text(init)).chain(places).collect());
            }
            let group = |(part, name): (&&ComparedPart, String)| Group {
                name,
                estimates: inits.iter().map(|i| found(i, part).map(|m| estimate(&m))).collect(),
            };
            let title =
                format!("{}, {}: how many films must be labelled?", whole.backbone, whole.name);
            let panel = Panel::Columns(IntervalChart {
                title: title.clone(),
                axis: Axis::linear("main figure, %"),
                series: inits.clone(),
                groups: shares.iter().zip(heads).map(group).collect(),
            });
            Some((title, table, panel))
        };
        whole.filter_map(curve).collect()
    }
    /// A part's films to learn from, of the first cell: divisions differ by a few.
    fn films(&self, part: &ComparedPart) -> String {
        let cells = self.inits();
        let first = cells.iter().find_map(|init| self.of(part, init).into_iter().next());
        let films = counted(first.map_or(0, |cell| cell.training), "film");
        format!("{films} ({})", percentage(part.labels))
    }
    /// The differences from the first initialisation, as a picture for each backbone.
    fn picture(&self) -> Vec<Panel> {
        let inits = self.inits();
        let [first, others @ ..] = &inits[..] else { return Vec::new() };
        let parts: Vec<ComparedPart> =
            self.parts().into_iter().filter(|p| p.labels >= 1.0).collect();
        let panel = |backbone: String| {
            let group = |part: &ComparedPart| {
                let of = |init: &String| self.difference(part, init, first).map(|m| estimate(&m));
                Group { name: part.name.clone(), estimates: others.iter().map(of).collect() }
            };
            let parts = parts.iter().filter(|part| part.backbone == backbone);
            Panel::Intervals(IntervalChart {
                title: format!("{backbone}: points more than {first}"),
                axis: Axis::linear("points"),
                series: others.to_vec(),
                groups: parts.map(group).collect(),
            })
        };
        self.distinct(|cell| cell.backbone.clone()).into_iter().map(panel).collect()
    }
    /// Notes on how the figures came about, and how large an experiment could tell more.
    fn notes(&self) -> Vec<String> {
        let [seeds, divisions] =
            [self.distinct(|cell| cell.seed).len(), self.distinct(|cell| cell.division).len()];
        let mut notes = vec![format!(
            "Points are percent of the main figure (AUC, Dice, AP at IoU .5), the row less the column, with 95 % intervals; behind \
             them, over how many seeds and divisions. For an interval the seeds, the divisions and the patients of each test part \
             are drawn anew 1000 times, the same ones for both of a pair. A label counts where {LEAST_PATIENTS} patients of the test \
             part or more have it and as many lack it (boxes of a class: where as many have some); a target without such a label \
             has no figure here. The mean is over targets of classification."
        )];
        if seeds == 1 || divisions == 1 {
            let note =
                "One seed, or one division, says nothing of another: such intervals are too short.";
            notes.push(note.into());
        }
        if self.cells.iter().any(|cell| cell.labels < 1.0) {
            let note = "Fewer labels are those of stages 2 and 3, in about as many steps; the validation part is whole, and chooses \
                        the best of more epochs.";
            notes.push(note.into());
        }
        notes.extend(self.detectable());
        notes
    }
    /// Note on the difference from which on an experiment of this size could tell MTPret from the column that it
    /// goes on from.
    fn detectable(&self) -> Option<String> {
        let [one, other] =
            [Initialisation::Mtpret, Initialisation::MdMoco].map(Initialisation::name);
        let part = self.parts().into_iter().rfind(|part| part.labels >= 1.0)?;
        let found = self.difference(&part, one, other)?;
        let least = 100.0 * DETECTABLE * found.standard_error;
        (found.seeds > 1 && found.divisions > 1).then(|| {
            format!(
                "{}, {}: {one} less {other} would have to be {least:.1} points or more for an experiment of this size to show it in \
                 four of five runs; for one point it takes at least {:.0} times as many seeds, divisions and patients.",
                part.backbone,
                part.name,
                least.powi(2).max(1.0)
            )
        })
    }
    fn file(&self, end: &str) -> String {
        format!("{}comparison.{end}", if self.ablation { "ablation-" } else { "" })
    }
    /// Writes `comparison.md` (`ablation-comparison.md`), the tables as CSV and the pictures, once there are two initialisations.
    ///
    /// # Errors
    /// The disk is full or the folder is not writable.
    pub fn write(&self, run: &Run) -> Result<()> {
        if self.inits().len() < 2 {
            return Ok(());
        }
        let (differences, efficiency) = (self.differences(), self.efficiency());
        run.write(&self.file("md"), &self.markdown(&differences, &efficiency))?;
        let csv = |tables: Vec<(String, Table)>| -> String {
            tables
                .into_iter()
                .map(|(name, table)| format!("{name}\n{}\n", table.to_csv()))
                .collect()
        };
        run.write(&self.file("csv"), &csv(differences))?;
        run.write(&self.file("svg"), &chart::svg(&self.picture(), 1))?;
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
        if self.inits().len() < 2 {
            return String::new();
        }
        self.markdown(&self.differences(), &self.efficiency())
    }
    fn markdown(&self, differences: &[(String, Table)], efficiency: &[LabelCurve]) -> String {
        let differences = differences.iter().map(|(name, table)| (name, table));
        let tables = differences.chain(efficiency.iter().map(|(name, table, _)| (name, table)));
        let table =
            |(name, table): (&String, &Table)| format!("**{name}**\n\n{}\n", table.to_markdown());
        let notes = self.notes().into_iter().map(|note| note + "\n\n");
        tables.map(table).chain(notes).collect()
    }
    /// Tables and pictures for a page.
    pub fn page(&self) -> Vec<html::Block> {
        if self.inits().len() < 2 {
            return Vec::new();
        }
        let whiskers = "Whiskers are 95 % intervals over seeds, divisions and patients";
        let mut blocks = vec![html::Block::Heading("Compared in pairs".into())];
        let figure = |panels| html::Block::Figure { caption: whiskers.into(), panels, columns: 1 };
        blocks.push(figure(self.picture()));
        let tables = self.differences().into_iter();
        blocks.extend(tables.map(|(caption, table)| html::Block::Table { caption, table }));
        for (caption, table, panel) in self.efficiency() {
            blocks.push(figure(vec![panel]));
            blocks.push(html::Block::Table { caption, table });
        }
        blocks.extend(self.notes().into_iter().map(html::Block::Text));
        blocks
    }
}

/// Estimate for a picture of a mean in percent with its interval.
fn estimate(mean: &Mean) -> Estimate {
    let [value, low, high] = percent(mean);
    Estimate { value, interval: Some([low, high]) }
}

fn percent(mean: &Mean) -> [f64; 3] {
    [mean.value, mean.interval[0], mean.interval[1]].map(|v| 100.0 * v)
}

/// Percentage of a share, such as `25 %` or `0.5 %`.
fn percentage(share: f64) -> String {
    format!("{} %", (1e4 * share).round() / 100.0)
}

/// Place of a figure in percent with its interval.
fn level(mean: Option<&Mean>) -> Place {
    let Some(mean) = mean else { return Place::number(None, 1) };
    let [value, low, high] = percent(mean);
    Place::interval(Some(value), Some([low, high]), 1)
}

/// Place of a difference in points, with its sign, its interval, and over how many seeds and divisions it
/// is a mean.
fn points(mean: Option<&Mean>) -> Place {
    let Some(mean) = mean else { return Place::number(None, 1) };
    let [value, low, high] = percent(mean);
    let over = format!("{} × {}", mean.seeds, mean.divisions);
    Place::text(format!("{value:+.1} ({low:+.1} to {high:+.1}), {over}"))
}
