//! Recognition of a folder for each class.

use std::{
    collections::BTreeSet,
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

/// Recognises a folder for each class, in folders of parts or not, with folders of patients in them
/// or not.
pub(super) fn class_folders(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    let (inside, films) = list(folder)?;
    let parts: Vec<&PathBuf> =
        inside.iter().filter(|f| Part::named(&file_name(f)).is_some()).collect();
    let classes = if parts.is_empty() { inside.clone() } else { list(parts[0])?.0 };
    let filled = |class: &PathBuf| !films_below(class).unwrap_or_default().is_empty();
    let full: Vec<PathBuf> = classes.into_iter().filter(filled).collect();
    let names: Vec<String> = full.iter().map(|class| composed(&file_name(class))).collect();
    if names.len() < 2 || !films.is_empty() {
        return Ok(None);
    }
    if names.iter().any(|name| is_structure(name)) {
        unread.push(format!(
            "the folders {}: neither classes nor films with masks of their names",
            names.join(", ")
        ));
        return Ok(None);
    }
    if are_patients(&full) {
        let within: Unread = classes_within(&full, &names).into_iter().collect();
        return Ok(Some(films_alone(folder, &within)));
    }
    for class in &full {
        // Sets that lie side by side are no classes, though each is a folder of films.
        if signed(class).is_some()
            || first(&ANNOTATED, class, &mut Vec::new()).ok().flatten().is_some()
        {
            return Ok(None);
        }
    }
    let source = source(folder, Format::Folder);
    let what = format!("a folder for each class: {}", names.join(", "));
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
