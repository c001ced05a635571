//! Training, validation and test without a patient in two of them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::{Annotation, Dataset, Kind, Labels, Sample, Source, Split};
use crate::{Error, Result};

/// One of the three parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Val,
    Test,
}

impl Part {
    /// The part that a folder or a cell names, in the ways that are in use.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Val),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }

    /// The part that a word of a file's name tells (`TBX11K_train`, `instances_val2017`).
    pub(super) fn in_name(stem: &str) -> Option<Self> {
        let mut words = stem.split(|c: char| !c.is_alphabetic());
        words.find_map(Self::named)
    }
}

/// A film as a reader found it.
pub(super) struct Row {
    pub sample: Sample,
    /// The part that the data set gives; `None` where it gives none.
    pub part: Option<Part>,
    /// File, or table and line, for errors.
    pub place: String,
}

/// What a reader found.
pub(super) struct Listing {
    pub labels: Labels,
    pub rows: Vec<Row>,
    pub missing: usize,
    pub unlabelled: usize,
}

/// Divides a listing as [`Source::split`] says.
pub(super) fn divide(source: &Source, listing: Listing) -> Result<Dataset> {
    let Listing { labels, rows, missing, unlabelled } = listing;
    if rows.is_empty() {
        return Err(Error::data(
            source.root.display().to_string(),
            "expected films (jpg, jpeg, png, bmp, tif, tiff), found none",
            "correct root, or see that the download is unpacked",
        ));
    }
    check_films(&rows)?;
    if source.split == Split::Given {
        check_patients(&rows)?;
    }
    let given = |row: &Row| if source.split == Split::Patient { None } else { row.part };
    let parts: Vec<Part> = rows.iter().map(|r| given(r).unwrap_or(Part::Train)).collect();
    let parts = take_missing_parts(source, &labels, &rows, parts);
    let mut dataset = Dataset {
        name: source.name.clone(),
        labels,
        train: Vec::new(),
        val: Vec::new(),
        test: Vec::new(),
        missing,
        unlabelled,
    };
    for (row, part) in rows.into_iter().zip(parts) {
        match part {
            Part::Train => dataset.train.push(row.sample),
            Part::Val => dataset.val.push(row.sample),
            Part::Test => dataset.test.push(row.sample),
        }
    }
    check_train(source, &dataset)?;
    if source.overfit > 0 {
        let films = spread(&dataset.labels, dataset.train, source.overfit);
        (dataset.train, dataset.val, dataset.test) = (films.clone(), films.clone(), films);
    }
    Ok(dataset)
}

/// At most `count` films, taken from the strata in turns.
fn spread(labels: &Labels, films: Vec<Sample>, count: usize) -> Vec<Sample> {
    let mut seen = BTreeMap::new();
    let mut ranked: Vec<(usize, Sample)> = Vec::new();
    for film in films {
        let rank = seen.entry(stratum(labels, &film.target)).or_insert(0);
        ranked.push((*rank, film));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(count).map(|(_, film)| film).collect()
}

fn check_films(rows: &[Row]) -> Result<()> {
    let mut first: HashMap<&Path, &Row> = HashMap::new();
    for row in rows {
        if let Some(seen) = first.insert(&row.sample.path, row) {
            return Err(Error::data(
                row.place.clone(),
                format!("film {} is already at {}", row.sample.path.display(), seen.place),
                "remove one of the two rows",
            ));
        }
    }
    Ok(())
}

fn check_patients(rows: &[Row]) -> Result<()> {
    let mut first: HashMap<&str, &Row> = HashMap::new();
    for row in rows {
        let seen = first.entry(&row.sample.patient).or_insert(row);
        if seen.part != row.part {
            let name = |r: &Row| format!("{:?}", r.part.unwrap_or(Part::Train)).to_lowercase();
            return Err(Error::data(
                row.place.clone(),
                format!(
                    "patient {} is in {} here and in {} at {}",
                    row.sample.patient,
                    name(row),
                    name(seen),
                    seen.place
                ),
                "set split = \"patient\" to divide again by patient, or split = \"unchecked\" \
                 to keep the division as it is",
            ));
        }
    }
    Ok(())
}

/// The hash of a patient's name and the numbers of the films.
type Patient = ([u8; 32], Vec<usize>);

/// Moves patients out of training into validation and test where one of these is not given.
///
/// Patients are grouped by label, so that each part has its share of each, and ordered by a hash
/// of seed and name, so that the division depends on neither the order of files nor the machine.
fn take_missing_parts(
    source: &Source,
    labels: &Labels,
    rows: &[Row],
    mut parts: Vec<Part>,
) -> Vec<Part> {
    let share = |part: Part, share: f64| if parts.contains(&part) { 0.0 } else { share };
    let (val, test) = (share(Part::Val, source.val_share), share(Part::Test, source.test_share));
    let mut patients: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate().filter(|(at, _)| parts[*at] == Part::Train) {
        patients.entry(&row.sample.patient).or_default().push(at);
    }
    let mut strata: BTreeMap<u32, Vec<Patient>> = BTreeMap::new();
    for (patient, films) in patients {
        let stratum = films.iter().map(|&at| stratum(labels, &rows[at].sample.target)).max();
        let mut hash = blake3::Hasher::new();
        hash.update(&source.seed.to_le_bytes()).update(patient.as_bytes());
        let entry = (hash.finalize().into(), films);
        strata.entry(stratum.unwrap_or(0)).or_default().push(entry);
    }
    for mut patients in strata.into_values() {
        patients.sort();
        let films = patients.iter().map(|(_, films)| films.len()).sum::<usize>() as f64;
        let mut wanted = [(Part::Test, films * test), (Part::Val, films * val)]
            .map(|(part, films)| (part, films.round() as usize));
        for (_, films) in patients {
            if let Some((part, left)) = wanted.iter_mut().find(|(_, left)| *left > 0) {
                films.iter().for_each(|&at| parts[at] = *part);
                *left = left.saturating_sub(films.len());
            }
        }
    }
    parts
}

/// The group of a target: its class, or whether there is any finding or box.
fn stratum(labels: &Labels, target: &Annotation) -> u32 {
    match labels.kind {
        Kind::Classes => target.labels()[0] as u32,
        Kind::Multi => u32::from(target.labels().contains(&1.0)),
        Kind::Boxes => u32::from(!target.boxes().is_empty()),
        Kind::Mask | Kind::None => 0,
    }
}

fn check_train(source: &Source, dataset: &Dataset) -> Result<()> {
    let lacks = |what: &str, remedy: &str| {
        Err(Error::data(
            source.root.display().to_string(),
            format!(
                "{what} for training: of {} films {} are for validation and {} for test",
                dataset.train.len() + dataset.val.len() + dataset.test.len(),
                dataset.val.len(),
                dataset.test.len()
            ),
            remedy,
        ))
    };
    if dataset.train.is_empty() {
        return lacks("no film is left", "add films of more patients, or lower the shares");
    }
    if dataset.labels.kind == Kind::Classes {
        for (class, name) in dataset.labels.names.iter().enumerate() {
            if !dataset.train.iter().any(|s| s.target.labels() == [class as f32]) {
                let what = format!("no film of class {name} is left");
                return lacks(&what, "add films of this class to the training part");
            }
        }
    }
    Ok(())
}
