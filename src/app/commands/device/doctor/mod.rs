//! `mtpret doctor`: what adapters there are, whether every op is right on them, how fast they are.

mod judge;
mod page;

use self::judge::judge;
use crate::{Error, Result, commands::options::AdapterArgs, report::discretion::Discretion};
use mtpret_engine::{
    file,
    gpu::{
        DeviceOptions, Gpu, Matrices, MatrixUnits, Recording, Variant, adapters, compiler,
        copy_gbps, fma_gflops, time,
    },
    ops::{Op, SUITES, conv2d::Conv2d, linear::Linear},
};
use mtpret_pipeline::train::estimate::kernels::random;
use serde::Serialize;
use std::{io::Write, path::PathBuf};

/// List the adapters, run every op's cases on them, and measure what they can do.
///
/// Ends with exit code 1 if any op is wrong on an adapter or no adapter answers.
///
/// Example: mtpret doctor --html doctor.html   (a page to attach to a report of a fault)
///
/// Example: mtpret doctor --adapter 0 --json
#[derive(clap::Args)]
pub struct Args {
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Also write a page with everything that was found; it says nothing about you or your files.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Only run ops whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    device: AdapterArgs,
}

/// Seeds of a case's inputs with the driver's checks off and on.
const SEEDS: [(bool, u64); 2] = [(false, 7), (true, 8)];

#[derive(Serialize)]
struct Adapter {
    number: usize,
    name: String,
    backend: String,
    driver: String,
    driver_info: String,
    /// What compiles kernels before the driver does: DXC or FXC on DX12.
    #[serde(skip_serializing_if = "Option::is_none")]
    compiler: Option<&'static str>,
    kind: String,
    software: bool,
    limits: Limits,
    features: Features,
    /// Left out for adapters that were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
    /// Why no device could be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[derive(Serialize)]
struct Limits {
    buffer_bytes: u64,
    binding_bytes: u64,
    storage_buffers: u32,
    workgroup_memory_bytes: u32,
    workgroup_invocations: u32,
    workgroups_per_dimension: u32,
    immediate_bytes: u32,
}

/// What the adapter offers; the engine uses immediates and, where there are any, subgroups and matrices, those of f16 for features
/// of f16.
#[derive(Serialize)]
struct Features {
    immediates: bool,
    subgroups: bool,
    subgroup_min: u32,
    subgroup_max: u32,
    f16: bool,
    timestamps: bool,
    /// Which a subgroup multiplies at once, `16 × 16 of f16`.
    matrices: String,
}

#[derive(Serialize)]
struct Health {
    ops: Vec<Verdict>,
    fma_gflops: f64,
    copy_gbps: f64,
    gemm: OpSpeed,
    conv: OpSpeed,
}

/// How an op fared.
#[derive(Serialize)]
struct Verdict {
    op: &'static str,
    variants: Vec<Variant>,
    cases: usize,
    /// Cases times variants, with the driver's checks off and on.
    checks: usize,
    /// The worst error as a share of what is allowed; null where something was not finite.
    worst: f64,
    faults: Vec<String>,
    /// Kernels that the adapter's compiler refuses, each once.
    refused: Vec<String>,
    /// Variants that are right wherever they were tried.
    usable: Vec<Variant>,
}

/// What an op reaches on a shape that fills the adapter.
#[derive(Serialize)]
struct OpSpeed {
    shape: String,
    ms: f64,
    gflops: f64,
    share_of_fma: f64,
}

/// Runs the command.
///
/// # Errors
/// No adapter answers, or an op is wrong on one.
pub fn run(args: &Args) -> Result<()> {
    let all = adapters();
    if all.is_empty() || args.device.adapter.is_some() {
        // The message for a wrong name, or for no adapter at all.
        args.device.open()?;
    }
    let only = args.only.as_deref().unwrap_or_default();
    if !SUITES.iter().any(|suite| suite.name.contains(only)) {
        let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        let expected = format!("a part of one of {}", names.join(", "));
        return Err(Error::request("--only", expected, format!("{only:?}"), "name an op"));
    }
    let mut found = Vec::new();
    for (number, adapter) in all.iter().enumerate() {
        let mut about = describe(number, adapter);
        let say = |text: &str| {
            if !args.json {
                print!("{text}");
            }
        };
        say(&heading(&about));
        if asked(args, &all, number) {
            match examine(adapter, only, &say) {
                Ok(health) => about.health = Some(health),
                Err(e) => {
                    say(&format!("\n   no figures: {e}\n"));
                    about.refused = Some(e.to_string());
                }
            }
        }
        say("\n");
        found.push(about);
    }
    if args.json {
        println!("{}", serde_json::json!({ "adapters": found }));
    }
    if let Some(file) = &args.html {
        let page = page::page(&found).discreet(&Discretion::new(false)).to_html();
        file::put(file, |f| f.write_all(page.as_bytes()))?;
    }
    verdict(&found)
}

/// Whether this adapter is the one of `--adapter`, as [`Gpu::open`] understands it.
fn asked(args: &Args, all: &[wgpu::Adapter], number: usize) -> bool {
    let Some(wanted) = &args.device.adapter else { return true };
    let named =
        |a: &wgpu::Adapter| a.get_info().name.to_lowercase().contains(&wanted.to_lowercase());
    match wanted.parse::<usize>() {
        Ok(wanted) => wanted == number,
        Err(_) => all.iter().position(named) == Some(number),
    }
}

fn describe(number: usize, adapter: &wgpu::Adapter) -> Adapter {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let offers = |feature| features.contains(feature);
    Adapter {
        number,
        name: info.name,
        backend: format!("{:?}", info.backend),
        driver: info.driver,
        driver_info: info.driver_info,
        compiler: compiler(info.backend),
        kind: format!("{:?}", info.device_type),
        software: info.device_type == wgpu::DeviceType::Cpu,
        limits: Limits {
            buffer_bytes: limits.max_buffer_size,
            binding_bytes: limits.max_storage_buffer_binding_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            immediate_bytes: limits.max_immediate_size,
        },
        features: Features {
            immediates: offers(wgpu::Features::IMMEDIATES),
            subgroups: offers(wgpu::Features::SUBGROUP),
            subgroup_min: info.subgroup_min_size,
            subgroup_max: info.subgroup_max_size,
            f16: offers(wgpu::Features::SHADER_F16),
            timestamps: offers(wgpu::Features::TIMESTAMP_QUERY),
            matrices: MatrixUnits::listed(adapter).to_string(),
        },
        health: None,
        refused: None,
    }
}

fn heading(a: &Adapter) -> String {
    let (l, f) = (&a.limits, &a.features);
    let yes = |offered: bool| if offered { "yes" } else { "no" };
    let subgroups = match f.subgroups {
        true => format!("{} to {} lanes", f.subgroup_min, f.subgroup_max),
        false => "no".into(),
    };
    let mut text = format!(
        "{:<2} {}\n   {} · {} {} · {}\n   limits     buffer {} MiB, binding {} MiB, {} storage buffers, \
         workgroup {} KiB and {} invocations, immediates {} bytes\n   features   immediates {}, \
         subgroups {subgroups}, matrices {}, f16 {}, timestamps {}\n",
        a.number,
        a.name,
        a.backend,
        a.driver,
        a.driver_info,
        a.kind,
        l.buffer_bytes >> 20,
        l.binding_bytes >> 20,
        l.storage_buffers,
        l.workgroup_memory_bytes >> 10,
        l.workgroup_invocations,
        l.immediate_bytes,
        yes(f.immediates),
        f.matrices,
        yes(f.f16),
        yes(f.timestamps)
    );
    if let Some(compiler) = &a.compiler {
        text += &format!("   compiler   {compiler}\n");
    }
    if a.software {
        text += "   warning    this adapter runs on the CPU; install a driver for your GPU if you have one\n";
    }
    text
}

/// Checks and measures an adapter, saying each line as it is known.
fn examine(adapter: &wgpu::Adapter, only: &str, say: &dyn Fn(&str)) -> Result<Health> {
    let open = |checked, poison| {
        let matrices = Matrices::Listed;
        Gpu::from_adapter(
            adapter,
            DeviceOptions { checked, poison, matrices, ..DeviceOptions::default() },
        )
    };
    let gpus = [open(false, true)?, open(true, true)?];
    say(&format!("\n   {:<16} {:>5} {:>6} {:>18}\n", "op", "cases", "checks", "worst of allowed"));
    let mut ops = Vec::new();
    for suite in SUITES.iter().filter(|suite| suite.name.contains(only)) {
        let v = judge(suite, &gpus);
        let worst = format!("{:.0} %", v.worst * 100.0);
        say(&format!("   {:<16} {:>5} {:>6} {worst:>18}\n", v.op, v.cases, v.checks));
        v.faults.iter().for_each(|f| say(&format!("   WRONG      {f}\n")));
        v.refused.iter().for_each(|f| say(&format!("   REFUSED    {f}\n")));
        ops.push(v);
    }
    drop(gpus);
    let gpu = open(false, false)?;
    let fma = fma_gflops(&gpu)?;
    let copy = copy_gbps(&gpu)?;
    say(&format!("\n   multiply-adds  {fma:>9.1} GFLOP/s\n   copy           {copy:>9.1} GB/s\n"));
    let (gemm, conv) = (gemm(&gpu, fma)?, conv(&gpu, fma)?);
    for (name, f) in [("matrix product", &gemm), ("convolution", &conv)] {
        let share = f.share_of_fma * 100.0;
        say(&format!("   {name:<14} {:>9.1} GFLOP/s, {share:.0} %: {}\n", f.gflops, f.shape));
    }
    Ok(Health { ops, fma_gflops: fma, copy_gbps: copy, gemm, conv })
}

fn figure(
    gpu: &Gpu,
    fma: f64,
    shape: &str,
    record: impl Fn(&Recording) -> Result<()>,
) -> Result<OpSpeed> {
    // The ceiling is the best of several runs, so this is too.
    let t = time(gpu, None, 5, record)?;
    let gflops = t.flops as f64 / t.best() / 1e9;
    let (shape, ms) = (shape.to_owned(), t.best() * 1e3);
    Ok(OpSpeed { shape, ms, gflops, share_of_fma: gflops / fma })
}

fn gemm(gpu: &Gpu, fma: f64) -> Result<OpSpeed> {
    let (x, w) = (random(gpu, &[512, 512])?, random(gpu, &[1, 1, 512, 512])?);
    let b = random(gpu, &[512])?;
    let record = |rec: &Recording| Linear.forward(rec, [&x, &w, &b]).map(|_| ());
    figure(gpu, fma, "512 × 512 × 512", record)
}

fn conv(gpu: &Gpu, fma: f64) -> Result<OpSpeed> {
    let batch = if gpu.caps().software { 1 } else { 8 };
    let (x, w) = (random(gpu, &[batch, 56, 56, 64])?, random(gpu, &[3, 3, 64, 64])?);
    let conv = Conv2d::new(1, 1);
    let record = |rec: &Recording| conv.forward(rec, &x, &w, None).map(|_| ());
    figure(gpu, fma, &format!("3 × 3, 64 → 64, {batch} × 56 × 56"), record)
}

/// An error that names the ops that are wrong, and where.
fn verdict(found: &[Adapter]) -> Result<()> {
    let mut wrong = Vec::new();
    for a in found {
        let ops = a.health.iter().flat_map(|h| &h.ops).filter(|v| !v.faults.is_empty());
        let ops: Vec<_> = ops.map(|v| v.op).collect();
        if !ops.is_empty() {
            wrong.push(format!("{} on adapter {} ({})", ops.join(", "), a.number, a.name));
        }
    }
    let refused = found.iter().find_map(|a| a.refused.as_ref());
    match (wrong.is_empty(), found.iter().any(|a| a.health.is_some()), refused) {
        (false, _, _) => {
            let found = format!("wrong results, or no kernel that compiles: {}", wrong.join("; "));
            let mend = "update its driver or name another adapter";
            Err(Error::adapter("adapter", "right results of every op", found, mend))
        }
        (true, false, Some(why)) => {
            let (found, mend) = (format!("none ({why})"), "mend that, or name another adapter");
            Err(Error::adapter("adapter", "one that can be used", found, mend))
        }
        _ => Ok(()),
    }
}
