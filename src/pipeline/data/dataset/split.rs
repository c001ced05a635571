//! Division into training, validation and test without a patient in two of them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
};

use super::{
    listing::{Flaw, Listing, Part, Row, first_error},
    patient::{self, Told},
    split_file,
};
use crate::{
    Error, Place, Result,
    data::{Annotation, Dataset, Kind, Labels, Sample, Source, Split, walk::EXTENSIONS},
};

/// Kind of flaw where the parts share a patient.
pub(in crate::data) const SHARED_PATIENT: &str = "patient in two parts";

/// Divides a listing as [`Source::split`] says; gives the data set and the flaws of single films.
pub(in crate::data) fn divide(source: &Source, listing: Listing) -> Result<(Dataset, Vec<Flaw>)> {
    let Listing { labels, rows, missing, unlabelled, mut flaws } = listing;
    if rows.is_empty() {
        let none = Error::data(
            &source.root,
            format!("films ({})", EXTENSIONS.join(", ")),
            "none",
            "correct root, or see that the download is unpacked",
        );
        return Err(first_error(flaws).unwrap_or(none));
    }
    let mut rows = once(rows, &mut flaws);
    if let Some(file) = &source.splits {
        rows = split_file::apply(source, file, rows, &mut flaws)?;
    }
    let by_file = source.splits.is_some();
    let by_patient = source.split == Split::Patient && !by_file;
    let known: Vec<String> = rows.iter().map(|row| row.sample.patient.clone()).collect();
    let mut attempt = |guesses: bool| {
        rows.iter_mut().zip(&known).for_each(|(row, name)| row.sample.patient.clone_from(name));
        let mut flaws = Vec::new();
        let told = patient::settle(source, &labels, &mut rows, guesses, &mut flaws);
        let given = |row: &Row| if by_patient { None } else { row.part };
        let mut parts: Vec<Part> = rows.iter().map(|r| given(r).unwrap_or(Part::Train)).collect();
        if !by_file {
            parts = take_missing_parts(source, &labels, &rows, parts);
        }
        let lacks = lacks(&labels, &rows, &parts);
        (told, parts, flaws, lacks)
    };
    let (mut told, mut parts, mut of_patients, short) = attempt(true);
    let guess = told.iter().filter(|told| told.guessed()).min().copied();
    if let Some(guess) = guess.filter(|guess| short && *guess != Told::Own) {
        let anew = attempt(false);
        if anew.3 {
            (told, parts, of_patients, _) = attempt(true);
        } else {
            (told, parts, of_patients, _) = anew;
            let expected = "patients that can be divided";
            let found = format!("too few of them {}, which is not gone by", guess.words());
            let mend = "name the column of patients, or add films of more patients";
            let error = Error::data(&source.root, expected, found, mend);
            of_patients.push(Flaw::warning(patient::DROPPED, error));
        }
    }
    flaws.append(&mut of_patients);
    flaws.push(patient::origin(source, &rows, &told));
    if source.split == Split::Given || by_file && source.split == Split::Patient {
        check_patients(&rows, &told, &mut flaws);
    }
    let mut dataset = Dataset { missing, unlabelled, ..Dataset::new(&source.name, labels) };
    for (row, part) in rows.into_iter().zip(parts) {
        match part {
            Part::Train => dataset.train.push(row.sample),
            Part::Val => dataset.val.push(row.sample),
            Part::Test => dataset.test.push(row.sample),
        }
    }
    if let Err(lack) = check_train(source, &dataset) {
        // Faults of single films come first: they may be why.
        let lopsided = flaws.iter().position(|flaw| flaw.what == patient::LOPSIDED);
        let lack = lopsided.map_or(lack, |at| flaws.remove(at).error);
        return Err(first_error(flaws).unwrap_or(lack));
    }
    if source.train_share < 1.0 {
        dataset.train = thinned(source, &dataset.labels, dataset.train);
    }
    if source.overfit > 0 {
        let films = spread(&dataset.labels, dataset.train, source.overfit);
        (dataset.train, dataset.val, dataset.test) = (films.clone(), films.clone(), films);
    }
    Ok((dataset, flaws))
}

/// Whether nothing is left to learn from, of all films or of a class of them.
fn lacks(labels: &Labels, rows: &[Row], parts: &[Part]) -> bool {
    let classes = |part: Option<Part>| -> HashSet<u32> {
        let of_part = rows.iter().zip(parts).filter(|(_, p)| part.is_none_or(|part| part == **p));
        of_part.map(|(row, _)| stratum(labels, &row.sample.target)).collect()
    };
    let train = classes(Some(Part::Train));
    train.is_empty() || labels.kind == Kind::Classes && train != classes(None)
}

/// The films of a share of the patients in each stratum, one or more, in their order.
fn thinned(source: &Source, labels: &Labels, films: Vec<Sample>) -> Vec<Sample> {
    let mut kept = HashSet::new();
    let all = films.iter().map(|film| (film.patient.as_str(), &film.target));
    for patients in by_stratum(source, labels, all) {
        let films: usize = patients.iter().map(|(_, films)| films.len()).sum();
        let mut wanted = ((films as f64 * source.train_share).round() as usize).max(1);
        for (_, films) in patients {
            if wanted == 0 {
                break;
            }
            wanted = wanted.saturating_sub(films.len());
            kept.extend(films);
        }
    }
    let numbered = films.into_iter().enumerate().filter(|(at, _)| kept.contains(at));
    numbered.map(|(_, film)| film).collect()
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

/// Keeps each film once; a second row of it is a flaw.
fn once(rows: Vec<Row>, flaws: &mut Vec<Flaw>) -> Vec<Row> {
    let mut first: HashMap<PathBuf, Place> = HashMap::new();
    let mut kept = Vec::new();
    for row in rows {
        if let Some(seen) = first.get(&row.sample.path) {
            let error = Error::data(
                row.place.clone(),
                "each film once",
                format!("{} here and at {seen}", row.sample.path.display()),
                "remove one of the two rows",
            );
            flaws.push(Flaw::new("film listed twice", error));
            continue;
        }
        first.insert(row.sample.path.clone(), row.place.clone());
        kept.push(row);
    }
    kept
}

/// Adds a flaw for each patient in two parts: an error, unless it is a guess whose films they are.
fn check_patients(rows: &[Row], told: &[Told], flaws: &mut Vec<Flaw>) {
    let mut said = HashSet::new();
    let mut first: HashMap<&str, (&Row, Told)> = HashMap::new();
    for (row, told) in rows.iter().zip(told) {
        let (seen, by) = first.entry(&row.sample.patient).or_insert((row, *told));
        if seen.part == row.part || !said.insert(row.sample.patient.clone()) {
            continue;
        }
        let name = |r: &Row| format!("{:?}", r.part.unwrap_or(Part::Train)).to_lowercase();
        let surest = (*by).max(*told);
        let found = format!("it in {} here and in {} at {}", name(row), name(seen), seen.place);
        let expected = format!("patient {} in one part", row.sample.patient);
        let flaw = if surest.guessed() {
            let found = format!("{found}, told {}", surest.words());
            let mend = "the division stays as it is; if they are one patient, set split = \"patient\" \
                        to divide again by patient";
            Flaw::warning(SHARED_PATIENT, Error::data(row.place.clone(), expected, found, mend))
        } else {
            let mend = "set split = \"patient\" to divide again by patient, or split = \"unchecked\" \
                        to keep the division as it is";
            Flaw::new(SHARED_PATIENT, Error::data(row.place.clone(), expected, found, mend))
        };
        flaws.push(flaw);
    }
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
    let training: Vec<usize> = (0..rows.len()).filter(|at| parts[*at] == Part::Train).collect();
    let films = training.iter().map(|at| &rows[*at].sample);
    let films = films.map(|film| (film.patient.as_str(), &film.target));
    for patients in by_stratum(source, labels, films) {
        let films = patients.iter().map(|(_, films)| films.len()).sum::<usize>() as f64;
        let mut wanted = [(Part::Test, films * test), (Part::Val, films * val)]
            .map(|(part, films)| (part, films.round() as usize));
        for (_, films) in patients {
            if let Some((part, left)) = wanted.iter_mut().find(|(_, left)| *left > 0) {
                films.iter().for_each(|&at| parts[training[at]] = *part);
                *left = left.saturating_sub(films.len());
            }
        }
    }
    parts
}

/// The patients of each stratum, in the order of a hash of seed and name.
fn by_stratum<'a>(
    source: &Source,
    labels: &Labels,
    films: impl Iterator<Item = (&'a str, &'a Annotation)>,
) -> Vec<Vec<Patient>> {
    let mut patients: BTreeMap<&str, (u32, Vec<usize>)> = BTreeMap::new();
    for (at, (patient, target)) in films.enumerate() {
        let (highest, films) = patients.entry(patient).or_default();
        *highest = stratum(labels, target).max(*highest);
        films.push(at);
    }
    let mut strata: BTreeMap<u32, Vec<Patient>> = BTreeMap::new();
    for (patient, (stratum, films)) in patients {
        let mut hash = blake3::Hasher::new();
        hash.update(&source.seed.to_le_bytes()).update(patient.as_bytes());
        strata.entry(stratum).or_default().push((hash.finalize().into(), films));
    }
    strata.values_mut().for_each(|patients| patients.sort());
    strata.into_values().collect()
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
    let lacks = |expected: String, mend: &str| {
        Err(Error::data(
            &source.root,
            expected,
            format!(
                "none: of {} films {} are for validation and {} for test",
                dataset.train.len() + dataset.val.len() + dataset.test.len(),
                dataset.val.len(),
                dataset.test.len()
            ),
            mend,
        ))
    };
    if dataset.train.is_empty() {
        return lacks(
            "films for training".into(),
            "add films of more patients, or lower the shares",
        );
    }
    if dataset.labels.kind == Kind::Classes {
        for (class, name) in dataset.labels.names.iter().enumerate() {
            if !dataset.train.iter().any(|s| s.target.labels() == [class as f32]) {
                let expected = format!("films of class {name} for training");
                return lacks(expected, "add films of this class to the training part");
            }
        }
    }
    Ok(())
}
