//! Commands on networks as files: bundle, export, convert, inspect.

pub mod bundle;
pub mod convert;
pub mod export;
pub mod inspect;

use mtpret_pipeline::weights;
use std::path::Path;

/// What is said of a safetensors file of another program.
const UNCHECKED: &str =
    "no checksum: another program wrote the file, and whether its numbers are whole cannot be told";

/// Says of the weights that a stage begins from whether nobody can tell if they are whole; what else is wrong with them the stage
/// says.
pub fn doubt(weights: Option<&Path>) {
    if let Some(path) = weights
        && weights::open(path).is_ok_and(|file| file.unchecked)
    {
        eprintln!("{}: {UNCHECKED}", path.display());
    }
}
