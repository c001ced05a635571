//! What the readers of boxes share: classes, checks, and the films that annotations name.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;

use crate::{
    Error, Result,
    data::{
        Annotation, AnnotationShape, Sample, Source,
        dataset::{
            class::{Class, names},
            patient::told,
            split::{Flaw, Row},
        },
        walk::{file_name, films_below, relative, stem},
    },
    did_you_mean,
};

/// Pixels by which rounding may carry a box or an outline over the edge.
const ROUNDING: f32 = 1.0;

/// The classes of boxes: those of the source, or every name in the order in which it is met.
pub(in crate::data) struct Classes<'a> {
    given: &'a [Class],
    /// All of them so far.
    pub names: Vec<String>,
}

impl<'a> Classes<'a> {
    pub(in crate::data) fn new(source: &'a Source) -> Self {
        Self { given: &source.classes, names: names(&source.classes) }
    }

    /// Whether the source says which classes there are.
    pub(in crate::data) fn given(&self) -> bool {
        !self.given.is_empty()
    }

    /// The index of the class that `word` means.
    pub(in crate::data) fn index(&mut self, place: &Place, word: &str) -> Result<usize> {
        if let Some(known) = self.given.iter().position(|class| class.any(|w| w == word)) {
            return Ok(known);
        }
        if !self.given.is_empty() {
            return Err(Error::data(
                place,
                format!("one of the classes {}", self.names.join(", ")),
                format!("{word:?}"),
                did_you_mean(word, &self.names),
            ));
        }
        Ok(self.names.iter().position(|name| name == word).unwrap_or_else(|| {
            self.names.push(word.to_string());
            self.names.len() - 1
        }))
    }
}

/// `x1 y1 x2 y2` if it is a box of an image of `size`, clipped by what rounding carried over.
pub(in crate::data) fn checked(
    place: &Place,
    corners: [f32; 4],
    size: [usize; 2],
) -> Result<[f32; 4]> {
    let [x1, y1, x2, y2] = corners;
    let fault = |expected: &str| {
        let found = format!("the corners {x1} {y1} and {x2} {y2}");
        let mend = "correct the box, or remove it from the annotations";
        Err(Error::data(place, expected, found, mend))
    };
    if !corners.iter().all(|v| v.is_finite()) {
        return fault("numbers");
    }
    if x2 < x1 || y2 < y1 {
        return fault("the second corner right of and below the first");
    }
    if x2 == x1 || y2 == y1 {
        return fault("a box of some width and height");
    }
    let [width, height] = size.map(|side| side as f32);
    let within = |v: f32, side: f32| v >= -ROUNDING && v <= side + ROUNDING;
    let clipped = [(x1, width), (y1, height), (x2, width), (y2, height)]
        .map(|(v, side)| if within(v, side) { Some(v.clamp(0.0, side)) } else { None });
    match clipped {
        [Some(x1), Some(y1), Some(x2), Some(y2)] if x1 < x2 && y1 < y2 => Ok([x1, y1, x2, y2]),
        _ => fault(&format!("a box within the image of {width}x{height}")),
    }
}

/// An outline `x y x y ...` if it is one of an image of `size`.
pub(in crate::data) fn outline(
    place: &Place,
    numbers: &[f32],
    size: [usize; 2],
) -> Result<Vec<[f32; 2]>> {
    let fault = |expected: &str, found: String| {
        let mend = "correct the outline, or remove it from the annotations";
        Err(Error::data(place, expected, found, mend))
    };
    if numbers.len() < 6 || !numbers.len().is_multiple_of(2) {
        let found = format!("{} numbers", numbers.len());
        return fault("x and y of three corners or more", found);
    }
    let corners = numbers.as_chunks::<2>().0;
    let within = |v: f32, side: usize| v >= -ROUNDING && v <= side as f32 + ROUNDING;
    match corners.iter().find(|[x, y]| !within(*x, size[0]) || !within(*y, size[1])) {
        None => Ok(corners.to_vec()),
        Some([x, y]) => fault(
            &format!("an outline within the image of {}x{}", size[0], size[1]),
            format!("the corner {x} {y}"),
        ),
    }
}

/// The films below a folder, by name.
pub(in crate::data) struct Films {
    folder: PathBuf,
    by_stem: HashMap<String, Vec<PathBuf>>,
    paths: HashSet<PathBuf>,
}

impl Films {
    pub(in crate::data) fn below(folder: PathBuf) -> Result<Self> {
        let mut by_stem: HashMap<String, Vec<PathBuf>> = HashMap::new();
        let paths = films_below(&folder)?;
        for path in &paths {
            by_stem.entry(stem(path)).or_default().push(path.clone());
        }
        Ok(Self { folder, by_stem, paths: paths.into_iter().collect() })
    }

    /// Whether there is a file of this path; of films this needs no look at the disk.
    pub(in crate::data) fn holds(&self, path: &Path) -> bool {
        self.paths.contains(path) || path.is_file()
    }

    /// The film that `name` means: a path below the folder, or the name of one film anywhere in
    /// it, with its extension or without; `None` if there is none.
    pub(in crate::data) fn find(&self, place: &Place, name: &str) -> Result<Option<PathBuf>> {
        let Some(inside) = relative(name) else {
            return Err(Error::data(
                place,
                format!("a film below {}", self.folder.display()),
                format!("{name:?}"),
                "write the path relative to images, without ..",
            ));
        };
        let path = self.folder.join(&inside);
        if self.holds(&path) {
            return Ok(Some(path));
        }
        let bare = file_name(&inside);
        let of = |stem: &str| self.by_stem.get(stem).map_or(&[][..], Vec::as_slice);
        // Without an extension the whole name is the stem.
        let mut found: Vec<&PathBuf> = of(&bare).iter().collect();
        found.extend(of(&stem(&inside)).iter().filter(|path| file_name(path) == bare));
        match found.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some((*only).clone())),
            [one, other, ..] => Err(Error::data(
                place,
                format!("one film {name}"),
                format!("both {} and {}", one.display(), other.display()),
                "write its folder too",
            )),
        }
    }
}

/// The flaw of an annotation whose film is not there.
pub(in crate::data) fn no_film(source: &Source, place: &Place, name: &str) -> Flaw {
    let error = Error::data(
        place,
        format!("the film {name} below {}", source.films().display()),
        "no such file",
        "correct images, or set partial = true to leave out what is not there",
    );
    Flaw::new("missing film", error)
}

/// The films of the folder `negatives` that no annotation names: nothing is on them.
pub(in crate::data) fn negatives(source: &Source, rows: &[Row]) -> Result<Vec<Row>> {
    let Some(folder) = &source.negatives else { return Ok(Vec::new()) };
    let annotated: HashSet<PathBuf> = rows.iter().map(|row| row.sample.path.clone()).collect();
    let films = films_below(&source.root.join(folder))?;
    let free = films.into_iter().filter(|path| !annotated.contains(path));
    Ok(free.map(|path| row(source, path, [1, 1], Marks::default())).collect())
}

/// What is marked on one film.
#[derive(Default)]
pub(in crate::data) struct Marks {
    pub boxes: Vec<crate::data::BoxLabel>,
    pub polygons: Vec<Vec<[f32; 2]>>,
}

/// A film and its marks in an image of `size`, as the source wants them.
pub(in crate::data) fn row(source: &Source, path: PathBuf, size: [usize; 2], marks: Marks) -> Row {
    let target = match source.shape {
        AnnotationShape::Boxes => Annotation::Boxes { size, boxes: marks.boxes },
        AnnotationShape::Mask => Annotation::Polygons { size, polygons: marks.polygons },
    };
    let patient = patient_of(&path, &source.films());
    let place = Place::from(&path);
    Row { sample: Sample { path, patient, target }, part: None, place }
}

/// The patient that the name tells, or the path: numbers such as `n1` recur between folders.
fn patient_of(path: &Path, films: &Path) -> String {
    told(films, path).unwrap_or_else(|| {
        path.strip_prefix(films).unwrap_or(path).with_extension("").display().to_string()
    })
}
