//! Settings that a run began with, and a folder that two would write to.

use crate::commands::{PROGRAM, Place, Running, ended, refused, succeeded};
use mtpret_engine::{
    autotune::cache,
    gpu::{DeviceOptions, Gpu, Tuned},
};
use mtpret_pipeline::weights::checkpoint::{self, Elements};
use safetensors::SafeTensors;
use std::{fs, process::Command};

/// A fine-tuning run that was killed after its first checkpoint.
fn killed(place: &Place) {
    let settings = ["epochs=2", "log.save_every=1"];
    let mut running = Running::new(place.stage("finetune", "run", &settings));
    running.until(" 2/8 ");
    running.stop("KILL");
}

/// The run as it is resumed is refused for `words`, leaves all as it was, and goes on once the changes are accepted.
fn told(place: &Place, settings: &[&str], words: &[&str]) {
    let command = || {
        let mut command = place.resume("finetune", "run");
        settings.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        command
    };
    let files =
        ["checkpoint.safetensors", "config.resolved.toml"].map(|name| format!("run/{name}"));
    let before = files.each_ref().map(|name| place.read(name));
    let line = refused(command(), 1, words);
    assert!(line.contains("run: expected what the run began with, found "), "{line}");
    assert!(before == files.each_ref().map(|name| place.read(name)), "a refusal changes the run");
    let mut accepted = command();
    accepted.arg("--accept-changes");
    let said = succeeded(accepted).err;
    assert!(said.contains("changed since the run began, and accepted: "), "{said}");
}

/// What is said of a change to films, and how it is made.
type Change = (&'static str, fn(&Place));

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn films_that_changed_are_told_before_the_first_step() {
    let changes: [Change; 5] = [
        ("1 films changed (pneumonia train: \"", |place| place.film(&of_train(place), 30, 90)),
        (" films added (pneumonia ", |place| place.film("films/dark/d77.png", 77, 40)),
        (" films gone (pneumonia ", |place| {
            fs::remove_file(place.path(&of_train(place))).unwrap();
        }),
        ("2 films changed (pneumonia ", |place| {
            let [a, b, c] =
                ["films/dark/d1.png", "films/dark/d2.png", "films/c"].map(|n| place.path(n));
            for (from, to) in [(&a, &c), (&b, &a), (&c, &b)] {
                fs::rename(from, to).unwrap();
            }
        }),
        (" films added (pneumonia ", |place| {
            // Another class for the same film.
            let [from, to] = ["films/dark/d3.png", "films/light/d3.png"].map(|n| place.path(n));
            fs::rename(from, to).unwrap();
        }),
    ];
    for (word, change) in changes {
        let place = Place::new();
        killed(&place);
        change(&place);
        told(&place, &[], &[word, "--accept-changes"]);
    }
}

/// A film that the run learns from.
fn of_train(place: &Place) -> String {
    let list = place.text("run/films.begun.txt");
    let line = list.lines().find(|line| line.contains("\tpneumonia train: ")).unwrap();
    let at = line.find("films/").unwrap();
    line[at..].trim_end_matches('"').to_owned()
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn settings_that_changed_are_told_and_a_run_that_is_the_same_goes_on_in_silence() {
    let place = Place::new();
    killed(&place);
    // Settings of how a run is done are no change.
    let mut same = Running::new({
        let mut command = place.resume("finetune", "run");
        command.args(["--set", "data.threads=1", "--set", "log.save_every=2"]);
        command
    });
    same.until("going on at step");
    same.stop("KILL");
    told(&place, &["optim.lr=0.002"], &["optim.lr = 0.002 where it was 0.01"]);
    // A file that somebody edited is a change too.
    let place = Place::new();
    killed(&place);
    let config = place.path("run/config.resolved.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("seed = 1"), "{text}");
    fs::write(&config, text.replace("seed = 1", "seed = 2")).unwrap();
    told(&place, &[], &["seed = 2 where it was 1"]);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn kernels_that_tuning_changed_are_told() {
    let place = Place::new();
    let kept = place.path("cache");
    let with_cache = |mut command: Command| {
        command.env("MTPRET_CACHE", &kept);
        command
    };
    let settings = ["epochs=2", "log.save_every=1"];
    let mut running = Running::new(with_cache(place.stage("finetune", "run", &settings)));
    running.until(" 2/8 ");
    running.stop("KILL");
    // As a tuning that finds another kernel to be the fastest at every shape.
    let gpu = Gpu::open(DeviceOptions { cache: Some(kept.clone()), ..Default::default() }).unwrap();
    let other = |(name, kernel): (&String, &serde_json::Value)| {
        let other = if kernel == "plain" { "subgroup" } else { "plain" };
        let tuned =
            Tuned { kernel: other.into(), ms: [(other.into(), 1.0)].into(), wrong: Vec::new() };
        (name.clone(), tuned)
    };
    let problems = begun(&place, "kernels");
    cache::add(&gpu, problems.as_object().unwrap().iter().map(other).collect()).unwrap();
    drop(gpu);
    let words = ["shapes computed by other kernels, as tuning says,", "where it was by"];
    refused(with_cache(place.resume("finetune", "run")), 1, &words);
    let mut accepted = with_cache(place.resume("finetune", "run"));
    accepted.arg("--accept-changes");
    succeeded(accepted);
}

/// What the run's checkpoint says that it began with.
fn begun(place: &Place, key: &str) -> serde_json::Value {
    let bytes = place.read("run/checkpoint.safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let words = header.metadata().clone().unwrap();
    serde_json::from_str(&words[&format!("begun.{key}")]).unwrap()
}

#[test]
fn the_second_of_two_runs_in_a_folder_is_refused_by_name() {
    let place = Place::new();
    let mut first = Running::new(place.stage("finetune", "run", &["epochs=9"]));
    let process = first.child.id();
    first.until(" 1/");
    let words = [
        "run: expected a run folder for this process alone, found that process ",
        &format!("process {process} of "),
        "; wait for its end, or name another folder",
    ];
    for stage in ["finetune", "pretrain"] {
        refused(place.stage(stage, "run", &["seed=2"]), 1, &words);
    }
    refused(place.resume("finetune", "run"), 1, &words);
    let (code, _) = first.stop("KILL");
    assert_eq!(code, None);
    // Whoever was killed holds nothing.
    let printed = succeeded(place.stage("finetune", "run", &[]));
    let left = format!("process {process} of ");
    assert!(
        printed.err.contains(&left) && printed.err.contains("ended without"),
        "{}",
        printed.err
    );
    assert!(!succeeded(place.resume("finetune", "run")).err.contains("ended without"));
}

#[test]
fn the_last_weights_are_those_of_the_last_epoch() {
    let place = Place::new();
    let settings = ["epochs=2", "log.save_every=4"];
    for run in ["once", "twice"] {
        succeeded(place.stage("finetune", run, &settings));
    }
    let last = place.read("once/last.safetensors");
    assert!(last == place.read("twice/last.safetensors"), "two runs end in other bits");
    let (last, checkpoint) =
        (SafeTensors::deserialize(&last).unwrap(), place.read("once/checkpoint.safetensors"));
    let checkpoint = SafeTensors::deserialize(&checkpoint).unwrap();
    let mut compared = 0;
    for (name, tensor) in last.tensors() {
        if let Ok(trained) = checkpoint.tensor(&format!("backbone.{name}")) {
            assert!(trained.data() == tensor.data(), "{name}");
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared} tensors were found in both");
}

/// Sets numbers of a tensor in a file of weights, which gets a checksum of its own.
fn set(place: &Place, [from, to]: [&str; 2], tensor: &str, change: impl Fn(&mut [f32])) {
    let (mut tensors, words) = checkpoint::read(&place.path(from), None).unwrap();
    let Elements::F32(values) = &mut tensors.get_mut(tensor).unwrap().data else {
        panic!("floats")
    };
    change(values);
    checkpoint::write(&place.path(to), &tensors, &words).unwrap();
}

#[test]
fn weights_that_hold_nan_are_refused_on_the_way_in_and_out() {
    let place = Place::new();
    succeeded(place.stage("finetune", "run", &[]));
    for (number, said) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        let sick = "sick.safetensors";
        let paths = ["run/weights.safetensors", sick];
        set(&place, paths, "layer1.0.conv1.weight", |values| values[100] = number);
        let words =
            ["layer1.0.conv1.weight: expected finite numbers", &format!("the weights hold {said}")];
        let mut start = place.stage("finetune", "other", &[]);
        start.args(["--weights", sick]);
        let line = refused(start, 1, &words);
        assert!(!line.contains("tenth"), "{line}");
        let mut convert = Command::new(PROGRAM);
        convert.current_dir(place.path(".")).args(["convert", sick, "sick.pth"]);
        refused(convert, 1, &words);
        assert!(!place.path("sick.pth").exists());
        // As those of a run: nothing is predicted with them.
        fs::create_dir_all(place.path("ill")).unwrap();
        for (from, to) in
            [(sick, "weights.safetensors"), ("run/config.resolved.toml", "config.resolved.toml")]
        {
            fs::copy(place.path(from), place.path("ill").join(to)).unwrap();
        }
        let mut predict = Command::new(PROGRAM);
        predict.current_dir(place.path(".")).args(["predict", "ill", "films"]);
        refused(predict, 1, &words);
    }
}

#[test]
fn a_prediction_that_is_not_finite_is_no_success() {
    let place = Place::new();
    succeeded(place.stage("finetune", "run", &[]));
    // Numbers that a float can hold, and their squares, but not the products of three layers of them.
    let file = "run/weights.safetensors";
    for layer in ["layer1.0.conv1.weight", "layer1.0.conv2.weight", "fc.weight"] {
        set(&place, [file, file], layer, |values| values.fill(1e19));
    }
    let mut predict = Command::new(PROGRAM);
    predict.current_dir(place.path(".")).args(["predict", "run", "films", "-o", "found.csv"]);
    ended(predict, 1);
    let table = place.text("found.csv");
    let said = "expected a finite prediction, found";
    assert_eq!(table.lines().skip(1).filter(|line| line.contains(said)).count(), 22, "{table}");
    let mut evaluate = Command::new(PROGRAM);
    evaluate.current_dir(place.path(".")).args(["evaluate", "run", "-o", "figures"]);
    refused(evaluate, 1, &["films/", "expected a finite prediction, found that the network gives"]);
}
