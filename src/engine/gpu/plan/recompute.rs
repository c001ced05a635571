//! Computing again what is cheap, in place of keeping it: memory for a little time.
//!
//! Between the last use of a tensor in the forward pass and the first in the backward pass it only takes up room. Where
//! one cheap launch made it, of tensors that are there at the later use anyway, that launch runs once more:
//!
//! ```text
//! y = norm(x) … y … … … … … dw(y) … dnorm(x)      y lives all the way
//! y = norm(x) … y … … y′ = norm(x) dw(y′) … dnorm(x)    y and y′ live shortly
//! ```
//! The same kernel on the same numbers gives the same bits, so no figure changes.

use crate::gpu::{
    Access,
    recording::{Command, Contents, Launch, Memory, Recording, Slice},
};
use std::{
    collections::{BTreeMap, HashSet},
    rc::Rc,
};

/// Floating-point operations for each byte moved, up to which a launch is cheap: all that goes
/// element by element, no product of matrices.
const CHEAP: u64 = 2;
/// Tensors below this many bytes are not worth a launch.
const LEAST: u64 = 1 << 16;
/// A tensor that is used again within so many commands is not worth one either.
const SOON: usize = 16;

/// A tensor that shall be made again: its launch, and the command before which it then runs.
struct Again {
    transient: usize,
    made: usize,
    before: usize,
}

/// Records cheap launches again where their output is used late; how many.
pub(super) fn recompute(state: &mut Contents) -> usize {
    let mut candidates: Vec<_> =
        (0..state.transients.len()).filter_map(|t| candidate(state, t)).collect();
    candidates.sort_by_key(|c| std::cmp::Reverse(state.transients[c.transient].bytes));
    // A tensor is either made again or there for another that is.
    let (mut again, mut there): (BTreeMap<usize, Vec<Again>>, HashSet<usize>) = Default::default();
    let mut gone = HashSet::new();
    for c in candidates {
        let inputs: Vec<usize> = reads(&state.commands[c.made]).filter_map(number).collect();
        if there.contains(&c.transient) || inputs.iter().any(|s| gone.contains(s)) {
            continue;
        }
        there.extend(inputs);
        gone.insert(c.transient);
        again.entry(c.before).or_default().push(c);
    }
    let mut renamed: BTreeMap<usize, usize> = BTreeMap::new();
    let mut commands = Vec::with_capacity(state.commands.len() + gone.len());
    for (at, command) in state.commands.iter().enumerate() {
        for c in again.get(&at).into_iter().flatten() {
            state.transients.push(state.transients[c.transient].clone());
            renamed.insert(c.transient, state.transients.len() - 1);
            commands.push(with_names(&state.commands[c.made], &renamed));
        }
        commands.push(with_names(command, &renamed));
    }
    state.commands = commands;
    gone.len()
}

/// The transient `t`, if one cheap launch makes all of it and could do so again where it is used late.
fn candidate(state: &Contents, t: usize) -> Option<Again> {
    let transient = &state.transients[t];
    if transient.kept || transient.placed.is_some() || transient.bytes < LEAST {
        return None;
    }
    let uses: Vec<(usize, Access)> = (0..)
        .zip(&state.commands)
        .flat_map(|(at, c)| c.slices().into_iter().map(move |(s, access)| (at, s, access)))
        .filter(|(_, s, _)| number(s) == Some(t))
        .map(|(at, _, access)| (at, access))
        .collect();
    let (&(made, _), later) = uses.split_first()?;
    let Command::Launch(launch) = &state.commands[made] else { return None };
    let bytes = state.commands[made].bytes();
    let writes = launch.source.bindings.iter().filter(|b| **b == Access::Write).count();
    let alone = writes == 1 && later.iter().all(|(_, access)| *access == Access::Read);
    if !alone || launch.cost.flops > CHEAP * bytes {
        return None;
    }
    let (from, before) = uses
        .windows(2)
        .map(|pair| (pair[0].0, pair[1].0))
        .max_by_key(|(from, before)| before - from)?;
    let late = before - from >= SOON && from > made;
    let there = reads(&state.commands[made]).all(|s| is_there(state, s, made, before));
    (late && there).then_some(Again { transient: t, made, before })
}

/// Whether what a slice holds at one command is there, unchanged, at a later one, and for no reason but
/// its own uses.
fn is_there(state: &Contents, slice: &Slice, from: usize, to: usize) -> bool {
    let touches = |command: &Command, wanted: Access| {
        command.slices().iter().any(|(s, access)| *access == wanted && meet(state, s, slice))
    };
    let changed = state.commands[from..to].iter().any(|c| touches(c, Access::Write));
    let used_later = || state.commands[to..].iter().any(|c| touches(c, Access::Read));
    !changed && (number(slice).is_none() || used_later())
}

/// Whether two slices share memory.
fn meet(state: &Contents, a: &Slice, b: &Slice) -> bool {
    let (a, b) = (placed(state, a), placed(state, b));
    let same = match (&a.memory, &b.memory) {
        (Memory::Buffer(a), Memory::Buffer(b)) => Rc::ptr_eq(a, b),
        (Memory::Transient(a), Memory::Transient(b)) => a == b,
        _ => false,
    };
    same && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes
}

/// Where a slice lies as far as that is known before a plan.
fn placed(state: &Contents, slice: &Slice) -> Slice {
    match number(slice).and_then(|t| state.transients[t].placed.as_ref()) {
        Some(at) => Slice { offset: at.offset + slice.offset, bytes: slice.bytes, ..at.clone() },
        None => slice.clone(),
    }
}

fn number(slice: &Slice) -> Option<usize> {
    match slice.memory {
        Memory::Transient(t) => Some(t),
        Memory::Buffer(_) => None,
    }
}

fn reads(command: &Command) -> impl Iterator<Item = &Slice> {
    command.slices().into_iter().filter(|(_, access)| *access == Access::Read).map(|(s, _)| s)
}

/// The command on the transients that have taken others' place.
fn with_names(command: &Command, renamed: &BTreeMap<usize, usize>) -> Command {
    let name = |slice: &Slice| match number(slice).and_then(|t| renamed.get(&t)) {
        Some(new) => Slice { memory: Memory::Transient(*new), ..slice.clone() },
        None => slice.clone(),
    };
    match command {
        Command::Launch(l) => {
            Command::Launch(Launch { slices: l.slices.iter().map(name).collect(), ..l.clone() })
        }
        Command::Copy { from, to } => Command::Copy { from: name(from), to: name(to) },
    }
}

impl Recording {
    /// Records cheap launches again where their outputs are used late, so that those need not be kept;
    /// how many. The results stay the same bit by bit.
    pub fn recompute(&self) -> usize {
        recompute(&mut self.state.borrow_mut())
    }
}
