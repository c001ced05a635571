//! The plan of a recording: which transient lies where.
//!
//! A transient lives from the first to the last command that touches it. Transients whose lives do
//! not meet share memory. Memory comes in *arenas*, because a launch may not bind one buffer for
//! reading and for writing, not even disjoint ranges of it: what a launch writes is never placed
//! in an arena that the launch reads.

mod recompute;

use super::{
    Access,
    recording::{Command, Contents, Memory, Recording},
};

/// Bindings start on this many bytes on every adapter.
pub const ALIGNMENT: u64 = 256;

/// A transient's place: arena and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaPlace {
    /// Which arena.
    pub arena: usize,
    /// Bytes from its start.
    pub offset: u64,
}

/// Places for all transients of a recording.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By transient; `None` for those placed elsewhere or never used.
    pub places: Vec<Option<ArenaPlace>>,
    /// Bytes of each arena.
    pub arenas: Vec<u64>,
    /// The largest sum of bytes alive at once: no plan can need less.
    pub live_peak: u64,
}

impl Plan {
    /// Bytes of all arenas.
    pub fn bytes(&self) -> u64 {
        self.arenas.iter().sum()
    }
}

struct Life {
    first: usize,
    last: usize,
    bytes: u64,
    /// Commands that touch it, and how.
    uses: Vec<(usize, Access)>,
}

/// A plan within this share of the largest live set is good enough.
const TIGHT: f64 = 1.02;
/// Orders that are tried at most.
const TRIES: usize = 64;
/// Multiples of it are spread evenly over the fractions.
const GOLDEN: f64 = 0.618_033_988_749_894_8;

/// Plans a recording. With `separate` no two transients share memory.
///
/// The largest are placed first. Where that leaves gaps, further orders are tried, in which a transient counts as up to
/// twice as large as it is, and the one that needs the least memory is kept. The same recording gets the same plan.
pub(super) fn plan(state: &Contents, largest_arena: u64, separate: bool) -> Plan {
    let lives = lives(state, separate);
    let users = users(state);
    let live_peak = (0..state.commands.len())
        .map(|c| {
            lives.iter().flatten().filter(|l| l.first <= c && c <= l.last).map(|l| l.bytes).sum()
        })
        .max()
        .unwrap_or(0);
    let mut order: Vec<usize> = (0..lives.len()).filter(|t| lives[*t].is_some()).collect();
    let mut best: Option<Plan> = None;
    for attempt in 0..TRIES {
        let size = |t: usize| {
            let more = ((t + 1) as f64 * attempt as f64 * GOLDEN).fract();
            lives[t]
                .as_ref()
                .map(|l| (std::cmp::Reverse((l.bytes as f64 * (1.0 + more)) as u64), l.first))
        };
        order.sort_by_key(|t| size(*t));
        let plan = place(&lives, &users, &order, largest_arena);
        if best.as_ref().is_none_or(|best| plan.bytes() < best.bytes()) {
            best = Some(plan);
        }
        if best.as_ref().is_some_and(|b| b.bytes() as f64 <= TIGHT * live_peak as f64) {
            break;
        }
    }
    Plan { live_peak, ..best.unwrap_or_default() }
}

/// Places one transient after another where it makes an arena grow the least.
fn place(
    lives: &[Option<Life>],
    users: &[Vec<(usize, Access)>],
    order: &[usize],
    largest_arena: u64,
) -> Plan {
    let mut plan = Plan { places: vec![None; lives.len()], ..Plan::default() };
    let mut residents: Vec<Vec<usize>> = Vec::new();
    let life = |t: usize| lives[t].as_ref().expect("only living transients are in the order");
    for &t in order {
        let me = life(t);
        let mut forbidden = vec![false; plan.arenas.len()];
        for &(command, access) in &me.uses {
            for &(other, other_access) in &users[command] {
                if let (true, Some(place)) = (access != other_access, plan.places[other]) {
                    forbidden[place.arena] = true;
                }
            }
        }
        let mut best: Option<(u64, ArenaPlace)> = None;
        for (arena, size) in plan.arenas.iter().enumerate().filter(|(a, _)| !forbidden[*a]) {
            let mut taken: Vec<(u64, u64)> = residents[arena]
                .iter()
                .filter(|o| life(**o).first <= me.last && me.first <= life(**o).last)
                .filter_map(|o| plan.places[*o].map(|p| (p.offset, p.offset + life(*o).bytes)))
                .collect();
            taken.sort_unstable();
            let mut offset = 0;
            for (from, to) in taken {
                if offset + me.bytes <= from {
                    break;
                }
                offset = offset.max(to);
            }
            let growth = (offset + me.bytes).saturating_sub(*size);
            if size + growth <= largest_arena && best.is_none_or(|(least, _)| growth < least) {
                best = Some((growth, ArenaPlace { arena, offset }));
            }
        }
        let (growth, place) = best.unwrap_or_else(|| {
            plan.arenas.push(0);
            residents.push(Vec::new());
            (me.bytes, ArenaPlace { arena: plan.arenas.len() - 1, offset: 0 })
        });
        plan.arenas[place.arena] += growth;
        residents[place.arena].push(t);
        plan.places[t] = Some(place);
    }
    plan
}

/// Which transients each command touches, and how.
fn users(state: &Contents) -> Vec<Vec<(usize, Access)>> {
    let of = |command: &Command| {
        let slices = command.slices().into_iter();
        slices.filter_map(|(s, a)| transient(state, &s.memory).map(|t| (t, a))).collect()
    };
    state.commands.iter().map(of).collect()
}

fn transient(state: &Contents, memory: &Memory) -> Option<usize> {
    match memory {
        Memory::Transient(t) if state.transients[*t].placed.is_none() => Some(*t),
        _ => None,
    }
}

fn lives(state: &Contents, separate: bool) -> Vec<Option<Life>> {
    let mut lives: Vec<Option<Life>> = state.transients.iter().map(|_| None).collect();
    for (at, uses) in users(state).into_iter().enumerate() {
        for (t, access) in uses {
            let bytes = state.transients[t].bytes.max(4).next_multiple_of(ALIGNMENT);
            let life =
                lives[t].get_or_insert_with(|| Life { first: at, last: at, bytes, uses: vec![] });
            life.last = at;
            life.uses.push((at, access));
        }
    }
    let end = state.commands.len();
    for (life, transient) in lives.iter_mut().zip(&state.transients) {
        if let Some(life) = life {
            if transient.kept || separate {
                life.last = end;
            }
            if separate {
                life.first = 0;
            }
        }
    }
    lives
}

impl Recording {
    /// Bytes that a plan of what is recorded so far needs for its transients.
    pub fn peak(&self) -> u64 {
        plan(&self.state.borrow(), self.gpu.largest_arena(), false).bytes()
    }
}
