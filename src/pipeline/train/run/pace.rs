//! How fast a stage goes, and what its losses are.

use super::{Reading, Run};
use crate::{
    Error, Result,
    data::{Batch, Loader, Sample},
};
use mtpret_engine::{gpu::Gpu, ops::meter::Meter};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Pace, losses and the films of the last batches.
pub struct Pace<'a> {
    stage: String,
    parts: &'static [&'static str],
    samples: &'a [Sample],
    steps: u64,
    begun: Instant,
    done: u64,
    images: usize,
    waited: Duration,
    recent: VecDeque<(u64, Vec<usize>)>,
    keep: usize,
}

impl<'a> Pace<'a> {
    /// Of a stage of `steps` steps on `samples` whose metrics are read every `every` steps; the loss has `parts` of these
    /// names, or none.
    pub fn new(
        stage: String,
        parts: &'static [&'static str],
        steps: u64,
        every: u64,
        samples: &'a [Sample],
    ) -> Self {
        Self {
            stage,
            parts,
            samples,
            steps,
            begun: Instant::now(),
            done: 0,
            images: 0,
            waited: Duration::ZERO,
            recent: VecDeque::new(),
            keep: every as usize,
        }
    }
    /// A batch went into step `step`.
    pub fn batch(&mut self, step: u64, batch: Batch) {
        self.done += 1;
        self.images += batch.films.len();
        self.recent.push_back((step, batch.indices));
        if self.recent.len() > self.keep {
            self.recent.pop_front();
        }
    }
    /// Turns what the meter summed into a reading, or into an error if a loss was not finite.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the films of the batch.
    pub fn reading(
        &mut self,
        gpu: &Gpu,
        meter: Meter,
        step: u64,
        lr: f64,
        loader: &Loader,
        run: &Run,
    ) -> Result<Reading> {
        if meter.fault > 0 {
            return Err(self.diverged(u64::from(meter.fault - 1), meter.last, run));
        }
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-9);
        let waited = (loader.wait() - self.waited).as_secs_f64();
        let mean = |sum: f32| sum / meter.count.max(1) as f32;
        let reading = Reading {
            stage: self.stage.clone(),
            step,
            steps: self.steps,
            loss: mean(meter.sum),
            losses: self.parts.iter().copied().zip(meter.parts.map(mean)).collect(),
            lr,
            images_per_second: self.images as f64 / seconds,
            data_wait_percent: 100.0 * waited / seconds,
            memory_mib: gpu.counters().buffer_bytes >> 20,
            eta_seconds: seconds / self.done.max(1) as f64 * self.steps.saturating_sub(step) as f64,
        };
        (self.begun, self.done, self.images) = (Instant::now(), 0, 0);
        self.waited = loader.wait();
        Ok(reading)
    }
    fn diverged(&self, step: u64, loss: f32, run: &Run) -> Error {
        let films = self.recent.iter().find(|(s, _)| *s == step).map(|(_, films)| films);
        let path = |film: &usize| self.samples[*film].path.display().to_string();
        let films: Vec<_> = films.into_iter().flatten().map(path).collect();
        Error::Diverged {
            step,
            problem: format!(
                "{}: expected a finite loss, found {loss}, in the batch of {}",
                self.stage,
                films.join(", ")
            ),
            mend: run.way_on(step),
        }
    }
}
