//! Which of several kernels a problem runs on, by what was measured on an adapter.

use super::{Gpu, Recording, Slice};
use crate::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Records a problem on inputs that it holds; gives what it writes.
pub type Recorder = Box<dyn Fn(&Recording) -> Result<Slice>>;

/// Makes inputs of random numbers, and what records a problem on them.
pub type Prepare = dyn Fn(&Gpu) -> Result<Recorder>;

/// How a kernel uses an adapter. An op that has several such kernels offers them as variants of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// A thread for each result.
    Plain,
    /// Register tiles that eight lanes of a subgroup share by broadcasts.
    Subgroup,
    /// Tiles in workgroup memory.
    Shared,
    /// Tiles in workgroup memory, four times as large.
    Wide,
    /// Winograd's transforms around `Subgroup`.
    Winograd,
    /// Winograd's transforms around `Shared`.
    WinogradShared,
    /// Matrices that a subgroup holds together.
    Coop,
}

impl Variant {
    /// All of them, the simplest first.
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::Subgroup,
        Self::Shared,
        Self::Wide,
        Self::Winograd,
        Self::WinogradShared,
        Self::Coop,
    ];
    /// Its name in tuning files, results and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Subgroup => "subgroup",
            Self::Shared => "shared",
            Self::Wide => "wide",
            Self::Winograd => "winograd",
            Self::WinogradShared => "winograd_shared",
            Self::Coop => "coop",
        }
    }
    /// The variant of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }
    /// Whether it is one of Winograd's.
    pub const fn is_winograds(self) -> bool {
        matches!(self, Self::Winograd | Self::WinogradShared)
    }
}

impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What an op has to solve in one recording, in one of several ways.
pub struct Problem {
    /// Op, pass and shapes: whatever the time depends on.
    pub name: String,
    /// The kernels that can solve it here, the simplest first: its result is the others' measure.
    pub kernels: Vec<Variant>,
    /// What runs where nothing was measured.
    pub default: Variant,
    /// What it writes is f16.
    pub half: bool,
    /// Makes inputs of random numbers, and what records the problem on them.
    pub prepare: Box<Prepare>,
}

/// The fastest kernel of a problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// Its name.
    pub kernel: String,
    /// Milliseconds of each kernel that solved the problem.
    pub ms: BTreeMap<String, f64>,
    /// Kernels that did not solve it: another result than the simplest one's, or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

impl Tuned {
    /// The fastest of a problem's kernels, if one of them was measured.
    fn of(&self, problem: &Problem) -> Option<Variant> {
        let ms = |kernel: &Variant| Some((*kernel, *self.ms.get(kernel.name())?));
        let measured = problem.kernels.iter().filter_map(ms);
        measured.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(kernel, _)| kernel)
    }
    /// Whether each of a problem's kernels was measured, or found to be wrong.
    pub fn covers(&self, problem: &Problem) -> bool {
        let known = |kernel: &Variant| {
            let name = kernel.name();
            self.ms.contains_key(name) || self.wrong.iter().any(|wrong| wrong == name)
        };
        problem.kernels.iter().all(known)
    }
}

/// What was measured on one adapter under one driver: the content of a tuning file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tuning {
    /// The adapter's name.
    pub adapter: String,
    /// The driver's name and version.
    pub driver: String,
    /// Hash of the text of all kernels: another text may be faster or slower.
    pub kernels: String,
    /// The fastest kernel of each problem.
    pub problems: BTreeMap<String, Tuned>,
}

impl Gpu {
    /// The kernel that was the fastest at a problem.
    pub fn tuned(&self, problem: &str) -> Option<Tuned> {
        self.0.tuning.borrow().get(problem).cloned()
    }
    /// Recordings from now on take the kernels that were the fastest at these problems.
    pub fn adopt(&self, problems: BTreeMap<String, Tuned>) {
        self.0.tuning.borrow_mut().extend(problems);
    }
}

impl Recording {
    /// The kernel that solves a problem: the one that [`Recording::variant`] asks for, else the fastest that was
    /// measured and can be had, else the default. The problem is kept, so that it can be measured.
    pub fn choose(&self, problem: Problem) -> Variant {
        if let Some(asked) = self.variant {
            return if problem.kernels.contains(&asked) { asked } else { problem.default };
        }
        let tuned = self.gpu.tuned(&problem.name);
        let chosen = tuned.and_then(|tuned| tuned.of(&problem)).unwrap_or(problem.default);
        self.problems.borrow_mut().entry(problem.name.clone()).or_insert(problem);
        chosen
    }
    /// Takes the problems whose kernels were chosen so far.
    pub fn take_problems(&self) -> BTreeMap<String, Problem> {
        self.problems.take()
    }
}
