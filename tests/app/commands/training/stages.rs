//! The three stages, `evaluate` and `predict`, one after another.

use crate::commands::{PROGRAM, Place, program::runners::resnet18, refused, succeeded};
use std::{fs, process::Command};

/// Every line of `metrics.jsonl`.
fn metrics(place: &Place, run: &str) -> Vec<serde_json::Value> {
    let text = place.text(&format!("{run}/metrics.jsonl"));
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The names in a run's weights.
fn names(place: &Place, run: &str) -> Vec<String> {
    let bytes = place.read(&format!("{run}/weights.safetensors"));
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    tensors.names().into_iter().map(str::to_owned).collect()
}

fn has_the_backbone(names: &[String], heads: &[&str]) {
    let mut expected: Vec<_> = resnet18().into_iter().map(|(name, _)| name).collect();
    expected.extend(heads.iter().map(|h| (*h).to_owned()));
    expected.sort();
    let mut names = names.to_vec();
    names.sort();
    assert_eq!(names, expected);
}

/// `evaluate` or `predict` on a run.
fn on(place: &Place, command: &str, run: &str, arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).arg(command).arg(run).args(arguments);
    program
}

/// The same weights with and without it, from all three stages; and it is no change of what the run began with.
#[test]
fn a_run_on_packed_films_learns_the_same_bit_for_bit() {
    let place = Place::new();
    for stage in ["pretrain", "multitask", "finetune"] {
        let settings = place.stage(stage, "unused", &[]);
        let settings = settings.get_args().skip_while(|arg| *arg != "--set");
        let mut pack = Command::new(PROGRAM);
        pack.current_dir(place.0.path()).args(["data", "pack", &format!("{stage}/resnet18")]);
        pack.args(["-o", "films.pack"]).args(settings);
        let printed = succeeded(pack);
        // Pretraining reads no test films.
        let films = if stage == "pretrain" { "18 films" } else { "22 films" };
        assert!(printed.err.contains(films), "{}", printed.err);
        succeeded(place.stage(stage, "files", &[]));
        succeeded(place.stage(stage, "packed", &["data.pack=\"films.pack\""]));
        let [files, packed] =
            ["files", "packed"].map(|run| place.read(&format!("{run}/weights.safetensors")));
        assert!(files == packed, "{stage}: other weights from packed films");
        fs::remove_dir_all(place.path("files")).unwrap();
        fs::remove_dir_all(place.path("packed")).unwrap();
    }
    // What the pack was made for has changed.
    place.film("films/dark/d3.png", 30, 50);
    let stale = place.stage("finetune", "stale", &["data.pack=\"films.pack\""]);
    refused(stale, 1, &["films.pack", "1 that it lacks", "d3.png", "data.pack"]);
}

#[test]
fn the_three_stages_and_what_follows_run_from_end_to_end() {
    let place = Place::new();
    let printed = succeeded(place.stage("pretrain", "moco", &["seed=5"]));
    // Two sources hold the same sixteen films, each of which is seen once.
    assert!(printed.err.contains("pretrain 4/4"), "{}", printed.err);
    has_the_backbone(
        &names(&place, "moco"),
        &["fc.0.weight", "fc.0.bias", "fc.2.weight", "fc.2.bias"],
    );
    let rows = metrics(&place, "moco");
    let monitored: Vec<_> = rows.iter().filter(|r| r["stage"] == "monitor").collect();
    let steps: Vec<_> = monitored.iter().map(|r| r["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 4], "before the first step, and after the epoch");
    for reading in monitored {
        assert!(reading["knn_auc"].is_f64() && reading["probe_auc"].is_f64(), "{reading}");
    }
    assert!(rows.iter().any(|r| r["step"] == 4 && r["loss"].as_f64().unwrap().is_finite()));

    let mut multitask = place.stage("multitask", "mt", &[]);
    multitask.args(["--weights", "moco"]);
    succeeded(multitask);
    let heads = ["pneumonia", "mura"]
        .map(|task| [format!("heads.{task}.fc.weight"), format!("heads.{task}.fc.bias")]);
    let heads: Vec<&str> = heads.iter().flatten().map(String::as_str).collect();
    has_the_backbone(&names(&place, "mt"), &heads);
    let mt = metrics(&place, "mt");
    // A line a step, one of the validation after the round, and one that says what the stage took.
    assert_eq!((mt.len(), mt[9]["step"].as_u64()), (10, Some(8)));
    assert!(mt[8]["figures"]["mura"].is_f64() && mt[8]["round"] == 1, "{}", mt[8]);
    assert!(mt[9]["peak_memory_mib"].as_u64() > Some(100), "{}", mt[9]);

    let mut finetune = place.stage("finetune", "ft", &[]);
    finetune.args(["--weights", "mt", "--json"]);
    let printed = succeeded(finetune).out;
    printed.lines().for_each(|l| drop(serde_json::from_str::<serde_json::Value>(l).unwrap()));
    has_the_backbone(&names(&place, "ft"), &["fc.weight", "fc.bias"]);
    assert!(metrics(&place, "ft").iter().any(|r| r["validation"]["auc"]["light"].is_f64()));
    predictions_and_figures_follow(&place);
    the_resolved_configuration_runs_again(&place);
}

fn predictions_and_figures_follow(place: &Place) {
    let first: serde_json::Value = serde_json::from_str(&place.text("ft/scores.json")).unwrap();
    let printed = succeeded(on(place, "evaluate", "ft", &["--json"])).out;
    let again: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(first, again);
    assert!(again["auc"]["light"].is_f64() && again["images"] == 4, "{again}");

    let of_test = ["scores.json", "predictions.csv"].map(|file| place.read(&format!("ft/{file}")));
    let files = ["scores.val.json", "predictions.val.csv", "films.val.csv", "roc.val.json"];
    let kept = files.map(|file| place.read(&format!("ft/{file}")));
    let printed = succeeded(on(place, "evaluate", "ft", &["--split", "val", "--json"])).out;
    let of_val: serde_json::Value = serde_json::from_str(&printed).unwrap();
    // What the best epoch was judged by is what its weights predict.
    assert!(kept == files.map(|file| place.read(&format!("ft/{file}"))));
    assert_eq!(of_val["images"], 2);
    let written: serde_json::Value =
        serde_json::from_str(&place.text("ft/scores.val.json")).unwrap();
    assert_eq!(written, of_val);
    assert_eq!(place.text("ft/predictions.val.csv").lines().count(), 1 + 2);
    let left = ["scores.json", "predictions.csv"].map(|file| place.read(&format!("ft/{file}")));
    assert!(left == of_test);

    // What was learnt from is not needed to predict.
    fs::create_dir(place.path("elsewhere")).unwrap();
    fs::rename(place.path("films"), place.path("elsewhere/films")).unwrap();
    let there = succeeded(on(place, "predict", "ft", &["elsewhere/films/dark/d1.png"])).out;
    assert!(there.starts_with("image,dark,light,error,note\n"), "{there}");
    fs::rename(place.path("elsewhere/films"), place.path("films")).unwrap();
    let bytes = place.read("ft/weights.safetensors");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let words = header.metadata().clone().unwrap();
    let told = ["kind", "labels", "positive"].map(|key| words[key].as_str());
    assert_eq!(told, ["classes", "[\"dark\",\"light\"]", "light"]);

    refused(
        on(place, "evaluate", "moco", &[]),
        1,
        &["moco/config.resolved.toml:", "expected", "found"],
    );
}

#[test]
fn weights_of_another_number_of_classes_give_their_backbone_to_a_new_head() {
    let place = Place::new();
    succeeded(place.stage("finetune", "two", &[]));
    (0..11).for_each(|film| place.film(&format!("films/grey/g{film}.png"), film, 80));
    let mut three = place.stage("finetune", "three", &["optim.lr=1e-12"]);
    three.args(["--weights", "two"]);
    succeeded(three);
    let shape = |run: &str, name: &str| {
        let bytes = place.read(&format!("{run}/weights.safetensors"));
        safetensors::SafeTensors::deserialize(&bytes)
            .unwrap()
            .tensor(name)
            .unwrap()
            .shape()
            .to_vec()
    };
    assert_eq!([shape("two", "fc.weight"), shape("three", "fc.weight")], [[2, 512], [3, 512]]);
    // At a rate of next to nothing the backbone is still the one that was given.
    let first = |run: &str| {
        let bytes = place.read(&format!("{run}/weights.safetensors"));
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let data = tensors.tensor("conv1.weight").unwrap().data().to_vec();
        data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>()
    };
    let near = first("two").iter().zip(first("three")).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near);
}

#[test]
fn a_known_data_set_is_found_below_the_folder_of_data() {
    let place = Place::new();
    fs::create_dir(place.path("sets")).unwrap();
    fs::rename(place.path("films"), place.path("sets/chest_xray")).unwrap();
    for (old, new) in [("dark", "NORMAL"), ("light", "PNEUMONIA")] {
        let class = |name: &str| place.path(&format!("sets/chest_xray/{name}"));
        fs::rename(class(old), class(new)).unwrap();
    }
    let source = "source=[{name=\"pneumonia\",known=\"pneumonia\"},{name=\"nih\",known=\"nih\"}]";
    let stage = |run: &str| place.stage("finetune", run, &[source]);
    let mut command = stage("ft");
    command.env_remove("MTPRET_DATA");
    refused(command, 1, &["data set pneumonia: expected its folder", "MTPRET_DATA"]);
    let mut command = place.stage("finetune", "ft", &[]);
    command.args(["--data", "sets"]);
    refused(command, 1, &["--data: expected a [[source]] with `known`", "found none"]);
    let mut command = stage("ft");
    command.args(["--data", "nowhere", "--data", "sets"]).env_remove("MTPRET_DATA");
    succeeded(command);
    let resolved: toml::Table = place.text("ft/config.resolved.toml").parse().unwrap();
    assert_eq!(resolved["source"][0]["root"].as_str(), Some("sets/chest_xray"));

    // Pretraining takes what films there are, and says which there are not.
    let mut command = place.stage("pretrain", "moco", &[source, "monitor.source=pneumonia"]);
    command.args(["--data", "sets"]).env_remove("MTPRET_DATA");
    let printed = succeeded(command);
    assert!(
        printed.err.contains("nih: left out: data set nih: expected its folder"),
        "{}",
        printed.err
    );
    let resolved: toml::Table = place.text("moco/config.resolved.toml").parse().unwrap();
    assert_eq!(resolved["source"].as_array().unwrap().len(), 1);
    let mut command = place.stage("pretrain", "none", &[source, "monitor.source=pneumonia"]);
    command.args(["--data", "nowhere"]).env_remove("MTPRET_DATA");
    refused(command, 1, &["data set pneumonia: expected its folder", "MTPRET_DATA"]);
}

/// `config.resolved.toml` holds what was set, and is a whole configuration by itself.
fn the_resolved_configuration_runs_again(place: &Place) {
    let resolved: toml::Table = place.text("moco/config.resolved.toml").parse().unwrap();
    assert_eq!(resolved["seed"].as_integer(), Some(5));
    assert_eq!(resolved["data"]["batch"].as_integer(), Some(4));
    let mut again = Command::new(PROGRAM);
    again.current_dir(place.0.path()).args([
        "pretrain",
        "moco/config.resolved.toml",
        "--run",
        "again",
    ]);
    succeeded(again);
    assert_eq!(place.text("again/config.resolved.toml"), place.text("moco/config.resolved.toml"));
    let weights = "weights.safetensors";
    assert!(place.read(&format!("again/{weights}")) == place.read(&format!("moco/{weights}")));
    refused(
        place.stage("pretrain", "again", &[]),
        1,
        &["expected an empty run folder", "resume that run"],
    );
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn a_demo_on_two_folders_of_one_name_has_a_folder_for_each_task() {
    let place = Place::new();
    for folder in ["one", "two"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    fs::rename(place.path("films"), place.path("one/a:b")).unwrap();
    std::os::unix::fs::symlink(place.path("one/a:b"), place.path("two/a:b")).unwrap();
    let mut demo = Command::new(PROGRAM);
    demo.current_dir(place.0.path()).args(["demo", "--run", "run"]);
    demo.args(["--data", "one/a:b", "--data", "two/a:b"]);
    for setting in [
        "data.width=32",
        "data.height=32",
        "data.batch=4",
        "pretrain.epochs=1",
        "pretrain.moco.queue=8",
        "pretrain.moco.bn_splits=2",
        "pretrain.monitor.k=3",
        "finetune.epochs=1",
    ] {
        demo.args(["--set", setting]);
    }
    demo.args(["--minutes", "9"]);
    let printed = succeeded(demo);
    for words in ["measured on this machine: about ", "(pretraining "] {
        assert!(printed.err.contains(words), "{words}: {}", printed.err);
    }
    for words in ["What it cannot show is whether", "saw 16 films at 32 × 32", "run/sheet.png"] {
        assert!(printed.out.contains(words), "{words}: {}", printed.out);
    }
    for file in [
        "sheet.png",
        "finetune-a_b-scratch/scores.json",
        "finetune-a_b-2-mtpret/scores.json",
        "explain-a_b-2/sheet.png",
        "report.html",
    ] {
        assert!(place.path(&format!("run/{file}")).exists(), "{file}");
    }
}
