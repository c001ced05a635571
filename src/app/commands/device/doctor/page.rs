//! What `doctor` found as a page to attach to a report of a fault. It names the adapters, their drivers, the operating system and
//! the program, and nothing about the person or the machine's files.

use super::{Adapter, Health, Verdict};
use crate::report::{
    chart::{Bar, BarChart, Panel},
    counted,
    html::{Block, Report, Tile},
    table::{Cell, Column, Table},
};

/// Ops of a picture: those whose error comes nearest to what is allowed.
const NEAREST: usize = 12;

fn pair(key: &str, value: impl Into<String>) -> (String, String) {
    (key.to_owned(), value.into())
}

fn mib(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    }
}

/// The operating system as it calls itself, without the machine's name.
fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map_or(std::env::consts::OS, |name| name.trim_matches('"'));
    format!("{name}, {}", std::env::consts::ARCH)
}

/// The whole page.
pub fn page(adapters: &[Adapter]) -> Report {
    let mut blocks = vec![Block::Tiles(adapters.iter().map(tile).collect())];
    for adapter in adapters {
        blocks.extend(about(adapter));
        match (&adapter.health, &adapter.refused) {
            (Some(health), _) => blocks.extend(figures(health)),
            (None, Some(why)) => blocks.push(Block::Note(format!("No figures: {why}"))),
            (None, None) => blocks.push(Block::Text("Not asked for, and so not run.".into())),
        }
    }
    Report {
        title: "Every op on every adapter".into(),
        provenance: vec![
            pair("program", format!("mtpret {}", env!("CARGO_PKG_VERSION"))),
            pair("system", system()),
        ],
        blocks,
    }
}

/// An adapter in a word.
fn tile(adapter: &Adapter) -> Tile {
    let (value, note) = match &adapter.health {
        None if adapter.refused.is_some() => ("refused", "it gives no device".into()),
        None => ("not run", String::new()),
        Some(health) => {
            let faults: usize = health.ops.iter().map(|op| op.faults.len()).sum();
            let checks: usize = health.ops.iter().map(|op| op.checks).sum();
            let value = if faults == 0 { "right" } else { "wrong" };
            let refused: usize = health.ops.iter().map(|op| op.refused.len()).sum();
            let counts = [(health.ops.len(), "op"), (checks, "check"), (faults, "fault")];
            let mut note = counts.map(|(n, word)| counted(n, word)).join(", ");
            if refused > 0 {
                note += &format!(", {} refused", counted(refused, "kernel"));
            }
            (value, note)
        }
    };
    Tile { name: format!("{} {}", adapter.number, adapter.name), value: value.into(), note }
}

/// Name, driver, limits and features.
fn about(adapter: &Adapter) -> Vec<Block> {
    let (l, f) = (&adapter.limits, &adapter.features);
    let yes = |offered: bool| if offered { "yes" } else { "no" };
    let subgroups = match f.subgroups {
        true => format!("{} to {} lanes", f.subgroup_min, f.subgroup_max),
        false => "no".into(),
    };
    let kind = match adapter.software {
        true => format!("{}: it runs on the processor", adapter.kind),
        false => adapter.kind.clone(),
    };
    vec![
        Block::Heading(format!("{} {}", adapter.number, adapter.name)),
        Block::Facts(vec![
            pair("driver", format!("{} {}", adapter.driver, adapter.driver_info).trim()),
            pair("backend", adapter.backend.as_str()),
            pair("compiler", adapter.compiler.unwrap_or("the driver's own")),
            pair("kind", kind),
            pair("buffer", mib(l.buffer_bytes)),
            pair("binding", mib(l.binding_bytes)),
            pair("storage buffers", l.storage_buffers.to_string()),
            pair("workgroup memory", mib(l.workgroup_memory_bytes.into())),
            pair("workgroup invocations", l.workgroup_invocations.to_string()),
            pair("workgroups along an axis", l.workgroups_per_dimension.to_string()),
            pair("immediates", format!("{}, {} bytes", yes(f.immediates), l.immediate_bytes)),
            pair("subgroups", subgroups),
            pair("f16 in kernels", yes(f.f16)),
            pair("matrices that a subgroup multiplies at once", f.matrices.as_str()),
            pair("clock for kernels", yes(f.timestamps)),
        ]),
    ]
}

/// What an adapter can do, and how its kernels fared.
fn figures(health: &Health) -> Vec<Block> {
    let mut speed = Table::new(vec![
        Column::text("what"),
        Column::numbers("reached", None),
        Column::text("unit"),
        Column::numbers("% of the multiply-adds", None),
        Column::text("shape"),
    ]);
    let ceilings = [
        ("multiply-adds without memory", health.fma_gflops, "GFLOP/s"),
        ("copy", health.copy_gbps, "GB/s"),
    ];
    for (what, reached, unit) in ceilings {
        let reached = Cell::number(Some(reached), 1);
        speed.push(vec![
            Cell::text(what),
            reached,
            Cell::text(unit),
            Cell::text(""),
            Cell::text(""),
        ]);
    }
    for (what, figure) in [("matrix product", &health.gemm), ("convolution", &health.conv)] {
        speed.push(vec![
            Cell::text(what),
            Cell::number(Some(figure.gflops), 1),
            Cell::text("GFLOP/s"),
            Cell::number(Some(100.0 * figure.share_of_fma), 0),
            Cell::text(figure.shape.as_str()),
        ]);
    }
    let mut blocks = vec![Block::Table { caption: "How fast it is".into(), table: speed }];
    let faults = health.ops.iter().flat_map(|op| &op.faults);
    blocks.extend(faults.map(|fault| Block::Note(format!("Wrong: {fault}"))));
    let refused = health.ops.iter().flat_map(|op| &op.refused);
    blocks.extend(refused.map(|why| Block::Note(format!("Refused, and done without: {why}"))));
    let mut nearest: Vec<&Verdict> = health.ops.iter().collect();
    nearest.sort_by(|a, b| b.worst.total_cmp(&a.worst));
    let bar = |op: &&Verdict| Bar {
        name: op.op.into(),
        value: 100.0 * op.worst,
        text: format!("{:.0} %", 100.0 * op.worst),
    };
    let bars = nearest.iter().take(NEAREST).map(bar).collect();
    let title = "Worst error as a share of what is allowed: the ops nearest to it".into();
    blocks.push(Block::Figure {
        caption: "Each case of each kernel against the same function in f64".into(),
        panels: vec![Panel::Bars(BarChart { title, bars, whole: Some(100.0) })],
        columns: 1,
    });
    let numbers = ["cases", "checks", "worst, % of allowed", "faults"];
    let columns = numbers.map(|title| Column::numbers(title, None));
    let texts = [Column::text("op"), Column::text("kernels")];
    let mut table = Table::new(texts.into_iter().chain(columns).collect());
    for op in &health.ops {
        table.push(vec![
            Cell::text(op.op),
            Cell::text(op.variants.iter().map(|v| v.name()).collect::<Vec<_>>().join(", ")),
            Cell::number(Some(op.cases as f64), 0),
            Cell::number(Some(op.checks as f64), 0),
            Cell::number(Some(100.0 * op.worst), 1),
            Cell::number(Some(op.faults.len() as f64), 0),
        ]);
    }
    let caption = "Checks are cases times kernels, with the driver's own checks off and on".into();
    blocks.push(Block::Table { caption, table });
    blocks
}
