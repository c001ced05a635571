//! What lies in a folder and is not read: films beside those of a set, and pictures in forms that nothing here decodes.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use super::{Part, Source, below};
use crate::data::{
    Annotation, Dataset,
    walk::{file_name, films_below, list, stem},
};

/// Ends of names of pictures that are not read.
const PICTURES: [&str; 22] = [
    "webp", "heic", "heif", "avif", "gif", "jp2", "j2k", "jxl", "nii", "nii.gz", "mha", "mhd",
    "nrrd", "img", "hdr", "dng", "raw", "psd", "pgm", "ppm", "svg", "pdf",
];
/// Folders that are looked into, one in another, and folders that are named.
const DEPTH: usize = 4;
const NAMED: usize = 5;

/// Films below the set's folder that it does not read, by the folder that they lie in.
pub(super) fn films(source: &Source, dataset: &Dataset) -> String {
    let mut read: HashSet<&PathBuf> = HashSet::new();
    for film in dataset.train.iter().chain(&dataset.val).chain(&dataset.test) {
        read.insert(&film.path);
        if let Annotation::Mask { files, .. } = &film.target {
            read.extend(files);
        }
    }
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for film in films_below(&source.root).unwrap_or_default() {
        if !read.contains(&film) {
            let folder = film.parent().map(|parent| below(&source.root, parent));
            let folder = folder.map(|f| f.display().to_string()).unwrap_or_default();
            *left.entry(folder).or_default() += 1;
        }
    }
    let count: usize = left.values().sum();
    if count == 0 {
        return String::new();
    }
    let named = |(folder, count): (&String, &usize)| {
        let folder = if folder.is_empty() { "its own folder" } else { folder };
        format!("{count} in {folder}")
    };
    let mut listed: Vec<String> = left.iter().take(NAMED).map(named).collect();
    if left.len() > NAMED {
        listed.push("and more".into());
    }
    let images = if count == 1 { "1 image is".into() } else { format!("{count} images are") };
    format!("; {images} not used: {}", listed.join(", "))
}

/// What is said of folders of films beside sets, of which none is one.
pub(super) fn folders(folders: &[PathBuf]) -> String {
    let named = |folder: &PathBuf| {
        let films = films_below(folder).ok()?.len();
        (films > 0).then(|| format!("{films} films in {}", file_name(folder)))
    };
    let named: Vec<String> = folders.iter().filter_map(named).collect();
    match named.is_empty() {
        true => String::new(),
        false => format!("; in no set are {}", named.join(", ")),
    }
}

/// Lists of films by part in a folder, or in one that holds nothing but files, of which this layout makes no use.
pub(super) fn lists(folder: &Path) -> String {
    let inside = list(folder).map(|(folders, _)| folders).unwrap_or_default();
    let bare = |inner: &PathBuf| list(inner).is_ok_and(|(a, b)| a.is_empty() && b.is_empty());
    let places = std::iter::once(folder.to_path_buf()).chain(inside.into_iter().filter(bare));
    let mut found: Vec<String> = places
        .flat_map(|place| super::entries(&place, "*"))
        .filter(|path| {
            let end = path.extension().map(|e| e.to_string_lossy().to_lowercase());
            let known =
                end.is_some_and(|end| ["txt", "lst", "json", "pkl"].contains(&end.as_str()));
            let name = stem(path).to_lowercase();
            let says =
                Part::in_name(&name).is_some() || name.contains("split") || name.contains("fold");
            known && says && path.is_file()
        })
        .map(|path| below(folder, &path).display().to_string())
        .collect();
    found.sort();
    match found.is_empty() {
        true => String::new(),
        false => format!(
            "; {} may say a division, which is not read: write it into a column of a table and name that by split_column",
            found.join(", ")
        ),
    }
}

/// Pictures below a folder that are in no form that is read, by the ends of their names.
pub(super) fn pictures(folder: &Path) -> String {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut open = vec![(folder.to_path_buf(), 0)];
    while let Some((next, depth)) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let name = file_name(&entry.path()).to_lowercase();
            let end = PICTURES.iter().rfind(|end| {
                name.strip_suffix(**end).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            });
            if let Some(end) = end.filter(|_| !name.starts_with('.')) {
                *found.entry(end).or_default() += 1;
            }
        }
        if depth < DEPTH {
            let inside = list(&next).map(|(folders, _)| folders).unwrap_or_default();
            open.extend(inside.into_iter().map(|inner| (inner, depth + 1)));
        }
    }
    let named: Vec<String> =
        found.into_iter().map(|(end, count)| format!("{count} .{end}")).collect();
    match named.as_slice() {
        [] => String::new(),
        some => format!(
            "; not read are files of other kinds, {}: save them as PNG, TIFF, JPEG or DICOM",
            some.join(", ")
        ),
    }
}
