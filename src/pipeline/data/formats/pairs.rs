//! A film and its mask, or masks, in image files.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;

use crate::{
    Error, Result,
    data::{
        Annotation, Sample, Source,
        dataset::{
            patient::patient,
            split::{Flaw, Listing, Row},
        },
        walk::{file_name, films_below, list, stem},
    },
};

/// Reads the films and masks of a [`crate::data::Format::Masks`] source.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let (mut rows, mut unlabelled, mut flaws) = (Vec::new(), 0, Vec::new());
    let mut stems = HashSet::new();
    for path in films_below(&source.films())? {
        let stem = stem(&path);
        let place = Place::from(&path);
        match masks(source, &stem) {
            Ok(masks) => {
                let patient = patient(&source.films(), &path);
                let sample = Sample { path, patient, target: Annotation::Mask(masks) };
                rows.push(Row { sample, part: None, place });
            }
            Err(_) if source.partial => unlabelled += 1,
            Err(pattern) => {
                let error = Error::data(
                    place,
                    format!("its mask {}", pattern.replace("{}", &stem)),
                    "no such file",
                    "add the mask, or set partial = true to leave out films without one",
                );
                flaws.push(Flaw::new("missing mask", error));
            }
        }
        stems.insert(stem);
    }
    if !source.partial {
        check_orphans(source, &stems, &mut flaws)?;
    }
    Ok(Listing { labels: source.mask_labels(), rows, missing: 0, unlabelled, flaws })
}

/// One file for each pattern, or the pattern for which there is none.
fn masks<'a>(source: &'a Source, stem: &str) -> Result<Vec<PathBuf>, &'a str> {
    let file = |pattern: &'a String| {
        let paths = pattern.split('|').map(|one| source.root.join(one.trim().replace("{}", stem)));
        paths.into_iter().find(|path| path.is_file()).ok_or(pattern.as_str())
    };
    source.masks.iter().map(file).collect()
}

/// Refuses a mask without its film.
fn check_orphans(source: &Source, stems: &HashSet<String>, flaws: &mut Vec<Flaw>) -> Result<()> {
    let patterns = || source.masks.iter().flat_map(|pattern| pattern.split('|').map(str::trim));
    let folders: HashSet<PathBuf> =
        patterns().filter_map(|one| Path::new(one).parent()).map(|p| source.root.join(p)).collect();
    let mut folders: Vec<PathBuf> = folders.into_iter().filter(|folder| folder.is_dir()).collect();
    folders.sort();
    for folder in folders {
        // The films themselves may lie beside their masks.
        if folder == source.films() {
            continue;
        }
        for mask in list(&folder)?.1 {
            let film = |one: &str| stem_by(&folder, &source.root.join(one), &mask);
            let mut could_be = patterns().filter_map(film).peekable();
            if could_be.peek().is_some() && !could_be.any(|film| stems.contains(&film)) {
                let error = Error::data(
                    &mask,
                    format!("its film below {}", source.films().display()),
                    "none",
                    "add the film or remove the mask, or set partial = true to leave it out",
                );
                flaws.push(Flaw::new("mask without film", error));
            }
        }
    }
    Ok(())
}

/// The `{}` of `pattern` that gives `mask`.
fn stem_by(folder: &Path, pattern: &Path, mask: &Path) -> Option<String> {
    let wanted = file_name(pattern);
    let (before, after) = wanted.split_once("{}").filter(|_| pattern.parent() == Some(folder))?;
    file_name(mask).strip_prefix(before)?.strip_suffix(after).map(str::to_string)
}
