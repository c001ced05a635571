//! Reader of data sets with a folder per class.

use std::path::{Path, PathBuf};

use mtpret_engine::error::Place;

use crate::{
    Error, Result,
    data::{
        Kind, Labels, Sample, Source,
        dataset::listing::{Flaw, Listing, Part, Row},
        walk::{EXTENSIONS, composed, file_name, films_below, list},
    },
};

/// Reads `root/CLASS/*` or `root/{train,val,test}/CLASS/*`.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let parts = parts(&source.films())?;
    let (mut rows, mut flaws) = (Vec::new(), Vec::new());
    let names = if source.labelled { class_names(&parts)? } else { Vec::new() };
    for (part, folder) in &parts {
        if source.labelled {
            for class in list(folder)?.0 {
                let index = names.iter().position(|n| *n == composed(&file_name(&class)));
                let index = index.expect("class names are those of these folders");
                let films = films_below(&class)?;
                if films.is_empty() {
                    flaws.push(Flaw::new("empty class", empty_class(&class)));
                }
                rows.extend(films.into_iter().map(|film| row(film, *part, vec![index as f32])));
            }
        } else {
            rows.extend(films_below(folder)?.into_iter().map(|film| row(film, *part, vec![])));
        }
    }
    let kind = if source.labelled { Kind::Classes } else { Kind::None };
    Ok(Listing { labels: Labels { kind, names }, rows, missing: 0, unlabelled: 0, flaws })
}

/// The folders `{train,val,test}` below `root` and their parts, or `root` itself and no part.
pub(in crate::data) fn parts(root: &Path) -> Result<Vec<(Option<Part>, PathBuf)>> {
    let root = unwrap_archive(root)?;
    let named = |folder: PathBuf| Some((Some(Part::named(&file_name(&folder))?), folder));
    let parts: Vec<_> = list(&root)?.0.into_iter().filter_map(named).collect();
    // A lone `test` or `val` beside classes is a class of that name.
    match parts.iter().any(|(part, _)| *part == Some(Part::Train)) {
        true => Ok(parts),
        false => Ok(vec![(None, root)]),
    }
}

/// Goes down while a folder holds one folder and nothing else, as archives that are unpacked into
/// a folder of their own name do (`chest_xray/chest_xray/train`).
pub(in crate::data) fn unwrap_archive(root: &Path) -> Result<PathBuf> {
    let mut root = root.to_path_buf();
    loop {
        let (folders, films) = list(&root)?;
        match (folders.as_slice(), films.as_slice()) {
            ([only], []) if !list(only)?.0.is_empty() => root = only.clone(),
            _ => return Ok(root),
        }
    }
}

/// The names of the class folders of all parts, sorted.
fn class_names(parts: &[(Option<Part>, PathBuf)]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (_, folder) in parts {
        let (classes, films) = list(folder)?;
        if classes.is_empty() && !films.is_empty() {
            return Err(Error::data(
                folder,
                "a folder per class",
                format!("{} films", films.len()),
                "set labelled = false to take them without labels",
            ));
        }
        names.extend(classes.iter().map(|class| composed(&file_name(class))));
    }
    names.sort();
    names.dedup();
    match names.as_slice() {
        [_, _, ..] => Ok(names),
        found => Err(Error::data(
            &parts[0].1,
            "two class folders or more",
            format!("{found:?}"),
            "put the films of each class in a folder of its own, or set labelled = false",
        )),
    }
}

fn empty_class(folder: &Path) -> Error {
    Error::data(
        folder,
        format!("films of this class ({})", EXTENSIONS.join(", ")),
        "none",
        "add films, or remove the folder",
    )
}

/// The row of a film of a class, or of none.
pub(in crate::data) fn row(path: PathBuf, part: Option<Part>, target: Vec<f32>) -> Row {
    let sample = Sample { patient: String::new(), target: target.into(), path };
    Row { place: Place::from(&sample.path), part, sample }
}
