//! Parts that the readers of boxes share: classes, checks, and the films that annotations name.

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
            class::{Class, class_of_word, meaning, names},
            listing::{Flaw, Part, Row},
        },
        walk::{composed, file_name, films_below, relative, stem},
    },
    did_you_mean,
};

/// Frame that boxes and outlines lie in.
#[derive(Clone, Copy)]
pub(in crate::data) struct MarkFrame {
    sides: [f32; 2],
    /// Length that rounding may carry over the edge.
    slack: f32,
}

impl MarkFrame {
    /// The film's sides as 1; a hundredth of a side is rounding.
    pub(in crate::data) const SHARES: Self = Self { sides: [1.0; 2], slack: 0.01 };

    /// The frame of an image of so many pixels, one of which is rounding.
    pub(in crate::data) fn pixels(size: [usize; 2]) -> Self {
        Self { sides: size.map(|side| side as f32), slack: 1.0 }
    }

    /// The number of pixels that `number` is as a side of an image.
    pub(in crate::data) fn side(number: f64) -> Option<usize> {
        (number >= 1.0 && number.fract() == 0.0 && number < 1e9).then_some(number as usize)
    }

    /// Whether a corner lies in the frame, or as near as rounding brings one.
    fn holds(self, corner: [f32; 2]) -> bool {
        let within = |v: f32, side: f32| v >= -self.slack && v <= side + self.slack;
        within(corner[0], self.sides[0]) && within(corner[1], self.sides[1])
    }

    fn clip(self, corner: [f32; 2]) -> [f32; 2] {
        [corner[0].clamp(0.0, self.sides[0]), corner[1].clamp(0.0, self.sides[1])]
    }

    /// Text of what is expected of `a box` or `an outline`.
    fn expected(self, what: &str) -> String {
        let [width, height] = self.sides;
        match self.slack < 1.0 {
            true => format!("{what} in shares of the sides from 0 to 1"),
            false => format!("{what} within the image of {width}x{height}"),
        }
    }
}

/// The classes of boxes: those of the source, or every name in the order in which it is met.
pub(in crate::data) struct Classes<'a> {
    given: &'a [Class],
    /// Names of all classes so far.
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
        if let Some(known) = class_of_word(self.given, word) {
            return Ok(known);
        }
        label(place, word)?;
        if !self.given.is_empty() {
            return Err(Error::data(
                place,
                format!("one of the classes {}", self.names.join(", ")),
                format!("{word:?}"),
                did_you_mean(word, &self.names),
            ));
        }
        let known = self.names.iter().position(|name| name == word).or_else(|| {
            let meant = meaning(word);
            self.names.iter().position(|name| meaning(name) == meant)
        });
        Ok(known.unwrap_or_else(|| {
            self.names.push(word.to_string());
            self.names.len() - 1
        }))
    }
}

/// Number of letters beyond which a word names no class.
const LONGEST: usize = 1000;

/// Refuses a word that is too long to name a class.
pub(in crate::data) fn label(place: &Place, word: &str) -> Result<()> {
    let letters = word.chars().count();
    if letters <= LONGEST {
        return Ok(());
    }
    let expected = format!("a name of at most {LONGEST} letters");
    Err(Error::data(place, expected, format!("{letters}"), "shorten it"))
}

/// Checks that `x1 y1 x2 y2` is a box in `frame`; gives it clipped by what rounding carried over.
pub(in crate::data) fn checked(
    place: &Place,
    corners: [f32; 4],
    frame: MarkFrame,
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
    let [first, second] = [[x1, y1], [x2, y2]];
    let ([left, top], [right, bottom]) = (frame.clip(first), frame.clip(second));
    if !frame.holds(first) || !frame.holds(second) || left >= right || top >= bottom {
        return fault(&frame.expected("a box"));
    }
    Ok([left, top, right, bottom])
}

/// Checks that `x y x y ...` is an outline in `frame`.
pub(in crate::data) fn outline(
    place: &Place,
    numbers: &[f32],
    frame: MarkFrame,
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
    if let Some([x, y]) = corners.iter().find(|corner| !frame.holds(**corner)) {
        return fault(&frame.expected("an outline"), format!("the corner {x} {y}"));
    }
    let [x1, y1, x2, y2] = around(corners);
    if x1 == x2 || y1 == y2 {
        let found = format!("the corners {x1} {y1} and {x2} {y2}");
        return fault("an outline of some width and height", found);
    }
    Ok(corners.to_vec())
}

/// The box `x1 y1 x2 y2` around an outline.
pub(in crate::data) fn around(corners: &[[f32; 2]]) -> [f32; 4] {
    let start = [f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
    corners
        .iter()
        .fold(start, |[x1, y1, x2, y2], [x, y]| [x1.min(*x), y1.min(*y), x2.max(*x), y2.max(*y)])
}

/// The films below a folder, by name.
pub(in crate::data) struct Films {
    folder: PathBuf,
    by_stem: HashMap<String, Vec<PathBuf>>,
    paths: HashSet<PathBuf>,
    /// The films whose paths others write in other letters that look the same, by their composed paths.
    composed: HashMap<String, PathBuf>,
}

impl Films {
    pub(in crate::data) fn below(folder: PathBuf) -> Result<Self> {
        let mut by_stem: HashMap<String, Vec<PathBuf>> = HashMap::new();
        let paths = films_below(&folder)?;
        for path in &paths {
            by_stem.entry(composed(&stem(path))).or_default().push(path.clone());
        }
        let other = |path: &&PathBuf| path.to_str().is_some_and(|text| !text.is_ascii());
        let alike = |path: &PathBuf| (composed(&path.to_string_lossy()), path.clone());
        let composed = paths.iter().filter(other).map(alike).collect();
        Ok(Self { folder, by_stem, paths: paths.into_iter().collect(), composed })
    }

    /// The film or file of this path, in whichever letters it is written on disk.
    pub(in crate::data) fn at(&self, path: &Path) -> Option<PathBuf> {
        let same = || self.composed.get(&composed(path.to_str()?)).cloned();
        if self.holds(path) { Some(path.into()) } else { same() }
    }

    /// Whether there is a file of this path; of films this needs no look at the disk.
    pub(in crate::data) fn holds(&self, path: &Path) -> bool {
        self.paths.contains(path) || path.is_file()
    }

    /// The film that `name` means: a path below the folder, or the name of one film anywhere in
    /// it, with its extension or without; `None` if there is none.
    pub(in crate::data) fn find(&self, place: &Place, name: &str) -> Result<Option<PathBuf>> {
        self.find_near(place, name, None)
    }

    /// Finds as [`Films::find`], for annotations in the file `near`: of several films of one name the one that lies
    /// nearest.
    pub(in crate::data) fn find_near(
        &self,
        place: &Place,
        name: &str,
        near: Option<&Path>,
    ) -> Result<Option<PathBuf>> {
        let Some(inside) = relative(name) else {
            return Err(Error::data(
                place,
                format!("a film below {}", self.folder.display()),
                format!("{name:?}"),
                "write the path relative to images, without ..",
            ));
        };
        let beside = near
            .and_then(Path::parent)
            .map(|near| near.join(&inside))
            .filter(|path| self.paths.contains(path));
        if beside.is_some() {
            return Ok(beside);
        }
        if let Some(path) = self.at(&self.folder.join(&inside)) {
            return Ok(Some(path));
        }
        let bare = composed(&file_name(&inside));
        let of = |stem: &str| self.by_stem.get(stem).map_or(&[][..], Vec::as_slice);
        // Without an extension the whole name is the stem.
        let mut found: Vec<&PathBuf> = of(&bare).iter().collect();
        found.extend(
            of(&composed(&stem(&inside))).iter().filter(|path| composed(&file_name(path)) == bare),
        );
        if let Some(near) = near {
            nearest(&mut found, near);
        }
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

/// Keeps the films whose folders have the most in common with those of `near`: names of parts, and folders from the top.
fn nearest(films: &mut Vec<&PathBuf>, near: &Path) {
    let part = |path: &Path| {
        let names = path.ancestors().map(stem);
        names.filter(|name| !name.is_empty()).find_map(|name| Part::in_name(&name))
    };
    let wanted = part(near);
    let shared = |film: &&PathBuf| {
        let same = wanted.is_some() && film.parent().and_then(part) == wanted;
        let common = film.components().zip(near.components()).take_while(|(a, b)| a == b).count();
        (same, common)
    };
    if let Some(most) = films.iter().map(shared).max() {
        films.retain(|film| shared(film) == most);
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

/// Puts the names found into alphabetical order where the source has no classes, so that they do
/// not depend on which file or row happens to come first.
pub(in crate::data) fn sort(names: &mut [String], rows: &mut [Row], source: &Source) {
    if !source.classes.is_empty() {
        return;
    }
    let met = names.to_owned();
    names.sort();
    for row in rows {
        if let Annotation::Boxes { boxes, .. } = &mut row.sample.target {
            for found in boxes {
                let name = &met[found.class];
                found.class = names.iter().position(|n| n == name).expect("sorted, not changed");
            }
        }
    }
}

/// Marks on one film: boxes or outlines.
#[derive(Default)]
pub(in crate::data) struct Marks {
    pub boxes: Vec<crate::data::BoxLabel>,
    pub polygons: Vec<Vec<[f32; 2]>>,
}

impl Marks {
    /// Number of marks.
    pub fn count(&self) -> usize {
        self.boxes.len() + self.polygons.len()
    }
}

/// The row of a film and its marks in an image of `size`, as the source wants them.
pub(in crate::data) fn row(source: &Source, path: PathBuf, size: [usize; 2], marks: Marks) -> Row {
    let target = match source.shape {
        AnnotationShape::Boxes => Annotation::Boxes { size, boxes: marks.boxes },
        AnnotationShape::Mask => Annotation::Polygons { size, polygons: marks.polygons },
    };
    let place = Place::from(&path);
    Row { sample: Sample { path, patient: String::new(), target }, part: None, place }
}
