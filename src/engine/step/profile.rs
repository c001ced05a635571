//! Profile of a training step by kernel.

use super::Stepper;
use crate::{Result, gpu::Program};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Instant};

/// Time of a kernel in a training step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelTime {
    /// Name of the kernel.
    pub kernel: String,
    /// Number of its launches in a step.
    pub launches: usize,
    /// Time of its launches in milliseconds, each by itself, with the cost of a submission.
    pub milliseconds: f64,
    /// Number of floating-point operations in a step.
    pub flops: u64,
    /// Number of bytes that they read and write.
    pub bytes: u64,
}

impl Stepper {
    /// Measures the kernels of a step, each launched by itself. The step is really run, and what it moved is
    /// put back.
    ///
    /// # Errors
    /// The device is lost.
    pub fn kernels(&self) -> Result<Vec<KernelTime>> {
        self.aside(|| self.measured())
    }
    fn measured(&self) -> Result<Vec<KernelTime>> {
        let mut kernels: BTreeMap<&str, KernelTime> = BTreeMap::new();
        for (p, program) in self.programs().iter().enumerate() {
            // The second program stands for all micro-batches but the first.
            let times = if p == 1 { self.micro() - 1 } else { 1 };
            for (command, seconds) in program.commands().iter().zip(least(program)?) {
                let (name, flops) = command.name_and_flops();
                let kernel = kernels.entry(name).or_insert_with(|| KernelTime {
                    kernel: name.into(),
                    launches: 0,
                    milliseconds: 0.0,
                    flops: 0,
                    bytes: 0,
                });
                kernel.launches += times;
                kernel.milliseconds += 1e3 * seconds * times as f64;
                kernel.flops += flops * times as u64;
                kernel.bytes += command.bytes() * times as u64;
            }
        }
        let mut kernels: Vec<KernelTime> = kernels.into_values().collect();
        kernels.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
        Ok(kernels)
    }
}

/// Number of seconds after which no further run of a step is measured.
const ENOUGH: f64 = 0.25;
/// Largest number of runs of a step.
const RUNS: usize = 5;

/// The least seconds of each command in a few runs.
fn least(program: &Program) -> Result<Vec<f64>> {
    let begun = Instant::now();
    let mut least: Vec<f64> = Vec::new();
    for run in 0..RUNS {
        let seconds = program.profile()?.into_iter().map(|t| t.as_secs_f64());
        least = match run {
            0 => seconds.collect(),
            _ => seconds.zip(least).map(|(new, old)| new.min(old)).collect(),
        };
        if begun.elapsed().as_secs_f64() > ENOUGH {
            break;
        }
    }
    Ok(least)
}
