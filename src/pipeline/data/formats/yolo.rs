//! Reader of YOLO's text files: boxes or outlines in shares of the film's sides
//! (<https://docs.ultralytics.com/datasets>).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;
use yaml_rust2::Yaml;

use super::{
    boxes::{Classes, MarkFrame, Marks, around, checked, outline, row},
    text,
};
use crate::{
    Error, Result,
    data::{
        AnnotationShape, BoxLabel, Kind, Labels, Source, Split,
        dataset::{
            given::{self, Given},
            listing::{Flaw, Listing, Part, Row},
        },
        walk::{file_name, films_below, on_disk, stem},
    },
};

/// Reads a [`crate::data::Format::Yolo`] source: every film below `images`, with the lines of its text file, which lies in
/// `annotations`, else where the film lies with `labels` in place of `images` in its path, else beside the film. A film
/// without a text file has nothing on it.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let named = names(source)?;
    let mut classes = Classes::new(source);
    if !classes.given() {
        let place = Place::from(&source.root);
        named.values().try_for_each(|name| classes.index(&place, name).map(|_| ()))?;
    }
    let (mut rows, mut flaws) = (Vec::new(), Vec::new());
    let mut texts = 0;
    let films = films_below(&source.films())?;
    let mut given = division(source, &films)?;
    flaws.extend(given.as_mut().map(|given| std::mem::take(&mut given.flaws)).unwrap_or_default());
    let mut outside = Vec::new();
    for path in films {
        let part = part(source, &path, given.as_ref());
        if part.is_none() && given.as_ref().is_some_and(Given::is_whole) {
            outside.push(path);
            continue;
        }
        let text = text_file(source, &path);
        texts += usize::from(text.is_some());
        match text.map_or(Ok(Marks::default()), |text| marks(source, &text, &named, &mut classes)) {
            Ok(marks) => {
                let found = row(source, path, [1, 1], marks);
                rows.push(Row { part, ..found });
            }
            Err(error) => flaws.push(Flaw::new("unusable annotation", error)),
        }
    }
    flaws.extend(given.and_then(|given| given.outside(&outside)));
    flaws.extend(given::outside_parts(source, &mut rows));
    if texts == 0 && !flaws.iter().any(Flaw::stops) {
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

/// The division that the YAML file, else Darknet's `obj.data`, gives, unless the source has another.
fn division(source: &Source, films: &[PathBuf]) -> Result<Option<Given>> {
    let other = source.split == Split::Patient || source.splits.is_some();
    let darknet = || Some((darknet(&source.root)?, true));
    let file = yaml(&source.root).map(|file| (file, false)).or_else(darknet);
    let Some((file, pairs)) = file.filter(|_| !other) else { return Ok(None) };
    let document = if pairs { settings(&file)? } else { text::yaml::document(&file)? };
    let given = given::of_yaml(&source.root, &file, &document, films)?;
    Ok(Some(given).filter(|given| !given.is_empty() || !given.flaws.is_empty()))
}

/// Darknet's description of a data set, `obj.data`.
fn darknet(root: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(root).ok()?.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|e| e == "data") && path.is_file());
    found.sort();
    found.into_iter().next()
}

/// Lines `train = data/train.txt` as YAML has them.
fn settings(file: &Path) -> Result<Yaml> {
    let text = text::read(file, "see that it may be read")?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let word = |text: &str| Yaml::String(text.trim().to_owned());
    Ok(Yaml::Hash(pairs.map(|(key, value)| (word(key), word(value))).collect()))
}

/// The YAML file, or Darknet's, if it divides the films.
pub(in crate::data) fn divided_by(source: &Source) -> Option<PathBuf> {
    let films = films_below(&source.films()).ok()?;
    let given = division(source, &films).ok()??;
    (!given.is_empty()).then(|| given.place().to_owned())
}

/// The part of a film: as the YAML file says, else as a folder on its way does.
fn part(source: &Source, film: &Path, given: Option<&Given>) -> Option<Part> {
    let said = given.and_then(|given| given.part(&given::key(&source.root, film)));
    let below = || {
        let inside = film.strip_prefix(&source.root).ok()?.parent()?;
        inside
            .components()
            .find_map(|folder| Part::of_folder(&folder.as_os_str().to_string_lossy()))
    };
    said.or_else(below)
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
    given.chain(beside).find_map(on_disk)
}

/// The names of the classes by number.
type Names = BTreeMap<usize, String>;

/// The names of the classes: of `data.yaml`, or the lines of a `classes.txt`; none means the numbers are names.
fn names(source: &Source) -> Result<Names> {
    let lists = ["classes.txt", "labels/classes.txt", "obj.names"];
    if let Some(list) = lists.iter().map(|name| source.root.join(name)).find(|p| p.is_file()) {
        let text = text::read(&list, "see that it may be read")?;
        let lines = text.lines().map(|line| line.trim().to_string()).enumerate();
        return Ok(lines.filter(|(_, line)| !line.is_empty()).collect());
    }
    let Some(file) = yaml(&source.root) else { return Ok(Names::new()) };
    let fault = |expected: &str, found: String| {
        Error::data(&file, expected, found, "write it as names: [one, two] or 0: one")
    };
    let document = text::yaml::document(&file)?;
    let word = |yaml: &Yaml| match yaml {
        Yaml::String(text) | Yaml::Real(text) => Ok(text.clone()),
        Yaml::Integer(number) => Ok(number.to_string()),
        Yaml::Boolean(truth) => Ok(truth.to_string()),
        other => Err(fault("a word for each class of names", format!("{other:?}"))),
    };
    let number = |yaml: &Yaml| match yaml {
        Yaml::Integer(number) => usize::try_from(*number).ok(),
        Yaml::String(text) => text.parse().ok(),
        _ => None,
    };
    let mut names = Names::new();
    match &document["names"] {
        Yaml::Array(list) => {
            for (number, name) in list.iter().enumerate() {
                names.insert(number, word(name)?);
            }
        }
        Yaml::Hash(numbered) => {
            for (key, name) in numbered {
                let number = number(key).ok_or_else(|| {
                    fault("whole numbers as keys of names", format!("{:?}", word(key)))
                })?;
                if names.insert(number, word(name)?).is_some() {
                    return Err(fault("each number of names once", format!("{number} twice")));
                }
            }
        }
        _ => return Err(fault("the key names", "none".into())),
    }
    let counted = [Some(names.len()), names.keys().next_back().map(|most| most + 1)];
    match &document["nc"] {
        // With numbers as keys, those without a name may count too.
        Yaml::Integer(count) if !counted.contains(&usize::try_from(*count).ok()) => {
            let expected = format!("nc: {} as there are names", names.len());
            Err(fault(&expected, format!("nc: {count}")))
        }
        _ => Ok(names),
    }
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

/// Marks of the lines `class cx cy width height` and `class x y x y x y …` of a text file.
fn marks(source: &Source, path: &Path, named: &Names, classes: &mut Classes) -> Result<Marks> {
    let mend = "see that it may be read";
    let text = text::read_at_most(path, text::LONGEST_OF_A_FILM, mend)?;
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
        // Some tools write all columns as fractions.
        let whole = class.strip_suffix(".0").unwrap_or(class);
        let name = match whole.parse::<usize>().ok().map(|number| (number, named.get(&number))) {
            Some((_, Some(name))) => name.clone(),
            Some((number, None)) if named.is_empty() => number.to_string(),
            _ => {
                let [least, most] = [named.keys().next(), named.keys().next_back()]
                    .map(|number| number.copied().unwrap_or(0));
                let expected = format!("a class from {least} to {most} that has a name");
                return Err(fault(&expected, format!("{class:?}")));
            }
        };
        let corners = match numbers[..] {
            [x, y, w, h] => {
                let [left, top] = [x - w / 2.0, y - h / 2.0];
                rectangle(checked(&place, [left, top, left + w, top + h], MarkFrame::SHARES)?)
            }
            [_, _, _, _, confidence] => {
                let found = format!("a fifth number, {confidence}, as predictions have it");
                return Err(fault("a box of four numbers, or an outline", found));
            }
            _ => outline(&place, &numbers, MarkFrame::SHARES)?,
        };
        match source.shape {
            AnnotationShape::Mask => marks.polygons.push(corners),
            AnnotationShape::Boxes => {
                let class = classes.index(&place, &name)?;
                let corners = checked(&place, around(&corners), MarkFrame::SHARES)?;
                marks.boxes.push(BoxLabel { corners, class });
            }
        }
    }
    Ok(marks)
}

/// The outline of a box `x1 y1 x2 y2`.
fn rectangle([x1, y1, x2, y2]: [f32; 4]) -> Vec<[f32; 2]> {
    vec![[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
}
