//! Runs that are interrupted, killed, and gone on with.

use crate::commands::{Place, Running, is_whole, refused, succeeded};
use mtpret_pipeline::train::run::tensorboard::Event;
use prost::Message;
use std::{collections::BTreeMap, fs, io::Write, path::Path, thread::sleep, time::Duration};

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
        let folder = place.path("stopped").display().to_string();
        let said = format!("the run is saved in {folder}\ngo on with --resume {folder}");
        assert!(rest.contains(&said), "{rest}");
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
    // With everything that a stage can keep from visit to visit.
    // Visits shorter than the epoch of four steps.
    let settings = ["rounds=4", "visit={steps=1}", "ema=0.5", "l2sp.anchor_at=\"trough\""];
    stopped_runs_end_in_the_same_weights("multitask", &settings);
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

/// Kills of each stage in the campaign.
const KILLS: u32 = 24;

/// Kills each stage at moments that fall anywhere, its beginning and its writing of files among them, goes on each time, and
/// in the end has the weights of a run that nobody stopped.
#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn a_campaign_of_kills_loses_nothing() {
    for (stage, passes) in
        [("pretrain", "epochs=24"), ("multitask", "rounds=8"), ("finetune", "epochs=16")]
    {
        let place = Place::new();
        succeeded(place.stage(stage, "whole", &[passes]));
        let (mut kills, mut unsaved) = (0, 0);
        let folder = place.path("killed");
        let next = || match is_begun(&folder) {
            true => place.resume(stage, "killed"),
            false => place.stage(stage, "killed", &[passes, "log.save_every=1"]),
        };
        while kills < KILLS && !folder.join(WEIGHTS).exists() {
            let mut running = Running::new(next());
            // The golden ratio's multiples lie evenly in whatever span, without a period.
            let share = (f64::from(kills) * 0.618_034).fract();
            // Every second one dies after a step at the earliest, so that the run gets on.
            let span = match kills % 2 {
                0 => 1500.0,
                _ => {
                    running.until(" img/s ");
                    600.0
                }
            };
            sleep(Duration::from_millis((share * span) as u64));
            let ended = running.child.try_wait().unwrap().is_some();
            let (_, said) = running.stop("KILL");
            assert!(!said.contains("panicked"), "{said}");
            if ended {
                break;
            }
            kills += 1;
            if !is_begun(&folder) {
                unsaved += 1;
                drop(fs::remove_dir_all(&folder));
            }
            let checkpoint = folder.join(CHECKPOINT);
            assert!(!checkpoint.exists() || is_whole(&checkpoint), "kill {kills}");
        }
        if !folder.join(WEIGHTS).exists() {
            let mut rest = next();
            rest.args(["--set", "log.save_every=1000"]);
            succeeded(rest);
        }
        let weights = |run: &str| place.read(&format!("{run}/{WEIGHTS}"));
        assert!(weights("killed") == weights("whole"), "{stage}: the weights differ");
        // Past the capture of the test's own prints, so that a campaign's counts are seen where it passes.
        let line = format!("{stage}: {kills} kills, {unsaved} of them before there was a run\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        assert!(kills >= KILLS / 2, "{stage} ended after {kills} kills");
    }
}

/// Whether a run has written what it is to be gone on with.
fn is_begun(folder: &Path) -> bool {
    folder.join("config.resolved.toml").exists()
}

/// The steps of each number in a run's events as TensorBoard has them, which takes out what earlier files say of the step
/// that a process begins at and of later ones.
fn events(run: &Path) -> BTreeMap<String, Vec<i64>> {
    let files = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.to_string_lossy().contains("tfevents")).collect();
    files.sort();
    assert_eq!(files.len(), 3, "one for each process: {files:?}");
    let mut steps: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for file in files {
        let bytes = fs::read(file).unwrap();
        let mut rest = &bytes[..];
        // A record is a length of 8 bytes and its sum of 4, the event and its sum; a killed process may leave half a one.
        while let Some(length) = rest.first_chunk::<8>() {
            let end = 12 + u64::from_le_bytes(*length) as usize;
            let Some(event) = rest.get(12..end) else { break };
            let event = Event::decode(event).unwrap();
            if event.session_log.is_some() {
                steps.values_mut().for_each(|known| known.retain(|step| *step < event.step));
            }
            for number in event.summary.into_iter().flat_map(|summary| summary.value) {
                steps.entry(number.tag).or_default().push(event.step);
            }
            rest = rest.get(end + 4..).unwrap_or_default();
        }
    }
    steps
}

#[test]
fn a_run_killed_twice_tells_of_each_step_once() {
    let place = Place::new();
    let settings = ["epochs=2", "log.save_every=3"];
    let mut unsaved = Running::new(place.stage("finetune", "run", &settings));
    // A step is shown before it is recorded: that of the first is.
    unsaved.until(" 2/8 ");
    unsaved.stop("KILL");
    // Saved after the third step, validated after the fourth.
    let mut validated = Running::new(place.resume("finetune", "run"));
    validated.until(" 5/8 ");
    validated.stop("KILL");
    succeeded(place.resume("finetune", "run"));
    let text = place.text("run/metrics.jsonl");
    let mut told: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()) {
        for key in ["loss", "validation", "seconds"].iter().filter(|key| !line[**key].is_null()) {
            told.entry((*key).into()).or_default().push(line["step"].as_i64().unwrap());
        }
    }
    let every = (1..=8).collect::<Vec<i64>>();
    let expected = [("loss", every), ("validation", vec![4, 8]), ("seconds", vec![8])];
    assert_eq!(told, expected.map(|(key, steps)| (key.to_owned(), steps)).into());
    for (tag, steps) in events(&place.path("run")) {
        let like = match tag.split('/').nth(1).unwrap() {
            "validation" => "validation",
            "seconds" | "peak_memory_mib" => "seconds",
            _ => "loss",
        };
        // A figure of few films may be undefined, and then it is not there.
        let defined: Vec<i64> =
            told[like].iter().copied().filter(|step| steps.contains(step)).collect();
        assert_eq!(steps, defined, "{tag}");
    }
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
