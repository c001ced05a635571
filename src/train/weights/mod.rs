//! Weights of a network under torchvision's names, from whatever file holds them.

use super::checkpoint::{self, HostTensor, Metadata, Tensors, fit};
use crate::{Error, Result};
use pytorch_reader::{DType, PytorchError, PytorchReader};
use safetensors::Dtype;
use std::io::{ErrorKind, Read};
use std::{collections::BTreeSet, fs::File, path::Path};

/// The name of the finished weights in a run folder.
pub const FILE: &str = "weights.safetensors";

/// What training scripts nest and wrap weights in, outermost first. Of a MoCo checkpoint the
/// query encoder is the network; the key encoder and the queue stay behind.
const WRAPPERS: [&str; 5] = ["state_dict.", "model_state_dict.", "model.", "module.", "encoder_q."];

/// The counter of batch norm, which old files lack.
const COUNTER: &str = "num_batches_tracked";

/// What becomes of tensors that the network does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// They are an error, as by `load_state_dict(strict=True)`.
    Refuse,
    /// They are left out.
    Drop,
}

/// Reads weights from a safetensors file, from a `.pth` of any PyTorch, or from a run folder (its
/// [`FILE`], else its [`checkpoint::FILE`]). Floats become f32; nests and prefixes of
/// training scripts (`state_dict`, `module.`, `encoder_q.`) are taken off. No code that a
/// `.pth` names is run.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read; [`Error::Weights`] for one that is cut short,
/// damaged, of another kind, or without a tensor.
pub fn load(path: &Path) -> Result<Tensors> {
    if path.is_dir() {
        let finished = path.join(FILE);
        let file = if finished.exists() { finished } else { path.join(checkpoint::FILE) };
        return load_file(&file);
    }
    load_file(path)
}

fn load_file(path: &Path) -> Result<Tensors> {
    let mut start = [0; 9];
    let known = File::open(path).and_then(|mut file| match file.read_exact(&mut start) {
        Err(fault) if fault.kind() != ErrorKind::UnexpectedEof => Err(fault),
        // A safetensors file opens with the length of its header, then the header's brace.
        whole => Ok((whole.is_ok() && start[8] == b'{') || is_safetensors(path)),
    });
    let safetensors = known.map_err(|fault| {
        Error::io(path, fault, "name a .safetensors file, a .pth file or a run folder")
    })?;
    let mut tensors =
        if safetensors { checkpoint::read(path, None)?.0 } else { read_pickle(path)? };
    for wrapper in WRAPPERS {
        tensors = unwrap(tensors, wrapper);
    }
    tensors = tensors.into_iter().map(|(name, tensor)| (renamed(name), tensor)).collect();
    if tensors.is_empty() {
        let problem = "expected weights, found no tensor";
        let remedy = "save the network's state_dict() there";
        return Err(Error::weights(path.display().to_string(), problem, remedy));
    }
    Ok(tensors)
}

/// The name that torchvision gives today to a detector's tensor: until 0.13 the convolutions of the
/// feature pyramid and of the proposal head were not yet in blocks.
fn renamed(name: String) -> String {
    let Some((at, last)) = name.rsplit_once('.') else { return name };
    let block = |at: &str| {
        let (list, number) = at.rsplit_once('.')?;
        let list = list.rsplit('.').next()?;
        let numbered = number.bytes().all(|byte| byte.is_ascii_digit());
        (["inner_blocks", "layer_blocks"].contains(&list) && numbered).then_some("0")
    };
    match block(at).or_else(|| at.ends_with("rpn.head.conv").then_some("0.0")) {
        Some(inside) => format!("{at}.{inside}.{last}"),
        None => name,
    }
}

fn is_safetensors(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
}

/// The tensors below `prefix` without it, or all if none is.
fn unwrap(tensors: Tensors, prefix: &str) -> Tensors {
    if !tensors.keys().any(|name| name.starts_with(prefix)) {
        return tensors;
    }
    let inner = |(name, tensor): (String, _)| Some((name.strip_prefix(prefix)?.into(), tensor));
    tensors.into_iter().filter_map(inner).collect()
}

fn read_pickle(path: &Path) -> Result<Tensors> {
    let remedy = "download it again, or save the network's state_dict() with torch.save";
    let reader = PytorchReader::new(path).map_err(|fault| match fault {
        PytorchError::Io(fault) if fault.raw_os_error().is_some() => {
            Error::io(path, fault, "name a readable file")
        }
        fault => {
            let problem = format!("expected weights saved by PyTorch, found that {fault}");
            Error::weights(path.display().to_string(), problem, remedy)
        }
    })?;
    let read = |(name, tensor): (String, pytorch_reader::Tensor)| {
        let place = format!("{}: {name}", path.display());
        let bytes = tensor.read().map_err(|fault| {
            let problem = format!("expected {} bytes, found that {fault}", tensor.byte_len());
            Error::weights(&place, problem, remedy)
        })?;
        let dtype = dtype(tensor.dtype());
        let decoded = HostTensor::decode(dtype, tensor.shape().to_vec(), &bytes);
        let decoded = decoded.ok_or_else(|| {
            let problem = format!("expected floats, integers or bool, found {dtype:?}");
            Error::weights(place, problem, "convert the tensor to float before saving it")
        })?;
        Ok((name, decoded))
    };
    reader.into_tensors().into_iter().map(read).collect()
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

/// The `expected` tensors out of those that [`load`] read from `path`; below `backbone.body.`
/// (Faster R-CNN) or `backbone.` (DeepLabV3) if the file has them there. `num_batches_tracked` may be missing, and is then missing in the result.
///
/// # Errors
/// [`Error::Weights`] for the first tensor that is missing (the nearest name is given), of
/// another shape, not of floats, or, if `unexpected` says so, not expected.
pub fn matched(
    path: &Path,
    mut tensors: Tensors,
    expected: &[(String, Vec<usize>)],
    unexpected: Unexpected,
) -> Result<Tensors> {
    if !expected.iter().any(|(name, _)| tensors.contains_key(name)) {
        tensors = unwrap(unwrap(tensors, "backbone.body."), "backbone.");
    }
    // A counter on one side only is no misfit.
    let counter = |name: &str| name.ends_with(COUNTER);
    let expected: Vec<_> = expected
        .iter()
        .filter(|(name, _)| tensors.contains_key(name) || !counter(name))
        .cloned()
        .collect();
    let names: BTreeSet<_> = expected.iter().map(|(name, _)| name.as_str()).collect();
    tensors.retain(|name, _| names.contains(name.as_str()) || !counter(name));
    let found = tensors.iter().map(|(name, tensor)| (name.as_str(), &tensor.shape[..])).collect();
    fit(path, &found, &expected, unexpected == Unexpected::Refuse)?;
    tensors.retain(|name, _| names.contains(name.as_str()));
    for (name, tensor) in &tensors {
        if tensor.as_f32().is_none() && !name.ends_with(COUNTER) {
            let place = format!("{}: {name}", path.display());
            let remedy = "convert the tensor to float before saving it";
            return Err(Error::weights(place, "expected floats, found integers", remedy));
        }
    }
    Ok(tensors)
}

/// Writes `tensors` and `metadata` to a safetensors file that torchvision's `load_state_dict(strict=True)` takes:
/// every running mean gets the `num_batches_tracked` (0) beside it that it may lack.
///
/// # Errors
/// Those of [`checkpoint::write`].
pub fn save(path: &Path, mut tensors: Tensors, mut metadata: Metadata) -> Result<()> {
    let norms: Vec<_> = tensors
        .keys()
        .filter_map(|name| name.strip_suffix("running_mean"))
        .map(str::to_owned)
        .collect();
    for norm in norms {
        let counter = tensors.entry(norm + COUNTER);
        counter.or_insert_with(|| HostTensor::i64([], vec![0]));
    }
    metadata.insert("format".into(), "pt".into());
    checkpoint::write(path, &tensors, &metadata)
}
