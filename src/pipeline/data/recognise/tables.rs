//! A table of films, whose columns are told by what is in them.

use std::path::Path;

use super::{RecognisedSet, Source, Table, below, class, files, source};
use crate::{
    Result,
    data::{Format, Kind, Policy, Uncertain, dataset::split::Part},
};

/// Rows that are looked at to tell what a column holds.
const ROWS: usize = 50;
/// Words beyond which a column is not one of classes.
const CLASSES: usize = 20;

/// A table that names films, with what its columns mean.
pub(in crate::data) fn table(folder: &Path) -> Result<Option<RecognisedSet>> {
    let tables = files(folder, "csv");
    // Only who has a table is asked for all films.
    let films = if tables.is_empty() { return Ok(None) } else { films(folder)? };
    for file in tables {
        let Ok(table) = Table::read(file.clone(), false) else { continue };
        let Some(path_column) = (0..table.header.len()).find(|&c| names_films(&table, c, &films))
        else {
            continue;
        };
        for images in ["", "images", "imgs", "films"] {
            let mut source = source(folder, Format::Csv);
            source.table = Some(below(folder, &file));
            source.images = images.into();
            source.path_column = table.header[path_column].clone();
            source.partial = true;
            let usual = columns(&table, path_column, &mut source);
            if !source.films().is_dir()
                || !source.survey().is_ok_and(|(set, _)| set.train.len() > set.missing)
            {
                continue;
            }
            let what = format!(
                "a table, {}: {usual}",
                source.table.as_deref().unwrap_or(Path::new("")).display()
            );
            return Ok(Some(RecognisedSet { source, what }));
        }
    }
    Ok(None)
}

/// The names of all films below a folder, with extension and without.
fn films(folder: &Path) -> Result<std::collections::HashSet<String>> {
    use crate::data::walk::{file_name, films_below, stem};
    Ok(films_below(folder)?.iter().flat_map(|film| [file_name(film), stem(film)]).collect())
}

fn cells(table: &Table, column: usize) -> impl Iterator<Item = &str> {
    table.rows.iter().filter_map(move |(_, cells)| Some(cells.get(column)?.as_str()))
}

/// Whether most of the first cells of a column are names of films.
fn names_films(table: &Table, column: usize, films: &std::collections::HashSet<String>) -> bool {
    let last = |cell: &str| cell.rsplit(['/', '\\']).next().unwrap_or_default().to_string();
    let first: Vec<String> = cells(table, column).take(ROWS).map(last).collect();
    // Small numbers may be ages as well as names: every one of them must be a film.
    let hits = first.iter().filter(|name| films.contains(*name)).count();
    !first.is_empty()
        && hits * 2 > first.len()
        && (hits == first.len() || first.iter().any(|n| n.contains('.')))
}

/// Fills in what the other columns mean, and says it.
fn columns(table: &Table, path_column: usize, source: &mut Source) -> String {
    let title = |column: usize| table.header[column].to_lowercase();
    let others = || (0..table.header.len()).filter(|&c| c != path_column);
    let named =
        |words: &[&str]| others().find(|&c| words.iter().any(|word| title(c).contains(word)));
    source.split_column = named(&["split", "subset", "part", "fold"])
        .filter(|&c| cells(table, c).all(|cell| Part::named(cell).is_some()))
        .map(|c| table.header[c].clone());
    source.patient_column = named(&["patient", "subject", "case"])
        .filter(|&c| cells(table, c).all(|cell| !cell.is_empty()))
        .map(|c| table.header[c].clone());
    let finding = |c: &usize| {
        let known =
            |cell: &str| cell.is_empty() || matches!(cell.parse::<f64>(), Ok(0.0 | 1.0 | -1.0));
        cells(table, *c).all(known) && cells(table, *c).any(|cell| matches!(cell.parse(), Ok(1.0)))
    };
    let findings: Vec<usize> = others().filter(finding).collect();
    let uncertain = |c: &usize| cells(table, *c).any(|cell| cell.parse() == Ok(-1.0));
    let uncertain = findings.iter().any(uncertain);
    let free = |c: &usize| {
        let used = [&source.split_column, &source.patient_column];
        used.iter().all(|name| name.as_ref() != Some(&table.header[*c]))
    };
    let label = ["label", "class", "finding", "diagnosis", "pathology", "category", "target"];
    let words = |c: usize| {
        let mut words: Vec<&str> = cells(table, c).filter(|cell| !cell.is_empty()).collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let of_classes = named(&label)
        .filter(|&c| (2..=CLASSES).contains(&words(c).len()) && !findings.contains(&c));
    let (columns, kind) = match (of_classes, findings.as_slice()) {
        (Some(column), _) => (vec![column], Kind::Classes),
        (None, []) => (Vec::new(), Kind::None),
        (None, some) => (some.to_vec(), Kind::Multi),
    };
    source.label_columns =
        columns.iter().filter(|c| free(c)).map(|&c| table.header[c].clone()).collect();
    match kind {
        Kind::Classes => {
            let words = words(columns[0]);
            source.classes = words.iter().map(|word| class(word)).collect();
            format!("classes {}", words.join(", "))
        }
        Kind::Multi => {
            if uncertain {
                source.uncertain = Uncertain::All(Policy::Ignore);
            }
            format!("findings {}", source.label_columns.join(", "))
        }
        _ => "films without labels".into(),
    }
}
