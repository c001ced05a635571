//! Division files: a division of a data set in a file of its own, so that others can have the same.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::listing::{Flaw, Part, Row};
use crate::{
    Error, Result,
    data::{
        Dataset, Sample, Source,
        formats::csv_table::Table,
        spreadsheet::{inert, meant},
        walk::{composed, on_disk},
    },
};

/// The columns of the file: a film's path below the root with `/`, its part, its patient, BLAKE3 of its file's bytes.
const HEADER: [&str; 4] = ["film", "part", "patient", "blake3"];

/// The text of the file that divides as `dataset` does, whose films lie below `root`.
///
/// # Errors
/// [`Error::Io`] for a film that cannot be read.
pub fn table(dataset: &Dataset, root: &Path) -> Result<String> {
    let parts = [("train", &dataset.train), ("val", &dataset.val), ("test", &dataset.test)];
    let films: Vec<_> =
        parts.into_iter().flat_map(|(p, films)| films.iter().map(move |f| (p, f))).collect();
    let row = |(part, film): &(&str, &Sample)| -> Result<[String; 4]> {
        let hash = content_hash(&film.path)?;
        Ok([relative(&film.path, root), (*part).to_string(), film.patient.clone(), hash])
    };
    let mut rows = films.par_iter().map(row).collect::<Result<Vec<_>>>()?;
    rows.sort();
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(HEADER.map(String::from)).chain(rows) {
        writer.write_record(row.map(|cell| inert(&cell))).expect("memory takes every row");
    }
    let bytes = writer.into_inner().expect("memory is flushed");
    Ok(String::from_utf8(bytes).expect("cells are UTF-8"))
}

/// BLAKE3 of a file's bytes in hexadecimal digits.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub fn content_hash(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    std::fs::File::open(path)
        .and_then(|file| hasher.update_reader(file).map(|_| ()))
        .map_err(|e| Error::io(path, e, "see that the film may be read"))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Brings films with the same bytes, and with them all films of their patients, into the part of the first of them; says
/// how many films moved.
///
/// # Errors
/// [`Error::Io`] for a film that cannot be read.
pub fn together(dataset: &mut Dataset) -> Result<usize> {
    let parts = [&mut dataset.train, &mut dataset.val, &mut dataset.test].map(std::mem::take);
    let mut films: Vec<(usize, Sample)> = Vec::new();
    for (part, of_part) in parts.into_iter().enumerate() {
        films.extend(of_part.into_iter().map(|film| (part, film)));
    }
    let hashes =
        films.par_iter().map(|(_, film)| content_hash(&film.path)).collect::<Result<Vec<_>>>()?;
    let before: Vec<usize> = films.iter().map(|(part, _)| *part).collect();
    // A move may part other copies of the patient's films: until none does. Parts only become less, so it ends.
    loop {
        let mut least: HashMap<&str, usize> = HashMap::new();
        for ((part, film), hash) in films.iter().zip(&hashes) {
            for key in [hash.as_str(), film.patient.as_str()] {
                let known = least.entry(key).or_insert(*part);
                *known = (*part).min(*known);
            }
        }
        let to: Vec<usize> = films
            .iter()
            .zip(&hashes)
            .map(|((_, film), hash)| least[hash.as_str()].min(least[film.patient.as_str()]))
            .collect();
        if films.iter().zip(&to).all(|((part, _), to)| part == to) {
            break;
        }
        films.iter_mut().zip(to).for_each(|((part, _), to)| *part = to);
    }
    let moved = films.iter().zip(&before).filter(|((part, _), before)| part != *before).count();
    for (part, film) in films {
        [&mut dataset.train, &mut dataset.val, &mut dataset.test][part].push(film);
    }
    Ok(moved)
}

/// Refuses a source whose data set gives no division of its own.
///
/// # Errors
/// [`Error::Data`] if it gives none, or as [`Source::read`].
pub fn needs_division(source: &Source) -> Result<()> {
    let bare = Source { val_share: 0.0, test_share: 0.0, ..source.clone() };
    let dataset = bare.read()?;
    if !dataset.val.is_empty() || !dataset.test.is_empty() {
        return Ok(());
    }
    Err(Error::data(
        &source.root,
        "a division of the set's own (folders train and test, lists, a column)",
        "none",
        "divide it by patient",
    ))
}

/// Digest of films, told from their files alone: neither names nor places count, nor the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Number of films.
    pub films: usize,
    /// BLAKE3 of the films' [`content_hash`]es, sorted, one a line.
    pub blake3: String,
}

impl Digest {
    /// The digest of films, each of which is read.
    ///
    /// # Errors
    /// [`Error::Io`] for a film that cannot be read.
    pub fn of(films: &[Sample]) -> Result<Self> {
        let hashes = films.par_iter().map(|film| content_hash(&film.path));
        let mut hashes = hashes.collect::<Result<Vec<_>>>()?;
        hashes.sort();
        let mut all = blake3::Hasher::new();
        hashes.iter().for_each(|hash| {
            all.update(hash.as_bytes()).update(b"\n");
        });
        Ok(Self { films: films.len(), blake3: all.finalize().to_hex().to_string() })
    }
}

/// A path below `root`, with `/` on every system.
pub(in crate::data) fn relative(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts = inside.components().map(|part| part.as_os_str().to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// Gives each row the part that the file says. A film on one side only is a flaw.
pub(in crate::data) fn apply(
    source: &Source,
    file: &Path,
    rows: Vec<Row>,
    flaws: &mut Vec<Flaw>,
) -> Result<Vec<Row>> {
    let table = Table::read(source.root.join(file), false)?;
    let (film, part) = (table.column(HEADER[0])?, table.column(HEADER[1])?);
    let mut parts: HashMap<String, Part> = HashMap::new();
    for (line, cells) in &table.rows {
        let named = Part::named(&cells[part]).ok_or_else(|| {
            let found = format!("{:?}", cells[part]);
            Error::data(table.place(*line), "train, val or test", found, "write one of these")
        })?;
        parts.insert(composed(meant(&cells[film])), named);
    }
    let mut met = HashSet::new();
    let mut kept = Vec::new();
    for row in rows {
        let name = composed(&relative(&row.sample.path, &source.root));
        let Some(&part) = parts.get(&name) else {
            let expected = format!("{name} in {}", table.path.display());
            let mend = "write the splits anew: mtpret data splits";
            let error = Error::data(row.place, expected, "none", mend);
            flaws.push(Flaw::new("film without part", error));
            continue;
        };
        met.insert(name);
        kept.push(Row { part: Some(part), ..row });
    }
    let absent = |cells: &[String]| !met.contains(&composed(meant(&cells[film])));
    if let Some((line, cells)) = table.rows.iter().find(|(_, cells)| absent(cells)) {
        let count = table.rows.iter().filter(|(_, cells)| absent(cells)).count();
        let expected = format!("the film {} in the data set", meant(&cells[film]));
        let (found, mend) =
            (format!("none ({count} such)"), "restore the films, or write the splits anew");
        let error = Error::data(table.place(*line), expected, found, mend);
        flaws.push(Flaw::new("missing film", error));
    }
    Ok(kept)
}

/// Refuses films whose bytes are not those that a division was written for.
pub(in crate::data) fn verify(source: &Source, file: &Path) -> Result<()> {
    let changed = changed(source, file)?;
    let Some(first) = changed.first() else { return Ok(()) };
    let file = source.root.join(file);
    Err(Error::data(
        first,
        format!("the film that {} was written for", file.display()),
        format!("other bytes ({} such films)", changed.len()),
        "restore the films, or write the splits anew: mtpret data splits",
    ))
}

/// Films whose bytes are not those that a division was written for.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] if the file cannot be read or is no such table.
pub fn changed(source: &Source, file: &Path) -> Result<Vec<PathBuf>> {
    let table = Table::read(source.root.join(file), false)?;
    let (film, hash) = (table.column(HEADER[0])?, table.column(HEADER[3])?);
    let expected: BTreeMap<PathBuf, &str> = table
        .rows
        .iter()
        .filter_map(|(_, cells)| {
            Some((on_disk(source.root.join(meant(&cells[film])))?, cells[hash].as_str()))
        })
        .collect();
    let other = |(path, hash): (&PathBuf, &&str)| {
        content_hash(path).is_ok_and(|found| found != **hash).then(|| path.clone())
    };
    Ok(expected.par_iter().filter_map(other).collect())
}
