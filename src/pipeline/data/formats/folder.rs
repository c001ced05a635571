//! Reader of data sets with a folder per class.

use std::path::{Path, PathBuf};

use mtpret_engine::error::Place;

use crate::{
    Error, Result,
    data::{
        Kind, Labels, Sample, Source, Split,
        dataset::{
            given::{Given, of_folders},
            listing::{Flaw, Listing, Part, Row},
        },
        walk::{EXTENSIONS, composed, file_name, films_below, list, without_masks},
    },
};

/// What is odd where the name of a class is written in two ways.
pub(in crate::data) const SPELLINGS: &str = "class in two spellings";
/// What is odd where films lie beside the folders of the parts.
pub(in crate::data) const BESIDE_PARTS: &str = "films beside the parts";
/// What is noted where masks lie among the films.
pub(in crate::data) const MASKS_AMONG: &str = "masks among the films";

/// Reads `root/CLASS/*`, `root/{train,val,test}/CLASS/*` or `root/CLASS/{train,val,test}/*`.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let parts = parts(&source.films())?;
    let (mut rows, mut masks, mut outside) = (Vec::new(), Vec::new(), Vec::new());
    let mut flaws: Vec<Flaw> = beside_parts(&parts)?.into_iter().collect();
    let names = if source.labelled { class_names(&parts, &mut flaws)? } else { Vec::new() };
    for (part, folder) in &parts {
        if !source.labelled {
            let (films, among) = without_masks(folder, films_below(folder)?);
            masks.extend(among);
            rows.extend(films.into_iter().map(|film| row(film, *part, vec![])));
            continue;
        }
        let classes = class_folders(folder)?;
        let within = part.is_none() && classes.iter().any(|class| has_parts(class));
        for class in classes {
            let index = names.iter().position(|name| same_name(name, &file_name(&class)));
            let index = index.expect("class names are those of these folders");
            let (films, among) = without_masks(&class, films_below(&class)?);
            masks.extend(among);
            if films.is_empty() {
                flaws.push(Flaw::new("empty class", empty_class(&class)));
            }
            for film in films {
                let part = if within { of_folders(&class, &film) } else { *part };
                match within && part.is_none() && source.split != Split::Patient {
                    true => outside.push(film),
                    false => rows.push(row(film, part, vec![index as f32])),
                }
            }
        }
    }
    let given = Given::new(source.films());
    flaws.extend(given.outside(&outside));
    flaws.extend(masks_among(&masks));
    let kind = if source.labelled { Kind::Classes } else { Kind::None };
    Ok(Listing { labels: Labels { kind, names }, rows, missing: 0, unlabelled: 0, flaws })
}

/// Ends of names of files that say something of a data set, and are no pictures.
const WORDS: [&str; 12] =
    ["txt", "md", "csv", "tsv", "json", "xml", "html", "yaml", "yml", "py", "ipynb", "xlsx"];

/// The folders that may be classes: not those that hold words alone, as `docs` does.
fn class_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let of_words = |folder: &PathBuf| {
        let Ok((folders, films)) = list(folder) else { return false };
        let mut files = folder.read_dir().into_iter().flatten().flatten().peekable();
        let word = |file: std::fs::DirEntry| {
            let end = file.path().extension().map(|e| e.to_string_lossy().to_lowercase());
            end.is_some_and(|end| WORDS.contains(&end.as_str()))
        };
        folders.is_empty() && films.is_empty() && files.peek().is_some() && files.all(word)
    };
    let mut folders = list(folder)?.0;
    folders.retain(|folder| !of_words(folder));
    Ok(folders)
}

/// Whether a class holds a folder of films to learn from: then its folders are parts.
fn has_parts(class: &Path) -> bool {
    let folders = list(class).map(|(folders, _)| folders).unwrap_or_default();
    let train = |folder: &&PathBuf| Part::of_folder(&file_name(folder)) == Some(Part::Train);
    folders.iter().any(|folder| train(&folder))
        // `COVID/images/train`.
        || folders.iter().any(|folder| {
            list(folder).is_ok_and(|(inner, _)| inner.iter().any(|inner| train(&inner)))
        })
}

/// The warning that films lie beside the folders of the parts, where nobody seeks them.
fn beside_parts(parts: &[(Option<Part>, PathBuf)]) -> Result<Option<Flaw>> {
    let Some(root) = parts.iter().find_map(|(part, folder)| part.and(folder.parent())) else {
        return Ok(None);
    };
    let (folders, loose) = list(root)?;
    let mut found = Vec::new();
    for folder in folders.iter().filter(|folder| parts.iter().all(|(_, part)| part != *folder)) {
        let films = films_below(folder)?.len();
        if films > 0 {
            found.push(format!("{films} in {}", file_name(folder)));
        }
    }
    if !loose.is_empty() {
        found.push(format!("{} in no folder", loose.len()));
    }
    let error = Error::data(
        root,
        "films in the folders of the parts alone",
        format!("others, which are not read: {}", found.join(", ")),
        "call their folder train, val or test, or take it away",
    );
    Ok((!found.is_empty()).then(|| Flaw::warning(BESIDE_PARTS, error)))
}

/// The note that masks lie among the films, of which none is one.
fn masks_among(masks: &[PathBuf]) -> Option<Flaw> {
    let first = masks.first()?;
    let found = format!("{} that are called as masks of films, which are left out", masks.len());
    let mend = "read them with format = \"masks\", or call them otherwise if they are films";
    Some(Flaw::note(MASKS_AMONG, Error::data(first, "films", found, mend)))
}

/// Whether two folders mean one class: names that only differ in capital letters do.
fn same_name(one: &str, other: &str) -> bool {
    composed(one).to_lowercase() == composed(other).to_lowercase()
}

/// The folders `{train,val,test}` below `root` and their parts, or `root` itself and no part.
pub(in crate::data) fn parts(root: &Path) -> Result<Vec<(Option<Part>, PathBuf)>> {
    let root = unwrap_archive(root)?;
    let named = |folder: PathBuf| Some((Some(Part::of_folder(&file_name(&folder))?), folder));
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

/// The names of the class folders of all parts, sorted; of two spellings of one name that of the training part, which is said.
fn class_names(parts: &[(Option<Part>, PathBuf)], flaws: &mut Vec<Flaw>) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let mut first: Vec<&(Option<Part>, PathBuf)> = parts.iter().collect();
    first.sort_by_key(|(part, _)| *part != Some(Part::Train));
    for (_, folder) in first {
        let (classes, films) = (class_folders(folder)?, list(folder)?.1);
        if classes.is_empty() && !films.is_empty() {
            return Err(Error::data(
                folder,
                "a folder per class",
                format!("{} films", films.len()),
                "set labelled = false to take them without labels",
            ));
        }
        for class in classes {
            let name = composed(&file_name(&class));
            match names.iter().find(|known| same_name(known, &name)) {
                None => names.push(name),
                Some(known) if *known != name => {
                    let found = format!("{name}, which counts as {known}");
                    let mend =
                        "call both folders alike, or call them otherwise if they are two classes";
                    let error = Error::data(&class, "each class in one spelling", found, mend);
                    flaws.push(Flaw::warning(SPELLINGS, error));
                }
                Some(_) => {}
            }
        }
    }
    names.sort();
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
