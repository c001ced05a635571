//! Builder of an ONNX graph, node by node; its weights are those of a file, under their names
//! there.

use super::proto::{
    Attribute, Constant, Dimension, FLOAT, GraphOf, Node, TensorShape, TensorType, Type, ValueInfo,
};
use crate::weights::checkpoint::Tensors;
use std::cell::RefCell;

/// Value that a node gives or reads: its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(pub(crate) String);

impl Value {
    /// An input that is left out.
    pub fn none() -> Self {
        Self(String::new())
    }
}

/// An extent of an input or output.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// Extent that is always the same.
    Fixed(usize),
    /// Extent that is known when the network runs.
    Free(&'static str),
}

/// Graph of nodes on the weights of a network.
///
/// Features are `[N, C, H, W]`, as torchvision has them.
pub struct Graph<'w> {
    weights: &'w Tensors,
    parts: RefCell<GraphOf>,
}

impl<'w> Graph<'w> {
    /// An empty graph on `weights`.
    pub fn new(weights: &'w Tensors) -> Self {
        Self { weights, parts: RefCell::default() }
    }
    /// Finishes the graph under a name.
    pub fn finish(self, name: &str) -> GraphOf {
        GraphOf { name: name.into(), ..self.parts.into_inner() }
    }
    /// Adds a node with one output.
    pub fn node<const N: usize>(
        &self,
        op: &str,
        inputs: [&Value; N],
        attributes: impl Into<Vec<Attribute>>,
    ) -> Value {
        let [value] = self.nodes(op, inputs, attributes);
        value
    }
    /// Adds a node with several outputs.
    pub fn nodes<const N: usize, const M: usize>(
        &self,
        op: &str,
        inputs: [&Value; N],
        attributes: impl Into<Vec<Attribute>>,
    ) -> [Value; M] {
        let name = format!("{op}.{}", self.parts.borrow().node.len());
        self.named(&name, op, inputs, attributes)
    }
    /// Adds a node of this name, or, where a layer is used again, of this name and the node's
    /// number.
    fn named<const N: usize, const M: usize>(
        &self,
        name: &str,
        op: &str,
        inputs: [&Value; N],
        attributes: impl Into<Vec<Attribute>>,
    ) -> [Value; M] {
        let nodes = &mut self.parts.borrow_mut().node;
        let name = match nodes.iter().any(|known| known.name == name) {
            true => format!("{name}.{}", nodes.len()),
            false => name.to_owned(),
        };
        let output: [Value; M] = std::array::from_fn(|i| match i {
            0 => Value(name.clone()),
            i => Value(format!("{name}.output{i}")),
        });
        nodes.push(Node {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: output.iter().map(|value| value.0.clone()).collect(),
            name,
            op_type: op.into(),
            attribute: attributes.into(),
        });
        output
    }
    /// Adds an input of f32.
    pub fn input(&self, name: &str, shape: &[Extent], doc: &str) -> Value {
        let input = value_info(name, FLOAT, shape, doc);
        self.parts.borrow_mut().input.push(input);
        Value(name.into())
    }
    /// Adds `value` as an output.
    pub fn output(&self, name: &str, value: &Value, elements: i32, shape: &[Extent], doc: &str) {
        let [_] = self.named(name, "Identity", [value], []);
        let output = value_info(name, elements, shape, doc);
        self.parts.borrow_mut().output.push(output);
    }
    /// Adds a weight under its name in the file.
    fn weight(&self, name: &str) -> Value {
        let mut parts = self.parts.borrow_mut();
        if !parts.initializer.iter().any(|known| known.name == name) {
            let tensor = &self.weights[name];
            let data = tensor.as_f32().expect("weights were checked to be floats");
            parts.initializer.push(Constant::floats(name, &tensor.shape, data));
        }
        Value(name.into())
    }
    /// Whether the file has a weight of this name.
    pub fn has(&self, name: &str) -> bool {
        self.weights.contains_key(name)
    }
    /// Number of pixels along each side of the kernel of the convolution at `at`.
    pub fn kernel(&self, at: &str) -> usize {
        self.weights[&format!("{at}.weight")].shape[2]
    }
    fn constant(&self, make: impl FnOnce(&str) -> Constant) -> Value {
        let mut parts = self.parts.borrow_mut();
        let name = format!("constant.{}", parts.initializer.len());
        parts.initializer.push(make(&name));
        Value(name)
    }
    /// Adds a constant of f32.
    pub fn floats(&self, shape: &[usize], data: &[f32]) -> Value {
        self.constant(|name| Constant::floats(name, shape, data))
    }
    /// Adds a constant of one number.
    pub fn float(&self, value: f32) -> Value {
        self.floats(&[], &[value])
    }
    /// Adds a constant list of whole numbers.
    pub fn integers(&self, data: &[i64]) -> Value {
        self.constant(|name| Constant::integers(name, &[data.len()], data))
    }
    /// Adds a constant of one whole number.
    pub fn integer(&self, value: i64) -> Value {
        self.constant(|name| Constant::integers(name, &[], &[value]))
    }
    /// Adds the elements `from .. to` of an axis.
    pub fn slice(&self, x: &Value, axis: i64, from: i64, to: i64) -> Value {
        let [from, to, axis] = [from, to, axis].map(|at| self.integers(&[at]));
        self.node("Slice", [x, &from, &to, &axis], [])
    }
    /// Adds the elements in another shape, where 0 keeps an extent and −1 takes what is left.
    pub fn reshape(&self, x: &Value, shape: &[i64]) -> Value {
        self.node("Reshape", [x, &self.integers(shape)], [])
    }
    /// Adds `x` with the axes in another order.
    pub fn transpose(&self, x: &Value, order: &[usize]) -> Value {
        self.node("Transpose", [x], [Attribute::ints("perm", order.iter().copied())])
    }
    /// Adds rows of `x` by their numbers.
    pub fn gather(&self, x: &Value, rows: &Value, axis: i64) -> Value {
        self.node("Gather", [x, rows], [Attribute::int("axis", axis)])
    }
    /// Adds the concatenation of parts along an axis.
    pub fn concat<const N: usize>(&self, parts: [&Value; N], axis: i64) -> Value {
        self.node("Concat", parts, [Attribute::int("axis", axis)])
    }
    /// Adds max(0, x).
    pub fn relu(&self, x: &Value) -> Value {
        self.node("Relu", [x], [])
    }
    /// Adds the convolution whose weights lie at `at`.
    pub fn conv(&self, at: &str, x: &Value, [stride, padding, dilation]: [usize; 3]) -> Value {
        let attributes = [
            Attribute::ints("kernel_shape", [self.kernel(at); 2]),
            Attribute::ints("strides", [stride; 2]),
            Attribute::ints("pads", [padding; 4]),
            Attribute::ints("dilations", [dilation; 2]),
        ];
        let (weight, bias) = (self.weight(&format!("{at}.weight")), format!("{at}.bias"));
        let [y] = match self.has(&bias) {
            true => self.named(at, "Conv", [x, &weight, &self.weight(&bias)], attributes),
            false => self.named(at, "Conv", [x, &weight], attributes),
        };
        y
    }
    /// Adds batch norm by the running statistics at `at`.
    pub fn batch_norm(&self, at: &str, x: &Value) -> Value {
        let part = |name: &str| self.weight(&format!("{at}.{name}"));
        let [scale, bias] = ["weight", "bias"].map(part);
        let [mean, variance] = ["running_mean", "running_var"].map(part);
        let inputs = [x, &scale, &bias, &mean, &variance];
        let [y] = self.named(at, "BatchNormalization", inputs, [Attribute::float("epsilon", 1e-5)]);
        y
    }
    /// Adds the linear layer at `at` on rows.
    pub fn linear(&self, at: &str, x: &Value) -> Value {
        let [weight, bias] = ["weight", "bias"].map(|name| self.weight(&format!("{at}.{name}")));
        let [y] = self.named(at, "Gemm", [x, &weight, &bias], [Attribute::int("transB", 1)]);
        y
    }
    /// Adds the greatest of each window.
    pub fn max_pool(&self, x: &Value, [kernel, stride, padding]: [usize; 3]) -> Value {
        let attributes = [
            Attribute::ints("kernel_shape", [kernel; 2]),
            Attribute::ints("strides", [stride; 2]),
            Attribute::ints("pads", [padding; 4]),
        ];
        self.node("MaxPool", [x], attributes)
    }
    /// Adds the mean over each whole image, `[N, C, 1, 1]`.
    pub fn mean(&self, x: &Value) -> Value {
        self.node("GlobalAveragePool", [x], [])
    }
    /// Adds features at `size` (height, width): between pixels' centres by bilinear interpolation, or by the pixel
    /// that an output's corner lies in.
    pub fn resize(&self, x: &Value, size: [usize; 2], bilinear: bool) -> Value {
        let words = match bilinear {
            true => [("mode", "linear"), ("coordinate_transformation_mode", "half_pixel")].to_vec(),
            false => [
                ("mode", "nearest"),
                ("coordinate_transformation_mode", "asymmetric"),
                ("nearest_mode", "floor"),
            ]
            .to_vec(),
        };
        let words = words.into_iter().map(|(name, word)| Attribute::text(name, word));
        let attributes: Vec<_> = words.chain([Attribute::ints("axes", [2, 3])]).collect();
        let size = self.integers(&size.map(|side| side as i64));
        self.node("Resize", [x, &Value::none(), &Value::none(), &size], attributes)
    }
}

fn value_info(name: &str, elements: i32, shape: &[Extent], doc: &str) -> ValueInfo {
    let dimension = |extent: &Extent| match *extent {
        Extent::Fixed(value) => Dimension { value: Some(value as i64), name: None },
        Extent::Free(name) => Dimension { value: None, name: Some(name.into()) },
    };
    let shape = Some(TensorShape { dim: shape.iter().map(dimension).collect() });
    let tensor = Some(TensorType { elements, shape });
    let doc_string = doc.into();
    ValueInfo { name: name.into(), of: Some(Type { tensor }), doc_string }
}
