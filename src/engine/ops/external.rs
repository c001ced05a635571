//! Problems that another program poses: one op, tensors in PyTorch's layouts, attributes as JSON.

use super::{Op, case::differentiate, conv2d};
use crate::{
    Result,
    error::{Error, Place},
    gpu::{Caps, Gpu, Variant},
    tensor::{Array, Format},
};
use std::collections::BTreeMap;

/// Inputs, attributes and kernels of an op, for the list of ops.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Signature {
    /// Names of the input tensors; those that may be left out end in `?`.
    pub inputs: &'static [&'static str],
    /// Attributes and their defaults.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Kernels to choose from.
    pub variants: &'static [Variant],
}

impl Signature {
    /// The kernels to choose from that an adapter has what it takes for.
    pub fn offered(&self, caps: &Caps) -> Vec<Variant> {
        self.variants.iter().copied().filter(|v| conv2d::offered(*v, caps)).collect()
    }
}

/// Tensors that an op gives back, by name, in PyTorch's layouts.
pub type Outputs = Vec<(String, Array)>;

/// A posed problem.
pub struct External {
    /// The device to solve it on.
    pub gpu: Gpu,
    /// Place that the problem comes from, for messages.
    pub place: Place,
    /// The tensors in PyTorch's layouts.
    pub tensors: BTreeMap<String, Array>,
    /// The attributes.
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// The kernel variant that is asked for.
    pub variant: Option<Variant>,
}

/// The mend of a request that an op refuses.
const TAKES: &str = "the list of ops says what each takes";

impl External {
    /// The error that says what the op takes, and what it was given.
    pub fn refused(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::request(&self.place, expected, found, TAKES)
    }
    /// Blames shapes that do not fit an op on the file that they come from.
    pub fn blame(&self, error: Error) -> Error {
        match error {
            Error::Shape { op, expected, found } => {
                Error::request(self.place.clone().item(op), expected, found, TAKES)
            }
            other => other,
        }
    }
    /// The tensor of this name.
    ///
    /// # Errors
    /// There is none, or it has no values.
    pub fn tensor(&self, name: &str) -> Result<&Array> {
        let tensor = self.tensors.get(name).ok_or_else(|| {
            let found: Vec<_> = self.tensors.keys().map(String::as_str).collect();
            self.refused(format!("a tensor `{name}`"), found.join(", "))
        })?;
        if tensor.data.is_empty() {
            let expected = format!("values in `{name}`");
            return Err(self.refused(expected, format!("shape {:?}", tensor.shape)));
        }
        Ok(tensor)
    }
    /// The tensor of this name, which must have this many axes.
    ///
    /// # Errors
    /// There is none, or it has others.
    pub fn ranked(&self, name: &str, axes: usize) -> Result<&Array> {
        let tensor = self.tensor(name)?;
        if tensor.shape.len() != axes {
            let expected = format!("`{name}` with {axes} axes");
            return Err(self.refused(expected, format!("{:?}", tensor.shape)));
        }
        Ok(tensor)
    }
    /// The image tensor `[N, C, H, W]` of this name, channels last.
    ///
    /// # Errors
    /// There is none, or it has not four axes.
    pub fn image(&self, name: &str) -> Result<Array> {
        Ok(nhwc(self.ranked(name, 4)?))
    }
    /// The attribute of this name, or its default.
    ///
    /// # Errors
    /// The attribute has another type.
    pub fn attribute<T: serde::de::DeserializeOwned>(&self, name: &str, default: T) -> Result<T> {
        let Some(value) = self.attributes.get(name) else { return Ok(default) };
        serde_json::from_value(value.clone()).map_err(|e| {
            self.refused(format!("attribute `{name}` of its type"), format!("{value} ({e})"))
        })
    }
    /// The value of an op and, if the file holds `dy` or `dloss`, the gradients of its inputs.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn apply<const N: usize, O: Op<N>>(
        &self,
        op: &O,
        x: [&Array; N],
        dy: Option<&Array>,
        needs: [bool; N],
    ) -> Result<(Array, [Option<Array>; N])> {
        let x = x.map(|a| (a, Format::F32));
        differentiate(&self.gpu, self.variant, op, x, dy, needs).map_err(|e| self.blame(e))
    }
    /// The gradient of an image output, channels last, if the file holds `dy`.
    ///
    /// # Errors
    /// It has not four axes.
    pub fn image_dy(&self) -> Result<Option<Array>> {
        self.tensors.contains_key("dy").then(|| self.image("dy")).transpose()
    }
    /// The gradient of a loss, `[1]`, if the file holds `dloss`.
    pub fn dloss(&self) -> Option<Array> {
        self.tensors.get("dloss").map(|a| Array::new(&[a.data.len()], a.data.clone()))
    }
}

/// Transposes `[N, C, H, W]` to `[N, H, W, C]`.
pub fn nhwc(array: &Array) -> Array {
    array.permuted(&[0, 2, 3, 1])
}

/// Transposes `[N, H, W, C]` to `[N, C, H, W]`.
pub fn nchw(array: &Array) -> Array {
    array.permuted(&[0, 3, 1, 2])
}
