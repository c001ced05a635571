//! What was run: where, with which settings, on which films.

use super::record::ReportedRun;
use crate::report::{
    html::Block,
    table::{Cell, Column, Table},
};
use chrono::DateTime;
use mtpret_pipeline::train::{
    estimate::span,
    run::environment::{PartDigest, Process},
};
use std::collections::BTreeSet;

/// Settings that a reader asks for first, and what they are called.
const SETTINGS: [(&str, &str); 8] = [
    ("task", "task"),
    ("model.backbone", "backbone"),
    ("model.weights", "weights from"),
    ("seed", "seed"),
    ("data.batch", "batch"),
    ("epochs", "epochs"),
    ("rounds", "rounds"),
    ("optim.lr", "learning rate"),
];

/// A moment as people write it, in UTC.
fn moment(seconds: u64) -> String {
    let moment = DateTime::from_timestamp(seconds as i64, 0);
    moment.map_or("unknown".into(), |m| m.format("%Y-%m-%d %H:%M UTC").to_string())
}

fn process(process: &Process) -> Vec<(String, String)> {
    let [tuned, shapes] = process.tuned;
    let begun = moment(process.started);
    let time = match process.ended {
        Some(_) => format!("{begun}, for {}", span(process.total_seconds)),
        None => format!("{begun}, and did not end by itself"),
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    vec![
        pair("program", &process.program),
        pair("adapter", &process.adapter),
        pair("driver", &format!("{}, {}", process.driver, process.backend)),
        pair("system", &process.system),
        pair("features in memory", &process.precision),
        pair("tuned", &format!("{tuned} of {shapes} shapes")),
        pair("begun", &time),
    ]
}

/// The adapters that runs were trained on, if that is known.
pub fn adapters(runs: &[ReportedRun]) -> Option<String> {
    let processes = runs.iter().flat_map(|run| &run.environment).flat_map(|e| &e.processes);
    let names: BTreeSet<&str> = processes.map(|process| process.adapter.as_str()).collect();
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
}

/// The films of all runs by data set and part.
fn films(runs: &[ReportedRun]) -> Option<Block> {
    let heads = [Column::text("data set"), Column::text("part"), Column::numbers("films", None)];
    let rest = [Column::text("BLAKE3 of the films"), Column::text("runs")];
    let mut table = Table::new(heads.into_iter().chain(rest).collect());
    let mut parts: Vec<(&PartDigest, Vec<&str>)> = Vec::new();
    for run in runs {
        for part in run.environment.iter().flat_map(|environment| &environment.data) {
            match parts.iter_mut().find(|(known, _)| *known == part) {
                Some((_, names)) => names.push(&run.name),
                None => parts.push((part, vec![&run.name])),
            }
        }
    }
    for (part, names) in &parts {
        table.push(vec![
            Cell::text(part.set.as_str()),
            Cell::text(part.part.as_str()),
            Cell::number(Some(part.digest.films as f64), 0),
            Cell::text(&part.digest.blake3[..16.min(part.digest.blake3.len())]),
            Cell::text(if names.len() == runs.len() { "all".into() } else { names.join(", ") }),
        ]);
    }
    let caption = "The films by their content: the same digest is the same films. The first 16 of 64 digits; environment.json has all".into();
    (!parts.is_empty()).then_some(Block::Table { caption, table })
}

/// What each run was: adapter, settings, films, configuration.
pub fn origin(runs: &[ReportedRun]) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("What was run".into())];
    for run in runs {
        if runs.len() > 1 {
            blocks.push(Block::Part(run.name.clone()));
        }
        let stage = ("stage".to_owned(), run.stage.name().to_owned());
        let settings =
            SETTINGS.iter().filter_map(|(key, name)| Some(((*name).to_owned(), run.setting(key)?)));
        let size = run.setting("data.width").zip(run.setting("data.height"));
        let size = size.map(|(w, h)| ("input".to_owned(), format!("{w} × {h} px")));
        let mut facts: Vec<_> = std::iter::once(stage).chain(settings).chain(size).collect();
        let processes = run.environment.as_ref().map_or(&[][..], |e| &e.processes);
        if let Some(last) = processes.last() {
            facts.extend(process(last));
        }
        facts.push(("folder".into(), run.folder.display().to_string()));
        blocks.push(Block::Facts(facts));
        if processes.is_empty() {
            let text = "Adapter, times and digests are not known: the run has no environment.json.";
            blocks.push(Block::Text(text.into()));
        }
        if let [earlier @ .., _] = processes
            && !earlier.is_empty()
        {
            let said = earlier.iter().map(|s| {
                let until = s.ended.map_or("broken off".into(), moment);
                format!("{} to {until} on {} ({})", moment(s.started), s.adapter, s.driver)
            });
            let said = said.collect::<Vec<_>>().join("; ");
            blocks.push(Block::Text(format!("Gone on with; before that: {said}.")));
        }
        let summary = match runs.len() {
            1 => "The whole configuration (config.resolved.toml)".into(),
            _ => format!("The whole configuration of {}", run.name),
        };
        blocks.push(Block::Folded { summary, blocks: vec![Block::Code(run.text.clone())] });
    }
    blocks.extend(films(runs));
    blocks
}
