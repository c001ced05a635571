//! nnU-Net's `dataset.json`, channels and volumes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Class, Source};
use crate::data::{
    dataset::patient_names::without_channel,
    formats::text,
    walk::{file_name, films_below, stem},
};

/// `dataset.json`; nothing where there is none.
fn description(folder: &Path) -> serde_json::Value {
    let text = text::read(&folder.join("dataset.json"), "").unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Why films cannot be used of which several channels stand for one case: `case_000_0000` and `case_000_0001`.
pub(super) fn channels(folder: &Path, films: &Path) -> Option<String> {
    let films = films_below(films).ok()?;
    let number = |film: &PathBuf| {
        let name = stem(film);
        let case = without_channel(&name)?;
        Some((case.to_owned(), name[case.len()..].to_owned()))
    };
    let all: Vec<(String, String)> = films.iter().filter_map(number).collect();
    let cases: BTreeSet<&String> = all.iter().map(|(case, _)| case).collect();
    let channels: BTreeSet<&String> = all.iter().map(|(_, channel)| channel).collect();
    if channels.len() < 2 || all.len() < films.len() || all.len() == cases.len() {
        return None;
    }
    let json = description(folder);
    let names = json.get("channel_names").or(json.get("modality"));
    let names = names.and_then(serde_json::Value::as_object).into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|(_, name)| name.as_str()).collect();
    let called = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    let kept = channels.first()?;
    Some(format!(
        "{} channels{called} of {} cases, where a film is one image: leave those of one channel there, *{kept}, and take the others away",
        channels.len(),
        cases.len()
    ))
}

/// Takes from nnU-Net's `dataset.json` what its foreground is called; says what of the set is left out, and gives the numbers
/// of its labels.
pub(super) fn labels(folder: &Path, source: &mut Source) -> (String, Vec<u16>) {
    let mut said = String::new();
    let alone = |films: &str, masks: &str| {
        let films = films_below(&folder.join(films)).unwrap_or_default().len();
        (films > 0 && !folder.join(masks).is_dir()).then_some(films)
    };
    if let Some(films) = alone("imagesTs", "labelsTs") {
        said += &format!("; {films} films of imagesTs have no masks and are left out");
    }
    let json = description(folder);
    let Some(labels) = json.get("labels").and_then(serde_json::Value::as_object) else {
        return (said, Vec::new());
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

/// nnU-Net's folders with volumes, which are no films.
pub(super) fn unreadable(folder: &Path, inside: &[PathBuf]) -> Option<String> {
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
