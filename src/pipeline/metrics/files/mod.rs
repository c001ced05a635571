//! Predictions and truth in files of any program: tables of probabilities, folders of masks, COCO's JSON.

pub mod coco;

use super::{
    Bootstrap, ClassifyScores, Confusion, MaskPredictions, Predictions, SegmentScores, Targets,
};
use crate::{
    Error, Place, Result,
    data::{Table, decode, films_below, finding, spreadsheet::meant},
};
use rayon::prelude::*;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A score from here on is called positive.
const THRESHOLD: f64 = 0.5;

/// Reads two tables with the header `image,LABEL…` and measures the one by the other.
///
/// # Errors
/// Files that are malformed or do not belong together.
pub fn classify(predictions: &Path, targets: &Path, settings: Bootstrap) -> Result<ClassifyScores> {
    let predicted = Numbers::read(predictions, "a probability from 0 to 1", |cell| {
        cell.parse().ok().filter(|p| (0.0..=1.0).contains(p))
    })?;
    let truth = Numbers::read(targets, "0, 1 or blank", |cell| finding(cell).map(f64::from))?;
    if predicted.header != truth.header {
        let [expected, found] = [&truth, &predicted].map(|table| table.header.join(","));
        let expected = format!("the header {expected} of the targets");
        return Err(Error::data(
            Place::from(predictions).line(1),
            expected,
            found,
            "name both alike",
        ));
    }
    let images = truth.rows.keys().chain(predicted.rows.keys());
    both(predictions, targets, images, |image| {
        [predicted.rows.contains_key(image), truth.rows.contains_key(image)]
    })?;
    let scores = Predictions {
        names: &truth.header[1..],
        probabilities: &predicted.rows.values().flatten().copied().collect::<Vec<_>>(),
        targets: Targets::Labels(&truth.rows.values().flatten().copied().collect::<Vec<_>>()),
        patients: None,
        threshold: THRESHOLD,
    };
    scores.scores(settings)
}

/// A table of one row of numbers an image.
struct Numbers {
    header: Vec<String>,
    rows: BTreeMap<String, Vec<f64>>,
}

impl Numbers {
    fn read(path: &Path, expected: &str, number: impl Fn(&str) -> Option<f64>) -> Result<Self> {
        let table = Table::read(path.into(), false)?;
        if table.header.len() < 2 || table.header[0] != "image" {
            let found = table.header.join(",");
            return Err(Error::data(table.place(1), "image,LABEL…", found, "write that header"));
        }
        let mut rows = BTreeMap::new();
        for (line, cells) in &table.rows {
            let numbers = cells.iter().zip(&table.header).skip(1).map(|(cell, name)| {
                number(cell).ok_or_else(|| {
                    let expected = format!("{expected} for {name}");
                    Error::data(
                        table.place(*line),
                        expected,
                        format!("{cell:?}"),
                        "correct the cell",
                    )
                })
            });
            if rows.insert(meant(&cells[0]).to_owned(), numbers.collect::<Result<_>>()?).is_some() {
                let (found, mend) = (format!("{} again", cells[0]), "remove one of the rows");
                return Err(Error::data(table.place(*line), "each image once", found, mend));
            }
        }
        if rows.is_empty() {
            return Err(Error::data(path, "a row for each image", "none", "write the rows"));
        }
        let header = table.header.iter().map(|name| meant(name).to_owned()).collect();
        Ok(Self { header, rows })
    }
}

/// Refuses images that only one of the two sides has.
fn both<'a>(
    predictions: &Path,
    targets: &Path,
    mut images: impl Iterator<Item = &'a String>,
    has: impl Fn(&str) -> [bool; 2],
) -> Result<()> {
    let Some(image) = images.find(|image| has(image) != [true, true]) else { return Ok(()) };
    let (lacking, mend) = match has(image)[0] {
        false => (predictions, "predict it, or remove it from the targets"),
        true => (targets, "say what is true of it, or remove it from the predictions"),
    };
    Err(Error::data(lacking, format!("{image} as on the other side"), "none", mend))
}

/// Reads two folders of masks with the same names and measures the one by the other.
///
/// # Errors
/// Files that are malformed or do not belong together.
pub fn segment(predictions: &Path, targets: &Path, settings: Bootstrap) -> Result<SegmentScores> {
    let (predicted, truth) = (masks(predictions)?, masks(targets)?);
    both(predictions, targets, truth.keys().chain(predicted.keys()), |image| {
        [predicted.contains_key(image), truth.contains_key(image)]
    })?;
    let pairs: Vec<_> = predicted.values().zip(truth.values()).collect();
    let counts = pairs.into_par_iter().map(|(p, t)| pixels(p, t)).collect::<Result<Vec<_>>>()?;
    MaskPredictions { counts: &counts, patients: None }.scores(settings)
}

/// The image files of a folder by their names below it.
fn masks(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    if !folder.is_dir() {
        return Err(Error::data(folder, "a folder of masks", "none", "check the path"));
    }
    let named = |path: PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        (name, path)
    };
    let masks: BTreeMap<_, _> = films_below(folder)?.into_iter().map(named).collect();
    match masks.is_empty() {
        true => Err(Error::data(folder, "masks", "no image file", "put masks there")),
        false => Ok(masks),
    }
}

/// Counts the pixels of a predicted and a true mask, foreground above 127.
fn pixels(predicted: &Path, truth: &Path) -> Result<Confusion> {
    let (p, t) = (decode(predicted)?, decode(truth)?);
    if (p.width, p.height) != (t.width, t.height) {
        let [expected, found] = [&t, &p].map(|mask| format!("{}x{}", mask.width, mask.height));
        let expected = format!("{expected} pixels as in the true mask");
        let mend = "bring the prediction to the size of the mask, without smoothing";
        return Err(Error::data(predicted, expected, found, mend));
    }
    let foreground = |pixel: &f32| *pixel > 127.0;
    Ok(Confusion::of_pixels(
        p.pixels.iter().zip(&t.pixels).map(|(p, t)| (foreground(p), foreground(t))),
    ))
}
