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
    reproduce::{
        Cell, Experiment, cells,
        config::Reproduce,
        init::{Column, Init},
    },
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
    let config = widened(config, &there);
    let (mut blocks, watch) = (Vec::new(), Console::new(false));
    for (ablation, inits) in [(false, config.inits()), (true, config.ablation())] {
        let (inits, missing) = Experiment::available(&config, inits);
        let row = |init: &Init| {
            let own = there.iter().filter(|cell| cell.initialisation == init.to_string());
            let mut own: Vec<Cell> = own.cloned().collect();
            own.sort_by_key(|cell| config.targets.iter().position(|name| *name == cell.target));
            own
        };
        let cells: Vec<Cell> = inits.iter().flat_map(row).collect();
        // MTPret is a row of both.
        if cells.iter().any(|c| !ablation || c.initialisation != inits[0].to_string()) {
            let into = Run::new(folder, &watch, true)?;
            let layout =
                PaperLayout { config: &config, cells: &cells, missing: &missing, ablation };
            layout.write(&into)?;
            blocks.extend(layout.page());
            let comparison = Comparison { cells: &cells, ablation };
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

/// The configuration as all invocations had it whose cells are there: each may have trained other columns, targets, seeds and divisions.
fn widened(config: Reproduce, cells: &[Cell]) -> Reproduce {
    fn add<T: PartialEq>(all: &mut Vec<T>, value: T) {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    let mut wide = config;
    let left_out: Vec<String> = wide.ablation().iter().map(Init::to_string).collect();
    for cell in cells {
        add(&mut wide.seeds, cell.seed);
        add(&mut wide.divisions, cell.division);
        if wide.source.iter().any(|source| source.name == cell.target) {
            add(&mut wide.targets, cell.target.clone());
        }
        let column = Column::ALL.into_iter().find(|c| c.name() == cell.initialisation);
        match column {
            Some(column) => add(&mut wide.columns, column),
            None if left_out.contains(&cell.initialisation) => {}
            None => {
                wide.variants.entry(cell.initialisation.clone()).or_default();
            }
        }
    }
    wide.seeds.sort_unstable();
    wide.divisions.sort_unstable();
    wide.columns.sort_unstable();
    wide
}
