//! Boxes in COCO's JSON.

use crate::{
    Error, Result,
    data::formats::coco::file::{CocoEntry, CocoFile, CocoId},
    metrics::{Bootstrap, BoxPredictions, ClassCurve, DetectScores, Detection, Truth},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Reads results and ground truth and measures the one by the other.
///
/// # Errors
/// Files that are malformed or do not belong together.
pub fn detect(predictions: &Path, targets: &Path, settings: Bootstrap) -> Result<DetectScores> {
    read(predictions, targets, |found| found.scores(settings))
}

/// Reads results and ground truth and gives each class its curve, see [`BoxPredictions::curves`].
///
/// # Errors
/// As [`detect`].
pub fn curves(predictions: &Path, targets: &Path) -> Result<Vec<ClassCurve>> {
    read(predictions, targets, |found| found.curves())
}

/// Reads results and ground truth for `measure`.
fn read<T>(
    predictions: &Path,
    targets: &Path,
    measure: impl FnOnce(&BoxPredictions) -> Result<T>,
) -> Result<T> {
    let (results, truth) = (CocoFile::read(predictions)?, CocoFile::read(targets)?);
    let images = numbered(&truth, "images")?;
    let classes = numbered(&truth, "categories")?;
    let names = classes
        .values()
        .map(|class| class.entry.text("name").map(str::to_owned))
        .collect::<Result<Vec<_>>>()?;
    if let Some(name) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        let found = format!("{} twice", name.1);
        return Err(Error::data(targets, "different names of categories", found, "rename one"));
    }
    let place = |entry: &CocoEntry| -> Result<(usize, usize, [f64; 4])> {
        let image = known(entry, "image_id", &images, "images")?;
        Ok((image, known(entry, "category_id", &classes, "categories")?, entry.bbox()?))
    };
    let mut truths = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in truth.entries("annotations")? {
        let ((image, class, bbox), id) = (place(&entry)?, entry.id("id")?);
        if let Some(id) = seen.replace(id) {
            return Err(entry.fault("an id of its own", format!("{id} again")));
        }
        truths.push(Truth { image, class, bbox, crowd: entry.is_crowd()? });
    }
    let mut detections = Vec::new();
    for entry in results.results()? {
        let (image, class, bbox) = place(&entry)?;
        detections.push(Detection { image, class, bbox, score: entry.number("score")? });
    }
    measure(&BoxPredictions {
        names: &names,
        images: images.len(),
        truths: &truths,
        detections: &detections,
        patients: None,
    })
}

/// An entry with an id, and its place by rising id.
struct Numbered<'a> {
    place: usize,
    entry: CocoEntry<'a>,
}

/// The entries of the list `key` by their ids.
fn numbered<'a>(file: &'a CocoFile, key: &str) -> Result<BTreeMap<CocoId, Numbered<'a>>> {
    let mut all = BTreeMap::new();
    for entry in file.entries(key)? {
        let id = entry.id("id")?;
        if all.contains_key(&id) {
            return Err(entry.fault("an id of its own", format!("{id} again")));
        }
        all.insert(id, Numbered { place: 0, entry });
    }
    all.values_mut().enumerate().for_each(|(place, numbered)| numbered.place = place);
    Ok(all)
}

/// The place of what `key` of an entry names by its id, in the targets' `list`.
fn known(
    entry: &CocoEntry,
    key: &str,
    ids: &BTreeMap<CocoId, Numbered>,
    list: &str,
) -> Result<usize> {
    let id = entry.id(key)?;
    let expected = || format!("an id of the targets' {list} as {key}");
    let found = ids.get(&id).ok_or_else(|| entry.fault(expected(), id.to_string()))?;
    Ok(found.place)
}
