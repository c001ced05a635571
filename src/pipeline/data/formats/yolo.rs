//! YOLO text files: boxes or outlines in shares of the film's sides (<https://docs.ultralytics.com/datasets>).

use std::{
    fs,
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;
use yaml_rust2::{Yaml, YamlLoader};

use super::boxes::{Classes, Marks, checked, outline, row};
use crate::{
    Error, Result,
    data::{
        AnnotationShape, BoxLabel, Kind, Labels, Source,
        dataset::split::{Flaw, Listing, Part, Row},
        walk::{file_name, films_below, stem},
    },
};

/// The frame of all boxes and outlines: shares of the sides.
const FRAME: [usize; 2] = [1, 1];

/// Reads a [`crate::data::Format::Yolo`] source: every film below `images`, with the lines of its text file, which lies in
/// `annotations`, else where the film lies with `labels` in place of `images` in its path, else beside the film. A film
/// without a text file has nothing on it.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let named = names(source)?;
    let mut classes = Classes::new(source);
    if !classes.given() {
        let place = Place::from(&source.root);
        named.iter().try_for_each(|name| classes.index(&place, name).map(|_| ()))?;
    }
    let (mut rows, mut flaws) = (Vec::new(), Vec::new());
    let mut texts = 0;
    for path in films_below(&source.films())? {
        let text = text_file(source, &path);
        texts += usize::from(text.is_some());
        match text.map_or(Ok(Marks::default()), |text| marks(source, &text, &named, &mut classes)) {
            Ok(marks) => {
                let found = row(source, path, FRAME, marks);
                rows.push(Row { part: part(source, &found.sample.path), ..found });
            }
            Err(error) => flaws.push(Flaw::new("unusable annotation", error)),
        }
    }
    if texts == 0 && flaws.is_empty() {
        return Err(Error::data(
            &source.root,
            "a text file of boxes for some film",
            "none",
            "name their folder by annotations = [\"labels\"]",
        ));
    }
    let labels = match source.shape {
        AnnotationShape::Boxes => Labels { kind: Kind::Boxes, names: classes.names },
        AnnotationShape::Mask => source.mask_labels(),
    };
    Ok(Listing { labels, rows, missing: 0, unlabelled: 0, flaws })
}

/// The part that a folder on the way to the film names.
fn part(source: &Source, film: &Path) -> Option<Part> {
    let inside = film.strip_prefix(&source.root).ok()?.parent()?;
    inside.components().find_map(|folder| Part::named(&folder.as_os_str().to_string_lossy()))
}

/// The film's text file, if there is one.
fn text_file(source: &Source, film: &Path) -> Option<PathBuf> {
    let name = format!("{}.txt", stem(film));
    let given = source.annotations.iter().map(|folder| source.root.join(folder).join(&name));
    let mut swapped = PathBuf::new();
    for folder in film.strip_prefix(&source.root).ok()?.components() {
        swapped.push(if folder.as_os_str() == "images" {
            "labels".as_ref()
        } else {
            folder.as_os_str()
        });
    }
    let beside = [source.root.join(swapped).with_extension("txt"), film.with_extension("txt")];
    given.chain(beside).find(|path| path.is_file())
}

/// The names of the classes by number: of `data.yaml`, or the lines of a `classes.txt`; none means the numbers are names.
fn names(source: &Source) -> Result<Vec<String>> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|e| Error::io(path, e, "see that it may be read"))
    };
    let lists = ["classes.txt", "labels/classes.txt", "obj.names"];
    if let Some(list) = lists.iter().map(|name| source.root.join(name)).find(|p| p.is_file()) {
        return Ok(read(&list)?.lines().map(|line| line.trim().to_string()).collect());
    }
    let Some(file) = yaml(&source.root) else { return Ok(Vec::new()) };
    let fault = |expected: &str, found: String| {
        Err(Error::data(&file, expected, found, "write it as names: [one, two]"))
    };
    let documents = match YamlLoader::load_from_str(&read(&file)?) {
        Ok(documents) => documents,
        Err(e) => return fault("YAML", e.to_string()),
    };
    let names = documents.first().map(|document| &document["names"]);
    let words: Vec<&Yaml> = match names {
        Some(Yaml::Array(list)) => list.iter().collect(),
        Some(Yaml::Hash(numbered)) => numbered.values().collect(),
        _ => return fault("the key names", "none".into()),
    };
    let word = |yaml: &Yaml| match yaml {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    Ok(words.into_iter().map(word).collect())
}

/// The one YAML file of a data set's folder.
pub(in crate::data) fn yaml(root: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    let is_yaml =
        |p: &PathBuf| matches!(p.extension().and_then(|e| e.to_str()), Some("yaml" | "yml"));
    let mut found: Vec<PathBuf> = entries.filter(is_yaml).collect();
    found.sort_by_key(|path| (file_name(path) != "data.yaml", file_name(path)));
    found.into_iter().next()
}

/// What the lines `class cx cy width height` and `class x y x y x y …` of a text file mark.
fn marks(source: &Source, path: &Path, named: &[String], classes: &mut Classes) -> Result<Marks> {
    let mend = "see that it may be read";
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e, mend))?;
    let mut marks = Marks::default();
    for (line, words) in
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).enumerate()
    {
        let place = Place::from(path).line(line as u64 + 1);
        let Some((class, numbers)) = words.split_first() else { continue };
        let fault = |expected: &str, found: String| {
            Error::data(&place, expected, found, "correct the line, or remove it")
        };
        let number =
            |word: &&str| word.parse::<f32>().map_err(|_| fault("a number", format!("{word:?}")));
        let numbers = numbers.iter().map(number).collect::<Result<Vec<f32>>>()?;
        let name = match class.parse::<usize>().ok().map(|number| (number, named.get(number))) {
            Some((_, Some(name))) => name.clone(),
            Some((number, None)) if named.is_empty() => number.to_string(),
            _ => {
                let most = named.len().saturating_sub(1);
                let expected = format!("a class from 0 to {most}");
                return Err(fault(&expected, format!("{class:?}")));
            }
        };
        let corners = match numbers[..] {
            [x, y, w, h] => {
                let [left, top] = [x - w / 2.0, y - h / 2.0];
                vec![[left, top], [left + w, top], [left + w, top + h], [left, top + h]]
            }
            _ => outline(&place, &numbers, FRAME)?,
        };
        match source.shape {
            AnnotationShape::Mask => marks.polygons.push(corners),
            AnnotationShape::Boxes => {
                let side = |axis: usize, pick: fn(f32, f32) -> f32| {
                    corners.iter().map(|corner| corner[axis]).reduce(pick).unwrap_or(0.0)
                };
                let [left, top] = [side(0, f32::min), side(1, f32::min)];
                let around = [left, top, side(0, f32::max), side(1, f32::max)];
                // The check's slack is of pixels: here a hundredth of a side is what rounding may carry over.
                if let Some(beyond) = around.iter().find(|v| !(-0.01..=1.01).contains(*v)) {
                    let found = format!("a box that reaches {beyond}");
                    return Err(fault("shares from 0 to 1", found));
                }
                let class = classes.index(&place, &name)?;
                marks.boxes.push(BoxLabel { corners: checked(&place, around, FRAME)?, class });
            }
        }
    }
    Ok(marks)
}
