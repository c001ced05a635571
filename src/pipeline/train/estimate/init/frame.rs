//! The size of films and the batch that fit memory and time.

use super::template::Template;
use crate::{
    Error, Result,
    train::estimate::{dry_run::DryRun, span},
};

/// Sides that are tried, pixels: multiples of what the deepest features and a feature pyramid stand for.
const SIDES: [usize; 11] = [64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512];
/// The side whose step is timed first.
const FIRST: usize = 96;

/// Size and batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Side of the input, pixels.
    pub side: usize,
    /// Films a step.
    pub batch: usize,
}

impl Frame {
    /// Puts it into a section, with what else depends on the size.
    pub fn write(self, template: &mut Template, section: &str) {
        for (key, value) in [("width", self.side), ("height", self.side), ("batch", self.batch)] {
            template.set(&format!("{section}.{key}"), value);
        }
        match (section, self.side) {
            // Small inputs keep finer features for masks, and have fewer places for boxes.
            ("segment", side) => {
                template.set("segment.output_stride", if side < 256 { 16 } else { 8 });
            }
            ("detect", side) => {
                let (proposals, sampled) = match side {
                    0..160 => ([256, 128], 32),
                    160..320 => ([1000, 500], 128),
                    _ => ([2000, 1000], 512),
                };
                template.set("detect.proposals", format!("{proposals:?}"));
                template.set("detect.sampled", sampled);
            }
            _ => {}
        }
    }
}

/// What was chosen, and on what grounds.
pub struct Chosen {
    /// Size and batch.
    pub frame: Frame,
    /// What the stage takes with them.
    pub dry_run: DryRun,
    /// What was timed, in words.
    pub timed: Vec<String>,
}

/// What there is to spend.
pub struct Budget<'a> {
    /// Bytes of device memory; none where the driver does not tell.
    pub memory: Option<u64>,
    /// Of the whole stage.
    pub seconds: f64,
    /// Epochs at which a size is worth its time.
    pub wanted: u64,
    /// What is trained, for people.
    pub name: &'a str,
    /// Hears what was timed.
    pub say: &'a dyn Fn(&str),
}

/// Epochs that fit into so many seconds; at least one.
pub fn epochs(dry_run: &DryRun, seconds: f64) -> u64 {
    1 + ((seconds - dry_run.seconds(1)) / dry_run.epoch_seconds.max(1e-3)).max(0.0) as u64
}

/// A dry run in words.
pub fn describe(name: &str, frame: Option<Frame>, dry_run: &DryRun) -> String {
    let size =
        frame.map_or(String::new(), |f| format!(" at {0} x {0}, batch {1}", f.side, f.batch));
    format!(
        "{name}{size}: {} for the first epoch, {} for a later one, {} MiB",
        span(dry_run.first_epoch_seconds),
        span(dry_run.epoch_seconds),
        dry_run.mib
    )
}

impl Budget<'_> {
    /// The largest size at which the wanted epochs fit the time and a step the memory, with batches of up to `batch` of the
    /// `films` that are learnt from.
    ///
    /// # Errors
    /// Not even the smallest size fits the memory, or what `measure` gives.
    pub fn choose(
        &self,
        films: usize,
        batch: usize,
        measure: impl Fn(Frame) -> Result<DryRun>,
    ) -> Result<Chosen> {
        let fitting = batch.min(films / 4 / 2 * 2).max(2);
        let (mut frame, mut timed, mut first) =
            (Frame { side: FIRST, batch: fitting }, Vec::new(), true);
        loop {
            let beyond = |r: &DryRun| self.memory.is_some_and(|all| r.mib << 20 > all);
            let dry_run = match measure(frame) {
                Ok(fits) if !beyond(&fits) => fits,
                Ok(_) | Err(Error::Memory(_)) if frame.batch > 2 => {
                    frame.batch = (frame.batch / 4 * 2).max(2);
                    continue;
                }
                Ok(_) | Err(Error::Memory(_)) if frame.side > SIDES[0] => {
                    (frame.side, first) = (smaller(frame.side), false);
                    continue;
                }
                Ok(large) => {
                    let side = frame.side;
                    let expected = format!("{} MiB for two films of {side} x {side}", large.mib);
                    let found = format!("{} MiB", self.memory.unwrap_or_default() >> 20);
                    return Err(Error::memory("adapter", expected, found, "free memory"));
                }
                Err(why) => return Err(why),
            };
            let line = describe(self.name, Some(frame), &dry_run);
            (self.say)(&line);
            timed.push(line);
            let fits = |times: f64| epochs(&scaled(&dry_run, times), self.seconds) >= self.wanted;
            let times = |side: usize| (side as f64 / frame.side as f64).powi(2);
            let best = SIDES.iter().rev().copied().find(|side| fits(times(*side)));
            let best = best.unwrap_or(SIDES[0]);
            // The second guess is seldom off: a pixel costs no more in a larger film.
            let enough = epochs(&dry_run, self.seconds) >= self.wanted / 2;
            let next = match (first, enough) {
                (true, _) => best,
                (false, true) => frame.side,
                (false, false) => smaller(frame.side),
            };
            if next == frame.side {
                return Ok(Chosen { frame, dry_run, timed });
            }
            (frame.side, first) = (next, false);
        }
    }
}

/// The next smaller side, or the smallest.
fn smaller(side: usize) -> usize {
    SIDES.iter().rev().copied().find(|other| *other < side).unwrap_or(SIDES[0])
}

/// A dry run whose epochs take so many times as long.
fn scaled(dry_run: &DryRun, times: f64) -> DryRun {
    let mut scaled = dry_run.clone();
    for seconds in
        [&mut scaled.first_epoch_seconds, &mut scaled.epoch_seconds, &mut scaled.once_seconds]
    {
        *seconds *= times;
    }
    scaled
}
