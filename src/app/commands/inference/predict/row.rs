//! Predictions as a table and as JSON.

use super::{Args, png};
use crate::report::{
    coco::{self, Image, Mark, Mask, Shape},
    discretion::Discretion,
    table::{Cell, Column, Table},
};
use mtpret_pipeline::{
    data::{Kind, Labels, Orientation},
    train::tasks::{FoundBox, Task},
};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Stands in every file, so that no number is read without it.
const NOTE: &str = "not for diagnostic use";

/// A film that a person asked about.
pub(in crate::commands) struct Row {
    /// What files for it are called, without an ending.
    pub file: String,
    pub path: PathBuf,
    /// What was seen, or why nothing was; none before it was looked at.
    pub outcome: Option<Result<Seen, String>>,
}

/// What was seen on a film.
pub(in crate::commands) struct Seen {
    /// Width and height, of the frame in which boxes and masks lie.
    pub size: [usize; 2],
    pub orientation: Orientation,
    pub found: Found,
}

/// What was found on a film.
pub(in crate::commands) enum Found {
    /// A probability for each label.
    Labels(Vec<f64>),
    Mask {
        mask: Mask,
        /// Mean probability of the foreground.
        score: Option<f64>,
    },
    Boxes(Vec<FoundBox>),
}

impl Row {
    /// Why nothing is known of the film.
    pub fn fault(&self) -> Option<&str> {
        self.outcome.as_ref()?.as_ref().err().map(String::as_str)
    }
    fn seen(&self) -> Option<&Seen> {
        self.outcome.as_ref()?.as_ref().ok()
    }
    /// The files that were written for the film: what they are and where they lie.
    fn files(&self, args: &Args, discretion: &Discretion) -> Vec<(&'static str, String)> {
        let folders = [("mask", &args.masks), ("overlay", &args.overlays)];
        let asked = folders.into_iter().filter_map(|(what, folder)| Some((what, folder.as_ref()?)));
        let path = |folder| match self.seen() {
            Some(_) => discretion.film(&png(folder, &self.file)),
            None => String::new(),
        };
        asked.map(|(what, folder)| (what, path(folder))).collect()
    }
}

/// The share of a film that its mask covers.
fn share(mask: &Mask, [width, height]: [usize; 2]) -> f64 {
    mask.area as f64 / (width * height).max(1) as f64
}

/// A row for each film; of boxes, a row for each box, and one for a film without.
pub(in crate::commands) fn csv(rows: &[Row], labels: &Labels, args: &Args) -> String {
    let texts =
        |titles: &[&str]| titles.iter().map(|title| Column::text(*title)).collect::<Vec<_>>();
    let own = match labels.kind {
        Kind::Mask => texts(&["width", "height", &format!("{}_share", labels.names[0])]),
        Kind::Boxes => {
            texts(&["width", "height", "class", "score", "left", "top", "right", "bottom"])
        }
        _ => labels.names.iter().map(Column::text).collect(),
    };
    let files = [("mask", &args.masks), ("overlay", &args.overlays)];
    let files: Vec<&str> =
        files.into_iter().filter(|(_, folder)| folder.is_some()).map(|(what, _)| what).collect();
    let columns = [texts(&["image"]), own, texts(&files), texts(&["error", "note"])];
    let (width, discretion) = (columns[1].len(), args.discretion());
    let mut table = Table::new(columns.into_iter().flatten().collect());
    for row in rows {
        let lines = row.seen().map_or_else(|| vec![Vec::new()], lines);
        for mut line in lines {
            line.resize(width, Cell::text(""));
            let files = row.files(args, &discretion).into_iter().map(|(_, path)| Cell::text(path));
            let first = std::iter::once(Cell::text(discretion.film(&row.path)));
            let fault = discretion.text(row.fault().unwrap_or_default());
            let last = [fault.as_str(), NOTE].map(Cell::text);
            table.push(first.chain(line).chain(files).chain(last).collect());
        }
    }
    table.to_csv()
}

/// The cells of a film between its name and its files, line by line.
fn lines(seen: &Seen) -> Vec<Vec<Cell>> {
    let pixels = || seen.size.map(|side| Cell::number(Some(side as f64), 0)).to_vec();
    let number = |value: f64, decimals| Cell::number(Some(value), decimals);
    match &seen.found {
        Found::Labels(probabilities) => {
            vec![probabilities.iter().map(|p| number(*p, 6)).collect()]
        }
        Found::Mask { mask, .. } => {
            vec![[pixels(), vec![number(share(mask, seen.size), 6)]].concat()]
        }
        Found::Boxes(boxes) if boxes.is_empty() => vec![pixels()],
        Found::Boxes(boxes) => {
            let line = |found: &FoundBox| {
                let class = Cell::text(found.class.as_str());
                let score = Cell::number(found.score, 6);
                let corners = found.corners.map(|corner| number(corner, 2)).to_vec();
                [pixels(), vec![class, score], corners].concat()
            };
            boxes.iter().map(line).collect()
        }
    }
}

/// COCO's images, categories and annotations.
pub(in crate::commands) fn json(rows: &[Row], task: &dyn Task, args: &Args) -> String {
    let names = &task.labels().names;
    let info = json!({
        "description": format!("Predictions of {}, {NOTE}", task.name()),
        "note": NOTE,
        "program": format!("mtpret {}", env!("CARGO_PKG_VERSION")),
        "task": task.name(),
        "frame": if args.stored { "pixels as stored" } else { "pixels as EXIF turns them" },
    });
    let discretion = args.discretion();
    let images: Vec<Image> = rows.iter().map(|row| image(row, names, args, &discretion)).collect();

    format!("{}\n", coco::document(info, &images, names))
}

fn image(row: &Row, names: &[String], args: &Args, discretion: &Discretion) -> Image {
    let mut fields = Map::new();
    let mut marks = Vec::new();
    if let Some(fault) = row.fault() {
        fields.insert("error".into(), discretion.text(fault).into());
    }
    if let Some(seen) = row.seen() {
        if seen.orientation.tag() != 1 {
            fields.insert("exif_orientation".into(), seen.orientation.tag().into());
        }
        let files = row.files(args, discretion).into_iter();
        fields.extend(files.map(|(what, path)| (what.to_owned(), path.into())));
        match &seen.found {
            Found::Labels(probabilities) => {
                let pairs =
                    names.iter().cloned().zip(probabilities.iter().map(|p| Value::from(*p)));
                fields.insert("probabilities".into(), pairs.collect::<Map<_, _>>().into());
            }
            Found::Mask { mask, score } => {
                fields.insert("share".into(), share(mask, seen.size).into());
                let mark = |score| Mark { category: 0, score, shape: Shape::Mask(mask.clone()) };
                marks.extend(score.filter(|_| mask.area > 0).map(mark));
            }
            Found::Boxes(boxes) => {
                let mark = |found: &FoundBox| Mark {
                    category: names.iter().position(|name| *name == found.class).unwrap_or(0),
                    score: found.score.unwrap_or(0.0),
                    shape: Shape::Box(found.corners),
                };
                marks.extend(boxes.iter().map(mark));
            }
        }
    }
    Image { name: discretion.film(&row.path), size: row.seen().map(|s| s.size), fields, marks }
}
