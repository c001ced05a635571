//! Checkpoints: one safetensors file, replaced whole or not at all.

pub use super::tensor::{Elements, HostTensor};

use crate::{Error, Result, nearest};
use mtpret_engine::{error::Place, file};
use safetensors::{
    Dtype,
    tensor::{Metadata as Header, TensorInfo},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

/// The name of the newest checkpoint in a run folder.
pub const FILE: &str = "checkpoint.safetensors";

/// Prefix of the keys of a run's own metadata: films, settings and places, which go no further than its checkpoint.
pub(crate) const BEGUN: &str = "begun.";

const MAX_HEADER: u64 = 16 << 20;
/// Largest number of tensors of a file of weights.
pub(crate) const MAX_TENSORS: usize = 20_000;
/// Largest number of axes of a tensor; a convolution has four.
const MAX_RANK: usize = 32;
/// Largest number of bytes of a tensor's name.
const MAX_NAME: usize = 1024;
/// The metadata key of the checksum.
pub(crate) const CHECKSUM: &str = "blake3";
/// The metadata key that says that this program wrote the file, and so with a checksum.
const WRITER: &str = "written_by";
/// Metadata keys that files of this program had together before that.
const OLDER: [&[&str]; 3] = [&["bundle"], &["stage", "step"], &["kind", "labels"]];
pub(crate) const DAMAGED: &str =
    "use an earlier checkpoint, or copy the file again from where it was whole";

/// Tensors by name.
pub type Tensors = BTreeMap<String, HostTensor>;
/// Words that travel with the tensors.
pub type Metadata = BTreeMap<String, String>;

/// The checksum of metadata, names, types, shapes and elements, whatever their order in the file.
struct Checksum(blake3::Hasher);

impl Checksum {
    fn new(metadata: &Metadata) -> Self {
        let mut sum = Self(blake3::Hasher::new());
        let own = |key: &str| [CHECKSUM, WRITER].contains(&key);
        for (key, value) in metadata.iter().filter(|(key, _)| !own(key)) {
            sum.word(key);
            sum.word(value);
        }
        sum
    }

    fn word(&mut self, word: &str) {
        // The length keeps ("ab", "c") apart from ("a", "bc").
        self.0.update(&(word.len() as u64).to_le_bytes()).update(word.as_bytes());
    }

    fn tensor(&mut self, name: &str, dtype: Dtype, shape: &[usize], elements: &blake3::Hash) {
        self.word(name);
        self.word(&format!("{dtype:?} {shape:?}"));
        self.0.update(elements.as_bytes());
    }

    fn hex(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// Writes `tensors` and `metadata` to `path` with a checksum. Whatever goes wrong, even a killed
/// process or a full disk, `path` holds either what it held before or all of the new file.
///
/// # Errors
/// [`Error::Io`] when the system refuses; [`Error::Weights`] for a tensor whose elements are not
/// as many as its shape says, or more than `read` accepts.
pub fn write(path: &Path, tensors: &Tensors, metadata: &Metadata) -> Result<()> {
    // Wide elements first, so that each tensor lies aligned.
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().bitsize()));
    let header = header(path, &order, tensors, metadata)?;
    file::replace(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        order.iter().try_for_each(|(_, tensor)| file.write_all(tensor.bytes()))
    })
}

fn header(
    path: &Path,
    order: &[(&String, &HostTensor)],
    tensors: &Tensors,
    metadata: &Metadata,
) -> Result<Vec<u8>> {
    let mut checksum = Checksum::new(metadata);
    for (name, tensor) in tensors {
        let elements = blake3::hash(tensor.bytes());
        checksum.tensor(name, tensor.dtype(), &tensor.shape, &elements);
    }
    let mut metadata = metadata.clone();
    metadata.insert(CHECKSUM.into(), checksum.hex());
    metadata.insert(WRITER.into(), "mtpret".into());
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), metadata.into_iter().collect());
    let mut start = 0;
    for (name, tensor) in order {
        let (dtype, shape) = (tensor.dtype(), tensor.shape.clone());
        let size = tensor.bytes().len();
        let elements = size * 8 / dtype.bitsize();
        if shape.iter().product::<usize>() != elements {
            let place = Place::from(path).item(*name);
            let expected = format!("the elements of the shape {shape:?}");
            let mend = "give the tensor the shape of its data";
            return Err(Error::weights(place, expected, elements.to_string(), mend));
        }
        let info = TensorInfo { dtype, shape, data_offsets: (start, start + size) };
        start += size;
        header.insert(name.to_string(), serde_json::to_value(info).expect("plain numbers"));
    }
    let mut header = serde_json::to_vec(&header).expect("string keys");
    header.resize(header.len().next_multiple_of(8), b' ');
    limit(path, header.len() as u64, tensors.len())?;
    Ok(header)
}

/// Reads tensors and metadata. With `expected`, the file holds exactly those names and shapes,
/// which is checked in the header, before memory is taken for any tensor.
///
/// # Errors
/// [`Error::Io`] when the system refuses; [`Error::Weights`] for a file that is no safetensors
/// file, cut short, altered since it was written, or holds other tensors than `expected`.
pub fn read(path: &Path, expected: Option<&[(String, Vec<usize>)]>) -> Result<(Tensors, Metadata)> {
    let (file, header) = opened(path)?;
    if let Some(expected) = expected {
        let infos = header.tensors();
        let found = infos.iter().map(|(name, info)| (name.as_str(), &info.shape[..])).collect();
        fit(path, &found, expected, true)?;
    }
    elements(path, file, &header, |_| true)
}

/// Reads the tensors whose names are wanted. The others are read past, as the checksum is one of
/// all.
///
/// # Errors
/// As [`read`].
pub fn read_some(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Tensors> {
    let (file, header) = opened(path)?;
    Ok(elements(path, file, &header, wanted)?.0)
}

/// Reads the elements behind a header, and its metadata without the checksum.
fn elements(
    path: &Path,
    mut file: File,
    header: &Header,
    wanted: impl Fn(&str) -> bool,
) -> Result<(Tensors, Metadata)> {
    let infos = header.tensors();
    let strange =
        |(name, info): &(&String, &&TensorInfo)| wanted(name) && !HostTensor::decodes(info.dtype);
    if let Some((name, info)) = infos.iter().find(strange) {
        let place = Place::from(path).item(name);
        let found = format!("{:?}", info.dtype);
        let mend = "convert the tensor to f32 where it was written";
        return Err(Error::weights(place, "floats, integers or bool", found, mend));
    }
    let mut metadata = metadata_in(header);
    let sum = metadata.remove(CHECKSUM);
    let mut tensors = Tensors::new();
    let mut hashes = BTreeMap::new();
    for name in header.offset_keys() {
        let info = infos[&name];
        let mut hasher = blake3::Hasher::new();
        let size = info.data_offsets.1 - info.data_offsets.0;
        if wanted(&name) {
            let mut bytes = vec![0; size];
            file.read_exact(&mut bytes).map_err(|fault| unreadable(path, fault))?;
            hasher.update(&bytes);
            let tensor = HostTensor::decode(info.dtype, info.shape.clone(), &bytes);
            tensors.insert(name.clone(), tensor.expect("a type that is taken"));
        } else {
            io::copy(&mut (&file).take(size as u64), &mut hasher)
                .map_err(|fault| unreadable(path, fault))?;
        }
        hashes.insert(name, hasher.finalize());
    }
    if let Some(found) = sum {
        let mut checksum = Checksum::new(&metadata);
        for (name, hash) in &hashes {
            checksum.tensor(name, infos[name].dtype, &infos[name].shape, hash);
        }
        let expected = checksum.hex();
        if found != expected {
            let expected = format!("the checksum {expected}");
            return Err(Error::weights(path, expected, found, DAMAGED));
        }
    }
    Ok((tensors, metadata))
}

/// Contents of a file's header.
pub struct Infos {
    /// Types and shapes of all tensors.
    pub tensors: BTreeMap<String, TensorInfo>,
    /// The metadata without the checksum and what is a run's own.
    pub metadata: Metadata,
    /// Whether there is a checksum: a file of another program has none.
    pub checksum: bool,
}

/// Reads the header of a file.
///
/// # Errors
/// As [`read`], as far as the header shows it.
pub fn infos(path: &Path) -> Result<Infos> {
    let header = opened(path)?.1;
    let tensors = header.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
    let mut metadata = metadata_in(&header);
    let checksum = metadata.contains_key(CHECKSUM);
    metadata.retain(|key, _| key != CHECKSUM && !key.starts_with(BEGUN));
    Ok(Infos { tensors, metadata, checksum })
}

fn metadata_in(header: &Header) -> Metadata {
    let metadata = header.metadata().clone().unwrap_or_default().into_iter();
    metadata.filter(|(key, _)| key != WRITER).collect()
}

/// Whether a file without a checksum says that this program wrote it, which never leaves one out.
fn lost_checksum(header: &Header) -> bool {
    let Some(metadata) = header.metadata() else { return false };
    let older = OLDER.iter().any(|keys| keys.iter().all(|key| metadata.contains_key(*key)));
    !metadata.contains_key(CHECKSUM) && (metadata.contains_key(WRITER) || older)
}

fn unreadable(path: &Path, fault: io::Error) -> Error {
    Error::io(path, fault, "name a readable checkpoint file")
}

/// Reads the metadata alone.
///
/// # Errors
/// As [`read`], as far as the header shows it.
pub fn metadata(path: &Path) -> Result<Metadata> {
    Ok(metadata_in(&opened(path)?.1))
}

/// Opens a file, and its header, once it agrees with itself and with the length of the file.
fn opened(path: &Path) -> Result<(File, Header)> {
    let refused = |fault| unreadable(path, fault);
    let mut file = File::open(path).map_err(refused)?;
    let damaged = |expected, found| Error::weights(path, expected, found, DAMAGED);
    let length = file.metadata().map_err(refused)?.len();
    let Some(rest) = length.checked_sub(8) else {
        return Err(damaged("a safetensors file".to_owned(), format!("{length} bytes")));
    };
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(refused)?;
    let size = u64::from_le_bytes(size);
    limit(path, size, 0)?;
    let Some(rest) = rest.checked_sub(size) else {
        return Err(damaged(format!("a header of {size} bytes"), rest.to_string()));
    };
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text).map_err(refused)?;
    let header: Header = serde_json::from_slice(&text).map_err(|fault| {
        let found = format!("other text ({fault})");
        damaged("the header of a safetensors file".to_owned(), found)
    })?;
    let tensors = header.tensors();
    limit(path, size, tensors.len())?;
    tensors.iter().try_for_each(|(name, info)| sane(path, name, &info.shape))?;
    if lost_checksum(&header) {
        return Err(damaged(format!("`{CHECKSUM}` in the metadata"), "none".to_owned()));
    }
    let data = header.data_len() as u64;
    if data != rest {
        return Err(damaged(format!("{data} bytes of elements"), rest.to_string()));
    }
    Ok((file, header))
}

/// Refuses a file that is larger than any checkpoint, before memory is taken for it.
fn limit(path: &Path, header: u64, tensors: usize) -> Result<()> {
    if header <= MAX_HEADER && tensors <= MAX_TENSORS {
        return Ok(());
    }
    let expected = format!("a header of at most {MAX_HEADER} bytes and {MAX_TENSORS} tensors");
    let found = format!("{header} bytes and {tensors} tensors");
    Err(Error::weights(path, expected, found, "name a safetensors file of weights"))
}

/// Refuses a tensor with a longer name or more axes than any network's.
pub(crate) fn sane(path: &Path, name: &str, shape: &[usize]) -> Result<()> {
    if name.len() <= MAX_NAME && shape.len() <= MAX_RANK {
        return Ok(());
    }
    let begin: String = name.chars().take(60).collect();
    let expected = format!("a name of at most {MAX_NAME} bytes and at most {MAX_RANK} axes");
    let found = format!("{} bytes and {} axes", name.len(), shape.len());
    let mend = "name a file of a network's weights";
    Err(Error::weights(Place::from(path).item(begin), expected, found, mend))
}

/// Refuses missing and misshapen tensors, and if `strict` unexpected ones.
pub(crate) fn fit(
    path: &Path,
    found: &BTreeMap<&str, &[usize]>,
    expected: &[(String, Vec<usize>)],
    strict: bool,
) -> Result<()> {
    let fault = |name: &str, expected: String, found: String, mend: String| {
        Err(Error::weights(Place::from(path).item(name), expected, found, mend))
    };
    for (name, shape) in expected {
        match found.get(name.as_str()) {
            Some(found) if found == shape => {}
            Some(found) => {
                let (expected, found) = (format!("the shape {shape:?}"), format!("{found:?}"));
                return fault(name, expected, found, "use the weights of this very network".into());
            }
            None => {
                let nearest = nearest(name, found.keys().copied()).unwrap_or("none");
                let mend = format!("the nearest tensor in the file is {nearest}");
                return fault(name, format!("a tensor of shape {shape:?}"), "none".into(), mend);
            }
        }
    }
    let known: BTreeMap<_, _> =
        expected.iter().map(|(name, shape)| (name.as_str(), shape)).collect();
    match found.iter().find(|(name, _)| strict && !known.contains_key(**name)) {
        Some((name, shape)) => {
            let nearest = nearest(name, known.keys().copied()).unwrap_or("none");
            let found = format!("one of shape {shape:?}");
            let mend = format!("the nearest tensor of the network is {nearest}");
            fault(name, "no tensor of this name".into(), found, mend)
        }
        None => Ok(()),
    }
}
