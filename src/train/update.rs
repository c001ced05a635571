//! The update of all weights: one launch for each group that a step trains.

use super::config::{L2sp, Optim, Scope};
use crate::{
    Result,
    gpu::Recording,
    ops::{
        lars::{self, Lars},
        loss_scale::{self, LossScale},
        sgd::Sgd,
    },
    tensor::{Arena, Group, Tensor},
};
use std::ops::Range;

/// SGD with momentum, weight decay and L²-SP, with a strength for each group of parameters.
///
/// ```text
/// g ← g + decay · w + alpha · (w − w⁰);   v ← momentum · v + g;   w ← w − lr · v
/// ```
/// With a trust coefficient, LARS in its place. Eq. 5: the backbone is pulled to its anchor w⁰ by α, the head to zero by β.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    momentum: f32,
    decay: f32,
    /// α and β, and whether they act on biases and batch norm too.
    l2sp: Option<(f32, f32, bool)>,
    /// Trust coefficient of LARS.
    lars: Option<f32>,
    /// The backbone's batch norm stays as it is.
    frozen: bool,
}

/// The memory that an update works on.
pub struct Memory<'a> {
    /// What is trained.
    pub weights: &'a Arena,
    /// Its gradient.
    pub gradients: &'a Arena,
    /// Its momentum.
    pub momentum: &'a Arena,
    /// w⁰, if the backbone is held to it.
    pub anchor: Option<&'a Arena>,
    /// Under f16, what the gradients were multiplied by.
    pub loss_scale: Option<&'a Tensor>,
}

impl Update {
    /// The update that a configuration asks for.
    pub fn new(optim: &Optim, l2sp: Option<&L2sp>) -> Self {
        Self {
            momentum: optim.momentum as f32,
            decay: optim.weight_decay as f32,
            l2sp: l2sp.map(|l| (l.alpha as f32, l.beta as f32, l.scope == Scope::All)),
            lars: optim.lars.map(|trust| trust as f32),
            frozen: false,
        }
    }
    /// The same update, but for the backbone's batch norm: what has no gradient (`Mode::Frozen`) must not
    /// be moved by decay or by momentum of another task.
    pub fn frozen(self) -> Self {
        Self { frozen: true, ..self }
    }
    /// Records the update of the backbone and of the head of this number.
    ///
    /// # Errors
    /// More than the adapter binds at once.
    pub fn record(
        &self,
        rec: &Recording,
        memory: &Memory,
        head: usize,
        step: &Tensor,
    ) -> Result<()> {
        let moved = |group: Group| match group {
            Group::Vectors => !self.frozen,
            Group::HeadWeights(of) | Group::HeadVectors(of) => of == head,
            Group::Weights => true,
        };
        let groups = memory.weights.layout.groups().into_iter().filter(|(group, _)| moved(*group));
        let groups: Vec<_> = groups.collect();
        if let Some(state) = memory.loss_scale {
            let scale = LossScale { growth: loss_scale::GROWTH };
            for (_, range) in &groups {
                let gradients = memory.gradients.slice(range.start, range.end - range.start);
                scale.unscale(rec, &gradients, state)?;
            }
            scale.adjust(rec, state, step)?;
        }
        for (group, range) in groups {
            let (alpha, beta) = match (self.l2sp, group) {
                (Some((alpha, _, _)), Group::Weights) => (alpha, 0.0),
                (Some((alpha, _, true)), Group::Vectors) => (alpha, 0.0),
                (Some((_, beta, _)), Group::HeadWeights(_)) => (0.0, beta),
                (Some((_, beta, true)), Group::HeadVectors(_)) => (0.0, beta),
                _ => (0.0, 0.0),
            };
            if let Some(trust) = self.lars {
                self.scaled(rec, memory, (group, range), trust, step)?;
                continue;
            }
            let sgd = Sgd { momentum: self.momentum, decay: self.decay + beta, alpha };
            // A group beyond what the adapter binds at once is updated in several launches.
            let most = rec.gpu.most_bound();
            for offset in range.clone().step_by(most as usize) {
                let bytes = (range.end - offset).min(most);
                let part = |arena: &Arena| arena.slice(offset, bytes);
                let anchor = memory.anchor.map(part);
                let [w, g, v] = [memory.weights, memory.gradients, memory.momentum].map(part);
                sgd.step(rec, &w, &g, &v, anchor.as_ref(), step)?;
            }
        }
        Ok(())
    }
    /// LARS on a group of weights; biases and batch norm take plain SGD without decay.
    fn scaled(
        &self,
        rec: &Recording,
        memory: &Memory,
        (group, range): (Group, Range<u64>),
        trust: f32,
        step: &Tensor,
    ) -> Result<()> {
        let part = |arena: &Arena| arena.slice(range.start, range.end - range.start);
        let [w, g, v] = [memory.weights, memory.gradients, memory.momentum].map(part);
        if let Group::Vectors | Group::HeadVectors(_) = group {
            let sgd = Sgd { momentum: self.momentum, decay: 0.0, alpha: 0.0 };
            return sgd.step(rec, &w, &g, &v, None, step);
        }
        let places = memory.weights.layout.places(group);
        let places: Vec<_> =
            places.into_iter().map(|r| r.start - range.start..r.end - range.start).collect();
        let lars = Lars { momentum: self.momentum, decay: self.decay, trust, eps: 1e-8 };
        lars.step(rec, [&w, &g, &v], &lars::Tensors::new(&rec.gpu, &places)?, step)
    }
}
