//! The state of training: a network with its gradients, momentum and anchor.

use crate::{
    Result,
    gpu::Gpu,
    tensor::{Arena, Scope, State},
};

/// Options of training steps on a device.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepOptions {
    /// Whether a network's features, and their gradients, lie in memory as f16 while it is trained.
    pub half: bool,
    /// Number of bytes of device memory that a step keeps to: it computes cheap tensors again and cuts batches
    /// where it must.
    pub memory: Option<u64>,
    /// Function that gets a line a problem, where the kernels of problems that nobody measured yet are to be
    /// measured before a step is first run.
    pub tune: Option<fn(&str)>,
}

/// State of training: a network's weights and statistics, and what training moves beside them.
pub struct TrainState {
    /// Weights and running statistics.
    pub network: State,
    /// Gradients of the weights.
    pub gradients: Arena,
    /// Momentum of the weights: the optimiser's velocity.
    pub momentum: Arena,
    /// Anchor that weights are pulled to (L²-SP's w⁰), if they are.
    pub anchor: Option<Arena>,
    /// Options of its steps on the device.
    pub options: StepOptions,
}

impl TrainState {
    /// Draws first values of everything that `scope` has declared, from `seed`; with an anchor at them if
    /// `anchored`.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(
        gpu: &Gpu,
        scope: &Scope,
        seed: u64,
        anchored: bool,
        options: StepOptions,
    ) -> Result<Self> {
        let network = State::init(gpu, scope, seed)?;
        let network = if options.half { network.in_half(gpu)? } else { network };
        let layout = &network.weights.layout;
        let gradients = Arena::zeros(gpu, layout)?;
        let momentum = Arena::zeros(gpu, layout)?;
        let anchor = anchored.then(|| network.weights.duplicate(gpu)).transpose()?;
        Ok(Self { network, gradients, momentum, anchor, options })
    }
}
