//! Figures of fine-tuned runs of one task beside one another: a table, dots with intervals, curves.

use super::{predicted::Predicted, record::Finished};
use crate::{
    Result,
    commands::inference::figures::Figures,
    report::{
        chart::{Axis, Curve, Estimate, Group, IntervalChart, Panel, Reference, UnitChart},
        html::{Block, Tile},
        table::Table,
    },
};
use mtpret_pipeline::metrics::{Bootstrap, PrecisionRecall};

/// Curves side by side.
const COLUMNS: usize = 3;
/// Tiles of a single run.
const TILES: usize = 4;
/// Resamplings behind an interval that is computed for the page.
const REPLICATES: u32 = 500;

/// The labels of a run, or whatever its figures are of.
pub fn labels(run: &Finished) -> Vec<String> {
    Figures::of(&run.scores).rows.into_iter().map(|(label, _)| label).collect()
}

/// A table of figures: a row for each run and label.
pub fn table(runs: &[Finished]) -> Table {
    let first = Figures::of(&runs[0].scores);
    let mut table = Table::new(first.columns("run"));
    for run in runs {
        let figures = Figures::of(&run.scores);
        for (label, row) in &figures.rows {
            let name = match figures.rows.len() {
                1 => run.name.clone(),
                _ => format!("{}, {label}", run.name),
            };
            table.push(figures.row(&name, row));
        }
    }
    table
}

fn describe((value, interval): (Option<f64>, Option<[f64; 2]>)) -> (String, String) {
    let value = value.map_or("–".into(), |v| format!("{v:.3}"));
    let interval =
        interval.map_or(String::new(), |[low, high]| format!("95 %: {low:.3}–{high:.3}"));
    (value, interval)
}

/// The figures that matter most: all of a single run, the main one of several.
pub fn tiles(task: &str, runs: &[Finished]) -> Vec<Tile> {
    let tile = |name: String, figure| {
        let (value, note) = describe(figure);
        Tile { name, value, note }
    };
    if let [run] = runs {
        let figures = Figures::of(&run.scores);
        let (_, row) = &figures.rows[0];
        let all = figures.titles.iter().zip(row).take(TILES);
        return match figures.rows.len() {
            1 => all.map(|(title, figure)| tile((*title).to_owned(), *figure)).collect(),
            _ => vec![tile(format!("{task}, mean {}", figures.titles[0]), run.scores.main())],
        };
    }
    let main = Figures::of(&runs[0].scores).titles[0];
    runs.iter().map(|run| tile(format!("{}, {main}", run.name), run.scores.main())).collect()
}

fn estimate(run: &Finished, label: &str) -> Option<Estimate> {
    let figures = Figures::of(&run.scores);
    let (_, row) = figures.rows.iter().find(|(name, _)| name == label)?;
    let (value, interval) = *row.first()?;
    Some(Estimate { value: value?, interval })
}

/// The main figure of each label by run (the paper's Fig. 3); none where it is one number.
pub fn overview(runs: &[Finished]) -> Option<Panel> {
    let figures = Figures::of(&runs[0].scores);
    if runs.len() * figures.rows.len() < 2 {
        return None;
    }
    let main = figures.titles[0];
    let group = |(label, _): &(String, Vec<_>)| Group {
        name: label.clone(),
        estimates: runs.iter().map(|run| estimate(run, label)).collect(),
    };
    let overview = IntervalChart {
        title: format!("{main} on the test part, 95 % intervals"),
        axis: Axis::linear(main),
        series: runs.iter().map(|run| run.name.clone()).collect(),
        groups: figures.rows.iter().map(group).collect(),
    };
    Some(match overview.groups.len() {
        ..4 => Panel::Intervals(overview),
        _ => Panel::Columns(overview),
    })
}

/// ROC curves of each label, where the runs have labels.
pub fn rocs(runs: &[Finished]) -> Vec<Panel> {
    let roc = |label: String| {
        let curve = |run: &Finished| {
            let roc = run.curves.iter().find(|curve| curve.label == label)?;
            Some(Curve {
                name: Curve::named(&run.name, "AUC", estimate(run, &label)?),
                points: roc.points.clone(),
                band: roc.band.clone(),
                marked: false,
            })
        };
        let curves: Vec<_> = runs.iter().filter_map(curve).collect();
        (!curves.is_empty()).then(|| Panel::Unit(UnitChart::roc(format!("ROC: {label}"), curves)))
    };
    labels(&runs[0]).into_iter().filter_map(roc).collect()
}

/// Precision over recall of each label, where the runs have labels and the tables of what was predicted.
fn precisions(runs: &[Finished]) -> Result<Vec<Panel>> {
    let predicted = runs.iter().map(|run| Predicted::read(run, "")).collect::<Result<Vec<_>>>()?;
    let bootstrap = Bootstrap { replicates: REPLICATES, seed: 0 };
    let panel = |label: String| {
        let (mut curves, mut level) = (Vec::new(), None);
        for (run, predicted) in runs.iter().zip(&predicted) {
            let Some(known) = predicted.as_ref().and_then(|p| p.label(&label)) else { continue };
            let found =
                PrecisionRecall::of(&known.scores, &known.positive, &known.patients, bootstrap);
            let Some(pr) = found else { continue };
            level = Some(pr.prevalence);
            let average = Estimate { value: pr.average, interval: pr.interval };
            curves.push(Curve {
                name: Curve::named(&run.name, "AP", average),
                points: pr.points,
                band: pr.band,
                marked: false,
            });
        }
        level.map(|level| {
            Panel::Unit(UnitChart {
                title: format!("Precision and recall: {label}"),
                axes: ["recall (sensitivity)".into(), "precision".into()],
                reference: Reference::Level(level),
                curves,
            })
        })
    };
    Ok(labels(&runs[0]).into_iter().filter_map(panel).collect())
}

/// A figure of panels, as many side by side as look well.
pub fn figure(caption: &str, panels: Vec<Panel>) -> Block {
    let columns = panels.len().clamp(2, COLUMNS);
    Block::Figure { caption: caption.into(), panels, columns }
}

/// Table and pictures of runs of one task.
///
/// # Errors
/// A table of a run cannot be read.
pub fn section(caption: &str, runs: &[Finished]) -> Result<Vec<Block>> {
    // A single row with as many figures as there are tiles says nothing more.
    let first = Figures::of(&runs[0].scores);
    let told = runs.len() == 1 && first.rows.len() == 1 && first.titles.len() <= TILES;
    let mut blocks = vec![match told {
        true => Block::Text(format!("{caption}.")),
        false => Block::Table { caption: caption.into(), table: table(runs) },
    }];
    if let Some(panel) = overview(runs) {
        let caption = "The main figure of each run; whiskers are 95 % intervals".into();
        blocks.push(Block::Figure { caption, panels: vec![panel], columns: 1 });
    }
    let rocs = rocs(runs);
    if rocs.is_empty() {
        return Ok(blocks);
    }
    let caption = "ROC curves; bands are 95 % intervals of the sensitivity, resampling patients";
    let precisions = precisions(runs)?;
    if precisions.is_empty() {
        blocks.push(figure(caption, rocs));
        return Ok(blocks);
    }
    let with = "; precision over recall, dashed: the share of positive films, which is what chance reaches";
    match rocs.len() {
        // One label: both curves side by side.
        1 => blocks.push(figure(&format!("{caption}{with}"), [rocs, precisions].concat())),
        _ => {
            blocks.push(figure(caption, rocs));
            let caption =
                "Precision over recall; dashed: the share of positive films. AP: average precision";
            blocks.push(figure(caption, precisions));
        }
    }
    Ok(blocks)
}
