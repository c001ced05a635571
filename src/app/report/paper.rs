//! Layout of an experiment's cells as the paper's tables and pictures.

use crate::{
    Result,
    report::{
        chart::{self, AblationChart, AblationStep, Axis, Estimate, Group, IntervalChart, Panel},
        html,
        paper_tables::{Published, TABLE_II, TABLE_III, TABLE_IV, TABLE_VII},
        results::{BackboneRows, Entry, Figure, Results, Spread, Target},
    },
};
use mtpret_pipeline::{
    data::Known,
    train::{
        file_name::legal,
        reproduce::{Cell, Figure as Measured, config::Reproduce, init::Init},
        run::Run,
    },
};

/// Name of a backbone in the paper's tables.
fn title(backbone: &str) -> &'static str {
    if backbone == "resnet50" { "ResNet-50" } else { "ResNet-18" }
}

/// The catalogue's entry of a source, if it has one.
fn entry(config: &Reproduce, source: &str) -> Option<&'static Known> {
    let source = config.source.iter().find(|s| s.name == source)?;
    Known::named(source.known.as_deref()?).ok()
}

/// Name in the paper's tables of the data set that a source stands for; else the source's own name.
fn column(config: &Reproduce, source: &str) -> String {
    match entry(config, source).and_then(|known| known.paper) {
        Some("TBX11K") => "TBX".into(),
        Some(name) => name.into(),
        None => source.into(),
    }
}

/// Note on where our data is not the paper's.
fn note(config: &Reproduce, source: &str) -> String {
    let films = config.source.iter().find(|s| s.name == source);
    let known = entry(config, source).zip(films);
    let note = known.and_then(|(known, films)| known.note(&films.root)).unwrap_or_default();
    match films.and_then(|s| s.read().ok()) {
        Some(set) => {
            let counts = format!(
                "{} train, {} val, {} test films",
                set.train.len(),
                set.val.len(),
                set.test.len()
            );
            if note.is_empty() { counts } else { format!("{note}; {counts}") }
        }
        None => note.into(),
    }
}

/// A figure of all seeds and divisions of one place, in percent: the only one with its interval, or mean ± sd.
fn figure(cells: &[&Cell], metric: &str) -> Option<Figure> {
    let same = |found: &str| found == metric || (metric == "mAUC" && found == "AUC");
    let found: Vec<_> =
        cells.iter().filter_map(|c| c.figures.iter().find(|f| same(&f.metric))).collect();
    let values: Vec<f64> = found.iter().filter_map(|f| f.value).map(|v| 100.0 * v).collect();
    let count = values.len() as f64;
    match values[..] {
        [] => None,
        [value] => {
            let interval = found[0].interval.map(|ends| ends.map(|v| 100.0 * v));
            Some(Figure { value, spread: interval.map_or(Spread::Unknown, Spread::Interval) })
        }
        _ => {
            let mean = values.iter().sum::<f64>() / count;
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            let deviation = (squares / (count - 1.0)).sqrt();
            Some(Figure { value: mean, spread: Spread::Deviation(deviation) })
        }
    }
}

/// Layout of an experiment's cells as the paper's tables and pictures.
pub struct PaperLayout<'a> {
    /// Configuration of the experiment.
    pub config: &'a Reproduce,
    /// Cells that there are so far, row after row.
    pub cells: &'a [Cell],
    /// Initialisations that cannot be had, and why.
    pub missing: &'a [(Init, String)],
    /// Whether the rows are MTPret with one part left out each.
    pub ablation: bool,
}

/// Column of a table: the source of its figures, and its name.
struct PaperColumn<'a> {
    source: &'a str,
    target: Target,
    /// Index of the column in the paper's table.
    paper: Option<usize>,
}

impl PaperLayout<'_> {
    /// The cells that had all labels: the tables are of these.
    fn whole(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.labels >= 1.0)
    }
    /// Lays out one of the paper's tables with the data sets and backbones of this run; `overview`
    /// adds the sources that have no column in it.
    fn table(&self, published: &Published, overview: bool) -> Option<Results> {
        let places = self.places(published, overview);
        let backbones: Vec<&str> = ["resnet18", "resnet50"]
            .into_iter()
            .filter(|b| self.whole().any(|c| c.backbone == *b))
            .collect();
        let blocks: Vec<BackboneRows> =
            backbones.iter().map(|b| self.block(published, &places, b)).collect();
        let any =
            blocks.iter().flat_map(|b| &b.rows).flat_map(|(_, e)| e).any(|e| e.ours.is_some());
        any.then(|| Results {
            caption: format!("Table {}. {}", published.number, published.title),
            targets: places.into_iter().map(|place| place.target).collect(),
            blocks,
            notes: self.notes(),
        })
    }
    fn places(&self, published: &Published, overview: bool) -> Vec<PaperColumn<'_>> {
        let mut places = Vec::new();
        for (number, (name, metric)) in published.targets.iter().enumerate() {
            let all = self.config.targets.iter();
            places.extend(all.filter(|t| column(self.config, t) == *name).map(|source| {
                PaperColumn {
                    source,
                    target: Target {
                        name: (*name).into(),
                        metric: (*metric).into(),
                        note: note(self.config, source),
                    },
                    paper: Some(number),
                }
            }));
        }
        let mut seen: Vec<String> = places.iter().map(|p| p.target.name.clone()).collect();
        for source in self.config.targets.iter().filter(|_| overview) {
            let name = column(self.config, source);
            let main = self.whole().find(|c| c.target == *source);
            let main = main.and_then(|c| c.figures.first()).map(|f| f.metric.clone());
            if let (Some(metric), false) = (main, seen.contains(&name)) {
                let note = note(self.config, source);
                places.push(PaperColumn {
                    source,
                    target: Target { name: name.clone(), metric, note },
                    paper: None,
                });
                seen.push(name);
            }
        }
        places
    }
    /// The rows of a backbone: the run's initialisations in their order.
    fn block(&self, published: &Published, places: &[PaperColumn], backbone: &str) -> BackboneRows {
        let mut names: Vec<String> = self.rows(backbone).into_iter().map(String::from).collect();
        names.extend(self.missing.iter().map(|(init, _)| init.to_string()));
        let papers = published.blocks.iter().find(|(name, _)| *name == title(backbone));
        let paper = |init: &str, number: usize| {
            let row = papers?.1.iter().find(|(name, _)| *name == init)?;
            row.1.get(number).copied()
        };
        let row = |init: String| {
            let entry = |place: &PaperColumn| {
                let found = self.whole().filter(|c| {
                    c.backbone == backbone && c.initialisation == init && c.target == place.source
                });
                let found: Vec<&Cell> = found.collect();
                Entry {
                    ours: figure(&found, &place.target.metric),
                    paper: place.paper.and_then(|number| paper(&init, number)),
                }
            };
            let entries = places.iter().map(entry).collect();
            (init, entries)
        };
        BackboneRows { name: title(backbone).into(), rows: names.into_iter().map(row).collect() }
    }
    /// Notes on what was run, and what was not.
    fn notes(&self) -> Vec<String> {
        let c = self.config;
        let seeds: Vec<String> = c.seeds.iter().map(u64::to_string).collect();
        let divisions: Vec<String> = c.divisions.iter().map(u64::to_string).collect();
        let spread = match c.seeds.len() * c.divisions.len() {
            1 => "95 % intervals resample patients of the test part",
            _ => "mean ± standard deviation over seeds and divisions",
        };
        let mut notes = vec![
            format!(
                "Figures in percent; {spread}. The paper's figures are from its own data and splits, \
                 at full size: ours are not comparable to them where the row \"data\" says so."
            ),
            format!(
                "Run: seed {}; division {}; films {} × {} px; MoCo {} epochs, SimCLR {} epochs on {} (MD) or {} \
                 (SD); stage 2 {} rounds over {}; fine-tuning {} epochs. Not for diagnostic use.",
                seeds.join(", "),
                divisions.join(", "),
                c.data.width,
                c.data.height,
                c.moco.epochs,
                c.simclr.epochs,
                c.multi.join(", "),
                c.single,
                c.multitask.rounds,
                c.multitask.tasks.join(", "),
                c.finetune.epochs
            ),
        ];
        // In the order of the rows, whatever order the cells were trained in.
        let row = |cell: &&Cell| {
            let place =
                self.rows(&cell.backbone).iter().position(|init| *init == cell.initialisation);
            (cell.backbone.clone(), place, cell.division, cell.seed)
        };
        let mut cells: Vec<&Cell> = self.whole().collect();
        cells.sort_by_key(row);
        let mut weights: Vec<String> = Vec::new();
        for cell in cells {
            if let Some(hash) = &cell.weights {
                let text = format!("{} {} {hash}", cell.initialisation, title(&cell.backbone));
                if !weights.contains(&text) {
                    weights.push(text);
                }
            }
        }
        if !weights.is_empty() {
            notes.push(format!("Weights fine-tuning began with (BLAKE3): {}.", weights.join("; ")));
        }
        notes.extend(self.missing.iter().map(|(init, why)| format!("{init}: not run, {why}.")));
        notes
    }
    fn tables(&self) -> Vec<(&'static str, Results)> {
        let named = |name, published: &Published, overview| {
            self.table(published, overview).map(|results| (name, results))
        };
        if self.ablation {
            let mut results = named("ablation", &TABLE_II, true);
            if let Some((_, results)) = &mut results {
                results.caption = "Ablation: MTPret with one part left out".into();
            }
            return results.into_iter().collect();
        }
        let all = [
            named("table-2", &TABLE_II, true),
            named("table-3", &TABLE_III, false),
            named("table-4", &TABLE_IV, false),
            named("table-7", &TABLE_VII, false),
        ];
        all.into_iter().flatten().collect()
    }
    /// The initialisations of a backbone's cells, in their order.
    fn rows(&self, backbone: &str) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for cell in self.whole().filter(|c| c.backbone == backbone) {
            if !names.contains(&cell.initialisation.as_str()) {
                names.push(&cell.initialisation);
            }
        }
        names
    }
    /// Pictures by name, each with a panel for each backbone: the steps (Fig. 4) and, of each target of
    /// several labels, its labels by initialisation (Fig. 3).
    fn pictures(&self) -> Vec<(String, Vec<Panel>)> {
        let backbones = ["resnet18", "resnet50"].into_iter();
        let backbones: Vec<&str> =
            backbones.filter(|b| self.whole().any(|c| c.backbone == *b)).collect();
        let [steps, labels] = match self.ablation {
            true => ["ablation", "ablation-labels"],
            false => ["steps", "labels"],
        };
        let mut all = vec![(steps.to_owned(), backbones.iter().map(|b| self.steps(b)).collect())];
        for target in &self.config.targets {
            let panels = backbones.iter().filter_map(|b| self.labels(b, target));
            let panels: Vec<Panel> = panels.collect();
            if !panels.is_empty() {
                all.push((format!("{labels}-{}", legal(target)), panels));
            }
        }
        all
    }
    /// Panel of Fig. 3: the figure of each label of a target by initialisation, of the first seed; none
    /// where the target has one label.
    fn labels(&self, backbone: &str, target: &str) -> Option<Panel> {
        let cells = |init: &str| {
            let mut all = self.whole().filter(|c| c.backbone == backbone && c.target == target);
            all.find(|c| c.initialisation == init)
        };
        let rows = self.rows(backbone);
        let first = rows.iter().find_map(|init| cells(init))?;
        let main = first.figures.first()?.metric.trim_start_matches('m');
        let label = |figure: &Measured| {
            let label = figure.metric.strip_prefix(main)?.strip_prefix(' ')?;
            Some(label.to_owned())
        };
        let names: Vec<String> = first.figures.iter().filter_map(label).collect();
        let estimate = |init: &&str, name: &String| {
            let figures = cells(init)?.figures.iter();
            let found = figures.clone().find(|f| label(f).as_ref() == Some(name))?;
            let percent = |v: f64| 100.0 * v;
            let interval = found.interval.map(|ends| ends.map(percent));
            Some(Estimate { value: percent(found.value?), interval })
        };
        let group = |name: &String| Group {
            name: name.clone(),
            estimates: rows.iter().map(|init| estimate(init, name)).collect(),
        };
        (names.len() > 1).then(|| {
            Panel::Columns(IntervalChart {
                title: format!("{}, {target}: {main} of each label", title(backbone)),
                axis: Axis::linear(format!("{main}, %")),
                series: rows.iter().map(ToString::to_string).collect(),
                groups: names.iter().map(group).collect(),
            })
        })
    }
    /// Panel of Fig. 4: the mean over the targets' main figures, step by step.
    fn steps(&self, backbone: &str) -> Panel {
        let mean = |init: &str| {
            let cells = self.whole().filter(|c| c.backbone == backbone && c.initialisation == init);
            let values: Vec<f64> =
                cells.filter_map(|c| c.figures.first()?.value).map(|v| 100.0 * v).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let step = |(at, name): (usize, &&str)| AblationStep {
            name: (*name).to_owned(),
            estimate: mean(name).map(|value| Estimate { value, interval: None }),
            // Each part that is left out is compared with the whole; columns with the one before.
            from: (at > 0).then(|| if self.ablation { 0 } else { at - 1 }),
        };
        Panel::Ablation(AblationChart {
            title: format!("{}: mean of the targets' main figures", title(backbone)),
            axis: Axis::linear("%"),
            steps: self.rows(backbone).iter().enumerate().map(step).collect(),
            decimals: 2,
        })
    }
    /// Writes every table as markdown, CSV and LaTeX, and the pictures.
    ///
    /// # Errors
    /// The disk is full or the folder is not writable.
    pub fn write(&self, run: &Run) -> Result<()> {
        for (name, results) in self.tables() {
            run.write(&format!("{name}.md"), &results.to_markdown())?;
            run.write(&format!("{name}.csv"), &results.to_csv())?;
            run.write(&format!("{name}.tex"), &results.to_latex())?;
        }
        for (name, panels) in self.pictures() {
            run.write(&format!("{name}.svg"), &chart::svg(&panels, 1))?;
        }
        Ok(())
    }
    /// Every table as markdown, for a terminal.
    pub fn text(&self) -> String {
        self.tables().iter().map(|(_, results)| results.to_markdown() + "\n").collect()
    }
    /// Tables and pictures for a page.
    pub fn page(&self) -> Vec<html::Block> {
        let mut blocks = Vec::new();
        for (_, results) in self.tables() {
            blocks.push(html::Block::Heading(results.caption.clone()));
            let tables = results.tables().into_iter();
            blocks.extend(tables.map(|(caption, table)| html::Block::Table { caption, table }));
            blocks.extend(results.notes.into_iter().map(html::Block::Text));
        }
        for (_, panels) in self.pictures() {
            let caption = "Whiskers are 95 % intervals, resampling patients".into();
            blocks.push(html::Block::Figure { caption, panels, columns: 1 });
        }
        blocks
    }
}
