//! An audit of data sets: what is on disk, what is wrong with it, and what would make figures false.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::mask::mask;
use super::{Annotation, Dataset, Kind, Part, Sample, Source, division};
use crate::{Error, Result};

mod film;
mod likeness;

use film::Look;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Training would stop over it, or its figures would be false.
    Error,
    /// It may be meant, and figures may suffer.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is, in two or three words that do not change: `unreadable film`, `same film twice`.
    pub what: &'static str,
    /// The data set.
    pub set: String,
    /// File, line, patient.
    pub place: String,
    /// What was expected and what was found, and one way to mend it.
    pub problem: String,
}

/// Least, middle and greatest.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread<T> {
    /// Least.
    pub least: T,
    /// Half are below.
    pub median: T,
    /// Greatest.
    pub most: T,
}

/// A data set in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Census {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub root: PathBuf,
    /// What its films are annotated with.
    pub kind: Kind,
    /// Films to learn from, to choose by and to report on.
    pub parts: [usize; 3],
    /// Patients in all of them.
    pub patients: usize,
    /// Films of each class, finding or kind of box, in each part; of a mask, films that have one.
    pub classes: Vec<(String, [usize; 3])>,
    /// Films that its tables name and the disk lacks.
    pub missing: usize,
    /// Films without a label or mask, left out.
    pub unlabelled: usize,
    /// Width of the films, pixels.
    pub width: Option<Spread<usize>>,
    /// Height of the films, pixels.
    pub height: Option<Spread<usize>>,
    /// Films by format and bits, such as `PNG, 8 bit grey`.
    pub encodings: BTreeMap<String, usize>,
    /// Mean of all pixels, 0-255.
    pub mean: f64,
    /// Standard deviation of all pixels.
    pub deviation: f64,
    /// Standard deviation of the films' means: the paper's 18.390 is of this order.
    pub deviation_of_means: f64,
}

/// What an audit came to.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// The data sets that could be read.
    pub sets: Vec<Census>,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
}

/// A data set to be audited.
pub struct Subject {
    /// How it lies on disk.
    pub source: Source,
    /// Whether stage 1 sees its films, all of them and without labels.
    pub pretraining: bool,
}

/// A film of a data set under audit.
struct Entry<'a> {
    set: usize,
    part: Part,
    sample: &'a Sample,
    look: Look,
}

/// Looks at every film of `subjects`: each file is decoded once for all of them. `progress` hears of films done and in all.
///
/// # Errors
/// None of the data sets can be read, and why not the first.
pub fn audit(subjects: &[Subject], progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Audit> {
    let mut findings = Vec::new();
    let mut sets: Vec<(&Subject, Dataset)> = Vec::new();
    let mut first = None;
    for subject in subjects {
        let name = subject.source.name.clone();
        match subject.source.survey() {
            Ok((dataset, flaws)) => {
                findings.extend(flaws.iter().map(|flaw| refused(&name, flaw.what, &flaw.error)));
                sets.push((subject, dataset));
            }
            Err(fault) => {
                findings.push(refused(&name, "unreadable data set", &fault));
                first = first.or(Some(fault));
            }
        }
    }
    if let (true, Some(first)) = (sets.is_empty(), first) {
        return Err(first);
    }
    let films: Vec<(usize, Part, &Sample)> = sets
        .iter()
        .enumerate()
        .flat_map(|(set, (_, dataset))| parted(dataset).map(move |(part, film)| (set, part, film)))
        .collect();
    let done = AtomicUsize::new(0);
    let look = |&(set, part, sample): &(usize, Part, &'_ Sample)| {
        let look = film::look(&sample.path);
        let wrong = look.as_ref().err().cloned().or_else(|| {
            // A mask can only be held against a film that can be read.
            annotated(sample, look.as_ref().ok()?.size).err()
        });
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, films.len());
        (set, part, look, wrong)
    };
    let looks: Vec<_> = films.par_iter().map(look).collect();
    let mut entries = Vec::new();
    for ((set, part, look, wrong), (.., sample)) in looks.into_iter().zip(&films) {
        let name = &sets[set].0.source.name;
        if let Some(problem) = wrong {
            let what = if look.is_ok() { "unusable annotation" } else { "unreadable film" };
            findings.push(finding(Level::Error, what, name, sample.path.display(), problem));
        }
        if let Ok(look) = look {
            entries.push(Entry { set, part, sample, look });
        }
    }
    for (at, (subject, dataset)) in sets.iter().enumerate() {
        let of_set: Vec<&Entry> = entries.iter().filter(|entry| entry.set == at).collect();
        // A set that serves several purposes is the same films each time.
        let root = |other: &(&Subject, Dataset)| other.0.source.root == subject.source.root;
        if !sets[..at].iter().any(root) {
            findings.extend(of_films(&subject.source.name, &of_set));
        }
        findings.extend(of_classes(dataset));
        if let Some(file) = &subject.source.splits {
            let changed = division::changed(&subject.source, file)?;
            let problem = "its bytes are not those that the splits were written for";
            findings.extend(changed.iter().map(|path| {
                finding(Level::Error, "changed film", &dataset.name, path.display(), problem.into())
            }));
        }
    }
    findings.extend(likeness::twice(&entries, &sets));
    findings.sort_by(|a, b| (a.level, a.what, &a.place).cmp(&(b.level, b.what, &b.place)));
    let census = |(at, (subject, dataset)): (usize, &(&Subject, Dataset))| {
        let of_set: Vec<&Entry> = entries.iter().filter(|entry| entry.set == at).collect();
        census(&subject.source, dataset, &of_set)
    };
    Ok(Audit { sets: sets.iter().enumerate().map(census).collect(), findings })
}

fn finding(
    level: Level,
    what: &'static str,
    set: &str,
    place: impl ToString,
    problem: String,
) -> Finding {
    Finding { level, what, set: set.into(), place: place.to_string(), problem }
}

/// What a reader refused.
fn refused(set: &str, what: &'static str, error: &Error) -> Finding {
    let (place, problem) = match error {
        Error::Data { place, problem, remedy } | Error::Config { place, problem, remedy } => {
            (place.clone(), format!("{problem}; {remedy}"))
        }
        other => (String::new(), other.to_string()),
    };
    finding(Level::Error, what, set, place, problem)
}

fn parted(dataset: &Dataset) -> impl Iterator<Item = (Part, &Sample)> {
    let parts =
        [(Part::Train, &dataset.train), (Part::Val, &dataset.val), (Part::Test, &dataset.test)];
    parts.into_iter().flat_map(|(part, films)| films.iter().map(move |film| (part, film)))
}

/// Whether what is known of a film fits it.
fn annotated(sample: &Sample, size: [usize; 2]) -> Result<(), String> {
    match &sample.target {
        Annotation::Mask(_) | Annotation::Polygons { .. } => {
            let inside = mask(&sample.target, size)?;
            let empty = !inside.contains(&1) && matches!(sample.target, Annotation::Mask(_));
            if empty {
                Err("expected some foreground in its mask, found none".into())
            } else {
                Ok(())
            }
        }
        Annotation::Boxes { size: annotated, .. } => super::fit::upright(*annotated, size),
        Annotation::Labels(_) => Ok(()),
    }
}

/// The paper's mean of the pixels of its pretraining films, and how far a set may be from it without a word.
const PAPER_MEAN: (f64, f64) = (122.786, 40.0);
/// Grey levels below which a film shows nothing.
const BLANK: f64 = 2.0;

/// Findings on the films of a set as pictures.
fn of_films(set: &str, films: &[&Entry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in films.iter().filter(|entry| entry.look.deviation < BLANK) {
        let problem = format!("expected a film, found grey {:.0} all over", entry.look.mean);
        let place = entry.sample.path.display();
        findings.push(finding(Level::Warning, "blank film", set, place, problem));
    }
    let inverted: Vec<_> = films.iter().filter(|entry| entry.look.encoding.inverted).collect();
    if let Some(one) = inverted.first() {
        let problem =
            format!("{} films store white as 0 (MONOCHROME1); they are turned", inverted.len());
        let place = one.sample.path.display();
        findings.push(finding(Level::Note, "inverted films", set, place, problem));
    }
    let dark: Vec<_> =
        films.iter().filter(|e| e.look.brightest <= 64.0 && e.look.deviation >= BLANK).collect();
    if let Some(one) = dark.first() {
        let problem = format!(
            "{} films never exceed grey {:.0} of 255: 12 bits in files of 16, or masks among the films?",
            dark.len(),
            dark.iter().map(|e| e.look.brightest).fold(0.0, f64::max)
        );
        let place = one.sample.path.display();
        findings.push(finding(Level::Warning, "dark films", set, place, problem));
    }
    let mean = films.iter().map(|e| e.look.mean).sum::<f64>() / films.len().max(1) as f64;
    if !films.is_empty() && (mean - PAPER_MEAN.0).abs() > PAPER_MEAN.1 {
        let problem = format!(
            "the films' mean grey is {mean:.1}, far from the z-score's {}: set data.mean and data.std, \
             for this set alone or where it is the larger part",
            PAPER_MEAN.0
        );
        findings.push(finding(Level::Warning, "unusual grey", set, set, problem));
    }
    findings
}

/// Films of a class in a part below which its figures say little.
const FEW: usize = 5;

/// Findings on the classes of a set.
fn of_classes(dataset: &Dataset) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !matches!(dataset.labels.kind, Kind::Classes | Kind::Multi | Kind::Boxes) {
        return findings;
    }
    for (class, counts) in classes(dataset) {
        let parts = ["train", "val", "test"].into_iter().zip(counts);
        let few: Vec<String> =
            parts.filter(|(_, n)| *n < FEW).map(|(part, n)| format!("{n} in {part}")).collect();
        if !few.is_empty() {
            let problem = format!(
                "expected {FEW} films or more of it in each part, found {}",
                few.join(", ")
            );
            findings.push(finding(Level::Warning, "rare class", &dataset.name, &class, problem));
        }
    }
    findings
}

/// Films of each class in each part.
fn classes(dataset: &Dataset) -> Vec<(String, [usize; 3])> {
    let parts = [&dataset.train, &dataset.val, &dataset.test];
    let has = |sample: &Sample, class: usize| match &sample.target {
        Annotation::Labels(labels) if dataset.labels.kind == Kind::Classes => {
            labels.first() == Some(&(class as f32))
        }
        Annotation::Labels(labels) => labels.get(class) == Some(&1.0),
        Annotation::Boxes { boxes, .. } => boxes.iter().any(|found| found.class == class),
        Annotation::Mask(_) => true,
        Annotation::Polygons { polygons, .. } => !polygons.is_empty(),
    };
    let count =
        |class: usize| parts.map(|films| films.iter().filter(|film| has(film, class)).count());
    dataset
        .labels
        .names
        .iter()
        .enumerate()
        .map(|(class, name)| (name.clone(), count(class)))
        .collect()
}

fn spread(mut values: Vec<usize>) -> Option<Spread<usize>> {
    values.sort_unstable();
    let (least, most) = (*values.first()?, *values.last()?);
    Some(Spread { least, median: values[values.len() / 2], most })
}

fn census(source: &Source, dataset: &Dataset, films: &[&Entry]) -> Census {
    let mut encodings = BTreeMap::new();
    for entry in films {
        *encodings.entry(entry.look.words()).or_insert(0) += 1;
    }
    let mut patients: Vec<&str> = parted(dataset).map(|(_, film)| film.patient.as_str()).collect();
    patients.sort_unstable();
    patients.dedup();
    // Pixels of a large film count for more, as they would in one sum over all of them.
    let pixels = |entry: &Entry| (entry.look.size[0] * entry.look.size[1]) as f64;
    let all: f64 = films.iter().map(|e| pixels(e)).sum::<f64>().max(1.0);
    let mean = films.iter().map(|e| e.look.mean * pixels(e)).sum::<f64>() / all;
    let square = |e: &Entry| e.look.deviation.powi(2) + (e.look.mean - mean).powi(2);
    let of_films = films.iter().map(|e| e.look.mean).sum::<f64>() / films.len().max(1) as f64;
    let between = films.iter().map(|e| (e.look.mean - of_films).powi(2)).sum::<f64>();
    Census {
        name: dataset.name.clone(),
        root: source.root.clone(),
        kind: dataset.labels.kind,
        parts: [dataset.train.len(), dataset.val.len(), dataset.test.len()],
        patients: patients.len(),
        classes: classes(dataset),
        missing: dataset.missing,
        unlabelled: dataset.unlabelled,
        width: spread(films.iter().map(|e| e.look.size[0]).collect()),
        height: spread(films.iter().map(|e| e.look.size[1]).collect()),
        encodings,
        mean,
        deviation: (films.iter().map(|e| square(e) * pixels(e)).sum::<f64>() / all).sqrt(),
        deviation_of_means: (between / films.len().max(1) as f64).sqrt(),
    }
}

/// A path for people, shorter by the folder that all of it lies in.
fn short(path: &Path, root: &Path) -> String {
    division::relative(path, root)
}
