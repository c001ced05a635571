//! Reader of tables with a row per film and any columns.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;

use super::{
    boxes::{Films, label, no_film},
    csv_table::{OwnerColumns, Table},
};
use crate::{
    Error, Result,
    data::{
        Kind, Labels, Sample, Source,
        dataset::{
            class::{class_of_cell, meaning, names},
            given::by_folders,
            listing::{Flaw, Listing, Part, Row},
            uncertain::Policy,
        },
        walk::relative,
    },
    did_you_mean,
};

/// Reads the tables of a [`crate::data::Format::Csv`] source.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let films = Films::below(source.films())?;
    let tables = source.tables();
    let mut all = listing(source, tables[0].0, &films, None)?;
    for (table, part) in tables.into_iter().skip(1) {
        let mut more = listing(source, table, &films, part)?;
        if source.label_separator.is_some() {
            same_findings(&mut all, &mut more);
        }
        if more.labels != all.labels {
            return Err(Error::data(
                &source.root.join(table),
                format!("the labels of the other table, {}", all.labels.names.join(", ")),
                more.labels.names.join(", "),
                "give both tables the same labels",
            ));
        }
        all.rows.extend(more.rows);
        all.flaws.extend(more.flaws);
        all.missing += more.missing;
        all.unlabelled += more.unlabelled;
    }
    by_folders(source, &mut all.rows);
    Ok(all)
}

/// Gives both listings the findings of either: what a table never names is on none of its films.
fn same_findings(one: &mut Listing, other: &mut Listing) {
    let names: BTreeSet<String> =
        one.labels.names.iter().chain(&other.labels.names).cloned().collect();
    for listing in [one, other] {
        let at: Vec<Option<usize>> =
            names.iter().map(|name| listing.labels.names.iter().position(|n| n == name)).collect();
        for row in &mut listing.rows {
            let known = row.sample.target.labels();
            let target: Vec<f32> = at.iter().map(|at| at.map_or(0.0, |at| known[at])).collect();
            row.sample.target = target.into();
        }
        listing.labels.names = names.iter().cloned().collect();
    }
}

/// Reads one table, whose films are all of `part` if there is one.
fn listing(source: &Source, table: &Path, on_disk: &Films, whole: Option<Part>) -> Result<Listing> {
    let mut table = Table::read(source.root.join(table), false)?;
    table.keep_only(source)?;
    let films = table.column(&source.path_column)?;
    let owners = OwnerColumns::of(source, &table)?;
    let (labels, targets) = labels(source, &table)?;
    let row = |line: u64, cells: &[String], target: Vec<f32>| -> Result<Option<Row>> {
        let place = table.place(line);
        let path = film(source, on_disk, &table.path, &place, &cells[films])?;
        if !on_disk.holds(&path) {
            return Ok(None);
        }
        let (patient, part) = owners.read(&place, cells, whole)?;
        let target = target.into();
        Ok(Some(Row { sample: Sample { path, patient, target }, part, place }))
    };
    let (mut rows, mut missing, mut unlabelled, mut flaws) = (Vec::new(), 0, 0, Vec::new());
    for ((line, cells), target) in table.rows.iter().zip(targets) {
        match target.and_then(|t| t.map(|t| row(*line, cells, t)).transpose()) {
            Ok(Some(Some(row))) => rows.push(row),
            Ok(Some(None)) if source.partial => missing += 1,
            Ok(Some(None)) => flaws.push(no_film(source, &table.place(*line), &cells[films])),
            Ok(None) => unlabelled += 1,
            Err(error) => flaws.push(Flaw::new("unusable row", error)),
        }
    }
    Ok(Listing { labels, rows, missing, unlabelled, flaws })
}

/// The file that a cell means, or the place where it was first sought.
fn film(
    source: &Source,
    films: &Films,
    table: &Path,
    place: &Place,
    cell: &str,
) -> Result<PathBuf> {
    let inside = relative(cell).ok_or_else(|| {
        Error::data(
            place,
            format!("a path below {}", source.films().display()),
            format!("{cell:?}"),
            "write the path relative to root, without ..",
        )
    })?;
    let path = source.films().join(&inside);
    if let Some(path) = films.at(&path) {
        return Ok(path);
    }
    let below = source.films().join(inside.components().skip(1).collect::<PathBuf>());
    if let Some(below) = films.at(&below) {
        return Ok(below);
    }
    // Tables that number their films leave the extension out, and archives nest folders. A table of a part means the film there.
    Ok(films.find_near(place, cell, Some(table))?.unwrap_or(path))
}

/// Targets of the rows, `None` for a row without a class.
type TargetRows = Vec<Result<Option<Vec<f32>>>>;

/// The labels of a table and the target of each row.
fn labels(source: &Source, table: &Table) -> Result<(Labels, TargetRows)> {
    let columns = if source.labelled { source.label_columns.as_slice() } else { &[] };
    let at = columns.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
    let single = |key: &str| match at[..] {
        [column] => Ok(column),
        _ => Err(Error::config(
            format!("data set {}, label_columns", source.name),
            format!("the one column that {key} is for"),
            at.len().to_string(),
            format!("name one column, or leave {key} out"),
        )),
    };
    if !source.classes.is_empty() {
        let column = single("classes")?;
        let class = |cell: &String| class_of_cell(&source.classes, cell).map(|c| vec![c as f32]);
        let targets = table.rows.iter().map(|(_, cells)| Ok(class(&cells[column]))).collect();
        return Ok((Labels { kind: Kind::Classes, names: names(&source.classes) }, targets));
    }
    if let Some(separator) = &source.label_separator {
        return words(source, table, single("label_separator")?, separator);
    }
    check_uncertain(source)?;
    match (at.as_slice(), columns) {
        ([column], [name])
            if source.uncertain.of(name).is_none() && !holds_findings(source, table, *column) =>
        {
            classes(source, table, name, *column)
        }
        _ => findings(source, table, &at, columns),
    }
}

/// Whether a column holds 0, 1, blanks and, where nobody was certain, −1.
fn holds_findings(source: &Source, table: &Table, column: usize) -> bool {
    table.rows.iter().all(|(_, cells)| {
        let cell = &cells[column];
        cell_finding(source, cell).is_some() || cell.parse() == Ok(-1.0)
    })
}

/// Reads a cell as [`finding`] does, with the words of the source that mean a blank.
fn cell_finding(source: &Source, cell: &str) -> Option<f32> {
    if source.is_missing(cell) { Some(f32::NAN) } else { number(cell) }
}

/// Reads labels and targets of columns of findings.
fn findings(
    source: &Source,
    table: &Table,
    at: &[usize],
    columns: &[String],
) -> Result<(Labels, TargetRows)> {
    let found =
        |name: &str, cell: &str| match (cell_finding(source, cell), source.uncertain.of(name)) {
            // Another word for a blank says that nobody knows.
            (Some(value), _) if value.is_nan() && source.blank_is_absent && empty(cell) => {
                Some(0.0)
            }
            (None, Some(policy)) if cell.parse() == Ok(-1.0) => Some(policy.target()),
            (found, _) => found,
        };
    let kind = if at.is_empty() { Kind::None } else { Kind::Multi };
    let asked = |name: &&String| source.uncertain.of(name).is_some_and(Policy::asks);
    let doubts = || at.iter().zip(columns).filter(|(_, name)| asked(name));
    let mut targets = Vec::new();
    for (line, cells) in &table.rows {
        let target = at.iter().zip(columns).map(|(&column, name)| {
            found(name, &cells[column]).ok_or_else(|| not_found(table, *line, name, &cells[column]))
        });
        // Not certain, certain, or, where nothing is said, not known.
        let doubt = doubts().map(|(&column, name)| match found(name, &cells[column]) {
            _ if cells[column].parse() == Ok(-1.0) => Ok(1.0),
            Some(value) if value.is_nan() => Ok(value),
            _ => Ok(0.0),
        });
        targets.push(target.chain(doubt).collect::<Result<_>>().map(Some));
    }
    let names = columns.iter().cloned();
    let names = names.chain(doubts().map(|(_, name)| format!("{name} uncertain")));
    Ok((Labels { kind, names: names.collect() }, targets))
}

/// The fault of a cell that says nothing about a finding.
fn not_found(table: &Table, line: u64, name: &str, cell: &str) -> Error {
    let mend = match cell.parse() {
        Ok(-1.0) => "say in uncertain what -1 counts as, or in classes which classes the words are",
        _ => "write a blank where it is not known",
    };
    let expected = format!("0, 1 or blank for {name}");
    Error::data(table.place(line), expected, format!("{cell:?}"), mend)
}

/// Refuses a finding in `uncertain` that is no label.
fn check_uncertain(source: &Source) -> Result<()> {
    let foreign = source.uncertain.findings().find(|name| !source.label_columns.contains(name));
    foreign.map_or(Ok(()), |name| {
        Err(Error::config(
            format!("data set {}, uncertain", source.name),
            "names of label_columns",
            name,
            did_you_mean(name, &source.label_columns),
        ))
    })
}

/// Words that pandas takes for a blank, in small letters.
const MISSING: [&str; 16] = [
    "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>", "n/a",
    "n.a.", "na", "null", "nan", "none", "nil",
];

impl Source {
    /// Whether a cell says that its label is not known.
    pub(in crate::data) fn is_missing(&self, cell: &str) -> bool {
        match &self.missing_labels {
            None => blank(cell),
            Some(words) => {
                empty(cell) || words.iter().any(|word| word.to_lowercase() == cell.to_lowercase())
            }
        }
    }
}

/// Whether a cell is blank, or what pandas writes for a blank.
fn empty(cell: &str) -> bool {
    cell.is_empty() || cell.eq_ignore_ascii_case("nan")
}

/// Whether a cell is blank, or what pandas takes for a blank.
fn blank(cell: &str) -> bool {
    cell.is_empty() || MISSING.contains(&cell.to_ascii_lowercase().as_str())
}

/// The finding of a cell: 0, 1, or NaN for a blank or what pandas takes for one; `None` for
/// anything else.
pub fn finding(cell: &str) -> Option<f32> {
    if blank(cell) { Some(f32::NAN) } else { number(cell) }
}

fn number(cell: &str) -> Option<f32> {
    cell.parse().ok().filter(|v| *v == 0.0 || *v == 1.0)
}

/// The word that says that there is no finding.
const NO_FINDING: &str = "no finding";

/// Reads labels and targets of one column of several findings a cell, by name.
fn words(
    source: &Source,
    table: &Table,
    column: usize,
    separator: &str,
) -> Result<(Labels, TargetRows)> {
    let parts = |cell: &str| -> Option<Vec<String>> {
        let parts = || cell.split(separator).map(str::trim).filter(|word| !word.is_empty());
        let said = !source.is_missing(cell) && parts().next().is_some();
        said.then(|| {
            parts().filter(|w| !w.eq_ignore_ascii_case(NO_FINDING)).map(String::from).collect()
        })
    };
    // Words that mean the same are one finding, under the first of them in alphabetical order.
    let mut words = BTreeSet::new();
    for (line, cells) in &table.rows {
        for word in parts(&cells[column]).unwrap_or_default() {
            label(&table.place(*line), &word)?;
            words.insert(word);
        }
    }
    let mut met = HashSet::new();
    words.retain(|word| met.insert(meaning(word)));
    let names: Vec<String> = words.into_iter().collect();
    let meanings: Vec<String> = names.iter().map(|name| meaning(name)).collect();
    let target = |cells: &[String]| {
        let found: Vec<String> = parts(&cells[column])?.iter().map(|word| meaning(word)).collect();
        let has = |name: &String| f32::from(u8::from(found.contains(name)));
        Some(meanings.iter().map(has).collect())
    };
    let targets = table.rows.iter().map(|(_, cells)| Ok(target(cells))).collect();
    Ok((Labels { kind: Kind::Multi, names }, targets))
}

/// Reads labels and targets of one column of words, sorted by name, or of whole numbers, sorted by
/// value.
fn classes(
    source: &Source,
    table: &Table,
    name: &str,
    column: usize,
) -> Result<(Labels, TargetRows)> {
    let cells = || table.rows.iter().map(|(line, cells)| (line, cells[column].as_str()));
    let number = |cell: &str| meaning(cell).parse::<i64>().ok();
    let known = || cells().filter(|(_, cell)| !source.is_missing(cell));
    known().try_for_each(|(line, cell)| label(&table.place(*line), cell))?;
    let numbers = known().next().is_some_and(|(_, cell)| number(cell).is_some());
    if let Some((line, odd)) = known().find(|(_, cell)| number(cell).is_some() != numbers) {
        let expected = if numbers { "a whole number" } else { "a word" };
        return Err(Error::data(
            table.place(*line),
            format!("{expected} for {name} as in the rows above"),
            format!("{odd:?}"),
            "write all classes as words or all as whole numbers",
        ));
    }
    let mut names: Vec<&str> = known().map(|(_, cell)| cell).collect();
    names.sort_by_key(|cell| (number(cell), *cell));
    names.dedup();
    // Words that mean the same are one class, under the first of them.
    let mut met = HashMap::new();
    names.retain(|name| {
        let class = met.len();
        let first = !met.contains_key(&meaning(name));
        met.entry(meaning(name)).or_insert(class);
        first
    });
    if let [only] = names.as_slice() {
        return Err(Error::data(
            table.place(1),
            format!("two classes or more in {name}"),
            format!("{only} alone"),
            "name another column, or none to take the films without labels",
        ));
    }
    let target = |cell: &str| {
        let said = !source.is_missing(cell);
        said.then(|| met.get(&meaning(cell)).map(|class| vec![*class as f32]))?
    };
    let targets = cells().map(|(_, cell)| Ok(target(cell))).collect();
    let names = names.iter().map(ToString::to_string).collect();
    Ok((Labels { kind: Kind::Classes, names }, targets))
}
