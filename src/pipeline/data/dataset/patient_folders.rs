//! Folders that look like one for each patient.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    listing::{Flaw, Part, Row},
    patient_names::is_date,
};
use crate::{
    Error,
    data::{Kind, Labels, Source, walk::composed},
};

/// Largest number of films of one patient, on average, where folders are called by words that mean patients, by other
/// numbers, and by names without any number.
const FILMS: [usize; 3] = [64, 24, 4];
/// Least number of folders of names without any number.
const MANY: usize = 8;

/// Beginnings of the name of a patient's folder.
const PATIENTS: [&str; 12] =
    ["patient", "person", "pat", "pt", "p", "subject", "subj", "sub", "case", "mrn", "pid", "id"];

/// Words of the names of numbered folders that hold films of several patients.
const OTHERS: [&str; 44] = [
    "images", "image", "img", "imgs", "films", "film", "batch", "part", "fold", "chunk", "set",
    "dataset", "archive", "png", "jpg", "jpeg", "dcm", "dicom", "data", "site", "center", "centre",
    "hospital", "clinic", "year", "month", "day", "week", "disk", "vol", "volume", "group",
    "cohort", "view", "visit", "session", "class", "label", "grade", "level", "stage", "type",
    "kl", "birads",
];

/// Likeness of a name to that of a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Likeness {
    /// Word for patients and a number: `P001`, `sub-07`.
    Patient,
    /// Number: `0012`, `1.2.840.7`.
    Number,
    /// Any other name.
    Word,
    /// Name that says that it is something else: `batch3`, `2019`.
    Other,
}

/// The likeness of a folder's name to that of a patient.
pub(in crate::data) fn likeness(name: &str) -> Likeness {
    let name = name.to_lowercase();
    if says_other(&name) || is_date(&name) {
        return Likeness::Other;
    }
    let numbered = |rest: &str| {
        rest.trim_start_matches(['_', '-', ' ']).starts_with(|c: char| c.is_ascii_digit())
    };
    if PATIENTS.iter().any(|word| name.strip_prefix(word).is_some_and(numbered)) {
        return Likeness::Patient;
    }
    if name.contains(|c: char| c.is_ascii_digit()) { Likeness::Number } else { Likeness::Word }
}

/// Whether a word of a name says that it is of a place, a time or a kind of films: `SITE1`.
pub(in crate::data) fn says_other(name: &str) -> bool {
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_alphabetic()).any(|word| OTHERS.contains(&word))
}

/// Whether folders of these names, with so many films in all, look like one for each patient.
pub(in crate::data) fn look_like_patients(names: &BTreeSet<String>, films: usize) -> bool {
    let alike = |wanted: Likeness| names.iter().filter(|name| likeness(name) == wanted).count();
    let (patients, numbers, words) =
        (alike(Likeness::Patient), alike(Likeness::Number), alike(Likeness::Word));
    let few = |most: usize| films <= most * names.len();
    // One in ten may be called otherwise.
    let most = |count: usize| 10 * count >= 9 * names.len();
    names.len() > 1
        && (most(patients) && few(FILMS[0])
            || most(patients + numbers) && few(FILMS[1])
            || most(patients + numbers + words) && names.len() >= MANY && few(FILMS[2]))
}

/// What is odd where the same few folders lie in every class.
pub(in crate::data) const CROSSED: &str = "folders taken for no patients";
/// Folders of one name in every class below which they are no patients.
const CROSSING: usize = 10;

/// The patients that the folders of the rows `open` tell, if they do; `flaws` hear of folders that only look as if they did.
pub(in crate::data) fn of(
    source: &Source,
    labels: &Labels,
    rows: &[Row],
    open: &[usize],
    flaws: &mut Vec<Flaw>,
) -> Vec<Option<String>> {
    let ways: Vec<Vec<String>> = open.iter().map(|&at| way(source, labels, &rows[at])).collect();
    let deepest = ways.iter().map(Vec::len).max().unwrap_or(0);
    let mut level =
        (0..deepest).find(|&level| is_of_patients(labels, rows, open, &ways, level, flaws));
    // MIMIC's `p10/p10000032`: the outer folder holds the patients whose numbers begin so.
    while let Some(outer) = level
        && ways.iter().all(|way| way.get(outer + 1).is_some_and(|inner| longer(inner, &way[outer])))
    {
        level = Some(outer + 1);
    }
    let level = level.unwrap_or(deepest);
    ways.into_iter().map(|way| way.into_iter().nth(level)).collect()
}

fn longer(inner: &str, outer: &str) -> bool {
    inner.len() > outer.len() && inner.starts_with(outer)
}

/// The folders on the way to a film that name neither a part (`train2017` does) nor a class.
fn way(source: &Source, labels: &Labels, row: &Row) -> Vec<String> {
    let path = &row.sample.path;
    let inside = path.strip_prefix(source.films()).unwrap_or(path);
    let folders = inside.parent().into_iter().flat_map(std::path::Path::components);
    let named = folders.map(|part| composed(&part.as_os_str().to_string_lossy()));
    let class = |name: &String| {
        let own = |class: &String| class.to_lowercase() == name.to_lowercase();
        labels.kind == Kind::Classes && labels.names.iter().any(own)
    };
    named.filter(|name| Part::in_name(name).is_none() && !class(name)).collect()
}

/// Whether the folders of this level look like one for each patient, and not like one for each class.
fn is_of_patients(
    labels: &Labels,
    rows: &[Row],
    open: &[usize],
    ways: &[Vec<String>],
    level: usize,
    flaws: &mut Vec<Flaw>,
) -> bool {
    let mut names: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    let mut films = 0;
    for (way, &at) in ways.iter().zip(open) {
        let Some(name) = way.get(level) else { continue };
        films += 1;
        let class = match labels.kind {
            Kind::Classes => {
                rows[at].sample.target.labels().first().map_or(0, |class| *class as u32)
            }
            _ => 0,
        };
        names.entry(name).or_default().insert(class);
    }
    let of_classes = labels.kind == Kind::Classes
        && names.len() <= labels.names.len()
        && names.values().all(|classes| classes.len() == 1);
    let set: BTreeSet<String> = names.keys().map(ToString::to_string).collect();
    if 2 * films < open.len() || of_classes || !look_like_patients(&set, films) {
        return false;
    }
    // Batches, grades or views are in every class; few patients are.
    let crossed = labels.kind == Kind::Classes
        && (2..CROSSING).contains(&names.len())
        && names.values().all(|classes| classes.len() == labels.names.len())
        && set.iter().all(|name| likeness(name) != Likeness::Patient);
    if crossed {
        let listed = set.into_iter().collect::<Vec<_>>().join(", ");
        let error = Error::data(
            rows[open[0]].place.clone(),
            "folders that are in one class or in many",
            format!(
                "the same {} in every class, {listed}, which are taken for no patients",
                names.len()
            ),
            "call them patient1, patient2 … if they are patients",
        );
        flaws.push(Flaw::warning(CROSSED, error));
    }
    !crossed
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, Likeness, likeness, look_like_patients};

    #[test]
    fn names_of_patients_are_told_from_those_of_other_folders() {
        for name in ["P001", "patient_3", "sub-07", "Case 12", "p10000032"] {
            assert_eq!(likeness(name), Likeness::Patient, "{name}");
        }
        for name in ["0012", "1.2.840.7", "AB12", "s50414267"] {
            assert_eq!(likeness(name), Likeness::Number, "{name}");
        }
        for name in ["images_001", "batch3", "2019", "2019-05-01", "20190501", "grade2", "KL3"] {
            assert_eq!(likeness(name), Likeness::Other, "{name}");
        }
        assert_eq!(likeness("normal"), Likeness::Word);
    }

    #[test]
    fn few_films_in_each_of_several_folders_look_like_patients() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert!(look_like_patients(&names(&["P1", "P2"]), 6));
        assert!(!look_like_patients(&names(&["P1"]), 3));
        assert!(!look_like_patients(&names(&["01", "02"]), 100));
        assert!(!look_like_patients(&names(&["viral", "bacterial"]), 4));
        assert!(!look_like_patients(&names(&["images_01", "images_02"]), 4));
        let people = ["anna", "bert", "carl", "dora", "emil", "fred", "gina", "hugo"];
        assert!(look_like_patients(&names(&people), 16));
    }
}
