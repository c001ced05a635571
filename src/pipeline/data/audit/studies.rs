//! Audit of MURA's tables, which lie beside its folders. Labels are read from the names of folders alone, so that what
//! the tables say otherwise is for an audit to name.

use std::path::{Path, PathBuf};

use super::{Finding, Level, finding, refused, short};
use crate::{
    Error, Result,
    data::{
        Format, Source,
        formats::{csv_table::Table, folder::unwrap_archive},
        walk::{file_name, relative},
    },
};

/// Name of the table of studies and their labels:
/// `MURA-v1.1/train/XR_HAND/patient00001/study1_positive/,1`.
const STUDIES: &str = "_labeled_studies.csv";
/// Name of the table of films: `MURA-v1.1/train/XR_HAND/patient00001/study1_positive/image1.png`.
const FILMS: &str = "_image_paths.csv";
/// Ends of the name of a study's folder, by its label in the table.
const LABELS: [&str; 2] = ["_negative", "_positive"];

/// Findings on the tables beside a source of endings, where there are any, that its folders
/// contradict.
pub(in crate::data) fn beside(source: &Source) -> Vec<Finding> {
    match source.format {
        Some(Format::Suffix) => {
            compared(source).unwrap_or_else(|fault| vec![unreadable(source, &fault)])
        }
        _ => Vec::new(),
    }
}

fn unreadable(source: &Source, fault: &Error) -> Finding {
    refused(Level::Warning, &source.name, "unreadable table", fault)
}

fn compared(source: &Source) -> Result<Vec<Finding>> {
    let top = source.films();
    let bottom = unwrap_archive(&top)?;
    let mut findings = Vec::new();
    // An archive may have put the tables, and all else, into a folder of its own.
    for root in bottom.ancestors().take_while(|folder| folder.starts_with(&top)) {
        let fault = |e| Error::io(root, e, "see that the folder may be read");
        let inside = root.read_dir().map_err(fault)?.flatten();
        let mut files: Vec<PathBuf> = inside.map(|entry| entry.path()).collect();
        files.sort();
        for path in files {
            let compare: Compare = match file_name(&path) {
                // What macOS lays beside a file on other disks, `._train_image_paths.csv`.
                name if name.starts_with('.') => continue,
                name if name.ends_with(STUDIES) => study,
                name if name.ends_with(FILMS) => film,
                _ => continue,
            };
            let table = match Table::headless(path) {
                Ok(table) => table,
                Err(fault) => {
                    findings.push(unreadable(source, &fault));
                    continue;
                }
            };
            for (line, cells) in &table.rows {
                let found = compare(root, cells).err();
                findings.extend(found.map(|(level, what, problem)| {
                    finding(level, what, &source.name, table.place(*line), problem)
                }));
            }
        }
    }
    Ok(findings)
}

/// Fault of a row: how bad it is, what it is, and the problem.
type RowFault = (Level, &'static str, String);
/// Comparison of a row with the folders.
type Compare = fn(root: &Path, cells: &[String]) -> Result<(), RowFault>;

/// The place of a path that begins with the folder that the archive held: whatever that is called here, or beside it.
fn place(root: &Path, cell: &str) -> Option<PathBuf> {
    let path = relative(cell)?;
    let mut inside = path.components();
    let archive = root.join(inside.next()?);
    Some(if archive.is_dir() { root.join(&path) } else { root.join(inside.as_path()) })
}

/// A study's name without its label.
fn bare(folder: &Path) -> Option<String> {
    let name = file_name(folder);
    LABELS.iter().find_map(|word| name.strip_suffix(word).map(str::to_owned))
}

/// The folder of a study. One that was given another label has not the name any more that the tables
/// know.
fn found(folder: &Path) -> Option<PathBuf> {
    let named = |word: &&str| Some(folder.with_file_name(format!("{}{word}", bare(folder)?)));
    let others = LABELS.iter().filter_map(named);
    std::iter::once(folder.to_owned()).chain(others).find(|folder| folder.is_dir())
}

/// Holds a row of a study and its label against the study's folder.
fn study(root: &Path, cells: &[String]) -> Result<(), RowFault> {
    let word = |label: &String| LABELS.get(label.parse::<usize>().ok()?);
    let row = match cells {
        [study, label] => place(root, study).zip(word(label)),
        _ => None,
    };
    let Some((folder, word)) = row.filter(|(folder, _)| bare(folder).is_some()) else {
        let row = cells.join(",");
        let problem = format!("expected the folder of a study and its label, 0 or 1, found {row}");
        return Err((Level::Warning, "unusable row", problem + "; correct the row"));
    };
    match found(&folder) {
        Some(folder) if !file_name(&folder).ends_with(word) => {
            let problem = format!(
                "expected the label of its folder {}, found {}; correct the row, or rename the folder",
                short(&folder, root),
                cells[1]
            );
            Err((Level::Error, "contradicted label", problem))
        }
        // A study that is not there lacks its films, which the other table names.
        _ => Ok(()),
    }
}

/// Checks that the film of a row is there.
fn film(root: &Path, cells: &[String]) -> Result<(), RowFault> {
    let path = cells.first().map(String::as_str).unwrap_or_default();
    let study = |film: &Path| Some(found(film.parent()?)?.join(film.file_name()?));
    match place(root, path).and_then(|film| study(&film)) {
        Some(film) if film.is_file() => Ok(()),
        _ => {
            let problem = format!("expected the film {path}, found none");
            let mend = "complete the download, or go on without it";
            Err((Level::Warning, "missing film", format!("{problem}; {mend}")))
        }
    }
}
