//! Reader of films whose names, or the names of whose folders, end in their class.

use super::folder::{parts, row};
use crate::{
    Error, Result,
    data::{
        Kind, Labels, Source,
        dataset::{
            class::names,
            listing::{Flaw, Listing},
        },
        walk::{file_name, films_below, stem},
    },
};
use std::path::Path;

/// Reads the films of a [`crate::data::Format::Suffix`] source.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let (mut rows, mut flaws) = (Vec::new(), Vec::new());
    for (part, folder) in parts(&source.films())? {
        for path in films_below(&folder)? {
            match class(source, &folder, &path) {
                Ok(class) => {
                    let target = if source.labelled { vec![class as f32] } else { Vec::new() };
                    rows.push(row(path, part, target));
                }
                Err(error) => flaws.push(Flaw::new("film without class", error)),
            }
        }
    }
    let kind = if source.labelled { Kind::Classes } else { Kind::None };
    let names = if source.labelled { names(&source.classes) } else { Vec::new() };
    Ok(Listing { labels: Labels { kind, names }, rows, missing: 0, unlabelled: 0, flaws })
}

/// The class that the film's name tells, or the nearest folder's that tells one.
fn class(source: &Source, top: &Path, film: &Path) -> Result<usize> {
    let ends = |name: &str| source.classes.iter().position(|c| c.any(|word| name.ends_with(word)));
    let folders = film.ancestors().skip(1).take_while(|folder| *folder != top);
    let told = ends(&stem(film)).or_else(|| folders.map(file_name).find_map(|name| ends(&name)));
    told.ok_or_else(|| {
        let words: Vec<&str> =
            source.classes.iter().flat_map(|c| c.words.iter().map(String::as_str)).collect();
        let expected = format!("a film or folder that ends in one of {}", words.join(", "));
        Error::data(film, expected, "neither", "rename it, or add its ending to a class")
    })
}
