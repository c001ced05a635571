//! Peak throughput of an adapter, and the timing of recordings.

use super::{ADAPTER, Command, Cost, Gpu, Kernel, Program, Recording, Slice, Variant};
use crate::{Error, Result, kernel, params};
use std::time::Duration;

const FMA: Kernel<Chains> = kernel!("ceiling/fma");
const COPY: Kernel<Quads> = kernel!("ceiling/copy");
params! { struct Chains { trips: u32, scale: f32, offset: f32 } }
params! { struct Quads { quads: u32 } }

/// Independent chains of a thread, and the links of each in a trip of the kernel's loop.
const CHAINS: [(u32, u32); 6] = [(1, 96), (2, 48), (3, 24), (4, 24), (8, 12), (16, 6)];
/// Workgroups of 64 threads: for a few cores up to a large GPU.
const WORKGROUPS: [u32; 4] = [4, 64, 1024, 16384];
/// f32 counts exactly up to this number.
const MOST_LINKS: u32 = 1 << 24;
/// A run lasts at least this long, so that the cost of a submission does not count.
const LONG_ENOUGH: Duration = Duration::from_millis(30);
/// Length of the copied buffer where the adapter binds as much: beyond any cache.
const COPY_BYTES: u64 = 128 << 20;

/// Repetitions of a recording that were timed together, several times.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Seconds of one repetition in each run, ascending.
    pub seconds: Vec<f64>,
    /// Floating-point operations of one repetition.
    pub flops: u64,
    /// Bytes that one repetition reads and writes if every binding is touched once.
    pub bytes: u64,
    /// Launches of one repetition.
    pub launches: usize,
}

impl Timing {
    /// Seconds of one repetition, the median of the runs.
    pub fn median(&self) -> f64 {
        self.seconds[self.seconds.len() / 2]
    }
    /// Seconds of one repetition in the fastest run: the one that others disturbed least.
    pub fn best(&self) -> f64 {
        self.seconds[0]
    }
    /// Half the distance between the slowest and the fastest run, as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.seconds[self.seconds.len() - 1] - self.best()) / 2.0 / self.median()
    }
    /// Thousand million floating-point operations a second, by the median.
    pub fn gflops(&self) -> f64 {
        self.flops as f64 / self.median() / 1e9
    }
    /// Thousand million bytes a second, by the median.
    pub fn gbps(&self) -> f64 {
        self.bytes as f64 / self.median() / 1e9
    }
}

/// Times what `record` records, repeated in one program until a run lasts 30 ms, in `runs` runs;
/// ops run in this variant where they have it.
///
/// # Errors
/// Those of `record`, of the plan and of the run.
pub fn time(
    gpu: &Gpu,
    variant: Option<Variant>,
    runs: usize,
    record: impl Fn(&Recording) -> Result<()>,
) -> Result<Timing> {
    let build = |repeats: u32| {
        gpu.built(|| {
            let mut rec = Recording::new(gpu);
            rec.variant = variant;
            (0..repeats).try_for_each(|_| record(&rec))?;
            Program::new(rec)
        })
    };
    let mut repeats = 1;
    let mut program = build(repeats)?;
    let once = program.commands();
    let flops =
        once.iter().map(|c| if let Command::Launch(l) = c { l.cost.flops } else { 0 }).sum();
    let (bytes, launches) = (once.iter().map(Command::bytes).sum(), once.len());
    // The first run of a pipeline pays for things that later ones do not.
    program.seconds()?;
    loop {
        let took = program.seconds()?;
        if took >= LONG_ENOUGH.as_secs_f64() || repeats >= 1024 {
            break;
        }
        let wanted = LONG_ENOUGH.as_secs_f64() / took.max(1e-6) * 1.2;
        repeats = (f64::from(repeats) * wanted).clamp(f64::from(repeats + 1), 1024.0) as u32;
        program = build(repeats)?;
        program.seconds()?;
    }
    let mut seconds = (0..runs.max(1))
        .map(|_| Ok(program.seconds()? / f64::from(repeats)))
        .collect::<Result<Vec<_>>>()?;
    seconds.sort_by(f64::total_cmp);
    Ok(Timing { seconds, flops, bytes, launches })
}

/// Thousand million f32 operations a second (a multiply-add is two), without memory traffic: the
/// best over several numbers of independent chains and of workgroups.
///
/// # Errors
/// The adapter computes something else than it was asked to, or is lost.
pub fn fma_gflops(gpu: &Gpu) -> Result<f64> {
    let most = WORKGROUPS[WORKGROUPS.len() - 1];
    let sums = gpu.alloc(u64::from(most) * 64 * 16)?;
    let mut best = 0.0f64;
    for (chains, links) in CHAINS {
        for workgroups in WORKGROUPS {
            let flops = 8 * u64::from(chains * links) * u64::from(workgroups) * 64;
            let run = |trips: u32| -> Result<f64> {
                let rec = Recording::new(gpu);
                let p = Chains { trips, scale: 1.0, offset: 1.0 };
                let cost = Cost {
                    flops: flops * u64::from(trips),
                    trips: trips.into(),
                    shape: String::new(),
                };
                rec.launch(&FMA, &[("CHAINS", chains)], p, &[&sums], [workgroups, 1, 1], cost)?;
                Program::new(rec)?.seconds()
            };
            let mut trips = 1;
            run(trips)?;
            let mut least = run(trips)?;
            while least < LONG_ENOUGH.as_secs_f64() && trips * 2 * links < MOST_LINKS {
                trips *= 2;
                least = run(trips)?;
            }
            for _ in 0..2 {
                least = least.min(run(trips)?);
            }
            best = best.max((flops * u64::from(trips)) as f64 / least / 1e9);
            check(gpu, &sums, workgroups, chains, trips * links)?;
        }
    }
    Ok(best)
}

/// Compares every thread's sum of its sixteen chains with what `chains` of `links` links come to.
fn check(gpu: &Gpu, sums: &Slice, workgroups: u32, chains: u32, links: u32) -> Result<()> {
    let sums = Slice { bytes: u64::from(workgroups) * 64 * 16, ..sums.clone() };
    let got: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.read(&sums)?);
    for (i, v) in got.iter().enumerate() {
        // Chain c of component k starts at lane + k + 4 c.
        let start = 16 * (i / 4 % 64) + 16 * (i % 4) + 4 * 120;
        let want = f64::from(chains) * f64::from(links) + start as f64;
        // The chains are exact; their sum is rounded.
        let near = (f64::from(*v) - want).abs() <= 1e-5 * want;
        if !near {
            let expected = format!("{chains} chains of {links} multiply-adds to come to {want}");
            return Err(wrong(gpu, expected, v.to_string()));
        }
    }
    Ok(())
}

/// An adapter that computes something else than it was asked to.
fn wrong(gpu: &Gpu, expected: String, found: String) -> Error {
    let found = format!("{found} on {}", gpu.info().name);
    Error::adapter(ADAPTER, expected, found, "update its driver")
}

/// Thousand million bytes a second, read plus written, of a copy by a compute shader.
///
/// # Errors
/// The copy differs, or the adapter is lost or has too little memory.
pub fn copy_gbps(gpu: &Gpu) -> Result<f64> {
    let limits = &gpu.caps().limits;
    let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let bytes = COPY_BYTES.min(most / 256 * 256);
    let words: Vec<u32> = (0..bytes as u32 / 4).collect();
    let (x, y) = (gpu.alloc(bytes)?, gpu.alloc(bytes)?);
    gpu.write(&x, bytemuck::cast_slice(&words));
    let quads = bytes as usize / 16;
    let timing = time(gpu, None, 5, |rec| {
        let p = Quads { quads: quads as u32 };
        rec.launch(&COPY, &[], p, &[&x, &y], Gpu::grid(quads), Cost::default())
    })?;
    if gpu.read(&y)? != bytemuck::cast_slice::<u32, u8>(&words) {
        return Err(wrong(gpu, format!("a copy of {} MiB", bytes >> 20), "other bytes".into()));
    }
    Ok(bytes as f64 * 2.0 / timing.best() / 1e9)
}
