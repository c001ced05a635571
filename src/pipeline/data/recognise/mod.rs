//! What lies in a folder: a data set that the program knows, or one of the usual layouts.

mod tables;

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Annotation, AnnotationShape, Class, Format, Sample, Source, Split,
    catalogue::{KNOWN, Known},
    dataset::split::{Part, SHARED_PATIENT},
    formats::{csv_table::Table, yolo},
};
use crate::{
    Result,
    data::{
        dataset::roots::Purpose,
        walk::{file_name, films_below, list, stem},
    },
};

/// A data set that was recognised.
#[derive(Debug, Clone)]
pub struct RecognisedSet {
    /// How to read it. Of a set that serves several purposes there is one for each.
    pub source: Source,
    /// What it is, in words.
    pub what: String,
}

/// Folders below the one given that are looked into, one in another.
const DEPTH: usize = 3;

/// The data sets in `root` and below it, each of which can be read: known ones by the files that only they have, others by
/// their layout (COCO, YOLO, VOC, films and masks, a table, a folder for each class), films alone otherwise.
///
/// # Errors
/// [`crate::Error::Io`] if a folder cannot be read.
pub fn detect(root: &Path) -> Result<Vec<RecognisedSet>> {
    let mut found = Vec::new();
    search(root, DEPTH, &mut found)?;
    if found.is_empty() && !films_below(root)?.is_empty() {
        found.push(films_alone(root));
    }
    name_apart(&mut found);
    Ok(found)
}

/// Looks at a folder and, where nothing is recognised in it, at the folders in it.
fn search(folder: &Path, depth: usize, found: &mut Vec<RecognisedSet>) -> Result<()> {
    if let Some(known) = known(folder) {
        found.extend(known);
        return Ok(());
    }
    // A folder that only holds data sets is not a class of them.
    let (below, films) = list(folder)?;
    let several = films.is_empty() && below.iter().filter(|inner| is_set(inner)).count() > 1;
    if !several && let Some(one) = layout(folder)? {
        let outlines = outlines(&one);
        found.push(one);
        found.extend(outlines);
        return Ok(());
    }
    if depth > 0 {
        for inner in below {
            search(&inner, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Whether a folder is a data set by itself rather than a class or a part of one.
fn is_set(folder: &Path) -> bool {
    let inside = list(folder).map(|(folders, _)| folders).unwrap_or_default();
    signed(folder).is_some()
        || inside.iter().filter(|f| !list(f).unwrap_or_default().1.is_empty()).count() > 1
            && Part::named(&file_name(folder)).is_none()
}

/// The known data set whose files lie in `folder`; the one that asks for the most files, where several could be meant.
fn signed(folder: &Path) -> Option<&'static Known> {
    let fits =
        |known: &&Known| !known.signs.is_empty() && known.signs.iter().all(|s| sign(folder, s));
    KNOWN.iter().filter(fits).max_by_key(|known| known.signs.len())
}

/// The known data set in `folder`, once for each purpose.
fn known(folder: &Path) -> Option<Vec<RecognisedSet>> {
    let known = signed(folder)?;
    let one = |used: &super::Use| {
        let mut source = Source::known(known.name, known.name, Some(used.purpose));
        source.root = folder.to_path_buf();
        let purpose = format!("{:?}", used.purpose).to_lowercase();
        readable(source)
            .map(|source| RecognisedSet { source, what: format!("{}, to {purpose}", known.title) })
    };
    let found: Vec<RecognisedSet> = known.uses.iter().filter_map(one).collect();
    (!found.is_empty()).then_some(found)
}

/// Whether there is a file or folder of this path, in which `*` stands for any letters; `A|B` is either.
fn sign(folder: &Path, pattern: &str) -> bool {
    pattern.split('|').any(|one| match one.split_once('/') {
        Some((first, rest)) => entries(folder, first).iter().any(|inner| sign(inner, rest)),
        None => !entries(folder, one).is_empty(),
    })
}

/// The entries of a folder whose name fits.
fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let fits = |name: &str| match pattern.split_once('*') {
        None => name == pattern,
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
    };
    let inside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    inside.filter(|path| fits(&file_name(path))).collect()
}

/// The source if its films and labels can be found, by its own division or, where that leaves nothing to learn from or
/// shares patients, by patient; what is wrong with single films is for an audit to say.
fn readable(source: Source) -> Option<Source> {
    let usable = |source: &Source| {
        let mut located = source.clone();
        located.locate(&super::Roots::default()).ok()?;
        let (dataset, flaws) = located.survey().ok()?;
        let films = dataset.train.len() + dataset.val.len() + dataset.test.len();
        let shared = flaws.iter().any(|flaw| flaw.what == SHARED_PATIENT);
        (films > flaws.len() && !shared).then_some(())
    };
    let divided = Source { split: Split::Patient, ..source.clone() };
    [source, divided].into_iter().find(|source| usable(source).is_some())
}

/// What recognises a layout.
type Layout = fn(&Path) -> Result<Option<RecognisedSet>>;

/// Layouts that files tell which only they have.
const ANNOTATED: [Layout; 5] = [coco, yolo_texts, voc, masks, tables::table];

/// The usual layout that `folder` has.
fn layout(folder: &Path) -> Result<Option<RecognisedSet>> {
    match first(&ANNOTATED, folder)? {
        None => first(&[class_folders], folder),
        found => Ok(found),
    }
}

/// The first of these layouts that `folder` has and that can be read.
fn first(layouts: &[Layout], folder: &Path) -> Result<Option<RecognisedSet>> {
    for attempt in layouts {
        if let Some(RecognisedSet { source, what }) = attempt(folder)?
            && let Some(source) = readable(source)
        {
            return Ok(Some(RecognisedSet { source, what }));
        }
    }
    Ok(None)
}

/// The same annotations for masks, where they hold outlines and no mere boxes.
fn outlines(boxed: &RecognisedSet) -> Option<RecognisedSet> {
    let name = format!("{}-masks", boxed.source.name);
    let source = Source { name, shape: AnnotationShape::Mask, ..boxed.source.clone() };
    let (dataset, flaws) = source.survey().ok()?;
    let drawn = |film: &Sample| match &film.target {
        Annotation::Polygons { polygons, .. } => polygons.iter().any(|corners| !upright(corners)),
        _ => false,
    };
    let mut films = dataset.train.iter().chain(&dataset.val).chain(&dataset.test);
    (flaws.is_empty() && films.any(drawn))
        .then(|| RecognisedSet { source, what: format!("{}, outlines as masks", boxed.what) })
}

/// Whether an outline is a rectangle that stands upright.
fn upright(corners: &[[f32; 2]]) -> bool {
    let lines = corners.iter().zip(corners.iter().cycle().skip(1));
    corners.len() <= 5 && lines.clone().all(|(a, b)| a[0] == b[0] || a[1] == b[1])
}

fn source(folder: &Path, format: Format) -> Source {
    let name =
        folder.file_name().map_or("films".into(), |name| name.to_string_lossy().to_lowercase());
    let word: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    Source::new(word, format, folder)
}

/// The files of this extension in a folder, by name.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = entries(folder, &format!("*.{extension}"));
    found.retain(|path| path.is_file() && !file_name(path).starts_with('.'));
    found.sort();
    found
}

/// A path below `folder`, to be written into a source.
fn below(folder: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(folder).unwrap_or(path).to_path_buf()
}

fn coco(folder: &Path) -> Result<Option<RecognisedSet>> {
    let places = [folder.to_path_buf(), folder.join("annotations"), folder.join("Annotations")];
    let is_coco = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let keys = ["\"images\"", "\"annotations\"", "\"categories\""];
        keys.iter().all(|key| text.contains(key))
    };
    let files: Vec<PathBuf> =
        places.iter().flat_map(|place| files(place, "json")).filter(is_coco).collect();
    if files.is_empty() {
        return Ok(None);
    }
    let mut source = source(folder, Format::Coco);
    source.annotations = files.iter().map(|file| below(folder, file)).collect();
    // A file of all parts beside files of each would list films twice.
    let parted = |path: &PathBuf| Part::in_name(&stem(path)).is_some();
    if source.annotations.iter().any(parted) {
        source.annotations.retain(parted);
    }
    let what = format!("COCO JSON ({} files)", source.annotations.len());
    Ok(Some(RecognisedSet { source, what }))
}

fn yolo_texts(folder: &Path) -> Result<Option<RecognisedSet>> {
    let parts = ["", "train", "val", "valid"].map(|part| folder.join(part));
    let text = |place: &PathBuf| {
        let texts = files(&place.join("labels"), "txt");
        texts
            .into_iter()
            .chain(
                ["train", "val"].iter().flat_map(|p| files(&place.join("labels").join(p), "txt")),
            )
            .next()
    };
    let texts = parts.iter().any(|place| text(place).is_some());
    let yaml = yolo::yaml(folder).is_some();
    Ok(texts.then(|| {
        let what = format!("YOLO text files{}", if yaml { " with a YAML of classes" } else { "" });
        RecognisedSet { source: source(folder, Format::Yolo), what }
    }))
}

fn voc(folder: &Path) -> Result<Option<RecognisedSet>> {
    let is_voc = |place: &PathBuf| {
        let first = files(place, "xml").into_iter().next();
        first.is_some_and(|f| fs::read_to_string(f).is_ok_and(|text| text.contains("<annotation")))
    };
    let places =
        ["", "Annotations", "annotations", "annotations/xml", "xml"].map(|p| folder.join(p));
    let Some(place) = places.into_iter().find(is_voc) else { return Ok(None) };
    let mut source = source(folder, Format::Voc);
    source.annotations = vec![below(folder, &place)];
    Ok(Some(RecognisedSet { source, what: "Pascal VOC XML".into() }))
}

/// Words of the names of folders that hold masks.
const MASKS: [&str; 5] = ["mask", "label", "annotation", "segmentation", "groundtruth"];

fn masks(folder: &Path) -> Result<Option<RecognisedSet>> {
    let inside = list(folder)?.0;
    let of_masks = |path: &&PathBuf| {
        let name = file_name(path).to_lowercase();
        MASKS.iter().any(|word| name.contains(word)) && !list(path).unwrap_or_default().1.is_empty()
    };
    let Some(masks) = inside.iter().find(of_masks) else { return Ok(None) };
    for films in inside.iter().filter(|other| *other != masks) {
        let pictures = list(masks)?.1;
        // The first film that has a mask tells how masks are named.
        let pattern = list(films)?.1.iter().find_map(|film| {
            let (name, own) = (stem(film), |mask: &&PathBuf| stem(mask).contains(&stem(film)));
            let mask = pictures.iter().filter(own).min_by_key(|mask| stem(mask).len())?;
            Some(file_name(mask).replacen(&name, "{}", 1))
        });
        if let Some(pattern) = pattern {
            let mut source = source(folder, Format::Masks);
            source.images = below(folder, films);
            source.masks = vec![format!("{}/{pattern}", file_name(masks))];
            source.partial = true;
            let usable = source.survey().is_ok_and(|(dataset, _)| {
                let first = dataset.train.first();
                first.is_some_and(|film| {
                    super::film::fit::Fitted::read(film, super::Fit::Stretch, [32, 32]).is_ok()
                })
            });
            if usable {
                let what =
                    format!("films in {} and masks in {}", file_name(films), file_name(masks));
                return Ok(Some(RecognisedSet { source, what }));
            }
        }
    }
    Ok(None)
}

fn class_folders(folder: &Path) -> Result<Option<RecognisedSet>> {
    let (inside, films) = list(folder)?;
    let parts: Vec<&PathBuf> =
        inside.iter().filter(|f| Part::named(&file_name(f)).is_some()).collect();
    let classes = if parts.is_empty() { inside.clone() } else { list(parts[0])?.0 };
    let filled = |class: &&PathBuf| !films_below(class).unwrap_or_default().is_empty();
    let full: Vec<&PathBuf> = classes.iter().filter(filled).collect();
    let names: Vec<String> = full.iter().map(|class| file_name(class)).collect();
    if names.len() < 2
        || !films.is_empty()
        || NOT_CLASSES.iter().any(|word| names.iter().any(|n| n.to_lowercase() == *word))
    {
        return Ok(None);
    }
    for class in full {
        // Sets that lie side by side are no classes, though each is a folder of films.
        if signed(class).is_some() || first(&ANNOTATED, class).ok().flatten().is_some() {
            return Ok(None);
        }
    }
    let source = source(folder, Format::Folder);
    Ok(Some(RecognisedSet {
        source,
        what: format!("a folder for each class: {}", names.join(", ")),
    }))
}

/// Names of folders that are no classes.
const NOT_CLASSES: [&str; 6] = ["images", "labels", "masks", "mask", "annotations", "imgs"];

/// Films without labels, for pretraining.
fn films_alone(folder: &Path) -> RecognisedSet {
    let mut source = source(folder, Format::Folder);
    source.labelled = false;
    source.split = Split::Patient;
    (source.val_share, source.test_share) = (0.0, 0.0);
    RecognisedSet { source, what: "films without labels, to pretrain".into() }
}

/// Gives sources of one name a number each; a known set's other purposes are told in the name.
fn name_apart(found: &mut [RecognisedSet]) {
    for at in 1..found.len() {
        let taken =
            |name: &str, before: &[RecognisedSet]| before.iter().any(|f| f.source.name == name);
        let (before, rest) = found.split_at_mut(at);
        let one = &mut rest[0].source;
        let purpose = one.task.map(|purpose: Purpose| format!("-{purpose:?}").to_lowercase());
        let told = one.name.clone() + purpose.as_deref().unwrap_or("");
        if taken(&one.name, before) {
            one.name = if taken(&told, before) { format!("{}-{}", one.name, at + 1) } else { told };
        }
    }
}

/// A class of a table's word, where the source needs it spelled out.
fn class(word: &str) -> Class {
    Class::new(word, &[])
}
