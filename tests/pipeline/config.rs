//! Configurations load whole, refuse what is wrong in one clear line, and come back from their
//! resolved text.

use mtpret_pipeline::train::{
    config::{
        BUILTIN, Backbone, Demo, Finetune, Multitask, Pretrain, Stage, builtin, load, resolved, set,
    },
    reproduce::config::Reproduce,
    schedule::{Period, Progress, Schedule, Span},
};
use proptest::prelude::*;
use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

const PRETRAIN: &str = "pretrain/resnet18";
const MULTITASK: &str = "multitask/resnet18";

fn embedded<T: Stage>(name: &str, overrides: &[&str]) -> mtpret_engine::Result<T> {
    let overrides: Vec<String> = overrides.iter().map(|pair| pair.to_string()).collect();
    load(Path::new(name), &overrides)
}

/// The message that loading `text` ends in.
fn refusal<T: Stage + Debug>(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    fs::write(&path, text).unwrap();
    load::<T>(&path, &[]).unwrap_err().to_string()
}

fn line_of(text: &str, needle: &str) -> usize {
    text.lines().position(|line| line.starts_with(needle)).unwrap() + 1
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn survives_resolving<T: Stage + PartialEq + Debug>(name: &str) {
    let value: T = embedded(name, &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.resolved.toml");
    fs::write(&path, resolved(&value).unwrap()).unwrap();
    assert_eq!(load::<T>(&path, &[]).unwrap(), value, "{name}");
}

#[test]
fn every_shipped_config_loads_and_its_resolved_text_loads_back_equal() {
    for net in ["resnet18", "resnet50"] {
        survives_resolving::<Pretrain>(&format!("pretrain/{net}"));
        survives_resolving::<Multitask>(&format!("multitask/{net}"));
        survives_resolving::<Finetune>(&format!("finetune/{net}"));
    }
    survives_resolving::<Demo>("demo");
    survives_resolving::<Reproduce>("reproduce/full");
    survives_resolving::<Reproduce>("reproduce/small");
}

#[test]
fn every_file_of_configs_is_embedded_and_names_its_own_backbone() {
    let root = crate::films::root().join("configs");
    let mut found = 0;
    for stage in ["pretrain", "multitask", "finetune", "reproduce", "."] {
        for entry in fs::read_dir(root.join(stage)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let stem = path.file_stem().unwrap().to_str().unwrap();
                let name = format!("configs/{stage}/{stem}.toml").replace("/./", "/");
                let text = builtin(&name).unwrap_or_else(|| panic!("{name} is not embedded"));
                assert_eq!(text, fs::read_to_string(&path).unwrap());
                let named = text.contains(&format!("backbone = \"{stem}\""));
                assert!(named || ["demo", "small", "full"].contains(&stem));
                found += 1;
            }
        }
    }
    assert_eq!(found, BUILTIN.len());
}

#[test]
fn defaults_are_those_of_the_sources_that_the_paper_leaves_open() {
    let run: Pretrain = embedded("configs/pretrain/resnet50.toml", &[]).unwrap();
    assert_eq!(run.model.backbone, Backbone::Resnet50);
    assert_eq!((run.data.width, run.data.height), (800, 500));
    let moco = run.moco.unwrap();
    assert_eq!((moco.queue, moco.bn_splits, moco.temperature), (24576, 8, 0.2));
    assert_eq!(run.optim.lr, 0.03 * run.data.batch as f64 / 256.0);
    let run: Multitask = embedded(MULTITASK, &[]).unwrap();
    assert_eq!((run.l2sp.alpha, run.l2sp.beta, run.optim.weight_decay), (0.1, 0.01, 0.0));
    assert_eq!(run.optim.schedule, Schedule::Cyclic2pi);
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    let text = builtin(PRETRAIN).unwrap().replace("temperature =", "temprature =");
    let line = line_of(&text, "temprature");
    let message = refusal::<Pretrain>(&text);
    says(
        &message,
        &[&format!("run.toml:{line}"), "`temprature`", "nearest known key is `temperature`"],
    );

    let text = builtin("demo").unwrap().replace("[pretrain.moco]", "[pretrain.mocco]");
    let message = refusal::<Demo>(&text);
    let line = line_of(&text, "[pretrain.mocco]");
    says(&message, &[&format!("run.toml:{line}"), "`mocco`", "nearest known key is `moco`"]);

    let text = builtin(PRETRAIN).unwrap().replace("known = \"nih\"", "knwn = \"nih\"");
    says(&refusal::<Pretrain>(&text), &["`knwn`", "nearest known key is `known`"]);
}

#[test]
fn an_unknown_word_names_the_known_ones() {
    let text = builtin(PRETRAIN).unwrap().replace("\"resnet18\"", "\"resnet81\"");
    let line = line_of(&text, "backbone");
    let message = refusal::<Pretrain>(&text);
    says(&message, &[&format!("run.toml:{line}"), "resnet18, resnet50", "`resnet81`"]);
}

#[test]
fn a_missing_key_a_wrong_type_and_broken_toml_name_file_and_line() {
    let whole = builtin(PRETRAIN).unwrap();
    let text: String = whole
        .lines()
        .filter(|line| !line.starts_with("queue"))
        .map(|line| format!("{line}\n"))
        .collect();
    let line = line_of(&text, "[moco]");
    says(
        &refusal::<Pretrain>(&text),
        &[&format!("run.toml:{line}"), "the key `queue`", "found none"],
    );

    let text = whole.replace("epochs = 20", "epochs = 2.5");
    let line = line_of(&text, "epochs");
    says(
        &refusal::<Pretrain>(&text),
        &[&format!("run.toml:{line}: epochs: expected a whole number, found "), "2.5"],
    );

    let text = whole.replace("[augment]", "[augment");
    let line = line_of(&text, "[augment");
    says(&refusal::<Pretrain>(&text), &[&format!("run.toml:{line}")]);
}

#[test]
fn a_value_out_of_range_names_file_line_key_and_range() {
    let text = builtin(PRETRAIN).unwrap().replace("queue = 24576", "queue = 24575");
    let line = line_of(&text, "queue");
    let message = refusal::<Pretrain>(&text);
    says(
        &message,
        &[&format!("run.toml:{line}: moco.queue"), "multiple of data.batch = 16", "24575"],
    );
    says(&message, &["use 24576"]);

    let text = builtin("demo").unwrap().replace("temperature = 0.2", "temperature = 0.0");
    let line = line_of(&text, "temperature");
    let message = refusal::<Demo>(&text);
    let place = format!("run.toml:{line}: pretrain.moco.temperature");
    let example = "for example pretrain.moco.temperature=0.2";
    says(&message, &[&place, "(0, 10]", "found 0", example]);
}

/// Each override is refused, in a line that names it and has `part`.
#[track_caller]
fn refused<T: Stage + Debug>(name: &str, pair: &str, part: &str) {
    let message = embedded::<T>(name, &[pair]).unwrap_err().to_string();
    says(&message, &[pair.split_once('=').map_or(pair, |(key, _)| key), part]);
    assert!(message.contains("; "), "no mend: {message}");
}

#[test]
fn every_range_is_checked_in_a_pretraining() {
    for (pair, part) in [
        ("seed=-1", "-1"),
        ("epochs=0", "[1, 100000]"),
        ("data.width=31", "[32, 8192]"),
        ("data.height=9000", "found 9000"),
        ("data.batch=1", "[2, 4096]"),
        ("data.threads=2000", "[0, 1024]"),
        ("data.std=0", "(0, 255]"),
        ("data.mean=nan", "found NaN"),
        ("augment.flip=1.5", "[0, 1]"),
        ("augment.rotate_deg=-1", "[0, 180]"),
        ("augment.shift=0.6", "[0, 0.5]"),
        ("moco.dim=0", "[1, 4096]"),
        ("moco.queue=8", "[16, 1048576]"),
        ("moco.momentum=1", "[0, 1)"),
        ("moco.temperature=inf", "(0, 10]"),
        ("moco.bn_splits=3", "divisor of data.batch = 16"),
        ("moco.bn_splits=17", "[1, 16]"),
        ("optim.lr=0", "(0, 100]"),
        ("optim.lr=nan", "found NaN"),
        ("optim.momentum=1.0", "[0, 1)"),
        ("optim.weight_decay=-0.1", "[0, 1]"),
        ("optim.lr_min=0.5", "[0, 0.001875]"),
        ("optim.period=round", "without rounds"),
        ("optim.period={steps=0}", "found 0"),
        ("monitor.source=pneumona", "nearest source is `pneumonia`"),
        ("monitor.k=0", "[1, 10000]"),
        ("monitor.every_epochs=0", "found 0"),
        ("log.every=0", "found 0"),
        ("log.save_every=0", "found 0"),
        ("source=[]", "found none"),
        ("source.1.name=nih", "`nih` twice"),
        ("source.1.name=NIH", "`NIH`, whose folder is that of `nih`"),
    ] {
        refused::<Pretrain>(PRETRAIN, pair, part);
    }
    let unlabelled = embedded::<Pretrain>(PRETRAIN, &["source.1.labelled=false"]);
    says(&unlabelled.unwrap_err().to_string(), &["monitor.source", "labelled = false"]);
}

#[test]
fn every_range_is_checked_in_the_later_stages() {
    for (pair, part) in [
        ("rounds=0", "found 0"),
        ("tasks=[]", "found none"),
        ("tasks.0=mira", "nearest source is `mura`"),
        ("tasks.1=pneumonia", "twice"),
        ("l2sp.alpha=-1", "[0, 100]"),
        ("l2sp.beta=nan", "found NaN"),
        ("optim.weight_decay=0.1", "takes the place of weight decay"),
    ] {
        refused::<Multitask>(MULTITASK, pair, part);
    }
    for (pair, part) in [
        ("visit={steps=0}", "found 0"),
        ("ema=1.0", "[0, 1)"),
        ("validate=0", "found 0"),
        ("validate=often", "validate"),
        ("task_lr={pneumonai=0.1}", "the tasks are pneumonia"),
        ("task_lr={pneumonia=1000}", "found 1000"),
        ("segment.loss_weight=0", "found 0"),
    ] {
        refused::<Multitask>(MULTITASK, pair, part);
    }
    for (pair, part) in [
        ("epochs=0", "found 0"),
        ("task=pneumonai", "nearest source is `pneumonia`"),
        ("optim.period=round", "without rounds"),
    ] {
        refused::<Finetune>("finetune/resnet50", pair, part);
    }
    for (pair, part) in [
        ("pretrain.moco.queue=511", "multiple of data.batch"),
        ("multitask.rounds=0", "found 0"),
        ("multitask.task_lr={pneumonai=0.1}", "the tasks are pneumonia"),
        ("finetune.epochs=0", "found 0"),
        ("data.width=0", "[32, 8192]"),
    ] {
        refused::<Demo>("demo", pair, part);
    }
}

#[test]
fn a_cyclic_rate_without_a_period_is_refused_where_the_period_would_stand() {
    let text = builtin(PRETRAIN).unwrap();
    let place = format!("{PRETRAIN}:{}: optim.period", line_of(text, "[optim]"));
    for schedule in ["sgdr", "cyclic2pi"] {
        let pair = format!("optim.schedule={schedule}");
        let message = embedded::<Pretrain>(PRETRAIN, &[&pair]).unwrap_err().to_string();
        says(&message, &[&place, "length of a cycle", "for example optim.period=task_epoch"]);
    }
}

#[test]
fn one_value_a_channel_is_too_few_for_batch_norm() {
    let sets = ["data.width=32", "data.height=32", "moco.bn_splits=16"];
    let message = embedded::<Pretrain>(PRETRAIN, &sets).unwrap_err().to_string();
    says(&message, &["override moco.bn_splits=16: ", "two or more values a channel", "found 1"]);
}

#[test]
fn overrides_take_numbers_words_lists_and_tables() {
    let sets = [
        "seed=7",
        "optim.lr=1",
        "model.backbone=resnet50",
        "model.weights=runs/a b/resnet50.pth",
        "source.mura.root=/x/MURA = new",
        "source.0.root=\"/quoted\"",
        "optim.schedule = sgdr",
        "optim.period={ steps = 500 }",
        "monitor.source=nih",
    ];
    let run: Pretrain = embedded(PRETRAIN, &sets).unwrap();
    assert_eq!((run.seed, run.optim.lr, run.model.backbone), (7, 1.0, Backbone::Resnet50));
    assert_eq!(run.model.weights, Some(PathBuf::from("runs/a b/resnet50.pth")));
    assert_eq!(run.source[0].root, PathBuf::from("/quoted"));
    let mura = run.source.iter().find(|source| source.name == "mura").unwrap();
    assert_eq!(mura.root, PathBuf::from("/x/MURA = new"));
    assert_eq!(run.optim.period, Some(Period::Steps(500)));
    assert_eq!(run.monitor.unwrap().source, "nih");
    let run: Multitask = embedded(MULTITASK, &["tasks=[\"mura\"]", "optim.period=round"]).unwrap();
    assert_eq!((run.tasks, run.optim.period), (vec!["mura".to_string()], Some(Period::Round)));
}

#[test]
fn overrides_may_make_a_section_key_by_key() {
    let mut run: Pretrain = embedded(PRETRAIN, &[]).unwrap();
    run.monitor = None;
    let sets = ["monitor.source=nih", "monitor.k=5", "monitor.every_epochs=2"].map(String::from);
    let whole = set(run.clone(), &sets).unwrap();
    assert_eq!(whole.monitor.unwrap().k, 5);
    let message = set(run, &sets[..2]).unwrap_err().to_string();
    says(&message, &["override monitor.k=5: ", "the key `every_epochs`"]);
}

#[test]
fn an_override_that_fits_nothing_is_an_error() {
    refused::<Pretrain>(PRETRAIN, "optim.lrr=1", "nearest known key is `lr`");
    refused::<Pretrain>(PRETRAIN, "optin.lr=1", "nearest known key is `optim`");
    refused::<Pretrain>(PRETRAIN, "optim.lr.x=1", "expected the path of a key");
    refused::<Pretrain>(PRETRAIN, "source.nobody.root=/x", "expected the path of a key");
    refused::<Pretrain>(PRETRAIN, "source.99.root=/x", "expected the path of a key");
    refused::<Pretrain>(PRETRAIN, "optim.lr", "found no `=`");
    refused::<Pretrain>(PRETRAIN, "optim.lr=fast", "fast");
    refused::<Pretrain>(PRETRAIN, "epochs=1\nseed=2", "seed=2");
    refused::<Pretrain>(PRETRAIN, "=1", "nearest known key");
    refused::<Pretrain>(PRETRAIN, "data=1", "struct Data");
    refused::<Multitask>(MULTITASK, "tasks=[\"x\"]", "override tasks=");
}

#[test]
fn a_missing_file_tells_the_embedded_names() {
    let message = embedded::<Pretrain>("pretrain/resnet19", &[]).unwrap_err().to_string();
    says(&message, &["pretrain/resnet19", "pretrain/resnet18, pretrain/resnet50"]);
    let message =
        embedded::<Pretrain>("nowhere/config.resolved.toml", &[]).unwrap_err().to_string();
    says(&message, &["name the folder of a run"]);
    assert!(!message.contains("pretrain/resnet18"), "{message}");
    let message = embedded::<Pretrain>(".", &[]).unwrap_err().to_string();
    assert!(message.starts_with(".: "), "{message}");
}

#[test]
fn a_config_of_another_stage_is_refused() {
    let message = embedded::<Finetune>(PRETRAIN, &[]).unwrap_err().to_string();
    says(&message, &["pretrain/resnet18:", "found the key `moco`"]);
}

#[test]
fn the_demo_gives_three_valid_stages_that_share_data_and_model() {
    let demo: Demo = embedded("demo", &["data.width=96"]).unwrap();
    let (one, two) = (demo.pretrain(), demo.multitask(Some("w.safetensors".into())));
    let three = demo.finetune("fracture", None);
    one.validate().unwrap();
    two.validate().unwrap();
    three.validate().unwrap();
    assert!([&one.data, &two.data, &three.data].iter().all(|data| data.width == 96));
    assert_eq!(two.model.weights, Some(PathBuf::from("w.safetensors")));
    assert_eq!((three.model.weights, three.task.as_str()), (None, "fracture"));
}

#[test]
fn the_rate_follows_equation_4_within_each_visit_of_a_task() {
    let run: Multitask = embedded(MULTITASK, &["optim.lr=0.5", "optim.lr_min=0.1"]).unwrap();
    let lr = |at| {
        let span = Span { at, of: 8 };
        let run_span = Span { at: 40 + at, of: 160 };
        run.optim.lr(&Progress { run: run_span, epoch: span, round: span })
    };
    assert!((lr(0) - 0.5).abs() < 1e-12 && (lr(4) - 0.1).abs() < 1e-12);
    let run: Multitask = set(run.clone(), &["optim.warmup_steps=80".into()]).unwrap();
    let span = Span { at: 0, of: 8 };
    let half = run.optim.lr(&Progress { run: Span { at: 39, of: 160 }, epoch: span, round: span });
    assert!((half - 0.25).abs() < 1e-12);
}

#[test]
fn a_configuration_written_on_windows_is_good_everywhere() {
    let text = builtin("configs\\finetune\\resnet18.toml").unwrap();
    let [begin, end] = ["\n[[source]]", "\n[augment]"].map(|at| text.find(at).unwrap() + 1);
    let windows = |root: &str| {
        let source = format!(
            "[[source]]\nname = \"pneumonia\"\nformat = \"csv\"\nroot = {root}\ntable = 'tabellen\\alle.csv'\n"
        );
        let text = format!("{}{source}{}", &text[..begin], &text[end..]);
        format!("\u{feff}{}", text.replace('\n', "\r\n"))
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Lauf ä #1.toml");
    fs::write(&path, windows("'daten\\Röntgen 胸部'")).unwrap();
    let config: Finetune = load(&path, &["model.weights=runs\\moco".into()]).unwrap();
    assert_eq!(config.source[0].root, Path::new("daten/Röntgen 胸部"));
    assert_eq!(config.source[0].table.as_deref(), Some(Path::new("tabellen/alle.csv")));
    assert_eq!(config.model.weights.as_deref(), Some(Path::new("runs/moco")));
    // What only Windows can mean stays as it is.
    let config: Finetune = load(&path, &["source.0.root=C:\\daten".into()]).unwrap();
    assert_eq!(config.source[0].root, Path::new("C:\\daten"));
    let refused = refusal::<Finetune>(&windows("\"C:\\daten\""));
    says(&refused, &["run.toml:", "escape", "write paths with / or in single quotes"]);
}

proptest! {
    #[test]
    fn any_allowed_value_survives_resolving(
        seed in 0..=i64::MAX as u64,
        lr in 1e-12..100.0f64,
        flip in 0.0..=1.0f64,
        name in "\\PC{1,12}",
        root in "[^\\x00\\\\]{1,24}",
        // A backslash of a relative path comes back as `/`.
        weights in proptest::option::of("[\\PC&&[^\\\\]]{0,24}"),
        steps in proptest::option::of(1..1u64 << 40),
    ) {
        let mut run: Pretrain = embedded(PRETRAIN, &[]).unwrap();
        (run.seed, run.optim.lr, run.augment.flip) = (seed, lr, flip);
        run.optim.period = steps.map(Period::Steps);
        run.model.weights = weights.map(PathBuf::from);
        run.monitor = None;
        run.source = vec![mtpret_pipeline::data::Source { name, root: root.into(), ..run.source[0].clone() }];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.resolved.toml");
        fs::write(&path, resolved(&run).unwrap()).unwrap();
        prop_assert_eq!(load::<Pretrain>(&path, &[]).unwrap(), run);
    }
}

#[test]
fn an_anchor_at_the_trough_needs_one_in_each_visit() {
    let trough = "l2sp.anchor_at=trough";
    assert!(embedded::<Multitask>(MULTITASK, &[trough]).is_ok());
    for other in ["optim.schedule=sgdr", "optim.period=round", "l2sp.anchor=moco"] {
        let message = embedded::<Multitask>(MULTITASK, &[trough, other]).unwrap_err().to_string();
        says(&message, &["l2sp.anchor_at", "expected", "for example l2sp.anchor"]);
    }
}
