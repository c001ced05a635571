//! Networks and training steps on tensors that are given instead of films, so that any other program can check them.

mod detection;
mod network;
mod steps;
mod views;

pub use detection::{BoxList, extents};
pub use network::{Evaluated, LoadOptions, LoadedNetwork, OnTensors};
pub use steps::{StepTrace, losses, run_batch, train};
pub use views::{OnViews, load_moco};

use mtpret_engine::tensor::Array;
use std::collections::BTreeMap;

/// The tensors of a batch by name, `[N, …]`, the images `x` among them; what there is of others decides how a network learns.
pub type NamedArrays = BTreeMap<&'static str, Array>;
