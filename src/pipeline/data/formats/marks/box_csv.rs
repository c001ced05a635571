//! Reader of boxes in the columns of a table, several rows a film (VinDr-CXR's
//! `x_min,y_min,x_max,y_max`, RSNA's `x,y,width,height,Target`).

use super::MarkTable;
use crate::{
    Error, Result,
    data::{
        BoxLabel, Kind, Labels, Source,
        dataset::listing::Listing,
        formats::{
            boxes::{Classes, MarkFrame, checked, sort},
            csv_table::Table,
        },
    },
};

/// The names that columns of boxes have, in small letters: two corners, or one and the sides.
const KNOWN: [[&str; 4]; 6] = [
    ["x_min", "y_min", "x_max", "y_max"],
    ["xmin", "ymin", "xmax", "ymax"],
    ["x1", "y1", "x2", "y2"],
    ["x", "y", "width", "height"],
    ["x", "y", "w", "h"],
    ["left", "top", "width", "height"],
];

/// Words of a class column, in small letters, in whose rows there is no box.
const NOTHING: [&str; 9] =
    ["", "0", "0.0", "no finding", "no_finding", "normal", "negative", "none", "false"];

/// Indices of the columns of boxes in a table that has any.
pub(in crate::data) fn columns(table: &Table) -> Option<[usize; 4]> {
    let at = |name: &&str| table.header.iter().position(|c| c.eq_ignore_ascii_case(name));
    KNOWN.iter().find_map(|names| {
        let [a, b, c, d] = names.each_ref().map(at);
        Some([a?, b?, c?, d?])
    })
}

/// Whether a word says that there is nothing in its row.
pub(in crate::data) fn nothing(word: &str) -> bool {
    NOTHING.contains(&word.to_lowercase().as_str())
}

/// Reads the table of a [`crate::data::Format::BoxCsv`] source. A film in whose rows no box stands has nothing on it; a film
/// without a row is none of the set.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let mut tables = MarkTable::all(source, |table| given(source, table).unwrap_or_default())?;
    let mut classes = Classes::new(source);
    for table in &mut tables {
        add(source, table, &mut classes)?;
    }
    let labels = Labels { kind: Kind::Boxes, names: classes.names };
    let mut listing = MarkTable::listing(source, tables, labels);
    sort(&mut listing.labels.names, &mut listing.rows, source);
    Ok(listing)
}

/// Adds the boxes of one table to its films.
fn add(source: &Source, table: &mut MarkTable, classes: &mut Classes) -> Result<()> {
    let columns = given(source, &table.table)?;
    let class_column = match source.label_columns.as_slice() {
        [] => None,
        [one] => Some(table.table.column(one)?),
        several => {
            return Err(Error::config(
                format!("data set {}, label_columns", source.name),
                "the one column of classes",
                several.len().to_string(),
                "name one column",
            ));
        }
    };
    // `x,y,width,height`: the last two are sides, no corner.
    let sides = table.table.header[columns[2]].to_lowercase().starts_with('w');
    let titles = table.table.header.clone();
    table.add(|place, cells, size, marks| {
        let fault = |expected: &str, found: String| {
            Error::data(place, expected, found, "correct the row, or remove it")
        };
        let word = class_column.map_or("finding", |column| cells[column].as_str());
        let blank = |column: &usize| source.is_missing(&cells[*column]);
        if columns.iter().all(blank) {
            return match class_column.is_none() || nothing(word) || source.is_missing(word) {
                true => Ok(()),
                false => Err(fault(&format!("the box of {word}"), "blanks".into())),
            };
        }
        let mut corners = [0.0; 4];
        for (corner, column) in corners.iter_mut().zip(&columns) {
            let cell = &cells[*column];
            *corner = cell.parse::<f32>().map_err(|_| {
                fault(&format!("a number as {}", titles[*column]), format!("{cell:?}"))
            })?;
        }
        let [x, y, c, d] = corners;
        let corners = if sides { [x, y, x + c, y + d] } else { corners };
        // Some copies have a box of a pixel where there is no finding.
        if class_column.is_some() && nothing(word) && !names_it(source, word) {
            return Ok(());
        }
        let corners = checked(place, corners, MarkFrame::pixels(size))?;
        let class = classes.index(place, word)?;
        marks.boxes.push(BoxLabel { corners, class });
        Ok(())
    });
    Ok(())
}

/// Whether the source has a class of this word.
fn names_it(source: &Source, word: &str) -> bool {
    source.classes.iter().any(|class| class.any(|known| known == word))
}

/// Indices of the columns of boxes: those of the source, else those that are usually called so.
fn given(source: &Source, table: &Table) -> Result<Vec<usize>> {
    let wrong = |found: String| {
        Error::config(
            format!("data set {}, box_columns", source.name),
            "four columns: two corners x, y, or one with width and height",
            found,
            "write box_columns = [\"x_min\", \"y_min\", \"x_max\", \"y_max\"]",
        )
    };
    match source.box_columns.len() {
        0 => columns(table).map(Vec::from).ok_or_else(|| wrong(table.header.join(", "))),
        4 => source.box_columns.iter().map(|name| table.column(name)).collect(),
        other => Err(wrong(other.to_string())),
    }
}
