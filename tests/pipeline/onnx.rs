//! Networks as ONNX, read back: what their nodes read is there, what they hold is the weights. No GPU.

use mtpret_pipeline::{
    data::{Kind, Labels, Source},
    export::onnx,
    onnx::proto::{Constant, GraphOf, ModelProto, ValueInfo},
    train::{
        config::{self, Finetune},
        tasks::{self, model},
    },
    weights::{
        self,
        checkpoint::{HostTensor, Metadata, Tensors},
    },
};
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use tempfile::TempDir;

/// A finished run of a network with weights that differ in each place, as far as an export looks at it.
fn run(folder: &Path, depth: &str, kind: Kind, names: &[&str], settings: &[&str]) -> Tensors {
    let source = "source=[{name=\"films\",format=\"folder\",root=\"films\"}]";
    let shared = [source, "task=films", "data.width=96", "data.height=64"];
    let overrides: Vec<String> = shared.iter().chain(settings).map(|s| (*s).to_owned()).collect();
    let text = config::builtin(&format!("finetune/{depth}")).unwrap();
    let config: Finetune = config::parse(text, "test", &overrides).unwrap();
    fs::write(folder.join("config.resolved.toml"), config::resolved(&config).unwrap()).unwrap();
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let source: &Source = &config.source[0];
    let metadata = tasks::metadata(source, &Labels { kind, names });
    let file = folder.join(weights::FILE);
    // The head's shapes are told by the words, which stand in a file already.
    weights::save(&file, Tensors::new(), metadata.clone()).unwrap();
    let task = tasks::recall(folder, &config).unwrap();
    let expected = model::expected(model::depth(config.model.backbone), Some(&*task));
    let tensor = |(at, (name, shape)): (usize, (String, Vec<usize>))| {
        let count = shape.iter().product::<usize>();
        let value = |i: usize| ((i * 31 + at * 17) % 1009) as f32 / 1009.0 + 0.01;
        (name, HostTensor::f32(shape, (0..count).map(value).collect()))
    };
    let tensors: Tensors = expected.into_iter().enumerate().map(tensor).collect();
    weights::save(&file, tensors.clone(), metadata).unwrap();
    tensors
}

fn described(values: &[ValueInfo]) -> Vec<String> {
    let one = |value: &ValueInfo| {
        assert!(!value.doc_string.is_empty(), "{}: nobody is told what it is", value.name);
        let tensor = value.of.as_ref().unwrap().tensor.as_ref().unwrap();
        let extents = tensor.shape.as_ref().unwrap().dim.iter().map(|d| match (d.value, &d.name) {
            (Some(value), None) => value.to_string(),
            (None, Some(name)) => name.clone(),
            other => panic!("{}: {other:?}", value.name),
        });
        format!("{} {} {}", value.name, tensor.elements, extents.collect::<Vec<_>>().join(" "))
    };
    values.iter().map(one).collect()
}

/// Each name is given once, before it is read, and everything that is given is used.
fn is_whole(graph: &GraphOf) {
    let mut given = BTreeSet::new();
    let constants = graph.initializer.iter().map(|constant| &constant.name);
    for name in graph.input.iter().map(|input| &input.name).chain(constants) {
        assert!(given.insert(name.as_str()), "{name} is given twice");
    }
    let mut read: BTreeSet<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    let mut names = BTreeSet::new();
    for node in &graph.node {
        assert!(names.insert(&node.name), "{}: two nodes of this name", node.name);
        for input in node.input.iter().filter(|input| !input.is_empty()) {
            assert!(given.contains(input.as_str()), "{}: nothing gives {input}", node.name);
            read.insert(input);
        }
        for output in &node.output {
            assert!(given.insert(output), "{output} is given twice");
        }
    }
    // TopK's values and places are one node's: either may go unread.
    let idle = given.difference(&read).filter(|name| !name.starts_with("TopK."));
    assert_eq!(idle.collect::<Vec<_>>(), Vec::<&&str>::new());
}

fn numbers(constant: &Constant) -> Vec<f32> {
    let chunks = constant.raw_data.as_chunks::<4>().0;
    chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Every weight is in the graph as it is in the file, but those that only training needs.
fn holds(graph: &GraphOf, tensors: &Tensors) {
    let constants: BTreeMap<&str, &Constant> =
        graph.initializer.iter().map(|constant| (constant.name.as_str(), constant)).collect();
    for (name, tensor) in tensors.iter().filter(|(name, _)| !name.starts_with("aux_classifier")) {
        let constant = constants.get(name.as_str()).unwrap_or_else(|| panic!("{name} is missing"));
        let shape: Vec<usize> = constant.dims.iter().map(|extent| *extent as usize).collect();
        assert_eq!(shape, tensor.shape, "{name}");
        assert!(numbers(constant) == tensor.as_f32().unwrap(), "{name} differs");
    }
    let named = constants.keys().filter(|name| !name.starts_with("constant."));
    let own: Vec<_> = named.filter(|name| !tensors.contains_key(**name)).collect();
    assert!(own.is_empty(), "{own:?}");
}

fn metadata_of(model: &ModelProto) -> Metadata {
    model.metadata_props.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
}

/// The model of a run, written and read again.
fn exported(folder: &Path) -> ModelProto {
    let file = folder.join("network.onnx");
    let bytes = mtpret_pipeline::onnx::write(&file, &onnx::network(folder).unwrap()).unwrap();
    let read = fs::read(&file).unwrap();
    assert_eq!(read.len() as u64, bytes);
    ModelProto::decode(&read[..]).unwrap()
}

const SEGMENT: [&str; 3] = ["segment.width=64", "segment.height=48", "segment.aux=true"];
const DETECT: [&str; 2] = ["detect.width=128", "detect.height=96"];

const MASKS: [&str; 2] = ["probabilities 1 N 1 48 64", "mask 2 N 1 48 64"];
const BOXES: [&str; 3] = ["boxes 1 D 4", "scores 1 D", "labels 7 D"];

/// Exports a network and reads it again: inputs and outputs as described, nothing missing, the metadata complete.
fn check(
    (kind, depth): (Kind, &str),
    names: &[&str],
    settings: &[&str],
    inputs: &[&str],
    outputs: &[&str],
) {
    let folder = TempDir::new().unwrap();
    let tensors = run(folder.path(), depth, kind, names, settings);
    let model = exported(folder.path());
    let graph = model.graph.as_ref().unwrap();
    is_whole(graph);
    holds(graph, &tensors);
    assert_eq!(described(&graph.input), inputs, "{kind:?}");
    assert_eq!(described(&graph.output), outputs, "{kind:?}");
    let metadata = metadata_of(&model);
    let labels: Vec<String> = serde_json::from_str(&metadata["labels"]).unwrap();
    assert_eq!(labels, names);
    let positive = (kind == Kind::Classes).then_some("well");
    assert_eq!(metadata.get("positive").map(String::as_str), positive);
    let told = ["mean", "std", "notice", "task"].map(|key| metadata[key].as_str());
    assert_eq!(told, ["122.786", "18.39", "not for diagnostic use", "films"]);
    let size = format!("{} {}", metadata["height"], metadata["width"]);
    assert!(inputs[0].ends_with(&size), "{size}");
    let letterboxed = settings.contains(&"detect.fit=letterbox");
    assert_eq!(metadata["resize"].starts_with("shrink"), letterboxed, "{}", metadata["resize"]);
    assert_eq!(
        (model.ir_version, model.opset_import[0].version),
        (8, mtpret_pipeline::onnx::OPSET)
    );
}

#[test]
fn an_exported_classifier_is_whole_and_holds_the_weights() {
    let image = ["image 1 N 1 64 96"];
    let classes = ["sick", "well"];
    check((Kind::Classes, "resnet18"), &classes, &[], &image, &["probabilities 1 N 2"]);
    let findings = ["a", "b", "c"];
    check((Kind::Multi, "resnet50"), &findings, &[], &image, &["probabilities 1 N 3"]);
}

#[test]
fn an_exported_deeplab_is_whole_and_holds_the_weights() {
    let image = ["image 1 N 1 48 64"];
    check((Kind::Mask, "resnet18"), &["lung"], &SEGMENT, &image, &MASKS);
    let paddle = [&SEGMENT[..], &["segment.preset=paddle"]].concat();
    check((Kind::Mask, "resnet50"), &["lung"], &paddle, &image, &MASKS);
}

#[test]
fn an_exported_detector_is_whole_and_holds_the_weights() {
    let image = "image 1 1 1 96 128";
    check((Kind::Boxes, "resnet18"), &["nodule"], &DETECT, &[image], &BOXES);
    let paddle = [&DETECT[..], &["detect.preset=paddle"]].concat();
    check((Kind::Boxes, "resnet50"), &["nodule", "mass"], &paddle, &[image], &BOXES);
    let letterbox = [&DETECT[..], &["detect.fit=letterbox"]].concat();
    check((Kind::Boxes, "resnet18"), &["nodule"], &letterbox, &[image, "extent 1 2"], &BOXES);
}

#[test]
fn features_are_exported_of_any_weights_for_films_of_any_size() {
    let folder = TempDir::new().unwrap();
    let mut tensors = run(folder.path(), "resnet50", Kind::Mask, &["lung"], &["data.mean=99.5"]);
    tensors.retain(|name, _| name.starts_with("backbone."));
    let bare = |(name, tensor): (&String, &HostTensor)| {
        (name.strip_prefix("backbone.").unwrap().to_owned(), tensor.clone())
    };
    let tensors: Tensors = tensors.iter().map(bare).collect();
    for (path, mean) in [("", "99.5"), (weights::FILE, "122.786")] {
        let model = onnx::features(&folder.path().join(path)).unwrap();
        let graph = model.graph.as_ref().unwrap();
        is_whole(graph);
        holds(graph, &tensors);
        assert_eq!(described(&graph.input), ["image 1 N 1 height width"]);
        let outputs = ["features 1 N 2048", "map 1 N 2048 rows columns"];
        assert_eq!(described(&graph.output), outputs);
        assert_eq!(metadata_of(&model)["mean"], mean);
    }
    fs::write(folder.path().join("none.pth"), "no weights").unwrap();
    let refused = onnx::features(&folder.path().join("none.pth")).unwrap_err().to_string();
    assert!(refused.contains("none.pth: expected weights"), "{refused}");
}

#[test]
fn weights_that_do_not_fit_the_labels_are_refused() {
    let folder = TempDir::new().unwrap();
    let tensors = run(folder.path(), "resnet18", Kind::Classes, &["a", "b"], &[]);
    let three = Labels { kind: Kind::Classes, names: ["a", "b", "c"].map(str::to_owned).into() };
    let metadata = tasks::metadata(&Source::named("films"), &three);
    weights::save(&folder.path().join(weights::FILE), tensors, metadata).unwrap();
    let refused = onnx::network(folder.path()).unwrap_err().to_string();
    assert!(
        refused.contains("fc.weight: expected the shape [3, 512], found [2, 512]"),
        "{refused}"
    );
}
