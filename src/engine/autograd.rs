//! Reverse-mode automatic differentiation: a tape of ops, replayed backward. Names no op but the sum of gradients.

use crate::{
    Result,
    gpu::{Memory, Recording},
    ops::{Op, add::Add},
    tensor::{Arena, Array, Param, State, Tensor},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

/// A tensor on the tape.
#[derive(Clone)]
pub struct Var {
    /// Value of the tensor.
    pub value: Tensor,
    id: Id,
    needs_gradient: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Param(Param),
    Node(usize),
}

/// Statistics by which batch norm normalises, and whether gradients are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Statistics of the batch, in `groups` parts; gradients.
    Train {
        /// Number of parts of the batch with statistics of their own.
        groups: usize,
    },
    /// Statistics of the batch, in `groups` parts, as under `torch.no_grad()`; no gradients.
    NoGrad {
        /// Number of parts of the batch with statistics of their own.
        groups: usize,
    },
    /// Running statistics, as torchvision's `FrozenBatchNorm2d`; gradients for all but batch norm's
    /// own weight and bias.
    Frozen,
    /// Running statistics; no gradients.
    Eval,
}

type Backward<'a> = Box<dyn FnOnce(&Tensor) -> Result<Vec<(Id, Tensor)>> + 'a>;

/// Tape that records a network's forward pass, and from it the backward pass.
pub struct Tape<'a> {
    /// Recording that launches go to.
    pub rec: &'a Recording,
    /// Weights and running statistics.
    pub state: &'a State,
    /// Statistics by which batch norm normalises, and whether gradients are wanted.
    pub mode: Mode,
    steps: RefCell<Vec<(Id, Backward<'a>)>>,
    hooks: RefCell<Vec<Hook<'a>>>,
    next: Cell<usize>,
}

type Hook<'a> = Box<dyn FnOnce(&Recording) -> Result<()> + 'a>;

impl<'a> Tape<'a> {
    /// An empty tape.
    pub fn new(rec: &'a Recording, state: &'a State, mode: Mode) -> Self {
        Self {
            rec,
            state,
            mode,
            steps: RefCell::default(),
            hooks: RefCell::default(),
            next: Cell::new(0),
        }
    }
    fn node(&self) -> Id {
        self.next.set(self.next.get() + 1);
        Id::Node(self.next.get())
    }
    /// Has `hook` record what must follow the backward pass, such as writing what a loss has read.
    pub fn after_backward(&self, hook: impl FnOnce(&Recording) -> Result<()> + 'a) {
        self.hooks.borrow_mut().push(Box::new(hook));
    }
    /// A value without a gradient.
    pub fn input(&self, value: &Tensor) -> Var {
        Var { value: value.clone(), id: self.node(), needs_gradient: false }
    }
    /// A value that needs a gradient though it is no parameter, such as features that are to be explained.
    pub fn watch(&self, value: &Tensor) -> Var {
        Var { value: value.clone(), id: self.node(), needs_gradient: true }
    }
    /// A parameter's value.
    pub fn param(&self, param: Param) -> Var {
        let needs_gradient = matches!(self.mode, Mode::Train { .. } | Mode::Frozen);
        Var { value: self.state.weights.tensor(param), id: Id::Param(param), needs_gradient }
    }
    /// Views the same bytes under another shape with the same padded length.
    ///
    /// # Panics
    /// If the length differs.
    pub fn reshape(&self, x: &Var, shape: &[usize]) -> Var {
        let id = self.node();
        if x.needs_gradient {
            let (of, was) = (x.id, x.value.shape.clone());
            let backward = move |dy: &Tensor| Ok(vec![(of, dy.reshape(&was))]);
            self.steps.borrow_mut().push((id, Box::new(backward)));
        }
        Var { value: x.value.reshape(shape), id, needs_gradient: x.needs_gradient }
    }
    /// Records an op, and its derivative if any input needs one.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn apply<const N: usize, O: Op<N>>(&self, op: O, x: [&Var; N]) -> Result<Var> {
        let (value, saved) = op.forward(self.rec, x.map(|v| &v.value))?;
        let (id, rec) = (self.node(), self.rec);
        let (needs, ids) = (x.map(|v| v.needs_gradient), x.map(|v| v.id));
        let needs_gradient = needs.contains(&true);
        if needs_gradient {
            let backward = move |dy: &Tensor| {
                let dx = op.backward(rec, &saved, dy, needs)?;
                let wanted = ids.into_iter().zip(dx).zip(needs).filter(|(_, needed)| *needed);
                Ok(wanted.filter_map(|((id, dx), _)| Some((id, dx?))).collect())
            };
            self.steps.borrow_mut().push((id, Box::new(backward)));
        }
        Ok(Var { value, id, needs_gradient })
    }
    /// Records the gradients of a sum of losses; those of parameters land in `gradients`.
    ///
    /// A parameter that the losses do not depend on keeps what `gradients` holds: zeros from its
    /// allocation.
    ///
    /// # Errors
    /// As the ops' own.
    pub fn backward(self, losses: &[&Var], gradients: &Arena) -> Result<()> {
        // Under f16 a loss counts as many times as its scale says; updates divide by it.
        let one = match &self.state.loss_scale {
            Some(scale) => Tensor { shape: vec![1], ..scale.clone() },
            None => Tensor::upload(&self.rec.gpu, &Array::new(&[1], vec![1.0]))?,
        };
        let mut pending: BTreeMap<Id, Tensor> = BTreeMap::new();
        for loss in losses {
            pending.insert(loss.id, one.clone());
        }
        let rec = self.rec;
        let hooks = self.hooks.take();
        let pending = self.reverse(pending)?;
        let transient = |tensor: &Tensor| match tensor.data.memory {
            Memory::Transient(number) => Some(number),
            Memory::Buffer(_) => None,
        };
        for (id, gradient) in &pending {
            let Id::Param(param) = *id else { continue };
            let at = gradients.tensor(param).data;
            // A tensor has one place: what two parameters share is copied to both.
            let same = |other: &&Tensor| transient(other) == transient(gradient);
            if pending.values().filter(same).count() == 1 && rec.is_free(&gradient.data) {
                rec.place(&gradient.data, at);
            } else {
                rec.copy(&gradient.data, &at);
            }
        }
        hooks.into_iter().try_for_each(|hook| hook(rec))
    }
    /// Records the gradient of `output`, each of its elements counted by `seed` of its shape, with
    /// respect to a watched value; none if `output` does not depend on it.
    ///
    /// # Errors
    /// As the ops' own.
    pub fn gradient(self, output: &Var, seed: &Tensor, of: &Var) -> Result<Option<Tensor>> {
        Ok(self.reverse(BTreeMap::from([(output.id, seed.clone())]))?.remove(&of.id))
    }
    /// Replays the derivatives of everything that `pending` gradients reach; gives the gradients of
    /// tensors that no recorded op made: parameters and watched values.
    fn reverse(self, mut pending: BTreeMap<Id, Tensor>) -> Result<BTreeMap<Id, Tensor>> {
        for (id, step) in self.steps.into_inner().into_iter().rev() {
            let Some(dy) = pending.remove(&id) else { continue };
            for (id, dx) in step(&dy)? {
                let sum = match pending.remove(&id) {
                    None => dx,
                    // An op may hand back `dy` itself, so a sum is a tensor of its own.
                    Some(other) => Add.forward(self.rec, [&other, &dx])?.0,
                };
                pending.insert(id, sum);
            }
        }
        Ok(pending)
    }
}
