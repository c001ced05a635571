//! Weights of a network under torchvision's names, from whatever file holds them.

pub mod arenas;
pub mod checkpoint;
mod difference;
mod names;
mod pytorch;
pub mod stem;
mod tensor;

pub use difference::{Difference, NetworkFit};

use crate::{
    Error, Result,
    models::catalogue::{AUX, Architecture, COUNTER, Shapes},
};
use checkpoint::{DAMAGED, HostTensor, Infos, Metadata, Tensors, fit};
use mtpret_engine::error::Place;
use safetensors::Dtype;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

/// The name of the finished weights in a run folder.
pub const FILE: &str = "weights.safetensors";

/// The metadata key that makes a safetensors file a bundle (`export::bundle`).
pub const BUNDLE: &str = "bundle";

/// Whether the file at `path` is a bundle.
pub fn is_bundle(path: &Path) -> bool {
    path.is_file() && checkpoint::metadata(path).is_ok_and(|metadata| metadata.contains_key(BUNDLE))
}

/// The file of a fine-tuned network's weights, by its run folder or bundle.
pub fn of(path: &Path) -> PathBuf {
    if path.is_file() { path.into() } else { path.join(FILE) }
}

/// Reads the `expected` tensors of a network by its weights or its bundle, which has no others.
///
/// # Errors
/// A tensor is missing, of another shape or beyond a bundle's, which is told before any is read; or the file is damaged.
pub fn tensors(path: &Path, expected: &[(String, Vec<usize>)]) -> Result<Tensors> {
    let unexpected = if is_bundle(path) { Unexpected::Refuse } else { Unexpected::Drop };
    open(path)?.matched(expected, unexpected)
}

/// Treatment of tensors that the network does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// Refusal: they are an error, as by `load_state_dict(strict=True)`.
    Refuse,
    /// Removal: they are left out.
    Drop,
}

/// A tensor of a file, not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Name of the tensor in the file.
    pub in_file: String,
    /// The type of its elements there.
    pub dtype: Dtype,
    /// Shape of the tensor.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Count of the tensor's numbers.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
    /// Bytes of the tensor in the file.
    pub fn bytes(&self) -> usize {
        self.count() * self.dtype.bitsize() / 8
    }
}

/// A file of weights: what it holds is known, and no tensor is read yet.
pub struct File {
    /// Path of the file; of a run folder the file in it.
    pub path: PathBuf,
    /// Wrapper of the names of the network's tensors in the file: `state_dict.module.`, or nothing.
    pub wrapper: String,
    /// The network's tensors by name, without the wrapper.
    pub tensors: BTreeMap<String, TensorInfo>,
    /// Tensors that lie outside of the wrapper: key encoders, queues, optimisers.
    pub others: Vec<TensorInfo>,
    /// Metadata that travels with the tensors.
    pub metadata: Metadata,
    /// Whether it is another program's safetensors file, which has no checksum: nobody can tell whether its
    /// numbers are whole.
    pub unchecked: bool,
    source: Storage,
}

/// Storage that the elements come from.
enum Storage {
    Safetensors,
    Pytorch(HashMap<String, pytorch_reader::Tensor>),
}

/// Opens weights: a safetensors file, a `.pth` of any PyTorch, or a run folder (its [`FILE`], else its
/// [`checkpoint::FILE`]). Nests and prefixes of training scripts (`state_dict`, `module.`, `encoder_q.`) are taken
/// off. No code that a `.pth` names is run.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read; [`Error::Weights`] for one that is cut short,
/// damaged, of another kind, or without a tensor.
pub fn open(path: &Path) -> Result<File> {
    let (mut path, run) = (path.to_owned(), path.is_dir());
    if run {
        let finished = path.join(FILE);
        path = if finished.exists() { finished } else { path.join(checkpoint::FILE) };
    }
    let mut unchecked = false;
    let (source, mut entries, metadata) = if is_safetensors(&path)? {
        let Infos { tensors, metadata, checksum } = checkpoint::infos(&path)?;
        unchecked = !checksum;
        let entry = |(name, info): (String, safetensors::tensor::TensorInfo)| {
            (name.clone(), TensorInfo { in_file: name, dtype: info.dtype, shape: info.shape })
        };
        (Storage::Safetensors, tensors.into_iter().map(entry).collect(), metadata)
    } else {
        let tensors = pytorch::open(&path)?;
        let entry = |(name, tensor): (&String, &pytorch_reader::Tensor)| {
            let (dtype, shape) = (pytorch::dtype(tensor.dtype()), tensor.shape().to_vec());
            (name.clone(), TensorInfo { in_file: name.clone(), dtype, shape })
        };
        let entries: BTreeMap<_, _> = tensors.iter().map(entry).collect();
        (Storage::Pytorch(tensors), entries, Metadata::new())
    };
    if run && unchecked {
        // A file in a run's folder was written by a run, which leaves no checksum out.
        return Err(Error::weights(&path, "a checksum in the metadata", "none", DAMAGED));
    }
    if entries.is_empty() {
        let mend = "save the network's state_dict() there";
        return Err(Error::weights(&path, "weights", "no tensor", mend));
    }
    let unwrapped = names::unwrapped(entries.keys().cloned());
    let mut take = |name: String| entries.remove(&name).expect("a name of the file");
    let inner = unwrapped.inner.into_iter();
    Ok(File {
        path,
        wrapper: unwrapped.wrapper,
        tensors: inner.map(|(name, in_file)| (name, take(in_file))).collect(),
        others: unwrapped.outer.into_iter().map(take).collect(),
        metadata,
        unchecked,
        source,
    })
}

fn is_safetensors(path: &Path) -> Result<bool> {
    let named = path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("safetensors"));
    let mut start = [0; 9];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    match read {
        // A safetensors file opens with the length of its header, then the header's brace.
        Ok(()) => Ok(named || start[8] == b'{'),
        Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => Ok(named),
        Err(fault) => {
            Err(Error::io(path, fault, "name a .safetensors file, a .pth file or a run folder"))
        }
    }
}

impl File {
    /// Number of outputs of a network's last layer in this file, classes with the background for
    /// boxes.
    pub fn outputs(&self, of: Architecture) -> Option<usize> {
        self.tensors.get(of.kind.last())?.shape.first().copied().filter(|n| *n > 0)
    }
    /// Names and shapes of all tensors of a network, with as many outputs and the auxiliary head if the file has them;
    /// torchvision's own numbers where the file has none.
    pub fn wanted(&self, of: Architecture) -> Shapes {
        let outputs = self.outputs(of).unwrap_or(of.kind.outputs());
        of.shapes(outputs, self.tensors.contains_key(AUX))
    }
    /// Reads all tensors of the network, floats as f32.
    ///
    /// # Errors
    /// [`Error::Weights`] for elements that are cut short, damaged or of a type that no weights have.
    pub fn read(&self) -> Result<Tensors> {
        self.read_some(self.tensors.keys().map(|name| (name.clone(), name.as_str())).collect())
    }
    /// Reads the `expected` tensors, wherever a backbone lies in the file: below `backbone.body.` (Faster R-CNN),
    /// `backbone.` (DeepLabV3) or `encoder.`, its children named or numbered. A stem over one channel is made one over
    /// three ([`stem::over`]). `num_batches_tracked` may be missing, and is then missing in the result. Names, shapes
    /// and types are checked before memory is taken for any tensor.
    ///
    /// # Errors
    /// [`Error::Weights`] for the first tensor that is missing (the nearest name is given), of
    /// another shape, not of floats, not finite, or, if `unexpected` says so, not expected.
    pub fn matched(
        &self,
        expected: &[(String, Vec<usize>)],
        unexpected: Unexpected,
    ) -> Result<Tensors> {
        let places = self.placed(expected, unexpected)?;
        let tensors = self.read_some(places)?;
        finite(&self.path, &tensors)?;
        bearable(&self.path, &tensors)?;
        Ok(widened(tensors, expected))
    }
    /// Places of the expected tensors: their names, and those of [`File::tensors`].
    fn placed(
        &self,
        expected: &[(String, Vec<usize>)],
        unexpected: Unexpected,
    ) -> Result<BTreeMap<String, &str>> {
        let mut seen = self.seen(expected);
        // A counter on one side only is no misfit.
        let counter = |name: &str| name.ends_with(COUNTER);
        let expected: Vec<_> = expected
            .iter()
            .filter(|(name, _)| seen.contains_key(name) || !counter(name))
            .cloned()
            .collect();
        let names: BTreeSet<_> = expected.iter().map(|(name, _)| name.as_str()).collect();
        seen.retain(|name, _| names.contains(name.as_str()) || !counter(name));
        let shapes = seen.iter().map(|(name, (_, shape))| (name.as_str(), &shape[..])).collect();
        fit(&self.path, &shapes, &expected, unexpected == Unexpected::Refuse)?;
        seen.retain(|name, _| names.contains(name.as_str()));
        for (name, (in_file, _)) in seen.iter().filter(|(name, _)| !counter(name)) {
            let dtype = self.tensors[*in_file].dtype;
            if !matches!(dtype, Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::BF16) {
                let place = Place::from(&self.path).item(name);
                let mend = "convert the tensor to float before saving it";
                return Err(Error::weights(place, "floats", format!("{dtype:?}"), mend));
            }
        }
        Ok(seen.into_iter().map(|(name, (in_file, _))| (name, in_file)).collect())
    }
    /// The tensors as a network calls them that has the `expected`: their names in [`File::tensors`], and shapes with a
    /// stem over three channels where three are expected.
    fn seen(&self, expected: &[(String, Vec<usize>)]) -> BTreeMap<String, (&str, Vec<usize>)> {
        let wanted: HashMap<_, _> =
            expected.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
        let found = self.tensors.keys().map(String::as_str);
        let shape = |here: &str, shape: &[usize]| match (wanted.get(here), shape) {
            (Some(&&[_, 3, _, _]), &[k, 1, r, s]) if stem::is(here, shape) => vec![k, 3, r, s],
            _ => shape.to_vec(),
        };
        let names = names::seen(found, |name| wanted.contains_key(name)).into_iter();
        let placed = names.map(|(here, name)| {
            let shape = shape(&here, &self.tensors[name].shape);
            (here, (name, shape))
        });
        placed.collect()
    }
    /// Difference between the network's tensors and the `expected`, after all that [`File::matched`] does.
    pub fn difference(&self, expected: &[(String, Vec<usize>)]) -> Difference {
        let found = self.seen(expected);
        let wanted: BTreeMap<_, _> = expected.iter().map(|(name, shape)| (name, shape)).collect();
        let absent = |name: &str| !found.contains_key(name) && !name.ends_with(COUNTER);
        let strange = |name: &String| !wanted.contains_key(name) && !name.ends_with(COUNTER);
        let missing = expected.iter().filter(|(name, _)| absent(name)).cloned();
        let unexpected = found.iter().filter(|(name, _)| strange(name));
        let misshapen = wanted.iter().filter_map(|(name, wanted)| {
            let (_, shape) = found.get(*name)?;
            (shape != *wanted).then(|| ((*name).clone(), (*wanted).clone(), shape.clone()))
        });
        Difference {
            missing: missing.collect(),
            unexpected: unexpected
                .map(|(name, (_, shape))| (name.clone(), shape.clone()))
                .collect(),
            misshapen: misshapen.collect(),
        }
    }
    /// Compares the file with a network, whole and as its backbone.
    pub fn fit(&self, of: Architecture) -> NetworkFit {
        let backbone = self.difference(&of.backbone());
        NetworkFit {
            whole: self.difference(&self.wanted(of)),
            backbone: backbone.missing.is_empty() && backbone.misshapen.is_empty(),
            outputs: self.outputs(of),
        }
    }
    /// Whether its stem reads one channel, of which [`stem::over`] makes three.
    pub fn is_grey(&self) -> bool {
        self.tensors.iter().any(|(name, entry)| stem::is(name, &entry.shape) && entry.shape[1] == 1)
    }
    /// Reads tensors under other names: the new ones, and those of [`File::tensors`].
    fn read_some(&self, places: BTreeMap<String, &str>) -> Result<Tensors> {
        let of_file = |name: &str| self.tensors[name].in_file.as_str();
        match &self.source {
            Storage::Safetensors => {
                let wanted: HashMap<_, _> =
                    places.into_iter().map(|(here, name)| (of_file(name), here)).collect();
                let read = checkpoint::read_some(&self.path, |name| wanted.contains_key(name))?;
                let named = |(name, tensor): (String, _)| (wanted[name.as_str()].clone(), tensor);
                Ok(read.into_iter().map(named).collect())
            }
            Storage::Pytorch(tensors) => {
                let read = |name: &str| pytorch::read(&self.path, &tensors[of_file(name)]);
                places.into_iter().map(|(here, name)| Ok((here, read(name)?))).collect()
            }
        }
    }
}

/// The tensors with a stem of one channel made one of three where three are expected.
fn widened(mut tensors: Tensors, expected: &[(String, Vec<usize>)]) -> Tensors {
    for (name, shape) in expected.iter().filter(|(name, shape)| stem::is(name, shape)) {
        if let Some(tensor) = tensors.remove(name) {
            tensors.insert(name.clone(), stem::over(shape[1], tensor));
        }
    }
    tensors
}

/// Reads all tensors of a network in a file, as [`open`] finds it, floats as f32.
///
/// # Errors
/// Those of [`open`] and [`File::read`].
pub fn load(path: &Path) -> Result<Tensors> {
    open(path)?.read()
}

/// Writes `tensors` and `metadata` to a safetensors file that torchvision's `load_state_dict(strict=True)` takes:
/// every running mean gets the `num_batches_tracked` (0) beside it that it may lack.
///
/// # Errors
/// Those of [`checkpoint::write`], or a tensor that is not finite.
pub fn save(path: &Path, tensors: Tensors, mut metadata: Metadata) -> Result<()> {
    finite(path, &tensors)?;
    metadata.insert("format".into(), "pt".into());
    checkpoint::write(path, &counted(tensors), &metadata)
}

/// Writes as [`save`], to a `.pth` that `torch.load(weights_only=True)` takes, which has no place for
/// metadata.
///
/// # Errors
/// [`Error::Io`] when the system refuses, or a tensor that is not finite; `path` is then as it was before.
pub fn save_pytorch(path: &Path, tensors: Tensors) -> Result<()> {
    finite(path, &tensors)?;
    pytorch::write(path, &counted(tensors))
}

/// The first tensor with a number that is not finite, and that number.
pub fn not_finite(tensors: &Tensors) -> Option<(&str, f32)> {
    tensors.iter().find_map(|(name, tensor)| {
        let sick = tensor.as_f32()?.iter().find(|v| !v.is_finite())?;
        Some((name.as_str(), *sick))
    })
}

/// Refuses weights of `path` that hold NaN or infinities, which no step and no prediction survives.
///
/// # Errors
/// [`Error::Weights`] with the tensor.
pub fn finite(path: &Path, tensors: &Tensors) -> Result<()> {
    let Some((name, found)) = not_finite(tensors) else { return Ok(()) };
    let place = Place::from(path).item(name);
    let found = format!("that the weights hold {found}");
    let mend = "use weights that were saved before they broke, and check what wrote these";
    Err(Error::weights(place, "finite numbers", found, mend))
}

/// Refuses weights with numbers whose squares f32 cannot hold, and variances below 0: a network gives NaN with either.
fn bearable(path: &Path, tensors: &Tensors) -> Result<()> {
    let mend = "use weights that were saved whole, and check what wrote these";
    for (name, tensor) in tensors {
        let numbers = tensor.as_f32();
        let most = numbers.iter().flat_map(|v| v.iter()).fold(0.0_f32, |most, v| most.max(v.abs()));
        let least = numbers.iter().flat_map(|v| v.iter()).fold(0.0_f32, |least, v| least.min(*v));
        let place = || Place::from(path).item(name);
        if !(most * most).is_finite() {
            let found = format!("{most:e}");
            return Err(Error::weights(place(), "numbers whose squares f32 can hold", found, mend));
        }
        if least < 0.0 && name.ends_with("running_var") {
            return Err(Error::weights(place(), "variances, 0 or more", format!("{least}"), mend));
        }
    }
    Ok(())
}

/// The tensors with a counter for every running mean.
fn counted(mut tensors: Tensors) -> Tensors {
    let norms: Vec<_> = tensors
        .keys()
        .filter_map(|name| name.strip_suffix("running_mean"))
        .map(str::to_owned)
        .collect();
    for norm in norms {
        let counter = tensors.entry(norm + COUNTER);
        counter.or_insert_with(|| HostTensor::i64([], vec![0]));
    }
    tensors
}
