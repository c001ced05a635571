//! Tensors of a request: numbers and images by name.

use crate::{Error, Place, Result, commands::faults::unread};
use mtpret_engine::tensor::Array;
use mtpret_pipeline::weights::checkpoint::{self, HostTensor, Tensors};
use std::path::Path;

/// A tensor and its numbers.
///
/// # Errors
/// The tensor is missing, or of bytes.
pub fn numbers<'a>(
    inputs: &'a Tensors,
    name: &str,
    path: &Path,
) -> Result<(&'a HostTensor, Vec<f64>)> {
    let mend = "write it in f32 or int64";
    let tensor = inputs
        .get(name)
        .ok_or_else(|| Error::request(path, format!("a tensor `{name}`"), "none", mend))?;
    let values = match (tensor.as_f32(), tensor.as_i64()) {
        (Some(v), _) => v.iter().map(|v| f64::from(*v)).collect(),
        (_, Some(v)) => v.iter().map(|v| *v as f64).collect(),
        _ => {
            let place = Place::from(path).item(name);
            return Err(Error::request(place, "f32 or int64", "bytes", mend));
        }
    };
    Ok((tensor, values))
}

/// Images `[N, 3, H, W]`, or `[N, 1, H, W]` repeated, channels last.
///
/// # Errors
/// The tensor is missing or has another shape.
pub fn image(inputs: &Tensors, name: &str, path: &Path) -> Result<Array> {
    let (tensor, values) = numbers(inputs, name, path)?;
    let (n, c, h, w) = match tensor.shape[..] {
        [n, c @ (1 | 3), h, w] if n * h * w > 0 => (n, c, h, w),
        _ => {
            let (place, found) = (Place::from(path).item(name), format!("{:?}", tensor.shape));
            return Err(Error::request(place, "[N, 3 or 1, H, W]", found, "write images so"));
        }
    };
    let planes = Array::new(&[n, c, h, w], values).permuted(&[0, 2, 3, 1]);
    let repeated = planes.data.chunks(c).flat_map(|p| [p[0], p[1 % c], p[2 % c]]).collect();
    Ok(Array::new(&[n, h, w, 3], repeated))
}

/// The tensors of a safetensors file that a request names.
///
/// # Errors
/// The file is missing, or is none.
pub fn tensors(path: &Path) -> Result<Tensors> {
    Ok(checkpoint::read(path, None).map_err(unread)?.0)
}
