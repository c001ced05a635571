//! `run-op`, `run-model`, `run-steps`: what other programs check this one with.

use crate::commands::{PROGRAM, Place, ended, succeeded};
use mtpret_engine::tensor::Scope;
use mtpret_pipeline::models::{DeepLab, Depth, ResNet, deeplab::DeepLabOptions};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::HashMap, process::Command, rc::Rc};

type Named<'a> = (&'a str, Vec<usize>, Vec<f32>);

/// ResNet-18's backbone in torchvision: names and shapes.
pub fn resnet18() -> Vec<(String, Vec<usize>)> {
    let mut all = Vec::new();
    let mut conv = |conv: String, norm: String, shape: [usize; 4]| {
        all.push((format!("{conv}.weight"), shape.to_vec()));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            all.push((format!("{norm}.{part}"), vec![shape[0]]));
        }
        all.push((format!("{norm}.num_batches_tracked"), vec![]));
    };
    conv("conv1".into(), "bn1".into(), [64, 3, 7, 7]);
    let mut from = 64;
    for (layer, to) in [(1, 64), (2, 128), (3, 256), (4, 512)] {
        for block in 0..2 {
            let at = format!("layer{layer}.{block}");
            conv(format!("{at}.conv1"), format!("{at}.bn1"), [to, from, 3, 3]);
            conv(format!("{at}.conv2"), format!("{at}.bn2"), [to, to, 3, 3]);
            if from != to {
                let at = format!("{at}.downsample");
                conv(format!("{at}.0"), format!("{at}.1"), [to, from, 1, 1]);
            }
            from = to;
        }
    }
    all
}

/// A ramp of numbers below 1.
fn ramp(shape: &[usize]) -> Vec<f32> {
    (0..shape.iter().product()).map(|i: usize| (i * 37 % 101) as f32 / 101.0 - 0.5).collect()
}

/// Writes tensors, targets but for masks of one class as int64, with metadata.
fn write(place: &Place, name: &str, tensors: &[Named], metadata: &[(&str, &str)]) {
    let whole = |name: &str, shape: &[usize]| name.contains("target") && shape.len() < 4;
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(name, shape, values)| match whole(name, shape) {
            true => values.iter().flat_map(|v| (*v as i64).to_le_bytes()).collect(),
            false => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let dtype = if whole(name, shape) { Dtype::I64 } else { Dtype::F32 };
        (*name, TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    let words = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let words = Some(HashMap::from_iter(words));
    safetensors::serialize_to_file(views, words, &place.path(name)).unwrap();
}

/// Weights of a ResNet-18 with `head`'s tensors.
fn weights(place: &Place, name: &str, head: &[(&str, Vec<usize>)]) {
    let shapes = resnet18().into_iter().filter(|(name, _)| !name.ends_with("tracked"));
    let heads = head.iter().map(|(name, shape)| ((*name).to_owned(), shape.clone()));
    let all: Vec<_> = shapes.chain(heads).collect();
    let values = |(name, shape): &(String, Vec<usize>)| match name.ends_with("running_var") {
        true => vec![1.0; shape[0]],
        false => ramp(shape).into_iter().map(|v| v * 0.1).collect(),
    };
    let tensors: Vec<Named> = all.iter().map(|e| (e.0.as_str(), e.1.clone(), values(e))).collect();
    write(place, name, &tensors, &[]);
}

fn program(place: &Place, words: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(place.0.path()).args(words.split_whitespace());
    command
}

/// The command ends with exit code 2 and one line that holds `word`.
fn malformed(command: Command, word: &str) {
    let err = ended(command, 2).err;
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.starts_with("mtpret: ") && err.contains(word), "`{word}` is not in: {err}");
}

fn shapes(place: &Place, name: &str) -> HashMap<String, Vec<usize>> {
    let bytes = place.read(name);
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    tensors.into_iter().map(|(name, view)| (name, view.shape().to_vec())).collect()
}

#[test]
fn an_op_runs_in_every_variant_and_gives_gradients() {
    let place = Place::new();
    let (x, w, y) = (vec![2, 3, 9, 8], vec![5, 3, 3, 3], vec![2, 5, 5, 4]);
    let tensors =
        [("x", x.clone(), ramp(&x)), ("w", w.clone(), ramp(&w)), ("dy", y.clone(), ramp(&y))];
    let attributes = r#"{"stride": [2, 2], "padding": [1, 1]}"#;
    write(&place, "c.safetensors", &tensors, &[("op", "conv2d"), ("attrs", attributes)]);
    succeeded(program(&place, "run-op c.safetensors -o y.safetensors --variant all"));
    let found = shapes(&place, "y.safetensors");
    assert_eq!(found, HashMap::from([("y".into(), y), ("dx".into(), x), ("dw".into(), w)]));
    let list = succeeded(program(&place, "run-op --list")).out;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert!(list["conv2d"]["variants"].as_array().unwrap().len() > 1);
}

#[test]
fn a_malformed_op_is_refused_in_one_line() {
    let place = Place::new();
    let image = || ("x", vec![1, 4, 6, 6], ramp(&[1, 4, 6, 6]));
    let kernel = |c: usize, r: usize| ("w", vec![4, c, r, r], ramp(&[4, c, r, r]));
    let dy = |shape: &[usize]| ("dy", shape.to_vec(), ramp(shape));
    let wrong = |tensors: &[Named], op: &str, attributes: &str, word: &str| {
        write(&place, "c.safetensors", tensors, &[("op", op), ("attrs", attributes)]);
        malformed(program(&place, "run-op c.safetensors -o y.safetensors"), word);
        assert!(!place.path("y.safetensors").exists());
    };
    wrong(&[image()], "convv2d", "{}", "found `convv2d`");
    wrong(&[image()], "conv2d", "{}", "`w`");
    wrong(&[image(), kernel(4, 3)], "conv2d", "{stride", "attrs: expected a JSON object");
    wrong(&[image(), kernel(4, 3)], "conv2d", r#"{"stride": "two"}"#, "`stride`");
    wrong(&[image(), kernel(4, 3)], "conv2d", r#"{"stride": [0, 1]}"#, "stride");
    wrong(&[image(), kernel(4, 3)], "conv2d", r#"{"dilation": [0, 0]}"#, "dilation");
    wrong(&[image(), kernel(3, 3)], "conv2d", "{}", "expected x of w's 3 input channels, found 4");
    wrong(&[image(), kernel(4, 9)], "conv2d", "{}", "expected a kernel within the image");
    wrong(&[("x", vec![6], ramp(&[6]))], "max_pool2d", r#"{"kernel": [2, 2]}"#, "`x`");
    wrong(&[image()], "max_pool2d", r#"{"kernel": [0, 0]}"#, "kernel");
    wrong(&[image()], "max_pool2d", r#"{"kernel": [2, 2], "stride": [0, 0]}"#, "stride");
    wrong(&[("x", vec![0, 4], vec![])], "l2_normalize", "{}", "`x`");
    wrong(&[image(), dy(&[1])], "relu", "{}", "dy");
    wrong(&[image(), dy(&[1])], "global_avg_pool", "{}", "dy");
    wrong(&[image(), dy(&[1])], "max_pool2d", r#"{"kernel": [2, 2]}"#, "`dy`");
    let [w, b] = ["weight", "bias"].map(|name| (name, vec![4], ramp(&[4])));
    let [m, v] = ["running_mean", "running_var"].map(|name| (name, vec![4], vec![1.0; 4]));
    wrong(&[image(), w, b, m, v, dy(&[1])], "batch_norm", "{}", "`dy`");
    wrong(&[image(), kernel(4, 3), dy(&[1])], "conv2d", "{}", "`dy`");
    let (a, b) = (("a", vec![2, 4], ramp(&[2, 4])), ("b", vec![4, 2], ramp(&[4, 2])));
    wrong(&[a, b], "add", "{}", "expected a and b alike");
    let logits = ("logits", vec![2, 3], ramp(&[2, 3]));
    wrong(&[logits.clone(), ("target", vec![3], vec![0.0; 3])], "cross_entropy", "{}", "target");
    wrong(&[logits, ("target", vec![2], vec![0.0, 9.0])], "cross_entropy", "{}", "target");
    write(&place, "c.safetensors", &[image()], &[]);
    malformed(program(&place, "run-op c.safetensors -o y.safetensors"), "`op`");
    malformed(program(&place, "run-op none.safetensors -o y.safetensors"), "none.safetensors");
    write(&place, "c.safetensors", &[image()], &[("op", "relu")]);
    malformed(program(&place, "run-op c.safetensors -o y.safetensors --variant fast"), "`fast`");
}

#[test]
fn a_model_runs_and_malformed_requests_are_refused_in_one_line() {
    let place = Place::new();
    weights(&place, "w.safetensors", &[("fc.weight", vec![3, 512]), ("fc.bias", vec![3])]);
    let x = ("x", vec![2, 1, 40, 32], ramp(&[2, 1, 40, 32]));
    write(&place, "x.safetensors", &[x.clone(), ("target", vec![2], vec![2.0, 0.0])], &[]);
    let run = |words: &str| {
        program(&place, &format!("run-model {words} --weights w.safetensors -o y.safetensors"))
    };
    succeeded(run("resnet18 --input x.safetensors"));
    let found = shapes(&place, "y.safetensors");
    assert_eq!(found["logits"], [2, 3]);
    assert_eq!(found["features.5"], [2, 512, 2, 1]);
    succeeded(run("resnet18 --input x.safetensors --mode train --grad"));
    let found = shapes(&place, "y.safetensors");
    assert_eq!(found["losses.class"], [0usize; 0]);
    assert_eq!(found["grad.layer4.1.conv2.weight"], [512, 512, 3, 3]);
    assert!(found.contains_key("bn1.running_var"));

    malformed(run("resnet19 --input x.safetensors"), "`resnet19`");
    malformed(run("resnet18 --input none.safetensors"), "none.safetensors");
    malformed(run("resnet50 --input x.safetensors"), "conv");
    malformed(run("resnet18 --classes 7 --input x.safetensors"), "fc");
    let wrong = |tensors: &[Named], word: &str| {
        write(&place, "z.safetensors", tensors, &[]);
        malformed(run("resnet18 --input z.safetensors --mode train"), word);
    };
    wrong(&[("y", vec![1], vec![0.0])], "`x`");
    wrong(&[("x", vec![1, 2, 32, 32], ramp(&[1, 2, 32, 32]))], "z.safetensors: x: expected [N, ");
    wrong(std::slice::from_ref(&x), "`target`");
    wrong(&[x.clone(), ("target", vec![2], vec![0.0, 3.0])], "target: expected classes below 3");
    wrong(&[x, ("target", vec![3], vec![0.0; 3])], "target");
}

#[test]
fn steps_run_and_malformed_requests_are_refused_in_one_line() {
    let place = Place::new();
    weights(&place, "w.safetensors", &[("fc.weight", vec![2, 512]), ("fc.bias", vec![2])]);
    weights(&place, "m.safetensors", &[("fc.weight", vec![8, 512]), ("fc.bias", vec![8])]);
    let x = |name| (name, vec![4, 1, 32, 32], ramp(&[4, 1, 32, 32]));
    let target = |name, last| (name, vec![4], vec![0.0, 1.0, 1.0, last]);
    let tensors = [x("x.0"), target("target.0", 0.0), x("x.1"), target("target.1", 1.0)];
    write(&place, "b.safetensors", &tensors, &[]);
    let run = |weights: &str, words: &str| {
        program(
            &place,
            &format!("run-steps resnet18 --weights {weights}.safetensors -o t.json {words}"),
        )
    };
    let trace = || serde_json::from_str::<serde_json::Value>(&place.text("t.json")).unwrap();
    let lr =
        "--batches b.safetensors --task classify --set optim.lr=0.5 --save-weights o.safetensors";
    succeeded(run("w", lr));
    let steps = trace()["steps"].as_array().unwrap().clone();
    assert_eq!(steps.len(), 2);
    assert!(steps[1]["losses"]["class"].is_f64() && steps[1]["lr"] == 0.5, "{steps:?}");
    assert_eq!(shapes(&place, "o.safetensors")["fc.weight"], [2, 512]);

    let queue = |shape: Vec<usize>| ("queue", shape.clone(), ramp(&shape));
    let moco = "--batches q.safetensors --task moco --set moco.bn_splits=2";
    let batches = |queue: Named| {
        write(&place, "q.safetensors", &[x("view1.0"), x("view2.0"), queue], &[]);
    };
    batches(queue(vec![8, 12]));
    succeeded(run("m", moco));
    assert!(trace()["steps"][0]["losses"]["contrast"].is_f64());

    malformed(run("m", "--batches q.safetensors --task moco --set moco.bn_splits=3"), "3");
    malformed(run("m", "--batches q.safetensors --task moco --set moco.splits=2"), "splits");
    batches(queue(vec![8, 2]));
    malformed(run("m", moco), "queue");
    batches(queue(vec![6, 12]));
    malformed(run("m", moco), "fc");
    batches(("other", vec![1], vec![0.0]));
    malformed(run("m", moco), "`queue`");
    malformed(run("w", "--batches q.safetensors --task classify"), "q.safetensors");
    write(&place, "b.safetensors", &[x("x.0"), target("target.0", 2.0)], &[]);
    malformed(run("w", "--batches b.safetensors --task classify"), "b.safetensors: target.0: ");
    write(&place, "b.safetensors", &[x("x.0")], &[]);
    malformed(run("w", "--batches b.safetensors --task classify"), "`target.0`");
}

/// Weights of a DeepLab on ResNet-18.
fn deeplab(place: &Place, name: &str, classes: usize) {
    let root = Scope::root();
    let backbone = Rc::new(ResNet::new(&root.at("backbone"), Depth::R18));
    DeepLab::new(&root, &backbone, classes, DeepLabOptions::torchvision(16));
    let (parameters, statistics) = root.layouts();
    let entries: Vec<_> = parameters.entries().chain(statistics.entries()).collect();
    let values = |name: &str, shape: &[usize]| match name.ends_with("running_var") {
        true => vec![1.0; shape[0]],
        false => ramp(shape).into_iter().map(|v| v * 0.1).collect(),
    };
    let named = entries
        .iter()
        .map(|e| (e.name.as_str(), e.file_shape.clone(), values(&e.name, &e.file_shape)));
    write(place, name, &named.collect::<Vec<_>>(), &[]);
}

#[test]
fn one_image_trains_a_deeplab_but_not_the_statistics_of_its_mean() {
    let place = Place::new();
    deeplab(&place, "w.safetensors", 1);
    let x = ("x", vec![1, 1, 33, 40], ramp(&[1, 1, 33, 40]));
    let target = ("target", vec![1, 1, 33, 40], vec![1.0; 33 * 40]);
    write(&place, "x.safetensors", &[x, target], &[]);
    let files = "--weights w.safetensors --input x.safetensors -o y.safetensors";
    let run = |words: &str| {
        let words = format!("run-model deeplabv3_resnet18 {files} --output-stride 16 {words}");
        succeeded(program(&place, &words));
        shapes(&place, "y.safetensors")
    };
    assert_eq!(run(""), HashMap::from([("out".into(), vec![1, 1, 33, 40])]));
    let found = run("--mode train --grad");
    assert_eq!(found["losses.mask"], [0usize; 0]);
    assert_eq!(found["grad.classifier.0.convs.4.1.weight"], [256, 512, 1, 1]);
    let values = |file: &str, name: &str| {
        let bytes = place.read(file);
        SafeTensors::deserialize(&bytes).unwrap().tensor(name).unwrap().data().to_vec()
    };
    let moved = |name: &str| values("w.safetensors", name) != values("y.safetensors", name);
    assert!(!moved("classifier.0.convs.4.2.running_mean"));
    assert!(!moved("classifier.0.convs.4.2.running_var"));
    assert!(moved("classifier.0.convs.3.1.running_mean"));
    assert!(moved("backbone.layer4.1.bn2.running_var"));

    let loss = values("y.safetensors", "losses.mask");
    run("--mode train --dropout 0.5");
    assert_ne!(values("y.safetensors", "losses.mask"), loss, "dropout acts in training");
    run("");
    let out = values("y.safetensors", "out");
    run("--dropout 0.5");
    assert_eq!(values("y.safetensors", "out"), out, "and there alone");
}

#[test]
fn what_a_deeplab_cannot_do_is_refused_in_one_line() {
    let place = Place::new();
    deeplab(&place, "1.safetensors", 1);
    deeplab(&place, "3.safetensors", 3);
    let x = ("x", vec![2, 1, 32, 32], ramp(&[2, 1, 32, 32]));
    let mask = |v: f32| ("target", vec![2, 1, 32, 32], vec![v; 2048]);
    let classes = |v: f32| ("target", vec![2, 32, 32], vec![v; 2048]);
    write(&place, "x.safetensors", std::slice::from_ref(&x), &[]);
    let model = |weights: usize, input: &str, words: &str| {
        let files = format!("--weights {weights}.safetensors --input {input}.safetensors");
        let words = format!("run-model deeplabv3_resnet18 {files} -o y.safetensors {words}");
        program(&place, &words)
    };
    malformed(model(1, "x", "--output-stride 12"), "--output-stride");
    malformed(model(1, "x", "--rates 6,12"), "--rates");
    malformed(model(1, "x", "--rates 6,0,18"), "--rates");
    malformed(model(1, "x", "--dropout 1"), "--dropout");
    malformed(model(1, "x", "--classes 2"), "classifier.4");
    malformed(model(1, "x", "--preset paddle"), "classifier.1");
    let wrong = |weights: usize, target: Named, word: &str| {
        write(&place, "t.safetensors", &[x.clone(), target], &[]);
        malformed(model(weights, "t", "--mode train --output-stride 32"), word);
    };
    wrong(1, mask(1.5), "from 0 to 1");
    wrong(1, classes(0.0), "float [N, 1, H, W]");
    wrong(1, ("target", vec![2, 1, 32, 31], vec![0.0; 1984]), "masks of");
    wrong(3, mask(1.0), "int64 [N, H, W]");
    wrong(3, classes(3.0), "classes below 3");
    write(&place, "b.safetensors", &[("x.0", x.1.clone(), x.2.clone())], &[]);
    let steps = |name: &str, task: &str| {
        let files = "--weights 1.safetensors --batches b.safetensors -o t.json";
        program(&place, &format!("run-steps {name} {files} --task {task}"))
    };
    malformed(steps("deeplabv3_resnet19", "segment"), "deeplabv3_resnet19");
    malformed(steps("deeplabv3_resnet18", "classify"), "--task");
    malformed(steps("deeplabv3_resnet18", "segment"), "`target.0`");
}
