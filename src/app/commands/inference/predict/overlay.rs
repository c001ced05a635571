//! A film with its predictions, as a picture.

use crate::{
    Result,
    report::picture::{
        Sheet, SheetRow,
        seen::{cell, grey},
    },
};
use image::{DynamicImage, ImageFormat};
use mtpret_engine::file;
use mtpret_pipeline::train::tasks::{Compared, attention::Attention};
use std::{
    io::{Cursor, Write},
    path::Path,
};

/// Pixels across a picture.
const WIDTH: u32 = 900;

/// A film's width and height at about the size at which it is drawn.
pub(in crate::commands) fn fitted([width, height]: [usize; 2]) -> [usize; 2] {
    let scale = f64::from(WIDTH) / width.max(height).max(1) as f64;
    [width, height].map(|side| ((side as f64 * scale).round() as usize).max(1))
}

/// Draws a film under what was found on it, with a legend, into `file`.
///
/// # Errors
/// The film cannot be read again, or the file cannot be written.
pub(in crate::commands) fn draw(
    file: &Path,
    film: &Path,
    compared: &Compared,
    map: &Option<Attention>,
) -> Result<()> {
    let attention = if map.is_some() { "Grad-CAM, divided by its greatest value. " } else { "" };
    let sheet = Sheet {
        title: String::new(),
        columns: vec![String::new()],
        rows: vec![SheetRow {
            name: film.file_name().unwrap_or_default().to_string_lossy().into(),
            cells: vec![Some(cell(&grey(film)?, compared, map))],
        }],
        note: format!("{attention}Not for diagnostic use."),
        cell: WIDTH,
    };
    write(file, &sheet.draw().into())
}

/// Writes a PNG file, whole or not at all.
///
/// # Errors
/// It cannot be written.
pub(in crate::commands) fn write(file: &Path, picture: &DynamicImage) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("memory takes every picture");
    file::replace(file, |out| out.write_all(bytes.get_ref()))
}
