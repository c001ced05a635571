//! Tensors of a request: numbers and images by name.

use crate::{Error, Result};
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
    let place = path.display().to_string();
    let tensor = inputs
        .get(name)
        .ok_or_else(|| Error::request(&place, format!("expected a tensor `{name}`, found none")))?;
    let values = match (tensor.as_f32(), tensor.as_i64()) {
        (Some(v), _) => v.iter().map(|v| f64::from(*v)).collect(),
        (_, Some(v)) => v.iter().map(|v| *v as f64).collect(),
        _ => return Err(Error::request(place, format!("expected `{name}` in f32 or int64"))),
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
            let problem = format!("expected `{name}` [N, 3 or 1, H, W], found {:?}", tensor.shape);
            return Err(Error::request(path.display().to_string(), problem));
        }
    };
    let planes = Array::new(&[n, c, h, w], values).permuted(&[0, 2, 3, 1]);
    let repeated = planes.data.chunks(c).flat_map(|p| [p[0], p[1 % c], p[2 % c]]).collect();
    Ok(Array::new(&[n, h, w, 3], repeated))
}

/// The tensors of a safetensors file that a request names.
pub fn tensors(path: &Path) -> Result<Tensors> {
    let read = checkpoint::read(path, None);
    let fault =
        |e| Error::request(path.display().to_string(), format!("expected a safetensors file: {e}"));
    Ok(read.map_err(fault)?.0)
}
