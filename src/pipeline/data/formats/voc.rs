//! Reader of Pascal VOC's XML: boxes.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;
use roxmltree::Node;

use super::{
    boxes::{Classes, Films, MarkFrame, Marks, checked, negatives, no_film, row, sort},
    text,
};
use crate::{
    Error, Result,
    data::{
        BoxLabel, Kind, Labels, Source, Split,
        dataset::{
            given::{self, Given, of_folders},
            listing::{Flaw, Listing, Part, Row},
        },
        walk::{composed, file_name, stem},
    },
};

/// Reads every `*.xml` of the folders of a [`crate::data::Format::Voc`] source.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let films = Films::below(source.films())?;
    let mut classes = Classes::new(source);
    let (mut rows, mut missing, mut flaws) = (Vec::new(), 0, Vec::new());
    for folder in &source.annotations {
        let folder = source.root.join(folder);
        let mut given = division(source, &folder)?;
        let (mut met, mut outside) = (HashSet::new(), Vec::new());
        for path in documents(&folder)? {
            let place = Place::from(&path);
            met.insert(composed(&stem(&path)));
            let part = part(source, &path, given.as_ref());
            if part.is_none() && given.as_ref().is_some_and(Given::is_whole) {
                outside.push(path);
                continue;
            }
            let found = image(&path, &mut classes)
                .and_then(|image| Ok((films.find_near(&place, &image.0, Some(&path))?, image)));
            match found {
                Ok((Some(film), (_, size, marks))) => {
                    let part = part.or_else(|| of_folders(&source.root, &film));
                    rows.push(Row { place, part, ..row(source, film, size, marks) });
                }
                Ok((None, _)) if source.partial => missing += 1,
                Ok((None, (name, ..))) => flaws.push(no_film(source, &place, &name)),
                Err(error) => flaws.push(Flaw::new("unusable annotation", error)),
            }
        }
        if let Some(given) = &mut given {
            given::unmet(given, &met);
            flaws.append(&mut given.flaws);
            flaws.extend(given.outside(&outside));
        }
    }
    rows.extend(negatives(source, &rows)?);
    sort(&mut classes.names, &mut rows, source);
    let labels = Labels { kind: Kind::Boxes, names: classes.names };
    Ok(Listing { labels, rows, missing, unlabelled: 0, flaws })
}

/// The lists beside the annotations, unless the source has another division.
fn division(source: &Source, folder: &Path) -> Result<Option<Given>> {
    let other = source.split == Split::Patient || source.splits.is_some();
    if other { Ok(None) } else { given::voc_lists(&source.root, folder) }
}

/// The part of an annotation: as the lists say, else as a folder on its way does.
fn part(source: &Source, path: &Path, given: Option<&Given>) -> Option<Part> {
    let said = given.and_then(|given| given.part(&stem(path)));
    said.or_else(|| of_folders(&source.root, path))
}

fn documents(folder: &Path) -> Result<Vec<PathBuf>> {
    let mend = "name the folder of the XML files";
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e, mend))? {
        let path = entry.map_err(|e| Error::io(folder, e, mend))?.path();
        let xml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"));
        if xml && !file_name(&path).starts_with('.') {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Error::data(folder, "XML files", "none", mend));
    }
    Ok(found)
}

/// Reads the film's name, the size of the annotated image, and its boxes.
fn image(path: &Path, classes: &mut Classes) -> Result<(String, [usize; 2], Marks)> {
    let mend = "see that the annotations exist and may be read";
    let text = text::xml::read(path, mend)?;
    let document = text::xml::parse(path, &text)?;
    let root = Element { node: document.root_element(), path };
    let name = match root.child("filename") {
        Ok(name) => name.text()?.to_string(),
        Err(_) => stem(path),
    };
    let size = root.child("size")?;
    let size = [size.child("width")?.side()?, size.child("height")?.side()?];
    let mut marks = Marks::default();
    for node in root.node.children().filter(|node| node.has_tag_name("object")) {
        let object = Element { node, path };
        let class = object.child("name")?;
        let class = classes.index(&class.place(), class.text()?)?;
        let bounds = object.child("bndbox")?;
        let mut corners = [0.0; 4];
        for (corner, key) in corners.iter_mut().zip(["xmin", "ymin", "xmax", "ymax"]) {
            *corner = bounds.child(key)?.number()?;
        }
        let corners = checked(&bounds.place(), corners, MarkFrame::pixels(size))?;
        marks.boxes.push(BoxLabel { corners, class });
    }
    Ok((name, size, marks))
}

/// Element with its place.
#[derive(Clone, Copy)]
struct Element<'a> {
    node: Node<'a, 'a>,
    path: &'a Path,
}

impl<'a> Element<'a> {
    fn place(&self) -> Place {
        let line = self.node.document().text_pos_at(self.node.range().start).row;
        Place::from(self.path).line(line.into())
    }

    fn fault(&self, expected: String, found: impl Into<String>) -> Error {
        Error::data(self.place(), expected, found, "correct this element, or remove the file")
    }

    fn child(&self, name: &str) -> Result<Self> {
        let node = self.node.children().find(|node| node.has_tag_name(name));
        let node = node.ok_or_else(|| {
            let tag = self.node.tag_name().name();
            self.fault(format!("the element {name} in {tag}"), "none")
        })?;
        Ok(Self { node, ..*self })
    }

    fn text(&self) -> Result<&'a str> {
        let text = self.node.text().map(str::trim).filter(|text| !text.is_empty());
        let tag = self.node.tag_name().name();
        text.ok_or_else(|| self.fault(format!("text in {tag}"), "none"))
    }

    fn number(&self) -> Result<f32> {
        let text = self.text()?;
        let tag = self.node.tag_name().name();
        text.parse().map_err(|_| self.fault(format!("a number in {tag}"), format!("{text:?}")))
    }

    fn side(&self) -> Result<usize> {
        let side = self.number()?;
        if let Some(pixels) = MarkFrame::side(side.into()) {
            return Ok(pixels);
        }
        let tag = self.node.tag_name().name();
        Err(self.fault(format!("pixels in {tag}"), side.to_string()))
    }
}
