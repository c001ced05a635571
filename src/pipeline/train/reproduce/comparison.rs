//! Initialisations compared in pairs: how much better one is than another, and how sure that is.
//!
//! A figure of an experiment is a mean over *units*, pairs of a seed of training and a division, and over targets. Both are
//! drawn anew for its interval: a replicate draws as many units as there are, with replacement, and in each of them the
//! patients of the test part that its cells drew in the same replicate. Cells of one division and target draw the same
//! patients whatever their seed and initialisation, so that differences are paired.

use super::Cell;
use crate::metrics::{draw, interval};
use serde::Serialize;
use std::collections::BTreeMap;

/// Labels with fewer positive films than this in the test part do not count where initialisations are compared.
pub const LEAST_POSITIVES: u64 = 10;

/// A mean over units and targets, or a difference of two, and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its 95 % interval, drawing units and patients.
    pub interval: [f64; 2],
    /// The standard deviation of its replicates.
    pub standard_error: f64,
    /// Pairs of a seed and a division that both have.
    pub units: usize,
    /// Targets that count in one of them or more.
    pub targets: usize,
}

/// Figures of one cell, or the differences of two: over all films, and of each replicate.
type Figures = (f64, Vec<Option<f64>>);

/// The mean of cells' figures; none where no figure is defined.
pub fn mean<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Option<Mean> {
    let mut units: BTreeMap<(u64, u64), Vec<Figures>> = BTreeMap::new();
    let mut targets = Vec::new();
    for cell in cells {
        let Some(value) = cell.resampled.value else { continue };
        units.entry(unit(cell)).or_default().push((value, cell.resampled.replicates.clone()));
        targets.push(cell.target.as_str());
    }
    of_units(units, targets)
}

/// The mean of the differences `one` − `other` between cells of the same unit, backbone, target and share of labels; none where
/// the two have none in common.
pub fn difference(one: &[&Cell], other: &[&Cell]) -> Option<Mean> {
    let mut units: BTreeMap<(u64, u64), Vec<Figures>> = BTreeMap::new();
    let mut targets = Vec::new();
    for a in one {
        let place = |cell: &Cell| {
            (cell.backbone.clone(), cell.target.clone(), unit(cell), cell.labels.to_bits())
        };
        let Some(b) = other.iter().find(|b| place(b) == place(a)) else { continue };
        let (a_all, b_all) = (&a.resampled, &b.resampled);
        let (Some(x), Some(y)) = (a_all.value, b_all.value) else { continue };
        let pairs = a_all.replicates.iter().zip(&b_all.replicates);
        let differences = pairs.map(|(x, y)| Some((*x)? - (*y)?)).collect();
        units.entry(unit(a)).or_default().push((x - y, differences));
        targets.push(a.target.as_str());
    }
    of_units(units, targets)
}

/// The seed of training and the division.
fn unit(cell: &Cell) -> (u64, u64) {
    (cell.seed, cell.division)
}

/// The mean over units of the mean over what each holds, and its interval.
fn of_units(units: BTreeMap<(u64, u64), Vec<Figures>>, mut targets: Vec<&str>) -> Option<Mean> {
    targets.sort_unstable();
    targets.dedup();
    let units: Vec<Vec<Figures>> = units.into_values().collect();
    let all: Vec<Vec<Option<f64>>> =
        units.iter().map(|unit| unit.iter().map(|(value, _)| Some(*value)).collect()).collect();
    let value = mean_of(all.iter().map(|unit| mean_of(unit.iter().copied())))?;
    let replicates = units.iter().flatten().map(|(_, replicates)| replicates.len()).min()?;
    let values: Vec<Option<f64>> = (0..replicates)
        .map(|replicate| {
            let drawn = draw("mtpret units", units.len(), 0, replicate as u32);
            let of =
                |at: usize| mean_of(units[at].iter().map(|(_, replicates)| replicates[replicate]));
            mean_of(drawn.into_iter().map(of))
        })
        .collect();
    let interval = interval(values.iter().copied())?;
    let centre = mean_of(values.iter().copied())?;
    let squares = values.iter().map(|value| Some((value.as_ref()? - centre).powi(2)));
    let standard_error = mean_of(squares)?.sqrt();
    Some(Mean { value, interval, standard_error, units: units.len(), targets: targets.len() })
}

/// The mean of the defined values; none where none is.
fn mean_of(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
    (count > 0.0).then(|| sum / count)
}
