//! The one error type. Every message names the place, or the operation and its tensors, what was expected there and what was
//! found; a [`Fault`] also one way to mend it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Error of a file, a configuration, a request or a machine.
///
/// A fault that only this crate's own code can cause is a panic instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration key or an option that cannot be as it is.
    #[error("{0}")]
    Config(Box<Fault>),
    /// A table, a folder or an image that cannot be used.
    #[error("{0}")]
    Data(Box<Fault>),
    /// A run that would go on with other settings, data or another machine than it began with.
    #[error("{0}")]
    Changed(Box<Fault>),
    /// Weights or a checkpoint that do not fit.
    #[error("{0}")]
    Weights(Box<Fault>),
    /// A request to an external runner that is malformed or asks for what does not exist.
    #[error("{0}")]
    Request(Box<Fault>),
    /// No adapter, one that lacks what a run needs, or one that stopped answering.
    #[error("{0}")]
    Adapter(Box<Fault>),
    /// The device was lost while it worked: the driver was reset, the GPU was taken away. Opened again it may go on.
    #[error("{0}")]
    Lost(Box<Fault>),
    /// More memory than the adapter has, allows or binds at once: a smaller batch or image may fit.
    #[error("{0}")]
    Memory(Box<Fault>),
    /// Tensors that do not fit an operation or one another.
    #[error("{op}: expected {expected}, found {found}")]
    Shape {
        /// The operation, as it is called in `shaders/`.
        op: String,
        /// Description of what it takes.
        expected: String,
        /// Description of what it was given.
        found: String,
    },
    /// A kernel that does not compile on the adapter.
    #[error("kernel {kernel}: {problem}")]
    Shader {
        /// Path below `shaders/`, without `.wgsl`.
        kernel: String,
        /// Message of the compiler.
        problem: String,
    },
    /// A loss that is not finite.
    #[error("step {step}: {problem}; {mend}")]
    Diverged {
        /// Number of the step in its stage, from 0.
        step: u64,
        /// The loss and the batch that gave it.
        problem: String,
        /// Files that are saved, and one way to go on.
        mend: String,
    },
    /// The person asked to stop; the run is saved in this folder.
    #[error("interrupted; the run is saved in {}", .0.display())]
    Interrupted(PathBuf),
    /// The operating system refused to read or write.
    #[error("{}: {source}; {mend}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
        /// One way to mend it.
        mend: String,
    },
}

/// `std::result::Result` with [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something that is not as it must be; reads `{place}: expected {expected}, found {found}; {mend}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Place of the fault.
    pub place: Place,
    /// Description of what was expected there.
    pub expected: String,
    /// Description of what was found.
    pub found: String,
    /// One way to mend it.
    pub mend: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, expected, found, mend } = self;
        write!(f, "{place}: expected {expected}, found {found}; {mend}")
    }
}

/// Place of a fault; reads `file:line: item`, without what is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file or folder.
    pub file: Option<PathBuf>,
    /// The line in the file, from 1.
    pub line: Option<u64>,
    /// The key, column, entry or tensor in the file.
    pub item: Option<String>,
}

impl Place {
    /// This place at a line of the file, from 1.
    #[must_use]
    pub fn line(self, line: u64) -> Self {
        Self { line: Some(line), ..self }
    }
    /// This place at a key, column, entry or tensor of the file.
    #[must_use]
    pub fn item(self, item: impl Into<String>) -> Self {
        Self { item: Some(item.into()), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match (&self.item, &self.file) {
            (Some(item), Some(_)) => write!(f, ": {item}"),
            (Some(item), None) => write!(f, "{item}"),
            (None, _) => Ok(()),
        }
    }
}

impl From<&Path> for Place {
    fn from(file: &Path) -> Self {
        Self { file: Some(file.into()), ..Self::default() }
    }
}

impl From<&PathBuf> for Place {
    fn from(file: &PathBuf) -> Self {
        file.as_path().into()
    }
}

impl From<&str> for Place {
    fn from(item: &str) -> Self {
        Self::default().item(item)
    }
}

impl From<String> for Place {
    fn from(item: String) -> Self {
        Self::default().item(item)
    }
}

impl From<&Self> for Place {
    fn from(place: &Self) -> Self {
        place.clone()
    }
}

/// Defines one constructor for each kind of fault.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => $variant:ident),* $(,)?) => {
        $($(#[$doc])*
        pub fn $name(
            place: impl Into<Place>,
            expected: impl Into<String>,
            found: impl Into<String>,
            mend: impl Into<String>,
        ) -> Self {
            let (place, expected) = (place.into(), expected.into());
            let (found, mend) = (found.into(), mend.into());
            Self::$variant(Box::new(Fault { place, expected, found, mend }))
        })*
    };
}

impl Error {
    faults! {
        /// A configuration fault at `place`.
        config => Config,
        /// A data fault at `place`.
        data => Data,
        /// A fault of weights or a checkpoint at `place`.
        weights => Weights,
        /// A malformed request at `place`.
        request => Request,
        /// A fault of the adapter or its driver.
        adapter => Adapter,
        /// A device that was lost.
        lost => Lost,
        /// Too little memory, or too small a binding, at `place`.
        memory => Memory,
    }

    /// An error of tensors that do not fit `op`.
    pub fn shape(
        op: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Shape { op: op.into(), expected: expected.into(), found: found.into() }
    }
    /// An error of the operating system about `path`.
    pub fn io(path: &Path, source: std::io::Error, mend: impl Into<String>) -> Self {
        Self::Io { path: path.into(), source, mend: mend.into() }
    }
    /// The parts of this error, where it is a fault with parts.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Config(fault)
            | Self::Data(fault)
            | Self::Changed(fault)
            | Self::Weights(fault)
            | Self::Request(fault)
            | Self::Adapter(fault)
            | Self::Lost(fault)
            | Self::Memory(fault) => Some(fault),
            _ => None,
        }
    }
}

/// The known word that is most like `word`, for an error that offers it.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(&word.to_lowercase(), &known.to_lowercase());
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// A mend that names the known word nearest to `name`.
pub fn did_you_mean<S: AsRef<str>>(name: &str, known: &[S]) -> String {
    match nearest(name, known.iter().map(S::as_ref)) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "the file holds nothing".into(),
    }
}
