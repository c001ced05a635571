//! Initialisations compared in pairs: how much better one is than another, and how sure that is.
//!
//! A figure of an experiment is a mean over targets, seeds of training and divisions. What it would have been otherwise is
//! foretold by replicates (a bootstrap). In each, patients of a test part are drawn, the same ones for all cells of that test part, so that
//! differences are paired; and the seeds and the divisions are drawn, each for themselves. A draw of few varies less than the few
//! do: what n seeds or divisions move a replicate by is lengthened by √(n / (n − 1)). One seed or one division says nothing
//! of others, and is not drawn.

use super::Cell;
use crate::metrics::{draw, interval, mean as mean_of};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A label counts where initialisations are compared if so many patients of the test part have it and so many lack it; boxes of
/// a class, if so many patients have some.
pub const LEAST_PATIENTS: u64 = 10;

/// A mean, or a difference of two, and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// The standard deviation of its replicates.
    pub standard_error: f64,
    /// Seeds of training that it is a mean over.
    pub seeds: usize,
    /// Divisions.
    pub divisions: usize,
    /// Targets.
    pub targets: usize,
}

/// Figures of one cell, or the differences of two: over all patients, and of each replicate.
struct Figures {
    value: f64,
    replicates: Vec<Option<f64>>,
}

/// A seed of training and a division, and the figures of each target with them.
type Units<'a> = BTreeMap<(u64, u64), BTreeMap<&'a str, Figures>>;

/// The mean of cells' figures; none where no figure is defined.
pub fn mean<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Option<Mean> {
    let mut units = Units::new();
    for cell in cells {
        let Some(value) = cell.resampled.value else { continue };
        let replicates = cell.resampled.replicates.clone();
        let unit = units.entry((cell.seed, cell.division)).or_default();
        unit.insert(&cell.target, Figures { value, replicates });
    }
    of_units(units)
}

/// The mean of the differences `one` − `other` between cells of the same backbone, target, seed, division and share of labels; none
/// where the two have none in common.
pub fn difference(one: &[&Cell], other: &[&Cell]) -> Option<Mean> {
    let mut units = Units::new();
    for a in one {
        // Cells of different test parts are no pair.
        let place = |cell: &Cell| {
            let unit = (cell.seed, cell.division, cell.labels.to_bits());
            (cell.backbone.clone(), cell.target.clone(), unit, cell.films, cell.resampled.labels)
        };
        let Some(b) = other.iter().find(|b| place(b) == place(a)) else { continue };
        let (Some(x), Some(y)) = (a.resampled.value, b.resampled.value) else { continue };
        let pairs = a.resampled.replicates.iter().zip(&b.resampled.replicates);
        let replicates = pairs.map(|(x, y)| Some((*x)? - (*y)?)).collect();
        let unit = units.entry((a.seed, a.division)).or_default();
        unit.insert(&a.target, Figures { value: x - y, replicates });
    }
    of_units(units)
}

/// The mean over seeds, divisions and targets, and its interval. Units without one of the targets, as where a cell diverged, are left
/// out.
fn of_units(mut units: Units) -> Option<Mean> {
    let targets: BTreeSet<&str> = units.values().flat_map(|unit| unit.keys().copied()).collect();
    units.retain(|_, unit| unit.len() == targets.len());
    let [seeds, divisions]: [Vec<u64>; 2] = [
        units.keys().map(|unit| unit.0).collect::<BTreeSet<_>>().into_iter().collect(),
        units.keys().map(|unit| unit.1).collect::<BTreeSet<_>>().into_iter().collect(),
    ];
    let all = |unit: &BTreeMap<&str, Figures>| mean_of(unit.values().map(|f| Some(f.value)));
    let value = mean_of(units.values().map(all))?;
    let count = units.values().flat_map(BTreeMap::values).map(|f| f.replicates.len()).min()?;
    let replicate = |at: usize| {
        let of = |seed: &u64, division: &u64| {
            let unit = units.get(&(*seed, *division))?;
            mean_of(unit.values().map(|figures| figures.replicates[at]))
        };
        let over = |seeds: &[u64], divisions: &[u64]| {
            mean_of(seeds.iter().flat_map(|s| divisions.iter().map(move |d| of(s, d))))
        };
        let patients = over(&seeds, &divisions)?;
        let drawn = |all: &[u64], purpose: &str| -> Vec<u64> {
            draw(purpose, all.len(), 0, at as u32).into_iter().map(|i| all[i]).collect()
        };
        let by_seeds = over(&drawn(&seeds, "mtpret seeds"), &divisions)?;
        let by_divisions = over(&seeds, &drawn(&divisions, "mtpret divisions"))?;
        let lengthened = |moved: f64, n: usize| match n {
            1 => 0.0,
            n => (moved - patients) * (n as f64 / (n - 1) as f64).sqrt(),
        };
        let seeds = lengthened(by_seeds, seeds.len());
        Some(patients + seeds + lengthened(by_divisions, divisions.len()))
    };
    let values: Vec<Option<f64>> = (0..count).map(replicate).collect();
    let interval = interval(values.iter().copied())?;
    let centre = mean_of(values.iter().copied())?;
    let squares = values.iter().map(|value| Some((value.as_ref()? - centre).powi(2)));
    Some(Mean {
        value,
        interval,
        standard_error: mean_of(squares)?.sqrt(),
        seeds: seeds.len(),
        divisions: divisions.len(),
        targets: targets.len(),
    })
}
