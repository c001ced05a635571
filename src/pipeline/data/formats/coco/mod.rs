//! COCO JSON: boxes and outlines (<https://cocodataset.org/#format-data>).

pub(crate) mod entry;
pub(crate) mod json;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;

use super::{
    boxes::{Classes, Films, Marks, negatives, no_film, row},
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
use entry::{CocoEntry, CocoId};
use json::each;

/// Number of bytes of a file beyond which it is not read.
const MOST_BYTES: u64 = 1 << 30;
/// Number of flaws beyond which those of a file are only counted.
const MOST_FLAWS: usize = 10_000;

/// Reads the JSON files of a [`crate::data::Format::Coco`] source; `train`, `val` or `test` in a file's
/// name, or as the name of its folder (Roboflow), says the part of its films.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let films = Films::below(source.films())?;
    let mut classes = Classes::new(source);
    let (mut rows, mut missing, mut flaws) = (Vec::new(), 0, Vec::new());
    for file in &source.annotations {
        let path = source.root.join(file);
        let part = Part::in_name(&stem(&path)).or_else(|| of_folders(&source.root, &path));
        let file = CocoFile::read(&path)?;
        let mut flawed = Flaws { path: &path, flaws: Vec::new(), more: 0 };
        let images = file.images(source.shape, &mut classes, &mut flawed)?;
        for (at, image) in images.into_iter().enumerate() {
            let place = file.place("images", at);
            let film = match films.find_near(&place, &image.name, Some(&path)) {
                Ok(film) => film,
                Err(error) => {
                    flawed.push(|| Flaw::new("unusable annotation", error));
                    continue;
                }
            };
            match film {
                Some(film) => {
                    let size = image.size.map(|side| side as usize);
                    let found = row(source, film, size, *image.marks.unwrap_or_default());
                    rows.push(Row { part, place, ..found });
                }
                None if source.partial => missing += 1,
                None => flawed.push(|| no_film(source, &place, &image.name)),
            }
        }
        flaws.extend(flawed.all());
    }
    rows.extend(negatives(source, &rows)?);
    let labels = match source.shape {
        AnnotationShape::Boxes => Labels { kind: Kind::Boxes, names: classes.names },
        AnnotationShape::Mask => source.mask_labels(),
    };
    Ok(Listing { labels, rows, missing, unlabelled: 0, flaws })
}

/// The text of a file.
///
/// # Errors
/// It cannot be read, is no text, or too long for one of annotations.
pub(crate) fn text_of(path: &Path) -> Result<String> {
    text::read_at_most(path, MOST_BYTES, "see that the annotations exist and may be read")
}

/// Flaws of a file.
struct Flaws<'a> {
    path: &'a Path,
    flaws: Vec<Flaw>,
    /// Number of those that are not kept.
    more: usize,
}

impl Flaws<'_> {
    fn push(&mut self, flaw: impl FnOnce() -> Flaw) {
        match self.flaws.len() < MOST_FLAWS {
            true => self.flaws.push(flaw()),
            false => self.more += 1,
        }
    }

    fn all(mut self) -> Vec<Flaw> {
        if self.more > 0 {
            let (expected, found) = ("entries that can be used", format!("{} more", self.more));
            let mend = "see that it is the right file, and that images is its films' folder";
            let error = Error::data(self.path, expected, found, mend);
            self.flaws.push(Flaw::new("unusable annotation", error));
        }
        self.flaws
    }
}

/// Image and the marks on it, small: a file may list a million.
struct Image {
    name: Box<str>,
    size: [u32; 2],
    marks: Option<Box<Marks>>,
}

/// Text of a whole file.
struct CocoFile {
    path: PathBuf,
    text: String,
}

impl CocoFile {
    fn read(path: &Path) -> Result<Self> {
        Ok(Self { path: path.into(), text: text_of(path)? })
    }

    fn place(&self, list: &str, at: usize) -> Place {
        Place::from(&self.path).item(format!("{list}[{at}]"))
    }

    /// Reads the images in the order of the file; the flaws of single marks go to `flaws`.
    fn images(
        &self,
        shape: AnnotationShape,
        classes: &mut Classes,
        flaws: &mut Flaws<'_>,
    ) -> Result<Vec<Image>> {
        let (mut images, mut numbers) = (Vec::new(), HashMap::new());
        each(&self.path, &self.text, "images", false, &mut |at, entry| {
            let id = entry.id("id")?;
            let size = [entry.side("width")?, entry.side("height")?].map(|side| side as u32);
            let name = entry.text("file_name")?.into();
            images.push(Image { name, size, marks: None });
            match numbers.insert(id.clone(), at) {
                Some(first) => {
                    let found = format!("{id}, as at images[{first}]");
                    Err(entry.fault("an id of its own", found))
                }
                None => Ok(()),
            }
        })?;
        let categories = self.categories(shape, classes)?;
        let mut seen = HashSet::new();
        let mut mark = |entry: &CocoEntry| -> Result<()> {
            let id = entry.id("id")?;
            if seen.contains(&id) {
                return Err(entry.fault("an id of its own", format!("{id}, as at one above")));
            }
            seen.insert(id);
            let image = entry.id("image_id")?;
            let Some(&at) = numbers.get(&image) else {
                return Err(entry.fault(format!("an image of id {image}"), "none"));
            };
            let category = entry.id("category_id")?;
            let Some(class) = categories.get(&category) else {
                return Err(entry.fault(format!("a category of id {category}"), "none"));
            };
            let image: &mut Image = &mut images[at];
            let size = image.size.map(|side| side as usize);
            match shape {
                AnnotationShape::Boxes => {
                    // Looked up here, so that a category without boxes may be any.
                    let class = classes.index(&entry.place, class)?;
                    let corners = entry.corners(size)?;
                    let marks = image.marks.get_or_insert_default();
                    marks.boxes.push(BoxLabel { corners, class });
                }
                AnnotationShape::Mask => {
                    let polygons = entry.polygons(size)?;
                    image.marks.get_or_insert_default().polygons.extend(polygons);
                }
            }
            Ok(())
        };
        let outlines = shape == AnnotationShape::Mask;
        each(&self.path, &self.text, "annotations", outlines, &mut |_, entry| {
            if let Err(error) = mark(&entry) {
                flaws.push(|| Flaw::new("unusable annotation", error));
            }
            Ok(())
        })?;
        Ok(images)
    }

    /// The names of the categories by id; without classes of the source they all become classes.
    fn categories(
        &self,
        shape: AnnotationShape,
        classes: &mut Classes,
    ) -> Result<BTreeMap<CocoId, String>> {
        let mut names = BTreeMap::new();
        each(&self.path, &self.text, "categories", false, &mut |_, entry| {
            let (id, name) = (entry.id("id")?, entry.text("name")?);
            if names.insert(id.clone(), name.to_owned()).is_some() {
                return Err(entry.fault("an id of its own", format!("{id}, as at one above")));
            }
            if shape == AnnotationShape::Boxes && !classes.given() {
                classes.index(&entry.place, name)?;
            }
            Ok(())
        })?;
        Ok(names)
    }
}
