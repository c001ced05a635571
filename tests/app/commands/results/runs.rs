//! `runs list` and `runs compare` on whole, unfinished and broken folders.

use crate::commands::{PROGRAM, Place, refused, succeeded};
use serde_json::Value;
use std::{fs, process::Command};

fn runs(place: &Place, arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).arg("runs").args(arguments);
    program
}

#[test]
fn runs_are_listed_and_compared_whole_or_not() {
    let place = Place::new();
    succeeded(place.stage("finetune", "runs/Lunge ä 胸部", &["epochs=2"]));
    succeeded(place.stage("finetune", "runs/slow", &["optim.lr=0.001"]));
    let text = |name: &str, text: &str| {
        let path = place.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let config = place.text("runs/slow/config.resolved.toml");
    text("runs/killed/config.resolved.toml", &config);
    let line =
        "{\"stage\":\"finetune pneumonia\",\"step\":3,\"steps\":8,\"loss\":0.5,\"lr\":0.01}\n";
    text("runs/killed/metrics.jsonl", &format!("{line}{{\"stage\":\"fine"));
    text("runs/deep/broken/config.resolved.toml", "task = ");
    text("runs/torn/config.resolved.toml", &config);
    text("runs/torn/weights.safetensors", "no weights");
    text("runs/odd/config.resolved.toml", &config);
    text("runs/odd/scores.json", "{}[");
    text("runs/notes/todo.txt", "no run");

    let listed = succeeded(runs(&place, &["list"])).out;
    let row = |name: &str| {
        let found = listed.lines().find(|line| line.starts_with(name));
        found.unwrap_or_else(|| panic!("{name} is not in: {listed}"))
    };
    for (name, words) in [
        ("Lunge ä 胸部", &["finetune", "pneumonia", "8/8", "finished", "AUC "][..]),
        ("slow", &["4/4", "finished", "AUC "]),
        ("killed", &["3/8", "unfinished", "loss 0.500"]),
        ("deep/broken", &["broken: config.resolved.toml: not TOML"]),
        ("torn", &["broken: ", "weights.safetensors"]),
        ("odd", &["broken: scores.json: no figures"]),
    ] {
        for word in words {
            assert!(row(name).contains(word), "{word}: {}", row(name));
        }
    }
    assert!(!listed.contains("notes"));
    let finished: Vec<_> = listed.lines().filter(|l| l.contains(" finished ")).collect();
    assert!(
        finished[0].starts_with("Lunge") && finished[1].starts_with("slow"),
        "by time: {listed}"
    );
    let json = succeeded(runs(&place, &["list", "runs", "--json"])).out;
    let all: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let slow = all.iter().find(|run| run["run"] == "runs/slow").unwrap();
    assert!(slow["started"].as_u64() > Some(1_700_000_000) && slow["steps"] == 4, "{slow}");
    let scores: Value = serde_json::from_str(&place.text("runs/slow/scores.json")).unwrap();
    assert_eq!(slow["figure"]["value"], scores["mauc"]);
    refused(runs(&place, &["list", "runs/notes"]), 1, &["runs/notes: expected", "found none"]);
    refused(runs(&place, &["list", "nowhere"]), 1, &["nowhere", "name a folder of runs"]);

    let compared = ["compare", "runs/Lunge ä 胸部", "runs/slow", "runs/killed", "-o", "page"];
    let printed = succeeded(runs(&place, &compared)).out;
    for words in ["AUC, light", "optim.lr", "0.001", "epochs", "3/8", "page/compare.html"] {
        assert!(printed.contains(words), "{words} is not in: {printed}");
    }
    assert!(!printed.contains("data.width"), "what is the same is left out: {printed}");
    let page = place.text("page/compare.html");
    for words in ["Loss of training", "Learning rate", "Validation", "Lunge ä 胸部", "optim.lr"]
    {
        assert!(page.contains(words), "{words} is not in the page");
    }
    assert!(place.text("page/compare.svg").contains("Learning rate"));
    refused(
        runs(&place, &["compare", "runs/slow", "runs/notes"]),
        1,
        &["runs/notes: expected the"],
    );
}
