//! ONNX export: networks as graphs that other programs run.
//!
//! A graph takes grey levels from 0 to 255 at the network's size; the z-score and the three channels are in it, so that nobody gets
//! them wrong. What its outputs mean stands beside it, as metadata.

mod faster_rcnn;
mod graph;
mod networks;
pub mod proto;

pub use faster_rcnn::{Detector, DetectorOutputs};
pub use graph::{Extent, Graph, Value};
pub use networks::{deeplab, pooled, resnet};

use crate::{Result, weights::checkpoint::Metadata};
use mtpret_engine::file;
use prost::Message;
use proto::{ModelProto, OperatorSet, StringStringEntry};
use std::{io::Write, path::Path};

/// The version of ONNX's operators.
pub const OPSET: i64 = 18;
/// Version of ONNX's file format that came with the operators.
const IR: i64 = 8;
const NOTICE: &str = "not for diagnostic use";

/// Adds the input `image` `[N, 1, H, W]`, z-scored and three times over, `[N, 3, H, W]`.
pub fn film(
    graph: &Graph,
    n: Extent,
    [height, width]: [Extent; 2],
    [mean, std]: [f64; 2],
) -> Value {
    let doc = "grey levels from 0 to 255, at the network's size, not normalised";
    let x = graph.input("image", &[n, Extent::Fixed(1), height, width], doc);
    let x = graph.node("Sub", [&x, &graph.float(mean as f32)], []);
    let x = graph.node("Div", [&x, &graph.float(std as f32)], []);
    graph.concat([&x, &x, &x], 1)
}

/// Packs a finished graph into a file's content, with metadata on its use beside it.
pub fn model(graph: proto::GraphOf, metadata: Metadata) -> ModelProto {
    let program = concat!("mtpret ", env!("CARGO_PKG_VERSION"));
    let own = [("notice", NOTICE), ("program", program)];
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let entry = |(key, value)| StringStringEntry { key, value };
    ModelProto {
        ir_version: IR,
        producer_name: "mtpret".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: format!("{} by {program}; {NOTICE}", graph.name),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props: metadata.into_iter().chain(own).map(entry).collect(),
    }
}

/// Writes a model, whole or not at all; gives the number of bytes written.
///
/// # Errors
/// The disk is full or the folder is not writable.
pub fn write(path: &Path, model: &ModelProto) -> Result<u64> {
    let bytes = model.encode_to_vec();
    file::put(path, |file| file.write_all(&bytes))?;
    Ok(bytes.len() as u64)
}
