//! `init`: from a folder of films to a run.

use crate::commands::{PROGRAM, Place, refused, succeeded, training::kinds};
use std::{fs, process::Command};

fn init(place: &Place, arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).arg("init").args(arguments);
    program
}

/// Runs what was printed after `start with:`, each command at the smallest number of passes.
fn start(place: &Place, printed: &str) {
    let line = printed.lines().rev().find(|line| line.starts_with("  mtpret ")).unwrap();
    for command in line.trim().split(" && ") {
        let mut words = command.split(' ');
        assert_eq!(words.next(), Some("mtpret"));
        let mut program = Command::new(PROGRAM);
        program.current_dir(place.0.path()).args(words);
        let passes = if command.contains(" multitask ") { "rounds=1" } else { "epochs=1" };
        succeeded({
            program.env("MTPRET_SET", passes);
            program
        });
    }
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn class_folders_become_a_configuration_that_runs_as_printed_and_is_not_written_over() {
    let place = Place::new();
    let printed = succeeded(init(&place, &["films", "--minutes", "1"])).out;
    assert!(printed.contains("a folder for each class: dark, light"), "{printed}");
    assert!(!place.path("multitask.toml").exists() && !place.path("runs").exists());
    let text = place.text("finetune.toml");
    for words in [
        "mtpret init films --minutes 1",
        "Timed here:",
        "for the first epoch",
        "# pixels, 32 to 8192",
        "root = \"films\"",
        "# passes over the task's training part, 1 to 100000",
    ] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    let config: toml::Table = text.parse().unwrap();
    // A quarter of sixteen films; masks and boxes there are none.
    assert_eq!(config["data"]["batch"].as_integer(), Some(4));
    assert!(config["epochs"].as_integer() > Some(1), "{text}");
    assert!(!config.contains_key("segment") && !config.contains_key("detect"));
    start(&place, &printed);
    assert!(place.path("runs/finetune/scores.json").exists());

    let words = ["finetune.toml: expected no such file yet, found one", "--force"];
    refused(init(&place, &["films"]), 1, &words);
    assert_eq!(place.text("finetune.toml"), text);
    succeeded(init(&place, &["films", "--minutes", "2", "--force"]));
    assert!(place.text("finetune.toml").contains("--minutes 2"));
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn several_sets_are_all_named_and_bring_every_stage() {
    let place = kinds::annotated();
    fs::create_dir(place.path("all")).unwrap();
    fs::remove_file(place.path("square/all.json")).unwrap();
    fs::rename(place.path("films"), place.path("all/classes")).unwrap();
    fs::rename(place.path("square"), place.path("all/outlines")).unwrap();
    let arguments = ["all", "--minutes", "1", "--output", "configs"];
    let printed = succeeded(init(&place, &arguments)).out;
    for stage in ["pretrain", "multitask", "finetune"] {
        let text = place.text(&format!("configs/{stage}.toml"));
        let config: toml::Table = text.parse().unwrap();
        let named = config["source"].as_array().unwrap().iter();
        let named: Vec<&str> = named.map(|source| source["name"].as_str().unwrap()).collect();
        assert!(named.contains(&"classes") && named.contains(&"outlines"), "{stage}: {named:?}");
        let weights = config["model"].get("weights").and_then(toml::Value::as_str);
        let before = match stage {
            "pretrain" => None,
            "multitask" => Some("runs/pretrain"),
            _ => Some("runs/multitask"),
        };
        assert_eq!(weights, before, "{stage}");
        assert_eq!(config.contains_key("segment"), stage != "pretrain", "{stage}");
        assert!(!config.contains_key("detect"), "{stage}");
    }
    start(&place, &printed);
    assert!(place.path("runs/finetune/scores.json").exists());
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn masks_and_films_alone_become_what_they_are_good_for() {
    let place = kinds::annotated();
    let at = |output: &str| ["square", "--minutes", "1", "--output", output].map(str::to_owned);
    fs::remove_file(place.path("square/all.json")).unwrap();
    let arguments = at("masks");
    succeeded(init(&place, &arguments.each_ref().map(String::as_str)));
    let config: toml::Table = place.text("masks/finetune.toml").parse().unwrap();
    assert!(config.contains_key("segment") && !place.path("masks/pretrain.toml").exists());
    fs::remove_dir_all(place.path("square/masks")).unwrap();
    let arguments = at("alone");
    let printed = succeeded(init(&place, &arguments.each_ref().map(String::as_str))).out;
    assert!(!place.path("alone/finetune.toml").exists());
    assert!(!place.text("alone/pretrain.toml").contains("[monitor]"));
    start(&place, &printed);
    assert!(place.path("runs/pretrain/weights.safetensors").exists());
    fs::create_dir(place.path("empty")).unwrap();
    refused(init(&place, &["empty"]), 1, &["empty: expected films", "found none"]);
}
