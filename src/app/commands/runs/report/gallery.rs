//! Films that a run fares best and worst on, with what it sees in them.

use super::{predicted::Predicted, record::Finished};
use crate::{
    Result,
    commands::{options::DeviceArgs, trained::Trained},
    report::{
        html::{Block, LegendEntry, Shot},
        picture::{box_keys, mask_keys, png, seen},
    },
};
use mtpret_pipeline::{
    data::Sample,
    train::{
        run::films::{DICE, FALSE, FOUND, FilmTable, LOSS, MISSED},
        tasks::Compared,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Pixels across a film of a page.
const ACROSS: u32 = 300;
/// Boxes of a lower probability are left out.
const LEAST: f64 = 0.5;

/// The films of which a figure is known, the best first.
fn ranked(films: &FilmTable) -> Vec<usize> {
    let of = |figure| films.of(figure).unwrap_or_else(|| vec![None; films.rows.len()]);
    let quality: Vec<Option<[f64; 2]>> = if films.of(&LOSS).is_some() {
        of(&LOSS).into_iter().map(|loss| Some([-loss?, 0.0])).collect()
    } else if films.of(&DICE).is_some() {
        of(&DICE).into_iter().map(|dice| Some([dice?, 0.0])).collect()
    } else {
        // Few mistakes, and of as few the film with more boxes rightly found.
        let all = of(&FOUND).into_iter().zip(of(&FALSE)).zip(of(&MISSED));
        all.map(|((found, wrong), missed)| Some([-(wrong? + missed?), found?])).collect()
    };
    let mut known: Vec<usize> = (0..quality.len()).filter(|f| quality[*f].is_some()).collect();
    known
        .sort_by(|a, b| quality[*b].partial_cmp(&quality[*a]).unwrap_or(std::cmp::Ordering::Equal));
    known
}

/// What is true of each film, where it is classes: its class; of findings whether it has any.
fn groups(run: &Finished) -> Result<Vec<usize>> {
    let Some(predicted) = Predicted::read(run, "")? else { return Ok(Vec::new()) };
    let one = |row: &Vec<f64>| row.iter().filter(|t| **t == 1.0).count() == 1;
    let classes = predicted.truths.iter().all(one);
    let group = |row: &Vec<f64>| match (row.iter().position(|t| *t == 1.0), classes) {
        (Some(class), true) => class,
        (there, _) => usize::from(there.is_some()),
    };
    Ok(predicted.truths.iter().map(group).collect())
}

/// The first `count` of `ranked`, of each group as many as can be: the best films are not all of one class.
fn varied(ranked: &[usize], groups: &[usize], count: usize) -> Vec<usize> {
    let of = |film: &usize| groups.get(*film).copied().unwrap_or(0);
    let kinds: BTreeSet<usize> = ranked.iter().map(of).collect();
    let each = count.div_ceil(kinds.len().max(1));
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for film in ranked {
        let taken = taken.entry(of(film)).or_default();
        *taken += 1;
        if *taken <= each { first.push(*film) } else { rest.push(*film) }
    }
    first.truncate(count);
    let short = count - first.len();
    first.extend(rest.into_iter().take(short));
    first
}

/// The best and the worst films of a run, `count` of each at most, or a sentence that says why they are not shown.
pub fn films(run: &Finished, count: usize, device: &DeviceArgs) -> Vec<Block> {
    let not_shown =
        |why: String| vec![Block::Text(format!("{}: films are not shown: {why}.", run.name))];
    let Some(films) = &run.films else {
        return not_shown("the run has no films.csv; mtpret evaluate writes it".into());
    };
    let ranked = ranked(films);
    let half = count.min(ranked.len() / 2);
    if half == 0 {
        return not_shown("there are not two films of which a figure is known".into());
    }
    let path = |place: &usize| films.rows[*place].path.as_path();
    let best = match groups(run) {
        Ok(groups) => varied(&ranked[..ranked.len() - half], &groups, half),
        Err(e) => return not_shown(e.to_string()),
    };
    let best: Vec<&Path> = best.iter().map(path).collect();
    let worst: Vec<&Path> = ranked[ranked.len() - half..].iter().rev().map(path).collect();
    if let Some(absent) = best.iter().chain(&worst).find(|path| !path.exists()) {
        return not_shown(format!("they are not at hand ({} is not there)", absent.display()));
    }
    match shots(run, &[best, worst].concat(), device) {
        Ok((mut shots, seen)) => {
            let worst = shots.split_off(half.min(shots.len()));
            let (keys, caption) = describe(&seen);
            let gallery = |title: &str, films| Block::Gallery {
                title: format!("{}: {title}", run.name),
                caption: caption.into(),
                keys: keys.clone(),
                films,
            };
            vec![gallery("best", shots), gallery("worst", worst)]
        }
        Err(e) => not_shown(e.to_string()),
    }
}

/// A picture of each film, in their order; and one of what was seen.
fn shots(run: &Finished, paths: &[&Path], device: &DeviceArgs) -> Result<(Vec<Shot>, Compared)> {
    let trained = Trained::open(&run.folder, device)?;
    let set = &trained.set;
    let known = [&set.train, &set.val, &set.test].into_iter().flatten();
    let known: BTreeMap<&Path, &Sample> = known.map(|s| (&*s.path, s)).collect();
    let unknown = |path: &Path| Sample {
        path: path.into(),
        patient: String::new(),
        target: Vec::new().into(),
    };
    let sample = |path: &&Path| known.get(path).map_or_else(|| unknown(path), |s| (*s).clone());
    let samples: Vec<Sample> = paths.iter().map(sample).collect();
    let column = trained.explain(&run.name, &samples, &[], LEAST)?.remove(0);
    let mut shots = Vec::new();
    for sample in &samples {
        let Some((compared, map)) = column.films.get(&sample.path) else { continue };
        let cell = seen::cell(&seen::grey(&sample.path)?, compared, map);
        let truth = match compared {
            Compared::Labels { .. } => seen::truth(compared),
            _ => None,
        };
        shots.push(Shot {
            png: png(&cell.picture.draw(ACROSS, ACROSS * 4 / 3)),
            name: sample.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            caption: match truth {
                Some(truth) => format!("{}, true: {truth}", cell.caption),
                None => cell.caption,
            },
            right: cell.right,
        });
    }
    let seen = column.films.into_values().next().expect("a film was seen").0;
    Ok((shots, seen))
}

/// What colours mean, and how films were ranked.
fn describe(seen: &Compared) -> (Vec<LegendEntry>, &'static str) {
    match seen {
        Compared::Labels { .. } => (
            Vec::new(),
            "By cross-entropy. Colours are attention (Grad-CAM at C5), blue for little to red for the film's greatest",
        ),
        Compared::Mask { .. } => (mask_keys(), "By Dice"),
        Compared::Boxes { .. } => (box_keys(), "By boxes that are not there or missed"),
    }
}
