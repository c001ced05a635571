//! `mtpret data check`.

mod page;

use super::found;
use crate::{
    Error, Place, Result,
    commands::faults::not_a_configuration,
    print,
    report::{counted, discretion::Discretion},
};
use indicatif::{ProgressBar, ProgressStyle};
use mtpret_engine::file;
use mtpret_pipeline::data::{self, Audit, Finding, Level, Purpose, Roots, Source, Split, Subject};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Check data sets: every film is decoded, every label, mask and box held against it.
///
/// Errors are what would stop training or make its figures false: films that are unreadable, cut short or missing, masks that
/// are missing or of another size, boxes outside, films listed twice, the same film in two parts (by bytes and by looks,
/// which finds copies in another format or size), patients in two parts, folders of MURA's studies that its tables contradict.
/// Warnings are what may be meant: blank and dark films, rare classes, the same film in two data sets, test films that
/// pretraining sees, films that MURA's tables list and the disk lacks, grey far from what the network expects, patients whom
/// the set's own parts share where the films are divided again. Notes are worth knowing: films stored with white as 0,
/// mixed depths, wrong file names.
///
/// A folder is checked as `mtpret data detect` reads it, a configuration as it is trained on: name both your pretraining and
/// your task's to see what stage 1 has of the test films. Exit code 1 if anything is an error.
///
/// Examples:
///   mtpret data check films/ --html check.html
///   mtpret data check pretrain.toml finetune.toml --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Check {
    /// Folders of data sets, or configurations (whose `[[source]]`s are checked; those of `pretrain` as pretraining).
    #[arg(required = true)]
    places: Vec<PathBuf>,
    /// A folder that holds the data sets of the configurations side by side [default: MTPRET_DATA].
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Write a page with all findings, pictures of films that are there twice, and the grey of each set.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// On the page, put paths as they are on this machine and patients by name: without it paths are relative to their data set
    /// and patients are short digests, so that the page can be handed on.
    #[arg(long, requires = "html")]
    with_ids: bool,
    /// Print JSON in place of tables: `{"sets": […], "findings": [{"level", "what", "set", "place", "problem", "other"}]}`.
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
fn subjects(place: &Path, folders: &[PathBuf]) -> Result<Vec<Subject>> {
    if place.is_dir() {
        let (known, unread) = found(place)?;
        let known = known.into_iter().enumerate();
        // Where a set serves for a task, pretraining is the same films again.
        let only = |(_, f): &(usize, data::RecognisedSet)| f.source.task == Some(Purpose::Pretrain);
        let (pretrain, tasks): (Vec<_>, Vec<_>) = known.partition(only);
        let roots: Vec<PathBuf> =
            tasks.iter().map(|(_, found)| found.source.root.clone()).collect();
        let alone = pretrain.into_iter().filter(|(_, found)| !roots.contains(&found.source.root));
        let subject = |(at, found): (usize, data::RecognisedSet)| {
            let mut source = found.source;
            source.locate(&Roots::default())?;
            // Whoever made these folders meant them: patients that they share are an error, which a
            // configuration mends.
            let meant = Source { split: Split::Given, ..source.clone() };
            if source.known.is_none()
                && meant
                    .survey()
                    .is_ok_and(|(_, flaws)| flaws.iter().any(|f| f.level == Level::Error))
            {
                source = meant;
            }
            let unread = unread.iter().filter(|labels| labels.set == at).cloned().collect();
            Ok(Subject { source, pretraining: false, unread })
        };
        return tasks.into_iter().chain(alone).map(subject).collect();
    }
    let mend = "name a folder of films or a configuration";
    let text = fs::read_to_string(place).map_err(|e| Error::io(place, e, mend))?;
    let config: Sources =
        toml::from_str(&text).map_err(|e| not_a_configuration(place, &text, &e, mend))?;
    let pretraining = config.moco.is_some() || config.simclr.is_some();
    let mut roots = config.roots;
    roots.folders.extend(folders.iter().cloned());
    roots.folders.extend(Roots::from_env().folders);
    let subject = |mut source: Source| {
        source.locate(&roots)?;
        Ok(Subject { source, pretraining, unread: Vec::new() })
    };
    config.source.into_iter().map(subject).collect()
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or written, or findings that are errors.
pub fn run(args: &Check) -> Result<()> {
    let all =
        args.places.iter().map(|place| subjects(place, &args.data)).collect::<Result<Vec<_>>>()?;
    let subjects: Vec<Subject> = all.into_iter().flatten().collect();
    let audit = watched(&subjects)?;
    if let Some(file) = &args.html {
        let mut discretion = Discretion::new(args.with_ids);
        subjects.iter().for_each(|subject| discretion.folder(&subject.source.root));
        args.places.iter().for_each(|place| discretion.folder(place));
        discretion.patients(audit.patients.iter().cloned());
        let page = page::page(&audit, &args.places, &verdict(&audit), &discretion).to_html();
        file::put(file, |f| f.write_all(page.as_bytes()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string(&audit).expect("an audit is plain data"));
    } else {
        let told = audit.sets.iter().map(|set| page::patients(set).join(": ") + "\n");
        let told: String = told.collect();
        print!("{}{told}\n{}", page::sets(&audit.sets, false).to_text(), listed(&audit));
    }
    if audit.findings.iter().any(|finding| finding.level == Level::Error) {
        let place = match &args.places[..] {
            [one] => Place::from(one),
            several => {
                let names = several.iter().map(|place| place.display().to_string());
                names.collect::<Vec<_>>().join(", ").into()
            }
        };
        let mend = "mend the errors that are listed";
        return Err(Error::data(place, "no errors", verdict(&audit), mend));
    }
    eprintln!("{}", verdict(&audit));
    Ok(())
}

/// The audit under a bar on a terminal, and a line every few seconds elsewhere.
fn watched(subjects: &[Subject]) -> Result<Audit> {
    let begun = Instant::now();
    let style = "looking at films {bar:30} {pos}/{len}  ETA {eta}";
    let style = ProgressStyle::with_template(style).expect("the template is fixed");
    let bar = ProgressBar::new(0).with_style(style);
    let plain = !std::io::stderr().is_terminal();
    let last = Mutex::new(begun);
    let audit = data::audit(subjects, &|done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        let Ok(mut last) = last.lock() else { return };
        if plain && last.elapsed() > Duration::from_secs(5) {
            eprintln!("looked at {done} of {all} films");
            *last = Instant::now();
        }
    })?;
    bar.finish_and_clear();
    eprintln!("{} in {:.1} s", page::looked(&audit.sets), begun.elapsed().as_secs_f64());
    Ok(audit)
}

/// How many findings there are of each level.
fn verdict(audit: &Audit) -> String {
    let count = |level| audit.findings.iter().filter(|f| f.level == level).count();
    let levels = [(Level::Error, "error"), (Level::Warning, "warning"), (Level::Note, "note")];
    levels.map(|(level, word)| counted(count(level), word)).join(", ")
}

/// Findings of one kind in one set that are shown on a terminal.
const SHOWN: usize = 3;

/// Each finding with what it says below it; of many of one kind the first, and how many more there are.
fn listed(audit: &Audit) -> String {
    let mut groups: BTreeMap<(Level, &str, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in &audit.findings {
        groups.entry((finding.level, finding.what, &finding.set)).or_default().push(finding);
    }
    let mut text = String::new();
    for ((level, what, set), findings) in groups {
        for finding in findings.iter().take(SHOWN) {
            let [level, place] = [page::word(level), page::place(audit, finding)];
            let place = if place == set { String::new() } else { format!(" {place}") };
            let [place, problem] = [&place, &finding.problem].map(|text| print::line(text));
            text += &format!("{level}: {what}, {set}{place}\n    {problem}\n");
        }
        if findings.len() > SHOWN {
            let more = findings.len() - SHOWN;
            text += &format!("    and {more} more such in {set}: --html FILE or --json\n");
        }
    }
    text
}
