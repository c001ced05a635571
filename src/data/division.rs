//! A division of a data set in a file of its own, so that others can have the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::split::{Flaw, Part, Row};
use super::table::Table;
use super::{Dataset, Sample, Source};
use crate::{Error, Result};

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
        writer.write_record(row).expect("memory takes every row");
    }
    let bytes = writer.into_inner().expect("memory is flushed");
    Ok(String::from_utf8(bytes).expect("cells are UTF-8"))
}

/// BLAKE3 of a file's bytes in hexadecimal digits.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub fn content_hash(path: &Path) -> Result<String> {
    let bytes =
        std::fs::read(path).map_err(|e| Error::io(path, e, "see that the film may be read"))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// What films are, told from their files alone: neither names nor places count, nor the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How many.
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
pub(super) fn relative(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts = inside.components().map(|part| part.as_os_str().to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// Gives each row the part that the file says. A film on one side only is a flaw.
pub(super) fn apply(
    source: &Source,
    file: &Path,
    rows: Vec<Row>,
    flaws: &mut Vec<Flaw>,
) -> Result<Vec<Row>> {
    let table = Table::read(source.root.join(file), false)?;
    let (film, part) = (table.column(HEADER[0])?, table.column(HEADER[1])?);
    let mut parts: HashMap<&str, Part> = HashMap::new();
    for (line, cells) in &table.rows {
        let problem = format!("expected train, val or test, found {:?}", cells[part]);
        let named = Part::named(&cells[part])
            .ok_or_else(|| Error::data(table.place(*line), problem, "write one of these"))?;
        parts.insert(&cells[film], named);
    }
    let mut met = HashSet::new();
    let mut kept = Vec::new();
    for row in rows {
        let name = relative(&row.sample.path, &source.root);
        let Some(&part) = parts.get(name.as_str()) else {
            let problem = format!("expected {name} in {}, found none", table.path.display());
            let remedy = "write the splits anew: mtpret data splits";
            flaws.push(Flaw::new("film without part", Error::data(row.place, problem, remedy)));
            continue;
        };
        met.insert(name);
        kept.push(Row { part: Some(part), ..row });
    }
    let absent = |cells: &[String]| !met.contains(&cells[film]);
    if let Some((line, cells)) = table.rows.iter().find(|(_, cells)| absent(cells)) {
        let count = table.rows.iter().filter(|(_, cells)| absent(cells)).count();
        let problem =
            format!("expected the film {} in the data set, found none ({count} such)", cells[film]);
        let remedy = "restore the films, or write the splits anew";
        flaws.push(Flaw::new("missing film", Error::data(table.place(*line), problem, remedy)));
    }
    Ok(kept)
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
        .map(|(_, cells)| (source.root.join(&cells[film]), cells[hash].as_str()))
        .collect();
    let other = |(path, hash): (&PathBuf, &&str)| {
        (path.is_file() && content_hash(path).is_ok_and(|found| found != **hash))
            .then(|| path.clone())
    };
    Ok(expected.par_iter().filter_map(other).collect())
}
