//! Training steps: a [`Trainable`] says what is learnt from a batch, a [`Stepper`] records the step once and runs it
//! for every batch.
//!
//! ```text
//! batch ── Inputs ──▶ losses ── backward ── gradients ── Optimizer ── weights
//!          1 upload    └──────────── one recording, replayed ────────────┘
//! ```

mod inputs;
mod optimizer;
mod profile;
mod state;
mod stepper;

pub use inputs::{Batch, Field, Inputs, PackSamples, Samples};
pub use optimizer::{Optimizer, Rule};
pub use profile::KernelTime;
pub use state::{StepOptions, TrainState};
pub use stepper::{Recorded, Stepper};

use crate::{
    Result,
    autograd::{Mode, Tape, Var},
    gpu::{Recording, Slice},
};

/// A network and what it learns: from the tensors of a batch to losses.
pub trait Trainable {
    /// Weights, and the memory that a step moves beside them.
    fn state(&self) -> &TrainState;
    /// Mode of batch norm in training, and what has gradients.
    fn mode(&self) -> Mode {
        Mode::Train { groups: 1 }
    }
    /// Number of samples of a batch.
    fn samples(&self) -> usize;
    /// Divisor of the number of samples of each part of a batch that is cut into parts.
    fn multiple(&self) -> usize {
        1
    }
    /// The tensors of a batch of `n` samples, in the order in which [`Stepper::run`] takes what is sent to them. A step
    /// sends no more than it must where what is packed comes last.
    fn fields(&self, n: usize) -> Vec<Field>;
    /// Records the losses `[1]` of a batch that is on the device, whose sum is minimised: one to
    /// [`crate::ops::meter::PARTS`].
    ///
    /// # Errors
    /// Shapes that do not fit, or a request beyond the adapter's limits.
    fn losses(&self, tape: &Tape, batch: &Batch) -> Result<Vec<Var>>;
    /// Weight of the losses: a factor of their gradients. The meter reads them without it.
    fn loss_weight(&self) -> f64 {
        1.0
    }
    /// Optimiser that moves the weights.
    fn optimizer(&self) -> Optimizer;
    /// Memory that a step moves beside its state, as a moving average is.
    fn beside(&self) -> Vec<Slice> {
        Vec::new()
    }
    /// Records what follows an update, such as a moving average of the weights; `batch` is the last of its micro-batches.
    ///
    /// # Errors
    /// More than the adapter binds at once.
    fn updated(&self, _rec: &Recording, _batch: &Batch) -> Result<()> {
        Ok(())
    }
}
