//! `mtpret data show`.

use crate::{
    Error, Result,
    data::{self, Stored},
    train::checkpoint,
};
use image::{ImageBuffer, ImageFormat, Luma};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Show how films are read: size, encoding, grey, and the SHA-256 of the pixels of a DICOM file as they are stored.
///
/// Example: mtpret data show film.dcm -o seen/
#[derive(clap::Args)]
pub struct Show {
    /// Films, or folders of films.
    #[arg(required = true)]
    films: Vec<PathBuf>,
    /// Write each film as it is seen into this folder, as a PNG of 16 bits.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// One JSON object a film.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A film that cannot be read, after all others are shown; a folder that cannot be written.
pub fn run(args: &Show) -> Result<()> {
    let mut bad = 0;
    for film in crate::cli::stages::unlabelled(&args.films)? {
        let path = &film.path;
        match described(path, args.output.as_deref()) {
            Ok(line) if args.json => println!("{line}"),
            Ok(line) => {
                let words = line.as_object().into_iter().flatten();
                let words: Vec<String> =
                    words.map(|(key, value)| format!("{key} {value}")).collect();
                println!("{}", words.join("  "));
            }
            Err(error) => {
                bad += 1;
                match args.json {
                    true => println!(
                        "{}",
                        serde_json::json!({ "film": path, "error": error.to_string() })
                    ),
                    false => println!("{error}"),
                }
            }
        }
    }
    match bad {
        0 => Ok(()),
        _ => Err(Error::data("films", format!("{bad} could not be read"), "replace them")),
    }
}

/// SHA-256 of numbers of 16 bits, low byte first, in hexadecimal digits.
fn sha256(words: impl Iterator<Item = u16>) -> String {
    let mut hash = Sha256::new();
    words.for_each(|word| hash.update(word.to_le_bytes()));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a film is read, and its picture if a folder for it is given.
fn described(path: &Path, output: Option<&Path>) -> Result<serde_json::Value> {
    let (film, encoding) = data::decode_encoded(path)?;
    let (low, high) =
        film.pixels.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let mean = film.pixels.iter().map(|v| f64::from(*v)).sum::<f64>() / film.pixels.len() as f64;
    let mut line = serde_json::json!({
        "film": path, "width": film.width, "height": film.height, "format": encoding.format,
        "bits": encoding.bits, "channels": encoding.channels,
        "darkest": low, "brightest": high, "mean": mean,
    });
    let words = || film.pixels.iter().map(|v| (v * 257.0).round() as u16);
    if encoding.format == "DICOM" {
        let stored = Stored::read(path)?;
        line["photometric_interpretation"] = stored.interpretation.into();
        line["transfer_syntax"] = stored.transfer_syntax.into();
        line["stored_min"] = stored.samples.iter().min().copied().into();
        line["stored_max"] = stored.samples.iter().max().copied().into();
        line["stored_sha256_le_u16"] = sha256(stored.samples.iter().map(|v| *v as u16)).into();
    } else if encoding.bits == 16 {
        line["stored_sha256_le_u16"] = sha256(words()).into();
    }
    if let Some(folder) = output {
        fs::create_dir_all(folder)
            .map_err(|e| Error::io(folder, e, "name a folder that can be written"))?;
        let picture: ImageBuffer<Luma<u16>, Vec<u16>> =
            ImageBuffer::from_raw(film.width as u32, film.height as u32, words().collect())
                .expect("as many pixels as it says");
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).expect("memory takes every picture");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = folder.join(format!("{name}.png"));
        checkpoint::replace(&file, |f| f.write_all(bytes.get_ref()))?;
        line["picture"] = file.display().to_string().into();
    }
    Ok(line)
}
