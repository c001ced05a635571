//! Runs that are interrupted, killed, and gone on with.

use super::{Place, Running, is_whole, refused, succeeded};
use std::{thread::sleep, time::Duration};

const CHECKPOINT: &str = "checkpoint.safetensors";
const WEIGHTS: &str = "weights.safetensors";

/// Kills a run in the middle of an epoch, interrupts it in the middle of what follows, lets it end, and
/// compares its weights with those of a run that nobody stopped.
fn stopped_runs_end_in_the_same_weights(stage: &str, settings: &[&str]) {
    let place = Place::new();
    let saving = [settings, &["log.save_every=3"]].concat();
    let mut killed = Running::new(place.stage(stage, "stopped", &saving));
    killed.until(" 4/8 ");
    killed.stop("KILL");
    assert!(is_whole(&place.path("stopped").join(CHECKPOINT)));

    let mut interrupted = Running::new(place.resume(stage, "stopped"));
    // Saved after three or six steps of epochs of four: in the middle of one.
    let begun = interrupted.until("going on at step");
    assert!(begun.ends_with(" 3") || begun.ends_with(" 6"), "{begun}");
    interrupted.until("/8 ");
    let (code, rest) = interrupted.stop("INT");
    let whole = is_whole(&place.path("stopped").join(CHECKPOINT));
    assert!(whole);
    if code != Some(0) {
        assert_eq!(code, Some(130), "{rest}");
        assert!(rest.contains("interrupted; the run is saved, go on with --resume"), "{rest}");
        succeeded(place.resume(stage, "stopped"));
    }
    succeeded(place.stage(stage, "whole", settings));
    let weights = |run: &str| place.read(&format!("{run}/{WEIGHTS}"));
    assert!(weights("stopped") == weights("whole"), "the weights differ");
    // Each step is told of once, in its turn, whoever was stopped between.
    let told = |run: &str| -> Vec<_> {
        let text = place.text(&format!("{run}/metrics.jsonl"));
        let lines = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        let keys = ["stage", "step", "epoch", "loss", "lr", "knn_auc", "validation"];
        lines.map(|line| keys.map(|key| line[key].clone())).collect()
    };
    assert_eq!(told("stopped"), told("whole"));
    let done = succeeded(place.resume(stage, "stopped"));
    assert!(!done.err.contains("/8 "), "a finished run trained again: {}", done.err);
}

#[test]
fn pretraining_goes_on_bit_for_bit() {
    stopped_runs_end_in_the_same_weights("pretrain", &["epochs=2"]);
}

#[test]
fn multitask_learning_goes_on_bit_for_bit() {
    stopped_runs_end_in_the_same_weights("multitask", &["rounds=1"]);
}

#[test]
fn fine_tuning_goes_on_bit_for_bit() {
    stopped_runs_end_in_the_same_weights("finetune", &["epochs=2"]);
}

#[test]
fn a_run_killed_at_any_moment_has_a_whole_checkpoint_and_goes_on() {
    let place = Place::new();
    let mut command = place.stage("finetune", "run", &["log.save_every=2", "epochs=2"]);
    for milliseconds in [0, 700] {
        let mut running = Running::new(command);
        running.until("/8 ");
        sleep(Duration::from_millis(milliseconds));
        running.stop("KILL");
        let checkpoint = place.path("run").join(CHECKPOINT);
        assert!(!checkpoint.exists() || is_whole(&checkpoint));
        command = place.resume("finetune", "run");
    }
    succeeded(command);
    assert!(is_whole(&place.path("run").join(WEIGHTS)));
}

#[test]
fn an_interrupt_before_the_first_reading_ends_with_130() {
    let place = Place::new();
    let mut running = Running::new(place.stage("multitask", "run", &["rounds=9"]));
    running.until(" steps of ");
    let (code, rest) = running.stop("INT");
    assert_eq!(code, Some(130), "{rest}");
    assert!(is_whole(&place.path("run").join(CHECKPOINT)));
    refused(place.resume("finetune", "run"), 1, &["run/config.resolved.toml", "expected", "found"]);
}
