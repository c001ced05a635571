//! Messages of ONNX, as much of them as the networks here need
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>).

use prost::Message;

/// `TensorProto.DataType.FLOAT`.
pub const FLOAT: i32 = 1;
/// `TensorProto.DataType.UINT8`.
pub const UINT8: i32 = 2;
/// `TensorProto.DataType.INT64`.
pub const INT64: i32 = 7;

/// `ModelProto`: a file.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// The number of the file format.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// The program that wrote the file.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Version of the program that wrote the file.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// Description of the model, for people.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// The network.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphOf>,
    /// Versions of the operators.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    /// Metadata: words by key.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntry>,
}

/// `OperatorSetIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    /// Domain of the operators; empty: ONNX's own.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Version of the operators.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StringStringEntry {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The words.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GraphOf {
    /// Nodes, in an order in which they can be computed.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// The network's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Weights and constants.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Constant>,
    /// Inputs that the user gives.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// Outputs that the user gets.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of the values that the node reads; empty where an input is left out.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values that the node gives.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Name of the node.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Operator of the node.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Settings of the operator.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

/// `AttributeProto`, of which one field is set.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Name of the attribute.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Value, if it is a number.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// Value, if it is a whole number.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// Value, if it is a word.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// Value, if it is a tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<Constant>,
    /// Value, if it is a list of whole numbers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Kind of the field that is set: `AttributeType`.
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

impl Attribute {
    fn named(name: &str, kind: i32) -> Self {
        Self { name: name.into(), kind, ..Self::default() }
    }
    /// An attribute of a number.
    pub fn float(name: &str, value: f32) -> Self {
        Self { f: Some(value), ..Self::named(name, 1) }
    }
    /// An attribute of a whole number.
    pub fn int(name: &str, value: i64) -> Self {
        Self { i: Some(value), ..Self::named(name, 2) }
    }
    /// An attribute of a word.
    pub fn text(name: &str, value: &str) -> Self {
        Self { s: Some(value.into()), ..Self::named(name, 3) }
    }
    /// An attribute of a tensor.
    pub fn tensor(name: &str, value: Constant) -> Self {
        Self { t: Some(value), ..Self::named(name, 4) }
    }
    /// An attribute of whole numbers.
    pub fn ints(name: &str, values: impl IntoIterator<Item = usize>) -> Self {
        let ints = values.into_iter().map(|value| value as i64).collect();
        Self { ints, ..Self::named(name, 7) }
    }
}

/// `TensorProto` whose elements are bytes, little-endian and row-major.
#[derive(Clone, PartialEq, Message)]
pub struct Constant {
    /// Extents, outermost first.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// The elements' type: [`FLOAT`] or [`INT64`].
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// The name by which nodes read it.
    #[prost(string, tag = "8")]
    pub name: String,
    /// The elements.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
}

impl Constant {
    /// A tensor of f32.
    pub fn floats(name: &str, shape: &[usize], data: &[f32]) -> Self {
        let dims = shape.iter().map(|extent| *extent as i64).collect();
        let raw_data = bytemuck::cast_slice(data).to_vec();
        Self { dims, data_type: FLOAT, name: name.into(), raw_data }
    }
    /// A tensor of i64.
    pub fn integers(name: &str, shape: &[usize], data: &[i64]) -> Self {
        let dims = shape.iter().map(|extent| *extent as i64).collect();
        let raw_data = bytemuck::cast_slice(data).to_vec();
        Self { dims, data_type: INT64, name: name.into(), raw_data }
    }
}

/// `ValueInfoProto`: an input or an output.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    /// Name of the input or output.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type of its values.
    #[prost(message, optional, tag = "2")]
    pub of: Option<Type>,
    /// Description of it, for people.
    #[prost(string, tag = "3")]
    pub doc_string: String,
}

/// `TypeProto` of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    /// The tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// The elements' type.
    #[prost(int32, tag = "1")]
    pub elements: i32,
    /// The extents.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShape {
    /// Dimensions, outermost first.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`: a number, or a name for what is only known when the network runs.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// The number.
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
    /// The name.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
}
