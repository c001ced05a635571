//! The backbone, its classifier and DeepLabV3 as graphs, layer by layer what `models` records.

use super::{Graph, Value};
use crate::models::{Depth, deeplab};

/// Adds C2 … C5 of images `[N, 3, H, W]` by the ResNet whose names begin with `at`; `dilation` as
/// [`ResNet::dilated`](crate::models::ResNet::dilated) takes it.
pub fn resnet(
    graph: &Graph,
    at: &str,
    depth: Depth,
    x: &Value,
    dilation: impl Fn(usize, usize) -> Option<[usize; 2]>,
) -> [Value; 4] {
    let norm = |name: &str, x: &Value| graph.batch_norm(&format!("{at}{name}"), x);
    let x = graph.conv(&format!("{at}conv1"), x, [2, 3, 1]);
    let mut x = graph.max_pool(&graph.relu(&norm("bn1", &x)), [3, 2, 1]);
    let mut features = Vec::with_capacity(4);
    for (layer, blocks) in depth.blocks().into_iter().enumerate() {
        for block in 0..blocks {
            let stride = if layer > 0 && block == 0 { 2 } else { 1 };
            let name = format!("{at}layer{}.{block}", layer + 1);
            x = residual(graph, &name, depth, &x, stride, dilation(layer, block));
        }
        features.push(x.clone());
    }
    features.try_into().unwrap_or_else(|_| unreachable!("there are four layers"))
}

/// Adds a residual block.
fn residual(
    graph: &Graph,
    at: &str,
    depth: Depth,
    x: &Value,
    stride: usize,
    dilation: Option<[usize; 2]>,
) -> Value {
    let mut y = x.clone();
    for i in 0..depth.convolutions() {
        if i > 0 {
            y = graph.relu(&y);
        }
        let strided = i == depth.strided();
        let name = format!("{at}.conv{}", i + 1);
        let half = graph.kernel(&name) / 2;
        let geometry = match dilation.map(|[own, others]| if strided { own } else { others }) {
            Some(apart) => [1, half * apart, apart],
            None => [if strided { stride } else { 1 }, half, 1],
        };
        y = graph.batch_norm(&format!("{at}.bn{}", i + 1), &graph.conv(&name, &y, geometry));
    }
    let shortcut = format!("{at}.downsample");
    let x = match graph.has(&format!("{shortcut}.0.weight")) {
        true => {
            let stride = if dilation.is_some() { 1 } else { stride };
            let x = graph.conv(&format!("{shortcut}.0"), x, [stride, 0, 1]);
            graph.batch_norm(&format!("{shortcut}.1"), &x)
        }
        false => x.clone(),
    };
    graph.relu(&graph.node("Add", [&y, &x], []))
}

/// Adds the mean of C5 over each image, `[N, C]`.
pub fn pooled(graph: &Graph, c5: &Value) -> Value {
    graph.reshape(&graph.mean(c5), &[0, -1])
}

/// Adds logits `[N, 1, H, W]` for images of `size` (height, width) from C5, by the DeepLabV3 head with these
/// options.
pub fn deeplab(
    graph: &Graph,
    c5: &Value,
    options: &deeplab::DeepLabOptions,
    size: [usize; 2],
) -> Value {
    let layer = |conv: &str, norm: &str, x: &Value, rate: usize| {
        let half = graph.kernel(conv) / 2;
        graph.relu(&graph.batch_norm(norm, &graph.conv(conv, x, [1, half * rate, rate])))
    };
    let branch = |i: usize, x: &Value, rate: usize| {
        let at = format!("classifier.0.convs.{i}");
        layer(&format!("{at}.0"), &format!("{at}.1"), x, rate)
    };
    let [near, middle, far] = options.rates;
    let image = "classifier.0.convs.4";
    let mean = layer(&format!("{image}.1"), &format!("{image}.2"), &graph.mean(c5), 1);
    let places = size.map(|side| side.div_ceil(options.output_stride));
    let branches = [
        branch(0, c5, 1),
        branch(1, c5, near),
        branch(2, c5, middle),
        branch(3, c5, far),
        graph.resize(&mean, places, true),
    ];
    let joined = graph.concat(branches.each_ref(), 1);
    let mut y = layer("classifier.0.project.0", "classifier.0.project.1", &joined, 1);
    if options.refine {
        y = layer("classifier.1", "classifier.2", &y, 1);
    }
    graph.resize(&graph.conv("classifier.4", &y, [1, 0, 1]), size, true)
}
