//! The update of all weights: one launch for each parameter group that a step trains.

use super::TrainState;
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
use std::{collections::BTreeMap, ops::Range};

/// SGD with momentum, with a rule for each parameter group; groups without a rule stay as they are.
///
/// ```text
/// g ← g + decay · w + alpha · (w − w⁰);   v ← momentum · v + g;   w ← w − lr · v
/// ```
/// As `torch.optim.SGD`, its parameter groups and L²-SP's pull to an anchor w⁰ (Li et al. 2018); with a trust coefficient LARS
/// (You et al. 2017) in its place.
#[derive(Clone, Debug)]
pub struct Optimizer {
    /// Share of the velocity that stays from step to step.
    pub momentum: f32,
    /// Rule of each group that moves.
    pub groups: BTreeMap<Group, Rule>,
}

/// Update rule of a parameter group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rule {
    /// Weight decay: the pull to zero.
    pub decay: f32,
    /// The pull to the anchor.
    pub alpha: f32,
    /// LARS's trust coefficient.
    pub trust: Option<f32>,
}

impl Optimizer {
    /// An optimizer with the same rule for every group of a layout.
    pub fn uniform(momentum: f32, rule: Rule, state: &TrainState) -> Self {
        let groups = state.network.weights.layout.groups();
        Self { momentum, groups: groups.into_iter().map(|(group, _)| (group, rule)).collect() }
    }
    /// Records the update of `state` by its gradients, at the rate of the step's record.
    ///
    /// # Errors
    /// More than the adapter binds at once.
    pub fn record(&self, rec: &Recording, state: &TrainState, step: &Tensor) -> Result<()> {
        let layout = &state.network.weights.layout;
        let ruled = |(group, range)| Some((group, *self.groups.get(&group)?, range));
        let moved: Vec<(Group, Rule, Range<u64>)> =
            layout.groups().into_iter().filter_map(ruled).collect();
        if let Some(scale_state) = &state.network.loss_scale {
            let scale = LossScale { growth: loss_scale::GROWTH };
            for (_, _, range) in &moved {
                let gradients = state.gradients.slice(range.start, range.end - range.start);
                scale.unscale(rec, &gradients, scale_state)?;
            }
            scale.adjust(rec, scale_state, step)?;
        }
        for (group, rule, range) in moved {
            match rule.trust {
                Some(trust) => self.lars(rec, state, (group, rule, range), trust, step)?,
                None => self.sgd(rec, state, rule, range, step)?,
            }
        }
        Ok(())
    }
    /// Records SGD of a group, in several launches where it is beyond what the adapter binds at
    /// once.
    fn sgd(
        &self,
        rec: &Recording,
        state: &TrainState,
        rule: Rule,
        range: Range<u64>,
        step: &Tensor,
    ) -> Result<()> {
        let sgd = Sgd { momentum: self.momentum, decay: rule.decay, alpha: rule.alpha };
        let most = rec.gpu.most_bound();
        for offset in range.clone().step_by(most as usize) {
            let bytes = (range.end - offset).min(most);
            let part = |arena: &Arena| arena.slice(offset, bytes);
            let anchor = state.anchor.as_ref().map(part);
            let [w, g, v] = [&state.network.weights, &state.gradients, &state.momentum].map(part);
            sgd.step(rec, &w, &g, &v, anchor.as_ref(), step)?;
        }
        Ok(())
    }
    fn lars(
        &self,
        rec: &Recording,
        state: &TrainState,
        (group, rule, range): (Group, Rule, Range<u64>),
        trust: f32,
        step: &Tensor,
    ) -> Result<()> {
        let part = |arena: &Arena| arena.slice(range.start, range.end - range.start);
        let [w, g, v] = [&state.network.weights, &state.gradients, &state.momentum].map(part);
        let places = state.network.weights.layout.places(group);
        let places: Vec<_> =
            places.into_iter().map(|r| r.start - range.start..r.end - range.start).collect();
        let lars = Lars { momentum: self.momentum, decay: rule.decay, trust, eps: 1e-8 };
        lars.step(rec, [&w, &g, &v], &lars::Tensors::new(&rec.gpu, &places)?, step)
    }
}
