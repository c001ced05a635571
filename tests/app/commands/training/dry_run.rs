//! `--dry-run`: the estimate of what a stage will take, before it does.

use crate::commands::{Place, succeeded, training::kinds};
use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

/// Every file and folder below a place.
fn everything(place: &Place) -> BTreeSet<PathBuf> {
    let mut open = vec![place.path("")];
    let mut all = BTreeSet::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry.clone());
            }
            all.insert(entry);
        }
    }
    all
}

/// Takes a dry run of a stage, then runs it: nothing is written before, and the memory is what was said.
fn is_foretold(place: &Place, stage: impl Fn(&str) -> Command, rows: usize) {
    let before = everything(place);
    let mut dry = stage("run");
    dry.args(["--dry-run", "--json"]);
    let printed = succeeded(dry).out;
    assert_eq!(everything(place), before, "a dry run wrote something");
    let told: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
    assert_eq!(told.len(), rows, "{printed}");
    for row in &told {
        for seconds in ["first_epoch_seconds", "epoch_seconds", "seconds"] {
            assert!(row[seconds].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    let foretold = told.iter().map(|row| row["mib"].as_f64().unwrap()).fold(0.0, f64::max);
    let ran = succeeded(stage("run"));
    assert!(ran.err.contains("MiB of device memory"), "{}", ran.err);
    let metrics = place.text("run/metrics.jsonl");
    let last: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    let real = last["peak_memory_mib"].as_f64().unwrap();
    assert!((foretold / real - 1.0).abs() <= 0.1, "{foretold} MiB foretold, {real} MiB needed");
    let steps: u64 =
        told.iter().map(|r| r["steps"].as_u64().unwrap() * r["epochs"].as_u64().unwrap()).sum();
    assert_eq!(last["step"].as_u64(), Some(steps), "{last}");
}

#[test]
fn a_dry_run_of_pretraining_writes_nothing_and_foretells_its_memory() {
    let place = Place::new();
    is_foretold(&place, |run| place.stage("pretrain", run, &["epochs=2"]), 1);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn a_dry_run_of_multitask_learning_writes_nothing_and_foretells_its_memory() {
    let place = kinds::annotated();
    let tasks = "tasks=[\"pneumonia\",\"masks\",\"boxes\"]";
    is_foretold(&place, |run| kinds::stage(&place, "multitask", run, &[tasks]), 3);
}

#[test]
fn a_dry_run_of_fine_tuning_writes_nothing_and_foretells_its_memory() {
    let place = kinds::annotated();
    let settings = ["task=\"masks\"", "epochs=2", "patience=0", "log.save_every=2"];
    is_foretold(&place, |run| kinds::stage(&place, "finetune", run, &settings), 1);
}
