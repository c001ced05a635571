//! Commands on networks as files: bundle, export, convert, inspect.

pub mod bundle;
pub mod convert;
pub mod export;
pub mod inspect;
