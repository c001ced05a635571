//! Which of the tables in a folder are read: those with labels before those without, tables of parts as one division, and
//! none without a word on those that are left.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    Part, RecognisedSet, Result, Table, Unread, below, list,
    said::one_line,
    tables::{TableOfPart, films, marked, used},
};
use crate::data::walk::{file_name, stem};

/// The word of a file of guesses that are handed in.
const SUBMISSION: &str = "submission";

/// How much tables say of films, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Marks,
    Labels,
    /// The films alone.
    Films,
}

/// Tables that are read together, and what became of it.
struct Attempt {
    files: Vec<TableOfPart>,
    outcome: Result<(Worth, RecognisedSet), String>,
}

/// The tables of a folder that have labels; those that are left out are named with the reason.
pub(super) fn labelled(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    chosen(folder, Worth::Labels, unread)
}

/// As [`labelled`], where nothing else was found: a table without labels is better than films without a table.
pub(super) fn unlabelled(folder: &Path, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    // What `labelled` said of these tables is said anew.
    let files = tables(folder);
    let own = |why: &String| {
        files.iter().any(|(_, file)| why.starts_with(&format!("{}: ", shown(folder, file))))
    };
    unread.retain(|why| !own(why));
    chosen(folder, Worth::Films, unread)
}

/// What is said of tables above sets that lie side by side.
pub(super) fn above(folder: &Path) -> String {
    let own = tables(folder).into_iter().filter(|(_, file)| file.parent() == Some(folder));
    let names: Vec<String> = own.map(|(_, file)| file_name(&file)).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("; above the sets lie {}, which are not read", names.join(", ")),
    }
}

fn chosen(folder: &Path, least: Worth, unread: &mut Unread) -> Result<Option<RecognisedSet>> {
    let files = tables(folder);
    // Only who has a table is asked for all films.
    let on_disk = if files.is_empty() { return Ok(None) } else { films(folder)? };
    let mut attempts: Vec<Attempt> = Vec::new();
    let together = together(&files).into_iter().flat_map(choices);
    for files in together.chain(files.iter().map(|one| vec![one.clone()])) {
        attempts.push(attempt(folder, files, &on_disk));
    }
    let worth = |attempt: &Attempt| attempt.outcome.as_ref().ok().map(|(worth, _)| *worth);
    // Of a lone table that of the test part is the last.
    let order = |attempt: &Attempt| {
        let test = attempt.files[0].0.is_some_and(|part| part != Part::Train);
        (worth(attempt), Reverse(attempt.files.len()), test)
    };
    let best = (0..attempts.len())
        .filter(|&at| worth(&attempts[at]).is_some_and(|worth| worth <= least))
        .min_by_key(|&at| order(&attempts[at]));
    let best = best.map(|at| attempts.swap_remove(at));
    let read: HashSet<&PathBuf> = best.iter().flat_map(|b| &b.files).map(|(_, f)| f).collect();
    for Attempt { files, outcome } in &attempts {
        let [(part, file)] = &files[..] else { continue };
        if read.contains(file) {
            continue;
        }
        let why = match outcome {
            Err(why) => why.clone(),
            Ok((Worth::Films, found)) => {
                // Its own words begin with its name.
                let said = found.what.split_once(": ").map_or("", |(_, said)| said);
                let bare = said.strip_prefix("films without labels, for ");
                let bare =
                    bare.or(said.strip_prefix("films to pretrain, whose labels are not read: "));
                let said = bare.unwrap_or(said).to_owned();
                let of = |column: &Option<String>, what: &str| {
                    let said =
                        |column| format!(", and the {what} of its column {column} are not used");
                    column.as_ref().map_or(String::new(), said)
                };
                let listed = match (&found.source.split_column, part, &best) {
                    (None, Some(_), Some(_)) => ", and the part that its name says is not used",
                    _ => "",
                };
                said + &of(&found.source.patient_column, "patients")
                    + &of(&found.source.split_column, "parts")
                    + listed
            }
            Ok(_) if best.is_some() => "another table is read".into(),
            Ok(_) => continue,
        };
        unread.push(one_line(&format!("{}: {why}", shown(folder, file))));
    }
    Ok(best.and_then(|best| best.outcome.ok()).map(|(_, found)| found))
}

fn shown(folder: &Path, file: &Path) -> String {
    below(folder, file).display().to_string()
}

/// Reads these tables as one.
fn attempt(folder: &Path, files: Vec<TableOfPart>, on_disk: &HashSet<String>) -> Attempt {
    let outcome = match files.iter().any(|(_, file)| stem(file).to_lowercase().contains(SUBMISSION))
    {
        true => Err("it is called as guesses that are handed in".to_owned()),
        false => joined(&files).and_then(|table| match marked(folder, &files, &table, on_disk) {
            Some(found) => found.map(|found| (Worth::Marks, found)),
            None => used(folder, &files, &table, on_disk).map(|(found, labelled)| {
                (if labelled { Worth::Labels } else { Worth::Films }, found)
            }),
        }),
    };
    Attempt { files, outcome }
}

/// The rows of several tables as those of one, in the columns that all have.
fn joined(files: &[TableOfPart]) -> Result<Table, String> {
    let read =
        |(_, file): &TableOfPart| Table::read(file.clone(), false).map_err(|e| e.to_string());
    let (first, others) = files.split_first().ok_or_else(String::new)?;
    let mut joined = read(first)?;
    for file in others {
        let more = read(file)?;
        let shared: Vec<(usize, usize)> = joined
            .header
            .iter()
            .enumerate()
            .filter_map(|(at, name)| Some((at, more.header.iter().position(|n| n == name)?)))
            .collect();
        let of = |row: &[String], at: usize| row.get(at).cloned().unwrap_or_default();
        joined.header = shared.iter().map(|(at, _)| joined.header[*at].clone()).collect();
        for (_, row) in &mut joined.rows {
            *row = shared.iter().map(|(at, _)| of(row, *at)).collect();
        }
        joined.rows.extend(
            more.rows
                .into_iter()
                .map(|(line, row)| (line, shared.iter().map(|(_, at)| of(&row, *at)).collect())),
        );
    }
    Ok(joined)
}

/// Tables of all parts, and without one of them, which may have no labels.
fn choices(files: Vec<TableOfPart>) -> Vec<Vec<TableOfPart>> {
    let without = |left: usize| {
        let kept = files.iter().enumerate().filter(|(at, _)| *at != left);
        kept.map(|(_, file)| file.clone()).collect::<Vec<_>>()
    };
    let fewer: Vec<_> =
        if files.len() > 2 { (1..files.len()).rev().map(without).collect() } else { Vec::new() };
    std::iter::once(files).chain(fewer).collect()
}

/// The tables in a folder, in its folders of parts, and in folders that hold nothing but files, by name; each with the part that
/// its name or its folder says.
fn tables(folder: &Path) -> Vec<TableOfPart> {
    let inside = list(folder).map(|(folders, _)| folders).unwrap_or_default();
    let of_tables = |inner: &&PathBuf| {
        Part::of_folder(&file_name(inner)).is_some()
            || list(inner).is_ok_and(|(folders, films)| folders.is_empty() && films.is_empty())
    };
    let places =
        std::iter::once(folder.to_path_buf()).chain(inside.iter().filter(of_tables).cloned());
    let is_table = |path: &PathBuf| {
        let end = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let known = end.is_some_and(|e| ["csv", "tsv", "tab"].contains(&e.as_str()));
        known && path.is_file() && !file_name(path).starts_with('.')
    };
    let mut found = Vec::new();
    for place in places {
        let mut files = super::entries(&place, "*");
        files.retain(is_table);
        files.sort();
        let of_place = Part::of_folder(&file_name(&place)).filter(|_| place != folder);
        found.extend(files.into_iter().map(|f| (of_place.or_else(|| Part::in_name(&stem(&f))), f)));
    }
    found
}

/// Tables of one kind, one of each part and of the training part at least: `train.csv` and `val.csv`, `train/labels.csv` and
/// `test/labels.csv`.
fn together(files: &[TableOfPart]) -> Vec<Vec<TableOfPart>> {
    let mut kinds: BTreeMap<(PathBuf, String), BTreeMap<u8, TableOfPart>> = BTreeMap::new();
    for (part, file) in files {
        let Some(part) = *part else { continue };
        // What is left of the name without the part.
        let name = stem(file).to_lowercase();
        let rest: Vec<&str> = name
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| Part::in_name(word).is_none())
            .collect();
        let folder = file.parent().unwrap_or(Path::new(""));
        let folder = match Part::of_folder(&file_name(folder)) {
            Some(_) => folder.parent().unwrap_or(folder).join("*"),
            None => folder.to_path_buf(),
        };
        let kind = kinds.entry((folder, rest.join(" "))).or_default();
        kind.entry(part as u8).or_insert_with(|| (Some(part), file.clone()));
    }
    let whole = |kind: &BTreeMap<u8, TableOfPart>| {
        kind.len() > 1 && kind.contains_key(&(Part::Train as u8))
    };
    kinds.into_values().filter(whole).map(|kind| kind.into_values().collect()).collect()
}
