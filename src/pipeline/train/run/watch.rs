//! Who watches a run, and the readings that they are told.

use serde::Serialize;
use std::collections::BTreeMap;

/// One reading of a stage's metrics.
#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    /// Name of the stage, and of the task where there are several.
    pub stage: String,
    /// Steps done and steps in all.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Mean loss since the last reading.
    pub loss: f32,
    /// The same of each part of a loss that has several, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub losses: BTreeMap<&'static str, f32>,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Training images a second since the last reading.
    pub images_per_second: f64,
    /// Share of the time since the last reading that the device waited for data, in per cent.
    pub data_wait_percent: f64,
    /// Device memory in buffers, MiB.
    pub memory_mib: i64,
    /// Seconds that the stage will still take at this pace.
    pub eta_seconds: f64,
}

/// Who watches a run: a terminal, a log, a test.
pub trait Watch {
    /// Metrics were read.
    fn reading(&self, reading: &Reading);
    /// Something worth a line happened.
    fn note(&self, line: &str);
    /// The person wants the run to stop.
    fn interrupted(&self) -> bool {
        false
    }
}
