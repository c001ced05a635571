//! Which of several kernels a problem runs on, by what was measured on an adapter.

use super::{Gpu, Launch, MatrixUnits, Recording, Slice};
use crate::{Error, Result};
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
    /// Tiles in workgroup memory, twice as high.
    Tall,
    /// Tiles in workgroup memory, twice as high and wide.
    Wide,
    /// `Wide`, each sum cut into parts that are added in a fixed order.
    Split,
    /// Winograd's transforms around `Subgroup`.
    Winograd,
    /// Winograd's transforms around `Shared`.
    WinogradShared,
    /// Tiles by matrices that a subgroup multiplies at once.
    Coop,
    /// The same, twice as wide.
    CoopWide,
}

impl Variant {
    /// All of them, the simplest first.
    pub const ALL: [Self; 10] = [
        Self::Plain,
        Self::Subgroup,
        Self::Shared,
        Self::Tall,
        Self::Wide,
        Self::Split,
        Self::Winograd,
        Self::WinogradShared,
        Self::Coop,
        Self::CoopWide,
    ];
    /// Its name in tuning files, results and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Subgroup => "subgroup",
            Self::Shared => "shared",
            Self::Tall => "tall",
            Self::Wide => "wide",
            Self::Split => "split",
            Self::Winograd => "winograd",
            Self::WinogradShared => "winograd_shared",
            Self::Coop => "coop",
            Self::CoopWide => "coop_wide",
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
    /// Whether a subgroup multiplies matrices at once.
    pub const fn is_of_matrices(self) -> bool {
        matches!(self, Self::Coop | Self::CoopWide)
    }
}

impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Words in the names of kernels that one variant has, or some that differ in constants.
const OWN: [&str; 4] = ["subgroup", "shared", "winograd", "coop"];

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

impl Problem {
    /// The op, as its folder of shaders is called.
    pub fn op(&self) -> &str {
        self.name.split([' ', ':']).next().unwrap_or(&self.name)
    }
}

/// The fastest kernel of a problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Whether somebody can have measured it: kernels that there are, and times.
    pub fn possible(&self) -> bool {
        let known = |name: &String| Variant::named(name).is_some();
        let time = |ms: &f64| ms.is_finite() && *ms >= 0.0;
        known(&self.kernel)
            && self.ms.iter().all(|(name, ms)| known(name) && time(ms))
            && self.wrong.iter().all(known)
    }
    /// The fastest of these kernels, if one of them was measured.
    fn of(&self, kernels: &[Variant]) -> Option<Variant> {
        let ms = |kernel: &Variant| Some((*kernel, *self.ms.get(kernel.name())?));
        let measured = kernels.iter().filter_map(ms);
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

/// What a test of the kernels that multiply matrices found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// They agree with the reference.
    Right,
    /// They do not, or do not compile: why.
    Wrong(String),
}

/// What was measured on one adapter under one driver: the content of a tuning file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// The adapter's name.
    pub adapter: String,
    /// The driver's name and version.
    pub driver: String,
    /// Hash of the text of all kernels: another text may be faster or slower.
    pub kernels: String,
    /// The fastest kernel of each problem.
    pub problems: BTreeMap<String, Tuned>,
    /// Whether its products of matrices are right; `None` if nobody has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrices: Option<Proof>,
    /// The digest of all that, which a file has that was written by [`Tuning::sealed`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

impl Tuning {
    /// The same with its digest.
    #[must_use]
    pub fn sealed(&self) -> Self {
        Self { digest: self.computed(), ..self.clone() }
    }
    /// Whether it is what was sealed; `None` if nobody did.
    pub fn whole(&self) -> Option<bool> {
        (!self.digest.is_empty()).then(|| self.digest == self.computed())
    }
    /// The digest of what is in it, times to a nanosecond: JSON need not give back the last bit of a float.
    fn computed(&self) -> String {
        let Self { adapter, driver, kernels, problems, matrices, digest: _ } = self;
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{matrices:?} ").as_bytes());
        hasher.update(format!("{adapter:?} {driver:?} {kernels:?}").as_bytes());
        for (name, Tuned { kernel, ms, wrong }) in problems {
            hasher.update(format!("{name:?} {kernel:?} {ms:.6?} {wrong:?}").as_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
    /// Whose it is, if that is not `ours`: what differs, what it has there, what ours has.
    pub fn stray<'a>(&'a self, ours: &'a Self) -> Option<(&'static str, &'a str, &'a str)> {
        let pairs = [
            ("adapter", &self.adapter, &ours.adapter),
            ("driver", &self.driver, &ours.driver),
            ("kernels", &self.kernels, &ours.kernels),
        ];
        let mut pairs = pairs.map(|(what, found, ours)| (what, &**found, &**ours)).into_iter();
        pairs.find(|(_, found, ours)| found != ours)
    }
}

impl Gpu {
    /// The kernel that was the fastest at a problem.
    pub fn tuned(&self, problem: &str) -> Option<Tuned> {
        self.0.tuning.borrow().get(problem).cloned()
    }
    /// The kernel that recordings take for a problem: of those that the driver compiles, the fastest that was measured, else
    /// its default, else what is nearest to that.
    pub fn chosen(&self, problem: &Problem) -> Variant {
        let refused = self.0.refused.borrow();
        let compiles = |kernel: &Variant| !refused.contains(&(problem.op().to_owned(), *kernel));
        let kernels: Vec<Variant> = problem.kernels.iter().copied().filter(compiles).collect();
        let tuned = self.tuned(&problem.name).and_then(|tuned| tuned.of(&kernels));
        let by_default = match self.caps().software {
            true => [problem.default, Variant::Subgroup, Variant::Shared],
            false => [problem.default, Variant::Shared, Variant::Subgroup],
        };
        let there = by_default.into_iter().find(|kernel| kernels.contains(kernel));
        tuned.or(there).unwrap_or(problem.kernels[0])
    }
    /// Builds what `f` records. Where the driver refuses a kernel of an op that has another variant, notes that, and lets
    /// `f` record again without it.
    ///
    /// # Errors
    /// Those of `f`, of which an [`Error::Shader`] is of a kernel without which it cannot be.
    pub fn built<T>(&self, f: impl Fn() -> Result<T>) -> Result<T> {
        loop {
            let known = self.0.refused.borrow().len();
            match f() {
                Err(Error::Shader { .. }) if self.0.refused.borrow().len() > known => {}
                built => return built,
            }
        }
    }
    /// From now on no recording takes the variant to which a kernel belongs that the driver refuses. An op's simplest variant
    /// is taken nonetheless: there is none to take its place.
    pub(super) fn refuse(&self, launch: &Launch, why: &Error) {
        let op = launch.source.op();
        let file = launch.source.name.strip_prefix(op).unwrap_or_default();
        // A kernel that every variant launches would be missed by the others too.
        let is_own = OWN.iter().any(|word| file.contains(word));
        let Some(variant) = launch.variant.filter(|v| *v != Variant::Plain && is_own) else {
            return;
        };
        if self.0.refused.borrow_mut().insert((op.to_owned(), variant)) {
            self.note(format!("{why}; {op} goes on without its variant {variant}"));
        }
    }
    /// Recordings from now on take kernels that multiply matrices, or none.
    pub fn trust_matrices(&self, proven: bool) {
        self.0.trusts_matrices.set(proven);
    }
    /// Whether recordings take kernels that multiply matrices.
    pub fn trusts_matrices(&self) -> bool {
        self.0.trusts_matrices.get()
    }
    /// The matrices by which products of f16 are made where nothing else was measured: those that are trusted, on a GPU.
    pub fn multiplies(&self) -> Option<MatrixUnits> {
        let caps = self.caps();
        let taken = self.trusts_matrices() && !caps.software && caps.matrices.f16.is_some();
        taken.then_some(caps.matrices)
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
        let chosen = self.gpu.chosen(&problem);
        self.chosen.replace(Some((problem.op().to_owned(), chosen)));
        self.problems.borrow_mut().entry(problem.name.clone()).or_insert(problem);
        chosen
    }
    /// Takes the problems whose kernels were chosen so far.
    pub fn take_problems(&self) -> BTreeMap<String, Problem> {
        self.problems.take()
    }
}
