//! ONNX: a network as a file that other programs run, with all that its user has to know.
//!
//! The graph takes grey levels from 0 to 255 at the network's size; the z-score and the three channels are in it, so that
//! nobody gets them wrong. What its outputs mean stands beside it, as metadata.

mod faster_rcnn;
mod graph;
mod networks;
pub mod proto;

pub use faster_rcnn::{Detector, Found};
pub use graph::{Extent, Graph, Value};
pub use networks::{deeplab, pooled, resnet};

use super::{
    bundle,
    checkpoint::{self, Metadata},
    config::{Data, Finetune},
    learner, task,
    weights::{self, Unexpected},
};
use crate::{Error, Result, models::Depth};
use prost::Message;
use proto::{Entry, Model, OperatorSet};
use serde::Deserialize;
use std::{fs, io::Write, path::Path};

/// The version of ONNX's operators.
pub const OPSET: i64 = 18;
/// The version of the file format that came with it.
const IR: i64 = 8;
/// The films that networks were trained on where nothing says which: the paper's z-score.
const PAPER: [f64; 2] = [122.786, 18.390];
const NOTICE: &str = "not for diagnostic use";

/// The network of a fine-tuned run or bundle: `probabilities` of labels, a `mask` and its `probabilities`, or `boxes`,
/// `scores` and `labels`.
///
/// # Errors
/// The run is not finished, or its weights do not fit.
pub fn network(path: &Path) -> Result<Model> {
    let config: Finetune = bundle::config(path, &[])?;
    let task = task::recall(path, &config)?;
    let depth = learner::depth(config.model.backbone);
    let (file, expected) = (bundle::weights(path), learner::expected(depth, Some(&*task)));
    let tensors = bundle::tensors(&file, &expected)?;
    let graph = Graph::new(&tensors);
    task.graph(&graph, depth);
    let words = checkpoint::metadata(&file)?;
    let kept = ["kind", "labels", "positive"].map(|key| (key, words.get(key)));
    let kept = kept.into_iter().filter_map(|(key, word)| Some((key.to_owned(), word?.clone())));
    let words = kept.chain(task::preparation(&*task)).collect();
    Ok(model(graph.finish(&config.task), words))
}

/// The backbone of a run, a bundle or a file of weights: `features` [N, C], the means over each film, and `map`, C5.
///
/// # Errors
/// The weights have no ResNet's backbone.
pub fn features(path: &Path) -> Result<Model> {
    let file = weights::open(path)?;
    let third = |name: &String| name.ends_with("layer1.0.conv3.weight");
    let depth = if file.tensors.keys().any(third) { Depth::R50 } else { Depth::R18 };
    let tensors = file.matched(&learner::expected(depth, None), Unexpected::Drop)?;
    let words = preparation(path)?;
    let number = |key: &str| words[key].parse::<f64>().expect("the words of a number");
    let graph = Graph::new(&tensors);
    let free = [Extent::Free("height"), Extent::Free("width")];
    let x = film(&graph, Extent::Free("N"), free, [number("mean"), number("std")]);
    let [.., c5] = resnet(&graph, "", depth, &x, |_, _| None);
    let channels = Extent::Fixed(depth.features());
    let meaning = "the mean of each feature over the film";
    graph.output(
        "features",
        &pooled(&graph, &c5),
        proto::FLOAT,
        &[Extent::Free("N"), channels],
        meaning,
    );
    let shape = [Extent::Free("N"), channels, Extent::Free("rows"), Extent::Free("columns")];
    graph.output("map", &c5, proto::FLOAT, &shape, "features of every 32 x 32 pixels");
    Ok(model(graph.finish("backbone"), words))
}

/// How films were prepared for the backbone at `path`: as its run or bundle says, else as in the paper.
fn preparation(path: &Path) -> Result<Metadata> {
    #[derive(Deserialize)]
    struct Stage {
        data: Data,
    }
    let file = path.join("config.resolved.toml");
    let [mean, std] = match (bundle::is(path), file.exists()) {
        (true, _) => {
            let data = bundle::config(path, &[])?.data;
            [data.mean, data.std]
        }
        (_, true) => {
            let text = fs::read_to_string(&file)
                .map_err(|e| Error::io(&file, e, "see that it may be read"))?;
            let stage: Stage = toml::from_str(&text).map_err(|fault| {
                let problem = format!("expected the configuration of a run: {}", fault.message());
                Error::config(file.display().to_string(), problem, "name a run that mtpret made")
            })?;
            [stage.data.mean, stage.data.std]
        }
        _ => PAPER,
    };
    let words = [
        ("mean", mean.to_string()),
        ("std", std.to_string()),
        ("grey", task::GREY.to_owned()),
        ("resize", "any size, bilinear with antialiasing".to_owned()),
    ];
    Ok(words.map(|(key, word)| (key.to_owned(), word)).into())
}

/// The input `image` `[N, 1, H, W]`, z-scored and three times over, `[N, 3, H, W]`.
pub fn film(
    graph: &Graph,
    n: Extent,
    [height, width]: [Extent; 2],
    [mean, std]: [f64; 2],
) -> Value {
    let meaning = "grey levels from 0 to 255, at the network's size, not normalised";
    let x = graph.input("image", &[n, Extent::Fixed(1), height, width], meaning);
    let x = graph.node("Sub", [&x, &graph.float(mean as f32)], []);
    let x = graph.node("Div", [&x, &graph.float(std as f32)], []);
    graph.concat([&x, &x, &x], 1)
}

/// The input of a task's network.
pub fn film_of(graph: &Graph, data: &Data, n: Extent) -> Value {
    let size = [data.height, data.width].map(Extent::Fixed);
    film(graph, n, size, [data.mean, data.std])
}

fn model(graph: proto::GraphOf, words: Metadata) -> Model {
    let program = concat!("mtpret ", env!("CARGO_PKG_VERSION"));
    let own = [("notice", NOTICE), ("program", program)];
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let entry = |(key, value)| Entry { key, value };
    Model {
        ir_version: IR,
        producer_name: "mtpret".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: format!("{} by {program}; {NOTICE}", graph.name),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props: words.into_iter().chain(own).map(entry).collect(),
    }
}

/// Writes a model, whole or not at all; the bytes written.
///
/// # Errors
/// The disk is full or the folder is not writable.
pub fn write(path: &Path, model: &Model) -> Result<u64> {
    let bytes = model.encode_to_vec();
    checkpoint::replace(path, |file| file.write_all(&bytes))?;
    Ok(bytes.len() as u64)
}
