//! `inspect` and `convert`: weights as people publish them, in and out.

use crate::commands::{PROGRAM, Place, ended, program::runners::resnet18, refused, succeeded};
use mtpret_pipeline::weights::{
    self,
    checkpoint::{self, HostTensor, Metadata, Tensors},
};
use serde_json::{Value, json};
use std::{ffi::OsStr, fs, process::Command};

fn program<S: AsRef<OsStr>>(place: &Place, words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(place.0.path()).args(words);
    command
}

/// A ResNet-18 with five outputs, each value telling its place.
fn network() -> Tensors {
    let head = [("fc.weight".to_owned(), vec![5, 512]), ("fc.bias".to_owned(), vec![5])];
    let tensor = |shape: Vec<usize>| match shape.len() {
        0 => HostTensor::i64(shape, vec![3]),
        _ => {
            let values = (0..shape.iter().product()).map(|i: usize| (i % 1001) as f32 / 8.0);
            HostTensor::f32(shape, values.collect())
        }
    };
    resnet18().into_iter().chain(head).map(|(name, shape)| (name, tensor(shape))).collect()
}

fn prefixed(prefix: &str, tensors: &Tensors) -> Tensors {
    tensors.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect()
}

fn write(place: &Place, name: &str, tensors: &Tensors) {
    checkpoint::write(&place.path(name), tensors, &Metadata::new()).unwrap();
}

fn inspected(place: &Place, words: &[&str]) -> Value {
    let words = ["inspect", "--json"].iter().chain(words);
    serde_json::from_str(&succeeded(program(place, words)).out).unwrap()
}

/// A safetensors file as another program writes it, by its header and its bytes.
fn foreign(place: &Place, name: &str, header: &Value, bytes: usize) {
    let header = header.to_string().into_bytes();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(place.path(name), [&length[..], &header, &vec![0; bytes]].concat()).unwrap();
}

#[test]
fn a_file_without_a_checksum_is_anothers_or_refused() {
    let place = Place::new();
    let tensor = json!({ "dtype": "F32", "shape": [2], "data_offsets": [0, 8] });
    let with = |words: Value| json!({ "__metadata__": words, "w": tensor });
    foreign(&place, "theirs.safetensors", &with(json!({ "format": "pt" })), 8);
    let text = succeeded(program(&place, ["inspect", "theirs.safetensors"])).out;
    assert!(text.contains("no checksum: another program wrote the file"), "{text}");
    assert_eq!(inspected(&place, &["theirs.safetensors"])["checksum"], false);
    let said = succeeded(program(&place, ["convert", "theirs.safetensors", "ours.safetensors"]));
    assert!(said.err.contains("no checksum"), "{}", said.err);
    assert_eq!(inspected(&place, &["ours.safetensors"])["checksum"], true);
    for words in [
        json!({ "written_by": "mtpret" }),
        json!({ "bundle": "1" }),
        json!({ "stage": "pretrain", "step": "4" }),
        json!({ "kind": "classes", "labels": "[]" }),
    ] {
        foreign(&place, "claims.safetensors", &with(words), 8);
        let words = ["expected `blake3` in the metadata, found none", "copy the file again"];
        refused(program(&place, ["inspect", "claims.safetensors"]), 1, &words);
    }
    // What lies in a run's folder, a run wrote.
    fs::create_dir(place.path("run")).unwrap();
    foreign(&place, "run/weights.safetensors", &with(json!({ "format": "pt" })), 8);
    refused(program(&place, ["inspect", "run"]), 1, &["expected a checksum", "found none"]);
}

#[test]
fn names_and_axes_beyond_any_network_are_refused_at_once() {
    let place = Place::new();
    let tensor =
        |axes: usize| json!({ "dtype": "F32", "shape": vec![1; axes], "data_offsets": [0, 4] });
    for (header, words) in [
        (json!({ "w": tensor(1_000_000) }), "1 bytes and 1000000 axes"),
        (json!({ "w".repeat(5000): tensor(1) }), "5000 bytes and 1 axes"),
    ] {
        foreign(&place, "huge.safetensors", &header, 4);
        let begun = std::time::Instant::now();
        let convert = ["convert", "huge.safetensors", "to.pth"];
        refused(program(&place, convert), 1, &["at most 32 axes", words]);
        assert!(begun.elapsed().as_secs() < 20);
    }
}

/// What `inspect` says of each network: whole, its backbone, or no.
fn fits(found: &Value) -> Vec<(&str, &str)> {
    let word = |fit: &Value| match (&fit["whole"], &fit["backbone"]) {
        (Value::Bool(true), _) => "whole",
        (_, Value::Bool(true)) => "backbone",
        _ => "no",
    };
    let fits = found["fits"].as_array().unwrap().iter();
    fits.map(|fit| (fit["model"].as_str().unwrap(), word(fit))).collect()
}

const RESNET18: [(&str, &str); 6] = [
    ("resnet18", "whole"),
    ("resnet50", "no"),
    ("deeplabv3_resnet18", "backbone"),
    ("deeplabv3_resnet50", "no"),
    ("fasterrcnn_resnet18_fpn", "backbone"),
    ("fasterrcnn_resnet50_fpn", "no"),
];

#[test]
fn inspect_says_what_a_file_fits_however_it_is_wrapped() {
    let place = Place::new();
    let whole = network();
    let mut moco = prefixed("state_dict.module.encoder_q.", &whole);
    moco.extend(prefixed("state_dict.module.encoder_k.", &whole));
    for (name, tensors) in [("plain", whole.clone()), ("moco", moco)] {
        write(&place, name, &tensors);
        let found = inspected(&place, &[name, "--against", "resnet18"]);
        assert_eq!(fits(&found), RESNET18, "{name}");
        assert_eq!(found["tensors"].as_array().unwrap().len(), whole.len(), "{name}");
        assert_eq!(found["fits"][0]["outputs"], 5);
        for list in ["missing", "unexpected", "misshapen"] {
            assert_eq!(found["against"][list], Value::Array(Vec::new()), "{name}: {list}");
        }
    }
    let text = succeeded(program(&place, ["inspect", "moco"])).out;
    for part in ["without `state_dict.module.encoder_q.`", "122 tensors", "whole, 5 outputs"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    // In another framework's network it is a backbone and no more.
    let mut bare = whole;
    bare.retain(|name, _| !name.starts_with("fc."));
    write(&place, "framework", &prefixed("backbone.", &bare));
    assert_eq!(fits(&inspected(&place, &["framework"]))[0], ("resnet18", "backbone"));
}

#[test]
fn inspect_lists_what_differs_and_what_is_near() {
    let place = Place::new();
    let mut tensors = network();
    let moved = tensors.remove("layer1.0.bn1.bias").unwrap();
    tensors.insert("layer1.0.norm1.bias".into(), moved);
    tensors.insert("layer4.1.conv2.weight".into(), HostTensor::f32([1], vec![0.0]));
    tensors.insert("\u{1b}[31mred".into(), HostTensor::f32([1], vec![0.0]));
    write(&place, "changed.safetensors", &tensors);
    let words = ["inspect", "changed.safetensors", "--against", "resnet18"];
    let text = succeeded(program(&place, words)).out;
    for part in [
        "against resnet18: 4 differences",
        "missing      layer1.0.bn1.bias [64] (near layer1.0.norm1.bias)",
        "unexpected   layer1.0.norm1.bias [64] (near layer1.0.bn1.bias)",
        "other shape  layer4.1.conv2.weight [1], expected [512, 512, 3, 3]",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!text.contains('\u{1b}'), "a name does not steer the terminal");
    assert!(text.contains("\\x1b[31mred") && !text.contains("no checksum"), "{text}");
    let against = &inspected(&place, &["changed.safetensors", "--against", "resnet50"])["against"];
    assert!(against["missing"].as_array().unwrap().len() > 100, "{against}");
    let words = ["inspect", "changed.safetensors", "--against", "resnet34"];
    refused(program(&place, words), 2, &["resnet34", "fasterrcnn_resnet50_fpn"]);
}

#[test]
fn weights_go_to_pytorch_and_back_unchanged() {
    let place = Place::new();
    let mut tensors = network();
    write(&place, "in.safetensors", &prefixed("module.", &tensors));
    let done = succeeded(program(&place, ["convert", "in.safetensors", "out.pth"]));
    assert!(done.out.contains("out.pth: 122 tensors"), "{}", done.out);
    succeeded(program(&place, ["convert", "out.pth", "back.safetensors"]));
    for name in ["out.pth", "back.safetensors"] {
        assert!(weights::load(&place.path(name)).unwrap() == tensors, "{name}");
    }
    succeeded(program(&place, ["convert", "out.pth", "backbone.pt", "--backbone"]));
    tensors.retain(|name, _| !name.starts_with("fc."));
    assert!(weights::load(&place.path("backbone.pt")).unwrap() == tensors);
}

#[test]
fn a_first_convolution_over_one_channel_becomes_one_over_three_and_back() {
    let place = Place::new();
    let mut tensors = network();
    let filters: Vec<f32> = (0..64 * 49).map(|i| (i % 96) as f32 * 3.0).collect();
    tensors.insert("conv1.weight".into(), HostTensor::f32([64, 1, 7, 7], filters.clone()));
    write(&place, "grey.safetensors", &tensors);
    let found = inspected(&place, &["grey.safetensors"]);
    assert_eq!(fits(&found), RESNET18);
    let stem = |name: &str| weights::load(&place.path(name)).unwrap()["conv1.weight"].clone();
    succeeded(program(&place, ["convert", "grey.safetensors", "same.pth"]));
    assert_eq!(stem("same.pth").shape, [64, 1, 7, 7]);
    succeeded(program(&place, ["convert", "grey.safetensors", "three.pth", "--channels", "3"]));
    let three = stem("three.pth");
    assert_eq!(three.shape, [64, 3, 7, 7]);
    let thirds = three.as_f32().unwrap().chunks(49).zip(filters.chunks(49).flat_map(|f| [f; 3]));
    assert!(
        thirds.into_iter().all(|(w, whole)| w.iter().zip(whole).all(|(w, all)| w * 3.0 == *all))
    );
    succeeded(program(&place, ["convert", "three.pth", "one.pth", "--channels", "1"]));
    assert_eq!(stem("one.pth"), HostTensor::f32([64, 1, 7, 7], filters));
}

#[test]
fn what_cannot_be_converted_is_said_and_nothing_is_written() {
    let place = Place::new();
    let heads = Tensors::from([("fc.bias".to_owned(), HostTensor::f32([1], vec![0.0]))]);
    write(&place, "head.safetensors", &heads);
    let convert = |words: &[&str]| program(&place, ["convert"].iter().chain(words));
    refused(convert(&["head.safetensors", "out.onnx"]), 1, &["out.onnx", ".pth"]);
    refused(convert(&["nowhere.pth", "out.pth"]), 1, &["nowhere.pth"]);
    let words = ["head.safetensors", "out.pth", "--backbone"];
    refused(convert(&words), 1, &["head.safetensors: conv1.weight", "found none"]);
    let words = ["head.safetensors", "out.pth", "--channels", "3"];
    refused(convert(&words), 1, &["--channels", "found none"]);
    let two = ended(convert(&["head.safetensors", "out.pth", "--channels", "2"]), 2).err;
    assert!(two.contains("expected 1 or 3"), "{two}");
    assert!(!place.path("out.pth").exists());
}
