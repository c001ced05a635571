//! Recognition of the data sets in a folder: one that the program knows, or one of the usual
//! layouts.

mod annotated;
mod beside;
mod choice;
mod classes;
mod left;
mod masks;
mod nnunet;
mod said;
mod tables;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Annotation, AnnotationShape, Class, Format, Sample, Source, Split,
    catalogue::{KNOWN, Known},
    dataset::{
        given::TWO_PARTS,
        listing::{Flaw, Part},
        patient_folders::look_like_patients,
        split::SHARED_PATIENT,
    },
    formats::csv_table::Table,
};
use crate::{
    Result,
    data::{
        dataset::roots::Purpose,
        walk::{file_name, films_below, list},
    },
};

/// A data set that was recognised.
#[derive(Debug, Clone)]
pub struct RecognisedSet {
    /// Source that reads it. Of a set that serves several purposes there is one for each.
    pub source: Source,
    /// Description of the set, in words.
    pub what: String,
}

/// Labels that lie among the films of a set and could not be read.
#[derive(Debug, Clone)]
pub struct UnreadLabels {
    /// Index of the set among those that were recognised, whose films are these or lie nearest.
    pub set: usize,
    /// Whether a set was recognised by other labels that lie beside them.
    pub beside_others: bool,
    /// Reason why they cannot be read, behind the layout that they were taken for.
    pub why: String,
}

/// Number of folders below the one given that are looked into, one in another.
const DEPTH: usize = 3;

/// Recognises the data sets in `root` and below it, each of which can be read: known ones by the files that only they
/// have, others by their layout (COCO, YOLO, VOC, films and masks, a table, a folder for each class), films alone
/// otherwise. Of each is said by which evidence it is divided; labels that cannot be read are named.
///
/// # Errors
/// [`crate::Error::Io`] if a folder cannot be read.
pub fn recognise(root: &Path) -> Result<Vec<RecognisedSet>> {
    recognise_all(root).map(|(found, _)| found)
}

/// As [`recognise`], with the labels that could not be read, each for itself.
///
/// # Errors
/// As [`recognise`].
pub fn recognise_all(root: &Path) -> Result<(Vec<RecognisedSet>, Vec<UnreadLabels>)> {
    let (mut found, mut told) = (Vec::new(), Vec::new());
    let unread = search(root, DEPTH, &mut found, &mut told)?;
    if found.is_empty() && !films_below(root)?.is_empty() {
        found.push(films_alone(root, &unread));
        if unread.is_empty() && found[0].what != UNLABELLED {
            // Files in no form that is read here may hold labels, or none.
            told.extend(of_set(0, true, &vec![found[0].what.clone()]));
        }
        told.extend(of_set(0, false, &unread));
    }
    name_apart(&mut found);
    Ok((found, told))
}

/// What could not be read, as of a set.
fn of_set(set: usize, beside_others: bool, unread: &Unread) -> impl Iterator<Item = UnreadLabels> {
    let mut whys = unread.clone();
    whys.dedup();
    whys.into_iter().map(move |why| UnreadLabels { set, beside_others, why })
}

/// Remarks on labels that could not be read, and why not.
type Unread = Vec<String>;

/// Looks at a folder and, where nothing is recognised in it, at the folders in it; gives what could not be read and nothing
/// that was found tells of.
fn search(
    folder: &Path,
    depth: usize,
    found: &mut Vec<RecognisedSet>,
    told: &mut Vec<UnreadLabels>,
) -> Result<Unread> {
    if let Some(known) = known(folder) {
        found.extend(known);
        return Ok(Vec::new());
    }
    // A folder that only holds data sets is not a class of them.
    let (below, films) = list(folder)?;
    let sets: Vec<PathBuf> = below.iter().filter(|inner| is_set(inner)).cloned().collect();
    let filled = |inner: &&PathBuf| !films_below(inner).unwrap_or_default().is_empty();
    let several = films.is_empty()
        && sets.len() > 1
        && !classes::are_patients(&below)
        && !(sets.len() == below.iter().filter(filled).count()
            && classes::repeated(&sets)?.is_some())
        && beside::repeated(folder)?.is_empty();
    let mut unread = Vec::new();
    if !several && let Some(mut one) = layout(folder, &mut unread)? {
        let more = beside(folder, &one, &mut unread)?;
        one.what += &(said::not_read(&unread) + &left::pictures(folder));
        // The other layouts read lists of their own.
        if matches!(one.source.format, Some(Format::Csv | Format::Folder | Format::Masks)) {
            one.what += &left::lists(folder);
        }
        told.extend(of_set(found.len(), true, &unread));
        found.push(one);
        found.extend(more);
        return Ok(Vec::new());
    }
    let before = found.len();
    let mut none = Vec::new();
    if depth > 0 {
        for inner in &below {
            let count = found.len();
            unread.extend(search(inner, depth - 1, found, told)?);
            if found.len() == count {
                none.push(inner.clone());
            }
        }
    }
    if found.len() > before {
        // Labels that nobody can read are no reason to say nothing of them.
        let together = match several {
            true => classes::same_classes(&sets)? + &choice::above(folder),
            false => String::new(),
        };
        found[before].what += &(together + &said::not_read(&unread) + &left::folders(&none));
        told.extend(of_set(before, false, &unread));
        unread.clear();
    }
    Ok(unread)
}

/// What the films of a set are annotated with beside: outlines by more than boxes, labels by more than masks.
fn beside(
    folder: &Path,
    one: &RecognisedSet,
    unread: &mut Unread,
) -> Result<Option<RecognisedSet>> {
    if one.source.format != Some(Format::Masks) {
        return Ok(outlines(one));
    }
    let labelled = match first(&[choice::labelled], folder, unread)? {
        None => first(&[|folder, _| classes::beside_masks(folder)], folder, &mut Vec::new())?,
        found => found,
    };
    Ok(labelled.map(|RecognisedSet { mut source, what }| {
        source.name += "-classes";
        RecognisedSet { source, what }
    }))
}

/// Whether a folder is a data set by itself rather than a class or a part of one.
fn is_set(folder: &Path) -> bool {
    let mut inside = list(folder).map(|(folders, _)| folders).unwrap_or_default();
    let part = |folder: &Path| Part::of_folder(&file_name(folder)).is_some();
    inside.retain(|inner| !part(inner) && !list(inner).unwrap_or_default().1.is_empty());
    let structure = part(folder) || classes::is_structure(&file_name(folder));
    signed(folder).is_some() || inside.len() > 1 && !structure && !of_patients(&inside)
}

/// Whether folders look like one for each patient.
fn of_patients(folders: &[PathBuf]) -> bool {
    let films = folders.iter().map(|inner| films_below(inner).unwrap_or_default().len()).sum();
    look_like_patients(&folders.iter().map(|inner| file_name(inner)).collect(), films)
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
        let (source, division) = readable(source).ok()?;
        let by_patient = source.split == Split::Patient && !division.is_empty();
        let what =
            format!("{}, to {purpose}{}", known.title, if by_patient { &division } else { "" });
        let what = what + &said::spellings(&source);
        Some(RecognisedSet { source, what: said::one_line(&what) })
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
/// shares patients, by patient, with a remark on that; what is wrong with single films is for an audit to say.
fn readable(source: Source) -> Result<(Source, String), String> {
    let usable = |source: &Source| -> Result<(), String> {
        let mut located = source.clone();
        located.locate(&super::Roots::default()).map_err(|e| e.to_string())?;
        let (dataset, flaws) = located.survey().map_err(|e| e.to_string())?;
        let films = dataset.train.len() + dataset.val.len() + dataset.test.len();
        let unusable =
            |flaw: &&Flaw| flaw.stops() && [SHARED_PATIENT, TWO_PARTS].contains(&flaw.what);
        let errors: Vec<&Flaw> = flaws.iter().filter(|flaw| flaw.stops()).collect();
        match (errors.first(), flaws.iter().find(unusable)) {
            (_, Some(flaw)) => Err(flaw.error.to_string()),
            (Some(first), _) if films <= errors.len() => Err(first.error.to_string()),
            _ => Ok(()),
        }
    };
    let why = match usable(&source) {
        Ok(()) => {
            let said = said::division(&source);
            return Ok((source, said));
        }
        Err(why) => why,
    };
    let divided = Source { split: Split::Patient, ..source };
    match usable(&divided) {
        Ok(()) => Ok((divided, format!("; divided by patient, not as given: {why}"))),
        Err(_) => Err(why),
    }
}

/// Function that recognises a layout.
type Layout = fn(&Path, &mut Unread) -> Result<Option<RecognisedSet>>;

/// Layouts that are told by files that only they have.
const ANNOTATED: [Layout; 5] =
    [annotated::coco, annotated::yolo_texts, annotated::voc, masks::masks, choice::labelled];

/// The usual layout that `folder` has.
fn layout(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    match first(&ANNOTATED, folder, unread)? {
        None => first(&[classes::class_folders, choice::unlabelled], folder, unread),
        found => Ok(found),
    }
}

/// The first of these layouts that `folder` has and that can be read.
fn first(layouts: &[Layout], folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    for attempt in layouts {
        if let Some(RecognisedSet { source, what }) = attempt(folder, unread)? {
            match readable(source) {
                Ok((source, division)) => {
                    let what = said::one_line(&(what + &division));
                    return Ok(Some(RecognisedSet { source, what }));
                }
                Err(why) => unread.push(format!("{what}: {why}")),
            }
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
    (!flaws.iter().any(Flaw::stops) && films.any(drawn))
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

/// Words for films beside which nothing lies that may be a label.
const UNLABELLED: &str = "films without labels, to pretrain";

/// The set of films for pretraining: without labels, or with what could not be read.
fn films_alone(folder: &Path, unread: &Unread) -> RecognisedSet {
    let mut source = source(folder, Format::Folder);
    source.labelled = false;
    source.split = Split::Patient;
    (source.val_share, source.test_share) = (0.0, 0.0);
    let among = match masks::apart(folder) {
        None => String::new(),
        Some((_, Some(films))) => {
            source.images = below(folder, &films);
            String::new()
        }
        Some((masks, None)) => format!("; what lies in {} is among these films", file_name(&masks)),
    };
    let other = said::other_files(folder) + &left::pictures(folder);
    let silent = [&other, &among].into_iter().all(String::is_empty);
    let what = if unread.is_empty() && silent {
        UNLABELLED.to_owned()
    } else {
        format!(
            "films to pretrain, whose labels are not read{}{other}{among}",
            said::not_read(unread)
        )
    };
    RecognisedSet { source, what: said::one_line(&what) }
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
