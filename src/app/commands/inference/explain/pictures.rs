//! The pictures of `explain` one by one, and attention as numbers.

use crate::{
    Error, Result,
    report::{
        discretion::Discretion,
        picture::{
            png,
            seen::{cell, grey},
        },
    },
};
use image::{ImageBuffer, Luma};
use mtpret_engine::file;
use mtpret_pipeline::{
    data::{Sample, spreadsheet::inert},
    train::{
        file_name::legal,
        tasks::{Compared, attention::Attention, explain::Explanation},
    },
};
use std::{io::Write, path::Path};

/// Pixels across an overlay that stands alone.
const ALONE: u32 = 1024;

/// Writes each picture by itself, and each attention as numbers.
pub(in crate::commands) fn write(
    folder: &Path,
    columns: &[Explanation],
    samples: &[Sample],
    discretion: &Discretion,
) -> Result<()> {
    let save = |path: &Path, bytes: &[u8]| {
        std::fs::create_dir_all(path.parent().unwrap_or(folder))
            .map_err(|e| Error::io(path, e, "name a folder that can be written"))?;
        file::replace(path, |file| file.write_all(bytes))
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut row = |cells: [&str; 5]| {
        table.write_record(cells.map(inert)).expect("memory takes every row");
    };
    row(["map", "film", "column", "class", "greatest"]);
    let mut attention = false;
    for column in columns {
        let place = legal(&column.name.replace(['/', '\\', ' ', ':'], "-"));
        for (number, sample) in samples.iter().enumerate() {
            let Some((compared, map)) = column.films.get(&sample.path) else { continue };
            let name = legal(&sample.path.file_stem().unwrap_or_default().to_string_lossy());
            let name = format!("{place}/{}-{name}.png", number + 1);
            let film = grey(&sample.path)?;
            let width = film.width().min(ALONE);
            let overlay = cell(&film, compared, map).picture.draw(width, 2 * width);
            save(&folder.join("overlays").join(&name), &png(&overlay))?;
            let Some(map) = map else { continue };
            let greatest = map.iter().fold(0.0_f32, |most, v| most.max(*v));
            save(&folder.join("maps").join(&name), &grey16(map, greatest))?;
            let film = discretion.film(&sample.path);
            let class = match compared {
                Compared::Labels { names, chosen, .. } => names[*chosen].clone(),
                _ => column.class.clone().unwrap_or_default(),
            };
            row([&name, &film, &column.name, &class, &greatest.to_string()]);
            attention = true;
        }
    }
    let bytes = table.into_inner().expect("memory is flushed");
    match attention {
        // It names the films.
        true => file::replace_private(&folder.join("maps/maps.csv"), |file| file.write_all(&bytes)),
        false => Ok(()),
    }
}

/// The bytes of an attention as a 16-bit PNG, 65535 where it is `greatest`.
fn grey16(map: &Attention, greatest: f32) -> Vec<u8> {
    let scale = 65535.0 / greatest.max(f32::MIN_POSITIVE);
    png(&ImageBuffer::from_fn(map.width(), map.height(), |x, y| {
        Luma([(map.get_pixel(x, y).0[0] * scale).round() as u16])
    }))
}
