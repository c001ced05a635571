//! Folders that look like one for each patient.

use std::collections::{BTreeMap, BTreeSet};

use super::listing::{Part, Row};
use crate::data::{Kind, Labels, Source, walk::composed};

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
    let mut words = name.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    if words.any(|word| OTHERS.contains(&word)) || is_date(&name) {
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

/// Whether a name is a year, or a day such as `2019-05-01`.
fn is_date(name: &str) -> bool {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let bare = name.chars().all(|c| c.is_ascii_digit() || "-_.".contains(c));
    let year = digits
        .get(..4)
        .and_then(|year| year.parse().ok())
        .is_some_and(|y| (1900..2100).contains(&y));
    let pair = |at: usize, most: u8| {
        let two = digits.get(at..at + 2).and_then(|two| two.parse::<u8>().ok());
        two.is_some_and(|n| (1..=most).contains(&n))
    };
    bare && year && (digits.len() == 4 || digits.len() == 8 && pair(4, 12) && pair(6, 31))
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

/// The patients that the folders of the rows `open` tell, if they do.
pub(in crate::data) fn of(
    source: &Source,
    labels: &Labels,
    rows: &[Row],
    open: &[usize],
) -> Vec<Option<String>> {
    let ways: Vec<Vec<String>> = open.iter().map(|&at| way(source, labels, &rows[at])).collect();
    let deepest = ways.iter().map(Vec::len).max().unwrap_or(0);
    let mut level = (0..deepest).find(|&level| is_of_patients(labels, rows, open, &ways, level));
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

/// The folders on the way to a film that name neither a part nor a class.
fn way(source: &Source, labels: &Labels, row: &Row) -> Vec<String> {
    let path = &row.sample.path;
    let inside = path.strip_prefix(source.films()).unwrap_or(path);
    let folders = inside.parent().into_iter().flat_map(std::path::Path::components);
    let named = folders.map(|part| composed(&part.as_os_str().to_string_lossy()));
    let class = |name: &String| labels.kind == Kind::Classes && labels.names.contains(name);
    named.filter(|name| Part::named(name).is_none() && !class(name)).collect()
}

/// Whether the folders of this level look like one for each patient, and not like one for each class.
fn is_of_patients(
    labels: &Labels,
    rows: &[Row],
    open: &[usize],
    ways: &[Vec<String>],
    level: usize,
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
    2 * films >= open.len() && !of_classes && look_like_patients(&set, films)
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
