//! Batches of a request: images and targets by name.

use super::{
    detection,
    tensors::{image, numbers},
};
use crate::{Error, Place, Result};
use mtpret_engine::tensor::Array;
use mtpret_pipeline::{
    models::catalogue::Network,
    train::on_tensors::{LoadedNetwork, NamedArrays},
    weights::checkpoint::Tensors,
};
use std::path::Path;

/// A batch's images `x` and targets, with `at` (`.t` for batch t of several) behind their names in the file.
///
/// # Errors
/// A tensor is missing, or has another shape or other values.
pub fn batch(of: &LoadedNetwork, inputs: &Tensors, at: &str, path: &Path) -> Result<NamedArrays> {
    if let Network::FasterRcnn(_) = of.network {
        return detection::batch(inputs, at, path, of.outputs);
    }
    let x = image(inputs, &format!("x{at}"), path)?;
    let target = target(of, inputs, &format!("target{at}"), path)?;
    of_one_length(NamedArrays::from([("x", x), target]), path)
}
/// The targets of a batch and what they are: for labels int64 `[N]` (`classes`) or float `[N, L]` (`labels`, NaN =
/// missing); for masks (`mask`) float `[N, 1, H, W]` from 0 to 1 where there is one class, else int64 `[N, H, W]`,
/// negative = ignored.
fn target(
    of: &LoadedNetwork,
    inputs: &Tensors,
    name: &str,
    path: &Path,
) -> Result<(&'static str, Array)> {
    let (tensor, mut values) = numbers(inputs, name, path)?;
    let (labels, classes) = (of.outputs, tensor.as_i64().is_some());
    let segments = matches!(of.network, Network::DeepLab(_));
    let refused = |expected: String, found: String| {
        Error::request(Place::from(path).item(name), expected, found, "correct it")
    };
    let (kind, shape) = match (segments, classes, &tensor.shape[..]) {
        (false, true, &[n]) => ("classes", vec![n, 1]),
        (false, false, &[n, l]) if l == labels => ("labels", vec![n, l]),
        (true, false, &[n, 1, h, w]) if labels == 1 => ("mask", vec![n, h, w, 1]),
        (true, true, &[n, h, w]) if labels > 1 => ("mask", vec![n, h, w, 1]),
        (segments, _, found) => {
            let wanted = match segments {
                false => format!("int64 [N] or float [N, {labels}]"),
                true if labels == 1 => "float [N, 1, H, W]".into(),
                true => "int64 [N, H, W]".into(),
            };
            let kind = if classes { "int64" } else { "float" };
            return Err(refused(wanted, format!("{kind} {found:?}")));
        }
    };
    if classes && let Some(v) = values.iter().find(|v| **v >= labels as f64) {
        return Err(refused(format!("classes below {labels}"), v.to_string()));
    }
    if segments
        && !classes
        && let Some(v) = values.iter().find(|v| !(0.0..=1.0).contains(*v))
    {
        return Err(refused("from 0 to 1".into(), v.to_string()));
    }
    values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = -1.0);
    Ok((kind, Array::new(&shape, values)))
}

/// A batch whose tensors have as many samples as one another.
///
/// # Errors
/// Two of them differ.
pub fn of_one_length(batch: NamedArrays, path: &Path) -> Result<NamedArrays> {
    let samples = |array: &Array| array.shape[0];
    let counts: Vec<usize> = batch.values().map(samples).collect();
    if counts.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(batch);
    }
    let found: Vec<String> =
        batch.iter().map(|(name, array)| format!("{} of `{name}`", samples(array))).collect();
    let (expected, found) = ("as many targets as images", found.join(" and "));
    Err(Error::request(path, expected, found, "write one for each"))
}
