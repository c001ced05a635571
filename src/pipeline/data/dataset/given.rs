//! Divisions that data sets give in lists and settings beside their films: VOC's `ImageSets/Main`, YOLO's `data.yaml`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Component, Path, PathBuf},
};

use mtpret_engine::error::Place;
use yaml_rust2::Yaml;

use super::listing::{Flaw, Part, Row};
use crate::{
    Error, Result,
    data::{
        Source, Split,
        formats::text,
        walk::{EXTENSIONS, composed, file_name, stem},
    },
};

/// Kind of flaw where a given division has a film twice.
pub(in crate::data) const TWO_PARTS: &str = "film in two parts";
/// Kind of flaw where part of a given division cannot be found.
pub(in crate::data) const UNFOUND: &str = "given division not found";
/// Kind of flaw where a given division passes films over.
pub(in crate::data) const OUTSIDE: &str = "film outside the given division";

/// A division by names: of films, or of their annotations.
pub(in crate::data) struct Given {
    parts: HashMap<String, Part>,
    /// File or folder that says it.
    place: PathBuf,
    /// Whether it says what to learn from, so that a film that it does not name is in no part.
    whole: bool,
    /// Flaws of the division.
    pub flaws: Vec<Flaw>,
}

impl Given {
    /// One that says nothing yet.
    pub(in crate::data) fn new(place: PathBuf) -> Self {
        Self { parts: HashMap::new(), place, whole: false, flaws: Vec::new() }
    }

    /// The part that a name has.
    pub(in crate::data) fn part(&self, name: &str) -> Option<Part> {
        self.parts.get(&composed(name)).copied()
    }

    /// Whether a film that it does not name is in no part.
    pub(in crate::data) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The file or folder that says the division.
    pub(in crate::data) fn place(&self) -> &Path {
        &self.place
    }

    /// Whether the division names nothing.
    pub(in crate::data) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds the names of one list or folder; a name that is in another part already stays there, and is
    /// counted.
    fn add(&mut self, part: Part, names: impl IntoIterator<Item = String>) {
        let mut twice = Vec::new();
        for name in names {
            match self.parts.get(&name) {
                Some(other) if *other != part => twice.push((name, *other)),
                _ => drop(self.parts.insert(name, part)),
            }
        }
        self.whole |= part == Part::Train;
        if let Some((name, other)) = twice.first() {
            let found = format!(
                "{} in {} and in {}, {name} is the first",
                twice.len(),
                word(*other),
                word(part)
            );
            let mend = "correct the lists, or set split = \"patient\" to divide anew by patient";
            let error = Error::data(&self.place, "each film in one part", found, mend);
            self.flaws.push(Flaw::new(TWO_PARTS, error));
        }
    }

    fn unfound(&mut self, place: Place, expected: String, count: usize) {
        let found = if count == 1 { "none".into() } else { format!("none ({count} such)") };
        let mend = "correct it, or add what it names; films that no part names are not used";
        self.flaws.push(Flaw::warning(UNFOUND, Error::data(place, expected, found, mend)));
    }

    /// The warning that films were left out because no part names them.
    pub(in crate::data) fn outside(&self, films: &[PathBuf]) -> Option<Flaw> {
        let first = films.first()?;
        let found = format!("{} outside of all parts, which are left out", films.len());
        let expected = format!("every film in a part of {}", self.place.display());
        let mend = "add them to a part, or set split = \"patient\" to use all films";
        Some(Flaw::warning(OUTSIDE, Error::data(first, expected, found, mend)))
    }
}

fn word(part: Part) -> String {
    format!("{part:?}").to_lowercase()
}

/// Which list is read when, and the part of what it names; none of `trainval`.
type ListOf = (u8, Option<Part>);
/// ListsOfParts in the order in which they are read.
type ListsOfParts = BTreeMap<u8, (Option<Part>, Vec<PathBuf>)>;

/// The part of VOC's list of this name.
fn list_of(name: &str) -> Option<ListOf> {
    match name.to_lowercase().as_str() {
        // What only `trainval` names is to learn from.
        "trainval" => Some((3, None)),
        name => Part::named(name).map(|part| (part as u8, Some(part))),
    }
}

/// The lists beside a folder of VOC's annotations: `ImageSets/Main/{train,val,test,trainval}.txt`, else those of single classes
/// there.
pub(in crate::data) fn voc_lists(root: &Path, annotations: &Path) -> Result<Option<Given>> {
    let above = annotations.ancestors().take_while(|above| above.starts_with(root));
    let mut places = above.flat_map(|top| ["ImageSets/Main", "ImageSets"].map(|p| top.join(p)));
    let lists = |folder: &PathBuf| -> ListsOfParts {
        let entries = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        let mut texts: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|e| e == "txt")).collect();
        texts.sort();
        let of = |way: fn(&str) -> Option<ListOf>| {
            let mut found = ListsOfParts::new();
            for path in &texts {
                if let Some((order, part)) = way(&stem(path)) {
                    found.entry(order).or_insert((part, Vec::new())).1.push(path.clone());
                }
            }
            found
        };
        // Without lists of all films, those of single classes (`nodule_train`) name them together.
        let whole = of(list_of);
        if whole.is_empty() { of(|name| list_of(name.rsplit_once('_')?.1)) } else { whole }
    };
    let Some((folder, lists)) = places
        .find_map(|folder| Some(lists(&folder)).filter(|l| !l.is_empty()).map(|l| (folder, l)))
    else {
        return Ok(None);
    };
    let mut given = Given::new(folder);
    for (part, paths) in lists.into_values() {
        let all = paths.iter().map(|path| names(path)).collect::<Result<Vec<_>>>()?;
        let names: Vec<String> = all.into_iter().flatten().collect();
        match part {
            Some(part) => given.add(part, names),
            None => {
                let new = names.into_iter().filter(|name| !given.parts.contains_key(name));
                given.add(Part::Train, new.collect::<Vec<_>>());
            }
        }
    }
    Ok(Some(given))
}

/// The names in a list, one a line, with or without a folder, an extension, or a number behind (`2008_000002 -1`).
fn names(path: &Path) -> Result<Vec<String>> {
    let text = text::read(path, "see that the list may be read")?;
    let name = |line: &str| {
        let mut words = line.split_whitespace().collect::<Vec<_>>();
        if words.len() == 2 && ["-1", "0", "1"].contains(&words[1]) {
            words.pop();
        }
        let last = composed(words.join(" ").rsplit(['/', '\\']).next().unwrap_or_default());
        let extension =
            Path::new(&last).extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let known = EXTENSIONS.contains(&extension.as_str()) || extension == "xml";
        if known { stem(Path::new(&last)) } else { last }
    };
    Ok(text.lines().map(name).filter(|name| !name.is_empty()).collect())
}

/// Adds a flaw for the names of the lists that have no annotation.
pub(in crate::data) fn unmet(given: &mut Given, met: &HashSet<String>) {
    let mut absent: Vec<&String> = given.parts.keys().filter(|name| !met.contains(*name)).collect();
    absent.sort();
    if let Some(first) = absent.first() {
        let (expected, count) =
            (format!("the annotation of {first}, which a list names"), absent.len());
        given.unfound(Place::from(&given.place), expected, count);
    }
}

/// The key of a film in a [`Given`] of [`of_yaml`]: its path below `root`.
pub(in crate::data) fn key(root: &Path, film: &Path) -> String {
    composed(&super::split_file::relative(film, root))
}

/// The parts that a `data.yaml` in `root` gives `films`: `train:`, `val:` and `test:`, each a folder, a list of films, or
/// several of these, below `path:` or beside the file. Paths of another machine are sought by their ends.
pub(in crate::data) fn of_yaml(
    root: &Path,
    file: &Path,
    document: &Yaml,
    films: &[PathBuf],
) -> Result<Given> {
    let films: HashSet<String> = films.iter().map(|film| key(root, film)).collect();
    let mut given = Given::new(file.to_owned());
    let Yaml::Hash(keys) = document else { return Ok(given) };
    let base = document["path"].as_str().map(parts_of).unwrap_or_default();
    let mut parts: Vec<(Part, &str, &Yaml)> = keys
        .iter()
        .filter_map(|(key, value)| Some((Part::named(key.as_str()?)?, key.as_str()?, value)))
        .collect();
    parts.sort_by_key(|(part, ..)| *part as u8);
    for (part, key, value) in parts {
        let values: Vec<&Yaml> = match value {
            Yaml::Array(several) => several.iter().collect(),
            one => vec![one],
        };
        for value in values {
            let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            let place = Place::from(file).item(key);
            match found(root, &base, &parts_of(text)) {
                Some(inside) if root.join(&inside).is_dir() => {
                    let below = format!("{inside}/");
                    let of_folder =
                        films.iter().filter(|film| inside.is_empty() || film.starts_with(&below));
                    let mut of_folder: Vec<String> = of_folder.cloned().collect();
                    of_folder.sort();
                    if of_folder.is_empty() {
                        given.unfound(place, format!("films in {inside}"), 1);
                    }
                    given.add(part, of_folder);
                }
                Some(list) => {
                    let lines = text::read(&root.join(&list), "see that the list may be read")?;
                    let folder = parts_of(&list);
                    let near = &folder[..folder.len() - 1];
                    let (mut listed, mut absent) = (Vec::new(), Vec::new());
                    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
                        match film(&films, &[near, &base], &parts_of(line)) {
                            Some(film) => listed.push(film),
                            None => absent.push(line),
                        }
                    }
                    if let Some(first) = absent.first() {
                        let place = Place::from(root.join(&list).as_path());
                        given.unfound(place, format!("the film {first}"), absent.len());
                    }
                    given.add(part, listed);
                }
                None => given.unfound(place, format!("the folder or list {text}"), 1),
            }
        }
    }
    Ok(given)
}

/// A path's names, in either system's notation, without what leads elsewhere (`/`, `C:`, `.`, `..`).
fn parts_of(path: &str) -> Vec<String> {
    let path = PathBuf::from(path.trim().replace('\\', "/"));
    let normal = |part: Component<'_>| match part {
        Component::Normal(name) => Some(composed(&name.to_string_lossy())),
        _ => None,
    };
    path.components().filter_map(normal).filter(|name| !name.ends_with(':')).collect()
}

/// The path below `root` that there is of this path below `base`: as it is said, else by as much of its end as
/// is there.
fn found(root: &Path, base: &[String], path: &[String]) -> Option<String> {
    let whole = [base, path].concat();
    let ends =
        |parts: &[String]| (0..parts.len()).map(|from| parts[from..].join("/")).collect::<Vec<_>>();
    let there = |path: &String| root.join(path).exists();
    if path.is_empty() && base.is_empty() {
        return Some(String::new());
    }
    ends(&whole).into_iter().chain(ends(path)).find(there)
}

/// The film that a line of a list means: below one of these folders, else by as much of its end as is a film's path.
fn film(films: &HashSet<String>, bases: &[&[String]], path: &[String]) -> Option<String> {
    let below = bases.iter().map(|base| [base, path].concat().join("/"));
    let ends = (0..path.len()).map(|from| path[from..].join("/"));
    below.chain(ends).find(|path| films.contains(path))
}

/// The part that the nearest folder above a file names, of those below `root`.
pub(in crate::data) fn of_folders(root: &Path, file: &Path) -> Option<Part> {
    let inside = file.strip_prefix(root).ok()?.parent()?;
    let mut names = inside.ancestors().map(file_name);
    names.find_map(|name| Part::of_folder(&name))
}

/// Takes out films that lie in no part where others lie in one to learn from, as a folder `holdout` beside `train` and `test`;
/// says so.
pub(in crate::data) fn outside_parts(source: &Source, rows: &mut Vec<Row>) -> Option<Flaw> {
    let given = source.split == Split::Given && source.splits.is_none();
    if !given || !rows.iter().any(|row| row.part == Some(Part::Train)) {
        return None;
    }
    let outside: Vec<PathBuf> =
        rows.iter().filter(|row| row.part.is_none()).map(|row| row.sample.path.clone()).collect();
    rows.retain(|row| row.part.is_some());
    Given::new(source.films()).outside(&outside)
}

/// Gives films of which a table says no part that of the folder that they lie in, where these divide them.
pub(in crate::data) fn by_folders(source: &Source, rows: &mut [Row]) {
    let silent = rows.iter().all(|row| row.part.is_none());
    if !silent || source.split == Split::Patient || source.splits.is_some() {
        return;
    }
    let films = source.films();
    let parts: Vec<Option<Part>> =
        rows.iter().map(|row| of_folders(&films, &row.sample.path)).collect();
    let whole = parts.iter().all(Option::is_some);
    let train = parts.iter().filter(|part| **part == Some(Part::Train)).count();
    if whole && train > 0 && train < parts.len() {
        rows.iter_mut().zip(parts).for_each(|(row, part)| row.part = part);
    }
}
