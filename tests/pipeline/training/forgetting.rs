//! Every task validated after visits of stage 2.

use super::continual::{config, films, run};
use mtpret_pipeline::train::config::{HandOn, Log, Multitask, Validate, ValidateAfter, Visit};
use serde_json::Value;
use std::{fs, path::Path};

/// Three rounds of two tasks, each visit of two steps, validated; saved only where it is stopped.
fn validated(films: &Path, validate: Validate) -> Multitask {
    let log = Log { every: 4, save_every: 1000 };
    Multitask { rounds: 3, visit: Visit::Steps(2), validate, log, ..config(films) }
}

/// The lines of validations.
fn lines(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["visited"].is_string()).collect()
}

#[test]
fn every_task_is_validated_after_the_visits_that_are_asked_for_and_nothing_else_moves() {
    let films = films();
    let folder = tempfile::tempdir().unwrap();
    let plain =
        run(&folder.path().join("plain"), &validated(films.path(), Validate::default()), None);
    let after = |name| Validate::Named(name);
    for (name, validate, visits) in [
        ("visit", after(ValidateAfter::Visit), vec![1, 2, 3, 4, 5, 6]),
        ("round", after(ValidateAfter::Round), vec![2, 4, 6]),
        ("fourth", Validate::Every(4), vec![4]),
    ] {
        let at = folder.path().join(name);
        let weights = run(&at, &validated(films.path(), validate), None);
        assert!(weights == plain, "{name}: validation moved the weights");
        let lines = lines(&at);
        let told: Vec<u64> = lines.iter().map(|line| line["visit"].as_u64().unwrap()).collect();
        assert_eq!(told, visits, "{name}");
        for line in &lines {
            let figures = line["figures"].as_object().unwrap();
            assert_eq!(figures.keys().collect::<Vec<_>>(), ["classes", "discs"]);
            assert!(figures.values().all(|f| f.as_f64().is_some_and(|f| (0.0..=1.0).contains(&f))));
        }
        let forgotten = lines.iter().filter(|line| line["average_forgetting"].is_number()).count();
        assert_eq!(forgotten, visits.len() - 1, "{name}");
    }
}

#[test]
fn a_stopped_stage_goes_on_with_its_figures_bit_for_bit() {
    let films = films();
    let folder = tempfile::tempdir().unwrap();
    let validate = Validate::Named(ValidateAfter::Visit);
    let config = Multitask { hand_on: HandOn::Best, ..validated(films.path(), validate) };
    let whole = run(&folder.path().join("whole"), &config, None);
    let stopped = folder.path().join("stopped");
    for steps in [3, 5] {
        run(&stopped, &config, Some(steps));
    }
    assert!(run(&stopped, &config, None) == whole, "the weights differ");
    assert_eq!(lines(&stopped), lines(&folder.path().join("whole")));
    let best = |run: &str| fs::read_to_string(folder.path().join(run).join("best.json")).unwrap();
    assert_eq!(best("stopped"), best("whole"));
}

#[test]
fn the_best_round_is_handed_on_and_written_down() {
    let films = films();
    let folder = tempfile::tempdir().unwrap();
    let validate = Validate::Named(ValidateAfter::Round);
    let config = validated(films.path(), validate);
    let best = Multitask { hand_on: HandOn::Best, ..config.clone() };
    let handed_on = run(&folder.path().join("best"), &best, None);
    let text = fs::read_to_string(folder.path().join("best/best.json")).unwrap();
    let said: Value = serde_json::from_str(&text).unwrap();
    let mean = |line: &Value| {
        let figures = line["figures"].as_object().unwrap().values();
        figures.map(|figure| figure.as_f64().unwrap()).sum::<f64>() / 2.0
    };
    let means: Vec<f64> = lines(&folder.path().join("best")).iter().map(mean).collect();
    let most = means.iter().copied().fold(f64::MIN, f64::max);
    let round = means.iter().position(|mean| *mean == most).unwrap() + 1;
    assert_eq!(
        (said["round"].as_u64(), said["validation"].as_f64()),
        (Some(round as u64), Some(most))
    );
    // A stage of so many rounds ends in the same network.
    let short = Multitask { rounds: round, ..config };
    assert!(handed_on == run(&folder.path().join("short"), &short, None), "of {means:?}");
}

#[test]
fn a_best_round_needs_rounds_that_are_validated() {
    use mtpret_pipeline::train::config::Stage;
    let films = films();
    let never = Multitask { hand_on: HandOn::Best, ..validated(films.path(), Validate::default()) };
    let error = never.validate().unwrap_err().to_string();
    assert!(error.contains("validate = \"round\""), "{error}");
}
