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
            listing::{Flaw, Listing, Part, Row},
            patient_names::without_channel,
            split_file::relative,
        },
        walk::{composed, file_name, films_below, list, on_disk, stem},
    },
};

/// Folder of films, and the letters that `*` stands for in its path and in those of its masks.
struct Folder {
    path: PathBuf,
    star: String,
}

/// A film to which a mask is sought.
struct MaskedFilm {
    path: PathBuf,
    star: String,
    /// Path of the film below its folder, without extension.
    inside: String,
}

/// Reads the films and masks of a [`crate::data::Format::Masks`] source.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let films = films(source)?;
    let mut names: HashMap<String, usize> = HashMap::new();
    films.iter().for_each(|film| *names.entry(stem(&film.path)).or_default() += 1);
    let (mut rows, mut unlabelled, mut flaws) = (Vec::new(), 0, Vec::new());
    let mut used = HashSet::new();
    for film in films {
        let place = Place::from(&film.path);
        match masks(source, &film, &names) {
            Ok(masks) => {
                used.extend(masks.iter().cloned());
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
                    format!("its mask {}", filled(pattern, &film.star, &film.inside)),
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
    if !source.partial {
        check_orphans(source, &names, &used, &mut flaws)?;
    }
    Ok(Listing { labels: source.mask_labels(), rows, missing: 0, unlabelled, flaws })
}

/// The films, without the masks that lie among them.
fn films(source: &Source) -> Result<Vec<MaskedFilm>> {
    let folders = folders(source)?;
    let of_masks: HashSet<PathBuf> =
        folders.iter().flat_map(|folder| mask_folders(source, &folder.star)).collect();
    let mut films = Vec::new();
    for Folder { path: folder, star } in folders {
        // With `*` and `*_masks` the folder `train_masks` fits the first too.
        if of_masks.contains(&folder) && !star.is_empty() {
            continue;
        }
        for path in films_below(&folder)? {
            let beside = path.ancestors().skip(1).take_while(|above| **above != *folder);
            if beside.into_iter().any(|above| of_masks.contains(above)) {
                continue;
            }
            let inside = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
            let inside = relative(&inside, Path::new(""));
            films.push(MaskedFilm { path, star: star.clone(), inside });
        }
    }
    Ok(films)
}

/// Folder that fits the part of `images` that has a `*`: the letters that the star stands for there, and where its
/// films should lie.
struct Fitting {
    folder: PathBuf,
    star: String,
    films: PathBuf,
}

/// Folders that fit a `*` in `images`; none where there is no star.
fn fitting(source: &Source) -> Result<Option<Vec<Fitting>>> {
    let parts: Vec<String> = source
        .images
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let Some(at) = parts.iter().position(|part| part.contains('*')) else { return Ok(None) };
    let (before, after) = parts[at].split_once('*').expect("it has a star");
    let fit = |folder: PathBuf| {
        let name = file_name(&folder);
        let star = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after))?.to_owned();
        let films = parts[at + 1..].iter().fold(folder.clone(), |path, part| path.join(part));
        Some(Fitting { folder, star, films })
    };
    Ok(Some(list(&source.films())?.0.into_iter().filter_map(fit).collect()))
}

/// The folders that `images` means: one, or with a `*` in it all that fit.
fn folders(source: &Source) -> Result<Vec<Folder>> {
    let Some(fitting) = fitting(source)? else {
        return Ok(vec![Folder { path: source.films(), star: String::new() }]);
    };
    let there = fitting.into_iter().filter(|fit| fit.films.is_dir());
    Ok(there.map(|fit| Folder { path: fit.films, star: fit.star }).collect())
}

/// Kind of flaw where films lie in a folder but not in the one within it that `images` names.
pub(in crate::data) const UNREAD_PART: &str = "part not read";

/// Flaws of folders that are called as a part and hold films elsewhere than `images` says.
fn unread_parts(source: &Source) -> Result<Vec<Flaw>> {
    let mut flaws = Vec::new();
    for Fitting { folder, star, films: wanted } in fitting(source)?.unwrap_or_default() {
        if Part::named(&star).is_none() || wanted.is_dir() {
            continue;
        }
        let masks = mask_folders(source, &star);
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

/// A pattern of masks with its `*` and its `{}`.
fn filled(pattern: &str, star: &str, name: &str) -> String {
    pattern.replace('*', star).replace("{}", name)
}

/// The folders of the masks of films in a folder of this `*`.
fn mask_folders(source: &Source, star: &str) -> Vec<PathBuf> {
    let patterns = source.masks.iter().flat_map(|pattern| pattern.split('|'));
    let parents = patterns.filter_map(|one| {
        Path::new(&filled(one.trim(), star, "{}")).parent().map(|parent| source.root.join(parent))
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
            ones().map(move |one| source.root.join(filled(one, &film.star, name)))
        });
        paths.find_map(on_disk).ok_or(pattern.as_str())
    };
    source.masks.iter().map(file).collect()
}

/// The part that the folder of a film names: by its `*` (`train`, nnU-Net's `Tr`), or on the way from the root.
fn part(source: &Source, film: &MaskedFilm) -> Option<Part> {
    let star = film.star.trim_matches(['_', '-', ' ']);
    let of_star = match star {
        "Tr" => Some(Part::Train),
        "Va" => Some(Part::Val),
        "Ts" => Some(Part::Test),
        name => Part::named(name),
    };
    let below = || {
        let folders = film.path.strip_prefix(source.films()).ok()?.parent()?;
        folders.components().find_map(|part| Part::named(&part.as_os_str().to_string_lossy()))
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
    let stars: Vec<String> = folders(source)?.into_iter().map(|folder| folder.star).collect();
    let mut places: Vec<(PathBuf, &String)> = stars
        .iter()
        .flat_map(|star| mask_folders(source, star).into_iter().map(move |folder| (folder, star)))
        .collect();
    places.sort();
    places.dedup();
    for (folder, star) in places {
        // The films themselves may lie beside their masks.
        if folder == source.films() {
            continue;
        }
        for mask in list(&folder)?.1.into_iter().filter(|mask| !used.contains(mask)) {
            let patterns =
                source.masks.iter().flat_map(|pattern| pattern.split('|').map(str::trim));
            let film =
                |one: &str| stem_by(&folder, &source.root.join(one.replace('*', star)), &mask);
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
