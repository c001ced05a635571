//! Patients of films: one rule for all data sets.
//!
//! A film's patient is told by the column of a table; else by DICOM's PatientID; else by a known pattern of names; else by a
//! folder that holds the films of one patient ([`super::patient_folders`]); else every film is a patient of its own. Numbers are
//! compared as numbers: `0.0`, `0` and `00` are one patient. What says the same of all films (`ANONYMOUS`), a place or a day says
//! nothing, and a guess with which no films are left to learn from is dropped ([`super::split`]).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
};

use super::{
    listing::{Flaw, Row},
    patient_folders::{self, says_other},
    patient_names::{known, nobody, number, numbered_folder, without_channel},
    split_file::relative,
};
use crate::{
    Error,
    data::{
        Annotation, Format, Labels, Sample, Source,
        film::dicom,
        walk::{self, composed, stem},
    },
};

/// Evidence by which a film's patient is told, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::data) enum Told {
    /// Column of a table.
    Column,
    /// Header of the DICOM file.
    Dicom,
    /// Name that says that it is of a patient (`person12_virus_3`, a folder `patient00007`), or name of a set that is
    /// known to number patients so.
    Name,
    /// Name that looks like one that numbers patients.
    Pattern,
    /// Folder that looks like one of a patient.
    Folder,
    /// No evidence: each film counts as a patient of its own.
    Own,
}

impl Told {
    /// Whether the evidence may be wrong: then a person's own division is not refused for it.
    pub(in crate::data) fn guessed(self) -> bool {
        self >= Self::Pattern
    }

    /// The evidence in words.
    pub(in crate::data) fn words(self) -> &'static str {
        match self {
            Self::Column => "by a column",
            Self::Dicom => "by DICOM's PatientID",
            Self::Name => "by their names",
            Self::Pattern => "by names that look numbered by patient",
            Self::Folder => "by folders that look like one for each patient",
            Self::Own => "by nothing, each film its own",
        }
    }
}

/// Fills in the patient of every row for which no table did, and says by what each is told; what is odd goes to `flaws`.
/// Without `guesses`, names and folders that only look like those of patients say nothing.
pub(in crate::data) fn settle(
    source: &Source,
    labels: &Labels,
    rows: &mut [Row],
    guesses: bool,
    flaws: &mut Vec<Flaw>,
) -> Vec<Told> {
    let mut found: Vec<Option<(Told, String)>> =
        rows.iter().map(|row| at_hand(source, row)).collect();
    for told in [Told::Column, Told::Dicom] {
        forget_nobody(told, rows, &mut found, flaws);
    }
    forget_places(rows, &mut found, flaws);
    let open = |found: &[Option<(Told, String)>]| -> Vec<usize> {
        (0..found.len()).filter(|&at| found[at].is_none()).collect()
    };
    for at in open(&found) {
        found[at] = by_name(source, &rows[at].sample);
        found[at].take_if(|(told, _)| told.guessed() && !guesses);
    }
    // What is published is known: its folders need no guess.
    if source.known.is_none() && guesses {
        let left = open(&found);
        let folders = patient_folders::of(source, labels, rows, &left, flaws);
        for (at, folder) in left.into_iter().zip(folders) {
            found[at] = folder.map(|name| (Told::Folder, name));
        }
    }
    one_spelling(&mut found);
    let names = own_names(source, rows, &found);
    let mut told = Vec::new();
    for ((row, found), own) in rows.iter_mut().zip(found).zip(names) {
        let (by, name) = found.unwrap_or((Told::Own, own));
        row.sample.patient = name;
        told.push(by);
    }
    flaws.extend(lopsided(rows, &told));
    flaws.extend(few_by_guess(rows, &told));
    told
}

/// The patient that the table or the DICOM header says of a row. A film whose name says that it is a picture is
/// asked last.
fn at_hand(source: &Source, row: &Row) -> Option<(Told, String)> {
    let (path, given) = (&row.sample.path, row.sample.patient.as_str());
    if !given.is_empty() {
        return Some((Told::Column, composed(given)));
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let picture = ["jpg", "jpeg", "png", "bmp", "tif", "tiff"].contains(&extension.as_str());
    if picture && (by_name(source, &row.sample).is_some() || !dicom::has_mark(path)) {
        return None;
    }
    dicom::patient(path).map(|id| (Told::Dicom, id))
}

/// Takes back identifiers that name nobody: placeholders, and one that most films share.
fn forget_nobody(
    by: Told,
    rows: &[Row],
    found: &mut [Option<(Told, String)>],
    flaws: &mut Vec<Flaw>,
) {
    let mut films: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, one) in found.iter().enumerate() {
        if let Some((told, id)) = one
            && *told == by
        {
            films.entry(id.clone()).or_default().push(at);
        }
    }
    let alone = films.len() == 1;
    // A person's own column is taken at its word where few rows say the same.
    let several = if by == Told::Dicom { 3 } else { SEVERAL };
    for (id, at) in films {
        let of_all = alone && at.len() >= several && 2 * at.len() > rows.len();
        if !of_all && !nobody(&id) {
            continue;
        }
        let what = if by == Told::Dicom { "PatientID" } else { "patient" };
        let count = if at.len() == rows.len() {
            format!("all {} films name the same {what} {id}", at.len())
        } else {
            format!("{} films name the same {what} {id}", at.len())
        };
        let mend = "each of them counts as a patient of its own, unless its name or folder tells more; \
                    name the column of patients, or give them their numbers";
        let place = rows[at[0]].place.clone();
        let error = Error::data(place, "a patient that tells films apart", count, mend);
        flaws.push(Flaw::warning(NOBODYS, error));
        at.into_iter().for_each(|at| found[at] = None);
    }
}

/// Takes back PatientIDs that say that they are of a place or a device (`SITE1`) where each stands in many films.
fn forget_places(rows: &[Row], found: &mut [Option<(Told, String)>], flaws: &mut Vec<Flaw>) {
    /// Films of one patient, on average, up to which such a name may be one.
    const FEW: usize = 4;
    let place = |one: &Option<(Told, String)>| {
        one.as_ref().is_some_and(|(told, id)| *told == Told::Dicom && says_other(id))
    };
    let at: Vec<usize> = (0..found.len()).filter(|&at| place(&found[at])).collect();
    let ids: BTreeSet<&str> =
        at.iter().filter_map(|&at| Some(found[at].as_ref()?.1.as_str())).collect();
    if at.len() <= FEW * ids.len() {
        return;
    }
    let listed = ids.iter().take(EXAMPLES).copied().collect::<Vec<_>>().join(", ");
    let count = format!("{} films of {} names such as {listed}", at.len(), ids.len());
    let mend = "each of them counts as a patient of its own, unless its name or folder tells more; \
                name the column of patients if these are patients";
    let place = rows[at[0]].place.clone();
    let error = Error::data(place, "patients as PatientID, no places or devices", count, mend);
    flaws.push(Flaw::warning(NOBODYS, error));
    at.into_iter().for_each(|at| found[at] = None);
}

/// The patient that a film's own path tells.
fn by_name(source: &Source, film: &Sample) -> Option<(Told, String)> {
    if let Some(folder) = numbered_folder(&source.films(), &film.path) {
        return Some((Told::Name, folder));
    }
    let stem = stem(&film.path);
    // The mask of a case serves all its channels.
    if let Annotation::Mask { files: masks, .. } = &film.target
        && let Some(case) = without_channel(&stem)
        && masks.iter().all(|mask| walk::stem(mask) == case)
    {
        return Some((Told::Name, known(case).unwrap_or(case).to_owned()));
    }
    let name = known(&stem)?;
    let says = source.known.is_some() || name.starts_with("person") || name.starts_with("patient");
    Some((if says { Told::Name } else { Told::Pattern }, name.to_owned()))
}

/// Gives patients of one number one name: the shortest of its spellings.
fn one_spelling(found: &mut [Option<(Told, String)>]) {
    let mut shortest: HashMap<String, String> = HashMap::new();
    for (_, name) in found.iter().flatten() {
        if let Some(number) = number(name) {
            let known = shortest.entry(number).or_insert_with(|| name.clone());
            if (name.len(), name.as_str()) < (known.len(), known.as_str()) {
                known.clone_from(name);
            }
        }
    }
    for (_, name) in found.iter_mut().flatten() {
        if let Some(number) = number(name) {
            name.clone_from(&shortest[&number]);
        }
    }
}

/// The patients of films of which nothing is told: their name where no other is called so, else their path, so that
/// `a/1.png` and `b/1.png` are two patients.
fn own_names(source: &Source, rows: &[Row], found: &[Option<(Told, String)>]) -> Vec<String> {
    let top = source.films();
    let inside =
        |row: &Row| row.sample.path.strip_prefix(&top).unwrap_or(&row.sample.path).to_owned();
    let told: HashSet<&str> = found.iter().flatten().map(|(_, name)| name.as_str()).collect();
    // Annotations name films by path; divisions of such sets go by it.
    let by_path = matches!(source.format, Some(Format::Coco | Format::Voc | Format::Yolo));
    let ways: [fn(&Path) -> String; 3] = [
        |path| composed(&stem(path)),
        |path| composed(&relative(&path.with_extension(""), Path::new(""))),
        |path| composed(&relative(path, Path::new(""))),
    ];
    let mut names: Vec<Option<String>> =
        found.iter().map(|f| f.is_some().then(String::new)).collect();
    for way in ways.into_iter().skip(usize::from(by_path)) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let open = |names: &[Option<String>]| -> Vec<(usize, String)> {
            let left = names.iter().enumerate().filter(|(_, name)| name.is_none());
            left.map(|(at, _)| (at, way(&inside(&rows[at])))).collect()
        };
        let named = open(&names);
        named.iter().for_each(|(_, name)| *counts.entry(name.clone()).or_default() += 1);
        for (at, name) in named {
            if counts[&name] == 1 && !told.contains(name.as_str()) {
                names[at] = Some(name);
            }
        }
    }
    let whole = |(at, name): (usize, Option<String>)| {
        name.unwrap_or_else(|| relative(&rows[at].sample.path, Path::new("")))
    };
    names.into_iter().enumerate().map(whole).collect()
}

/// The flaw of a patient of more than half of a set's films: they are rarely of one patient.
fn lopsided(rows: &[Row], told: &[Told]) -> Option<Flaw> {
    let mut films: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        films.entry(&row.sample.patient).or_insert((at, 0)).1 += 1;
    }
    let (name, (first, count)) = films.into_iter().max_by_key(|(_, (_, count))| *count)?;
    (rows.len() >= SEVERAL && 2 * count > rows.len()).then(|| {
        let found =
            format!("{count} of {} of patient {name}, told {}", rows.len(), told[first].words());
        let place = rows[first].place.clone();
        let mend = "name the column of patients, or correct it, if these are several";
        Flaw::warning(LOPSIDED, Error::data(place, "films of several patients", found, mend))
    })
}

/// Says that a guess makes few patients of many films: then a division hangs on it.
fn few_by_guess(rows: &[Row], told: &[Told]) -> Option<Flaw> {
    let guessed =
        || rows.iter().zip(told).filter(|(_, told)| told.guessed() && **told != Told::Own);
    let names: BTreeSet<&str> = guessed().map(|(row, _)| row.sample.patient.as_str()).collect();
    let (films, (first, by)) = (guessed().count(), guessed().next()?);
    (names.len() < SEVERAL && films > 2 * names.len()).then(|| {
        let listed = names.iter().take(EXAMPLES).copied().collect::<Vec<_>>().join(", ");
        let found =
            format!("{films} films of {} patients, told {} ({listed} …)", names.len(), by.words());
        let mend =
            "name the column of patients, or call their folders otherwise, if these are none";
        Flaw::warning(
            FEW_GUESSED,
            Error::data(first.place.clone(), "patients that are told", found, mend),
        )
    })
}

/// What is odd where few patients are a guess.
pub(in crate::data) const FEW_GUESSED: &str = "few patients, by a guess";
/// What is odd where a guess was dropped, for with it nothing could be divided.
pub(in crate::data) const DROPPED: &str = "guess of patients dropped";
/// Patients named as an example.
const EXAMPLES: usize = 3;

/// Films of a set below which its patients say little.
const SEVERAL: usize = 10;
/// Kind of flaw where a patient's number is that of nobody.
pub(in crate::data) const NOBODYS: &str = "patient that names nobody";
/// Kind of flaw where one patient has most films.
pub(in crate::data) const LOPSIDED: &str = "patient of most films";

/// Kind of the note that says where patients come from.
pub(in crate::data) const ORIGIN: &str = "where patients come from";

/// The note that says where the patients of a set come from.
pub(in crate::data) fn origin(source: &Source, rows: &[Row], told: &[Told]) -> Flaw {
    let mut by: BTreeMap<Told, (usize, Vec<&str>)> = BTreeMap::new();
    for (row, told) in rows.iter().zip(told) {
        let (films, names) = by.entry(*told).or_default();
        *films += 1;
        if names.len() < EXAMPLES && !names.contains(&row.sample.patient.as_str()) {
            names.push(&row.sample.patient);
        }
    }
    let said =
        |(told, (films, names)): (Told, (usize, Vec<&str>))| match (told, &source.patient_column) {
            (Told::Own, _) => format!("{films} films {}", told.words()),
            (Told::Column, Some(column)) => format!("{films} films by the column {column}"),
            _ => format!("{films} films {} ({} …)", told.words(), names.join(", ")),
        };
    let found: Vec<String> = by.into_iter().map(said).collect();
    let error = Error::data(
        &source.root,
        "patients by a column, DICOM, names or folders",
        found.join("; "),
        "name the column of patients in a table where this is wrong",
    );
    Flaw::note(ORIGIN, error)
}

/// Takes the note of [`origin`] out of the flaws of a set.
pub(in crate::data) fn take_origin(flaws: &mut Vec<Flaw>) -> String {
    let at = flaws.iter().position(|flaw| flaw.what == ORIGIN);
    let note = at.map(|at| flaws.remove(at).error);
    note.and_then(|error| error.fault().map(|fault| fault.found.clone())).unwrap_or_default()
}
