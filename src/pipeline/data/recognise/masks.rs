//! Recognition of films in one folder and masks in another.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{Class, Format, Part, RecognisedSet, Result, Source, Unread, below, source};
use crate::data::{
    Fit, MaskValues,
    dataset::patient_names::without_channel,
    film::{fit::FittedFilm, mask::held_values},
    formats::text,
    walk::{composed, file_name, films_below, list, stem},
};

/// Words in the names of folders that hold masks.
const MASKS: [&str; 6] =
    ["mask", "label", "annotation", "segmentation", "groundtruth", "ground_truth"];
/// Whole names of folders that hold masks.
const CALLED: [&str; 5] = ["gt", "seg", "segs", "manual", "targets"];
/// Number of films that are looked at to tell how masks are named.
const FILMS: usize = 100;
/// Number of masks that are read to tell which values they hold.
const MASKS_READ: usize = 20;
/// The largest value that is dark in a mask of 255 on 0.
const DARK: u16 = 127;

/// Whether a folder is called as one of masks.
fn of_masks(name: &str) -> bool {
    let name = name.to_lowercase();
    let bare = name.strip_suffix("tr").or_else(|| name.strip_suffix("ts")).unwrap_or(&name);
    let called = [name.as_str(), bare].into_iter().any(|name| CALLED.contains(&name));
    called || MASKS.iter().any(|word| name.contains(word))
}

/// A folder that is called as one of masks, and the one folder of films beside it, if all films lie there.
pub(super) fn beside(folder: &Path) -> Option<(PathBuf, Option<PathBuf>)> {
    let (inside, loose) = list(folder).ok()?;
    let filled = |folder: &PathBuf| !films_below(folder).unwrap_or_default().is_empty();
    let (mut masks, mut films): (Vec<PathBuf>, Vec<PathBuf>) =
        inside.into_iter().filter(filled).partition(|inner| of_masks(&file_name(inner)));
    let only = films.len() == 1 && loose.is_empty();
    (!masks.is_empty()).then(|| (masks.remove(0), only.then(|| films.remove(0))))
}

/// Recognises films and masks, side by side in the folder or in each folder of its parts; nnU-Net's `imagesTr` and
/// `labelsTr`; `train` and `train_masks`.
pub(super) fn masks(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    let inside = list(folder)?.0;
    let mut pairs = Vec::new();
    for (top, star) in tops(folder, &inside) {
        pairs.extend(pairs_in(&top, star)?);
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
        let (said, labels) = nnunet(folder, &mut source);
        what += &said;
        what += &values(&mut source, &masks, &labels);
        if let Some(problem) = unusable(&source) {
            what += &format!("; a mask cannot be used: {problem}");
        }
        return Ok(Some(RecognisedSet { source, what }));
    }
    unread.extend(why);
    unread.extend(unreadable(folder, &inside));
    Ok(None)
}

/// A folder of films and one of masks.
struct Pair {
    films: PathBuf,
    masks: PathBuf,
    star: Star,
}

/// Part of the paths of films and masks that a `*` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Star {
    /// No part: the paths are as they are.
    None,
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
        let first = match self {
            Self::None => first.to_owned(),
            Self::Top => "*".into(),
            Self::Both => format!("{}*", first.strip_suffix("Tr").unwrap_or(first)),
            Self::Start => format!("*{}", &first[part_of(first).len()..]),
        };
        std::iter::once(first).chain(names.into_iter().skip(1)).collect::<Vec<_>>().join("/")
    }
}

/// The name of a part with which a name begins.
fn part_of(name: &str) -> &str {
    let end = name.find(|c: char| !c.is_alphabetic()).unwrap_or(name.len());
    &name[..end]
}

/// Folders in which films and masks may lie side by side: the folder, and its part to learn from.
fn tops(folder: &Path, inside: &[PathBuf]) -> Vec<(PathBuf, Star)> {
    let train = inside.iter().find(|inner| Part::named(&file_name(inner)) == Some(Part::Train));
    let of_part = train.map(|train| (train.clone(), Star::Top));
    std::iter::once((folder.to_path_buf(), Star::None)).chain(of_part).collect()
}

/// The folders of films and masks that lie side by side in `top`.
fn pairs_in(top: &Path, star: Star) -> Result<Vec<Pair>> {
    let inside = list(top)?.0;
    let filled = |folder: &&PathBuf| !films_below(folder).unwrap_or_default().is_empty();
    let (masks, films): (Vec<&PathBuf>, Vec<&PathBuf>) =
        inside.iter().filter(filled).partition(|inner| of_masks(&file_name(inner)));
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

/// Pattern by which most masks are named after their films: `{}_mask.png`.
fn pattern(films: &Path, masks: &Path) -> Option<String> {
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

/// Reason why the first film cannot be used with its mask.
fn unusable(source: &Source) -> Option<String> {
    let (dataset, _) = source.survey().ok()?;
    let first = dataset.train.first()?;
    let problem = FittedFilm::read(first, Fit::Stretch, [32, 32]).err()?;
    Some(problem.to_string())
}

/// Sets the values of the masks that are foreground where they are not 255 on 0: those of nnU-Net's labels, or the only
/// one that is not 0; gives them in words.
fn values(source: &mut Source, masks: &Path, labels: &[u16]) -> String {
    let files = films_below(masks).unwrap_or_default();
    let step = files.len().div_ceil(MASKS_READ).max(1);
    let mut held = BTreeSet::new();
    for file in files.iter().step_by(step) {
        let Some(values) = held_values(file) else { return String::new() };
        held.extend(values);
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

/// What is read of nnU-Net's `dataset.json`.
#[derive(serde::Deserialize)]
struct Labelled {
    #[serde(default)]
    labels: serde_json::Map<String, serde_json::Value>,
}

/// Takes from nnU-Net's `dataset.json` what its foreground is called; says what of the set is left out, and gives the numbers
/// of its labels.
fn nnunet(folder: &Path, source: &mut Source) -> (String, Vec<u16>) {
    let mut said = String::new();
    let alone = |films: &str, masks: &str| {
        let films = films_below(&folder.join(films)).unwrap_or_default().len();
        (films > 0 && !folder.join(masks).is_dir()).then_some(films)
    };
    if let Some(films) = alone("imagesTs", "labelsTs") {
        said += &format!("; {films} films of imagesTs have no masks and are left out");
    }
    let file = folder.join("dataset.json");
    if !file.exists() {
        return (said, Vec::new());
    }
    let text = text::read_at_most(&file, text::LONGEST_OF_A_FILM, "see that it may be read");
    let read = text.map_err(|e| e.to_string()).and_then(|text| {
        serde_json::from_str::<Labelled>(&text).map_err(|e| format!("dataset.json: {e}"))
    });
    let labels = match read {
        Ok(Labelled { labels }) => labels,
        Err(why) => return (format!("{said}; no names of labels: {why}"), Vec::new()),
    };
    // `{"background": 0, "lung": 1}`, before version 2 `{"0": "background", "1": "lung"}`.
    let label = |(key, value): (&String, &serde_json::Value)| {
        let (name, number) = match value {
            serde_json::Value::String(name) => (name, key.parse().ok()?),
            serde_json::Value::Number(number) => (key, number.as_u64()?),
            _ => return None,
        };
        // Version 2 calls pixels that are no one's label so.
        let wanted = number != 0 && name != "ignore";
        wanted.then(|| Some((name.clone(), u16::try_from(number).ok()?)))?
    };
    let (names, numbers): (Vec<String>, Vec<u16>) = labels.iter().filter_map(label).unzip();
    match names.as_slice() {
        [] => {}
        [only] => source.classes = vec![Class::new(only, &[])],
        several => said += &format!("; its labels {} are one foreground here", several.join(", ")),
    }
    (said, numbers)
}

/// Remark on nnU-Net's folders with volumes, which are no films.
fn unreadable(folder: &Path, inside: &[PathBuf]) -> Option<String> {
    let named = |name: &str| inside.iter().any(|inner| file_name(inner) == name);
    let volumes = |name: &str| {
        super::entries(&folder.join(name), "*")
            .iter()
            .filter(|path| {
                let name = file_name(path).to_lowercase();
                [".nii", ".nii.gz", ".mha", ".nrrd"].iter().any(|end| name.ends_with(end))
            })
            .count()
    };
    (named("imagesTr") && named("labelsTr") && volumes("imagesTr") > 0).then(|| {
        format!("nnU-Net's folders imagesTr and labelsTr: {} volumes, where films (PNG, TIFF …) are read", volumes("imagesTr"))
    })
}
