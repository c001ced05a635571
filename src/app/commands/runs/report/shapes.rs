//! Masks film by film, and boxes class by class.

use super::{figures::figure, record::Finished};
use crate::{
    Result,
    report::{
        chart::{Curve, Estimate, Histogram, Panel, Reference, UnitChart},
        html::Block,
        table::{Cell, Column, Table},
    },
};
use mtpret_pipeline::{
    metrics::{files::coco, percentile},
    train::{
        run::films::{DICE, FALSE, FOUND, FilmMetric, IOU, MISSED},
        tasks::Scores,
    },
};

/// How Dice and IoU are spread over the films; nothing where no table of films is there.
pub fn masks(runs: &[Finished]) -> Vec<Block> {
    let known = |run: &Finished, figure: &FilmMetric| -> Option<Vec<f64>> {
        Some(run.films.as_ref()?.of(figure)?.into_iter().flatten().collect())
    };
    let panel = |(title, figure): (&str, &FilmMetric)| {
        let series = |run: &Finished| Some((run.name.clone(), known(run, figure)?));
        Panel::Histogram(Histogram {
            title: format!("{title} of each film"),
            axis: title.into(),
            counted: "films".into(),
            series: runs.iter().filter_map(series).collect(),
        })
    };
    if runs.iter().all(|run| known(run, &DICE).is_none()) {
        return Vec::new();
    }
    let quantiles = [
        ("least", 0.0),
        ("5 %", 5.0),
        ("25 %", 25.0),
        ("median", 50.0),
        ("75 %", 75.0),
        ("most", 100.0),
    ];
    let columns = quantiles.iter().map(|(title, _)| Column::numbers(*title, None));
    let heads = [Column::text("run"), Column::text("figure"), Column::numbers("films", None)];
    let mut table = Table::new(heads.into_iter().chain(columns).collect());
    for run in runs {
        for (name, figure) in [("Dice", &DICE), ("IoU", &IOU)] {
            let Some(mut values) = known(run, figure) else { continue };
            values.sort_by(f64::total_cmp);
            let mut row = vec![Cell::text(run.name.as_str()), Cell::text(name)];
            row.push(Cell::number(Some(values.len() as f64), 0));
            row.extend(quantiles.map(|(_, percent)| Cell::number(percentile(&values, percent), 3)));
            table.push(row);
        }
    }
    let caption = "Foreground, film by film; films without foreground, true or said, are left out";
    vec![
        figure(caption, [("Dice", &DICE), ("IoU", &IOU)].map(panel).into()),
        Block::Table { caption: "Quantiles over the films".into(), table },
    ]
}

/// Precision over recall of each class of boxes, and what there is of each film's boxes.
///
/// # Errors
/// The predicted boxes or the reference cannot be read.
pub fn boxes(runs: &[Finished]) -> Result<Vec<Block>> {
    let mut panels: Vec<UnitChart> = Vec::new();
    for run in runs {
        let Scores::Detect(scores) = &run.scores else { continue };
        let files = ["predictions.json", "targets.json"].map(|name| run.folder.join(name));
        if !files.iter().all(|file| file.exists()) {
            continue;
        }
        for (class, points) in coco::curves(&files[0], &files[1])? {
            let Some(points) = points else { continue };
            let ap = scores.measures.per_class.get(&class).and_then(|c| c.ap50);
            let interval =
                scores.ci.as_ref().and_then(|ci| ci.measures.per_class.get(&class)?.ap50);
            let name = match ap {
                Some(value) => Curve::named(&run.name, "AP50", Estimate { value, interval }),
                None => run.name.clone(),
            };
            let curve = Curve { name, points, band: Vec::new(), marked: false };
            let title = format!("Precision and recall: {class}");
            match panels.iter_mut().find(|panel| panel.title == title) {
                Some(panel) => panel.curves.push(curve),
                None => panels.push(UnitChart {
                    title,
                    axes: ["recall".into(), "precision".into()],
                    reference: Reference::None,
                    curves: vec![curve],
                }),
            }
        }
    }
    let mut blocks = Vec::new();
    if !panels.is_empty() {
        let caption = "At IoU .5; a precision is the best one at that recall or a greater one";
        blocks.push(figure(caption, panels.into_iter().map(Panel::Unit).collect()));
    }
    let titles = ["films", "boxes there", "found", "not there", "missed"];
    let numbers = titles.map(|title| Column::numbers(title, None));
    let mut table = Table::new(std::iter::once(Column::text("run")).chain(numbers).collect());
    for run in runs {
        let Some(films) = &run.films else { continue };
        let sum = |figure| -> Option<f64> { Some(films.of(figure)?.into_iter().flatten().sum()) };
        let (Some(found), Some(wrong), Some(missed)) = (sum(&FOUND), sum(&FALSE), sum(&MISSED))
        else {
            continue;
        };
        let counts = [films.rows.len() as f64, found + missed, found, wrong, missed];
        let cells = counts.map(|count| Cell::number(Some(count), 0));
        table.push(std::iter::once(Cell::text(run.name.as_str())).chain(cells).collect());
    }
    if !table.rows().is_empty() {
        let caption = "Boxes whose probability is at least ½, matched at IoU .5".into();
        blocks.push(Block::Table { caption, table });
    }
    Ok(blocks)
}
