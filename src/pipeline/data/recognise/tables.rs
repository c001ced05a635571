//! Recognition of a table of films, whose columns are told by what is in them.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use super::{
    RecognisedSet, Source, Table, below,
    said::one_line,
    source,
    words::{CLASSES, between, spelt, truths, words_of},
};
use crate::{
    Result,
    data::{
        Class, Format, Policy, Uncertain,
        dataset::{class::meaning, listing::Part},
        formats::marks::{box_csv, rle_csv},
        walk::{composed, file_name},
    },
};

/// Number of rows that are looked at to tell what a column holds.
const ROWS: usize = 50;

/// Words in the names of columns that name films of which a row tells a mark.
const FILMS: [&str; 4] = ["image", "patientid", "file", "path"];

/// A source of tables with a row per box or run-length code, if these are such; the reason if they cannot be read.
pub(super) fn marked(
    folder: &Path,
    files: &[TableOfPart],
    table: &Table,
    films: &HashSet<String>,
) -> Option<Result<RecognisedSet, String>> {
    let title = |column: usize| table.header[column].to_lowercase();
    let format = match (box_csv::columns(table), rle_csv::column(table)) {
        (Some(_), _) => Format::BoxCsv,
        (None, Some(_)) => Format::RleCsv,
        (None, None) => return None,
    };
    // A part of a set may lack most films, so that one film that is there tells the column.
    let path_column = (0..table.header.len())
        .filter(|&c| FILMS.iter().any(|word| title(c).replace('_', "").contains(word)))
        .find(|&c| cells(table, c).any(|cell| films.contains(&composed(last(cell)))))?;
    let mut source = source(folder, format);
    name_tables(&mut source, folder, files);
    source.path_column = table.header[path_column].clone();
    source.partial = true;
    let mut what = "run-length codes of masks";
    if format == Format::BoxCsv {
        let columns = box_csv::columns(table).unwrap_or_default();
        let of_classes = |c: &usize| {
            *c != path_column
                && !columns.contains(c)
                && LABEL.iter().any(|word| title(*c).contains(word))
                && cells(table, *c).any(|cell| !box_csv::nothing(cell))
        };
        // A number of a class stands beside its name.
        let found = || (0..table.header.len()).filter(of_classes);
        let named = found().find(|&c| !title(c).ends_with("id")).or_else(|| found().next());
        if let Some(column) = named {
            source.label_columns = vec![table.header[column].clone()];
            let truth = |cell: &str| box_csv::nothing(cell) || matches!(cell.parse(), Ok(1.0));
            if cells(table, column).all(truth) {
                source.classes = vec![Class::new(&table.header[column], &["1", "1.0"])];
            }
        }
        what = "boxes";
    }
    let what = one_line(&format!("{}: {what}", called(folder, files)));
    let wrong = match source.survey() {
        Ok((set, _)) if !set.train.is_empty() => None,
        Ok(_) => Some("none of its films is to learn from".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    Some(match wrong {
        None => Ok(RecognisedSet { source, what }),
        Some(why) => Err(format!("{}: {why}", what.rsplit(": ").next().unwrap_or_default())),
    })
}

/// A table, and the part that all its films are of where its name or its folder says one.
pub(super) type TableOfPart = (Option<Part>, PathBuf);

/// Names the tables in a source.
fn name_tables(source: &mut Source, folder: &Path, files: &[TableOfPart]) {
    for (part, file) in files {
        let table = match part {
            Some(Part::Val) if files.len() > 1 => &mut source.val_table,
            Some(Part::Test) if files.len() > 1 => &mut source.test_table,
            _ => &mut source.table,
        };
        *table = Some(below(folder, file));
    }
}

/// The tables in words.
fn called(folder: &Path, files: &[TableOfPart]) -> String {
    let names: Vec<String> =
        files.iter().map(|(_, file)| below(folder, file).display().to_string()).collect();
    format!("{}, {}", if names.len() > 1 { "tables" } else { "a table" }, names.join(", "))
}

/// A source of tables with a row per film, and whether they have labels; or why there is none.
pub(super) fn used(
    folder: &Path,
    files: &[TableOfPart],
    table: &Table,
    films: &HashSet<String>,
) -> Result<(RecognisedSet, bool), String> {
    let path_column = (0..table.header.len())
        .find(|&c| names_films(table, c, films))
        .ok_or("no column of it names films that lie here")?;
    let mut why = None;
    for images in ["", "images", "imgs", "films"] {
        let mut source = source(folder, Format::Csv);
        name_tables(&mut source, folder, files);
        source.images = images.into();
        source.path_column = table.header[path_column].clone();
        source.partial = true;
        let usual = columns(table, path_column, &mut source);
        if !source.films().is_dir() {
            continue;
        }
        match source.survey() {
            Ok((set, _)) if set.train.len() > set.missing => {
                let what = format!("{}: {usual}", called(folder, files));
                let labelled = !source.label_columns.is_empty();
                return Ok((RecognisedSet { source, what: one_line(&what) }, labelled));
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
pub(super) fn films(folder: &Path) -> Result<HashSet<String>> {
    use crate::data::walk::{films_below, stem};
    let names = |film: &PathBuf| [file_name(film), stem(film)].map(|name| composed(&name));
    Ok(films_below(folder)?.iter().flat_map(names).collect())
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
    let hits = first.iter().filter(|name| films.contains(&composed(name))).count();
    !first.is_empty()
        && hits * 2 > first.len()
        && (hits == first.len() || first.iter().any(|n| n.contains('.')))
}

/// Fills in the meaning of the other columns, and says it.
fn columns(table: &Table, path_column: usize, source: &mut Source) -> String {
    let title = |column: usize| table.header[column].to_lowercase();
    let others = || (0..table.header.len()).filter(|&c| c != path_column);
    let mut odd = String::new();
    // A column is what most of its cells say; what the others say is told.
    let mut owner = |words: &[&str], fits: &dyn Fn(&str) -> bool, expected: &str| {
        let named = |c: &usize| words.iter().any(|word| title(*c).contains(word));
        let most = |c: &usize| {
            let fitting = cells(table, *c).filter(|cell| fits(cell)).count();
            2 * fitting > table.rows.len()
        };
        let column = others().filter(named).find(most)?;
        odd += &unlike(table, column, expected, fits);
        Some(table.header[column].clone())
    };
    let is_part = |cell: &str| Part::named(cell).is_some();
    // Under any other name every cell must say a part, and some what to learn from.
    let to_learn = |cell: &str| Part::named(cell) == Some(Part::Train);
    let says_parts = |&c: &usize| cells(table, c).all(is_part) && cells(table, c).any(to_learn);
    source.split_column = owner(&["split", "subset", "part", "fold"], &is_part, "no part")
        .or_else(|| others().find(says_parts).map(|c| table.header[c].clone()));
    let is_patient = |cell: &str| !cell.is_empty();
    source.patient_column = owner(&["patient", "subject", "case"], &is_patient, "no patient");
    let said = |c: usize| cells(table, c).filter(|cell| !source.is_missing(cell));
    let known = |cell: &str| matches!(cell.parse::<f64>(), Ok(0.0 | 1.0 | -1.0));
    let is_label = |c: usize| LABEL.iter().any(|word| title(c).contains(word));
    let finding = |c: &usize| {
        let (strange, all) = (said(*c).filter(|cell| !known(cell)).count(), said(*c).count());
        // A column of labels may as well have a rare class.
        let few = strange == 0 || !is_label(*c) && 4 * strange <= all && strange.pow(2) <= all;
        few && said(*c).any(|cell| matches!(cell.parse(), Ok(1.0)))
    };
    let mut findings: Vec<usize> = others().filter(finding).collect();
    for column in
        findings.extract_if(.., |c| title(*c).split(|c: char| !c.is_alphanumeric()).any(is_part))
    {
        odd += &format!(
            "; {} may say the parts, which are read from a column of train, val and test",
            table.header[column]
        );
    }
    let uncertain = |c: &usize| cells(table, *c).any(|cell| cell.parse() == Ok(-1.0));
    let uncertain = findings.iter().any(uncertain);
    let free = |c: &usize| {
        let used = [&source.split_column, &source.patient_column];
        used.iter().all(|name| name.as_ref() != Some(&table.header[*c]))
    };
    let labels: Vec<usize> =
        others().filter(|c| free(c) && !findings.contains(c)).filter(|&c| is_label(c)).collect();
    let joined = labels.iter().find_map(|&c| Some((c, between(said(c))?)));
    let of_classes = labels
        .iter()
        .copied()
        // A column of truths is one of classes, whatever it is called, where there is no other.
        .chain(others().filter(|&c| free(&c) && truths(said(c))))
        .find_map(|c| Some((c, words_of(said(c), cells(table, c))?)));
    let columns: Vec<usize> = findings.into_iter().filter(free).collect();
    let named =
        |words: &[&str]| others().find(|&c| words.iter().any(|word| title(c).contains(word)));
    let folds = named(&["split", "subset", "fold"]).filter(|_| source.split_column.is_none());
    let folds = folds.map_or(String::new(), |c| {
        format!("; the column {} says no train, val and test and divides nothing", table.header[c])
    });
    let what = match (joined, of_classes) {
        (Some((column, separator)), _) => {
            source.label_columns = vec![table.header[column].clone()];
            source.label_separator = Some(separator.into());
            format!("findings of {}, several in a cell", table.header[column])
        }
        (None, Some((column, words))) => {
            source.label_columns = vec![table.header[column].clone()];
            let (classes, alike) = spelt(&words, cells(table, column));
            source.classes = classes;
            let meant: Vec<String> = words.iter().map(|word| meaning(word)).collect();
            let unknown: Vec<&str> = cells(table, column)
                .filter(|cell| !cell.is_empty() && !meant.contains(&meaning(cell)))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            let unknown = match unknown[..] {
                [] => String::new(),
                _ => format!("; {} counts as not known", unknown.join(", ")),
            };
            let names: Vec<&str> = source.classes.iter().map(|c| c.name.as_str()).collect();
            format!("classes {}{alike}{unknown}", names.join(", "))
        }
        (None, None) if columns.is_empty() => {
            let open = others().filter(|c| free(c)).filter_map(|c| may_be(table, c, &labels));
            match open.collect::<Vec<_>>() {
                none if none.is_empty() => {
                    format!("films without labels, for no column is called {}", LABEL.join(", "))
                }
                some => {
                    format!("films to pretrain, whose labels are not read: {}", some.join("; "))
                }
            }
        }
        (None, None) => {
            source.label_columns = columns.iter().map(|&c| table.header[c].clone()).collect();
            let strange: String = columns
                .iter()
                .map(|c| {
                    unlike(table, *c, "no finding", |cell| source.is_missing(cell) || known(cell))
                })
                .collect();
            // A column alone with other words than those of findings would be one of classes.
            if uncertain || !strange.is_empty() {
                source.uncertain = Uncertain::All(Policy::Ignore);
            }
            odd += &strange;
            format!("findings {}", source.label_columns.join(", "))
        }
    };
    what + &folds + &odd
}

/// The first cell of a column that is not what it should be, and how many more there are; nothing where all are.
fn unlike(table: &Table, column: usize, what: &str, fits: impl Fn(&str) -> bool) -> String {
    let mut odd = table.rows.iter().filter(|(_, cells)| !fits(&cells[column]));
    let Some((line, cells)) = odd.next() else { return String::new() };
    let (name, cell) = (&table.header[column], &cells[column]);
    let more = match odd.count() {
        0 => String::new(),
        more => format!(" (and {more} more such)"),
    };
    format!("; in line {line} {name} has {cell:?}, which is {what}{more}")
}

/// Words in the names of columns of labels.
const LABEL: [&str; 7] = ["label", "class", "finding", "diag", "pathology", "category", "target"];
/// Words in the names of columns of marks.
const MARKS: [&str; 6] = ["box", "rle", "encodedpixels", "polygon", "segmentation", "contour"];

/// What a column may hold that is not read: classes under another name, or marks in another form.
fn may_be(table: &Table, column: usize, labels: &[usize]) -> Option<String> {
    let name = &table.header[column];
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let filled = cells(table, column).filter(|cell| !cell.is_empty());
    filled.for_each(|cell| *times.entry(cell).or_default() += 1);
    if MARKS.iter().any(|word| name.to_lowercase().replace(['_', ' '], "").contains(word)) {
        return (!times.is_empty())
            .then(|| format!("the column {name} holds marks in no form that is read here"));
    }
    let listed = || times.keys().take(3).copied().collect::<Vec<_>>().join(", ");
    if labels.contains(&column) {
        return Some(match times.len() {
            0 => format!("the column {name} is blank"),
            1 => format!("the column {name} says {} of all films", listed()),
            many => {
                format!("the column {name} holds {many} words, more than classes are taken for")
            }
        });
    }
    // Measures have fractions, names and numbers of films no like.
    let measure = |cell: &&str| cell.parse().is_ok_and(|number: f64| number.fract() != 0.0);
    let few = (2..=CLASSES).contains(&times.len()) && 2 * times.len() <= table.rows.len();
    (few && !times.keys().any(measure)).then(|| {
        format!("the column {name} ({} …) may hold classes: name it by label_columns", listed())
    })
}
