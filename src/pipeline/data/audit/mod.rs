//! An audit of data sets: what is on disk, what is wrong with it, and what would make figures false.

mod census;
mod film;
mod likeness;
mod pictures;
mod studies;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use rayon::prelude::*;
use serde::{Serialize, Serializer};

use super::{
    Annotation, Dataset, Kind, Part, Sample, Source, Split, UnreadLabels,
    dataset::{
        listing::{Flaw, Level},
        patient,
        split::SHARED_PATIENT,
        split_file,
    },
    film::{image::Misfit, mask::mask},
};
use crate::{Error, Fault, Result};

use census::classes;
pub use census::{Census, Spread};
use film::Look;

/// Finding of an audit.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Level of the finding: how bad it is.
    pub level: Level,
    /// Kind of the finding, in two or three words that do not change: `unreadable film`,
    /// `same film twice`.
    pub what: &'static str,
    /// Name of the data set.
    pub set: String,
    /// Place of the finding: file, line, patient.
    pub place: String,
    /// Description of what was expected and what was found, and one way to mend it.
    pub problem: String,
    /// The other place, where a film is in two.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "other")]
    pub other: Option<PathBuf>,
}

/// Serializes the other film's path as JSON can have it, which is Unicode.
fn other<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// Result of an audit.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// Statistics of the data sets that could be read.
    pub sets: Vec<Census>,
    /// Findings, worst first.
    pub findings: Vec<Finding>,
    /// Patients, whom findings may name: for whoever hands them on.
    #[serde(skip)]
    pub patients: BTreeSet<String>,
}

/// A data set to be audited.
pub struct Subject {
    /// Source that says how it lies on disk.
    pub source: Source,
    /// Whether stage 1 sees its films, all of them and without labels.
    pub pretraining: bool,
    /// Labels that lie among its films and could not be read, where it was recognised.
    pub unread: Vec<UnreadLabels>,
}

/// A film of a data set under audit.
struct AuditedFilm<'a> {
    set: usize,
    part: Part,
    sample: &'a Sample,
    look: &'a Look,
    /// What its mask marks.
    cover: Cover,
}

/// Audits every film of `subjects`: each file is decoded once for all of them. `progress` hears of films done and in
/// all.
///
/// # Errors
/// None of the data sets can be read, and why not the first.
pub fn audit(subjects: &[Subject], progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Audit> {
    let (sets, origins, mut findings) = readable(subjects)?;
    let films: Vec<(usize, Part, &Sample)> = sets
        .iter()
        .enumerate()
        .flat_map(|(set, (_, dataset))| parted(dataset).map(move |(part, film)| (set, part, film)))
        .collect();
    let looks = looks(films.iter().map(|(.., film)| film.path.as_path()), progress);
    let judged = |&(.., sample): &(usize, Part, &'_ Sample)| match &looks[sample.path.as_path()] {
        Err(misfit) => Err(("unreadable film", misfit.clone())),
        // A mask can only be held against a film that can be read.
        Ok(look) => annotated(sample, look.size).map_err(|misfit| ("unusable annotation", misfit)),
    };
    let judged: Vec<_> = films.par_iter().map(judged).collect();
    let mut entries = Vec::new();
    for (&(set, part, sample), judged) in films.iter().zip(judged) {
        let cover = *judged.as_ref().unwrap_or(&Cover::Some);
        if let Err((what, misfit)) = judged {
            let name = &sets[set].0.source.name;
            let place = sample.path.display();
            findings.push(finding(Level::Error, what, name, place, misfit.to_string()));
        }
        if let Ok(look) = &looks[sample.path.as_path()] {
            entries.push(AuditedFilm { set, part, sample, look, cover });
        }
    }
    let mut censuses = Vec::new();
    for (at, (subject, dataset)) in sets.iter().enumerate() {
        let of_set: Vec<&AuditedFilm> = entries.iter().filter(|entry| entry.set == at).collect();
        // A set that serves several purposes is the same films each time.
        let root = |other: &(&Subject, Dataset)| other.0.source.root == subject.source.root;
        if !sets[..at].iter().any(root) {
            findings.extend(pictures::of_films(&subject.source.name, &of_set));
            findings.extend(studies::beside(&subject.source));
        }
        findings.extend(pictures::unmarked(&subject.source.name, &of_set));
        findings.extend(pictures::all_marked(&subject.source.name, &of_set));
        findings.extend(rare(dataset));
        findings.extend(left_out(&subject.source, dataset));
        if let Some(file) = &subject.source.splits {
            let changed = split_file::changed(&subject.source, file)?;
            let problem = "its bytes are not those that the splits were written for";
            findings.extend(changed.iter().map(|path| {
                finding(Level::Error, "changed film", &dataset.name, path.display(), problem.into())
            }));
        }
        censuses.push(Census::of(&subject.source, dataset, &of_set, &origins[at]));
    }
    findings.extend(likeness::twice(&entries, &sets));
    findings.sort_by(|a, b| (a.level, a.what, &a.place).cmp(&(b.level, b.what, &b.place)));
    let patients = films.iter().map(|(.., film)| film.patient.clone()).collect();
    Ok(Audit { sets: censuses, findings, patients })
}

/// A data set that can be read, and who asked for it.
type Readable<'a> = (&'a Subject, Dataset);

/// Reads the data sets that can be read; gives them, where the patients of each come from, and what
/// their readers found.
fn readable(subjects: &[Subject]) -> Result<(Vec<Readable<'_>>, Vec<String>, Vec<Finding>)> {
    let (mut sets, mut origins, mut findings, mut first) =
        (Vec::new(), Vec::new(), Vec::new(), None);
    for subject in subjects {
        let name = subject.source.name.clone();
        findings.extend(subject.unread.iter().map(|labels| unread(&subject.source, labels)));
        match subject.source.survey() {
            Ok((dataset, mut flaws)) => {
                origins.push(patient::take_origin(&mut flaws));
                let said = |flaw: &Flaw| refused(flaw.level, &name, flaw.what, &flaw.error);
                findings.extend(flaws.iter().map(said));
                findings.extend(passed_over(&subject.source, &flaws));
                sets.push((subject, dataset));
            }
            Err(fault) => {
                findings.push(refused(Level::Error, &name, "unreadable data set", &fault));
                first = first.or(Some(fault));
            }
        }
    }
    match first {
        Some(first) if sets.is_empty() => Err(first),
        _ => Ok((sets, origins, findings)),
    }
}

/// Finding of labels that could not be read: an error, or a warning where the films have others.
fn unread(source: &Source, labels: &UnreadLabels) -> Finding {
    let level = if labels.beside_others { Level::Warning } else { Level::Error };
    let problem = format!("expected labels that can be read, found {}", labels.why);
    finding(level, "unread labels", &source.name, &source.name, problem)
}

/// Findings that the source's settings pass over without a word: films and masks that are not there (`partial`), and
/// patients whom the set's own parts share (`split = "patient"` divides them again).
fn passed_over(source: &Source, known: &[Flaw]) -> Vec<Finding> {
    let mut strict = Source { partial: false, ..source.clone() };
    if source.split == Split::Patient && source.splits.is_none() {
        strict.split = Split::Given;
    }
    if strict == *source {
        return Vec::new();
    }
    let key = |flaw: &Flaw| (flaw.what, flaw.error.to_string());
    let known: HashSet<_> = known.iter().map(key).collect();
    // Strictness may leave no data set at all, which says nothing about the one that is used.
    let Ok((_, flaws)) = strict.survey() else { return Vec::new() };
    let heard = |flaw: &&Flaw| flaw.level == Level::Note || known.contains(&key(flaw));
    let new = flaws.iter().filter(|flaw| !heard(flaw));
    let warned = new.map(|flaw| {
        let mut warned = refused(Level::Warning, &source.name, flaw.what, &flaw.error);
        if let Some(Fault { expected, found, .. }) = flaw.error.fault() {
            let instead = match flaw.what {
                SHARED_PATIENT => "here the films are divided again by patient",
                _ => "here it is left out",
            };
            warned.problem = format!("expected {expected}, found {found}; {instead}");
        }
        warned
    });
    warned.collect()
}

/// Decodes each file once, side by side.
fn looks<'a>(
    paths: impl Iterator<Item = &'a Path>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> HashMap<&'a Path, Result<Look, Misfit>> {
    let mut paths: Vec<&Path> = paths.collect();
    paths.sort_unstable();
    paths.dedup();
    let done = AtomicUsize::new(0);
    let look = |path: &&'a Path| {
        let look = film::look(path);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, paths.len());
        (*path, look)
    };
    paths.par_iter().map(look).collect()
}

fn finding(
    level: Level,
    what: &'static str,
    set: &str,
    place: impl ToString,
    problem: String,
) -> Finding {
    Finding { level, what, set: set.into(), place: place.to_string(), problem, other: None }
}

/// Finding for an error that a reader gave.
fn refused(level: Level, set: &str, what: &'static str, error: &Error) -> Finding {
    match error.fault() {
        Some(Fault { place, expected, found, mend }) => {
            let problem = format!("expected {expected}, found {found}; {mend}");
            finding(level, what, set, place, problem)
        }
        None => finding(level, what, set, "", error.to_string()),
    }
}

fn parted(dataset: &Dataset) -> impl Iterator<Item = (Part, &Sample)> {
    let parts =
        [(Part::Train, &dataset.train), (Part::Val, &dataset.val), (Part::Test, &dataset.test)];
    parts.into_iter().flat_map(|(part, films)| films.iter().map(move |film| (part, film)))
}

/// What the mask of a film marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Nothing,
    /// A part of the film; of films without masks too.
    Some,
    Everything,
}

/// What is marked on a film's mask, where it has one; what is known of the film must fit it.
fn annotated(sample: &Sample, size: [usize; 2]) -> Result<Cover, Misfit> {
    match &sample.target {
        Annotation::Mask { .. } => {
            let mask = mask(&sample.target, size)?;
            Ok(match (mask.contains(&1), mask.contains(&0)) {
                (false, _) => Cover::Nothing,
                (true, true) => Cover::Some,
                (true, false) => Cover::Everything,
            })
        }
        Annotation::Polygons { .. } => mask(&sample.target, size).map(|_| Cover::Some),
        Annotation::Boxes { size: annotated, .. } => {
            super::film::fit::upright(*annotated, size).map(|()| Cover::Some)
        }
        Annotation::Labels(_) => Ok(Cover::Some),
    }
}

/// Number of films of a class in a part below which its figures say little.
const FEW: usize = 5;

/// Finding on the classes of which a part has few films.
fn rare(dataset: &Dataset) -> Option<Finding> {
    if !matches!(dataset.labels.kind, Kind::Classes | Kind::Multi | Kind::Boxes) {
        return None;
    }
    let few = |(class, counts): &(String, [usize; 3])| {
        let parts = ["train", "val", "test"].into_iter().zip(counts);
        let few: Vec<String> =
            parts.filter(|(_, n)| **n < FEW).map(|(part, n)| format!("{n} in {part}")).collect();
        (!few.is_empty()).then(|| format!("{class}: {}", few.join(", ")))
    };
    let few: Vec<String> = classes(dataset).iter().filter_map(few).collect();
    let problem = format!(
        "expected {FEW} films or more of each class in each part, found {}",
        few.join("; ")
    );
    (!few.is_empty())
        .then(|| finding(Level::Warning, "rare class", &dataset.name, &dataset.name, problem))
}

/// Findings of rows and films that are left out because nothing is said of them, and of films of NIH's table that
/// are not on disk.
fn left_out(source: &Source, dataset: &Dataset) -> Vec<Finding> {
    let said = |level, what, count: usize, words: &str| {
        let problem = format!("{count} {words}");
        (count > 0).then(|| finding(level, what, &dataset.name, &dataset.name, problem))
    };
    let absent =
        "films that its table names are not on disk: complete the download, or go on without them";
    let mute =
        "rows or films without a class are left out; stage 1 can use them (labelled = false)";
    // Where a source is partial, each of them is a finding of its own; so is each film without a mask.
    let missing = if source.partial { 0 } else { dataset.missing };
    let unlabelled = if dataset.labels.kind == Kind::Mask { 0 } else { dataset.unlabelled };
    let found = [
        said(Level::Warning, "missing films", missing, absent),
        said(Level::Note, "no label", unlabelled, mute),
    ];
    found.into_iter().flatten().collect()
}

/// A path for people, shorter by the folder that all of it lies in.
fn short(path: &Path, root: &Path) -> String {
    split_file::relative(path, root)
}
