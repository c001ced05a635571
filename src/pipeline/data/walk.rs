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

/// Words in the names of folders that hold masks, and of masks that lie beside their films.
const MASKS: [&str; 7] =
    ["mask", "label", "annotation", "segmentation", "groundtruth", "ground_truth", "seg"];
/// Whole names of such folders.
const CALLED: [&str; 5] = ["gt", "segs", "manual", "targets", "seg"];
/// What stands between the words of a name.
const BETWEEN: [char; 4] = ['_', '-', ' ', '.'];

/// Whether a folder is called as one of masks.
pub(in crate::data) fn holds_masks(name: &str) -> bool {
    let name = name.to_lowercase();
    let bare = name.strip_suffix("tr").or_else(|| name.strip_suffix("ts")).unwrap_or(&name);
    let called = [name.as_str(), bare].into_iter().any(|name| CALLED.contains(&name));
    // `seg` alone is part of many words.
    called || MASKS[..MASKS.len() - 1].iter().any(|word| name.contains(word))
}

/// The name of the film whose mask is called so, of those that `is_film` knows: `f0` of `f0_mask`, `f0_lung-seg_1` or
/// `mask_f0`.
pub(in crate::data) fn masked(stem: &str, is_film: impl Fn(&str) -> bool) -> Option<&str> {
    let says = |rest: &str| {
        let rest = rest.to_lowercase();
        let word = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let mut words = rest.split(BETWEEN).map(word);
        words.any(|word| {
            let one = word.strip_suffix('s').unwrap_or(&word);
            MASKS.contains(&one) || one == "gt" || one.ends_with("mask")
        })
    };
    let cuts = || stem.match_indices(BETWEEN).map(|(at, _)| (&stem[..at], &stem[at + 1..]));
    let behind = cuts().filter(|(_, rest)| says(rest)).map(|(film, _)| film);
    let before = cuts().filter(|(rest, _)| says(rest)).map(|(_, film)| film);
    // The longest name: `f0_1_mask` is of `f0_1` where there is one.
    let mut names: Vec<&str> = behind.chain(before).filter(|name| !name.is_empty()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.into_iter().find(|name| is_film(name))
}

/// Films without the masks that lie among them, and these: images that are called as another in their folder and a word for
/// masks (`f0_mask` beside `f0`), and those in folders below `top` that are so called and hold images of the films' names.
pub(in crate::data) fn without_masks(
    top: &Path,
    films: Vec<PathBuf>,
) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let in_folder = |film: &PathBuf| {
        let inside = film.strip_prefix(top).unwrap_or(film).parent().unwrap_or(Path::new(""));
        inside.components().any(|part| holds_masks(&part.as_os_str().to_string_lossy()))
    };
    let of_folders: Vec<bool> = films.iter().map(in_folder).collect();
    let outside = films.iter().zip(&of_folders).filter(|(_, inside)| !**inside);
    let (mut stems, mut beside) = (HashSet::new(), HashSet::new());
    for (film, _) in outside {
        stems.insert(composed(&stem(film)));
        beside.insert((film.parent().unwrap_or(top).to_owned(), composed(&stem(film))));
    }
    let is_mask = |film: &PathBuf, inside: bool| {
        let own = composed(&stem(film));
        if inside {
            return stems.contains(&own) || masked(&own, |name| stems.contains(name)).is_some();
        }
        let folder = film.parent().unwrap_or(top);
        masked(&own, |name| beside.contains(&(folder.to_owned(), name.to_owned()))).is_some()
    };
    let mut apart = (Vec::new(), Vec::new());
    for (film, inside) in films.into_iter().zip(of_folders) {
        if is_mask(&film, inside) { apart.1.push(film) } else { apart.0.push(film) }
    }
    apart
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
