//! `mtpret bench kernel`: single ops in each variant, on the shapes of a network.

use super::{
    Args, Ceiling, columns, figures,
    step::{Alone, launches},
};
use crate::{Error, Result, report::table::Cell};
use mtpret_engine::gpu::{Timing, Variant, time};
use mtpret_pipeline::train::{
    Device,
    estimate::{self, synthetic::SyntheticStep},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Times each op that was asked for; as text and as JSON.
///
/// # Errors
/// No such op or variant, or a request beyond the adapter's limits.
pub(super) fn kernels(gpu: &Device, args: &Args, ceiling: &Ceiling) -> Result<(String, Value)> {
    let texts = ["op", "pass", "shape", "variant"];
    let numbers = ["ms", "± %", "GFLOP/s", "% of peak", "GB/s", "% of copy"];
    let mut table = columns(&texts, &numbers);
    let mut rows = Vec::new();
    let only = args.only.as_deref().unwrap_or_default();
    let mut add = |texts: [&str; 3], variant: Option<Variant>, t: &Timing| {
        let [op, pass, shape] = texts;
        let cells = [op, pass, shape, variant.map_or("default", Variant::name)].map(Cell::text);
        table.push(cells.into_iter().chain(figures(t, ceiling)).collect());
        rows.push(json!({
            "op": op, "pass": pass, "shape": shape, "variant": variant,
            "ms": t.median() * 1e3, "spread": t.spread(), "launches": t.launches, "seconds": t.seconds,
            "gflops": t.gflops(), "share_of_fma": t.gflops() / ceiling.gflops,
            "gbps": t.gbps(), "share_of_copy": t.gbps() / ceiling.gbps,
        }));
    };
    let runs = usize::from(args.steps);
    // None: as the adapter's own choice is.
    let variants = |known: &[Variant]| match args.variant.as_deref() {
        Some("all") => known.iter().map(|v| Some(*v)).collect(),
        Some(asked) => known.iter().filter(|v| v.name() == asked).map(|v| Some(*v)).collect(),
        None => vec![None],
    };
    match &args.model {
        None => {
            for k in estimate::kernels::resnet18(gpu)?.iter().filter(|k| k.op.contains(only)) {
                for variant in variants(&k.variants(gpu)?) {
                    let t = time(gpu, variant, runs, &k.record)?;
                    add([k.op, k.pass, &k.shape], variant, &t);
                }
            }
        }
        Some(model) => {
            let work = SyntheticStep::new(gpu, model, usize::from(args.batch), args.size)?;
            let problems = work.stepper.problems().values();
            for p in problems.filter(|p| p.name.contains(only)) {
                let record = (p.prepare)(gpu)?;
                let (op, shape) = p.name.split_once(": ").unwrap_or((&p.name, ""));
                let (op, pass) = op.split_once(' ').unwrap_or((op, "forward + backward"));
                for variant in variants(&p.kernels) {
                    let t = time(gpu, variant, runs, |rec| record(rec).map(drop))?;
                    add([op, pass, shape], variant, &t);
                }
            }
            // What has one kernel is measured where it stands in a step, on what the step makes.
            for (kernel, shape, t) in singles(&launches(&work, args.steps)?, only) {
                add([kernel, "in a step", &shape], None, &t);
            }
        }
    }
    if rows.is_empty() {
        let given = |name: &str, value: &Option<String>| {
            value.iter().map(|v| format!("--{name} {v}")).collect()
        };
        let given: [Vec<String>; 2] = [given("only", &args.only), given("variant", &args.variant)];
        let expected =
            "an op and a variant that `mtpret run-op --list` knows and this adapter can run";
        let mend = "leave one of them out";
        return Err(Error::request("--only, --variant", expected, given.concat().join(" "), mend));
    }
    Ok((table.to_text(), rows.into()))
}

/// The launches that belong to no op of several kernels, those of one kernel and shape together: the time of one of them, the
/// mean of all in each run.
fn singles(launches: &[Alone], only: &str) -> Vec<(&'static str, String, Timing)> {
    let mut alike: BTreeMap<(&'static str, &str), Vec<&Timing>> = BTreeMap::new();
    for l in launches.iter().filter(|l| l.op.is_none() && l.kernel.contains(only)) {
        alike.entry((l.kernel, &l.shape)).or_default().push(&l.timing);
    }
    let mean = |all: &[&Timing]| {
        let run = |r: usize| all.iter().map(|t| t.seconds[r]).sum::<f64>() / all.len() as f64;
        let mut seconds: Vec<f64> = (0..all[0].seconds.len()).map(run).collect();
        seconds.sort_by(f64::total_cmp);
        Timing { seconds, ..all[0].clone() }
    };
    alike.into_iter().map(|((kernel, shape), all)| (kernel, shape.to_owned(), mean(&all))).collect()
}
