//! COCO JSON: boxes and outlines (<https://cocodataset.org/#format-data>).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::{
    boxes::{Classes, Films, Marks, checked, negatives, no_film, outline, row},
    walk::stem,
};
use crate::{
    Error, Result,
    data::{
        BoxLabel, Kind, Labels, Shape, Source,
        dataset::split::{Flaw, Listing, Part, Row},
    },
};

/// Reads the JSON files of a [`crate::data::Format::Coco`] source; `train`, `val` or `test` in a file's
/// name says the part of its films.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let films = Films::below(source.films())?;
    let mut classes = Classes::new(source);
    let (mut rows, mut missing, mut flaws) = (Vec::new(), 0, Vec::new());
    for file in &source.annotations {
        let path = source.root.join(file);
        let part = Part::in_name(&stem(&path));
        let images = File::read(&path)?.images(source.shape, &mut classes, &mut flaws)?;
        for image in images {
            let film = match films.find(&image.place, &image.name) {
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
        Shape::Boxes => Labels { kind: Kind::Boxes, names: classes.names },
        Shape::Mask => source.mask_labels(),
    };
    Ok(Listing { labels, rows, missing, unlabelled: 0, flaws })
}

/// An image and what is on it.
struct Image {
    place: String,
    name: String,
    size: [usize; 2],
    marks: Marks,
}

/// A whole file.
struct File {
    name: String,
    json: Value,
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let remedy = "see that the annotations exist and may be read";
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e, remedy))?;
        let name = path.display().to_string();
        let json = serde_json::from_str(&text).map_err(|e| {
            let place = format!("{name}:{}", e.line());
            Error::data(place, format!("not JSON: {e}"), "download the file again")
        })?;
        Ok(Self { name, json })
    }

    /// The images in the order of the file; what is wrong with single marks goes to `flaws`.
    fn images(
        &self,
        shape: Shape,
        classes: &mut Classes,
        flaws: &mut Vec<Flaw>,
    ) -> Result<Vec<Image>> {
        let (mut images, mut numbers) = (Vec::new(), HashMap::new());
        for (at, entry) in self.entries("images")?.enumerate() {
            let id = entry.id()?;
            if let Some(first) = numbers.insert(id.clone(), at) {
                return Err(entry.fault(format!("its id {id} is already at images[{first}]")));
            }
            let size = [entry.side("width")?, entry.side("height")?];
            let name = entry.text("file_name")?.to_string();
            images.push(Image { place: entry.place, name, size, marks: Marks::default() });
        }
        let categories = self.categories(shape, classes)?;
        let mut seen = HashSet::new();
        let mut mark = |entry: &Entry| -> Result<()> {
            let id = entry.id()?;
            if !seen.insert(id.clone()) {
                return Err(entry.fault(format!("its id {id} is already at one above")));
            }
            let image = entry.get("image_id")?;
            let Some(&at) = numbers.get(&image.to_string()) else {
                return Err(entry.fault(format!("expected an image of id {image}, found none")));
            };
            let category = entry.get("category_id")?;
            let Some(&class) = categories.get(&category.to_string()) else {
                return Err(
                    entry.fault(format!("expected a category of id {category}, found none"))
                );
            };
            let image: &mut Image = &mut images[at];
            match shape {
                Shape::Boxes => {
                    // Looked up here, so that a category without boxes may be any.
                    let class = classes.index(&entry.place, class)?;
                    let corners = entry.corners(image.size)?;
                    image.marks.boxes.push(BoxLabel { corners, class });
                }
                Shape::Mask => image.marks.polygons.extend(entry.polygons(image.size)?),
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
    fn categories(&self, shape: Shape, classes: &mut Classes) -> Result<BTreeMap<String, &str>> {
        let mut names = BTreeMap::new();
        for entry in self.entries("categories")? {
            let (id, name) = (entry.id()?, entry.text("name")?);
            if names.insert(id.clone(), name).is_some() {
                return Err(entry.fault(format!("its id {id} is already at one above")));
            }
            if shape == Shape::Boxes && !classes.given() {
                classes.index(&entry.place, name)?;
            }
        }
        Ok(names)
    }

    fn entries(&self, list: &str) -> Result<impl Iterator<Item = Entry<'_>>> {
        let Some(entries) = self.json.get(list).and_then(Value::as_array) else {
            return Err(Error::data(
                self.name.clone(),
                format!("expected the list {list}, found none"),
                "name a COCO file with images, annotations and categories",
            ));
        };
        let place = format!("{}, {list}", self.name);
        let entry = move |(at, json)| Entry { place: format!("{place}[{at}]"), json };
        Ok(entries.iter().enumerate().map(entry))
    }
}

/// One entry of a list, with its place.
struct Entry<'a> {
    place: String,
    json: &'a Value,
}

impl<'a> Entry<'a> {
    fn fault(&self, problem: String) -> Error {
        Error::data(self.place.clone(), problem, "correct this entry, or remove it")
    }

    fn get(&self, key: &str) -> Result<&'a Value> {
        self.json.get(key).filter(|value| !value.is_null()).ok_or_else(|| {
            let found = self.json.as_object().into_iter().flat_map(|entry| entry.keys());
            let found = found.map(String::as_str).collect::<Vec<_>>().join(", ");
            self.fault(format!("expected the key {key}, found {found}"))
        })
    }

    fn id(&self) -> Result<String> {
        Ok(self.get("id")?.to_string())
    }

    fn text(&self, key: &str) -> Result<&'a str> {
        let value = self.get(key)?;
        value.as_str().ok_or_else(|| self.fault(format!("expected text as {key}, found {value}")))
    }

    fn side(&self, key: &str) -> Result<usize> {
        let value = self.get(key)?;
        let side = value.as_f64().filter(|v| *v >= 1.0 && v.fract() == 0.0 && *v < 1e9);
        side.map(|v| v as usize)
            .ok_or_else(|| self.fault(format!("expected pixels as {key}, found {value}")))
    }

    fn numbers(&self, value: &Value) -> Result<Vec<f32>> {
        let numbers = value.as_array().map(|list| list.iter().map(|v| Some(v.as_f64()? as f32)));
        numbers
            .and_then(Iterator::collect)
            .ok_or_else(|| self.fault(format!("expected a list of numbers, found {value}")))
    }

    /// The box as `x1 y1 x2 y2`.
    fn corners(&self, size: [usize; 2]) -> Result<[f32; 4]> {
        let crowd = self.json.get("iscrowd").and_then(Value::as_u64).unwrap_or(0);
        if crowd != 0 {
            return Err(self.fault("expected a box around one thing, found a crowd".into()));
        }
        let numbers = self.numbers(self.get("bbox")?)?;
        let [x, y, width, height] = numbers[..] else {
            let found = numbers.len();
            return Err(self.fault(format!("expected four numbers as bbox, found {found}")));
        };
        checked(&self.place, [x, y, x + width, y + height], size)
    }

    fn polygons(&self, size: [usize; 2]) -> Result<Vec<Vec<[f32; 2]>>> {
        let value = self.get("segmentation")?;
        if value.is_object() {
            let problem = "expected outlines as segmentation, found a run-length code";
            return Err(Error::data(
                self.place.clone(),
                problem,
                "convert it to polygons, or give the masks as image files (format = \"masks\")",
            ));
        }
        match value.as_array().map(Vec::as_slice) {
            None | Some([]) => {
                Err(self.fault(format!("expected outlines as segmentation, found {value}")))
            }
            Some(outlines) => outlines
                .iter()
                .map(|numbers| outline(&self.place, &self.numbers(numbers)?, size))
                .collect(),
        }
    }
}
