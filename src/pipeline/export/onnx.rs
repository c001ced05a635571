//! Export of a network as ONNX, with all that its user has to know.

use super::bundle;
use crate::{
    Error, Result,
    models::Depth,
    onnx::{
        Extent, Graph, film, model, pooled,
        proto::{FLOAT, ModelProto},
        resnet,
    },
    train::{
        config::{Data, Finetune},
        tasks::{
            self,
            model::{depth, expected},
        },
    },
    weights::{
        self, Unexpected,
        checkpoint::{self, Metadata},
    },
};
use serde::Deserialize;
use std::{fs, path::Path};

/// Mean and deviation of the films that networks were trained on where nothing says which: the
/// paper's z-score.
const PAPER: [f64; 2] = [122.786, 18.390];

/// The network of a fine-tuned run or bundle: `probabilities` of labels, a `mask` and its `probabilities`, or `boxes`,
/// `scores` and `labels`.
///
/// # Errors
/// The run is not finished, or its weights do not fit.
pub fn network(path: &Path) -> Result<ModelProto> {
    let config: Finetune = bundle::config(path, &[])?;
    let task = tasks::recall(path, &config)?;
    let depth = depth(config.model.backbone);
    let file = weights::of(path);
    let tensors = weights::tensors(&file, &expected(depth, Some(&*task)))?;
    let graph = Graph::new(&tensors);
    task.graph(&graph, depth);
    let metadata = checkpoint::metadata(&file)?;
    let kept = ["kind", "labels", "positive"].map(|key| (key, metadata.get(key)));
    let kept = kept.into_iter().filter_map(|(key, word)| Some((key.to_owned(), word?.clone())));
    let metadata = kept.chain(tasks::preparation(&*task)).collect();
    Ok(model(graph.finish(&config.task), metadata))
}

/// The backbone of a run, a bundle or a file of weights: `features` [N, C], the means over each film, and `map`, C5.
///
/// # Errors
/// The weights have no ResNet's backbone.
pub fn features(path: &Path) -> Result<ModelProto> {
    let file = weights::open(path)?;
    let third = |name: &String| name.ends_with("layer1.0.conv3.weight");
    let depth = if file.tensors.keys().any(third) { Depth::R50 } else { Depth::R18 };
    let tensors = file.matched(&expected(depth, None), Unexpected::Drop)?;
    let metadata = preparation(path)?;
    let number = |key: &str| metadata[key].parse::<f64>().expect("a number in text");
    let graph = Graph::new(&tensors);
    let free = [Extent::Free("height"), Extent::Free("width")];
    let x = film(&graph, Extent::Free("N"), free, [number("mean"), number("std")]);
    let [.., c5] = resnet(&graph, "", depth, &x, |_, _| None);
    let channels = Extent::Fixed(depth.features());
    let doc = "the mean of each feature over the film";
    graph.output("features", &pooled(&graph, &c5), FLOAT, &[Extent::Free("N"), channels], doc);
    let shape = [Extent::Free("N"), channels, Extent::Free("rows"), Extent::Free("columns")];
    graph.output("map", &c5, FLOAT, &shape, "features of every 32 x 32 pixels");
    Ok(model(graph.finish("backbone"), metadata))
}

/// Preparation of films for the backbone at `path`: as its run or bundle says, else as in the paper.
fn preparation(path: &Path) -> Result<Metadata> {
    #[derive(Deserialize)]
    struct Stage {
        data: Data,
    }
    let file = path.join("config.resolved.toml");
    let [mean, std] = match (weights::is_bundle(path), file.exists()) {
        (true, _) => {
            let data = bundle::config(path, &[])?.data;
            [data.mean, data.std]
        }
        (_, true) => {
            let text = fs::read_to_string(&file)
                .map_err(|e| Error::io(&file, e, "see that it may be read"))?;
            let stage: Stage = toml::from_str(&text).map_err(|fault| {
                let found = format!("other text ({})", fault.message());
                let mend = "name a run that mtpret made";
                Error::config(&file, "the configuration of a run", found, mend)
            })?;
            [stage.data.mean, stage.data.std]
        }
        _ => PAPER,
    };
    let metadata = [
        ("mean", mean.to_string()),
        ("std", std.to_string()),
        ("grey", tasks::GREY.to_owned()),
        ("resize", "any size, bilinear with antialiasing".to_owned()),
    ];
    Ok(metadata.map(|(key, word)| (key.to_owned(), word)).into())
}
