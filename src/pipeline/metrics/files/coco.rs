//! Boxes in COCO's JSON.

use crate::{
    Error, Result,
    data::formats::coco::{
        entry::{CocoEntry, CocoId},
        json::{each, each_result},
        text_of,
    },
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
    let (results, truth) = (text_of(predictions)?, text_of(targets)?);
    let images = numbered(targets, &truth, "images", |_| Ok(()))?;
    let classes =
        numbered(targets, &truth, "categories", |entry| entry.text("name").map(str::to_owned))?;
    let names: Vec<String> = classes.values().map(|(_, name)| name.clone()).collect();
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
    each(targets, &truth, "annotations", false, &mut |_, entry| {
        let ((image, class, bbox), id) = (place(&entry)?, entry.id("id")?);
        if let Some(id) = seen.replace(id) {
            return Err(entry.fault("an id of its own", format!("{id} again")));
        }
        truths.push(Truth { image, class, bbox, crowd: entry.is_crowd()? });
        Ok(())
    })?;
    let mut detections = Vec::new();
    each_result(predictions, &results, &mut |_, entry| {
        let (image, class, bbox) = place(&entry)?;
        detections.push(Detection { image, class, bbox, score: entry.number("score")? });
        Ok(())
    })?;
    measure(&BoxPredictions {
        names: &names,
        images: images.len(),
        truths: &truths,
        detections: &detections,
        patients: None,
    })
}

/// Entries of a list by their ids: the place by rising id, and what is read of each.
type Numbered<T> = BTreeMap<CocoId, (usize, T)>;

/// Reads the entries of the list `list` by their ids.
fn numbered<T>(
    path: &Path,
    text: &str,
    list: &'static str,
    read: impl Fn(&CocoEntry) -> Result<T>,
) -> Result<Numbered<T>> {
    let mut all = BTreeMap::new();
    each(path, text, list, false, &mut |_, entry| {
        let (id, value) = (entry.id("id")?, read(&entry)?);
        match all.insert(id.clone(), (0, value)) {
            Some(_) => Err(entry.fault("an id of its own", format!("{id} again"))),
            None => Ok(()),
        }
    })?;
    all.values_mut().enumerate().for_each(|(place, numbered)| numbered.0 = place);
    Ok(all)
}

/// The place of what `key` of an entry names by its id, in the targets' `list`.
fn known<T>(entry: &CocoEntry, key: &str, ids: &Numbered<T>, list: &str) -> Result<usize> {
    let id = entry.id(key)?;
    let expected = || format!("an id of the targets' {list} as {key}");
    let found = ids.get(&id).ok_or_else(|| entry.fault(expected(), id.to_string()))?;
    Ok(found.0)
}
