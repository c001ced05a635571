//! Pascal VOC XML: boxes.

use std::path::{Path, PathBuf};

use mtpret_engine::error::Place;
use roxmltree::{Document, Node};

use super::boxes::{Classes, Films, Marks, checked, negatives, no_film, row};
use crate::{
    Error, Result,
    data::{
        BoxLabel, Kind, Labels, Source,
        dataset::split::{Flaw, Listing, Row},
        walk::{file_name, stem},
    },
};

/// Reads every `*.xml` of the folders of a [`crate::data::Format::Voc`] source.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let films = Films::below(source.films())?;
    let mut classes = Classes::new(source);
    let (mut rows, mut missing, mut flaws) = (Vec::new(), 0, Vec::new());
    for folder in &source.annotations {
        for path in documents(&source.root.join(folder))? {
            let place = Place::from(&path);
            let found = image(&path, &mut classes)
                .and_then(|image| Ok((films.find(&place, &image.0)?, image)));
            match found {
                Ok((Some(film), (_, size, marks))) => {
                    rows.push(Row { place, ..row(source, film, size, marks) });
                }
                Ok((None, _)) if source.partial => missing += 1,
                Ok((None, (name, ..))) => flaws.push(no_film(source, &place, &name)),
                Err(error) => flaws.push(Flaw::new("unusable annotation", error)),
            }
        }
    }
    rows.extend(negatives(source, &rows)?);
    sort(&mut classes.names, &mut rows, source);
    let labels = Labels { kind: Kind::Boxes, names: classes.names };
    Ok(Listing { labels, rows, missing, unlabelled: 0, flaws })
}

/// Without classes of the source, puts the names found into alphabetical order, so that they do not
/// depend on which file happens to come first.
fn sort(names: &mut [String], rows: &mut [Row], source: &Source) {
    if !source.classes.is_empty() {
        return;
    }
    let met = names.to_owned();
    names.sort();
    for row in rows {
        if let crate::data::Annotation::Boxes { boxes, .. } = &mut row.sample.target {
            for found in boxes {
                let name = &met[found.class];
                found.class = names.iter().position(|n| n == name).expect("sorted, not changed");
            }
        }
    }
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

/// The film's name, the size of the annotated image, and its boxes.
fn image(path: &Path, classes: &mut Classes) -> Result<(String, [usize; 2], Marks)> {
    let mend = "see that the annotations exist and may be read";
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e, mend))?;
    let document = Document::parse(&text).map_err(|e| {
        let place = Place::from(path).line(e.pos().row.into());
        Error::data(place, "XML", e.to_string(), "download the file again")
    })?;
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
        let corners = checked(&bounds.place(), corners, size)?;
        marks.boxes.push(BoxLabel { corners, class });
    }
    Ok((name, size, marks))
}

/// An element, with its place.
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
        if side >= 1.0 && side.fract() == 0.0 {
            return Ok(side as usize);
        }
        let tag = self.node.tag_name().name();
        Err(self.fault(format!("pixels in {tag}"), side.to_string()))
    }
}
