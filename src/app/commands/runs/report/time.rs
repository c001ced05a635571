//! Time by activity of a run, and time by kernel of a training step.

use super::record::ReportedRun;
use crate::report::{
    chart::{Bar, BarChart, Panel},
    html::Block,
    table::{Cell, Column, Table},
};
use mtpret_engine::step::KernelTime;
use mtpret_pipeline::train::{
    estimate::span,
    run::environment::{Environment, StepTime},
};
use std::collections::BTreeMap;

/// Kernels of a picture; a table has all.
const DEAREST: usize = 12;

/// Seconds by activity over all processes, the longest first; what nothing was noted of is setting up.
fn seconds(environment: &Environment) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for process in &environment.processes {
        let noted: f64 = process.seconds.values().sum();
        for (on, seconds) in &process.seconds {
            *sums.entry(on.clone()).or_default() += seconds;
        }
        let rest = (process.total_seconds - noted).max(0.0);
        *sums.entry("setting up and the rest".into()).or_default() += rest;
    }
    let mut sums: Vec<_> = sums.into_iter().filter(|(_, seconds)| *seconds > 0.0).collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums
}

/// Time of all runs, and of the kernels of their steps.
pub fn spent(runs: &[ReportedRun]) -> Vec<Block> {
    let known = runs.iter().filter_map(|run| Some((run, run.environment.as_ref()?)));
    let known: Vec<_> = known.collect();
    if known.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Heading("Time".into())];
    let stage = |(run, environment): &(&ReportedRun, &Environment)| {
        let all = seconds(environment);
        let total: f64 = all.iter().map(|(_, seconds)| seconds).sum();
        let bar = |(name, seconds): (String, f64)| Bar {
            name,
            value: seconds,
            text: format!("{}, {:.0} %", span(seconds), 100.0 * seconds / total.max(1e-9)),
        };
        let title = format!("{}, {}: {}", run.name, run.stage.name(), span(total));
        Panel::Bars(BarChart { title, bars: all.into_iter().map(bar).collect(), whole: None })
    };
    blocks.push(Block::Figure {
        caption: "What the time went to. Waiting for films: the device had nothing to do until files were decoded".into(),
        panels: known.iter().map(stage).collect(),
        columns: known.len().clamp(1, 2),
    });
    for (run, environment) in known {
        let steps = environment.processes.iter().rev().find(|process| !process.steps.is_empty());
        for step in steps.into_iter().flat_map(|process| &process.steps) {
            let task = step.name.strip_prefix("finetune ").unwrap_or(&step.name);
            let name = if run.name == task { task.into() } else { format!("{}, {task}", run.name) };
            blocks.extend(kernels(&name, step));
        }
    }
    blocks
}

fn kernels(name: &str, step: &StepTime) -> Vec<Block> {
    let total: f64 = step.kernels.iter().map(|kernel| kernel.milliseconds).sum();
    let share = |kernel: &KernelTime| 100.0 * kernel.milliseconds / total.max(1e-9);
    let bar = |kernel: &KernelTime| Bar {
        name: kernel.kernel.clone(),
        value: kernel.milliseconds,
        text: format!("{:.1} ms, {:.0} %", kernel.milliseconds, share(kernel)),
    };
    let dearest = step.kernels.iter().take(DEAREST).map(bar).collect();
    let title = format!("A training step by kernel, {total:.0} ms");
    let titles = ["launches", "ms", "% of step", "GFLOP/s", "GB/s"];
    let numbers = titles.map(|title| Column::numbers(title, None));
    let mut table = Table::new(std::iter::once(Column::text("kernel")).chain(numbers).collect());
    for kernel in &step.kernels {
        let rate = |amount: u64| amount as f64 / kernel.milliseconds.max(1e-9) / 1e6;
        table.push(vec![
            Cell::text(kernel.kernel.as_str()),
            Cell::number(Some(kernel.launches as f64), 0),
            Cell::number(Some(kernel.milliseconds), 2),
            Cell::number(Some(share(kernel)), 1),
            Cell::number((kernel.flops > 0).then(|| rate(kernel.flops)), 2),
            Cell::number(Some(rate(kernel.bytes)), 2),
        ]);
    }
    let caption =
        "Each launch by itself, with the cost of a submission, measured when training had ended"
            .into();
    vec![
        Block::Part(name.to_owned()),
        Block::Figure {
            caption,
            panels: vec![Panel::Bars(BarChart { title, bars: dearest, whole: None })],
            columns: 1,
        },
        Block::Folded {
            summary: format!("All {} kernels of that step", step.kernels.len()),
            blocks: vec![Block::Table { caption: "By what they take".into(), table }],
        },
    ]
}
