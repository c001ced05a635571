//! Damaged files of every format that people bring: none may panic, end the process, or take more memory than the honest size
//! of its pixels and 300 MiB. A program of its own, since it counts what its whole process allocates.
//!
//! Each format has whole files to begin from; they are damaged blindly and by what the format knows: lengths, counts and types
//! set to extremes, checksums mended. A push tries 60 inputs a format, `sh tools/test.sh --all` 2,000 (`MTPRET_FUZZ=2000`).
//! What once failed is kept in `tests/fixtures/fuzz/<format>` and tried each time.
#![allow(clippy::unwrap_used)]

mod formats;
mod kept;
mod lists;
mod mutate;

#[path = "../films/mod.rs"]
mod films;

use formats::{Format, Outcome};
use mutate::Random;
use peak_alloc::PeakAlloc;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Bytes beyond what pixels need.
const SPARE: usize = 300 << 20;
/// Bytes a pixel while a film is decoded, at most.
const OF_PIXEL: usize = 14;
/// What one input may take; a parser that needs longer is quadratic somewhere.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the inputs of a format came to.
#[derive(Default)]
struct Tally {
    read: usize,
    refused: usize,
    peak: usize,
    slowest: Duration,
}

impl Tally {
    /// Reads one input; what is wrong with that, if anything is.
    fn add(&mut self, format: &Format, bytes: &[u8]) -> Option<String> {
        let before = (PANICS.load(Ordering::SeqCst), MEMORY.current_usage());
        MEMORY.reset_peak_usage();
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (format.read)(bytes)));
        let (took, peak) = (begun.elapsed(), MEMORY.peak_usage().saturating_sub(before.1));
        if PANICS.load(Ordering::SeqCst) != before.0 {
            return Some("a panic".into());
        }
        let pixels = match outcome.expect("a panic was counted") {
            Outcome::Read { pixels } => {
                self.read += 1;
                pixels
            }
            Outcome::Refused => {
                self.refused += 1;
                0
            }
        };
        self.peak = self.peak.max(peak);
        self.slowest = self.slowest.max(took);
        if peak > SPARE + OF_PIXEL * pixels {
            return Some(format!("{} MiB for {pixels} pixels", peak >> 20));
        }
        (took > PATIENCE).then(|| format!("{:.1} s", took.as_secs_f64()))
    }
}

/// Tries what was kept, and so many damaged files; the faults, and a line for people.
fn campaign(format: &Format, count: usize) -> (Vec<String>, String) {
    let (mut tally, mut faults, mut random) = (Tally::default(), Vec::new(), Random::new(7));
    for (name, bytes) in format.kept() {
        let fault = tally.add(format, &bytes);
        faults.extend(fault.map(|why| format!("{}, {name}: {why}", format.name)));
    }
    for n in 0..count {
        let bytes = format.damaged(n, &mut random);
        if let Some(why) = tally.add(format, &bytes) {
            let file = std::env::temp_dir().join(format!("mtpret-fuzz-{}-{n}", format.name));
            std::fs::write(&file, &bytes).unwrap();
            faults.push(format!("{}, input {n} ({}): {why}", format.name, file.display()));
        }
    }
    let line = format!(
        "{:<12} {count} damaged: {} read, {} refused, at most {} MiB and {:.2} s",
        format.name,
        tally.read,
        tally.refused,
        tally.peak >> 20,
        tally.slowest.as_secs_f64()
    );
    (faults, line)
}

#[test]
fn damaged_files_neither_panic_nor_take_more_than_their_size() {
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        usual(panic);
    }));
    let count = std::env::var("MTPRET_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut faults = Vec::new();
    for format in formats::all() {
        let mut whole = Tally::default();
        for seed in &format.seeds {
            assert_eq!(whole.add(&format, seed), None, "{}, undamaged", format.name);
        }
        assert!(whole.read > 0, "{}: no undamaged file is read", format.name);
        let (of_format, line) = campaign(&format, count);
        println!("{line}");
        faults.extend(of_format);
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
