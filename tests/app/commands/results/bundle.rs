//! A run as one file, which goes elsewhere and says the same there.

use super::trained;
use crate::commands::{PROGRAM, Place, refused, succeeded};
use mtpret_pipeline::weights::checkpoint::{self, HostTensor, Metadata, Tensors};
use std::{fs, process::Command};

fn program(place: &Place, arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.path("")).args(arguments);
    program
}

#[test]
fn a_bundle_predicts_elsewhere_what_its_run_predicts() {
    let place = trained("classes");
    fs::rename(place.path("classes"), place.path("ft")).unwrap();
    let printed = succeeded(program(&place, &["bundle", "ft"])).out;
    assert!(printed.starts_with("ft.mtpret: "), "{printed}");
    assert!(printed.contains("16 training, 2 validation and 4 test films"), "{printed}");
    let films = ["films/dark", "films/light/l1.png", "--json"];
    let of_run = succeeded(program(&place, &[&["predict", "ft"], &films[..]].concat())).out;

    let bytes = place.read("ft.mtpret");
    let here = place.path("").display().to_string();
    let mentions = bytes.windows(here.len()).any(|window| window == here.as_bytes());
    assert!(!mentions, "the bundle names a folder of this machine");
    let away = Place::new();
    fs::write(away.path("moved.mtpret"), &bytes).unwrap();
    let predict = [&["predict", "moved.mtpret"], &films[..]].concat();
    assert_eq!(succeeded(program(&away, &predict)).out, of_run);

    let figures = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let evaluate = ["evaluate", "moved.mtpret", "--json"];
    refused(program(&away, &evaluate), 1, &["--data: expected the folder of the films"]);
    let printed = succeeded(program(&away, &[&evaluate[..], &["--data", "films"]].concat()));
    assert_eq!(figures(printed.out), figures(place.text("ft/scores.json")));
    assert!(printed.err.contains("the very 4 films that the bundle was tested on"));
    assert!(away.path("moved.evaluation/predictions.csv").exists());
    (0..11).for_each(|film| away.film(&format!("films/dark/d{film}.png"), film, 41));
    let printed = succeeded(program(&away, &[&evaluate[..], &["--data", "films"]].concat()));
    assert!(printed.err.contains("other films than the 4 that the bundle was tested on"));

    let others = [&evaluate[..], &["--data", "films/dark"]].concat();
    (1..3).for_each(|film| away.film(&format!("films/dark/a/{film}.png"), film, 9));
    (1..3).for_each(|film| away.film(&format!("films/dark/b/{film}.png"), film, 99));
    let said = [
        "--data, pneumonia: expected labels classes [\"dark\", \"light\"], found",
        "[\"a\", \"b\"]",
    ];
    refused(program(&away, &others), 1, &said);
    fs::remove_dir_all(away.path("films/dark/a")).unwrap();
    fs::remove_dir_all(away.path("films/dark/b")).unwrap();

    let exported = succeeded(program(&place, &["export", "ft"])).out;
    assert!(exported.contains("image [N, 1, 32, 32] to probabilities [N, 2]"), "{exported}");
    succeeded(program(&away, &["export", "moved.mtpret", "-o", "network.onnx"]));
    assert!(away.read("network.onnx") == place.read("ft.onnx"), "the exported networks differ");
    let of_file = ["export", "ft/weights.safetensors", "--features", "-o", "features.onnx"];
    assert!(succeeded(program(&place, &of_file)).out.contains("to features [N, 512], map ["));
    let alone = ["export", "ft/weights.safetensors"];
    refused(
        program(&place, &alone),
        1,
        &["expected a run folder or a bundle, found weights alone"],
    );

    let shown = succeeded(program(&away, &["inspect", "moved.mtpret"])).out;
    assert!(shown.contains("fc.weight") && shown.contains("[2, 512]"), "{shown}");

    let explained = ["explain", "moved.mtpret", "films/dark/d1.png", "--cell", "100"];
    assert_eq!(succeeded(program(&away, &explained)).out.trim(), "moved.explain/sheet.png");
    refused(program(&away, &explained[..2]), 1, &["found none whose label is known", "name films"]);

    // Without its films a run makes a bundle only if it is told that it need not know them.
    fs::remove_dir_all(place.path("films")).unwrap();
    refused(program(&place, &["bundle", "ft"]), 1, &["films: expected", "found"]);
    let bare = succeeded(program(&place, &["bundle", "ft", "--no-hashes", "-o", "bare.mtpret"]));
    assert!(bare.out.contains("no digests of films"), "{}", bare.out);
    refused(program(&place, &["bundle", "films"]), 1, &["films/config.resolved.toml", "name"]);
}

/// What a test does to a bundle, and what is said of it.
type Fault = (fn(&mut Tensors, &mut Metadata), &'static [&'static str]);

fn put(words: &mut Metadata, key: &str, value: &str) {
    words.insert(key.into(), value.into());
}

/// Bundles that are whole files, but not what a program wrote.
const FAULTS: [Fault; 10] = [
    (|_, words| drop(words.remove("bundle")), &["expected a run folder or a bundle", "bundle RUN"]),
    (|_, words| put(words, "bundle", "7"), &["expected a bundle of layout 1, found \"7\""]),
    (|_, words| drop(words.remove("config")), &["expected `config` in the metadata, found none"]),
    (|_, words| put(words, "labels", "dark"), &["expected a kind and a list of labels"]),
    (|_, words| put(words, "config", "seed = 1\n"), &["bad.mtpret: config", "expected the key"]),
    (
        |_, words| {
            let stray = "images = \"../../etc\"";
            let config = words["config"].replacen("images = \"\"", stray, 1);
            assert!(config.contains(stray), "{config}");
            put(words, "config", &config);
        },
        &["expected paths below the data set's folder, found \"../../etc\""],
    ),
    (|tensors, _| drop(tensors.remove("fc.bias")), &["fc.bias: expected a tensor of shape [2]"]),
    (
        |tensors, _| {
            tensors.insert("more".into(), HostTensor::f32([1 << 20], vec![0.0; 1 << 20]));
        },
        &["more: expected no tensor of this name"],
    ),
    (
        |tensors, _| {
            tensors.insert("fc.bias".into(), HostTensor::f32([3], vec![0.0; 3]));
        },
        &["fc.bias: expected the shape [2], found [3]"],
    ),
    (
        |_, words| put(words, "labels", "[\"dark\",\"light\",\"grey\"]"),
        &["fc.weight: expected the shape [3, 512], found [2, 512]"],
    ),
];

#[test]
fn bundles_that_are_damaged_or_forged_are_refused() {
    let place = trained("classes");
    fs::rename(place.path("classes"), place.path("ft")).unwrap();
    succeeded(program(&place, &["bundle", "ft"]));
    let predict = ["predict", "bad.mtpret", "films/dark/d1.png"];
    let (tensors, words) = checkpoint::read(&place.path("ft.mtpret"), None).unwrap();
    for (fault, said) in FAULTS {
        let (mut tensors, mut words) = (tensors.clone(), words.clone());
        fault(&mut tensors, &mut words);
        checkpoint::write(&place.path("bad.mtpret"), &tensors, &words).unwrap();
        let error = refused(program(&place, &predict), 1, said);
        assert!(error.contains("bad.mtpret"), "{error}");
    }
    let whole = place.read("ft.mtpret");
    let mut turned = whole.clone();
    *turned.last_mut().unwrap() ^= 1;
    let mut endless = whole.clone();
    endless[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let cut = whole[..whole.len() - 9].to_vec();
    for (bytes, said) in [
        (turned, "expected the checksum"),
        (endless, "expected a header of at most"),
        (cut, "bytes of elements, found"),
        (whole[..1000].to_vec(), "expected a header of"),
        (b"seven77".to_vec(), "expected a safetensors file, found 7 bytes"),
    ] {
        fs::write(place.path("bad.mtpret"), bytes).unwrap();
        refused(program(&place, &predict), 1, &["bad.mtpret: ", said]);
    }
    // A checksum that is taken off is missed, since all else would still fit.
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let text = std::str::from_utf8(&whole[8..8 + header]).unwrap();
    let text = text.replacen("\"blake3\":", "\"blake4\":", 1);
    let bytes = [&whole[..8], text.as_bytes(), &whole[8 + header..]].concat();
    fs::write(place.path("bad.mtpret"), bytes).unwrap();
    refused(program(&place, &predict), 1, &["expected `blake3` in the metadata, found none"]);
}
