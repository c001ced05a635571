//! The report of an experiment: the paper's tables, and initialisations compared in pairs.

use crate::{
    Result,
    commands::watch::Console,
    report::{
        comparison::Comparison,
        html::{Block, Report},
        paper::PaperLayout,
    },
};
use mtpret_pipeline::train::{
    config,
    reproduce::{Cell, Experiment, cells, config::Reproduce, init::Init},
    run::Run,
};
use std::path::Path;

/// Tables and pictures of the run in `run`, which are written into `folder` too.
///
/// # Errors
/// A file of the run cannot be read, or the folder cannot be written.
pub fn experiment(run: &Path, folder: &Path) -> Result<Report> {
    let config: Reproduce = config::load(&run.join("config.resolved.toml"), &[])?;
    let there = cells(&run.join("cells"))?;
    let (mut blocks, watch) = (Vec::new(), Console::new(false));
    for (ablation, inits) in [(false, config.inits()), (true, config.ablation())] {
        let (inits, missing) = Experiment::available(&config, inits);
        let row = |init: &Init| {
            let name = init.to_string();
            there.iter().filter(move |cell| cell.initialisation == name).cloned()
        };
        let cells: Vec<Cell> = inits.iter().flat_map(row).collect();
        // MTPret is a row of both.
        if cells.iter().any(|c| !ablation || c.initialisation != inits[0].to_string()) {
            let into = Run::new(folder, &watch, true)?;
            let layout =
                PaperLayout { config: &config, cells: &cells, missing: &missing, ablation };
            layout.write(&into)?;
            blocks.extend(layout.page());
            let comparison = Comparison { cells: &cells };
            comparison.write(&into)?;
            blocks.extend(comparison.page());
        }
    }
    blocks.push(Block::Note("Not for diagnostic use.".into()));
    Ok(Report {
        title: "MTPret: every initialisation on every target".into(),
        provenance: vec![
            ("program".into(), format!("mtpret {}", env!("CARGO_PKG_VERSION"))),
            ("run folder".into(), run.display().to_string()),
        ],
        blocks,
    })
}
