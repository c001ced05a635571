//! `mtpret data check`.

use super::found;
use crate::{
    Error, Result,
    data::{self, Audit, Census, Finding, Level, Purpose, Roots, Source, Subject},
    report::{
        html::{Block, Report},
        table::{Cell, Column, Table},
    },
    train::checkpoint,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Check data sets: every film is decoded, every label, mask and box held against it.
///
/// Found are unreadable and cut files, missing films and masks, boxes outside, films listed twice, the same film in two places (by
/// bytes and by looks, across data sets), patients in two parts, test films that pretraining sees, and how far the
/// grey is from what a network expects. Exit code 1 if anything is an error.
///
/// Example: mtpret data check films/ --html check.html
#[derive(clap::Args)]
pub struct Check {
    /// Folders of data sets, or configurations (whose `[[source]]`s are checked; those of `pretrain` as pretraining).
    #[arg(required = true)]
    places: Vec<PathBuf>,
    /// Write a page with all findings.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON in place of tables.
    #[arg(long)]
    json: bool,
}

/// What `check` reads of a configuration.
#[derive(Deserialize)]
struct Sources {
    source: Vec<Source>,
    /// Only stage 1 has one of these sections.
    moco: Option<toml::Table>,
    simclr: Option<toml::Table>,
    #[serde(default)]
    roots: Roots,
}

/// The data sets that a folder or a configuration means.
fn subjects(place: &Path) -> Result<Vec<Subject>> {
    if place.is_dir() {
        let plain = |found: data::Found| Subject { source: found.source, pretraining: false };
        let known = found(place)?;
        // Where a set serves for a task, pretraining is the same films again.
        let only = |f: &data::Found| f.source.task == Some(Purpose::Pretrain);
        let (pretrain, tasks): (Vec<_>, Vec<_>) = known.into_iter().partition(only);
        let roots: Vec<PathBuf> = tasks.iter().map(|found| found.source.root.clone()).collect();
        let alone = pretrain.into_iter().filter(|found| !roots.contains(&found.source.root));
        let mut subjects: Vec<Subject> = tasks.into_iter().chain(alone).map(plain).collect();
        for subject in &mut subjects {
            subject.source.locate(&Roots::default())?;
        }
        return Ok(subjects);
    }
    let remedy = "name a folder of films or a configuration";
    let text = fs::read_to_string(place).map_err(|e| Error::io(place, e, remedy))?;
    let config: Sources = toml::from_str(&text)
        .map_err(|e| Error::config(place.display().to_string(), e.to_string(), remedy))?;
    let pretraining = config.moco.is_some() || config.simclr.is_some();
    let mut roots = config.roots;
    roots.folders.extend(Roots::from_env().folders);
    let subject = |mut source: Source| {
        source.locate(&roots)?;
        Ok(Subject { source, pretraining })
    };
    config.source.into_iter().map(subject).collect()
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or written, or findings that are errors.
pub fn run(args: &Check) -> Result<()> {
    let all = args.places.iter().map(|place| subjects(place)).collect::<Result<Vec<_>>>()?;
    let subjects: Vec<Subject> = all.into_iter().flatten().collect();
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("looking at films {bar:30} {pos}/{len}  ETA {eta}")
            .expect("the template is fixed"),
    );
    let audit = data::audit(&subjects, &|done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if let Some(file) = &args.html {
        let page = page(&audit, &args.places).to_html();
        checkpoint::replace(file, |f| f.write_all(page.as_bytes()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string(&audit).expect("an audit is plain data"));
    } else {
        print!("{}\n{}", sets(&audit.sets).to_text(), findings(&audit.findings).to_text());
    }
    let count = |level| audit.findings.iter().filter(|f| f.level == level).count();
    let said = format!(
        "{} errors, {} warnings, {} notes",
        count(Level::Error),
        count(Level::Warning),
        count(Level::Note)
    );
    if count(Level::Error) > 0 {
        let place = args.places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        return Err(Error::data(place.join(", "), said, "mend the errors that are listed"));
    }
    eprintln!("{said}");
    Ok(())
}

/// A row for each data set.
fn sets(sets: &[Census]) -> Table {
    let words = ["data set", "films", "patients", "train / val / test", "size", "encoding"];
    let numbers = ["mean grey", "σ", "σ of means"];
    let columns = words.into_iter().map(Column::words);
    let mut table =
        Table::new(columns.chain(numbers.into_iter().map(|n| Column::numbers(n, None))).collect());
    for set in sets {
        let side = |s: &Option<data::Spread<usize>>| {
            s.map_or("–".into(), |s| match s.least == s.most {
                true => s.most.to_string(),
                false => format!("{}–{}", s.least, s.most),
            })
        };
        let encodings = set.encodings.iter().map(|(words, films)| format!("{films} {words}"));
        let number = |value| Cell::number(Some(value), 1);
        table.push(vec![
            Cell::words(set.name.as_str()),
            Cell::words(set.parts.iter().sum::<usize>().to_string()),
            Cell::words(set.patients.to_string()),
            Cell::words(set.parts.map(|n| n.to_string()).join(" / ")),
            Cell::words(format!("{} × {}", side(&set.width), side(&set.height))),
            Cell::words(encodings.collect::<Vec<_>>().join(", ")),
            number(set.mean),
            number(set.deviation),
            number(set.deviation_of_means),
        ]);
    }
    table
}

/// A row for each finding.
fn findings(findings: &[Finding]) -> Table {
    let columns = ["", "what", "data set", "where", "finding"].map(Column::words);
    let mut table = Table::new(columns.into());
    for finding in findings {
        let level = format!("{:?}", finding.level).to_lowercase();
        let cells = [&level, finding.what, &finding.set, &finding.place, &finding.problem];
        table.push(cells.map(Cell::words).into());
    }
    table
}

/// The page of an audit.
fn page(audit: &Audit, places: &[PathBuf]) -> Report {
    let mut blocks = vec![
        Block::Heading("Data sets".into()),
        Block::Table {
            caption: "Grey is on 0–255; the paper's z-score is 122.786 and 18.390".into(),
            table: sets(&audit.sets),
        },
    ];
    for level in [Level::Error, Level::Warning, Level::Note] {
        let of_level: Vec<Finding> =
            audit.findings.iter().filter(|f| f.level == level).cloned().collect();
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        of_level.iter().for_each(|finding| *kinds.entry(finding.what).or_default() += 1);
        blocks.push(Block::Heading(format!("{level:?}s: {}", of_level.len())));
        if !of_level.is_empty() {
            let kinds: Vec<String> =
                kinds.iter().map(|(what, n)| format!("{n} × {what}")).collect();
            blocks.push(Block::Table { caption: kinds.join(", "), table: findings(&of_level) });
        }
    }
    blocks.push(Block::Heading("Classes".into()));
    for set in audit.sets.iter().filter(|set| !set.classes.is_empty()) {
        let columns = ["train", "val", "test"].map(|part| Column::numbers(part, None));
        let mut table =
            Table::new(std::iter::once(Column::words("class")).chain(columns).collect());
        for (class, counts) in &set.classes {
            let counts = counts.map(|n| Cell::number(Some(n as f64), 0));
            table.push(std::iter::once(Cell::words(class.as_str())).chain(counts).collect());
        }
        blocks.push(Block::Table { caption: format!("{}, films of each", set.name), table });
    }
    let looked = places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    Report {
        title: "Data check".into(),
        provenance: vec![
            ("program".into(), format!("mtpret {}", env!("CARGO_PKG_VERSION"))),
            ("looked at".into(), looked),
        ],
        blocks,
    }
}
