//! Results by initialisation and target as the paper prints them: our figure, how sure it is, and the
//! paper's beside it.

use super::table::{Best, Cell, Column, Table, inert, markdown};

/// Spread of a figure: how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spread {
    /// Unknown spread: one seed, no intervals.
    Unknown,
    /// Lower and upper end of an interval.
    Interval([f64; 2]),
    /// Standard deviation over seeds.
    Deviation(f64),
}

/// A figure in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The figure, or its mean over seeds.
    pub value: f64,
    /// Spread of the figure.
    pub spread: Spread,
}

/// One place of the table.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Entry {
    /// Figure that was measured, if it was.
    pub ours: Option<Figure>,
    /// Figure that the paper reports, if it does.
    pub paper: Option<f64>,
}

/// A column: a data set and a metric of which more is better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The data set as the paper calls it.
    pub name: String,
    /// The metric.
    pub metric: String,
    /// Difference of ours from the paper's, such as "FracAtlas in place of MURA"; may be empty.
    pub note: String,
}

/// The rows of one backbone.
#[derive(Debug, Clone, PartialEq)]
pub struct BackboneRows {
    /// Name of the backbone, such as ResNet-18.
    pub name: String,
    /// Initialisations, each with one entry a target.
    pub rows: Vec<(String, Vec<Entry>)>,
}

/// A table of results. The best figure of ours in each column of a block is bold.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Caption of the table.
    pub caption: String,
    /// The columns.
    pub targets: Vec<Target>,
    /// The rows.
    pub blocks: Vec<BackboneRows>,
    /// Notes below the table: what was run.
    pub notes: Vec<String>,
}

/// Text of a figure with two places, as the paper has it.
fn written(value: f64) -> String {
    super::fixed(value, 2)
}

impl Results {
    /// Puts a figure of ours in its place, and says whether there is that place.
    pub fn set(&mut self, backbone: &str, row: &str, target: [&str; 2], ours: Figure) -> bool {
        let column = self.targets.iter().position(|t| [&*t.name, &*t.metric] == target);
        let rows = self.blocks.iter_mut().filter(|b| b.name == backbone).flat_map(|b| &mut b.rows);
        let entries = rows.filter(|(name, _)| name == row).map(|(_, entries)| entries).next();
        match column.zip(entries).and_then(|(column, entries)| entries.get_mut(column)) {
            Some(entry) => entry.ours = Some(ours),
            None => return false,
        }
        true
    }

    /// Whether a figure of ours is the best of its column in its block. Figures that are written
    /// alike are alike; a single one is not the best.
    #[must_use]
    pub fn is_best(&self, block: &BackboneRows, row: usize, column: usize) -> bool {
        let shown = |entries: &[Entry]| {
            let value = entries.get(column)?.ours?.value;
            written(value).parse::<f64>().ok()
        };
        let all: Vec<f64> = block.rows.iter().filter_map(|(_, entries)| shown(entries)).collect();
        all.len() > 1 && shown(&block.rows[row].1).is_some_and(|own| all.iter().all(|v| own >= *v))
    }

    fn has_notes(&self) -> bool {
        self.targets.iter().any(|target| !target.note.is_empty())
    }

    /// Tables for a page, one for each backbone, under its name.
    #[must_use]
    pub fn tables(&self) -> Vec<(String, Table)> {
        let head =
            |t: &Target| Column::numbers(format!("{} {}", t.name, t.metric), Some(Best::Highest));
        let cell = |entry: &Entry| {
            let ours = entry.ours.map(|f| written(f.value) + &spread(f.spread, "–", "±"));
            let paper = entry.paper.map(|p| format!("paper {}", written(p)));
            let text: Vec<String> = ours.into_iter().chain(paper).collect();
            let value = entry.ours.and_then(|f| written(f.value).parse().ok());
            Cell { text: text.join("\n"), value }
        };
        let of = |block: &BackboneRows| {
            let first = Column::text("initialisation");
            let mut table =
                Table::new(std::iter::once(first).chain(self.targets.iter().map(head)).collect());
            let mut row = |name: &str, cells: Vec<Cell>| {
                table.push(std::iter::once(Cell::text(name)).chain(cells).collect());
            };
            if self.has_notes() {
                row("data", self.targets.iter().map(|t| Cell::text(&t.note)).collect());
            }
            for (name, entries) in &block.rows {
                row(name, entries.iter().map(cell).collect());
            }
            (block.name.clone(), table)
        };
        self.blocks.iter().map(of).collect()
    }

    /// Writes a GitHub table; the paper's figure stands below ours.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let row =
            |first: String, cells: Vec<String>| line(std::iter::once(first).chain(cells).collect());
        let each = |cell: &dyn Fn(&Target) -> String| self.targets.iter().map(cell).collect();
        let mut text = format!("**{}**\n\n", markdown(&self.caption));
        let head = |t: &Target| format!("{}<br>{}", markdown(&t.name), markdown(&t.metric));
        text += &row("initialisation".into(), each(&head));
        text += &row(":--".into(), each(&|_| "--:".into()));
        if self.has_notes() {
            let note = |t: &Target| match t.note.as_str() {
                "" => String::new(),
                note => format!("*{}*", markdown(note)),
            };
            text += &row("*data*".into(), each(&note));
        }
        for block in &self.blocks {
            text += &row(format!("**{}**", markdown(&block.name)), each(&|_| String::new()));
            for (r, (name, entries)) in block.rows.iter().enumerate() {
                let cells = entries.iter().enumerate().map(|(c, entry)| {
                    let ours = entry.ours.map(|f| match self.is_best(block, r, c) {
                        true => format!("**{}**{}", written(f.value), spread(f.spread, "–", "±")),
                        false => written(f.value) + &spread(f.spread, "–", "±"),
                    });
                    let paper = entry.paper.map(|p| format!("<sub>paper {}</sub>", written(p)));
                    let both: Vec<String> = ours.into_iter().chain(paper).collect();
                    both.join("<br>")
                });
                text += &row(markdown(name), cells.collect());
            }
        }
        for note in &self.notes {
            text += &format!("\n{}\n", markdown(note));
        }
        text
    }

    /// Writes comma-separated values: for each target our figure, the ends of its interval, its
    /// deviation over seeds, and the paper's figure; empty where there is none.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut head = vec!["backbone".to_owned(), "initialisation".to_owned()];
        for target in &self.targets {
            let name = format!("{} {}", target.name, target.metric);
            let noted = match target.note.as_str() {
                "" => name.clone(),
                note => format!("{name} [{note}]"),
            };
            let parts = ["low", "high", "sd", "paper"].map(|part| format!("{name} {part}"));
            head.extend(std::iter::once(noted).chain(parts));
        }
        writer.write_record(head.iter().map(|cell| inert(cell))).expect("memory takes every row");
        for block in &self.blocks {
            for (name, entries) in &block.rows {
                let numbers = entries.iter().flat_map(|entry| {
                    let (low, high, deviation) = match entry.ours.map(|f| f.spread) {
                        Some(Spread::Interval([low, high])) => (Some(low), Some(high), None),
                        Some(Spread::Deviation(deviation)) => (None, None, Some(deviation)),
                        _ => (None, None, None),
                    };
                    [entry.ours.map(|f| f.value), low, high, deviation, entry.paper]
                });
                let cells = numbers.map(|n| n.map_or(String::new(), written));
                let names = [inert(&block.name), inert(name)];
                writer
                    .write_record(names.into_iter().chain(cells))
                    .expect("memory takes rows of equal length");
            }
        }
        let bytes = writer.into_inner().expect("memory takes all bytes");
        String::from_utf8(bytes).expect("cells are UTF-8")
    }

    /// Writes a `table*` for LaTeX with the package booktabs; ours and the paper's figure side by
    /// side.
    #[must_use]
    pub fn to_latex(&self) -> String {
        let pair = |cell: &dyn Fn(&Target) -> String| -> String {
            self.targets
                .iter()
                .map(|t| format!(" & \\multicolumn{{2}}{{c}}{{{}}}", cell(t)))
                .collect()
        };
        let columns = self.targets.len();
        let mut text = format!(
            "\\begin{{table*}}\n\\centering\n\\caption{{{}}}\n\\begin{{tabular}}{{l{}}}\n\\toprule\n",
            latex(&self.caption),
            "rr".repeat(columns)
        );
        text += &format!("{} \\\\\n", pair(&|t| latex(&t.name)));
        text += &format!("{} \\\\\n", pair(&|t| latex(&t.metric)));
        if self.has_notes() {
            let note = |t: &Target| format!("\\scriptsize {}", latex(&t.note));
            text += &format!("data{} \\\\\n", pair(&note));
        }
        text += &format!("initialisation{} \\\\\n", " & ours & paper".repeat(columns));
        for block in &self.blocks {
            text += &format!(
                "\\midrule\n\\multicolumn{{{}}}{{l}}{{\\textit{{{}}}}} \\\\\n",
                2 * columns + 1,
                latex(&block.name)
            );
            for (r, (name, entries)) in block.rows.iter().enumerate() {
                text += &latex(name);
                for (c, entry) in entries.iter().enumerate() {
                    let ours = entry.ours.map_or(String::new(), |f| {
                        let value = match self.is_best(block, r, c) {
                            true => format!("\\textbf{{{}}}", written(f.value)),
                            false => written(f.value),
                        };
                        match f.spread {
                            Spread::Unknown => value,
                            s => format!("{value}{{\\scriptsize{}}}", spread(s, "--", "$\\pm$")),
                        }
                    });
                    let paper = entry.paper.map_or(String::new(), written);
                    text += &format!(" & {ours} & {paper}");
                }
                text += " \\\\\n";
            }
        }
        text += "\\bottomrule\n\\end{tabular}\n";
        for note in &self.notes {
            text += &format!("\n\\footnotesize {}\n", latex(note));
        }
        text + "\\end{table*}\n"
    }
}

/// Text of a spread: ` (low–high)` or ` ± deviation`.
fn spread(spread: Spread, to: &str, give_or_take: &str) -> String {
    match spread {
        Spread::Unknown => String::new(),
        Spread::Interval([low, high]) => format!(" ({}{to}{})", written(low), written(high)),
        Spread::Deviation(deviation) => format!(" {give_or_take} {}", written(deviation)),
    }
}

/// Escapes text for LaTeX: what it would run is shown instead.
fn latex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            // Two hyphens would become a dash: MTPret-- is a name.
            '-' if escaped.ends_with('-') => escaped.push_str("{}-"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
