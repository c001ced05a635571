//! Remarks on a data set beside its kind: who divides it, by whom its films are, and what of it is not read.

use std::path::Path;

use super::{Format, Source, Split, Unread, entries, left};
use crate::data::{
    Dataset, Roots,
    dataset::{given, listing::by_kind, patient, patient_folders, split::SHARED_PATIENT},
    formats::{folder, marks, pairs, yolo},
    walk::{EXTENSIONS, file_name},
};

/// Ends of names of files that may hold labels.
const LABELS: [&str; 19] = [
    "json", "jsonl", "xml", "txt", "xlsx", "xls", "ods", "parquet", "npy", "npz", "mat", "h5",
    "hdf5", "pkl", "yaml", "yml", "tfrecord", "nii", "gz",
];
/// Words in the names of files that say something else of a data set.
const OTHERS: [&str; 7] =
    ["readme", "license", "licence", "citation", "changelog", "requirements", "datasheet"];

/// What is odd of a division or of patients, which is said with them.
const ODD: [&str; 13] = [
    marks::SEVERAL_READERS,
    given::UNFOUND,
    given::OUTSIDE,
    pairs::UNREAD_PART,
    folder::BESIDE_PARTS,
    folder::MASKS_AMONG,
    folder::SPELLINGS,
    patient_folders::CROSSED,
    patient::FEW_GUESSED,
    patient::DROPPED,
    patient::NOBODYS,
    patient::LOPSIDED,
    SHARED_PATIENT,
];

/// Classes of a known set that are spelt in two ways.
pub(super) fn spellings(source: &Source) -> String {
    let mut located = source.clone();
    if located.locate(&Roots::default()).is_err() {
        return String::new();
    }
    let flaws = located.survey().map(|(_, flaws)| flaws).unwrap_or_default();
    let odd = flaws.iter().filter(|flaw| flaw.what == folder::SPELLINGS);
    by_kind(odd).iter().map(|line| format!("; {line}")).collect()
}

/// What is said of films that are left out.
const LEFT: [&str; 4] =
    [given::OUTSIDE, pairs::UNREAD_PART, folder::BESIDE_PARTS, folder::MASKS_AMONG];

/// Words on one line, as a comment of TOML needs them.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Remark on who divides a source that can be read, and who its films are of where that is told; empty where
/// nobody does.
pub(super) fn division(source: &Source) -> String {
    let bare = Source { val_share: 0.0, test_share: 0.0, ..source.clone() };
    let mut said = String::new();
    let Ok((dataset, mut flaws)) = bare.survey() else { return said };
    let [train, val, test] = parts(&dataset);
    if val + test > 0 && source.split == Split::Given {
        said += &format!("; {train} train, {val} val, {test} test, as {}", evidence(source));
    }
    let (patients, told) = (patients(&dataset), patient::take_origin(&mut flaws));
    if patients < train + val + test {
        said += &format!("; {patients} patients: {told}");
    }
    let odd = flaws.iter().filter(|flaw| !flaw.stops() && ODD.contains(&flaw.what));
    by_kind(odd).iter().for_each(|line| said += &format!("; {line}"));
    // Where its reader says what is left out, that is enough.
    let silent = flaws.iter().all(|flaw| !LEFT.contains(&flaw.what));
    if silent && source.known.is_none() {
        said += &left::films(source, &dataset);
    }
    said
}

fn parts(dataset: &Dataset) -> [usize; 3] {
    [&dataset.train, &dataset.val, &dataset.test].map(Vec::len)
}

fn patients(dataset: &Dataset) -> usize {
    let films = dataset.train.iter().chain(&dataset.val).chain(&dataset.test);
    films.map(|film| film.patient.as_str()).collect::<std::collections::BTreeSet<_>>().len()
}

/// Remark on what says the parts of a source.
fn evidence(source: &Source) -> String {
    match source.format {
        Some(Format::Csv | Format::BoxCsv | Format::RleCsv) => match &source.split_column {
            Some(column) => format!("the column {column} says"),
            None if source.tables().len() > 1 => "its tables say".into(),
            None => "its folders say".into(),
        },
        Some(Format::Coco) => {
            let names = source.annotations.iter().map(|file| file.display().to_string());
            format!("{} say", names.collect::<Vec<_>>().join(", "))
        }
        Some(Format::Voc) => {
            let lists = source.annotations.iter().filter_map(|folder| {
                given::voc_lists(&source.root, &source.root.join(folder)).ok().flatten()
            });
            let said =
                lists.map(|lists| super::below(&source.root, lists.place()).display().to_string());
            match said.collect::<Vec<_>>() {
                none if none.is_empty() => "its folders say".into(),
                some => format!("{} says", some.join(", ")),
            }
        }
        Some(Format::Yolo) => match yolo::divided_by(source) {
            Some(file) => format!("{} says", file_name(&file)),
            None => "its folders say".into(),
        },
        _ => "its folders say".into(),
    }
}

/// Remark on what could not be read, and why not.
pub(super) fn not_read(unread: &Unread) -> String {
    unread.iter().map(|why| format!("; not by {why}")).collect()
}

/// Remark on files in a folder, or in a folder of it, that may hold labels in a form that nothing
/// here reads.
pub(super) fn other_files(folder: &Path) -> String {
    let inside = super::list(folder).map(|(folders, _)| folders).unwrap_or_default();
    let places = std::iter::once(folder.to_path_buf()).chain(inside);
    let mut names: Vec<String> = places
        .flat_map(|place| entries(&place, "*"))
        .filter(|path| path.is_file() && may_hold_labels(&file_name(path)))
        .map(|path| super::below(folder, &path).display().to_string())
        .collect();
    names.sort();
    /// Number of files that are named.
    const NAMED: usize = 5;
    let more = names.len().saturating_sub(NAMED);
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("; beside them lie {first}, in no form that is read here"),
        (false, more) => {
            format!("; beside them lie {first} and {more} more files, in no form that is read here")
        }
    }
}

fn may_hold_labels(name: &str) -> bool {
    let name = name.to_lowercase();
    let end = name.rsplit_once('.').map(|(_, end)| end).unwrap_or_default();
    !name.starts_with('.')
        && LABELS.contains(&end)
        && !EXTENSIONS.contains(&end)
        && !OTHERS.iter().any(|word| name.contains(word))
}
