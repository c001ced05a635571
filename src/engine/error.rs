//! The one error type. Every message names the place, what was expected and what was found,
//! and one way to mend it.

use std::path::{Path, PathBuf};

/// What can go wrong through a file, a configuration, a request or a machine.
///
/// A fault that only this crate's own code can cause is a panic instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Tensors that do not fit an operation or one another.
    #[error("{op}: {problem}")]
    Shape {
        /// The operation, as it is called in `shaders/`.
        op: String,
        /// Both sides of the mismatch.
        problem: String,
    },
    /// No adapter, or one that lacks what a run needs.
    #[error("adapter: {0}")]
    Adapter(String),
    /// A kernel that does not compile on the adapter.
    #[error("kernel {kernel}: {problem}")]
    Shader {
        /// Path below `shaders/`, without `.wgsl`.
        kernel: String,
        /// What the compiler said.
        problem: String,
    },
    /// A configuration key or command-line value.
    #[error("{place}: {problem}; {remedy}")]
    Config {
        /// File, line and key.
        place: String,
        /// What was expected and what was found.
        problem: String,
        /// One way to mend it.
        remedy: String,
    },
    /// A table, a folder or an image that cannot be used.
    #[error("{place}: {problem}; {remedy}")]
    Data {
        /// File, and line where there is one.
        place: String,
        /// What was expected and what was found.
        problem: String,
        /// One way to mend it.
        remedy: String,
    },
    /// Weights or a checkpoint that do not fit.
    #[error("{place}: {problem}; {remedy}")]
    Weights {
        /// File and tensor.
        place: String,
        /// What was expected and what was found.
        problem: String,
        /// One way to mend it.
        remedy: String,
    },
    /// A request to an external runner that is malformed or asks for what does not exist (exit code 2).
    #[error("{place}: {problem}")]
    Request {
        /// File and key.
        place: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// A loss that is not finite.
    #[error("step {step}: {problem}; {remedy}")]
    Diverged {
        /// The step of the stage, from 0.
        step: u64,
        /// The loss and the batch that gave it.
        problem: String,
        /// What is saved, and one way to go on.
        remedy: String,
    },
    /// The person pressed Ctrl-C; the run is saved (exit code 130).
    #[error("interrupted; the run is saved, go on with --resume {}", .0.display())]
    Interrupted(PathBuf),
    /// The operating system refused to read or write.
    #[error("{}: {source}; {remedy}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// One way to mend it.
        remedy: String,
    },
}

/// `std::result::Result` with [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Tensors that do not fit `op`.
    pub fn shape(op: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Shape { op: op.into(), problem: problem.into() }
    }
    /// A configuration fault at `place`.
    pub fn config(
        place: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Config { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }
    /// A data fault at `place`.
    pub fn data(
        place: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Data { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }
    /// A fault of weights or a checkpoint at `place`.
    pub fn weights(
        place: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Weights { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }
    /// A malformed request at `place`.
    pub fn request(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Request { place: place.into(), problem: problem.into() }
    }
    /// An answer of the operating system about `path`.
    pub fn io(path: &Path, source: std::io::Error, remedy: impl Into<String>) -> Self {
        Self::Io { path: path.into(), source, remedy: remedy.into() }
    }
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Request { .. } => 2,
            Self::Interrupted(_) => 130,
            _ => 1,
        }
    }
}

/// The known word that is most like `word`, for an error that offers it.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(&word.to_lowercase(), &known.to_lowercase());
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// A remedy that names the known word nearest to `name`.
pub fn did_you_mean<S: AsRef<str>>(name: &str, known: &[S]) -> String {
    match nearest(name, known.iter().map(S::as_ref)) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "the file holds nothing".into(),
    }
}
