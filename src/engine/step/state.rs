//! What training moves.

use crate::{
    Result,
    gpu::Gpu,
    tensor::{Arena, Scope, State},
};

/// A network's weights and statistics, and what training moves beside them.
pub struct TrainState {
    /// Weights and running statistics.
    pub network: State,
    /// Gradients of the weights.
    pub gradients: Arena,
    /// Momentum of the weights: the optimiser's velocity.
    pub momentum: Arena,
    /// What weights are pulled to (L²-SP's w⁰), if they are.
    pub anchor: Option<Arena>,
}

impl TrainState {
    /// First values of everything that `scope` has declared, from `seed`; with an anchor at them if `anchored`.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn new(gpu: &Gpu, scope: &Scope, seed: u64, anchored: bool) -> Result<Self> {
        let network = State::init(gpu, scope, seed)?;
        let layout = &network.weights.layout;
        let gradients = Arena::zeros(gpu, layout)?;
        let momentum = Arena::zeros(gpu, layout)?;
        let anchor = anchored.then(|| network.weights.duplicate(gpu)).transpose()?;
        Ok(Self { network, gradients, momentum, anchor })
    }
}
