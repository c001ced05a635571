//! Reader of films and their masks in image files.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;

use crate::{
    Error, Result,
    data::{
        Annotation, Sample, Source,
        dataset::{
            given::outside_parts,
            listing::{Flaw, Listing, Part, Row},
            patient_names::without_channel,
            split_file::relative,
        },
        walk::{composed, file_name, films_below, list, on_disk, stem},
    },
};

/// A folder of films, and what each `*` stands for in its path and in those of its masks.
struct Folder {
    path: PathBuf,
    stars: Vec<String>,
}

/// A film to which a mask is sought.
struct MaskedFilm {
    path: PathBuf,
    stars: Vec<String>,
    /// The path below its folder, without extension.
    inside: String,
}

/// Reads the films and masks of a [`crate::data::Format::Masks`] source.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let films = films(source)?;
    let mut names: HashMap<String, usize> = HashMap::new();
    films.iter().for_each(|film| *names.entry(stem(&film.path)).or_default() += 1);
    let (mut rows, mut unlabelled, mut flaws) = (Vec::new(), 0, Vec::new());
    let found: Vec<_> = films.iter().map(|film| masks(source, film, &names)).collect();
    let used: HashSet<PathBuf> = found.iter().flatten().flatten().cloned().collect();
    // The mask of a film beside it is none.
    let films = films.into_iter().zip(found).filter(|(film, _)| !used.contains(&film.path));
    for (film, found) in films {
        let place = Place::from(&film.path);
        match found {
            Ok(masks) => {
                let part = part(source, &film);
                let sample = Sample {
                    path: film.path,
                    patient: String::new(),
                    target: Annotation::Mask { files: masks, values: source.values.clone() },
                };
                rows.push(Row { sample, part, place });
            }
            Err(_) if source.partial => unlabelled += 1,
            Err(pattern) => {
                let error = Error::data(
                    place,
                    format!("its mask {}", filled(pattern, &film.stars, &film.inside)),
                    "no such file",
                    "add the mask, or set partial = true to leave out films without one",
                );
                flaws.push(Flaw::new("missing mask", error));
            }
        }
    }
    flaws.extend(unread_parts(source)?);
    // A lone `test` is no division.
    if !rows.iter().any(|row| matches!(row.part, None | Some(Part::Train))) {
        rows.iter_mut().for_each(|row| row.part = None);
    }
    flaws.extend(outside_parts(source, &mut rows));
    if !source.partial {
        check_orphans(source, &names, &used, &mut flaws)?;
    }
    Ok(Listing { labels: source.mask_labels(), rows, missing: 0, unlabelled, flaws })
}

/// The films, without the masks that lie among them.
fn films(source: &Source) -> Result<Vec<MaskedFilm>> {
    let folders = folders(source)?;
    let of_masks: HashSet<PathBuf> =
        folders.iter().flat_map(|folder| mask_folders(source, &folder.stars)).collect();
    let mut films = Vec::new();
    for Folder { path: folder, stars } in folders {
        // With `*` and `*_masks` the folder `train_masks` fits the first too.
        if of_masks.contains(&folder) && !stars.is_empty() {
            continue;
        }
        for path in films_below(&folder)? {
            let beside = path.ancestors().skip(1).take_while(|above| **above != *folder);
            if beside.into_iter().any(|above| of_masks.contains(above)) {
                continue;
            }
            let inside = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
            let inside = relative(&inside, Path::new(""));
            films.push(MaskedFilm { path, stars: stars.clone(), inside });
        }
    }
    Ok(films)
}

/// The names in `images`, each of which may have a `*`.
fn steps(source: &Source) -> Vec<String> {
    let names = source.images.components();
    names.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}

/// What `*` stands for in `pattern` to make it `name`.
fn star(pattern: &str, name: &str) -> Option<String> {
    let (before, after) = pattern.split_once('*')?;
    Some(name.strip_prefix(before)?.strip_suffix(after)?.to_owned())
}

/// The folders that `images` means: one, or with `*` in it all that fit.
fn folders(source: &Source) -> Result<Vec<Folder>> {
    let mut found = vec![Folder { path: source.root.clone(), stars: Vec::new() }];
    for step in steps(source) {
        let mut next = Vec::new();
        for Folder { path, stars } in found {
            if !step.contains('*') {
                next.push(Folder { path: path.join(&step), stars });
                continue;
            }
            let inside = list(&path).map(|(folders, _)| folders).unwrap_or_default();
            for folder in inside {
                if let Some(star) = star(&step, &file_name(&folder)) {
                    let stars = [&stars[..], &[star]].concat();
                    next.push(Folder { path: folder, stars });
                }
            }
        }
        found = next;
    }
    found.retain(|folder| folder.stars.is_empty() || folder.path.is_dir());
    Ok(found)
}

/// Kind of flaw where films lie in a folder but not in the one within it that `images` names.
pub(in crate::data) const UNREAD_PART: &str = "part not read";

/// Flaws of folders that are called as a part and hold films elsewhere than `images` says.
fn unread_parts(source: &Source) -> Result<Vec<Flaw>> {
    let mut flaws = Vec::new();
    let steps = steps(source);
    let Some(at) = steps.iter().position(|step| step.contains('*')) else { return Ok(flaws) };
    let read = folders(source)?;
    for folder in list(&source.films())?.0 {
        let part = star(&steps[at], &file_name(&folder)).filter(|s| Part::of_folder(s).is_some());
        let Some(part) = part else { continue };
        let wanted = steps[at + 1..].iter().fold(folder.clone(), |path, step| path.join(step));
        if read.iter().any(|read| read.path.starts_with(&folder)) {
            continue;
        }
        let masks = mask_folders(source, &[part]);
        let is_mask = |film: &PathBuf| masks.iter().any(|masks| film.starts_with(masks));
        // What is not read may be of any kind, and stops nothing.
        let films = films_below(&folder).unwrap_or_default();
        let films = films.iter().filter(|film| !is_mask(film)).count();
        if films > 0 {
            let error = Error::data(
                &folder,
                format!("its films in {}", wanted.display()),
                format!("no such folder, and {films} images elsewhere in it, which are not read"),
                "call its folders as those of the other parts are called",
            );
            flaws.push(Flaw::warning(UNREAD_PART, error));
        }
    }
    Ok(flaws)
}

/// A pattern of masks with each `*` as that of the films, the last for all that are more, and its `{}`.
fn filled(pattern: &str, stars: &[String], name: &str) -> String {
    let mut pieces = pattern.split('*');
    let mut path = pieces.next().unwrap_or_default().to_owned();
    for (at, piece) in pieces.enumerate() {
        path += stars.get(at).or(stars.last()).map_or("", String::as_str);
        path += piece;
    }
    path.replace("{}", name)
}

/// The folders of the masks of films in a folder of these `*`.
fn mask_folders(source: &Source, stars: &[String]) -> Vec<PathBuf> {
    let patterns = source.masks.iter().flat_map(|pattern| pattern.split('|'));
    let parents = patterns.filter_map(|one| {
        Path::new(&filled(one.trim(), stars, "{}")).parent().map(|parent| source.root.join(parent))
    });
    parents.filter(|folder| folder.is_dir()).collect()
}

/// Masks of a film, one file for each pattern, or the pattern for which there is none. A film `a/1` has the mask `a/1`,
/// or `1` where only one film is called so, without nnU-Net's channel where no film is called as what is left.
fn masks<'a>(
    source: &'a Source,
    film: &MaskedFilm,
    films: &HashMap<String, usize>,
) -> Result<Vec<PathBuf>, &'a str> {
    let own = stem(&film.path);
    let mut names = vec![film.inside.clone()];
    if films.get(&own) == Some(&1) {
        names.push(own);
    }
    let cases: Vec<String> = names
        .iter()
        .filter_map(|name| without_channel(name))
        .filter(|case| !films.contains_key(&file_name(Path::new(case))))
        .map(str::to_owned)
        .collect();
    names.extend(cases);
    let file = |pattern: &'a String| {
        let ones = || pattern.split('|').map(str::trim);
        let mut paths = names.iter().flat_map(|name| {
            ones().map(move |one| source.root.join(filled(one, &film.stars, name)))
        });
        paths.find_map(on_disk).ok_or(pattern.as_str())
    };
    source.masks.iter().map(file).collect()
}

/// The part that the folder of a film names: by its `*` (`train`, nnU-Net's `Tr`), or on the way from the root.
fn part(source: &Source, film: &MaskedFilm) -> Option<Part> {
    let of_star = film.stars.iter().find_map(|star| match star.trim_matches(['_', '-', ' ']) {
        "Tr" => Some(Part::Train),
        "Va" => Some(Part::Val),
        "Ts" => Some(Part::Test),
        name => Part::of_folder(name),
    });
    let below = || {
        let folders = film.path.strip_prefix(source.films()).ok()?.parent()?;
        folders.components().find_map(|part| Part::of_folder(&part.as_os_str().to_string_lossy()))
    };
    of_star.or_else(below)
}

/// Refuses a mask without its film.
fn check_orphans(
    source: &Source,
    films: &HashMap<String, usize>,
    used: &HashSet<PathBuf>,
    flaws: &mut Vec<Flaw>,
) -> Result<()> {
    let stars: Vec<Vec<String>> = folders(source)?.into_iter().map(|folder| folder.stars).collect();
    let mut places: Vec<(PathBuf, &Vec<String>)> = stars
        .iter()
        .flat_map(|stars| {
            mask_folders(source, stars).into_iter().map(move |folder| (folder, stars))
        })
        .collect();
    places.sort();
    places.dedup();
    for (folder, stars) in places {
        // The films themselves may lie beside their masks.
        if folder == source.films() {
            continue;
        }
        for mask in list(&folder)?.1.into_iter().filter(|mask| !used.contains(mask)) {
            let patterns =
                source.masks.iter().flat_map(|pattern| pattern.split('|').map(str::trim));
            let film =
                |one: &str| stem_by(&folder, &source.root.join(filled(one, stars, "{}")), &mask);
            let mut could_be = patterns.filter_map(film).peekable();
            if could_be.peek().is_some() && !could_be.any(|film| films.contains_key(&film)) {
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

/// The stem that gives `mask` in place of `{}` of `pattern`.
fn stem_by(folder: &Path, pattern: &Path, mask: &Path) -> Option<String> {
    let wanted = composed(&file_name(pattern));
    let (before, after) = wanted.split_once("{}").filter(|_| pattern.parent() == Some(folder))?;
    let name = composed(&file_name(mask));
    name.strip_prefix(before)?.strip_suffix(after).map(str::to_string)
}
