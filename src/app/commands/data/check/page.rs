//! The findings of `mtpret data check` as tables and as an HTML page.

use crate::report::{
    chart::{Axis, Estimate, Group, IntervalChart, Panel},
    counted,
    discretion::Discretion,
    html::{Block, Report},
    picture::{Picture, Sheet, SheetCell, SheetRow, png},
    table::{Cell, Column, Table},
};
use image::GrayImage;
use mtpret_pipeline::data::{self, Audit, Census, Finding, Level, Spread};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Findings of one level that a page lists.
const LISTED: usize = 500;
/// Pairs of films that a page shows.
const PAIRS: usize = 6;
/// Pixels across such a film.
const ACROSS: u32 = 220;
/// The mean and standard deviation of the paper's pretraining films.
const PAPER: [f64; 2] = [122.786, 18.390];

/// A level in a word.
pub fn word(level: Level) -> String {
    format!("{level:?}").to_lowercase()
}

/// Where a finding is, relative to its data set.
pub fn place(audit: &Audit, finding: &Finding) -> String {
    let root = audit.sets.iter().find(|set| set.name == finding.set).map(|set| &set.root);
    let place = Path::new(&finding.place);
    let inside = root.and_then(|root| place.strip_prefix(root).ok()).unwrap_or(place);
    inside.display().to_string()
}

/// A row for each data set, with the encodings of its films where there is room for them.
pub fn sets(sets: &[Census], encodings: bool) -> Table {
    let mut texts = vec!["data set", "films", "patients", "train / val / test", "size", "range"];
    if encodings {
        texts.push("encoding");
    }
    let numbers = ["mean grey", "σ", "σ of means"];
    let columns = texts.into_iter().map(Column::text);
    let mut table =
        Table::new(columns.chain(numbers.into_iter().map(|n| Column::numbers(n, None))).collect());
    for set in sets {
        let side = |s: &Option<Spread<usize>>| {
            s.map_or("–".into(), |s| match s.least == s.most {
                true => s.most.to_string(),
                false => format!("{}–{}", s.least, s.most),
            })
        };
        let kinds = set.encodings.iter().map(|(encoding, films)| format!("{films} {encoding}"));
        let kinds = encodings.then(|| Cell::text(kinds.collect::<Vec<_>>().join("\n")));
        let mut row = vec![
            Cell::text(set.name.as_str()),
            Cell::text(set.parts.iter().sum::<usize>().to_string()),
            Cell::text(set.patients.to_string()),
            Cell::text(set.parts.map(|n| n.to_string()).join(" / ")),
            Cell::text(format!("{} × {}", side(&set.width), side(&set.height))),
            Cell::text(set.range.map(|v| format!("{v:.0}")).join("–")),
        ];
        row.extend(kinds);
        let numbers = [set.mean, set.deviation, set.deviation_of_means];
        row.extend(numbers.map(|value| Cell::number(value, 1)));
        table.push(row);
    }
    table
}

/// By what the patients of a set are told.
pub fn patients(set: &Census) -> [String; 2] {
    [format!("patients of {}", set.name), set.patients_told.clone()]
}

/// How many films and data sets were looked at.
pub fn looked(sets: &[Census]) -> String {
    let films: usize = once(sets).map(|set| set.parts.iter().sum::<usize>()).sum();
    format!("{} of {}", counted(films, "film"), counted(once(sets).count(), "data set"))
}

/// How often each kind was found in each set.
fn kinds(audit: &Audit) -> Table {
    let mut counts: BTreeMap<(Level, &str, &str), usize> = BTreeMap::new();
    for finding in &audit.findings {
        *counts.entry((finding.level, finding.what, &finding.set)).or_default() += 1;
    }
    let texts = ["level", "what", "data set"].map(Column::text);
    let mut table = Table::new(texts.into_iter().chain([Column::numbers("times", None)]).collect());
    for ((level, what, set), count) in counts {
        let texts = [&word(level), what, set].map(Cell::text);
        table.push(texts.into_iter().chain([Cell::number(Some(count as f64), 0)]).collect());
    }
    table
}

/// The data sets, each once where it serves several purposes.
pub fn once(sets: &[Census]) -> impl Iterator<Item = &Census> {
    let first = |at: usize| !sets[..at].iter().any(|other| other.root == sets[at].root);
    (0..sets.len()).filter(move |at| first(*at)).map(|at| &sets[at])
}

/// The grey of each set beside the paper's.
fn grey(sets: &[Census]) -> Panel {
    let paper = [PAPER[0] - PAPER[1], PAPER[0] + PAPER[1]];
    let paper = Estimate { value: PAPER[0], interval: Some(paper) };
    let estimate = |set: &Census| {
        let Spread { least, median, most } = set.means?;
        Some(Estimate { value: median, interval: Some([least, most]) })
    };
    let group = |(name, estimate): (&str, Option<Estimate>)| Group {
        name: name.into(),
        estimates: vec![estimate],
    };
    let own = once(sets).map(|set| (set.name.as_str(), estimate(set)));
    Panel::Intervals(IntervalChart {
        title: "Mean grey of the films".into(),
        axis: Axis::linear("grey, 0 black to 255 white"),
        series: vec!["median film, and where nine of ten lie".into()],
        groups: std::iter::once(("the paper's ± σ", Some(paper))).chain(own).map(group).collect(),
    })
}

/// Films that are in two places, one above the other; none where none can be shown.
fn pairs(findings: &[Finding]) -> Option<Block> {
    let cell = |path: &Path| {
        let film = data::decode(path).ok()?;
        let pixels = film.pixels.iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect();
        let film = GrayImage::from_raw(film.width as u32, film.height as u32, pixels)?;
        let caption = path.file_name()?.to_string_lossy().into_owned();
        Some(Some(SheetCell { picture: Picture::film(film), caption, right: None }))
    };
    let pair = |finding: &Finding| {
        let other = cell(finding.other.as_deref()?)?;
        Some((finding.set.clone(), cell(Path::new(&finding.place))?, other))
    };
    let (mut columns, mut these, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (set, this, other) in findings.iter().filter_map(pair).take(PAIRS) {
        columns.push(set);
        these.push(this);
        others.push(other);
    }
    if columns.is_empty() {
        return None;
    }
    let row = |name: &str, cells| SheetRow { name: name.into(), cells };
    let rows = vec![row("these films", these), row("are the same as these", others)];
    let sheet = Sheet { title: String::new(), columns, rows, note: String::new(), cell: ACROSS };
    let caption = "The first films that are in two places, as they are read".into();
    Some(Block::Picture { caption, png: png(&sheet.draw()) })
}

/// The page of an audit.
pub fn page(audit: &Audit, places: &[PathBuf], verdict: &str, discretion: &Discretion) -> Report {
    let of = |level| audit.findings.iter().filter(move |f| f.level == level);
    let summary = format!("{verdict} in {}.", looked(&audit.sets));
    let mut blocks = match of(Level::Error).next() {
        Some(_) => vec![Block::Note(format!("{summary} Mend the errors before you train."))],
        None => vec![Block::Text(summary)],
    };
    if !audit.findings.is_empty() {
        blocks.push(Block::Heading("What was found".into()));
        blocks.push(Block::Table { caption: "By kind, worst first".into(), table: kinds(audit) });
        blocks.extend(pairs(&audit.findings));
    }
    blocks.push(Block::Heading("Data sets".into()));
    blocks.push(Block::Table {
        caption: "As they are read; grey is on 0–255, over all pixels".into(),
        table: sets(&audit.sets, true),
    });
    blocks.push(Block::Figure {
        caption: "Films are brought to mean 0 and deviation 1 by the paper's 122.786 and 18.390, or by data.mean and \
                  data.std of a configuration"
            .into(),
        panels: vec![grey(&audit.sets)],
        columns: 1,
    });
    for level in [Level::Error, Level::Warning, Level::Note] {
        let count = of(level).count();
        if count == 0 {
            continue;
        }
        blocks.push(Block::Heading(format!("{level:?}s")));
        let heads = ["what", "data set", "where", "finding"];
        let mut table = Table::new(heads.map(Column::text).into());
        for finding in of(level).take(LISTED) {
            // A page keeps lines, and does not break what stands in one.
            let place = discretion.place(&place(audit, finding));
            let said = finding.problem.replace("; ", "\n");
            let cells = [finding.what, &finding.set, &place, &said];
            table.push(cells.map(Cell::text).into());
        }
        let caption = match count > LISTED {
            true => format!("The first {LISTED} of {count}; --json lists them all"),
            false => format!("{count} in all"),
        };
        blocks.push(Block::Table { caption, table });
    }
    blocks.extend(classes(&audit.sets));
    let looked = places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut provenance = vec![
        ("program".into(), format!("mtpret {}", env!("CARGO_PKG_VERSION"))),
        ("looked at".into(), looked),
    ];
    provenance.extend(audit.sets.iter().map(patients).map(|[name, told]| (name, told)));
    Report { title: "Data check".into(), provenance, blocks }.discreet(discretion)
}

/// Films of each class in each part, a table a set.
fn classes(sets: &[Census]) -> Vec<Block> {
    let table = |set: &Census| {
        let columns = ["train", "val", "test"].map(|part| Column::numbers(part, None));
        let mut table = Table::new(std::iter::once(Column::text("class")).chain(columns).collect());
        for (class, counts) in &set.classes {
            let counts = counts.map(|n| Cell::number(Some(n as f64), 0));
            table.push(std::iter::once(Cell::text(class.as_str())).chain(counts).collect());
        }
        Block::Table { caption: format!("{}, films of each", set.name), table }
    };
    let labelled: Vec<Block> =
        sets.iter().filter(|set| !set.classes.is_empty()).map(table).collect();
    let heading = (!labelled.is_empty()).then(|| Block::Heading("Classes".into()));
    heading.into_iter().chain(labelled).collect()
}
