//! Findings on the pictures of a set's films.

use std::{collections::BTreeSet, path::Path};

use super::{AuditedFilm, Cover, Finding, Level, finding};

/// The paper's mean of the pixels of its pretraining films, and how far a set may be from it without a word.
const PAPER_MEAN: (f64, f64) = (122.786, 40.0);
/// Grey levels below which the deviation of a film is that of one that shows nothing.
const BLANK: f64 = 2.0;
/// Grey of 255 that a film of a normal exposure exceeds somewhere.
const DARK: f64 = 64.0;

/// Findings on what is unusual about the readable films of a set.
pub(in crate::data) fn of_films(set: &str, films: &[&AuditedFilm]) -> Vec<Finding> {
    let blank = |entry: &&&AuditedFilm| entry.look.deviation < BLANK && !is_dark(entry);
    let blank = films.iter().filter(blank);
    let blank = blank.map(|entry| {
        let problem = format!("expected a film, found grey {:.0} all over", entry.look.mean);
        finding(Level::Warning, "blank film", set, entry.sample.path.display(), problem)
    });
    let kinds = [inverted, dark, depths, names, grey].map(|kind| kind(set, films));
    blank.chain(kinds.into_iter().flatten()).chain(odd(set, films)).collect()
}

/// Finding of films with masks on which nothing is marked: without what masks mark, or without their
/// outline.
pub(in crate::data) fn unmarked(set: &str, films: &[&AuditedFilm]) -> Option<Finding> {
    let about = (Level::Note, "empty masks");
    together(
        about,
        set,
        films,
        |entry| entry.cover == Cover::Nothing,
        |found| {
            let have = if found.len() == 1 { "has a mask" } else { "have masks" };
            format!(
                "{} {have} without foreground, as films without the finding do",
                counted(found.len())
            )
        },
    )
}

/// Films whose masks are foreground all over: a mask of another meaning, or one whose background was cut away.
pub(in crate::data) fn all_marked(set: &str, films: &[&AuditedFilm]) -> Option<Finding> {
    together(
        (Level::Warning, "full masks"),
        set,
        films,
        |entry| entry.cover == Cover::Everything,
        |found| {
            let count = counted(found.len());
            let have = if found.len() == 1 { "has a mask" } else { "have masks" };
            format!(
                "{count} {have} of foreground alone: is its background another value? see values"
            )
        },
    )
}

/// What is odd about the files of films that were read all the same, each kind of it once.
fn odd(set: &str, films: &[&AuditedFilm]) -> Vec<Finding> {
    let kinds: BTreeSet<&str> =
        films.iter().flat_map(|entry| &entry.look.encoding.notes).map(String::as_str).collect();
    let of_kind = |kind: &str| {
        let has = |entry: &AuditedFilm| entry.look.encoding.notes.iter().any(|note| note == kind);
        let problem = |found: &[&&AuditedFilm]| format!("{}: {kind}", counted(found.len()));
        together((Level::Warning, "odd film file"), set, films, has, problem)
    };
    kinds.into_iter().filter_map(of_kind).collect()
}

/// One finding of all the films that fit, at the place of the first.
fn together(
    (level, what): (Level, &'static str),
    set: &str,
    films: &[&AuditedFilm],
    fits: impl Fn(&AuditedFilm) -> bool,
    problem: impl Fn(&[&&AuditedFilm]) -> String,
) -> Option<Finding> {
    let found: Vec<&&AuditedFilm> = films.iter().filter(|entry| fits(entry)).collect();
    let place = found.first()?.sample.path.display();
    Some(finding(level, what, set, place, problem(&found)))
}

fn inverted(set: &str, films: &[&AuditedFilm]) -> Option<Finding> {
    together(
        (Level::Note, "inverted films"),
        set,
        films,
        |entry| entry.look.encoding.inverted,
        |found| {
            let store = if found.len() == 1 { "stores" } else { "store" };
            format!(
                "{} {store} white as 0 (MONOCHROME1); the program turns it",
                counted(found.len())
            )
        },
    )
}

/// Whether a film shows something, but far below white.
fn is_dark(entry: &AuditedFilm) -> bool {
    let [darkest, brightest] = entry.look.range;
    brightest <= DARK && brightest - darkest >= 1.0
}

fn dark(set: &str, films: &[&AuditedFilm]) -> Option<Finding> {
    together((Level::Warning, "dark films"), set, films, is_dark, |found| {
        let most = found.iter().map(|entry| entry.look.range[1]).fold(0.0, f64::max);
        let exceed = if found.len() == 1 { "exceeds" } else { "exceed" };
        format!(
            "{} never {exceed} grey {most:.1} of 255: 10 or 12 bits in files of 16, or masks among the films? \
                 save them at the full range of their files",
            counted(found.len())
        )
    })
}

/// Finding of films of another depth than most of their set.
fn depths(set: &str, films: &[&AuditedFilm]) -> Option<Finding> {
    let deep = |entry: &AuditedFilm| entry.look.encoding.bits > 8;
    let count = films.iter().filter(|entry| deep(entry)).count();
    let rare = count * 2 <= films.len();
    together(
        (Level::Note, "mixed bit depths"),
        set,
        films,
        |entry| count != films.len() && count != 0 && deep(entry) == rare,
        |found| {
            let [these, others] = if rare { ["more than 8", "8"] } else { ["8", "more than 8"] };
            format!(
                "{} of {these} bits among {} of {others}: two sources in one set?",
                counted(found.len()),
                films.len() - found.len()
            )
        },
    )
}

/// Finding of films whose name says another format than their bytes.
fn names(set: &str, films: &[&AuditedFilm]) -> Option<Finding> {
    together(
        (Level::Note, "wrong file name"),
        set,
        films,
        |entry| said(&entry.sample.path).is_some_and(|named| named != entry.look.encoding.format),
        |found| {
            format!(
                "{} of another format than the name says, the first is {}; bytes decide how a film is read",
                counted(found.len()),
                found[0].look.encoding.format
            )
        },
    )
}

/// The format that a file's name says.
fn said(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_string_lossy().to_lowercase().as_str() {
        "jpg" | "jpeg" => Some("JPEG"),
        "png" => Some("PNG"),
        "bmp" => Some("BMP"),
        "tif" | "tiff" => Some("TIFF"),
        "dcm" | "dicom" => Some("DICOM"),
        _ => None,
    }
}

fn grey(set: &str, films: &[&AuditedFilm]) -> Option<Finding> {
    let mean = films.iter().map(|e| e.look.mean).sum::<f64>() / films.len().max(1) as f64;
    let far = !films.is_empty() && (mean - PAPER_MEAN.0).abs() > PAPER_MEAN.1;
    far.then(|| {
        let problem = format!(
            "the films' mean grey is {mean:.1}, far from the z-score's {}: set data.mean and data.std, \
             for this set alone or where it is the larger part",
            PAPER_MEAN.0
        );
        finding(Level::Warning, "unusual grey", set, set, problem)
    })
}

fn counted(films: usize) -> String {
    if films == 1 { "1 film".into() } else { format!("{films} films") }
}
