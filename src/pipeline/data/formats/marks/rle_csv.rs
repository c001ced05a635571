//! Reader of masks as run-length codes in a column of a table, several rows a film (SIIM-ACR pneumothorax, and Kaggle's
//! usual code).
//!
//! Both count pixels down the columns of the image. SIIM's pairs are `gap length`, from the end of the run before and from 0;
//! the usual ones `start length`, from the image's first pixel, which is 1.

use super::MarkTable;
use crate::{
    Error, Place, Result,
    data::{
        AnnotationShape, Source,
        dataset::{listing::Listing, source::RunLengths},
        formats::csv_table::Table,
    },
};

/// Names of the column of codes, in small letters.
const KNOWN: [&str; 5] = ["encodedpixels", "encoded_pixels", "rle", "rle_mask", "segmentation"];

/// The column of codes in a table that has one.
pub(in crate::data) fn column(table: &Table) -> Option<usize> {
    let code = |cell: &String| empty(cell) || numbers(cell).is_some();
    let coded = |column: &usize| {
        let mut cells = table.rows.iter().map(|(_, cells)| &cells[*column]);
        cells.clone().all(code) && cells.any(|cell| !empty(cell))
    };
    (0..table.header.len())
        .filter(|column| KNOWN.contains(&table.header[*column].to_lowercase().as_str()))
        .find(coded)
}

/// Whether a cell says that there is no mask.
fn empty(cell: &String) -> bool {
    cell.is_empty() || cell == "-1" || cell.eq_ignore_ascii_case("nan")
}

/// The pairs of a code.
fn numbers(cell: &str) -> Option<Vec<[usize; 2]>> {
    let numbers: Option<Vec<usize>> = cell.split_whitespace().map(|n| n.parse().ok()).collect();
    let numbers = numbers.filter(|n| !n.is_empty() && n.len().is_multiple_of(2))?;
    Some(numbers.as_chunks::<2>().0.to_vec())
}

/// The runs of a code, start and end counted from 0; none where they leave an image of so many pixels, or run backwards.
fn runs(pairs: &[[usize; 2]], counted: RunLengths, pixels: usize) -> Option<Vec<[usize; 2]>> {
    let mut end = 0usize;
    pairs
        .iter()
        .map(|&[first, length]| {
            let start = match counted {
                RunLengths::Relative => end.checked_add(first)?,
                RunLengths::Absolute => first.checked_sub(1).filter(|start| *start >= end)?,
            };
            end = start.checked_add(length)?;
            (length > 0 && end <= pixels).then_some([start, end])
        })
        .collect()
}

/// Reads the table of a [`crate::data::Format::RleCsv`] source. A film with `-1` or a blank has an empty mask; a film
/// without a row is none of the set.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let source = &Source { shape: AnnotationShape::Mask, ..source.clone() };
    let mut tables = MarkTable::all(source, |_| Vec::new())?;
    let columns =
        tables.iter().map(|table| codes(source, &table.table)).collect::<Result<Vec<_>>>()?;
    let counted = match source.rle {
        Some(counted) => counted,
        None => told(source, &tables, &columns)?,
    };
    for (table, column) in tables.iter_mut().zip(columns) {
        table.add(|place, cells, size, marks| {
            let cell = &cells[column];
            if empty(cell) {
                return Ok(());
            }
            let outlines = outlines(place, cell, counted, size)?;
            marks.polygons.extend(outlines);
            Ok(())
        });
    }
    Ok(MarkTable::listing(source, tables, source.mask_labels()))
}

/// The column of codes that the source names, else the one that is usually called so.
fn codes(source: &Source, table: &Table) -> Result<usize> {
    let none = || {
        Error::data(
            table.place(1),
            "a column of run-length codes, such as EncodedPixels",
            table.header.join(", "),
            "name it by rle_column",
        )
    };
    match &source.rle_column {
        Some(name) => table.column(name),
        None => column(table).ok_or_else(none),
    }
}

/// How the codes of all tables count, which must fit all of them; an error where both ways do.
fn told(source: &Source, tables: &[MarkTable], columns: &[usize]) -> Result<RunLengths> {
    let fits_row = |table: &MarkTable, column: usize, cells: &[String], counted: RunLengths| {
        let found = &table.found[table.by_name[&cells[table.films]]];
        let Some((_, [width, height])) = found.film else { return true };
        empty(&cells[column])
            || numbers(&cells[column])
                .is_none_or(|pairs| runs(&pairs, counted, width * height).is_some())
    };
    let fits = |counted: RunLengths| {
        tables.iter().zip(columns).all(|(table, column)| {
            table.table.rows.iter().all(|(_, cells)| fits_row(table, *column, cells, counted))
        })
    };
    // A row that fits in no way is at fault itself.
    for (table, column) in tables.iter().zip(columns) {
        let ways = [RunLengths::Relative, RunLengths::Absolute];
        let broken = |(_, cells): &&(u64, Vec<String>)| {
            ways.iter().all(|counted| !fits_row(table, *column, cells, *counted))
        };
        if let Some((line, cells)) = table.table.rows.iter().find(broken) {
            let start: String = cells[*column].chars().take(40).collect();
            let expected = "runs of some length, one behind the other, within the image";
            let mend = "correct the row, or size";
            return Err(Error::data(
                table.table.place(*line),
                expected,
                format!("{start:?}"),
                mend,
            ));
        }
    }
    match (fits(RunLengths::Relative), fits(RunLengths::Absolute)) {
        (true, false) => Ok(RunLengths::Relative),
        (false, true) => Ok(RunLengths::Absolute),
        (both, _) => Err(Error::config(
            format!("data set {}, rle", source.name),
            "one way to count that fits all runs",
            if both { "both do" } else { "neither does" },
            "set rle = \"relative\" (SIIM) or rle = \"absolute\" (Kaggle's usual code), and size",
        )),
    }
}

/// The rectangles of a code in an image of this size: a run in one column, or the whole columns of a long one.
fn outlines(
    place: &Place,
    cell: &str,
    counted: RunLengths,
    [width, height]: [usize; 2],
) -> Result<Vec<Vec<[f32; 2]>>> {
    let fault = |expected: String| {
        let start: String = cell.chars().take(40).collect();
        Error::data(place, expected, format!("{start:?}"), "correct the row, or rle and size")
    };
    let pairs = numbers(cell).ok_or_else(|| fault("pairs of whole numbers".into()))?;
    let runs = runs(&pairs, counted, width * height).ok_or_else(|| {
        fault(format!("runs, one behind the other, within {width}x{height} pixels"))
    })?;
    // Runs of the same rows in columns beside one another are one rectangle: `x from, x to, y from, y to`.
    let mut boxes: Vec<[usize; 4]> = Vec::new();
    for [start, end] in runs {
        let mut at = start;
        while at < end {
            let (x, y) = (at / height, at % height);
            let whole = if y == 0 { (end - at) / height } else { 0 };
            let next = if whole > 0 {
                [x, x + whole, 0, height]
            } else {
                [x, x + 1, y, (y + end - at).min(height)]
            };
            match boxes.last_mut() {
                Some([_, to, top, bottom]) if [*to, *top, *bottom] == [x, next[2], next[3]] => {
                    *to = next[1]
                }
                _ => boxes.push(next),
            }
            at = (next[1] - 1) * height + next[3];
        }
    }
    let outline = |[x1, x2, y1, y2]: [usize; 4]| {
        let [x1, x2, y1, y2] = [x1, x2, y1, y2].map(|v| v as f32);
        vec![[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
    };
    Ok(boxes.into_iter().map(outline).collect())
}
