//! Which of several kernels a problem runs on, by what was measured on an adapter.

use super::{Gpu, Recording, Slice};
use crate::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Records a problem on inputs that it holds; gives what it writes.
pub type Pose = Box<dyn Fn(&Recording) -> Result<Slice>>;

/// Makes inputs of random numbers, and what records a problem on them.
pub type Inputs = dyn Fn(&Gpu) -> Result<Pose>;

/// What an op has to solve in one recording, in one of several ways.
pub struct Problem {
    /// Op, pass and shapes: whatever the time depends on.
    pub name: String,
    /// The kernels that can solve it here, the simplest first: its result is the others' measure.
    pub kernels: Vec<&'static str>,
    /// What runs where nothing was measured.
    pub default: &'static str,
    /// What it writes is f16.
    pub half: bool,
    /// Makes inputs of random numbers, and what records the problem on them.
    pub pose: Box<Inputs>,
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
    fn of(&self, problem: &Problem) -> Option<&'static str> {
        let ms = |kernel: &&'static str| Some((*kernel, *self.ms.get(*kernel)?));
        let measured = problem.kernels.iter().filter_map(ms);
        measured.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(kernel, _)| kernel)
    }
    /// Whether each of a problem's kernels was measured, or found to be wrong.
    pub fn covers(&self, problem: &Problem) -> bool {
        let known = |kernel: &&str| {
            self.ms.contains_key(*kernel) || self.wrong.iter().any(|wrong| wrong == kernel)
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
    pub fn choose(&self, problem: Problem) -> &'static str {
        let find = |name: &str| problem.kernels.iter().copied().find(|kernel| *kernel == name);
        if let Some(asked) = &self.variant {
            return find(asked).unwrap_or(problem.default);
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
