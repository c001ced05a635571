//! Films whose names end in their class.

use super::class::names;
use super::patient::patient;
use super::split::{Listing, Row};
use super::walk::{films_below, stem};
use super::{Kind, Labels, Sample, Source};
use crate::{Error, Result};

/// Reads the films of a [`super::Format::Suffix`] source.
pub(super) fn read(source: &Source) -> Result<Listing> {
    let mut rows = Vec::new();
    for path in films_below(&source.films())? {
        let (place, stem) = (path.display().to_string(), stem(&path));
        let class = source.classes.iter().position(|class| class.any(|word| stem.ends_with(word)));
        let Some(class) = class else {
            let words: Vec<&str> =
                source.classes.iter().flat_map(|c| c.words.iter().map(String::as_str)).collect();
            let problem = format!("expected a name that ends in one of {}", words.join(", "));
            return Err(Error::data(
                place,
                problem,
                "rename the film, or add its ending to a class",
            ));
        };
        let target = if source.labelled { vec![class as f32] } else { Vec::new() };
        let patient = patient(&stem).to_string();
        rows.push(Row {
            sample: Sample { path, patient, target: target.into() },
            part: None,
            place,
        });
    }
    let kind = if source.labelled { Kind::Classes } else { Kind::None };
    let names = if source.labelled { names(&source.classes) } else { Vec::new() };
    Ok(Listing { labels: Labels { kind, names }, rows, missing: 0, unlabelled: 0 })
}
