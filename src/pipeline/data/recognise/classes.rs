//! Recognition of a folder for each class.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    ANNOTATED, Format, Part, RecognisedSet, Result, Unread, films_alone, first, of_patients,
    signed, source,
};
use crate::data::{
    dataset::patient_folders::{Likeness, likeness},
    walk::{composed, file_name, films_below, list},
};

/// Names of folders that are no classes, without nnU-Net's `Tr`, `Ts` and `Va`.
const NOT_CLASSES: [&str; 18] = [
    "images",
    "image",
    "imgs",
    "img",
    "films",
    "labels",
    "label",
    "masks",
    "mask",
    "annotations",
    "annotation",
    "jpegimages",
    "imagesets",
    "gt",
    "groundtruth",
    "ground_truth",
    "segmentation",
    "segmentations",
];

/// Whether a folder of this name holds what all layouts have, and no class.
pub(super) fn is_structure(name: &str) -> bool {
    let bare = ["Tr", "Ts", "Va"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    NOT_CLASSES.contains(&bare.to_lowercase().as_str())
}

/// Words in the names of folders that are classes for certain.
const WORDS: [&str; 46] = [
    "normal",
    "abnormal",
    "neg",
    "pos",
    "negative",
    "positive",
    "healthy",
    "unhealthy",
    "benign",
    "malignant",
    "sick",
    "ill",
    "diseased",
    "disease",
    "control",
    "pneumonia",
    "covid",
    "tuberculosis",
    "tb",
    "effusion",
    "nodule",
    "fracture",
    "fractured",
    "cancer",
    "tumor",
    "tumour",
    "infected",
    "uninfected",
    "viral",
    "bacterial",
    "virus",
    "bacteria",
    "finding",
    "nofinding",
    "opacity",
    "mass",
    "cardiomegaly",
    "atelectasis",
    "edema",
    "caries",
    "osteoporosis",
    "osteopenia",
    "cavity",
    "lesion",
    "yes",
    "no",
];

/// Whether folders are called as classes for certain: by findings, or by the absence of any.
pub(super) fn are_classes(names: &[String]) -> bool {
    names.iter().any(|name| {
        let name = name.to_lowercase();
        let mut words = name.split(|c: char| !c.is_alphabetic());
        words.any(|word| WORDS.contains(&word))
    })
}

/// The names of the folders that lie in each of several folders, where these are the classes: `neg/{AP,PA}` and `pos/{AP,PA}`.
/// Names that are in every folder tell none from another, unless they are called as classes and the folders are not.
pub(super) fn repeated(folders: &[PathBuf]) -> Result<Option<Vec<String>>> {
    let shared = shared(folders)?;
    let outer: Vec<String> = folders.iter().map(|folder| file_name(folder)).collect();
    let digits = |name: &String| name.len() < 3 && name.bytes().all(|b| b.is_ascii_digit());
    let inner = !shared.is_empty() && (are_classes(&shared) || shared.iter().all(digits));
    let outer_is = are_classes(&outer) && (!are_classes(&shared));
    let structure = shared.iter().any(|name| is_structure(name));
    Ok((shared.len() > 1 && !structure && (outer_is || !inner)).then_some(shared))
}

/// The names of the folders that lie in each of these folders of sets, if most of all do.
fn shared(folders: &[PathBuf]) -> Result<Vec<String>> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for folder in folders {
        for inner in list(folder)?.0 {
            let films = films_below(&inner)?.len();
            if films > 0 {
                *times.entry(composed(&file_name(&inner))).or_default() += 1;
            }
        }
    }
    let all = times.len();
    let shared: Vec<String> =
        times.into_iter().filter(|(_, n)| *n == folders.len()).map(|(name, _)| name).collect();
    Ok(if folders.len() > 1 && 2 * shared.len() >= all { shared } else { Vec::new() })
}

/// What is said of folders that are read as sets of their own though they hold the same classes: folds, sites, years.
pub(super) fn same_classes(folders: &[PathBuf]) -> Result<String> {
    let shared = shared(folders)?;
    let outer: Vec<String> = folders.iter().map(|folder| file_name(folder)).collect();
    let fold = |name: &String| {
        let name = name.to_lowercase();
        ["fold", "split", "cv"].iter().any(|word| name.starts_with(word))
    };
    Ok(match (shared.len() > 1, outer.iter().all(fold)) {
        (false, _) => String::new(),
        (true, true) => format!(
            "; {} are folds of one set, each of which is read as a set of its own: that is no division; call their folders train, val and test",
            outer.join(", ")
        ),
        (true, false) => format!(
            "; {} hold the same folders {}, and each is read as a set of its own",
            outer.join(", "),
            shared.join(", ")
        ),
    })
}

/// A folder for each class, in folders of parts or not, with folders of parts or of patients in them or not.
pub(super) fn class_folders(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    of_classes(folder, false, unread)
}

/// As [`class_folders`], of a folder whose classes hold films and their masks.
pub(super) fn beside_masks(folder: &Path) -> Result<Option<RecognisedSet>> {
    of_classes(folder, true, &mut Vec::new())
}

fn of_classes(folder: &Path, masked: bool, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    let (inside, films) = list(folder)?;
    let parts: Vec<&PathBuf> =
        inside.iter().filter(|f| Part::of_folder(&file_name(f)).is_some()).collect();
    let classes = if parts.is_empty() { inside.clone() } else { list(parts[0])?.0 };
    let filled = |class: &PathBuf| !films_below(class).unwrap_or_default().is_empty();
    let full: Vec<PathBuf> = classes.into_iter().filter(filled).collect();
    let names: Vec<String> = full.iter().map(|class| composed(&file_name(class))).collect();
    if names.len() < 2 {
        return Ok(None);
    }
    // Films in no folder are left out, which is said, where the folders are classes for certain.
    if !films.is_empty() && !are_classes(&names) {
        if !names.iter().any(|name| is_structure(name)) && !are_patients(&full) {
            let loose = format!("{} films beside them are of none", films.len());
            unread.push(format!("a folder for each class, {}: {loose}", names.join(", ")));
        }
        return Ok(None);
    }
    if names.iter().any(|name| is_structure(name)) {
        // What is wrong with their masks is said already.
        if unread.iter().any(|why| why.contains("masks in")) {
            return Ok(None);
        }
        unread.push(format!(
            "the folders {}: neither classes nor films with masks of their names",
            names.join(", ")
        ));
        return Ok(None);
    }
    if are_patients(&full) {
        let mut all = std::mem::take(unread);
        all.extend(classes_within(&full, &names));
        return Ok(Some(films_alone(folder, &all)));
    }
    // `labelled/{neg,pos}` beside `unlabelled` is a set of its own.
    let holds_classes = |class: &PathBuf| {
        let inner = list(class).map(|(folders, _)| folders).unwrap_or_default();
        let inner: Vec<String> = inner.iter().filter(|f| filled(f)).map(|f| file_name(f)).collect();
        inner.len() > 1 && are_classes(&inner)
    };
    if !are_classes(&names) && full.iter().any(holds_classes) {
        return Ok(None);
    }
    for class in &full {
        // Sets that lie side by side are no classes, though each is a folder of films.
        let of_its_own =
            |found: RecognisedSet| !masked || found.source.format != Some(Format::Masks);
        if signed(class).is_some()
            || first(&ANNOTATED, class, &mut Vec::new()).ok().flatten().is_some_and(of_its_own)
        {
            return Ok(None);
        }
    }
    let source = source(folder, Format::Folder);
    let mut what = format!("a folder for each class: {}", names.join(", "));
    if let Some(within) = repeated(&full)? {
        let parts = within.iter().filter_map(|name| Part::named(name)).collect::<Vec<_>>();
        let names = within.join(", ");
        what += &match parts.contains(&Part::Train) {
            true => String::new(),
            false if parts.is_empty() => {
                format!("; the folders {names} are in each of them and are taken for no classes")
            }
            false => format!(
                "; the folders {names} in each of them are no division without one to learn from"
            ),
        };
    }
    Ok(Some(RecognisedSet { source, what }))
}

/// Whether folders are of patients rather than of classes: they are called so, or by long numbers, and hold few films each.
pub(super) fn are_patients(folders: &[PathBuf]) -> bool {
    /// Number of digits of a number that counts patients rather than grades, and number of folders
    /// that are so called.
    const LONG: (usize, usize) = (3, 4);
    let names: Vec<String> = folders.iter().map(|folder| file_name(folder)).collect();
    let called = names.iter().any(|name| likeness(name) == Likeness::Patient);
    let long = |name: &String| name.chars().filter(char::is_ascii_digit).count() >= LONG.0;
    (called || names.len() >= LONG.1 && names.iter().all(long)) && of_patients(folders)
}

/// Remark on folders of patients that hold folders of the same few names: they may be classes.
fn classes_within(patients: &[PathBuf], names: &[String]) -> Option<String> {
    let within: Vec<String> = patients
        .iter()
        .flat_map(|patient| list(patient).map(|(folders, _)| folders).unwrap_or_default())
        .map(|folder| composed(&file_name(&folder)))
        .collect();
    let distinct: BTreeSet<&String> = within.iter().collect();
    let words = distinct.iter().all(|name| likeness(name) == Likeness::Word);
    (distinct.len() > 1 && distinct.len() < within.len() && words).then(|| {
        let distinct: Vec<&str> = distinct.into_iter().map(String::as_str).collect();
        format!(
            "the folders {} in folders of patients ({} …): put folders of classes above those of patients",
            distinct.join(", "),
            names[0]
        )
    })
}
