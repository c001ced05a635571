//! COCO JSON: boxes and outlines (<https://cocodataset.org/#format-data>).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;
use serde_json::Value;

use super::{
    boxes::{Classes, Films, MarkFrame, Marks, checked, negatives, no_film, outline, row},
    text,
};
use crate::{
    Error, Result,
    data::{
        AnnotationShape, BoxLabel, Kind, Labels, Source,
        dataset::{
            given::of_folders,
            listing::{Flaw, Listing, Part, Row},
        },
        walk::stem,
    },
};

/// Reads the JSON files of a [`crate::data::Format::Coco`] source; `train`, `val` or `test` in a file's
/// name, or as the name of its folder (Roboflow), says the part of its films.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let films = Films::below(source.films())?;
    let mut classes = Classes::new(source);
    let (mut rows, mut missing, mut flaws) = (Vec::new(), 0, Vec::new());
    for file in &source.annotations {
        let path = source.root.join(file);
        let part = Part::in_name(&stem(&path)).or_else(|| of_folders(&source.root, &path));
        let images = CocoFile::read(&path)?.images(source.shape, &mut classes, &mut flaws)?;
        for image in images {
            let film = match films.find_near(&image.place, &image.name, Some(&path)) {
                Ok(film) => film,
                Err(error) => {
                    flaws.push(Flaw::new("unusable annotation", error));
                    continue;
                }
            };
            match film {
                Some(film) => {
                    let found = row(source, film, image.size, image.marks);
                    rows.push(Row { part, place: image.place, ..found });
                }
                None if source.partial => missing += 1,
                None => flaws.push(no_film(source, &image.place, &image.name)),
            }
        }
    }
    rows.extend(negatives(source, &rows)?);
    let labels = match source.shape {
        AnnotationShape::Boxes => Labels { kind: Kind::Boxes, names: classes.names },
        AnnotationShape::Mask => source.mask_labels(),
    };
    Ok(Listing { labels, rows, missing, unlabelled: 0, flaws })
}

/// Image and the marks on it.
struct Image {
    place: Place,
    name: String,
    size: [usize; 2],
    marks: Marks,
}

/// Entries of a whole file.
struct CocoFile {
    path: PathBuf,
    json: Value,
}

impl CocoFile {
    fn read(path: &Path) -> Result<Self> {
        let mend = "see that the annotations exist and may be read";
        let text = text::read(path, mend)?;
        let json = serde_json::from_str(&text).map_err(|e| {
            let place = Place::from(path).line(e.line() as u64);
            Error::data(place, "JSON", e.to_string(), "download the file again")
        })?;
        Ok(Self { path: path.into(), json })
    }

    /// Reads the images in the order of the file; the flaws of single marks go to `flaws`.
    fn images(
        &self,
        shape: AnnotationShape,
        classes: &mut Classes,
        flaws: &mut Vec<Flaw>,
    ) -> Result<Vec<Image>> {
        let (mut images, mut numbers) = (Vec::new(), HashMap::new());
        for (at, entry) in self.entries("images")?.enumerate() {
            let id = entry.id("id")?;
            if let Some(first) = numbers.insert(id.clone(), at) {
                return Err(entry.fault("an id of its own", format!("{id}, as at images[{first}]")));
            }
            let size = [entry.side("width")?, entry.side("height")?];
            let name = entry.text("file_name")?.to_string();
            images.push(Image { place: entry.place, name, size, marks: Marks::default() });
        }
        let categories = self.categories(shape, classes)?;
        let mut seen = HashSet::new();
        let mut mark = |entry: &JsonEntry| -> Result<()> {
            let id = entry.id("id")?;
            if !seen.insert(id.clone()) {
                return Err(entry.fault("an id of its own", format!("{id}, as at one above")));
            }
            let image = entry.id("image_id")?;
            let Some(&at) = numbers.get(&image) else {
                return Err(entry.fault(format!("an image of id {image}"), "none"));
            };
            let category = entry.id("category_id")?;
            let Some(&class) = categories.get(&category) else {
                return Err(entry.fault(format!("a category of id {category}"), "none"));
            };
            let image: &mut Image = &mut images[at];
            match shape {
                AnnotationShape::Boxes => {
                    // Looked up here, so that a category without boxes may be any.
                    let class = classes.index(&entry.place, class)?;
                    let corners = entry.corners(image.size)?;
                    image.marks.boxes.push(BoxLabel { corners, class });
                }
                AnnotationShape::Mask => image.marks.polygons.extend(entry.polygons(image.size)?),
            }
            Ok(())
        };
        for entry in self.entries("annotations")? {
            let error = mark(&entry).err();
            flaws.extend(error.map(|error| Flaw::new("unusable annotation", error)));
        }
        Ok(images)
    }

    /// The names of the categories by id; without classes of the source they all become classes.
    fn categories(
        &self,
        shape: AnnotationShape,
        classes: &mut Classes,
    ) -> Result<BTreeMap<String, &str>> {
        let mut names = BTreeMap::new();
        for entry in self.entries("categories")? {
            let (id, name) = (entry.id("id")?, entry.text("name")?);
            if names.insert(id.clone(), name).is_some() {
                return Err(entry.fault("an id of its own", format!("{id}, as at one above")));
            }
            if shape == AnnotationShape::Boxes && !classes.given() {
                classes.index(&entry.place, name)?;
            }
        }
        Ok(names)
    }

    fn entries(&self, list: &str) -> Result<impl Iterator<Item = JsonEntry<'_>>> {
        let Some(entries) = self.json.get(list).and_then(Value::as_array) else {
            return Err(Error::data(
                &self.path,
                format!("the list {list}"),
                "none",
                "name a COCO file with images, annotations and categories",
            ));
        };
        let place = move |at: usize| Place::from(&self.path).item(format!("{list}[{at}]"));
        let entry = move |(at, json)| JsonEntry { place: place(at), json };
        Ok(entries.iter().enumerate().map(entry))
    }
}

/// One entry of a list, with its place.
struct JsonEntry<'a> {
    place: Place,
    json: &'a Value,
}

impl<'a> JsonEntry<'a> {
    fn fault(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::data(&self.place, expected, found, "correct this entry, or remove it")
    }

    fn get(&self, key: &str) -> Result<&'a Value> {
        let value = self.json.get(key);
        if value.is_some_and(Value::is_null) {
            return Err(self.fault(format!("a value as {key}"), "null"));
        }
        value.ok_or_else(|| {
            let found = self.json.as_object().into_iter().flat_map(|entry| entry.keys());
            let found = found.map(String::as_str).collect::<Vec<_>>().join(", ");
            self.fault(format!("the key {key}"), found)
        })
    }

    /// An id, of which 1 and 1.0 are the same.
    fn id(&self, key: &str) -> Result<String> {
        let value = self.get(key)?;
        // Beyond this a number of JSON may stand for its neighbours too.
        let exact = |v: &f64| v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0;
        match value {
            Value::String(_) => Ok(value.to_string()),
            Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
            Value::Number(number) => match number.as_f64().filter(exact) {
                Some(whole) => Ok((whole as i64).to_string()),
                None => {
                    Err(self.fault(format!("a whole number or text as {key}"), value.to_string()))
                }
            },
            _ => Err(self.fault(format!("a whole number or text as {key}"), value.to_string())),
        }
    }

    /// Whether the entry is of a crowd, not of one thing.
    fn is_crowd(&self) -> Result<bool> {
        match self.json.get("iscrowd") {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(crowd)) => Ok(*crowd),
            Some(value) => match value.as_f64() {
                Some(0.0) => Ok(false),
                Some(1.0) => Ok(true),
                _ => Err(self.fault("0 or 1 as iscrowd", value.to_string())),
            },
        }
    }

    fn text(&self, key: &str) -> Result<&'a str> {
        let value = self.get(key)?;
        value.as_str().ok_or_else(|| self.fault(format!("text as {key}"), value.to_string()))
    }

    fn side(&self, key: &str) -> Result<usize> {
        let value = self.get(key)?;
        let side = value.as_f64().and_then(MarkFrame::side);
        side.ok_or_else(|| self.fault(format!("pixels as {key}"), value.to_string()))
    }

    fn numbers(&self, value: &Value) -> Result<Vec<f32>> {
        let numbers = value.as_array().map(|list| list.iter().map(|v| Some(v.as_f64()? as f32)));
        numbers
            .and_then(Iterator::collect)
            .ok_or_else(|| self.fault("a list of numbers", value.to_string()))
    }

    /// The box of the entry as `x1 y1 x2 y2`.
    fn corners(&self, size: [usize; 2]) -> Result<[f32; 4]> {
        if self.is_crowd()? {
            return Err(self.fault("a box around one thing", "a crowd"));
        }
        let numbers = self.numbers(self.get("bbox")?)?;
        let [x, y, width, height] = numbers[..] else {
            return Err(self.fault("four numbers as bbox", numbers.len().to_string()));
        };
        checked(&self.place, [x, y, x + width, y + height], MarkFrame::pixels(size))
    }

    fn polygons(&self, size: [usize; 2]) -> Result<Vec<Vec<[f32; 2]>>> {
        let value = self.get("segmentation")?;
        if value.is_object() {
            return Err(Error::data(
                &self.place,
                "outlines as segmentation",
                "a run-length code",
                "convert it to polygons, or give the masks as image files (format = \"masks\")",
            ));
        }
        match value.as_array().map(Vec::as_slice) {
            None | Some([]) => Err(self.fault("outlines as segmentation", value.to_string())),
            Some(outlines) => outlines
                .iter()
                .map(|numbers| {
                    outline(&self.place, &self.numbers(numbers)?, MarkFrame::pixels(size))
                })
                .collect(),
        }
    }
}
