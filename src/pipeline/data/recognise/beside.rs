//! Masks that lie beside their films, and folders of films and masks that are the same in each class.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    Format, Part, RecognisedSet, Result, annotated,
    classes::are_classes,
    is_set,
    masks::{Pair, Star, meaning, pairs_in, pattern},
    source,
};
use crate::data::walk::{composed, file_name, films_below, list, masked, stem};

/// Share of the films, one in so many, that must have a mask beside them to be films with masks.
const ONE_IN: usize = 10;

/// Folders of films and of masks in each of several folders of classes (`sick/images`, `sick/masks`), or so in each folder of
/// the parts.
pub(super) fn repeated(folder: &Path) -> Result<Vec<Pair>> {
    let folders = |of: &[PathBuf]| -> Result<Vec<PathBuf>> {
        let inside = of.iter().map(|one| Ok(list(one)?.0)).collect::<Result<Vec<_>>>()?;
        Ok(inside.into_iter().flatten().collect())
    };
    let names = |of: &[PathBuf]| of.iter().map(|one| file_name(one)).collect::<Vec<_>>();
    let train =
        |of: &[PathBuf]| of.iter().any(|one| Part::of_folder(&file_name(one)) == Some(Part::Train));
    let first = list(folder)?.0;
    let second = folders(&first)?;
    for (tops, star, fits) in [
        (&first, Star::Top, are_classes(&names(&first))),
        (&second, Star::Twice, train(&first) || train(&second)),
    ] {
        if !fits {
            continue;
        }
        let mut found = Vec::new();
        for top in tops {
            let pairs = pairs_in(top, Star::None)?.into_iter();
            found.extend(pairs.filter(|pair| pattern(&pair.films, &pair.masks).is_some()));
        }
        // Where one of them is something else, they are sets rather than classes of one.
        let all: HashSet<_> = found.iter().filter_map(|pair| pair.films.parent()).collect();
        let filled = |top: &&PathBuf| !films_below(top).unwrap_or_default().is_empty();
        if all.len() > 1 && all.len() == tops.iter().filter(filled).count() {
            let starred = |pair: Pair| Pair { star, ..pair };
            return Ok(found.into_iter().map(starred).collect());
        }
    }
    Ok(Vec::new())
}

/// Films in any folders, with the masks of many of them beside them: `f0.png` and `f0_mask.png`.
pub(super) fn beside(folder: &Path) -> Result<Option<RecognisedSet>> {
    let all = films_below(folder)?;
    let name = |film: &PathBuf| (film.parent().unwrap_or(folder).to_owned(), composed(&stem(film)));
    let names: HashSet<(PathBuf, String)> = all.iter().map(name).collect();
    let mut patterns: BTreeMap<String, usize> = BTreeMap::new();
    for film in &all {
        let (place, own) = name(film);
        let is_film = |name: &str| names.contains(&(place.clone(), name.to_owned()));
        if let Some(of) = masked(&own, is_film) {
            let pattern = composed(&file_name(film)).replacen(of, "{}", 1);
            *patterns.entry(pattern).or_default() += 1;
        }
    }
    let masks: usize = patterns.values().sum();
    let Some((pattern, count)) = patterns.iter().max_by_key(|(_, count)| **count) else {
        return Ok(None);
    };
    // Sets that lie side by side are read one by one.
    let several = || {
        let folders = list(folder).map(|(folders, _)| folders).unwrap_or_default();
        folders.iter().any(|inner| is_set(inner) || annotated::has_any(inner))
    };
    if *count < 2 || *count * ONE_IN < all.len() - masks || several() {
        return Ok(None);
    }
    let mut source = source(folder, Format::Masks);
    source.masks = vec![pattern.clone()];
    source.partial = true;
    let mut what = format!("films and their masks beside them, {}", pattern.replace("{}", "*"));
    let others: Vec<String> = patterns
        .iter()
        .filter(|(other, _)| *other != pattern)
        .map(|(other, count)| format!("{count} {}", other.replace("{}", "*")))
        .collect();
    if !others.is_empty() {
        what += &format!("; not read are {}: add their patterns to masks", others.join(", "));
    }
    what += &meaning(&mut source, &[]);
    Ok(Some(RecognisedSet { source, what }))
}
