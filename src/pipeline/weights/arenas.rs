//! Arenas in files: written, and read back, under torchvision's names.

use super::{File, Unexpected};
use crate::{
    Error, Result,
    models::BACKBONE,
    weights::{
        self,
        checkpoint::{HostTensor, Tensors},
    },
};
use mtpret_engine::{
    error::Place,
    gpu::Gpu,
    tensor::{Arena, Entry, State},
};
use std::path::Path;

/// Adds the tensors of arenas to `tensors`, each name behind `prefix`.
///
/// # Errors
/// The device is lost.
pub fn put<'a>(
    gpu: &Gpu,
    tensors: &mut Tensors,
    prefix: &str,
    arenas: impl IntoIterator<Item = &'a Arena>,
) -> Result<()> {
    for arena in arenas {
        for (entry, values) in arena.read(gpu)? {
            tensors.insert(format!("{prefix}{}", entry.name), host(&entry, values));
        }
    }
    Ok(())
}

/// The tensor of an arena's entry as a file has it.
pub fn host(entry: &Entry, values: Vec<f32>) -> HostTensor {
    HostTensor::f32(entry.file_shape.clone(), values)
}

/// Sets arenas from `tensors`, which were read from `file`, each name behind `prefix`.
///
/// # Errors
/// A tensor is missing or has another shape.
pub fn take<'a>(
    gpu: &Gpu,
    file: &Path,
    tensors: &Tensors,
    prefix: &str,
    arenas: impl IntoIterator<Item = &'a Arena>,
) -> Result<()> {
    for arena in arenas {
        for entry in arena.layout.entries() {
            find(file, tensors, prefix, entry)?;
        }
        arena.write(gpu, |entry| {
            let values = find(file, tensors, prefix, entry);
            let values = values.expect("every name was looked up above");
            values.iter().map(|v| f64::from(*v)).collect()
        });
    }
    Ok(())
}

fn find<'a>(file: &Path, tensors: &'a Tensors, prefix: &str, entry: &Entry) -> Result<&'a [f32]> {
    let name = format!("{prefix}{}", entry.name);
    let tensor = tensors.get(&name).filter(|t| t.shape == entry.file_shape);
    tensor.and_then(HostTensor::as_f32).ok_or_else(|| {
        let found = tensors.get(&name).map_or("none".into(), |t| format!("{:?}", t.shape));
        let expected = format!("f32 of shape {:?}", entry.file_shape);
        Error::weights(Place::from(file).item(name), expected, found, SAME)
    })
}

/// Adds the loss scale and how it went, if the network is under f16.
///
/// # Errors
/// The device is lost.
pub fn put_scale(gpu: &Gpu, tensors: &mut Tensors, state: &State) -> Result<()> {
    if let Some(scale) = &state.loss_scale {
        let numbers = bytemuck::pod_collect_to_vec(&gpu.read(&scale.data)?);
        tensors.insert(SCALE.into(), HostTensor::f32(vec![4], numbers));
    }
    Ok(())
}

/// Sets the loss scale that [`put_scale`] left in `file`, of which these are the tensors.
///
/// # Errors
/// The run was of another precision.
pub fn take_scale(gpu: &Gpu, file: &Path, tensors: &Tensors, state: &State) -> Result<()> {
    let refused = |expected, found, mend| {
        Err(Error::weights(Place::from(file).item(SCALE), expected, found, mend))
    };
    let found = tensors.get(SCALE).and_then(HostTensor::as_f32);
    match (found, &state.loss_scale) {
        (Some(numbers), Some(scale)) if numbers.len() == 4 => {
            gpu.write(&scale.data, bytemuck::cast_slice(numbers));
            Ok(())
        }
        (None, None) => Ok(()),
        (Some(numbers), Some(_)) => {
            refused("4 numbers".to_owned(), numbers.len().to_string(), SAME)
        }
        (found, _) => {
            let [begun, now] = if found.is_some() { ["f16", "f32"] } else { ["f32", "f16"] };
            let expected = format!("the precision {begun}, with which the run was begun");
            refused(expected, now.to_owned(), "resume it with the same")
        }
    }
}

/// The mend of tensors that are not those of the run.
const SAME: &str = "use a file that this very configuration wrote";

/// Name of the loss scale in checkpoints.
const SCALE: &str = "loss_scale";

/// Reads a network's weights and statistics, as torchvision would save them.
///
/// # Errors
/// The device is lost.
pub fn network(gpu: &Gpu, state: &State) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    put(gpu, &mut tensors, "", state.arenas())?;
    Ok(tensors)
}

/// Sets a whole network from a file of weights, which must have its tensors and no others.
///
/// # Errors
/// A tensor is missing, of another shape or one too many.
pub fn load(gpu: &Gpu, state: &State, file: &File) -> Result<()> {
    let found = file.matched(&state.shapes(), Unexpected::Refuse)?;
    take(gpu, &file.path, &found, "", state.arenas())
}

/// Sets a head from what stage 2 left of it in a file, whose names begin with `scope`.
///
/// # Errors
/// The file cannot be read, holds no head of this scope, or one of another shape.
pub fn load_head(gpu: &Gpu, state: &State, part: usize, path: &Path, scope: &str) -> Result<()> {
    let entries = state.arenas().into_iter().flat_map(|arena| arena.layout.entries());
    let head = entries.filter(|entry| entry.group.part == part);
    let expected: Vec<_> =
        head.map(|entry| (format!("{scope}{}", entry.name), entry.file_shape.clone())).collect();
    let file = weights::open(path)?;
    let found = file.matched(&expected, Unexpected::Drop)?;
    let mut tensors = network(gpu, state)?;
    let bare = |(name, tensor): (String, HostTensor)| (name[scope.len()..].to_owned(), tensor);
    tensors.extend(found.into_iter().map(bare));
    take(gpu, path, &tensors, "", state.arenas())
}

/// Sets a network's backbone from a file of weights, whatever heads the file has.
///
/// # Errors
/// The file cannot be read, or a tensor is missing or has another shape.
pub fn load_backbone(gpu: &Gpu, state: &State, path: &Path) -> Result<()> {
    let entries = state.arenas().into_iter().flat_map(|arena| arena.layout.entries());
    let backbone = entries.filter(|e| e.group.part == BACKBONE);
    let expected: Vec<_> = backbone.map(|e| (e.name.clone(), e.file_shape.clone())).collect();
    let file = weights::open(path)?;
    let found = file.matched(&expected, Unexpected::Drop)?;
    let mut tensors = network(gpu, state)?;
    tensors.extend(found);
    take(gpu, &file.path, &tensors, "", state.arenas())
}
