//! PyTorch's own files: read without running what they name, and written for `torch.load`.

use crate::{
    Error, Result,
    weights::checkpoint::{self, Elements, HostTensor, Tensors},
};
use mtpret_engine::{error::Place, file};
use pytorch_reader::{DType, PytorchError, PytorchReader, Tensor};
use safetensors::Dtype;
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Factor by which views may repeat what lies in the file once; whoever asks for much more than it holds is
/// hostile.
const MOST_REPEATED: u64 = 4;
const FEW_BYTES: u64 = 1 << 20;

/// Opens the tensors of a `.pth` of any PyTorch, not read yet.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read; [`Error::Weights`] for one that is cut short, damaged, of another
/// kind, or whose tensors are too many or too large for it.
pub fn open(path: &Path) -> Result<HashMap<String, Tensor>> {
    let mend = "download it again, or save the network's state_dict() with torch.save";
    let damaged = |expected, found| Error::weights(path, expected, found, mend);
    let expected = || "weights saved by PyTorch".to_owned();
    let arrays = || {
        let mend = "save tensors: torch.save({name: torch.from_numpy(array) for …})";
        Error::weights(path, expected(), "NumPy arrays", mend)
    };
    let reader = PytorchReader::new(path).map_err(|fault| match fault {
        PytorchError::Io(fault) if fault.raw_os_error().is_some() => {
            Error::io(path, fault, "name a readable file")
        }
        _ if holds_arrays(path) => arrays(),
        fault => damaged(expected(), format!("that {fault}")),
    })?;
    let tensors = reader.into_tensors();
    if tensors.is_empty() && holds_arrays(path) {
        return Err(arrays());
    }
    let length = path.metadata().map_err(|e| Error::io(path, e, "name a readable file"))?.len();
    let bytes = tensors.values().fold(0u64, |sum, t| sum.saturating_add(t.byte_len() as u64));
    if tensors.len() > checkpoint::MAX_TENSORS || bytes > MOST_REPEATED * length + FEW_BYTES {
        let most = checkpoint::MAX_TENSORS;
        let expected =
            format!("at most {most} tensors, and not more than a file of {length} bytes can hold");
        return Err(damaged(expected, format!("{} tensors of {bytes} bytes", tensors.len())));
    }
    tensors.iter().try_for_each(|(name, tensor)| checkpoint::sane(path, name, tensor.shape()))?;
    Ok(tensors)
}

/// Whether a file that is not understood names the function that makes NumPy's arrays, as a pickle of them does where the
/// first one begins. Nothing is run.
fn holds_arrays(path: &Path) -> bool {
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut begin));
    let named = |word: &&[u8]| begin.windows(word.len()).any(|bytes| bytes == *word);
    // Protocol 5 makes them from a buffer.
    let makers = ["numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric"];
    let makers = makers.into_iter().chain(["numpy._core.numeric"]);
    read.is_ok() && makers.map(str::as_bytes).any(|maker| named(&maker))
}

/// Reads the elements of a tensor of the file at `path`.
///
/// # Errors
/// [`Error::Weights`] for a storage that is cut short or damaged, or of a type that no weights have.
pub fn read(path: &Path, tensor: &Tensor) -> Result<HostTensor> {
    let place = || Place::from(path).item(&*tensor.name);
    let dtype = dtype(tensor.dtype());
    if !HostTensor::decodes(dtype) {
        let mend = "convert the tensor to float before saving it";
        let expected = "floats, integers or bool";
        return Err(Error::weights(place(), expected, format!("{dtype:?}"), mend));
    }
    let bytes = tensor.read().map_err(|fault| {
        let expected = format!("{} bytes", tensor.byte_len());
        let mend = "download the file again, or save the network's state_dict() with torch.save";
        Error::weights(place(), expected, format!("that {fault}"), mend)
    })?;
    let decoded = HostTensor::decode(dtype, tensor.shape().to_vec(), &bytes);
    Ok(decoded.unwrap_or_else(|| unreachable!("the type was asked for")))
}

/// PyTorch's element type as safetensors has it.
pub fn dtype(dtype: DType) -> Dtype {
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

/// Writes a state dict as `torch.save` does, for `torch.load` with `weights_only=True`: a zip with a pickle of names,
/// shapes and strides, and an entry of plain bytes for each tensor, none of them compressed.
///
/// # Errors
/// [`Error::Io`] when the system refuses; `path` is then as it was before.
pub fn write(path: &Path, tensors: &Tensors) -> Result<()> {
    file::put(path, |file| {
        // Tensors lie aligned, so that they can be mapped into memory.
        let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let aligned = plain.with_alignment(64);
        let mut zip = ZipWriter::new(file);
        let mut add = |name: &str, bytes: &[u8]| -> io::Result<()> {
            let entry = aligned.large_file(u32::try_from(bytes.len()).is_err());
            zip.start_file(format!("archive/{name}"), entry)?;
            zip.write_all(bytes)
        };
        add("data.pkl", &pickle(tensors))?;
        add("byteorder", b"little")?;
        (0..).zip(tensors.values()).try_for_each(|(i, t)| add(&format!("data/{i}"), t.bytes()))?;
        add("version", b"3\n")?;
        zip.finish()?;
        Ok(())
    })
}

/// The pickle of an `OrderedDict` from names to tensors, in the few opcodes of protocol 2 that it takes.
/// Tensor number i is `torch._utils._rebuild_tensor_v2(storage i, offset 0, shape, strides, no gradient, no hooks)`.
fn pickle(tensors: &Tensors) -> Vec<u8> {
    let mut out = Pickle(b"\x80\x02".to_vec());
    out.dict();
    out.0.push(b'(');
    for (i, (name, tensor)) in tensors.iter().enumerate() {
        out.text(name);
        out.global("torch._utils", "_rebuild_tensor_v2");
        out.0.push(b'(');
        let (storage, elements) = match &tensor.data {
            Elements::F32(data) => ("FloatStorage", data.len()),
            Elements::I64(data) => ("LongStorage", data.len()),
            Elements::U8(data) => ("ByteStorage", data.len()),
        };
        out.0.push(b'(');
        out.text("storage");
        out.global("torch", storage);
        out.text(&i.to_string());
        out.text("cpu");
        out.integer(elements);
        // The tuple is the storage's persistent identity.
        out.0.extend(b"tQ");
        out.integer(0);
        out.tuple(&tensor.shape);
        out.tuple(&strides(&tensor.shape));
        // False.
        out.0.push(b'\x89');
        out.dict();
        // The arguments as one tuple, and the call.
        out.0.extend(b"tR");
    }
    // Everything since the mark into the dict, and the end.
    out.0.extend(b"u.");
    out.0
}

/// Strides of a shape: elements from one index of an axis to the next.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// A pickle as it is written.
struct Pickle(Vec<u8>);

impl Pickle {
    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").bytes());
    }
    /// Writes an empty `OrderedDict`: the class called with an empty tuple.
    fn dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.0.extend(b")R");
    }
    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.bytes());
    }
    fn integer(&mut self, value: usize) {
        match i32::try_from(value) {
            Ok(value) => {
                self.0.push(b'J');
                self.0.extend(value.to_le_bytes());
            }
            // Nine bytes of two's complement: no sign bit is in the way.
            Err(_) => {
                self.0.extend(b"\x8a\x09");
                self.0.extend((value as u128).to_le_bytes()[..9].iter());
            }
        }
    }
    fn tuple(&mut self, values: &[usize]) {
        self.0.push(b'(');
        values.iter().for_each(|value| self.integer(*value));
        self.0.push(b't');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_those_of_rows() {
        assert_eq!(strides(&[]), [0; 0]);
        assert_eq!(strides(&[7, 5, 3]), [15, 3, 1]);
        assert_eq!(strides(&[7, 0, 3]), [0, 3, 1]);
        // In one pass: a tensor of a million axes took hours.
        assert_eq!(strides(&vec![1; 1_000_000]).len(), 1_000_000);
    }

    #[test]
    fn arrays_are_called_arrays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("arrays.pth");
        // {"w": array}, as far as its elements, in protocols 2 and 4.
        let two =
            b"\x80\x02}X\x01\0\0\0wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
                .to_vec();
        let four =
            b"\x80\x04}\x8c\x01w\x8c\x16numpy._core.multiarray\x8c\x0c_reconstruct\x93.".to_vec();
        for pickle in [two, four] {
            std::fs::write(&path, pickle).unwrap();
            let fault = open(&path).unwrap_err().to_string();
            assert!(fault.contains("found NumPy arrays; save tensors"), "{fault}");
        }
    }

    #[test]
    fn integers_take_four_bytes_or_nine() {
        let written = |value: usize| {
            let mut out = Pickle(Vec::new());
            out.integer(value);
            out.0
        };
        assert_eq!(written(300), b"J\x2c\x01\x00\x00");
        assert_eq!(written(1 << 31), b"\x8a\x09\x00\x00\x00\x80\x00\x00\x00\x00\x00");
    }
}
