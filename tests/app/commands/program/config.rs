//! Help, configuration files and settings.

use crate::commands::{PROGRAM, Place, ended, refused, succeeded};
use std::{fs, process::Command};

fn help(words: &[&str]) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(words).arg("--help");
    succeeded(command).out
}

#[test]
fn every_command_has_help_with_an_example() {
    let all = help(&[]);
    let listed = all.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let entry =
        |line: &str| line.strip_prefix("  ").filter(|l| !l.starts_with(' ')).map(str::to_owned);
    let names = listed.lines().filter_map(entry);
    let names: Vec<_> = names.map(|l| l.split_whitespace().next().unwrap().to_owned()).collect();
    for known in ["demo", "pretrain", "multitask", "finetune", "evaluate", "predict", "run-op"] {
        assert!(names.iter().any(|n| n == known), "{known} is not in {names:?}");
    }
    for name in names.iter().filter(|n| *n != "help") {
        let example = format!("Example: mtpret {name}");
        assert!(help(&[name]).contains(&example), "`{name} --help` has no `{example}`");
    }
}

#[test]
fn an_unknown_key_in_a_file_is_refused_with_its_line_and_the_nearest_key() {
    let place = Place::new();
    let text = fs::read_to_string("configs/finetune/resnet18.toml").unwrap();
    let line = text.lines().position(|l| l.starts_with("momentum")).unwrap() + 1;
    fs::write(place.path("my.toml"), text.replace("\nmomentum", "\nmomentun")).unwrap();
    let mut command = place.stage("finetune", "run", &[]);
    command.arg("my.toml");
    let at = format!("my.toml:{line}: expected one of");
    let words = [at.as_str(), "found the key `momentun`", "the nearest known key is `momentum`"];
    refused(command, 1, &words);
    assert!(!place.path("run").exists());
}

#[test]
fn an_unknown_key_and_a_value_out_of_range_are_refused_in_a_setting() {
    let place = Place::new();
    let command = place.stage("pretrain", "run", &["optim.lrr=1"]);
    refused(command, 1, &["override optim.lrr=1: expected", "found", "nearest known key is `lr`"]);
    let command = place.stage("pretrain", "run", &["optim.lr=-1"]);
    refused(command, 1, &["override optim.lr=-1: expected", "found -1", "for example"]);
    let command = place.stage("pretrain", "run", &["optim.lr"]);
    refused(command, 1, &["override optim.lr: expected KEY=VALUE", "found no `=`"]);
}

#[test]
fn a_command_that_does_not_exist_is_refused_with_the_nearest() {
    let mut command = Command::new(PROGRAM);
    command.arg("pretrian");
    assert!(ended(command, 2).err.contains("pretrain"));
}
