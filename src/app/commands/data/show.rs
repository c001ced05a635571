//! `mtpret data show`.

use crate::{
    Error, Result,
    report::{
        picture::png,
        table::{Cell, Column, Table},
    },
};
use image::{ImageBuffer, Luma};
use mtpret_engine::file;
use mtpret_pipeline::{
    data::{self, Stored},
    train::file_name::FileNames,
};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Show how films are read: a row for each with its format, depth, size, grey and, where a number has 16 bits or the film is
/// DICOM, the SHA-256 of the pixels as they are stored; of a film that cannot be read, why.
///
/// With `-o` each film is written as it is seen: turned by its EXIF, rescaled and windowed, 0 black; films of one name in
/// different folders get a number each.
///
/// Examples:
///   mtpret data show film.dcm -o seen/
///   mtpret data show films/ --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Show {
    /// Films, or folders of films.
    #[arg(required = true)]
    films: Vec<PathBuf>,
    /// Write each film as it is seen into this folder, as a PNG of 16 bits.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// One JSON object a film, with the whole hash.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A film that cannot be read, after all others are shown; a folder that cannot be written.
pub fn run(args: &Show) -> Result<()> {
    let heads = ["film", "format", "depth", "size", "grey", "mean", "pixels", "result"];
    let mut table = Table::new(heads.map(Column::text).into());
    let (mut names, mut bad) = (FileNames::default(), 0);
    for film in crate::commands::inference::predict::unlabelled(&args.films)? {
        let path = &film.path;
        // The film's ending stays, so that a picture among the films takes no film's place.
        let name = names.own(&path.file_name().unwrap_or_default().to_string_lossy());
        let picture = args.output.as_ref().map(|folder| folder.join(name + ".png"));
        let line = match described(path, picture.as_deref()) {
            Ok(line) => line,
            Err(Error::Data(fault)) => {
                bad += 1;
                let why = format!("expected {}, found {}", fault.expected, fault.found);
                serde_json::json!({ "film": path.to_string_lossy(), "error": why })
            }
            Err(other) => return Err(other),
        };
        match args.json {
            true => println!("{line}"),
            false => table.push(row(path, &line)),
        }
    }
    if !args.json {
        print!("{}", table.to_text());
    }
    if bad > 0 {
        let found = format!("that {bad} could not be read");
        return Err(Error::data("films", "whole ones", found, "replace what could not"));
    }
    Ok(())
}

/// What [`described`] says of a film, as a row.
fn row(path: &Path, line: &serde_json::Value) -> Vec<Cell> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let word = |key: &str| line[key].as_str().unwrap_or_default().to_string();
    if line["error"].is_string() {
        let none = String::new;
        let cells = [name, none(), none(), none(), none(), none(), none(), word("error")];
        return cells.map(Cell::text).into();
    }
    let dicom = ["transfer_syntax_name", "photometric_interpretation"].map(word).join(" ");
    let kind = match (line["palette"].as_bool(), line["channels"].as_u64()) {
        (Some(true), _) => "palette",
        (_, Some(1)) => "grey",
        (_, Some(2)) => "grey + alpha",
        (_, Some(3)) => "colour",
        _ => "4 channels",
    };
    let number = |key: &str| line[key].as_f64().unwrap_or_default();
    let cells = [
        name,
        format!("{} {dicom}", word("format")).trim().to_string(),
        format!("{} bit {kind}", line["bits"]),
        format!("{} × {}", line["width"], line["height"]),
        format!("{:.1}–{:.1}", number("darkest"), number("brightest")),
        format!("{:.1}", number("mean")),
        word("stored_sha256_le_u16").chars().take(12).collect(),
        "read".into(),
    ];
    cells.map(Cell::text).into()
}

/// SHA-256 of numbers of 16 bits, low byte first, in hexadecimal digits.
fn sha256(words: impl Iterator<Item = u16>) -> String {
    let mut hash = Sha256::new();
    words.for_each(|word| hash.update(word.to_le_bytes()));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a film is read; writes its picture if a file for it is given.
fn described(path: &Path, output: Option<&Path>) -> Result<serde_json::Value> {
    let (film, encoding) = data::decode_encoded(path)?;
    let (low, high) =
        film.pixels.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let mean = film.pixels.iter().map(|v| f64::from(*v)).sum::<f64>() / film.pixels.len() as f64;
    let mut line = serde_json::json!({
        "film": path.to_string_lossy(), "width": film.width, "height": film.height, "format": encoding.format,
        "bits": encoding.bits, "channels": encoding.channels, "palette": encoding.palette,
        "darkest": low, "brightest": high, "mean": mean,
    });
    let words = || film.pixels.iter().map(|v| (v * 257.0).round() as u16);
    if encoding.format == "DICOM" {
        let stored = Stored::read(path)?;
        line["transfer_syntax_name"] = stored.syntax_name().into();
        line["photometric_interpretation"] = stored.interpretation.into();
        line["transfer_syntax"] = stored.transfer_syntax.into();
        line["stored_min"] = stored.samples.iter().min().copied().into();
        line["stored_max"] = stored.samples.iter().max().copied().into();
        line["stored_sha256_le_u16"] = sha256(stored.samples.iter().map(|v| *v as u16)).into();
    } else if encoding.bits == 16 {
        line["stored_sha256_le_u16"] = sha256(words()).into();
    }
    if let Some(file) = output {
        let folder = file.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder)
            .map_err(|e| Error::io(folder, e, "name a folder that can be written"))?;
        let picture: ImageBuffer<Luma<u16>, Vec<u16>> =
            ImageBuffer::from_raw(film.width as u32, film.height as u32, words().collect())
                .expect("as many pixels as it says");
        file::replace(file, |f| f.write_all(&png(&picture)))?;
        line["picture"] = file.display().to_string().into();
    }
    Ok(line)
}
