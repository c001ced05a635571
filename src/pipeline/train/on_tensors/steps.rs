//! Training steps on given batches, one after the other, and what each came to.

use super::NamedArrays;
use crate::{
    Result,
    train::{
        Device,
        config::Optim,
        schedule::{Progress, Span},
    },
};
use mtpret_engine::{
    step::{Samples::Numbers, Stepper, TrainState},
    tensor::{Array, Step},
};
use serde::Serialize;

/// Trace of a training step.
#[derive(Serialize)]
pub struct StepTrace {
    /// Number of the step, from 0.
    pub step: usize,
    /// Sum of the losses.
    pub loss: f32,
    /// Losses by name; null where one of them is not finite.
    pub losses: serde_json::Map<String, serde_json::Value>,
    /// Learning rate of the step.
    pub lr: f64,
    /// Length of all gradients as one vector.
    pub grad_norm: f64,
}

/// Trains on `count` batches, with a recording for each change of their shapes: `batch` reads one, `record` records a step of its
/// shapes that moves `state` and has losses of these names.
///
/// # Errors
/// Those of `batch` and `record`, or the device is lost.
pub fn train(
    gpu: &Device,
    state: &TrainState,
    optim: &Optim,
    names: &[&'static str],
    count: usize,
    batch: impl Fn(usize) -> Result<NamedArrays>,
    record: impl Fn(&NamedArrays) -> Result<Stepper>,
) -> Result<Vec<StepTrace>> {
    let mut recorded = None::<(Stepper, Vec<Vec<usize>>)>;
    let (mut samples, mut rows) = (0, Vec::new());
    for t in 0..count {
        let batch = batch(t)?;
        let shapes: Vec<_> = batch.values().map(|array| array.shape.clone()).collect();
        let stepper = match &mut recorded {
            Some((stepper, of)) if *of == shapes => stepper,
            other => &mut other.insert((record(&batch)?, shapes)).0,
        };
        let run = Span { at: t as u64, of: count as u64 };
        let lr = optim.lr(&Progress { run, epoch: run, round: run });
        let step =
            Step { lr: lr as f32, step: t as u32, samples: samples as u32, ..Step::default() };
        run_batch(stepper, &step, &batch)?;
        samples += stepper.samples();
        let losses = losses(stepper, names)?;
        let loss = losses.iter().map(|(_, loss)| loss).sum::<f64>() as f32;
        let losses = losses.into_iter().map(|(name, loss)| (name.to_owned(), loss.into()));
        let gradients = gpu.read(&state.gradients.data)?;
        let gradients: Vec<f32> = bytemuck::pod_collect_to_vec(&gradients);
        let grad_norm = gradients.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        rows.push(StepTrace { step: t, loss, losses: losses.collect(), lr, grad_norm });
    }
    Ok(rows)
}

/// Runs a step on a batch.
///
/// # Errors
/// The device is lost.
pub fn run_batch(stepper: &mut Stepper, step: &Step, batch: &NamedArrays) -> Result<()> {
    let numbers = |array: &Array| -> Vec<f32> { array.data.iter().map(|v| *v as f32).collect() };
    let fields: Vec<Vec<f32>> = batch.values().map(numbers).collect();
    stepper.run(step, &fields.iter().map(|field| Numbers(field)).collect::<Vec<_>>())
}

/// Reads the losses of the step that ran last, by name; NaN where one of them is not finite.
///
/// # Errors
/// The device is lost.
pub fn losses(stepper: &mut Stepper, names: &[&'static str]) -> Result<Vec<(&'static str, f64)>> {
    let meter = stepper.read_meter()?;
    let steps = f64::from(meter.count);
    let mean = |sum: &f32| if meter.fault > 0 { f64::NAN } else { f64::from(*sum) / steps };
    Ok(names.iter().copied().zip(meter.parts.iter().map(mean)).collect())
}
