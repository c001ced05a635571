//! Recognition of films in one folder and masks in another.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Annotation, Format, Part, RecognisedSet, Result, Sample, Source, Unread, below, beside, nnunet,
    source,
};
use crate::data::{
    Fit, MaskValues,
    dataset::patient_names::without_channel,
    film::{
        fit::FittedFilm,
        mask::{held_values, mask},
    },
    walk::{composed, file_name, films_below, holds_masks, list, stem},
};

/// Films that are looked at to tell how masks are named.
const FILMS: usize = 100;
/// Number of masks that are read to tell which values they hold.
const MASKS_READ: usize = 20;
/// Pixels at which masks are looked at.
const LOOKED_AT: [usize; 2] = [32, 32];
/// The largest value that is dark in a mask of 255 on 0.
const DARK: u16 = 127;

/// A folder that is called as one of masks, and the one folder of films beside it, if all films lie there.
pub(super) fn apart(folder: &Path) -> Option<(PathBuf, Option<PathBuf>)> {
    let (inside, loose) = list(folder).ok()?;
    let filled = |folder: &PathBuf| !films_below(folder).unwrap_or_default().is_empty();
    let (mut masks, mut films): (Vec<PathBuf>, Vec<PathBuf>) =
        inside.into_iter().filter(filled).partition(|inner| holds_masks(&file_name(inner)));
    let only = films.len() == 1 && loose.is_empty();
    (!masks.is_empty()).then(|| (masks.remove(0), only.then(|| films.remove(0))))
}

/// Films and masks: side by side in the folder, in each folder of its parts or of its classes; nnU-Net's `imagesTr` and
/// `labelsTr`; `train` and `train_masks`; masks beside their films.
pub(super) fn masks(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    let inside = list(folder)?.0;
    let mut pairs = Vec::new();
    for (top, star) in tops(folder, &inside) {
        pairs.extend(pairs_in(&top, star)?);
    }
    if pairs.is_empty() {
        pairs.extend(beside::repeated(folder)?);
    }
    let mut why = None;
    for Pair { films, masks, star } in pairs {
        let Some(pattern) = pattern(&films, &masks) else {
            let [films, masks] =
                [&films, &masks].map(|path| below(folder, path).display().to_string());
            why.get_or_insert(format!("masks in {masks}: none is called as a film in {films}"));
            continue;
        };
        let mut source = source(folder, Format::Masks);
        let starred = |path: &Path| star.within(folder, path);
        source.images = starred(&films).into();
        source.masks = vec![format!("{}/{pattern}", starred(&masks))];
        source.partial = true;
        let mut what =
            format!("films in {} and masks in {}", source.images.display(), starred(&masks));
        if star == Star::Both {
            what = format!("nnU-Net's folders, {what}");
        }
        if let Some(several) = nnunet::channels(folder, &films) {
            unread.push(format!("{what}: {several}"));
            return Ok(None);
        }
        let (said, labels) = nnunet::labels(folder, &mut source);
        what += &said;
        what += &meaning(&mut source, &labels);
        return Ok(Some(RecognisedSet { source, what }));
    }
    if let Some(found) = beside::beside(folder)? {
        return Ok(Some(found));
    }
    unread.extend(why);
    unread.extend(nnunet::unreadable(folder, &inside));
    Ok(None)
}

/// A folder of films and one of masks.
pub(super) struct Pair {
    pub films: PathBuf,
    pub masks: PathBuf,
    pub star: Star,
}

/// Part of the paths of films and masks that a `*` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Star {
    /// Nothing: the paths are as they are.
    None,
    /// The first two folders, which name a part and a class: `train/sick/films`.
    Twice,
    /// The first folder, which names a part: `train/films`.
    Top,
    /// The end of both: `imagesTr`, `labelsTr`.
    Both,
    /// The beginning: `train`, `train_masks`.
    Start,
}

impl Star {
    /// A path below `folder` with the star in it.
    fn within(self, folder: &Path, path: &Path) -> String {
        let inside = below(folder, path);
        let names: Vec<String> = inside
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let first = names.first().map_or("", String::as_str);
        let starred = match self {
            Self::Twice => 2,
            _ => 1,
        };
        let first = match self {
            Self::None => first.to_owned(),
            Self::Twice => "*/*".into(),
            Self::Top => "*".into(),
            Self::Both => format!("{}*", first.strip_suffix("Tr").unwrap_or(first)),
            Self::Start => format!("*{}", &first[part_of(first).len()..]),
        };
        std::iter::once(first).chain(names.into_iter().skip(starred)).collect::<Vec<_>>().join("/")
    }
}

/// The name of a part with which a name begins.
fn part_of(name: &str) -> &str {
    let end = name.find(|c: char| !c.is_alphabetic()).unwrap_or(name.len());
    &name[..end]
}

/// Folders in which films and masks may lie side by side: the folder, and its part to learn from.
fn tops(folder: &Path, inside: &[PathBuf]) -> Vec<(PathBuf, Star)> {
    let train = inside.iter().find(|inner| Part::of_folder(&file_name(inner)) == Some(Part::Train));
    let of_part = train.map(|train| (train.clone(), Star::Top));
    std::iter::once((folder.to_path_buf(), Star::None)).chain(of_part).collect()
}

/// The folders of films and masks that lie side by side in `top`.
pub(super) fn pairs_in(top: &Path, star: Star) -> Result<Vec<Pair>> {
    let inside = list(top)?.0;
    let filled = |folder: &&PathBuf| !films_below(folder).unwrap_or_default().is_empty();
    let (masks, films): (Vec<&PathBuf>, Vec<&PathBuf>) =
        inside.iter().filter(filled).partition(|inner| holds_masks(&file_name(inner)));
    let mut pairs = Vec::new();
    for masks in masks {
        let name = file_name(masks);
        for films in &films {
            let other = file_name(films);
            let both = |end: &str| name.ends_with(end) && other.ends_with(end);
            // The films of nnU-Net's test part have masks in `labelsTs`, if any.
            if ["Tr", "Ts"].iter().any(|end| name.ends_with(end) != other.ends_with(end))
                || both("Ts")
            {
                continue;
            }
            let tested = || {
                let ts = |path: &Path, name: &str| {
                    path.with_file_name(format!("{}Ts", &name[..name.len() - 2]))
                };
                ts(masks, &name).is_dir() && ts(films, &other).is_dir()
            };
            let of_part = Part::named(&other) == Some(Part::Train) && part_of(&name) == other;
            let star = match star {
                Star::None if both("Tr") && tested() => Star::Both,
                Star::None if of_part => Star::Start,
                star => star,
            };
            if star == Star::None && Part::named(&other).is_some() {
                continue;
            }
            pairs.push(Pair { films: (*films).clone(), masks: masks.clone(), star });
        }
    }
    // Folders that are called as those of films come first.
    let called =
        |pair: &Pair| !file_name(&pair.films).to_lowercase().starts_with(['i', 'f', 't', 'c']);
    pairs.sort_by_key(called);
    Ok(pairs)
}

/// How most masks are named, by the names of their films: `{}_mask.png`.
pub(super) fn pattern(films: &Path, masks: &Path) -> Option<String> {
    let masks = films_below(masks).ok()?;
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for film in films_below(films).ok()?.iter().take(FILMS) {
        let own = composed(&stem(film));
        let names = [Some(own.as_str()), without_channel(&own)];
        let named = names.into_iter().flatten().find_map(|name| {
            let of_film = |mask: &&PathBuf| composed(&stem(mask)).contains(name);
            let mask = masks.iter().filter(of_film).min_by_key(|mask| stem(mask).len())?;
            Some(composed(&file_name(mask)).replacen(name, "{}", 1))
        });
        named.into_iter().for_each(|pattern| *votes.entry(pattern).or_default() += 1);
    }
    votes.into_iter().max_by_key(|(_, count)| *count).map(|(pattern, _)| pattern)
}

/// What is said of a source of masks once it is told: which values are foreground, and what of the masks cannot be meant.
pub(super) fn meaning(source: &mut Source, labels: &[u16]) -> String {
    let Ok((dataset, _)) = source.survey() else { return String::new() };
    let films: Vec<&Sample> =
        dataset.train.iter().chain(&dataset.val).chain(&dataset.test).collect();
    let step = films.len().div_ceil(MASKS_READ).max(1);
    let some: Vec<&Sample> = films.into_iter().step_by(step).collect();
    let mut said = values(source, &some, labels);
    let read = |film: &&Sample| {
        let film = match (&film.target, &source.values) {
            (Annotation::Mask { files, .. }, Some(values)) => {
                let target =
                    Annotation::Mask { files: files.clone(), values: Some(values.clone()) };
                Sample { target, ..(*film).clone() }
            }
            _ => (*film).clone(),
        };
        let size = FittedFilm::read(&film, Fit::Stretch, LOOKED_AT)?.size;
        // At its own size, at which no small finding is lost.
        mask(&film.target, size)
    };
    let looked: Vec<_> = some.iter().map(read).collect();
    if let Some(problem) = looked.iter().find_map(|film| film.as_ref().err()) {
        said += &format!("; a mask cannot be used: {problem}");
        return said;
    }
    let of =
        |value: u8| looked.iter().flatten().filter(|mask| mask.iter().all(|v| *v == value)).count();
    // One may be of a film without the finding; all of them are something else.
    for (count, what) in [(of(1), "foreground all over"), (of(0), "without any foreground")] {
        if count > 0 && 2 * count > looked.len() {
            said += &format!("; {count} of {} masks that were looked at are {what}", looked.len());
        }
    }
    said
}

/// Says which values of the masks are foreground where they are not 255 on 0: those of nnU-Net's labels, or the only one that
/// is not 0.
fn values(source: &mut Source, films: &[&Sample], labels: &[u16]) -> String {
    let mut held = BTreeSet::new();
    for film in films {
        let Annotation::Mask { files, .. } = &film.target else { continue };
        for file in files {
            let Some(values) = held_values(file) else { return String::new() };
            held.extend(values);
        }
    }
    held.remove(&0);
    let foreground: Vec<u16> = match held.iter().collect::<Vec<_>>()[..] {
        _ if held.iter().any(|value| *value > DARK) || held.is_empty() => return String::new(),
        _ if held.iter().all(|value| labels.contains(value)) => labels.to_vec(),
        [only] => vec![*only],
        _ => return String::new(),
    };
    let listed: Vec<String> = foreground.iter().map(u16::to_string).collect();
    source.values = Some(MaskValues::new(foreground));
    format!("; {} is foreground in them", listed.join(" or "))
}
