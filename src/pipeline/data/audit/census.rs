//! Statistics of a data set.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Serialize, Serializer};

use super::{AuditedFilm, parted};
use crate::data::{Annotation, Dataset, Kind, Source};

/// Spread of some numbers: least, middle and greatest.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread<T> {
    /// Least number.
    pub least: T,
    /// Median: half are below.
    pub median: T,
    /// Greatest number.
    pub most: T,
}

/// Serializes a folder's path as JSON can have it, which is Unicode.
fn root<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// Statistics of a data set.
#[derive(Debug, Clone, Serialize)]
pub struct Census {
    /// Name of the data set.
    pub name: String,
    /// Folder of the data set.
    #[serde(serialize_with = "root")]
    pub root: PathBuf,
    /// Kind of its annotations.
    pub kind: Kind,
    /// Numbers of films to learn from, to choose by and to report on.
    pub parts: [usize; 3],
    /// Number of patients in all of them.
    pub patients: usize,
    /// Evidence by which patients are told, with the films of each way.
    pub patients_told: String,
    /// Number of films of each class, finding or kind of box, in each part; of a mask, films that
    /// have one.
    pub classes: Vec<(String, [usize; 3])>,
    /// Number of films that its tables name and the disk lacks.
    pub missing: usize,
    /// Number of films without a label or mask, left out.
    pub unlabelled: usize,
    /// Width of the films, pixels.
    pub width: Option<Spread<usize>>,
    /// Height of the films, pixels.
    pub height: Option<Spread<usize>>,
    /// Number of films by format and bits, such as `PNG, 8 bit grey`.
    pub encodings: BTreeMap<String, usize>,
    /// Darkest and brightest pixel of any film, 0-255.
    pub range: [f64; 2],
    /// Mean of all pixels, 0-255; none where no film can be read, as the figures below.
    pub mean: Option<f64>,
    /// Standard deviation of all pixels.
    pub deviation: Option<f64>,
    /// Standard deviation of the films' means: the paper's 18.390 is of this order.
    pub deviation_of_means: Option<f64>,
    /// Spread of the films' means: the 5th, 50th and 95th of a hundred.
    pub means: Option<Spread<f64>>,
}

impl Census {
    /// The statistics of a set whose readable films are `films`, and whose patients are `told` so.
    pub(super) fn of(
        source: &Source,
        dataset: &Dataset,
        films: &[&AuditedFilm],
        told: &str,
    ) -> Self {
        let mut encodings = BTreeMap::new();
        for entry in films {
            *encodings.entry(entry.look.describe()).or_insert(0) += 1;
        }
        let mut patients: Vec<&str> =
            parted(dataset).map(|(_, film)| film.patient.as_str()).collect();
        patients.sort_unstable();
        patients.dedup();
        // Pixels of a large film count for more, as they would in one sum over all of them.
        let pixels = |entry: &&AuditedFilm| (entry.look.size[0] * entry.look.size[1]) as f64;
        let weights: Vec<f64> = films.iter().map(pixels).collect();
        let means: Vec<f64> = films.iter().map(|entry| entry.look.mean).collect();
        let mean = average(&means, &weights);
        let square = |e: &&AuditedFilm| e.look.deviation.powi(2) + (e.look.mean - mean).powi(2);
        let squares: Vec<f64> = films.iter().map(square).collect();
        let alike = vec![1.0; films.len()];
        let middle = average(&means, &alike);
        let between: Vec<f64> = means.iter().map(|mean| (mean - middle).powi(2)).collect();
        let some = |value: f64| (!films.is_empty()).then_some(value);
        let sides = |axis: usize| films.iter().map(|entry| entry.look.size[axis]).collect();
        let range = films.iter().map(|entry| entry.look.range);
        Self {
            name: dataset.name.clone(),
            root: source.root.clone(),
            kind: dataset.labels.kind,
            parts: [dataset.train.len(), dataset.val.len(), dataset.test.len()],
            patients: patients.len(),
            patients_told: told.to_owned(),
            classes: classes(dataset),
            missing: dataset.missing,
            unlabelled: dataset.unlabelled,
            width: spread(sides(0), [0.0, 0.5, 1.0]),
            height: spread(sides(1), [0.0, 0.5, 1.0]),
            encodings,
            range: range
                .reduce(|[low, high], [l, h]| [low.min(l), high.max(h)])
                .unwrap_or_default(),
            mean: some(mean),
            deviation: some(average(&squares, &weights).sqrt()),
            deviation_of_means: some(average(&between, &alike).sqrt()),
            means: spread(means, [0.05, 0.5, 0.95]),
        }
    }
}

/// Number of films of each class in each part.
pub(in crate::data) fn classes(dataset: &Dataset) -> Vec<(String, [usize; 3])> {
    let parts = [&dataset.train, &dataset.val, &dataset.test];
    let has = |target: &Annotation, class: usize| match target {
        Annotation::Labels(labels) if dataset.labels.kind == Kind::Classes => {
            labels.first() == Some(&(class as f32))
        }
        Annotation::Labels(labels) => labels.get(class) == Some(&1.0),
        Annotation::Boxes { boxes, .. } => boxes.iter().any(|found| found.class == class),
        Annotation::Mask { .. } => true,
        Annotation::Polygons { polygons, .. } => !polygons.is_empty(),
    };
    let count = |class: usize| {
        parts.map(|films| films.iter().filter(|film| has(&film.target, class)).count())
    };
    let names = dataset.labels.names.iter().enumerate();
    names.map(|(class, name)| (name.clone(), count(class))).collect()
}

fn average(values: &[f64], weights: &[f64]) -> f64 {
    let sum: f64 = values.iter().zip(weights).map(|(value, weight)| value * weight).sum();
    sum / weights.iter().sum::<f64>()
}

/// The values at three shares of the sorted list.
fn spread<T: PartialOrd + Copy>(mut values: Vec<T>, shares: [f64; 3]) -> Option<Spread<T>> {
    values.sort_by(|a, b| a.partial_cmp(b).expect("no value is NaN"));
    let last = values.len().checked_sub(1)?;
    let [least, median, most] = shares.map(|share| values[(share * last as f64).round() as usize]);
    Some(Spread { least, median, most })
}
