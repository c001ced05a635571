//! `mtpret bench compare`: two results of `mtpret bench --json` as ratios with intervals.

use crate::{
    Error, Result,
    report::table::{Cell, Column, Table},
};
use mtpret_engine::tensor::Philox;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Resamplings that an interval is taken of.
const RESAMPLINGS: usize = 2000;

/// What compare reads of a result.
#[derive(Deserialize)]
struct Measured {
    adapter: String,
    driver: String,
    step: Option<StepTime>,
    kernels: Option<Vec<Kernel>>,
}

#[derive(Deserialize)]
struct StepTime {
    model: String,
    batch: u16,
    size: [usize; 2],
    seconds: Vec<f64>,
}

#[derive(Deserialize)]
struct Kernel {
    op: String,
    pass: String,
    shape: String,
    variant: Option<String>,
    seconds: Vec<f64>,
}

impl Measured {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::io(path, e, "name a file that `mtpret bench --json` wrote"))?;
        let fault = |found: String| {
            let expected = "a result of `mtpret bench kernel --json` or `mtpret bench step --json`";
            Error::request(path, expected, found, "measure anew")
        };
        let measured: Self = serde_json::from_str(&text).map_err(|e| fault(e.to_string()))?;
        let all = measured.works();
        if all.is_empty() || all.iter().any(|(_, s)| s.is_empty() || s.iter().any(|v| !(*v > 0.0)))
        {
            return Err(fault("no measured seconds".into()));
        }
        Ok(measured)
    }
    /// What was measured, and its seconds.
    fn works(&self) -> Vec<(String, &[f64])> {
        let step = self.step.iter().map(|s| {
            let [width, height] = s.size;
            (format!("{} step, {} × {width} × {height}", s.model, s.batch), &s.seconds[..])
        });
        let kernels = self.kernels.iter().flatten().map(|k| {
            let variant = k.variant.as_deref().unwrap_or("default");
            (format!("{} {}, {}, {variant}", k.op, k.pass, k.shape), &k.seconds[..])
        });
        step.chain(kernels).collect()
    }
}

/// How many times faster the second file's work is than the first's: the ratio of the medians, and the 95 % interval of
/// that ratio over resamplings of both files' runs. As text and as JSON.
///
/// # Errors
/// A file that is no result, or two that measured nothing in common.
pub fn compare(a: &Path, b: &Path) -> Result<(String, Value)> {
    let (first, second) = (Measured::read(a)?, Measured::read(b)?);
    let (of_a, of_b) = (first.works(), second.works());
    let mut table = Table::new(
        [Column::text("work")]
            .into_iter()
            .chain(
                ["A ms", "B ms", "A / B", "from", "to"].map(|title| Column::numbers(title, None)),
            )
            .collect(),
    );
    let mut rows = Vec::new();
    for (work, x) in &of_a {
        let Some((_, y)) = of_b.iter().find(|(other, _)| other == work) else { continue };
        let [from, to] = interval(x, y);
        let (x, y) = (median(x), median(y));
        let numbers = [(x * 1e3, 3), (y * 1e3, 3), (x / y, 2), (from, 2), (to, 2)];
        let cells = numbers.map(|(v, places)| Cell::number(Some(v), places));
        table.push([Cell::text(work.as_str())].into_iter().chain(cells).collect());
        rows.push(json!({
            "work": work, "a_ms": x * 1e3, "b_ms": y * 1e3, "ratio": x / y, "interval": [from, to],
        }));
    }
    let alone = |all: &[(String, &[f64])], others: &[(String, &[f64])]| {
        let missing = all.iter().filter(|(work, _)| others.iter().all(|(other, _)| other != work));
        missing.map(|(work, _)| work.clone()).collect::<Vec<_>>()
    };
    let (only_a, only_b) = (alone(&of_a, &of_b), alone(&of_b, &of_a));
    if rows.is_empty() {
        let expected = format!("the same work as in {}, such as `{}`", a.display(), only_a[0]);
        let found = format!("none of it, but `{}`", only_b[0]);
        return Err(Error::request(b, expected, found, "measure both alike"));
    }
    let mut text = format!(
        "A  {}, {}\nB  {}, {}\n\nA / B is how many times faster B is; from – to is its 95 % interval over the runs.\n\n{}",
        first.adapter,
        first.driver,
        second.adapter,
        second.driver,
        table.to_text()
    );
    for (name, only) in [("A", &only_a), ("B", &only_b)] {
        if !only.is_empty() {
            text += &format!("\nonly in {name}: {}\n", only.join("; "));
        }
    }
    let out = json!({
        "a": { "adapter": first.adapter, "driver": first.driver, "only": only_a },
        "b": { "adapter": second.adapter, "driver": second.driver, "only": only_b },
        "works": rows,
    });
    Ok((text, out))
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The middle 95 % of the ratio of medians, both sides drawn again with replacement.
fn interval(a: &[f64], b: &[f64]) -> [f64; 2] {
    let mut draw = Philox::new(1, 0);
    let mut again = |from: &[f64]| {
        median(&(0..from.len()).map(|_| from[draw.below(from.len())]).collect::<Vec<_>>())
    };
    let mut ratios: Vec<f64> = (0..RESAMPLINGS).map(|_| again(a) / again(b)).collect();
    ratios.sort_by(f64::total_cmp);
    [ratios[RESAMPLINGS / 40], ratios[RESAMPLINGS - 1 - RESAMPLINGS / 40]]
}
