//! Recognition of annotations in files: COCO, YOLO, Pascal VOC.

use std::path::{Path, PathBuf};

use super::{Format, Part, RecognisedSet, Result, Unread, below, files, source};
use crate::data::{
    formats::{coco, text, yolo},
    walk::{file_name, films_below, list, stem},
};

/// Number of films that are looked at to tell whether texts lie beside films.
const FILMS: usize = 200;

/// Whether a folder has annotations in files of its own.
pub(super) fn has_any(folder: &Path) -> bool {
    let unread = &mut Vec::new();
    [coco, yolo_texts, voc].iter().any(|layout| layout(folder, unread).ok().flatten().is_some())
}

/// The folder and the folders in it that name parts.
fn with_parts(folder: &Path) -> Vec<PathBuf> {
    let inside = list(folder).map(|(folders, _)| folders).unwrap_or_default();
    let parts = inside.into_iter().filter(|inner| Part::of_folder(&file_name(inner)).is_some());
    std::iter::once(folder.to_path_buf()).chain(parts).collect()
}

/// The folders in which annotations of these folders may lie: themselves, and those of these names in them.
fn places(folders: &[PathBuf], names: &[&str]) -> Vec<PathBuf> {
    let inside = |folder: &PathBuf| {
        let found = list(folder).map(|(folders, _)| folders).unwrap_or_default();
        found
            .into_iter()
            .filter(|inner| names.contains(&file_name(inner).to_lowercase().as_str()))
            .collect::<Vec<_>>()
    };
    folders
        .iter()
        .flat_map(|folder| std::iter::once(folder.clone()).chain(inside(folder)))
        .collect()
}

/// Recognises COCO JSON in the folder, in those of its parts (Roboflow), or in `annotations` there.
pub(super) fn coco(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    let names = ["annotations", "annotation", "labels"];
    let places = places(&with_parts(folder), &names);
    let keys = ["\"images\"", "\"annotations\"", "\"categories\""];
    let (mut files_of_sets, mut without) = (Vec::new(), Vec::new());
    for place in &places {
        for inner in with_parts(place) {
            for file in files(&inner, "json") {
                let text = coco::text_of(&file).unwrap_or_else(|error| {
                    unread.push(error.to_string());
                    String::new()
                });
                let has = keys.map(|key| text.contains(key));
                if has == [true; 3] && !files_of_sets.contains(&file) {
                    files_of_sets.push(file);
                } else if has[0] && !has[1] && text.contains("\"file_name\"") {
                    without.push(below(folder, &file).display().to_string());
                }
            }
        }
    }
    if files_of_sets.is_empty() {
        return Ok(None);
    }
    let mut source = source(folder, Format::Coco);
    source.annotations = files_of_sets.iter().map(|file| below(folder, file)).collect();
    // A file of all parts beside files of each would list films twice.
    let parted = |path: &PathBuf| {
        let folders = path.parent().into_iter().flat_map(Path::ancestors).map(file_name);
        Part::in_name(&stem(path)).is_some()
            || folders.into_iter().any(|name| Part::of_folder(&name).is_some())
    };
    if source.annotations.iter().any(parted) {
        source.annotations.retain(parted);
    }
    if !without.is_empty() {
        without.dedup();
        unread.push(format!("{}: a list of films without annotations", without.join(", ")));
    }
    let what = format!("COCO JSON ({} files)", source.annotations.len());
    Ok(Some(RecognisedSet { source, what }))
}

/// Recognises YOLO's texts in folders `labels`, or beside the films where a YAML file or a list says
/// the classes.
pub(super) fn yolo_texts(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    let in_labels = with_parts(folder).iter().any(|place| {
        let labels = place.join("labels");
        let inner = list(&labels).map(|(folders, _)| folders).unwrap_or_default();
        std::iter::once(labels)
            .chain(inner)
            .any(|labels| files(&labels, "txt").iter().any(|text| file_name(text) != "classes.txt"))
    });
    let yaml = yolo::yaml(folder);
    let listed = ["classes.txt", "obj.names"].iter().any(|name| folder.join(name).is_file());
    let beside = || {
        let films = films_below(folder).unwrap_or_default();
        films.iter().take(FILMS).any(|film| is_of_marks(&film.with_extension("txt")))
    };
    if !in_labels && !((yaml.is_some() || listed) && beside()) {
        if let Some(yaml) = yaml
            && text::yaml::document(&yaml).is_ok_and(|document| !document["names"].is_badvalue())
        {
            unread.push(format!(
                "{}: no text files of boxes in labels or beside the films",
                file_name(&yaml)
            ));
        }
        return Ok(None);
    }
    let what =
        format!("YOLO text files{}", if yaml.is_some() { " with a YAML of classes" } else { "" });
    Ok(Some(RecognisedSet { source: source(folder, Format::Yolo), what }))
}

/// Whether the first line of a text is a class and numbers.
fn is_of_marks(path: &Path) -> bool {
    let text = text::read_at_most(path, text::LONGEST_OF_A_FILM, "").unwrap_or_default();
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    words.len() >= 5 && words.iter().all(|word| word.parse::<f64>().is_ok())
}

/// Recognises Pascal VOC's XML in the folder or in `Annotations`, or so in the folders of its
/// parts.
pub(super) fn voc(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    let mut broken = Vec::new();
    let mut is_voc = |place: &PathBuf| {
        let Some(first) = files(place, "xml").into_iter().next() else { return false };
        match text::xml::read(&first, "see that it may be read") {
            Ok(text) => text.contains("<annotation"),
            Err(error) => {
                broken.push(error.to_string());
                false
            }
        }
    };
    let whole =
        ["", "Annotations", "annotations", "annotations/xml", "xml"].map(|p| folder.join(p));
    let mut found: Vec<PathBuf> = whole.into_iter().find(&mut is_voc).into_iter().collect();
    if found.is_empty() {
        let parts = with_parts(folder).split_off(1);
        let of_parts = places(&parts, &["annotations", "xml", "labels"]);
        let inner =
            ["Annotations", "annotations", "xml"].map(|name| with_parts(&folder.join(name)));
        found =
            of_parts.into_iter().chain(inner.into_iter().flatten()).filter(&mut is_voc).collect();
    }
    if found.is_empty() {
        unread.extend(broken);
        return Ok(None);
    }
    let mut source = source(folder, Format::Voc);
    source.annotations = found.iter().map(|place| below(folder, place)).collect();
    Ok(Some(RecognisedSet { source, what: "Pascal VOC XML".into() }))
}
