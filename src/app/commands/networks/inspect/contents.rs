//! What a file of weights holds, and which networks it fits.

use crate::{
    Result,
    commands::networks::UNCHECKED,
    report::table::{Cell, Column, Table, one_line},
};
use mtpret_pipeline::{
    models::catalogue::{self, Architecture},
    weights::{self, File, NetworkFit, TensorInfo},
};
use serde_json::{Value, json};
use std::path::Path;

/// What the file at `path` holds, which networks it fits, and how it differs from the one called `against`: as text
/// and as JSON.
///
/// # Errors
/// A file that cannot be read, or a network that is not known.
pub fn read(path: &Path, against: Option<&str>) -> Result<(String, Value)> {
    let against = against.map(Architecture::named).transpose()?;
    let file = weights::open(path)?;
    let (mut text, mut json) = listed(&file);
    let (fits, rows) = fits(&file);
    text += &fits;
    json["fits"] = rows;
    if let Some(known) = against {
        let (lines, difference) = differ(&file, known);
        text += &lines;
        json["against"] = difference;
    }
    Ok((text, json))
}

/// Its tensors and metadata.
fn listed(file: &File) -> (String, Value) {
    let mut table = Table::new(vec![
        Column::text("tensor"),
        Column::text("type"),
        Column::text("shape"),
        Column::numbers("numbers", None),
    ]);
    let (mut rows, mut numbers, mut bytes) = (Vec::new(), 0, 0);
    for (name, entry) in &file.tensors {
        let (count, kind) = (entry.count(), kind(entry));
        numbers += count;
        bytes += entry.bytes();
        let shape = format!("{:?}", entry.shape);
        let cells = [plain(name), kind.clone(), shape].map(Cell::text);
        table.push(cells.into_iter().chain([Cell::number(Some(count as f64), 0)]).collect());
        rows.push(json!({
            "name": name, "in_file": entry.in_file, "type": kind, "shape": entry.shape, "numbers": count,
        }));
    }
    let mut text = format!(
        "{}\n\n{}\n{} tensors, {numbers} numbers, {:.2} MiB\n",
        file.path.display(),
        table.to_text(),
        file.tensors.len(),
        bytes as f64 / f64::from(1 << 20)
    );
    if !file.wrapper.is_empty() {
        text +=
            &format!("names are given without `{}`, which they have in the file\n", file.wrapper);
        if let [first, ..] = &file.others[..] {
            let (others, first) = (file.others.len(), plain(&first.in_file));
            text += &format!("others in the file: {others}, left alone ({first} …)\n");
        }
    }
    if file.unchecked {
        text += UNCHECKED;
        text.push('\n');
    }
    for (key, value) in &file.metadata {
        text += &format!("{} = {}\n", plain(key), short(value));
    }
    let others: Vec<_> = file.others.iter().map(|entry| &entry.in_file).collect();
    let json = json!({
        "file": file.path.to_string_lossy(), "wrapper": file.wrapper, "tensors": rows, "others": others, "numbers": numbers,
        "bytes": bytes, "metadata": file.metadata, "checksum": !file.unchecked,
    });
    (text, json)
}

/// Which networks take the file, whole or as their backbone.
fn fits(file: &File) -> (String, Value) {
    let mut table = Table::new(vec![
        Column::text("network"),
        Column::text("fits"),
        Column::numbers("missing", None),
        Column::numbers("unexpected", None),
        Column::numbers("other shape", None),
    ]);
    let mut rows = Vec::new();
    for known in catalogue::ALL {
        let fit = file.fit(known);
        let NetworkFit { whole, backbone, outputs } = &fit;
        let word = match (fit.is_whole(), backbone) {
            (true, _) => format!("whole, {} outputs", outputs.unwrap_or_default()),
            (false, true) => "its backbone".into(),
            (false, false) => "no".into(),
        };
        let counts = [whole.missing.len(), whole.unexpected.len(), whole.misshapen.len()];
        let numbers = counts.map(|count| Cell::number(Some(count as f64), 0));
        table.push([Cell::text(known.name), Cell::text(word)].into_iter().chain(numbers).collect());
        rows.push(json!({
            "model": known.name, "whole": fit.is_whole(), "backbone": backbone, "outputs": outputs,
            "missing": counts[0], "unexpected": counts[1], "misshapen": counts[2],
        }));
    }
    let mut text = format!("\n{}", table.to_text());
    if file.is_grey() {
        text += "the first convolution reads one channel; where three are read each gets a third of it,\n\
                 which is the same function of a grey film\n";
    }
    (text, rows.into())
}

/// Names and shapes of a file that the network lacks, and the other way round.
fn differ(file: &File, known: Architecture) -> (String, Value) {
    let wanted = file.wanted(known);
    let found = file.difference(&wanted);
    let near = |near: Option<&str>| {
        near.map(|near| format!(" (near {})", plain(near))).unwrap_or_default()
    };
    let missing = found.missing.iter().map(|(name, shape)| {
        format!("  missing      {name} {shape:?}{}\n", near(found.near_missing(name)))
    });
    let unexpected = found.unexpected.iter().map(|(name, shape)| {
        let near = near(found.near_unexpected(name));
        format!("  unexpected   {} {shape:?}{near}\n", plain(name))
    });
    let misshapen = found.misshapen.iter().map(|(name, wanted, found)| {
        format!("  other shape  {name} {found:?}, expected {wanted:?}\n")
    });
    let lines: Vec<String> = missing.chain(unexpected).chain(misshapen).collect();
    let difference = match lines.len() {
        0 => "the same names and shapes\n".to_owned(),
        1 => format!("1 difference\n{}", lines.concat()),
        n => format!("{n} differences\n{}", lines.concat()),
    };
    let named = |list: &[(String, Vec<usize>)]| -> Vec<Value> {
        list.iter().map(|(name, shape)| json!({ "name": name, "shape": shape })).collect()
    };
    let misshapen: Vec<Value> = found
        .misshapen
        .iter()
        .map(|(name, wanted, found)| json!({ "name": name, "expected": wanted, "found": found }))
        .collect();
    let json = json!({
        "model": known.name, "outputs": file.outputs(known), "missing": named(&found.missing),
        "unexpected": named(&found.unexpected), "misshapen": misshapen,
    });
    (format!("\nagainst {}: {difference}", known.name), json)
}

/// `f32`, `bf16`, `i64`.
fn kind(entry: &TensorInfo) -> String {
    format!("{:?}", entry.dtype).to_lowercase()
}

/// The beginning of a longer text on one line; JSON has all of it.
fn short(text: &str) -> String {
    let line = plain(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    let rest = if line.chars().count() > 100 { " …" } else { "" };
    line.chars().take(100).collect::<String>() + rest
}

/// A word of a file for a terminal, without what would steer it.
fn plain(word: &str) -> String {
    one_line(word)
}
