//! Reader of Indiana University's chest films (OpenI; Demner-Fushman et al. 2016), as NLM's archives
//! (`ecgen-radiology/*.xml` and films) or as Kaggle's tables (`indiana_reports.csv`, `indiana_projections.csv`).

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;

use super::{boxes::Films, csv_table::Table, text};
use crate::{
    Error, Result,
    data::{
        Kind, Labels, Sample, Source,
        dataset::listing::{Flaw, Listing, Row},
        walk::file_name,
    },
};

/// Names of the classes, in their order.
const CLASSES: [&str; 2] = ["normal", "abnormal"];

/// Report of a study: its number, which stands for the patient, whether it finds anything (none where nobody indexed
/// it), and the films it is of, each with the place that names it.
struct Study {
    patient: String,
    abnormal: Option<bool>,
    films: Vec<(Place, String)>,
}

/// Reads a [`crate::data::Format::Openi`] source. Films whose report nobody indexed count as unlabelled.
pub(in crate::data) fn read(source: &Source) -> Result<Listing> {
    let reports = source.root.join("ecgen-radiology");
    let studies = if reports.is_dir() { from_xml(&reports)? } else { from_tables(&source.root)? };
    let films = Films::below(source.films())?;
    let (mut rows, mut missing, mut unlabelled, mut flaws) = (Vec::new(), 0, 0, Vec::new());
    for study in studies {
        for (place, name) in study.films {
            let path = match films.find(&place, &name) {
                Ok(Some(path)) => path,
                Ok(None) if source.partial => {
                    missing += 1;
                    continue;
                }
                Ok(None) => {
                    flaws.push(super::boxes::no_film(source, &place, &name));
                    continue;
                }
                Err(error) => {
                    flaws.push(Flaw::new("unusable row", error));
                    continue;
                }
            };
            let target = match (source.labelled, study.abnormal) {
                (false, _) => Vec::new(),
                (true, Some(abnormal)) => vec![f32::from(u8::from(abnormal))],
                (true, None) => {
                    unlabelled += 1;
                    continue;
                }
            };
            let sample = Sample { path, patient: study.patient.clone(), target: target.into() };
            rows.push(Row { sample, part: None, place });
        }
    }
    let labels = match source.labelled {
        true => Labels { kind: Kind::Classes, names: CLASSES.map(String::from).to_vec() },
        false => Labels { kind: Kind::None, names: Vec::new() },
    };
    Ok(Listing { labels, rows, missing, unlabelled, flaws })
}

/// Whether MeSH headings find anything; none where they say that there are none.
fn abnormal<'a>(mut headings: impl Iterator<Item = &'a str>) -> Option<bool> {
    let first = headings.next()?.trim().to_ascii_lowercase();
    match first.as_str() {
        "" | "no indexing" => None,
        "normal" => Some(headings.next().is_some()),
        _ => Some(true),
    }
}

fn from_xml(folder: &Path) -> Result<Vec<Study>> {
    let mend = "unpack NLMCXR_reports again";
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(|e| Error::io(folder, e, mend))?;
    paths.retain(|p| {
        p.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"))
            && !file_name(p).starts_with('.')
    });
    paths.sort();
    let mut studies = Vec::new();
    for path in paths {
        let text = text::xml::read(&path, mend)?;
        let document = text::xml::parse(&path, &text)?;
        let all =
            |tag: &'static str| document.descendants().filter(move |node| node.has_tag_name(tag));
        let id = all("uId").find_map(|node| node.attribute("id"));
        let headings =
            all("MeSH").flat_map(|mesh| mesh.children()).filter(|n| n.has_tag_name("major"));
        let films = all("parentImage").filter_map(|image| {
            let line = document.text_pos_at(image.range().start).row;
            Some((Place::from(&path).line(line.into()), image.attribute("id")?.to_string()))
        });
        studies.push(Study {
            patient: id.map_or_else(|| crate::data::walk::stem(&path), str::to_string),
            abnormal: abnormal(headings.filter_map(|node| node.text())),
            films: films.collect(),
        });
    }
    Ok(studies)
}

fn from_tables(root: &Path) -> Result<Vec<Study>> {
    let reports = Table::read(root.join("indiana_reports.csv"), false)?;
    let films = Table::read(root.join("indiana_projections.csv"), false)?;
    let (uid, problems) = (reports.column("uid")?, reports.column("Problems")?);
    let mut studies: Vec<Study> = Vec::new();
    let mut by_uid = HashMap::new();
    for (_, cells) in &reports.rows {
        by_uid.insert(cells[uid].clone(), studies.len());
        let abnormal = abnormal(cells[problems].split(';'));
        studies.push(Study { patient: cells[uid].clone(), abnormal, films: Vec::new() });
    }
    let (uid, name) = (films.column("uid")?, films.column("filename")?);
    for (line, cells) in &films.rows {
        let place = films.place(*line);
        let Some(&at) = by_uid.get(&cells[uid]) else {
            let expected = format!("a report of uid {}", cells[uid]);
            return Err(Error::data(place, expected, "none", "download indiana_reports.csv again"));
        };
        studies[at].films.push((place, cells[name].clone()));
    }
    Ok(studies)
}
