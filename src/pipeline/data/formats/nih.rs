//! Reader of NIH ChestX-ray14 (Wang et al., CVPR 2017).

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;

use super::{csv_table::Table, text};
use crate::{
    Error, Result,
    data::{
        Kind, Labels, Sample, Source, Split,
        dataset::listing::{Flaw, Listing, Part, Row},
        walk::{file_name, films_below, relative},
    },
    did_you_mean,
};

/// The 14 findings of ChestX-ray14 in the order of CheXNet (Rajpurkar et al. 2017).
pub const NIH_LABELS: [&str; 14] = [
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
];

/// Columns that are used, by place: the header has fewer names than rows have cells, for its
/// `OriginalImage[Width,Height]` is not quoted.
const COLUMNS: [(usize, &str); 3] = [(0, "Image Index"), (1, "Finding Labels"), (3, "Patient ID")];

/// Reads the table, finds its images anywhere below the root and applies the official lists.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let table = Table::read(table_path(source)?, true)?;
    for (at, name) in COLUMNS {
        if table.header.get(at).map(String::as_str) != Some(name) {
            return Err(Error::data(
                table.place(1),
                format!("column {} to be {name}", at + 1),
                format!("{:?}", table.header.get(at)),
                "use the Data_Entry_2017 table as it is published",
            ));
        }
    }
    let names = findings(source)?;
    let lists = lists(source)?;
    let on_disk: HashMap<String, PathBuf> =
        films_below(&source.films())?.into_iter().map(|path| (file_name(&path), path)).collect();
    let (mut rows, mut missing, mut flaws) = (Vec::new(), 0, Vec::new());
    let row = |line: u64, cells: &[String]| -> Result<Option<Row>> {
        let place = table.place(line);
        let [image, labels, .., patient] = cells.get(..4).unwrap_or_default() else {
            let found = cells.len().to_string();
            return Err(Error::data(place, "11 cells or more", found, "download the table again"));
        };
        if relative(image).is_none_or(|path| path.components().count() != 1) {
            let (expected, found) = ("the bare name of an image", format!("{image:?}"));
            return Err(Error::data(place, expected, found, "write the file name alone"));
        }
        if patient.is_empty() {
            return Err(Error::data(place, "a patient", "a blank", "fill it in"));
        }
        let target = target(&place, labels, &names)?;
        let Some(path) = on_disk.get(image) else { return Ok(None) };
        let part = lists.as_ref().map(|lists| lists.part(&place, image)).transpose()?;
        let target = target.into();
        let sample = Sample { path: path.clone(), patient: patient.clone(), target };
        Ok(Some(Row { sample, part, place }))
    };
    for (line, cells) in &table.rows {
        match row(*line, cells) {
            Ok(Some(row)) => rows.push(row),
            Ok(None) => missing += 1,
            Err(error) => flaws.push(Flaw::new("unusable row", error)),
        }
    }
    if rows.is_empty() && flaws.is_empty() {
        return Err(Error::data(
            &source.root,
            format!("images that {} lists", table.path.display()),
            "none",
            "unpack the images anywhere below root",
        ));
    }
    let kind = if names.is_empty() { Kind::None } else { Kind::Multi };
    Ok(Listing { labels: Labels { kind, names }, rows, missing, unlabelled: 0, flaws })
}

fn table_path(source: &Source) -> Result<PathBuf> {
    if let Some(table) = &source.table {
        return Ok(source.root.join(table));
    }
    let mend = "name the table with the key table";
    let mut found = Vec::new();
    let entries = std::fs::read_dir(&source.root);
    for entry in entries.map_err(|e| Error::io(&source.root, e, mend))? {
        let path = entry.map_err(|e| Error::io(&source.root, e, mend))?.path();
        let name = file_name(&path);
        if name.starts_with("Data_Entry") && name.ends_with(".csv") {
            found.push(path);
        }
    }
    match found.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(Error::data(
            &source.root,
            "one table Data_Entry*.csv",
            found.len().to_string(),
            mend,
        )),
    }
}

/// The findings that the source asks for.
fn findings(source: &Source) -> Result<Vec<String>> {
    if !source.labelled {
        return Ok(Vec::new());
    }
    if let Some(odd) = source.label_columns.iter().find(|name| !NIH_LABELS.contains(&name.as_str()))
    {
        return Err(Error::config(
            format!("data set {}, label_columns", source.name),
            "findings of ChestX-ray14",
            format!("{odd:?}"),
            did_you_mean(odd, &NIH_LABELS),
        ));
    }
    Ok(match source.label_columns.as_slice() {
        [] => NIH_LABELS.map(String::from).to_vec(),
        some => some.to_vec(),
    })
}

/// The target of a cell, `A|B|C` or `No Finding`: 1 for each of `names` that it holds.
fn target(place: &Place, cell: &str, names: &[String]) -> Result<Vec<f32>> {
    let found: Vec<&str> = cell.split('|').filter(|word| *word != "No Finding").collect();
    if let Some(odd) = found.iter().find(|word| !NIH_LABELS.contains(word)) {
        return Err(Error::data(
            place,
            "findings of ChestX-ray14 or No Finding",
            format!("{odd:?}"),
            did_you_mean(odd, &NIH_LABELS),
        ));
    }
    Ok(names.iter().map(|name| f32::from(u8::from(found.contains(&name.as_str())))).collect())
}

/// The official division.
struct Lists {
    train_val: HashSet<String>,
    test: HashSet<String>,
}

impl Lists {
    fn part(&self, place: &Place, image: &str) -> Result<Part> {
        match (self.train_val.contains(image), self.test.contains(image)) {
            (true, false) => Ok(Part::Train),
            (false, true) => Ok(Part::Test),
            (both, _) => Err(Error::data(
                place,
                format!("{image} in train_val_list.txt or test_list.txt"),
                format!("it in {}", if both { "both" } else { "neither" }),
                "download the lists again, or set split = \"patient\"",
            )),
        }
    }
}

fn lists(source: &Source) -> Result<Option<Lists>> {
    let paths = ["train_val_list.txt", "test_list.txt"].map(|name| source.root.join(name));
    if source.split == Split::Patient || !paths.iter().any(|path| path.exists()) {
        return Ok(None);
    }
    let names = |path: &Path| -> Result<HashSet<String>> {
        let mend = "put both lists beside the table, or set split = \"patient\"";
        let text = text::read(path, mend)?;
        Ok(text.lines().map(|line| line.trim().to_string()).collect())
    };
    Ok(Some(Lists { train_val: names(&paths[0])?, test: names(&paths[1])? }))
}
