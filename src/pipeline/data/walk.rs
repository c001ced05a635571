//! Search for films on disk.

use std::{
    collections::HashSet,
    fs,
    path::{Component, Path, PathBuf},
};

use unicode_normalization::UnicodeNormalization;

use crate::{Error, Result, data::film::dicom};

/// Extensions that films have, in lower case. They only say which files to list; what a file is,
/// its first bytes say.
pub(in crate::data) const EXTENSIONS: [&str; 8] =
    ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "dcm", "dicom"];

/// Folders that macOS, Synology, QNAP and Windows lay beside films: thumbnails, bins, snapshots.
const CLUTTER: [&str; 11] = [
    "__MACOSX",
    "@eaDir",
    "#recycle",
    "#snapshot",
    "@Recycle",
    "@Recently-Snapshot",
    "@tmp",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "__pycache__",
];

/// The folders and the films directly in `folder`, each sorted by name.
///
/// Hidden files, AppleDouble files (`._film.jpeg`) and what systems lay beside films ([`CLUTTER`]) are left out.
pub(in crate::data) fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (folders, films) = entries(folder)?;
    Ok((folders.into_iter().map(|(path, _)| path).collect(), films))
}

/// Folders and films of a [`list`], with whether a folder is a link.
type Entries = (Vec<(PathBuf, bool)>, Vec<PathBuf>);

fn entries(folder: &Path) -> Result<Entries> {
    let fault = |e| Error::io(folder, e, "see that the folder exists and may be read");
    let (mut folders, mut films) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(fault)?);
        let name = file_name(&path);
        if name.starts_with('.') || CLUTTER.contains(&name.as_str()) {
            continue;
        }
        // The folder's own list tells what an entry is; only a link must be followed to know. A pipe would be waited for.
        let is_file = kind.is_file() || kind.is_symlink() && path.is_file();
        if kind.is_dir() || kind.is_symlink() && path.is_dir() {
            folders.push((path, kind.is_symlink()));
        } else if is_file && is_film(&path) {
            films.push(path);
        }
    }
    folders.sort();
    films.sort();
    Ok((folders, films))
}

/// Every film below `folder`, sorted by folder and name.
///
/// # Errors
/// [`Error::Io`] if a folder cannot be read.
pub fn films_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let real = |path: &Path, mend| path.canonicalize().map_err(|e| Error::io(path, e, mend));
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    let mut open = vec![(folder.to_path_buf(), real(folder, "name a folder of films")?)];
    while let Some((next, place)) = open.pop() {
        // A link to a folder above would lead round in a circle.
        if !seen.insert(place.clone()) {
            continue;
        }
        let (folders, films) = entries(&next)?;
        all.extend(films);
        for (inner, link) in folders.into_iter().rev() {
            let place = if link {
                real(&inner, "mend the link")?
            } else {
                place.join(inner.file_name().unwrap_or_default())
            };
            open.push((inner, place));
        }
    }
    Ok(all)
}

fn is_film(path: &Path) -> bool {
    match path.extension().map(|e| e.to_string_lossy().to_lowercase()) {
        Some(e) if EXTENSIONS.contains(&e.as_str()) => true,
        // What archives and scanners export as DICOM often has no extension, or ends as its UID does: `1.2.840.7`.
        Some(e) => e.bytes().all(|byte| byte.is_ascii_digit()) && dicom::has_mark(path),
        None => dicom::has_mark(path),
    }
}

/// The last part of a path as text.
pub(in crate::data) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The file name without its extension as text.
pub(in crate::data) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A name in the one form in which names are compared: macOS writes `ä` as `a` and two dots (NFD), most others as one letter
/// (NFC), and both look the same.
pub(in crate::data) fn composed(name: &str) -> String {
    if name.is_ascii() { name.into() } else { name.nfc().collect() }
}

/// The file of this path, in whichever of the two forms its name is written on disk.
pub(in crate::data) fn on_disk(path: PathBuf) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path);
    }
    let text = path.to_str().filter(|text| !text.is_ascii())?;
    let forms = [text.nfc().collect::<String>(), text.nfd().collect()];
    let name = |form: &String| path.with_file_name(file_name(Path::new(form)));
    let named: Vec<PathBuf> = forms.iter().map(name).collect();
    forms.iter().map(PathBuf::from).chain(named).find(|path| path.is_file())
}

/// The path below the root that `cell` of a table means, in either system's notation; `None` if it
/// is empty, absolute or climbs with `..`.
pub(in crate::data) fn relative(cell: &str) -> Option<PathBuf> {
    let cell = cell.replace('\\', "/");
    let drive = cell.as_bytes().get(1) == Some(&b':');
    let path = PathBuf::from(cell);
    let inside =
        path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (inside && !drive && path.file_name().is_some()).then_some(path)
}

/// A file's size and time of change; `gone` where there is none.
pub fn stamp(file: &Path) -> String {
    fs::metadata(file).map_or("gone".into(), |file| format!("{} {}", file.len(), changed(&file)))
}

/// When a file's bytes were last written; a copy may keep it.
pub fn written(file: &Path) -> String {
    let written = fs::metadata(file).and_then(|file| file.modified()).ok();
    let since = written.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or("unknown".into(), |t| format!("{}.{:09}", t.as_secs(), t.subsec_nanos()))
}

/// When a file was last changed, which on Unix its renaming is too.
#[cfg(unix)]
fn changed(file: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{}.{:09}", file.ctime(), file.ctime_nsec())
}

/// When a file was last changed.
#[cfg(not(unix))]
fn changed(file: &fs::Metadata) -> String {
    let since = file.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or("unknown".into(), |t| format!("{}.{:09}", t.as_secs(), t.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn a_path_that_leaves_the_root_is_refused() {
        for cell in ["../a.png", "a/../../b.png", "/etc/a.png", "C:\\a.png", "..\\a.png", "", "."] {
            assert_eq!(relative(cell), None, "{cell:?}");
        }
        assert_eq!(relative("a\\b.png"), Some("a/b.png".into()));
    }
}
