//! A table of films, whose columns are told by what is in them.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use super::{RecognisedSet, Source, Table, Unread, below, class, said::one_line, source};
use crate::{
    Result,
    data::{
        Class, Format, Policy, Uncertain,
        dataset::listing::Part,
        formats::marks::{box_csv, rle_csv},
        walk::file_name,
    },
};

/// Rows that are looked at to tell what a column holds.
const ROWS: usize = 50;
/// Words beyond which a column is not one of classes, and beyond which it is not one of several findings a cell.
const CLASSES: usize = 20;
const FINDINGS: usize = 200;
/// What separates several findings in a cell.
const BETWEEN: [&str; 2] = ["|", ";"];
/// Words that mean a blank to pandas, but in a column of one other word the absence of that.
const ABSENT: [&str; 2] = ["none", "nil"];

/// A table that names films, with what its columns mean.
pub(in crate::data) fn table(folder: &Path) -> Result<Option<RecognisedSet>> {
    let tables = tables(folder);
    // Only who has a table is asked for all films.
    let films = if tables.is_empty() { return Ok(None) } else { films(folder)? };
    let marks = tables.iter().find_map(|file| marked(folder, file, &films));
    Ok(marks.or_else(|| tables.iter().find_map(|file| used(folder, file, &films).ok())))
}

/// Words in the names of columns that name films of which a row tells a mark.
const FILMS: [&str; 4] = ["image", "patientid", "file", "path"];

/// A source of a table with a row per box or run-length code, if this is one.
fn marked(folder: &Path, file: &Path, films: &HashSet<String>) -> Option<RecognisedSet> {
    let table = Table::read(file.to_path_buf(), false).ok()?;
    let title = |column: usize| table.header[column].to_lowercase();
    let format = match (box_csv::columns(&table), rle_csv::column(&table)) {
        (Some(_), _) => Format::BoxCsv,
        (None, Some(_)) => Format::RleCsv,
        (None, None) => return None,
    };
    // Of a part of a set most films are missing.
    let path_column = (0..table.header.len())
        .filter(|&c| FILMS.iter().any(|word| title(c).replace('_', "").contains(word)))
        .find(|&c| cells(&table, c).any(|cell| films.contains(last(cell))))?;
    let mut source = source(folder, format);
    source.table = Some(below(folder, file));
    source.path_column = table.header[path_column].clone();
    source.partial = true;
    let mut what = "run-length codes of masks".to_owned();
    if format == Format::BoxCsv {
        let columns = box_csv::columns(&table).unwrap_or_default();
        let of_classes = |c: &usize| {
            *c != path_column
                && !columns.contains(c)
                && LABEL.iter().any(|word| title(*c).contains(word))
                && cells(&table, *c).any(|cell| !box_csv::nothing(cell))
        };
        // A number of a class stands beside its name.
        let found = || (0..table.header.len()).filter(of_classes);
        let named = found().find(|&c| !title(c).ends_with("id")).or_else(|| found().next());
        if let Some(column) = named {
            source.label_columns = vec![table.header[column].clone()];
            let truth = |cell: &str| box_csv::nothing(cell) || matches!(cell.parse(), Ok(1.0));
            if cells(&table, column).all(truth) {
                source.classes = vec![Class::new(&table.header[column], &["1", "1.0"])];
            }
        }
        what = "boxes".to_owned();
    }
    let what = format!("a table, {}: {what}", below(folder, file).display());
    let readable = source.survey().is_ok_and(|(set, _)| !set.train.is_empty());
    readable.then(|| RecognisedSet { source, what: one_line(&what) })
}

/// Why each table of a folder that names no films, or names them with a fault, was passed over; nothing where there is none.
pub(super) fn passed_over(folder: &Path) -> Unread {
    let tables = tables(folder);
    let films = films(folder).unwrap_or_default();
    let why = |file: &PathBuf| {
        let why = used(folder, file, &films).err()?;
        Some(one_line(&format!("{}: {why}", file_name(file))))
    };
    tables.iter().filter_map(why).collect()
}

/// The tables in a folder, by name.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let mut found = super::entries(folder, "*");
    let is_table = |path: &PathBuf| {
        let end = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        end.is_some_and(|e| ["csv", "tsv", "tab"].contains(&e.as_str()))
    };
    found.retain(|p| is_table(p) && p.is_file() && !file_name(p).starts_with('.'));
    found.sort();
    found
}

/// A source of this table, or why there is none.
fn used(folder: &Path, file: &Path, films: &HashSet<String>) -> Result<RecognisedSet, String> {
    let table = Table::read(file.to_path_buf(), false).map_err(|e| e.to_string())?;
    let path_column = (0..table.header.len())
        .find(|&c| names_films(&table, c, films))
        .ok_or("no column of it names films that lie here")?;
    let mut why = None;
    for images in ["", "images", "imgs", "films"] {
        let mut source = source(folder, Format::Csv);
        source.table = Some(below(folder, file));
        source.images = images.into();
        source.path_column = table.header[path_column].clone();
        source.partial = true;
        let usual = columns(&table, path_column, &mut source);
        if !source.films().is_dir() {
            continue;
        }
        match source.survey() {
            Ok((set, _)) if set.train.len() > set.missing => {
                let what = format!("a table, {}: {usual}", below(folder, file).display());
                return Ok(RecognisedSet { source, what: one_line(&what) });
            }
            Ok((set, _)) => {
                let films =
                    format!("{} of its films lie here, {} do not", set.train.len(), set.missing);
                why.get_or_insert(films);
            }
            Err(error) => {
                why.get_or_insert(error.to_string());
            }
        }
    }
    Err(why.unwrap_or_default())
}

/// The names of all films below a folder, with extension and without.
fn films(folder: &Path) -> Result<HashSet<String>> {
    use crate::data::walk::{films_below, stem};
    Ok(films_below(folder)?.iter().flat_map(|film| [file_name(film), stem(film)]).collect())
}

fn cells(table: &Table, column: usize) -> impl Iterator<Item = &str> {
    table.rows.iter().filter_map(move |(_, cells)| Some(cells.get(column)?.as_str()))
}

/// The last name of a path.
fn last(cell: &str) -> &str {
    cell.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// Whether most of the first cells of a column are names of films.
fn names_films(table: &Table, column: usize, films: &HashSet<String>) -> bool {
    let first: Vec<&str> = cells(table, column).take(ROWS).map(last).collect();
    // Small numbers may be ages as well as names: every one of them must be a film.
    let hits = first.iter().filter(|name| films.contains(**name)).count();
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
    let said = |c: usize| cells(table, c).filter(|cell| !source.is_missing(cell));
    let finding = |c: &usize| {
        let known = |cell: &str| matches!(cell.parse::<f64>(), Ok(0.0 | 1.0 | -1.0));
        said(*c).all(known) && said(*c).any(|cell| matches!(cell.parse(), Ok(1.0)))
    };
    let findings: Vec<usize> = others().filter(finding).collect();
    let uncertain = |c: &usize| cells(table, *c).any(|cell| cell.parse() == Ok(-1.0));
    let uncertain = findings.iter().any(uncertain);
    let free = |c: &usize| {
        let used = [&source.split_column, &source.patient_column];
        used.iter().all(|name| name.as_ref() != Some(&table.header[*c]))
    };
    let labels: Vec<usize> = others()
        .filter(|c| free(c) && !findings.contains(c))
        .filter(|&c| LABEL.iter().any(|word| title(c).contains(word)))
        .collect();
    let joined = labels.iter().find_map(|&c| Some((c, between(said(c))?)));
    let of_classes = labels.iter().find_map(|&c| Some((c, words_of(said(c), cells(table, c))?)));
    let columns: Vec<usize> = findings.into_iter().filter(free).collect();
    match (joined, of_classes) {
        (Some((column, separator)), _) => {
            source.label_columns = vec![table.header[column].clone()];
            source.label_separator = Some(separator.into());
            format!("findings of {}, several in a cell", table.header[column])
        }
        (None, Some((column, words))) => {
            source.label_columns = vec![table.header[column].clone()];
            source.classes = words.iter().map(|word| class(word)).collect();
            let unknown: Vec<&str> = cells(table, column)
                .filter(|cell| !cell.is_empty() && !words.contains(cell))
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect();
            let unknown = match unknown[..] {
                [] => String::new(),
                _ => format!("; {} counts as not known", unknown.join(", ")),
            };
            format!("classes {}{unknown}", words.join(", "))
        }
        (None, None) if columns.is_empty() => {
            format!("films without labels, for no column is called {}", LABEL.join(", "))
        }
        (None, None) => {
            source.label_columns = columns.iter().map(|&c| table.header[c].clone()).collect();
            if uncertain {
                source.uncertain = Uncertain::All(Policy::Ignore);
            }
            format!("findings {}", source.label_columns.join(", "))
        }
    }
}

/// Words in the names of columns of labels.
const LABEL: [&str; 7] =
    ["label", "class", "finding", "diagnosis", "pathology", "category", "target"];

/// The words of a column if they are a few classes.
fn words_of<'a>(
    said: impl Iterator<Item = &'a str>,
    all: impl Iterator<Item = &'a str>,
) -> Option<Vec<&'a str>> {
    let sorted = |cells: &mut dyn Iterator<Item = &'a str>| {
        let mut words: Vec<&str> = cells.collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let mut words = sorted(&mut { said });
    if words.len() == 1 {
        // Of one word and `None`, that is its absence.
        let absent = |cell: &&str| ABSENT.contains(&cell.to_lowercase().as_str());
        words.extend(sorted(&mut all.filter(absent)));
        words.sort_unstable();
    }
    (2..=CLASSES).contains(&words.len()).then_some(words)
}

/// What separates several findings in the cells of a column: `|`, or what stands beside words that stand alone elsewhere too.
fn between<'a>(said: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let cells: HashSet<&str> = said.collect();
    BETWEEN.into_iter().find(|separator| {
        let mut met: BTreeMap<&str, usize> = BTreeMap::new();
        let joined = cells.iter().filter(|cell| cell.contains(separator)).count();
        cells.iter().flat_map(|cell| cell.split(separator)).for_each(|word| {
            *met.entry(word.trim()).or_default() += 1;
        });
        let again = met.values().any(|count| *count > 1);
        joined > 0 && met.len() <= FINDINGS && (*separator == "|" || again)
    })
}
