//! A recording: launches in order, before anything has run.
//!
//! Operations do not execute; they append launches here. What they write goes into *transients*,
//! tensors whose place is decided only when the whole recording is known ([`super::plan`]).

use super::{
    ADAPTER, Access, Constants, Gpu, Kernel, Params, Variant, kernel::Source, tuning::Problem,
};
use crate::{Error, Result};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// A range of memory that a kernel can be bound to.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Where it lies.
    pub memory: Memory,
    /// Bytes from the start of that memory.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

impl Slice {
    /// Itself in parts of `most` bytes, the last one shorter.
    pub fn parts(&self, most: u64) -> impl Iterator<Item = Slice> {
        let part = move |from: u64| Slice {
            offset: self.offset + from,
            bytes: most.min(self.bytes - from),
            ..self.clone()
        };
        (0..self.bytes).step_by(most as usize).map(part)
    }
}

/// Memory that exists, or memory that a plan will give.
#[derive(Clone, Debug)]
pub enum Memory {
    /// A buffer of the device: weights, momentum, statistics, a batch.
    Buffer(Rc<wgpu::Buffer>),
    /// The n-th transient of the recording in which it was made.
    Transient(usize),
}

/// What a launch costs and how it is shown in a listing.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Floating-point operations, 2 for a multiply-add.
    pub flops: u64,
    /// Trips of loops, those of inner ones counted each, that no thread exceeds: they run one after another, however many threads
    /// the adapter has.
    pub trips: u64,
    /// The shape, as a person would say it.
    pub shape: String,
}

/// One recorded launch.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The kernel's text with its constants filled in.
    pub source: Rc<Source>,
    /// The constants it was filled in with.
    pub constants: Constants,
    /// Names and offsets of the launch parameters.
    pub fields: &'static [(&'static str, usize)],
    /// The launch parameters' bytes.
    pub params: Vec<u8>,
    /// What bindings 0, 1, … are bound to.
    pub slices: Vec<Slice>,
    /// Workgroups in x, y, z.
    pub grid: [u32; 3],
    /// Its cost.
    pub cost: Cost,
    /// The op that it is a part of, for listings.
    pub op: Option<Rc<str>>,
    /// The variant of its op that it belongs to, where there was a choice.
    pub(super) variant: Option<Variant>,
}

/// One recorded command.
#[derive(Clone, Debug)]
pub enum Command {
    /// A kernel's launch.
    Launch(Launch),
    /// A copy between two slices of equal length.
    Copy {
        /// The source.
        from: Slice,
        /// The target.
        to: Slice,
    },
}

impl Command {
    /// Every slice the command touches, and how.
    pub fn slices(&self) -> Vec<(&Slice, Access)> {
        match self {
            Command::Launch(l) => l.slices.iter().zip(l.source.bindings.iter().copied()).collect(),
            Command::Copy { from, to } => vec![(from, Access::Read), (to, Access::Write)],
        }
    }
    /// The kernel's name, and the floating-point operations.
    pub fn name_and_flops(&self) -> (&'static str, u64) {
        match self {
            Command::Launch(launch) => (launch.source.name, launch.cost.flops),
            Command::Copy { .. } => ("copy", 0),
        }
    }
    /// Bytes the command reads and writes if every binding is touched once.
    pub fn bytes(&self) -> u64 {
        self.slices().iter().map(|(s, _)| s.bytes).sum()
    }
}

/// A tensor without a place yet.
#[derive(Clone, Debug)]
pub struct Transient {
    /// Its length.
    pub bytes: u64,
    /// It keeps its value to the end of the recording.
    pub kept: bool,
    /// It was given a place of its own, such as a parameter's gradient in the gradient arena.
    pub placed: Option<Slice>,
}

/// Commands in the order in which they were recorded.
pub struct Recording {
    /// The device the commands are for.
    pub gpu: Gpu,
    /// The variant that ops shall use where they have it.
    pub variant: Option<Variant>,
    op: RefCell<Option<Rc<str>>>,
    pub(super) problems: RefCell<BTreeMap<String, Problem>>,
    /// The op and the variant that were chosen last.
    pub(super) chosen: RefCell<Option<(String, Variant)>>,
    pub(super) state: RefCell<Contents>,
}

#[derive(Default)]
pub(super) struct Contents {
    pub commands: Vec<Command>,
    pub transients: Vec<Transient>,
}

impl Recording {
    /// An empty recording.
    pub fn new(gpu: &Gpu) -> Self {
        Self {
            gpu: gpu.clone(),
            variant: None,
            op: RefCell::default(),
            problems: RefCell::default(),
            chosen: RefCell::default(),
            state: RefCell::default(),
        }
    }
    /// Records with `f` what listings show as one op of this name, as an op of several launches wants; inside
    /// another op it is a part of that.
    pub fn op<T>(&self, name: impl FnOnce() -> String, f: impl FnOnce() -> T) -> T {
        if self.op.borrow().is_some() {
            return f();
        }
        self.op.replace(Some(name().into()));
        let out = f();
        self.op.replace(None);
        out
    }
    /// A new transient of `bytes` bytes.
    pub fn transient(&self, bytes: u64) -> Slice {
        let transients = &mut self.state.borrow_mut().transients;
        transients.push(Transient { bytes, kept: false, placed: None });
        Slice { memory: Memory::Transient(transients.len() - 1), offset: 0, bytes }
    }
    /// Keeps a transient's value to the end, so that it can be read after a run.
    pub fn keep(&self, slice: &Slice) {
        if let Memory::Transient(t) = slice.memory {
            self.state.borrow_mut().transients[t].kept = true;
        }
    }
    /// Gives a transient a place in existing memory: whoever writes it writes there.
    ///
    /// # Panics
    /// If it is no transient, has a place already, or the lengths differ.
    pub fn place(&self, transient: &Slice, at: Slice) {
        let Memory::Transient(t) = transient.memory else { panic!("only transients are placed") };
        let t = &mut self.state.borrow_mut().transients[t];
        assert!(t.placed.is_none() && !t.kept, "a transient is placed once");
        assert_eq!(t.bytes, at.bytes, "a transient is placed in memory of its length");
        t.placed = Some(at);
    }
    /// Whether [`Recording::place`] may be called: a transient, without a place.
    pub fn is_free(&self, slice: &Slice) -> bool {
        match slice.memory {
            Memory::Transient(t) => {
                let t = &self.state.borrow().transients[t];
                t.placed.is_none() && !t.kept
            }
            Memory::Buffer(_) => false,
        }
    }
    /// Appends a launch. `slices` are bound to group 0 in order, `params` travel as immediates.
    ///
    /// # Errors
    /// WGSL that does not parse, or a request beyond the adapter's limits.
    ///
    /// # Panics
    /// If the number of slices is not that of the kernel's bindings.
    pub fn launch<P: Params>(
        &self,
        kernel: &Kernel<P>,
        constants: &[(&'static str, u32)],
        params: P,
        slices: &[&Slice],
        grid: [u32; 3],
        cost: Cost,
    ) -> Result<()> {
        let source = self.gpu.specialise(kernel, constants)?;
        assert_eq!(source.bindings.len(), slices.len(), "{}: bindings", kernel.name);
        let limits = &self.gpu.caps().limits;
        let most = limits.max_storage_buffer_binding_size;
        if let Some(s) = slices.iter().find(|s| s.bytes > most) {
            let expected = format!("at most {} MiB in one binding", most >> 20);
            let found = format!("{} MiB for {} ({})", s.bytes >> 20, kernel.name, cost.shape);
            let mend = "make the batch or the image smaller";
            return Err(Error::memory(ADAPTER, expected, found, mend));
        }
        let most = limits.max_compute_workgroups_per_dimension;
        assert!(grid.iter().all(|g| *g <= most && *g > 0), "{}: grid {grid:?}", kernel.name);
        let chosen = self.chosen.borrow();
        let variant = chosen.as_ref().filter(|(op, _)| op == source.op()).map(|(_, v)| *v);
        self.state.borrow_mut().commands.push(Command::Launch(Launch {
            source,
            constants: constants.to_vec(),
            fields: P::FIELDS,
            params: bytemuck::bytes_of(&params).to_vec(),
            slices: slices.iter().map(|s| (*s).clone()).collect(),
            grid,
            cost,
            op: self.op.borrow().clone(),
            variant,
        }));
        Ok(())
    }
    /// Appends a copy.
    pub fn copy(&self, from: &Slice, to: &Slice) {
        assert_eq!(from.bytes, to.bytes, "a copy keeps its length");
        let command = Command::Copy { from: from.clone(), to: to.clone() };
        self.state.borrow_mut().commands.push(command);
    }
    /// The commands recorded so far.
    pub fn commands(&self) -> Vec<Command> {
        self.state.borrow().commands.clone()
    }
    pub(super) fn into_state(self) -> Contents {
        self.state.into_inner()
    }
}
