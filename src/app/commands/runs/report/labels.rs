//! Calibration, confusion matrix and thresholds of a classifier.

use super::{figures::figure, predicted::Predicted, record::Finished};
use crate::{
    Result,
    commands::inference::figures::Figures,
    report::{
        chart::{Curve, Histogram, Matrix, Panel, Reference, UnitChart},
        html::Block,
        table::{Cell, Column, Table},
    },
};
use mtpret_pipeline::{
    metrics::{Calibration, ClassifyScores, Confusion, argmax, youden},
    train::tasks::Scores,
};

/// Thresholds that a table shows beside those that were chosen.
const EVEN: [f64; 8] = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9];

/// Calibration of runs of one task; nothing where no table of predictions is there.
///
/// # Errors
/// A table cannot be read.
pub fn calibration(runs: &[Finished]) -> Result<Vec<Block>> {
    let predicted = runs.iter().map(|run| Predicted::read(run, "")).collect::<Result<Vec<_>>>()?;
    let panel = |(label, _): (String, Vec<_>)| {
        let curve = |(run, predicted): (&Finished, &Option<Predicted>)| {
            let known = predicted.as_ref()?.label(&label)?;
            let found = Calibration::of(&known.scores, &known.positive)?;
            Some(Curve {
                name: format!("{}, ECE {:.3}, Brier {:.3}", run.name, found.error, found.brier),
                points: found.bins.iter().map(|b| [b.probability, b.share]).collect(),
                band: found
                    .bins
                    .iter()
                    .map(|b| [b.probability, b.interval[0], b.interval[1]])
                    .collect(),
                marked: true,
            })
        };
        let curves: Vec<_> = runs.iter().zip(&predicted).filter_map(curve).collect();
        (!curves.is_empty()).then(|| {
            Panel::Unit(UnitChart {
                title: format!("Calibration: {label}"),
                axes: ["probability said".into(), "share that is positive".into()],
                reference: Reference::Diagonal,
                curves,
            })
        })
    };
    let mut panels: Vec<Panel> =
        Figures::of(&runs[0].scores).rows.into_iter().filter_map(panel).collect();
    if panels.is_empty() {
        return Ok(Vec::new());
    }
    let caption = "Films in ten bins by their probability: the share of them that is positive, with Wilson's 95 % interval. \
        On the dashed line probabilities mean what they say; the expected calibration error (ECE) is the mean distance from it.";
    if panels.len() == 1 {
        panels.push(said(&Figures::of(&runs[0].scores).rows[0].0, runs, &predicted));
    }
    Ok(vec![figure(caption, panels)])
}

/// How often which probability was said: of a single run by what is true, of several run by run.
fn said(label: &str, runs: &[Finished], predicted: &[Option<Predicted>]) -> Panel {
    let of = |predicted: &Predicted, wanted: [bool; 2]| -> Vec<f64> {
        let known = predicted.label(label);
        let pairs = known.iter().flat_map(|known| known.scores.iter().zip(&known.positive));
        pairs.filter(|(_, positive)| wanted.contains(positive)).map(|(score, _)| *score).collect()
    };
    let series = match predicted {
        [Some(only)] => vec![
            (format!("truly {label}"), of(only, [true; 2])),
            (format!("truly {}", negative(label, only)), of(only, [false; 2])),
        ],
        _ => {
            let known = runs.iter().zip(predicted);
            let known = known.filter_map(|(run, p)| Some((run.name.clone(), p.as_ref()?)));
            known.map(|(name, p)| (name, of(p, [true, false]))).collect()
        }
    };
    Panel::Histogram(Histogram {
        title: format!("Probabilities of {label}"),
        axis: "probability said".into(),
        counted: "films".into(),
        series,
    })
}

/// What a film is that a label is not true of.
fn negative(label: &str, predicted: &Predicted) -> String {
    match &predicted.names[..] {
        [a, b] if a == label => b.clone(),
        [a, b] if b == label => a.clone(),
        _ => format!("no {label}"),
    }
}

/// Confusion and thresholds of a run; nothing where no table of predictions is there.
///
/// # Errors
/// A table cannot be read.
pub fn thresholds(run: &Finished) -> Result<Vec<Block>> {
    let Scores::Classify(scores) = &run.scores else { return Ok(Vec::new()) };
    let Some(test) = Predicted::read(run, "")? else { return Ok(Vec::new()) };
    let val = Predicted::read(run, ".val")?;
    let labels: Vec<String> = scores.measures.auc.0.iter().map(|(name, _)| name.clone()).collect();
    let mut blocks = Vec::new();
    let matrices = match scores.kind.as_str() {
        "multi-class" => vec![classes(&test)],
        "binary" => binary(scores, &test, val.as_ref(), &labels[0]),
        _ => Vec::new(),
    };
    if !matrices.is_empty() {
        let caption = format!("{}: confusion on the test part; per cent are of the row", run.name);
        blocks.push(figure(&caption, matrices));
    }
    let alone = labels.len() == 1;
    let mut table = Table::new(columns(alone));
    for label in &labels {
        let Some(known) = test.label(label) else { continue };
        let name = (!alone).then_some(label.as_str());
        for (threshold, by) in chosen(val.as_ref(), &test, label) {
            let counts = Confusion::at(threshold, &known.scores, &known.positive);
            table.push(row(name, threshold, by, &counts));
        }
        for threshold in EVEN.into_iter().filter(|_| alone) {
            let counts = Confusion::at(threshold, &known.scores, &known.positive);
            table.push(row(name, threshold, "", &counts));
        }
    }
    let caption = format!(
        "{}: what each threshold comes to on the test part. Youden's index is the greatest sensitivity + specificity; chosen on the \
         films that are reported on it flatters; where none beats chance, none is named",
        run.name
    );
    blocks.push(Block::Table { caption, table });
    Ok(blocks)
}

/// Thresholds of a label, and what chose them.
fn chosen(val: Option<&Predicted>, test: &Predicted, label: &str) -> Vec<(f64, &'static str)> {
    let best = |part: Option<&Predicted>| {
        let known = part?.label(label)?;
        Some(youden(&known.scores, &known.positive)?.threshold)
    };
    let all = [
        (Some(0.5), "default"),
        (best(val), "Youden on validation"),
        (best(Some(test)), "Youden on test (flatters)"),
    ];
    all.into_iter().filter_map(|(threshold, by)| Some((threshold?, by))).collect()
}

fn columns(alone: bool) -> Vec<Column> {
    let numbers = [
        "sensitivity",
        "specificity",
        "precision",
        "accuracy",
        "true +",
        "false +",
        "false −",
        "true −",
    ];
    let numbers = numbers.map(|title| Column::numbers(title, None));
    let label = (!alone).then(|| Column::text("label"));
    let texts = [Column::numbers("threshold", None), Column::text("chosen by")];
    label.into_iter().chain(texts).chain(numbers).collect()
}

fn row(label: Option<&str>, threshold: f64, by: &str, c: &Confusion) -> Vec<Cell> {
    let called = c.true_positive + c.false_positive;
    let precision = (called > 0).then(|| c.true_positive as f64 / called as f64);
    let shares = [c.sensitivity(), c.specificity(), precision, c.accuracy()];
    let counts = [c.true_positive, c.false_positive, c.false_negative, c.true_negative];
    let mut cells: Vec<Cell> = label.into_iter().map(Cell::text).collect();
    cells.extend([Cell::number(Some(threshold), 3), Cell::text(by)]);
    cells.extend(shares.map(|share| Cell::number(share, 3)));
    cells.extend(counts.map(|count| Cell::number(Some(count as f64), 0)));
    cells
}

/// Yes and no at ½ and at the threshold that validation chose.
fn binary(
    scores: &ClassifyScores,
    test: &Predicted,
    val: Option<&Predicted>,
    label: &str,
) -> Vec<Panel> {
    let Some(known) = test.label(label) else { return Vec::new() };
    let positive = scores.positive_class.clone().unwrap_or_else(|| label.to_owned());
    let negative = negative(&positive, test);
    let matrix = |(threshold, by): (f64, &str)| {
        let c = Confusion::at(threshold, &known.scores, &known.positive);
        Panel::Matrix(Matrix {
            title: format!("Threshold {threshold:.3}: {by}"),
            names: vec![negative.clone(), positive.clone()],
            counts: vec![
                vec![c.true_negative, c.false_positive],
                vec![c.false_negative, c.true_positive],
            ],
        })
    };
    chosen(val, test, label)
        .into_iter()
        .take(if val.is_some() { 2 } else { 1 })
        .map(matrix)
        .collect()
}

/// Classes by the likeliest one.
fn classes(test: &Predicted) -> Panel {
    let mut counts = vec![vec![0; test.names.len()]; test.names.len()];
    for (row, truth) in test.probabilities.iter().zip(&test.truths) {
        let there = truth.iter().position(|t| *t == 1.0);
        if let (Some(there), Some(said)) = (there, argmax(row)) {
            counts[there][said] += 1;
        }
    }
    Panel::Matrix(Matrix { title: "The likeliest class".into(), names: test.names.clone(), counts })
}
