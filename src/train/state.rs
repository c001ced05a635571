//! Arenas to files and back, under torchvision's names.

use super::{
    checkpoint::{HostTensor, Tensors},
    weights::{self, Unexpected},
};
use crate::{
    Error, Result,
    gpu::Gpu,
    tensor::{Arena, Entry, Group, State},
};
use std::path::Path;

/// Adds an arena's tensors to `tensors`, each name behind `prefix`.
///
/// # Errors
/// The device is lost.
pub fn put(gpu: &Gpu, tensors: &mut Tensors, prefix: &str, arena: &Arena) -> Result<()> {
    for (entry, values) in arena.read(gpu)? {
        let tensor = HostTensor::f32(entry.file_shape.clone(), values);
        tensors.insert(format!("{prefix}{}", entry.name), tensor);
    }
    Ok(())
}

/// Sets an arena from `tensors`, each name behind `prefix`.
///
/// # Errors
/// A tensor is missing or has another shape.
pub fn take(gpu: &Gpu, tensors: &Tensors, prefix: &str, arena: &Arena) -> Result<()> {
    for entry in arena.layout.entries() {
        find(tensors, prefix, entry)?;
    }
    arena.write(gpu, |entry| {
        let values = find(tensors, prefix, entry).expect("every name was looked up above");
        values.iter().map(|v| f64::from(*v)).collect()
    });
    Ok(())
}

fn find<'a>(tensors: &'a Tensors, prefix: &str, entry: &Entry) -> Result<&'a [f32]> {
    let name = format!("{prefix}{}", entry.name);
    let tensor = tensors.get(&name).filter(|t| t.shape == entry.file_shape);
    tensor.and_then(HostTensor::as_f32).ok_or_else(|| {
        let found = tensors.get(&name).map_or("none".into(), |t| format!("{:?}", t.shape));
        let problem = format!("expected f32 of shape {:?}, found {found}", entry.file_shape);
        Error::weights(name, problem, "use a file that this very configuration wrote")
    })
}

/// A network's weights and statistics, as torchvision would save them.
///
/// # Errors
/// The device is lost.
pub fn network(gpu: &Gpu, state: &State) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    put(gpu, &mut tensors, "", &state.weights)?;
    put(gpu, &mut tensors, "", &state.statistics)?;
    Ok(tensors)
}

/// Sets a network, or with `backbone_only` all of it but its heads, from a file of weights.
///
/// # Errors
/// The file cannot be read, or a tensor is missing or has another shape.
pub fn load(gpu: &Gpu, state: &State, path: &Path, backbone_only: bool) -> Result<()> {
    let wanted = |e: &Entry| !backbone_only || matches!(e.group, Group::Weights | Group::Vectors);
    let entries = || state.weights.layout.entries().chain(state.statistics.layout.entries());
    let expected: Vec<_> =
        entries().filter(|e| wanted(e)).map(|e| (e.name.clone(), e.file_shape.clone())).collect();
    let found = weights::matched(path, weights::load(path)?, &expected, Unexpected::Drop)?;
    let mut tensors = network(gpu, state)?;
    tensors.extend(found);
    take(gpu, &tensors, "", &state.weights)?;
    take(gpu, &tensors, "", &state.statistics)
}
