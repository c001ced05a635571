//! The optimiser that a configuration asks for: how each part of the network moves.

use crate::{
    models::{BACKBONE, head},
    train::config::{L2sp, Optim, Scope},
};
use mtpret_engine::{
    step::{Optimizer, Rule},
    tensor::{Group, Layout},
};

/// SGD with momentum, weight decay and L²-SP, or LARS, as a configuration has them.
///
/// Eq. 5: the backbone is pulled to its anchor w⁰ by α, the head to zero by β.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    momentum: f32,
    decay: f32,
    /// α and β, and whether they act on biases and batch norm too.
    l2sp: Option<(f32, f32, bool)>,
    /// Trust coefficient of LARS.
    lars: Option<f32>,
}

impl Update {
    /// The update that a configuration asks for.
    pub fn new(optim: &Optim, l2sp: Option<&L2sp>) -> Self {
        Self {
            momentum: optim.momentum as f32,
            decay: optim.weight_decay as f32,
            l2sp: l2sp.map(|l| (l.alpha as f32, l.beta as f32, l.scope == Scope::All)),
            lars: optim.lars.map(|trust| trust as f32),
        }
    }
    /// The rules for the backbone and the head of this number. A backbone whose batch norm is `frozen` (`Mode::Frozen`) has no
    /// gradient there, and must not be moved by decay or by the momentum of another task either.
    pub fn optimizer(&self, layout: &Layout, number: usize, frozen: bool) -> Optimizer {
        let moved = |group: &Group| match group.part {
            BACKBONE => !(frozen && group.vectors),
            part => part == head(number),
        };
        let groups = layout.groups().into_iter().map(|(group, _)| group).filter(moved);
        Optimizer {
            momentum: self.momentum,
            groups: groups.map(|group| (group, self.rule(group))).collect(),
        }
    }
    fn rule(&self, Group { part, vectors }: Group) -> Rule {
        match (self.lars, self.l2sp) {
            // Biases and batch norm take plain SGD without decay.
            (Some(_), _) if vectors => Rule::default(),
            (trust @ Some(_), _) => Rule { decay: self.decay, alpha: 0.0, trust },
            (None, Some((alpha, beta, all))) if all || !vectors => match part {
                BACKBONE => Rule { decay: self.decay, alpha, trust: None },
                _ => Rule { decay: self.decay + beta, alpha: 0.0, trust: None },
            },
            _ => Rule { decay: self.decay, alpha: 0.0, trust: None },
        }
    }
}
