//! Duplicate films: equal files, or pictures that look alike (perceptual hash).

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use rayon::prelude::*;

use super::{AuditedFilm, Finding, Level, Readable, finding, short};
use crate::data::{Annotation, Part};

/// Number of bits of 256 that may differ between two encodings of one film; two films of one patient
/// differ in more.
const BITS: u32 = 20;
/// Least correlation of two encodings of one film at 32 × 32.
const CORRELATION: f32 = 0.998;

/// Evidence that two places hold the same film.
#[derive(Clone, Copy, PartialEq)]
enum Same {
    Bytes,
    Looks,
}

/// Findings on films that are in two places: an error where it makes figures false.
pub(in crate::data) fn twice(entries: &[AuditedFilm], sets: &[Readable]) -> Vec<Finding> {
    let mut pairs = by_bytes(entries);
    pairs.extend(by_looks(entries));
    // A set that serves several purposes has the same files each time, which are no copies.
    let root = |at: usize| &sets[entries[at].set].0.source.root;
    let other_use = |a: usize, b: usize| entries[a].set != entries[b].set && root(a) == root(b);
    pairs.retain(|&(a, b, _)| !other_use(a, b) || leaks(entries, sets, a, b));
    let mut found: Vec<(Finding, [&Path; 2])> = pairs
        .into_iter()
        .map(|pair| {
            let mut paths = [pair.0, pair.1].map(|at| entries[at].sample.path.as_path());
            paths.sort();
            (judged(entries, sets, pair), paths)
        })
        .collect();
    // Two files may be found for one purpose and for another: only the worst finding stays.
    found.sort_by_key(|(finding, _)| finding.level);
    let mut said = HashSet::new();
    found.retain(|(_, paths)| said.insert(*paths));
    found.into_iter().map(|(finding, _)| finding).collect()
}

/// Pairs of entries with the same bytes; of several, each with the first.
fn by_bytes(entries: &[AuditedFilm]) -> Vec<(usize, usize, Same)> {
    let mut first: HashMap<([u8; 32], usize), usize> = HashMap::new();
    let mut sets: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
    let mut pairs = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let seen = sets.entry(entry.look.content).or_default();
        match first.get(&(entry.look.content, entry.set)) {
            Some(&one) => pairs.push((one, at, Same::Bytes)),
            None => {
                pairs.extend(seen.first().map(|&one| (one, at, Same::Bytes)));
                first.insert((entry.look.content, entry.set), at);
                seen.push(at);
            }
        }
    }
    pairs
}

/// Pairs of entries that look the same and have other bytes.
fn by_looks(entries: &[AuditedFilm]) -> Vec<(usize, usize, Same)> {
    let same = |a: usize, b: usize| {
        let (one, other) = (&entries[a].look, &entries[b].look);
        one.content != other.content
            && one.distance(other) <= BITS
            && one.correlation(other) >= CORRELATION
    };
    let from = |b: usize| (0..b).find(|&a| same(a, b)).map(|a| (a, b, Same::Looks));
    (0..entries.len()).into_par_iter().filter_map(from).collect()
}

/// Whether stage 1 sees, without its label, a film that another set reports on.
fn leaks(entries: &[AuditedFilm], sets: &[Readable], a: usize, b: usize) -> bool {
    let one = |a: usize, b: usize| {
        let (seen, reported) = (&entries[a], &entries[b]);
        sets[seen.set].0.pretraining
            && !sets[reported.set].0.pretraining
            && reported.part == Part::Test
    };
    one(a, b) || one(b, a)
}

fn judged(
    entries: &[AuditedFilm],
    sets: &[Readable],
    (a, b, same): (usize, usize, Same),
) -> Finding {
    let (one, other) = (&entries[a], &entries[b]);
    let name = |entry: &AuditedFilm| sets[entry.set].0.source.name.clone();
    let part = |entry: &AuditedFilm| format!("{:?}", entry.part).to_lowercase();
    let alike = match same {
        Same::Bytes => "the same bytes as",
        Same::Looks => "looks the same as",
    };
    let root = |entry: &AuditedFilm| &sets[entry.set].0.source.root;
    let place = other.sample.path.display().to_string();
    let at = format!("{} {}, {}", name(one), short(&one.sample.path, root(one)), part(one));
    let said = |level, what, end: &str| {
        let problem = format!("{alike} {at}; it is in {} here; {end}", part(other));
        let found = finding(level, what, &name(other), &place, problem);
        Finding { other: Some(one.sample.path.clone()), ..found }
    };
    if leaks(entries, sets, a, b) {
        let end = "pretraining sees a test film, without its label: leave it out, or say so beside the figures";
        return said(Level::Warning, "test film in pretraining", end);
    }
    let pretraining = |entry: &AuditedFilm| sets[entry.set].0.pretraining;
    if one.set != other.set {
        let across = one.part != other.part && !pretraining(one) && !pretraining(other);
        return match across && [one.part, other.part].contains(&Part::Test) {
            true => said(
                Level::Warning,
                "test film elsewhere",
                "a model that learns from both sets has seen it",
            ),
            false => {
                said(Level::Note, "same film in two sets", "it counts twice where both are used")
            }
        };
    }
    let labels = |entry: &AuditedFilm| match &entry.sample.target {
        Annotation::Labels(labels) => labels.iter().map(|v| v.to_bits()).collect(),
        _ => Vec::new(),
    };
    if one.part != other.part {
        let end = "remove one of the two, or let mtpret data splits keep them together";
        return said(Level::Error, "same film in two parts", end);
    }
    if labels(one) != labels(other) {
        return said(Level::Error, "same film, other label", "remove the wrong one of the two");
    }
    said(Level::Warning, "same film twice", "it counts twice")
}
