//! Boxes in COCO's JSON.

use crate::{Error, Place, Result};
use mtpret_pipeline::metrics::{
    Bootstrap, BoxPredictions, ClassCurve, DetectScores, Detection, Truth,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Reads results and ground truth and measures the one by the other.
pub fn detect(predictions: &Path, targets: &Path, settings: Bootstrap) -> Result<DetectScores> {
    read(predictions, targets, |found| found.scores(settings))
}

/// Reads results and ground truth and gives each class its curve, see [`BoxPredictions::curves`].
pub fn curves(predictions: &Path, targets: &Path) -> Result<Vec<ClassCurve>> {
    read(predictions, targets, |found| found.curves())
}

/// Reads results and ground truth for `measure`.
fn read<T>(
    predictions: &Path,
    targets: &Path,
    measure: impl FnOnce(&BoxPredictions) -> Result<T>,
) -> Result<T> {
    let (results, truth) = (json(predictions)?, json(targets)?);
    let truth = JsonEntry { place: targets.into(), value: &truth };
    let images = numbered(&truth, "images")?;
    let classes = numbered(&truth, "categories")?;
    let names =
        classes.values().map(|class| class.entry.text("name")).collect::<Result<Vec<_>>>()?;
    if let Some(name) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        let found = format!("{} twice", name.1);
        return Err(truth.fault("different names of categories", found, "rename one"));
    }
    let place = |entry: &JsonEntry| -> Result<(usize, usize, [f64; 4])> {
        let image = entry.known("image_id", &images, "images")?;
        Ok((image, entry.known("category_id", &classes, "categories")?, entry.bbox()?))
    };
    let mut truths = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in truth.list("annotations")? {
        let ((image, class, bbox), id) = (place(&entry)?, entry.id("id")?);
        if !seen.insert(id) {
            return Err(entry.fault("ids that differ", format!("{id} again"), "renumber"));
        }
        truths.push(Truth { image, class, bbox, crowd: entry.crowd()? });
    }
    let results = JsonEntry { place: predictions.into(), value: &results };
    let mut detections = Vec::new();
    for entry in results.entries("results")? {
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

fn json(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path)
        .map_err(|e| Error::io(path, e, "see that the file exists and may be read"))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        let place = Place::from(path).line(e.line() as u64);
        Error::data(place, "JSON", e.to_string(), "write it anew")
    })
}

/// A value of a file and where it stands.
struct JsonEntry<'a> {
    place: Place,
    value: &'a Value,
}

/// An entry with an id, and its place by rising id.
struct Numbered<'a> {
    place: usize,
    entry: JsonEntry<'a>,
}

/// The entries of the list `key` by their ids.
fn numbered<'a>(file: &JsonEntry<'a>, key: &str) -> Result<BTreeMap<i64, Numbered<'a>>> {
    let mut all = BTreeMap::new();
    for entry in file.list(key)? {
        let id = entry.id("id")?;
        if all.contains_key(&id) {
            return Err(entry.fault("ids that differ", format!("{id} again"), "renumber"));
        }
        all.insert(id, Numbered { place: 0, entry });
    }
    all.values_mut().enumerate().for_each(|(place, numbered)| numbered.place = place);
    Ok(all)
}

impl<'a> JsonEntry<'a> {
    fn fault(&self, expected: impl Into<String>, found: impl Into<String>, mend: &str) -> Error {
        Error::data(&self.place, expected, found, mend)
    }

    /// The place of a key of this entry.
    fn at(&self, key: &str) -> Place {
        let item = match &self.place.item {
            Some(entry) => format!("{entry}: {key}"),
            None => key.to_owned(),
        };
        self.place.clone().item(item)
    }

    fn key(&self, key: &str, expected: &str) -> Result<&'a Value> {
        let expected = || format!("the key `{key}` with {expected}");
        self.value.get(key).ok_or_else(|| self.fault(expected(), "none", "add it"))
    }

    /// The value of `key`, as `read` has it.
    fn read<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<T> {
        let value = self.key(key, expected)?;
        let fault = || Error::data(self.at(key), expected, value.to_string(), "correct it");
        read(value).ok_or_else(fault)
    }

    fn id(&self, key: &str) -> Result<i64> {
        self.read(key, "a whole number", Value::as_i64)
    }

    fn number(&self, key: &str) -> Result<f64> {
        self.read(key, "a number", Value::as_f64)
    }

    fn text(&self, key: &str) -> Result<String> {
        self.read(key, "text", |value| value.as_str().map(str::to_owned))
    }

    fn bbox(&self) -> Result<[f64; 4]> {
        self.read("bbox", "x, y, width and height, neither below 0", |value| {
            let numbers: Vec<f64> = value.as_array()?.iter().map_while(Value::as_f64).collect();
            let bbox: [f64; 4] = numbers.try_into().ok()?;
            (value.as_array()?.len() == 4 && bbox[2] >= 0.0 && bbox[3] >= 0.0).then_some(bbox)
        })
    }

    fn crowd(&self) -> Result<bool> {
        if self.value.get("iscrowd").is_none() {
            return Ok(false);
        }
        self.read("iscrowd", "0 or 1", |value| match value.as_i64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }

    /// The place of what `key` names by its id.
    fn known(&self, key: &str, ids: &BTreeMap<i64, Numbered>, list: &str) -> Result<usize> {
        let id = self.id(key)?;
        let fault = || {
            let (expected, mend) =
                (format!("an id of the targets' {list}"), "correct it, or add that entry");
            Error::data(self.at(key), expected, id.to_string(), mend)
        };
        Ok(ids.get(&id).ok_or_else(fault)?.place)
    }

    /// The entries of the list `key`.
    fn list(&self, key: &str) -> Result<Vec<JsonEntry<'a>>> {
        let list = JsonEntry { place: self.place.clone(), value: self.key(key, "a list")? };
        list.entries(key)
    }

    /// The entries of this list, each placed as one of `name`.
    fn entries(&self, name: &str) -> Result<Vec<JsonEntry<'a>>> {
        let list = self
            .value
            .as_array()
            .ok_or_else(|| self.fault(format!("a list of {name}"), "none", "write COCO's JSON"))?;
        let entry = |(i, value)| JsonEntry { place: self.at(&format!("{name}[{i}]")), value };
        Ok(list.iter().enumerate().map(entry).collect())
    }
}
