//! `mtpret bench loader`: how many films a second come from disk to batches, without a device.

use super::made_films::{Kept, SIDE};
use crate::{
    Error, Result,
    report::table::{Cell, Column, Table},
};
use mtpret_engine::{gpu::Room, ops::warp::Warp, step::Samples};
use mtpret_pipeline::data::{Annotation, Batch, Fit, Loader, LoaderOptions, Sample, films_below};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::{Duration, Instant},
};

/// Sizes of the network's input, width and height.
const SIZES: [[usize; 2]; 2] = [[224, 224], [800, 500]];
/// Films of a batch.
const BATCH: usize = 8;
/// How long films are loaded for a figure.
const LONG_ENOUGH: Duration = Duration::from_millis(1500);
/// Images a second of a device that is to be kept fed.
const DEVICE: f64 = 1000.0;

/// Films a second from `folder`, or from films that are made for it, with one thread up to one for each core, in words and
/// in JSON.
///
/// # Errors
/// No films, or one that cannot be read.
pub(super) fn loader(folder: Option<&Path>) -> Result<(String, Value)> {
    let scratch = tempfile::tempdir();
    let scratch = scratch.map_err(|e| Error::io(&std::env::temp_dir(), e, "free space there"))?;
    let sets = match folder {
        Some(folder) => vec![(folder.display().to_string(), films_below(folder)?)],
        None => {
            let kinds = Kept::ALL.into_iter();
            let make = |kept: Kept| Ok((kept.name().to_owned(), kept.make(scratch.path())?));
            kinds.map(make).collect::<Result<_>>()?
        }
    };
    let cores = available_parallelism().map_or(1, usize::from);
    let threads = || std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < cores);
    let threads: Vec<usize> = threads().chain([cores]).collect();
    let names: Vec<String> = threads
        .iter()
        .map(|n| if *n == 1 { "1 thread, img/s".into() } else { format!("{n} threads, img/s") })
        .collect();
    let fed = format!("cores for {DEVICE:.0} img/s");
    let numbers = names.into_iter().chain([fed]).map(|title| Column::numbers(title, None));
    let texts = ["films", "input"].map(Column::text);
    let mut table = Table::new(texts.into_iter().chain(numbers).collect());
    let mut rows = Vec::new();
    for (name, films) in &sets {
        for [width, height] in SIZES {
            let rates = threads.iter().map(|threads| rate(films, [width, height], *threads));
            let rates = rates.collect::<Result<Vec<f64>>>()?;
            let needed = DEVICE * cores as f64 / rates[rates.len() - 1];
            let cells = rates.iter().map(|rate| Cell::number(Some(*rate), 0));
            let input = Cell::text(format!("{width} × {height}"));
            table.push(
                [Cell::text(name), input]
                    .into_iter()
                    .chain(cells)
                    .chain([Cell::number(Some(needed), 1)])
                    .collect(),
            );
            let rates = threads
                .iter()
                .zip(&rates)
                .map(|(threads, rate)| json!({ "threads": threads, "images_per_second": rate }));
            rows.push(json!({
                "films": name, "count": films.len(), "size": [width, height],
                "rates": rates.collect::<Vec<_>>(), "cores_for_1000": needed,
            }));
        }
    }
    let made = match folder {
        Some(_) => String::new(),
        None => format!(" made here, {SIDE} × {SIDE}"),
    };
    let text = format!(
        "Films{made}: read, decoded, resized and put together in batches of {BATCH}, each anew, no device. Files are in the \
         system's memory after the first time.\n\n{}",
        table.to_text()
    );
    Ok((text, json!({ "batch": BATCH, "cores": cores, "loader": rows })))
}

/// Films a second.
fn rate(films: &[PathBuf], [width, height]: [usize; 2], threads: usize) -> Result<f64> {
    // Few films are taken again and again, until there is a batch of them.
    let films = films.iter().cycle().take(films.len().max(BATCH));
    let sample = |path: &PathBuf| Sample {
        path: path.clone(),
        patient: String::new(),
        target: Annotation::Labels(Vec::new()),
    };
    let options = LoaderOptions {
        width,
        height,
        fit: Fit::Stretch,
        batch: BATCH,
        seed: 0,
        shuffle: false,
        drop_last: true,
        threads,
        cache_bytes: 0,
        pack: None,
        prefetch: 2,
        max_bad: 0,
        start: 0,
    };
    let mut loader = Loader::new(films.map(sample).collect(), options)?;
    let mut room = vec![0; 4 * Warp::words(BATCH, width * height)];
    let mut next = |loader: &mut Loader| -> Result<usize> {
        let batch = loader.next_batch()?;
        pack(&batch, &mut room);
        Ok(batch.films.len())
    };
    // What was made ready before the clock runs would count for nothing.
    for _ in 0..3 {
        next(&mut loader)?;
    }
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < LONG_ENOUGH {
        count += next(&mut loader)?;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// Puts a batch where a device would fetch it.
fn pack(batch: &Batch, room: &mut [u8]) {
    for field in batch.fields() {
        if let Samples::Packed(pack) = field {
            pack(0..BATCH, Room::from_mut(room));
        }
    }
}
