//! What `bench all` measured, as a page.

use super::all::{AdapterFigures, StepFigures};
use crate::report::{
    chart::{Bar, BarChart, Panel},
    html::{Block, Report, Tile},
    table::{Cell, Column, Table},
};

/// The whole page; `tables` are of a ResNet-50's kernels and layers, each with what it is of or what its figures come to.
pub(super) fn page(results: &AdapterFigures, tables: &[(String, Table)]) -> Report {
    let number = |v: f64| format!("{v:.0}");
    let best = |half: &str| {
        let of =
            |m: &&StepFigures| m.model == "resnet50" && m.precision == half && m.refused.is_none();
        results.steps.iter().find(of).map_or("—".into(), |m| number(m.images_per_second))
    };
    let tile = |name: &str, value: String, note: &str| Tile {
        name: name.into(),
        value,
        note: note.into(),
    };
    let mut blocks = vec![Block::Tiles(vec![
        tile("ResNet-50, f32", best("f32"), "images a second, training"),
        tile("ResNet-50, f16", best("f16"), "images a second, training"),
        tile("multiply-adds", number(results.fma_gflops), "GFLOP/s without memory"),
        tile("copy", number(results.copy_gbps), "GB/s"),
    ])];
    if results.software {
        blocks.push(Block::Note("This adapter runs on the processor: it is no GPU.".into()));
    }
    blocks.push(Block::Heading("Training steps".into()));
    blocks.push(steps(results));
    blocks.push(shares(&results.steps));
    for m in results.steps.iter().filter(|m| m.refused.is_some()) {
        let why = m.refused.as_deref().unwrap_or_default();
        blocks.push(Block::Note(format!("{} in {}: {why}", m.model, m.precision)));
    }
    if !results.left_out.is_empty() {
        let text = format!("There was no time for: {}.", results.left_out.join("; "));
        blocks.push(Block::Note(text));
    }
    if let [(of, by_kernel), (means, by_layer)] = tables {
        blocks.push(Block::Heading("Kernels".into()));
        let caption = format!("Each kernel of a step: {of}");
        blocks.push(Block::Table { caption, table: by_kernel.clone() });
        let caption = "Each distinct layer of it".into();
        let table = Block::Table { caption, table: by_layer.clone() };
        let means = Block::Code(means.clone());
        blocks.push(Block::Folded { summary: "Layer by layer".into(), blocks: vec![means, table] });
    }
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut provenance = vec![
        pair("program", &format!("mtpret {}", results.program)),
        pair("adapter", &results.adapter),
        pair("driver", &results.driver),
    ];
    provenance.extend(results.torch.iter().map(|torch| pair("PyTorch", torch)));
    Report { title: "How fast it trains".into(), provenance, blocks }
}

fn steps(results: &AdapterFigures) -> Block {
    let columns = ["ms", "images/s", "GFLOP/s", "% of the multiply-adds", "launches"];
    let peers = [("f32", "PyTorch f32"), ("tf32", "PyTorch TF32"), ("f16", "PyTorch f16")];
    let texts = ["network", "batch", "precision"].map(Column::text).into_iter();
    let numbers = columns.into_iter().chain(peers.map(|(_, title)| title));
    let mut table =
        Table::new(texts.chain(numbers.map(|title| Column::numbers(title, None))).collect());
    for m in results.steps.iter().filter(|m| m.refused.is_none()) {
        let mut row = vec![
            Cell::text(m.model),
            Cell::text(format!("{} × {} × {}", m.batch, m.size[0], m.size[1])),
            Cell::text(m.precision),
            Cell::number(Some(m.ms), 1),
            Cell::number(Some(m.images_per_second), 1),
            Cell::number(Some(m.gflops), 0),
            Cell::number(Some(100.0 * m.share_of_fma), 1),
            Cell::number(Some(m.launches as f64), 0),
        ];
        row.extend(peers.iter().map(|(key, _)| Cell::number(m.torch.get(*key).copied(), 1)));
        table.push(row);
    }
    let caption =
        "Random view, forward, loss, backward, SGD with momentum; PyTorch's in images a second"
            .into();
    Block::Table { caption, table }
}

/// What each step has of the multiply-adds.
fn shares(steps: &[StepFigures]) -> Block {
    let bar = |m: &StepFigures| Bar {
        name: format!("{} {} {}×{}", m.model, m.precision, m.size[0], m.size[1]),
        value: 100.0 * m.share_of_fma,
        text: format!("{:.0} %", 100.0 * m.share_of_fma),
    };
    let bars = steps.iter().filter(|m| m.refused.is_none()).map(bar).collect();
    let title = "Share of the adapter's f32 multiply-adds".into();
    Block::Figure {
        caption: "Of f16 it may be more than all: matrix units multiply faster than what is taken for the whole".into(),
        panels: vec![Panel::Bars(BarChart { title, bars, whole: None })],
        columns: 1,
    }
}
