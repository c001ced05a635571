//! Films learnt by heart, and fine-tuning that ends when it no longer learns.

use crate::commands::{Place, refused, succeeded, training::kinds};
use mtpret_pipeline::weights::checkpoint;

/// The lines of a run's metrics.
fn metrics(place: &Place, run: &str) -> Vec<serde_json::Value> {
    let text = place.text(&format!("{run}/metrics.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn fine_tuning_ends_when_its_figure_no_longer_grows_and_keeps_the_best_and_the_last() {
    let place = Place::new();
    let settings = ["epochs=12", "patience=2", "metric=\"auc\"", "optim.lr=0.02"];
    let printed = succeeded(place.stage("finetune", "run", &settings));
    assert!(printed.err.contains("no better figure for 2 epochs"), "{}", printed.err);
    let figures: Vec<f64> = metrics(&place, "run")
        .iter()
        .filter_map(|line| line["validation"]["auc"]["light"].as_f64())
        .collect();
    // The first of the best figures, and two epochs after it.
    let highest = figures.iter().copied().fold(f64::MIN, f64::max);
    let at = figures.iter().position(|figure| *figure == highest).unwrap();
    assert!(figures.len() == at + 3 && figures.len() < 12, "{figures:?}");
    let kept: serde_json::Value = serde_json::from_str(&place.text("run/best.json")).unwrap();
    assert_eq!(kept["epoch"].as_u64(), Some(at as u64 + 1), "{kept}");
    assert_eq!(kept["validation"].as_f64(), Some(highest), "{kept}");

    let [best, last] = ["weights", "last"].map(|file| {
        let path = place.path(&format!("run/{file}.safetensors"));
        checkpoint::read(&path, None).unwrap().0
    });
    assert!(best.keys().eq(last.keys()) && best.len() > 60);
    let first = |tensors: &checkpoint::Tensors| tensors["conv1.weight"].as_f32().unwrap().to_vec();
    assert!(first(&best) != first(&last), "the last epoch is the best");
    // What is reported is the best epoch's: measured again, its figure is the one that was noted.
    let mut again = std::process::Command::new(crate::commands::PROGRAM);
    again.current_dir(place.path("")).args(["evaluate", "run", "--split", "val", "--json"]);
    let again: serde_json::Value = serde_json::from_str(&succeeded(again).out).unwrap();
    assert_eq!(again["auc"]["light"], kept["validation"], "{again}");
}

#[test]
fn a_few_films_are_learnt_by_heart_in_batches_that_are_no_larger() {
    let place = kinds::annotated();
    let by_heart = |stage: &str, run: &str, settings: &[&str]| {
        let mut command = kinds::stage(&place, stage, run, settings);
        command.args(["--overfit", "2"]);
        succeeded(command)
    };
    by_heart("finetune", "ft", &["epochs=1", "task=\"masks\""]);
    by_heart("multitask", "mt", &["tasks=[\"pneumonia\",\"boxes\"]", "rounds=2"]);
    for run in ["ft", "mt"] {
        let text = place.text(&format!("{run}/config.resolved.toml"));
        let config: toml::Table = text.parse().unwrap();
        let batch = |section: &str| config[section]["batch"].as_integer().unwrap();
        assert_eq!(["data", "segment", "detect"].map(batch), [2; 3], "{text}");
        assert_eq!(config["augment"]["flip"].as_float(), Some(0.0));
        let sources = config["source"].as_array().unwrap();
        assert!(sources.iter().all(|source| source["overfit"].as_integer() == Some(2)), "{text}");
    }
    // One step a visit: two films of each task.
    let steps = metrics(&place, "mt").iter().filter(|line| line["loss"].is_f64()).count();
    assert_eq!(steps, 4);
    let mut command = place.stage("pretrain", "moco", &[]);
    command.args(["--overfit", "2"]);
    let refusal = crate::commands::ended(command, 2).err;
    assert!(refusal.contains("--overfit"), "{refusal}");
    let mut command = place.stage("finetune", "one", &[]);
    command.args(["--overfit", "1"]);
    assert!(crate::commands::ended(command, 2).err.contains("--overfit"));
    let command = place.stage("multitask", "none", &["tasks=[]"]);
    refused(command, 1, &["tasks", "expected the name of at least one", "found none"]);
}

#[test]
fn settings_of_the_environment_come_before_those_of_the_command_line_and_are_shown() {
    let place = Place::new();
    let mut command = place.stage("finetune", "run", &["epochs=1"]);
    command.env("MTPRET_SET", "epochs=7  data.max_bad=3");
    let printed = succeeded(command);
    assert!(printed.err.contains("MTPRET_SET: epochs=7  data.max_bad=3"), "{}", printed.err);
    let config: toml::Table = place.text("run/config.resolved.toml").parse().unwrap();
    assert_eq!(config["epochs"].as_integer(), Some(1));
    assert_eq!(config["data"]["max_bad"].as_integer(), Some(3));
    let mut command = place.stage("finetune", "other", &[]);
    command.env("MTPRET_SET", "data.widht=3");
    refused(command, 1, &["data.widht", "nearest known key is `width`"]);
}
