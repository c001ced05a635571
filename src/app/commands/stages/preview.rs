//! Checks before a stage: a dry run, and overfitting a few films.

use crate::{
    Result,
    report::table::{Cell, Column, Table},
};
use mtpret_pipeline::{
    data,
    train::{
        config::{self, Augment},
        estimate::{dry_run::DryRun, span},
    },
};

/// Shows what a dry run came to.
pub fn preview(json: bool, dry_runs: &[DryRun]) -> Result<()> {
    if json {
        let one = |r: &DryRun| {
            let mut json = serde_json::to_value(r).expect("a dry run is plain data");
            json["seconds"] = r.seconds(r.epochs).into();
            json
        };
        println!("{}", serde_json::Value::Array(dry_runs.iter().map(one).collect()));
        return Ok(());
    }
    let titles = ["films", "steps an epoch", "first epoch", "a later one", "epochs", "in all"];
    let columns = titles.map(|title| Column::numbers(title, None));
    let mut table = Table::new(std::iter::once(Column::text("")).chain(columns).collect());
    let mut seconds = 0.0;
    for one in dry_runs {
        let all = one.seconds(one.epochs);
        seconds += all;
        let number = |n: u64| Cell::number(Some(n as f64), 0);
        table.push(vec![
            Cell::text(one.name.as_str()),
            number(one.films as u64),
            number(one.steps),
            Cell::text(span(one.first_epoch_seconds)),
            Cell::text(span(one.epoch_seconds)),
            number(one.epochs),
            Cell::text(span(all)),
        ]);
    }
    let mib = dry_runs.iter().map(|one| one.mib).max().unwrap_or(0);
    print!("{}", table.to_text());
    println!("{} in all, {mib} MiB of device memory; nothing was written", span(seconds));
    Ok(())
}

/// The sections that overfitting changes.
pub struct ByHeart<'a> {
    pub source: &'a mut [data::Source],
    pub augment: &'a mut Augment,
    pub data: &'a mut config::Data,
    pub segment: &'a mut Option<config::Segment>,
    pub detect: &'a mut Option<config::Detect>,
}

/// Leaves a stage so many films of each task, as they are.
pub fn overfit(films: u16, stage: ByHeart) {
    let films = usize::from(films);
    stage.source.iter_mut().for_each(|source| source.overfit = films);
    *stage.augment = Augment { flip: 0.0, rotate_deg: 0.0, shift: 0.0 };
    let segment = stage.segment.as_mut().map(|s| &mut s.batch);
    let detect = stage.detect.as_mut().map(|d| &mut d.batch);
    let batches = std::iter::once(&mut stage.data.batch).chain(segment).chain(detect);
    batches.for_each(|batch| *batch = films.min(*batch));
}
