//! What a run began with, so that whoever goes on with it goes on with the same: settings, films, adapter, kernels. A
//! checkpoint has it in its metadata.

use crate::{
    Error, Result,
    data::{Annotation, Dataset, stamp, written},
    train::config,
    weights::checkpoint::{self, BEGUN, Metadata},
};
use mtpret_engine::{error::Fault, gpu::Gpu, step::Stepper};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// The resolved configuration.
pub(super) const CONFIG: &str = config::RESOLVED;
/// The list of films with size and time of change; its digest is in a checkpoint's metadata.
pub(super) const FILMS: &str = "films.begun.txt";
/// Settings of how a run is done, which change no number that it gives.
const ASIDE: [&str; 5] = ["log.", "data.threads", "data.cache_mb", "data.max_bad", "data.pack"];
/// Of many things that differ, so many are named.
const NAMED: usize = 3;

/// What a run began with and what this process goes on with.
#[derive(Default)]
pub(super) struct Origin {
    /// In the checkpoint's metadata; none of a new run, or of an older program's.
    begun: Metadata,
    now: Metadata,
    /// What differs and is not yet accepted, in words.
    differences: Vec<String>,
    /// Files that say what is now, written once it is accepted.
    pending: BTreeMap<&'static str, String>,
}

impl Origin {
    /// What the newest checkpoint says that the run began with.
    pub(super) fn of(checkpoint: &Path) -> Self {
        let metadata = checkpoint::metadata(checkpoint).unwrap_or_default();
        let begun =
            |(key, value): (String, String)| Some((key.strip_prefix(BEGUN)?.to_owned(), value));
        Self { begun: metadata.into_iter().filter_map(begun).collect(), ..Self::default() }
    }
    /// Metadata for a checkpoint.
    pub(super) fn metadata(&self) -> Metadata {
        self.now.iter().map(|(key, value)| (format!("{BEGUN}{key}"), value.clone())).collect()
    }
    /// Takes what is now, and notes how it differs from what was.
    fn meets(
        &mut self,
        key: &str,
        now: String,
        differences: impl FnOnce(&str, &str) -> Vec<String>,
    ) {
        if let Some(was) = self.begun.get(key).filter(|was| **was != now) {
            self.differences.extend(differences(was, &now));
        }
        self.now.insert(key.to_owned(), now);
    }
    /// Takes the configuration beside the one that is in the folder, and gives it back to be written there unless something differs.
    pub(super) fn meets_config(&mut self, before: Option<String>, text: String) -> Option<String> {
        if let Some(before) = before {
            self.begun.entry("config".into()).or_insert(before);
        }
        self.meets("config", text.clone(), settings);
        if self.differences.is_empty() {
            return Some(text);
        }
        self.pending.insert(CONFIG, text);
        None
    }
    /// Takes the films beside the list of them that is in the folder; of a run that is `done` that list is what it began with.
    /// `same_bytes` says whether films of other times are those that the run began with.
    pub(super) fn meets_films(
        &mut self,
        before: &str,
        sets: &[Dataset],
        done: bool,
        same_bytes: impl FnOnce() -> bool,
    ) {
        let digest = |list: &str| blake3::hash(list.as_bytes()).to_hex().to_string();
        let list = list(sets);
        if done && !before.is_empty() {
            self.begun.entry("films".into()).or_insert(digest(before));
        }
        self.meets("films", digest(&list), |was, _| {
            films((digest(before) == was).then_some(before), &list, same_bytes)
        });
        self.pending.insert(FILMS, list);
    }
    /// Takes the adapter and its driver.
    pub(super) fn meets_adapter(&mut self, gpu: &Gpu) {
        let told =
            |what| move |was: &str, now: &str| vec![format!("{what} {now} where it was {was}")];
        self.meets("adapter", gpu.info().name.clone(), told("the adapter"));
        self.meets("driver", gpu.driver(), told("the driver"));
    }
    /// Takes the kernels of steps, and into how many parts they cut a batch.
    pub(super) fn meets_steps<'s>(
        &mut self,
        gpu: &Gpu,
        steppers: impl IntoIterator<Item = &'s Stepper>,
    ) {
        let (mut kernels, mut parts) = (BTreeMap::new(), Vec::new());
        for stepper in steppers {
            let chosen = stepper.problems().values();
            kernels.extend(chosen.map(|p| (p.name.clone(), gpu.chosen(p).to_string())));
            parts.push(stepper.micro());
        }
        let text = serde_json::to_string(&kernels).expect("names are plain data");
        self.meets("kernels", text, |was, _| retuned(was, &kernels));
        self.meets("parts", format!("{parts:?}"), |was, now| {
            vec![format!("batches cut into {now} parts where it was {was}")]
        });
    }
    /// What differs, in words, if that is to be accepted.
    ///
    /// # Errors
    /// [`Error::Changed`] with all that differs in this folder, if not.
    pub(super) fn accepted(&mut self, folder: &Path, accept: bool) -> Result<Vec<String>> {
        let differences = std::mem::take(&mut self.differences);
        if differences.is_empty() || accept {
            return Ok(differences);
        }
        Err(Error::Changed(Box::new(Fault {
            place: folder.into(),
            expected: "what the run began with".into(),
            found: differences.join("; "),
            mend: "put that back, or accept the changes".into(),
        })))
    }
    /// Files to write, now that what differs is accepted.
    pub(super) fn pending(&mut self) -> BTreeMap<&'static str, String> {
        std::mem::take(&mut self.pending)
    }
}

/// The settings that differ between two configurations in TOML.
fn settings(was: &str, now: &str) -> Vec<String> {
    let parsed = |text: &str| text.parse::<Table>().map(Value::Table);
    let (Ok(was), Ok(now)) = (parsed(was), parsed(now)) else {
        return vec!["another configuration, of which one is no TOML".into()];
    };
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    flat(&was, String::new(), &mut before);
    flat(&now, String::new(), &mut after);
    let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
    let counts = |key: &&String| !ASIDE.iter().any(|aside| key.starts_with(aside));
    let differs = |key: &&String| !same(before.get(*key), after.get(*key));
    let shown = |value: Option<&Value>| value.map_or("unset".into(), Value::to_string);
    let line = |key: &String| {
        format!("{key} = {} where it was {}", shown(after.get(key)), shown(before.get(key)))
    };
    keys.filter(counts).filter(differs).map(line).collect()
}

/// The values of a configuration by the paths of their keys.
fn flat(value: &Value, path: String, into: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(key, value)| flat(value, below(key), into));
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(number, value)| flat(value, below(&number.to_string()), into));
        }
        value => {
            into.insert(path, value.clone());
        }
    }
}

/// Whether two values are one, as two paths of one file are.
fn same(was: Option<&Value>, now: Option<&Value>) -> bool {
    let path = |value: Option<&Value>| fs::canonicalize(value?.as_str()?).ok();
    was == now || path(was).is_some_and(|file| path(now) == Some(file))
}

/// Every file that a stage learns from or is measured on, a line each: size, time of change, time of writing and a digest of what
/// is known of the film; then its data set, its part and its place.
fn list(sets: &[Dataset]) -> String {
    let mut lines = Vec::new();
    for set in sets {
        for (part, films) in [("train", &set.train), ("val", &set.val), ("test", &set.test)] {
            let mut line = |file: &Path, known: &str| {
                let (stamp, written, set) = (stamp(file), written(file), &set.name);
                // Spelt one way, where Windows knows two separators: a resolved configuration has the other one.
                let file = file.components().collect::<PathBuf>();
                lines.push(format!("{stamp} {written} {known}\t{set} {part}: {file:?}\n"));
            };
            for film in films {
                let known = match &film.target {
                    // As it was written before masks had values.
                    Annotation::Mask { files, values: None } => format!("Mask({files:?})"),
                    target => format!("{target:?}"),
                };
                let known = blake3::hash(known.as_bytes()).to_hex();
                line(&film.path, &known[..16]);
                if let Annotation::Mask { files: masks, .. } = &film.target {
                    masks.iter().for_each(|mask| line(mask, "mask"));
                }
            }
        }
    }
    lines.concat()
}

/// Whether a line of a list says the same of a film but for when its owner, rights or place changed, as `chmod` and a copy that
/// keeps times leave it. Lists of older programs have no time of writing.
fn touched(was: &str, now: &str) -> bool {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    match (&words(was)[..], &words(now)[..]) {
        ([size, changed, known], [size_now, changed_now, _, known_now]) => {
            [size, changed, known] == [size_now, changed_now, known_now]
        }
        ([size, _, rest @ ..], [size_now, _, rest_now @ ..]) => {
            rest.len() == 2 && size == size_now && rest == rest_now
        }
        _ => false,
    }
}

/// How a list of films differs from what it was, if that is known. Where only times of change differ, `same_bytes` says
/// whether that is all.
fn films(was: Option<&str>, now: &str, same_bytes: impl FnOnce() -> bool) -> Vec<String> {
    fn places(list: &str) -> BTreeMap<&str, &str> {
        list.lines().filter_map(|line| line.split_once('\t')).map(|(what, at)| (at, what)).collect()
    }
    let Some(was) = was else { return vec!["other films".into()] };
    let (was, now) = (places(was), places(now));
    let only = |a: &BTreeMap<&str, &str>, b: &BTreeMap<&str, &str>| {
        a.keys().filter(|at| !b.contains_key(*at)).map(|at| (*at).to_owned()).collect::<Vec<_>>()
    };
    let differs = |(at, what): &(&&str, &&str)| was.get(*at).is_some_and(|was| was != *what);
    let mut changed: Vec<String> =
        now.iter().filter(differs).map(|(at, _)| (*at).to_owned()).collect();
    let only_touched = |at: &String| touched(was[at.as_str()], now[at.as_str()]);
    if !changed.is_empty() && changed.iter().all(only_touched) && same_bytes() {
        changed.clear();
    }
    let kinds = [("changed", changed), ("added", only(&now, &was)), ("gone", only(&was, &now))];
    kinds
        .into_iter()
        .filter_map(|(what, names)| counted(&format!("films {what}"), &names))
        .collect()
}

/// The problems that other kernels than before solve.
fn retuned(was: &str, now: &BTreeMap<String, String>) -> Vec<String> {
    let was: BTreeMap<String, String> = serde_json::from_str(was).unwrap_or_default();
    let changed = |(problem, kernel): (&String, &String)| {
        let before = was.get(problem).map_or("none", String::as_str);
        (before != kernel).then(|| format!("{problem} by {kernel} where it was by {before}"))
    };
    let mut lines: Vec<String> = now.iter().filter_map(changed).collect();
    lines.extend(was.keys().filter(|p| !now.contains_key(*p)).map(|p| format!("{p} no more")));
    counted("shapes computed by other kernels, as tuning says,", &lines).into_iter().collect()
}

/// So many of `what`, of which the first are named; none of none.
fn counted(what: &str, names: &[String]) -> Option<String> {
    let more = if names.len() > NAMED { ", …" } else { "" };
    let named = names[..names.len().min(NAMED)].join(", ");
    (!names.is_empty()).then(|| format!("{} {what} ({named}{more})", names.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_change_no_number_do_not_count_and_two_names_of_a_file_are_one() {
        let here = fs::canonicalize(".").expect("a folder");
        let text = |lr, every, root: &Path| {
            format!("weights = {root:?}\n[optim]\nlr = {lr}\n[log]\nevery = {every}\n")
        };
        let was = text("0.1", 1, Path::new("."));
        assert_eq!(settings(&was, &text("0.1", 2, &here)), [""; 0]);
        assert_eq!(settings(&was, &text("0.2", 1, &here)), ["optim.lr = 0.2 where it was 0.1"]);
        let less = settings(&was, "[optim]\nlr = 0.1\n");
        assert_eq!(less, ["weights = unset where it was \".\""]);
    }

    #[test]
    fn films_that_were_replaced_added_and_removed_are_named() {
        let line = |size: u32, name: &str| format!("{size} 1.000000000 ab\tset train: {name:?}\n");
        let was = [line(1, "a"), line(2, "b"), line(3, "c")].concat();
        let now = [line(2, "a"), line(2, "b"), line(3, "d")].concat();
        let told = films(Some(&was), &now, || true);
        let kinds = [
            "1 films changed (set train: \"a\")",
            "1 films added (set train: \"d\")",
            "1 films gone (set train: \"c\")",
        ];
        assert_eq!(told, kinds);
        // A copy that keeps times, and one of other bytes or of another time.
        let line = |changed: u32, written: u32| {
            format!("1 {changed}.000000000 {written}.000000000 ab\tset train: \"a\"\n")
        };
        for (now, bytes, told) in
            [(line(2, 1), true, 0), (line(2, 1), false, 1), (line(2, 2), true, 1)]
        {
            assert_eq!(films(Some(&line(1, 1)), &now, || bytes).len(), told, "{now}");
        }
    }
}
