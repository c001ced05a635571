//! COCO JSON: boxes and outlines (<https://cocodataset.org/#format-data>).

pub(crate) mod file;

use std::collections::{BTreeMap, HashMap, HashSet};

use mtpret_engine::error::Place;

use self::file::{CocoEntry, CocoFile, CocoId};
use super::boxes::{Classes, Films, Marks, negatives, no_film, row};
use crate::{
    Result,
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
        let images = images(&CocoFile::read(&path)?, source.shape, &mut classes, &mut flaws)?;
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

/// Reads the images in the order of the file; the flaws of single marks go to `flaws`.
fn images(
    file: &CocoFile,
    shape: AnnotationShape,
    classes: &mut Classes,
    flaws: &mut Vec<Flaw>,
) -> Result<Vec<Image>> {
    let (mut images, mut numbers) = (Vec::new(), HashMap::new());
    for (at, entry) in file.entries("images")?.enumerate() {
        let id = entry.id("id")?;
        if let Some(first) = numbers.insert(id.clone(), at) {
            return Err(entry.fault("an id of its own", format!("{id}, as at images[{first}]")));
        }
        let size = [entry.side("width")?, entry.side("height")?];
        let name = entry.text("file_name")?.to_string();
        images.push(Image { place: entry.place, name, size, marks: Marks::default() });
    }
    let categories = categories(file, shape, classes)?;
    let mut seen = HashSet::new();
    let mut mark = |entry: &CocoEntry| -> Result<()> {
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
    for entry in file.entries("annotations")? {
        let error = mark(&entry).err();
        flaws.extend(error.map(|error| Flaw::new("unusable annotation", error)));
    }
    Ok(images)
}

/// The names of the categories by id; without classes of the source they all become classes.
fn categories<'f>(
    file: &'f CocoFile,
    shape: AnnotationShape,
    classes: &mut Classes,
) -> Result<BTreeMap<CocoId, &'f str>> {
    let mut names = BTreeMap::new();
    for entry in file.entries("categories")? {
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
