//! The HTML page of a demo.

use super::{
    Pictures, fine_tuned,
    verdict::{self, INITIALISATIONS, Tuned},
};
use crate::{
    Result,
    commands::runs::report::{films, readings, section},
    report::{
        chart::{self, Axis, LineChart, Panel, Series},
        discretion::Discretion,
        html::{Block, Report},
    },
};
use mtpret_pipeline::train::{Device, config::Demo, run::Run};
use std::{fs, path::PathBuf};

/// A loss curve for each stage in the run's `metrics.jsonl` files.
fn curves(config: &Demo, run: &Run) -> Vec<Panel> {
    let series = |folder: &str, stage: &str| readings(&run.folder.join(folder), stage, "loss");
    let panel = |title: String, series: Vec<Series>| {
        Panel::Lines(LineChart { title, x: Axis::linear("step"), y: Axis::linear("loss"), series })
    };
    let named = |name: &str, points| Series { name: name.into(), points };
    let mut panels = vec![
        panel("1 pretraining".into(), vec![named("InfoNCE", series("pretrain", "pretrain"))]),
        panel(
            "2 multitask".into(),
            config.multitask.tasks.iter().map(|t| named(t, series("multitask", t))).collect(),
        ),
    ];
    for task in &config.multitask.tasks {
        let of = |name| named(name, series(&fine_tuned(task, name), "finetune"));
        let lines = INITIALISATIONS.map(of).into();
        panels.push(panel(format!("3 fine-tuning: {task}"), lines));
    }
    panels
}

/// What the report shows.
pub struct Page<'a> {
    pub tasks: &'a [Tuned],
    pub pictures: &'a Pictures,
    pub verdict: &'a [String],
    pub minutes: f64,
}

impl Page<'_> {
    /// Writes `report.html` and `curves.svg`; the page's file.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, gpu: &Device, config: &Demo, run: &Run) -> Result<PathBuf> {
        let panels = curves(config, run);
        run.write("curves.svg", &chart::svg(&panels, 2))?;
        let info = gpu.info();
        let pair = |key: &str, value: String| (key.to_owned(), value);
        let caption = "The main figure of each task, fine-tuned from scratch and after MTPret (95 % intervals over patients)";
        let mut blocks = vec![
            Block::Heading("Every task".into()),
            Block::Table { caption: caption.into(), table: verdict::table(self.tasks) },
        ];
        blocks.extend(self.verdict.iter().cloned().map(Block::Note));
        let caption = "Test films and what MTPret's networks see in them".to_owned();
        let png = fs::read(&self.pictures.sheet);
        blocks.extend(png.ok().map(|png| Block::Picture { caption, png }));
        for (Tuned { title, runs, .. }, sheet) in self.tasks.iter().zip(&self.pictures.of_tasks) {
            blocks.push(Block::Heading(title.clone()));
            blocks.extend(section("Fine-tuned from scratch, and after MTPret", runs)?);
            blocks.extend(films(sheet));
        }
        blocks.push(Block::Heading("Loss".into()));
        blocks.push(Block::Figure { caption: "Loss by step".into(), panels, columns: 2 });
        blocks.push(Block::Note("Not for diagnostic use.".into()));
        let report = Report {
            title: "MTPret demo".into(),
            provenance: vec![
                pair("adapter", format!("{} ({} {})", info.name, info.driver, info.driver_info)),
                pair("program", format!("mtpret {}", env!("CARGO_PKG_VERSION"))),
                pair("seed", config.seed.to_string()),
                pair("time", format!("{:.1} min", self.minutes)),
                pair("run folder", run.folder.display().to_string()),
            ],
            blocks,
        };
        run.write("report.html", &report.discreet(&Discretion::new(false)).to_html())?;
        Ok(run.folder.join("report.html"))
    }
}
