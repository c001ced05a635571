//! Losses that are sums of parts: each is told of, and each is drawn.

use crate::commands::{
    PROGRAM, Place, succeeded,
    training::kinds::{annotated, stage},
};
use std::{collections::BTreeMap, fs, process::Command};

/// The parts of the loss of each reading of a stage; they sum to the loss within the rounding of f32.
fn parts(place: &Place, run: &str, stage: &str) -> Vec<BTreeMap<String, f64>> {
    let text = place.text(&format!("{run}/metrics.jsonl"));
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let readings = lines.filter(|line| line["stage"] == stage && line["loss"].is_number());
    let of = |line: serde_json::Value| {
        let parts = line.get("losses").cloned().unwrap_or_else(|| serde_json::json!({}));
        let parts: BTreeMap<String, f64> = serde_json::from_value(parts).unwrap();
        let (loss, sum) = (line["loss"].as_f64().unwrap(), parts.values().sum::<f64>());
        assert!(parts.is_empty() || (loss - sum).abs() <= 1e-6 * loss, "{line}");
        parts
    };
    readings.map(of).collect()
}

/// Has the program draw a page.
fn page(place: &Place, arguments: &[&str]) {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(place.path(""));
    succeeded(command);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn each_loss_of_a_detector_is_told_of_and_drawn() {
    let place = annotated();
    // Readings of two steps, and of what is left of an epoch.
    let settings = ["task=\"boxes\"", "epochs=2", "log.every=2", "optim.lr=0.001"];
    succeeded(stage(&place, "finetune", "boxes", &settings));
    let readings = parts(&place, "boxes", "finetune boxes");
    assert!(readings.len() >= 2, "{readings:?}");
    let names = ["box", "class", "objectness", "rpn_box"];
    for parts in &readings {
        assert!(parts.keys().eq(&names), "{parts:?}");
        assert!(parts.values().all(|loss| *loss >= 0.0), "{parts:?}");
    }
    // The region proposal network begins with logits near 0.
    assert!((readings[0]["objectness"] - 2f64.ln()).abs() < 0.2, "{readings:?}");

    let events: Vec<u8> = fs::read_dir(place.path("boxes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("tfevents"))
        .flat_map(|path| fs::read(path).unwrap())
        .collect();
    for name in names {
        let tag = format!("finetune boxes/losses/{name}");
        assert!(events.windows(tag.len()).any(|bytes| bytes == tag.as_bytes()), "{tag}");
    }

    page(&place, &["report", "boxes", "--films", "0"]);
    let report = place.text("boxes/report.html");
    page(&place, &["runs", "compare", "boxes", "boxes", "-o", "compared"]);
    let compared = place.text("compared/compare.html");
    assert!(report.contains("Parts of the loss: boxes"));
    for name in names {
        assert!(report.contains(&format!(">{name}</text>")), "{name} is not in the legend");
        assert!(compared.contains(&format!("Loss of training: {name}")), "{name}");
    }
}

#[test]
fn an_auxiliary_head_has_a_loss_of_its_own_and_a_loss_alone_has_no_parts() {
    let place = annotated();
    let settings = ["tasks=[\"pneumonia\",\"masks\"]"];
    succeeded(stage(&place, "multitask", "both", &settings));
    for parts in parts(&place, "both", "round 1 masks") {
        assert!(parts.keys().eq(&["aux", "mask"]) && parts["aux"] > 0.0, "{parts:?}");
    }
    assert!(parts(&place, "both", "round 1 pneumonia").iter().all(BTreeMap::is_empty));
    page(&place, &["report", "both"]);
    let report = place.text("both/report.html");
    assert!(report.contains("Parts of the loss: masks"));
    assert!(!report.contains("Parts of the loss: pneumonia"));
}
