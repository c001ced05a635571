//! Tasks of three kinds: classes, masks and boxes.

use crate::commands::{PROGRAM, Place, refused, succeeded};
use mtpret_pipeline::weights::checkpoint;
use std::{fs, process::Command};

const KINDS: [&str; 16] = [
    "segment.width=32",
    "segment.height=32",
    "segment.batch=4",
    "segment.preset=\"torchvision\"",
    "segment.output_stride=16",
    "segment.aux=true",
    "segment.smooth=1.0",
    "segment.reduce=\"image\"",
    "segment.classes=\"fg\"",
    "segment.original_size=true",
    "detect.width=64",
    "detect.height=64",
    "detect.batch=4",
    "detect.norm=\"train\"",
    "detect.proposals=[64,32]",
    "detect.sampled=8",
];

/// Films with a bright square each; its mask beside it, its box in a COCO file.
pub fn annotated() -> Place {
    let place = Place::new();
    let (mut images, mut boxes) = (Vec::new(), Vec::new());
    fs::create_dir_all(place.path("square/films")).unwrap();
    fs::create_dir_all(place.path("square/masks")).unwrap();
    for film in 0..16u32 {
        let (left, top, side) = (4 + film % 5 * 8, 6 + film % 3 * 9, 16 + film % 4 * 3);
        let inside =
            |x: u32, y: u32| (left..left + side).contains(&x) && (top..top + side).contains(&y);
        let draw = |dark: u32, bright: u32| {
            let value = |x, y| image::Luma([if inside(x, y) { bright } else { dark } as u8]);
            image::GrayImage::from_fn(64, 56, value)
        };
        draw(30 + film, 180).save(place.path(&format!("square/films/s{film}.png"))).unwrap();
        draw(0, 255).save(place.path(&format!("square/masks/s{film}.png"))).unwrap();
        images.push(format!(r#"{{"id":{film},"file_name":"s{film}.png","width":64,"height":56}}"#));
        // Every fourth film has nothing on it as far as boxes go.
        if film % 4 != 3 {
            boxes.push(format!(
                r#"{{"id":{film},"image_id":{film},"category_id":7,"bbox":[{left},{top},{side},{side}]}}"#
            ));
        }
    }
    let json = format!(
        r#"{{"images":[{}],"annotations":[{}],"categories":[{{"id":7,"name":"square"}}]}}"#,
        images.join(","),
        boxes.join(",")
    );
    fs::write(place.path("square/all.json"), json).unwrap();
    place
}

/// Sources of the three kinds.
fn sources(place: &Place) -> String {
    let root = place.path("square");
    let masks = format!(
        "{{name=\"masks\",format=\"masks\",root={root:?},images=\"films\",masks=[\"masks/{{}}.png\"]}}"
    );
    let boxes = format!(
        "{{name=\"boxes\",format=\"coco\",root={root:?},images=\"films\",annotations=[\"all.json\"]}}"
    );
    format!("source=[{},{masks},{boxes}]", place.source("pneumonia"))
}

pub fn stage(place: &Place, stage: &str, run: &str, settings: &[&str]) -> Command {
    let sources = sources(place);
    let all: Vec<&str> =
        KINDS.iter().copied().chain([sources.as_str()]).chain(settings.iter().copied()).collect();
    place.stage(stage, run, &all)
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn three_kinds_of_tasks_alternate_and_two_runs_give_the_same_bits() {
    let place = annotated();
    let tasks = "tasks=[\"pneumonia\",\"masks\",\"boxes\"]";
    let runs = ["one", "two"].map(|run| {
        let printed = succeeded(stage(&place, "multitask", run, &[tasks, "rounds=2"]));
        for task in ["round 1 pneumonia", "round 2 masks", "round 2 boxes"] {
            assert!(printed.err.contains(task), "{task} is not in: {}", printed.err);
        }
        place.read(&format!("{run}/weights.safetensors"))
    });
    assert!(runs[0] == runs[1], "the weights differ");
    let (tensors, _) = checkpoint::read(&place.path("one/weights.safetensors"), None).unwrap();
    for name in [
        "layer1.0.conv1.weight",
        "heads.pneumonia.fc.weight",
        "heads.masks.classifier.4.weight",
        "heads.boxes.rpn.head.cls_logits.weight",
    ] {
        assert!(tensors.contains_key(name), "{name}: {:?}", tensors.keys());
    }
    let from = format!("model.weights={:?}", place.path("one").display().to_string());
    for (task, of_head, of_backbone, file) in [
        ("pneumonia", "fc.weight", "layer1.0.conv1.weight", "predictions.csv"),
        ("masks", "classifier.4.bias", "backbone.layer1.0.conv1.weight", "scores.json"),
        ("boxes", "rpn.head.conv.0.0.weight", "backbone.body.conv1.weight", "predictions.json"),
    ] {
        let name = format!("task={task:?}");
        let settings =
            [name.as_str(), "epochs=1", from.as_str(), "metric=\"main\"", "optim.lr=1e-4"];
        let [first, second] = ["a", "b"].map(|run| {
            succeeded(stage(&place, "finetune", &format!("{task}-{run}"), &settings));
            place.read(&format!("{task}-{run}/weights.safetensors"))
        });
        assert!(first == second, "{task}: the weights differ");
        let path = place.path(&format!("{task}-a/weights.safetensors"));
        let (tensors, _) = checkpoint::read(&path, None).unwrap();
        assert!(tensors.contains_key(of_head) && tensors.contains_key(of_backbone), "{task}");
        assert!(place.path(&format!("{task}-a/{file}")).exists(), "{task}: {file}");
    }
}

#[test]
fn a_figure_of_another_kind_of_task_is_refused() {
    let place = annotated();
    let settings = ["task=\"masks\"", "epochs=1", "metric=\"auc\""];
    let words = ["metric", "expected a figure of this kind of task, found auc", "use `main`"];
    refused(stage(&place, "finetune", "run", &settings), 1, &words);
}

#[test]
fn simclr_pretrains_and_its_weights_are_a_backbone() {
    let place = annotated();
    let simclr = ["simclr.dim=16", "simclr.temperature=0.1", "optim.lars=0.001"];
    let mut command = Command::new(PROGRAM);
    command.args(["pretrain", "--run", "simclr"]).current_dir(place.path(""));
    let config = mtpret_pipeline::train::config::builtin("pretrain/resnet18").unwrap();
    let moco = config.find("[moco]").unwrap();
    let end = moco + config[moco..].find("\n\n").unwrap();
    fs::write(place.path("simclr.toml"), config[..moco].to_owned() + &config[end..]).unwrap();
    command.arg(place.path("simclr.toml"));
    let source = format!("source=[{}]", place.source("pneumonia"));
    let shared = ["data.width=32", "data.height=32", "data.batch=4", "epochs=1", &source];
    for setting in shared.iter().chain(&simclr) {
        command.args(["--set", setting]);
    }
    command.args(["--set", "monitor.source=pneumonia"]);
    succeeded(command);
    let (tensors, _) = checkpoint::read(&place.path("simclr/weights.safetensors"), None).unwrap();
    assert!(tensors.contains_key("conv1.weight") && tensors.contains_key("fc.4.running_mean"));
    let from = format!("model.weights={:?}", place.path("simclr").display().to_string());
    let settings = ["task=\"pneumonia\"", "epochs=1", from.as_str()];
    succeeded(stage(&place, "finetune", "after", &settings));
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn an_experiment_trains_each_cell_once_and_prints_the_papers_tables() {
    let place = annotated();
    let experiment = |extra: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("reproduce").current_dir(place.path("")).args(extra);
        command
    };
    // A name that would lead out of the run's folder.
    let source = sources(&place).replace("name=\"masks\"", "name=\"../a:b\"");
    let settings = [
        source.as_str(),
        "targets=[\"pneumonia\",\"../a:b\"]",
        "multi=[\"pneumonia\",\"../a:b\"]",
        "single=\"pneumonia\"",
        "multitask.tasks=[\"pneumonia\",\"../a:b\"]",
        "columns=[\"scratch\",\"imagenet\",\"sd-simclr\",\"mtpret\"]",
        "target={}",
        "data.width=32",
        "data.height=32",
        "data.batch=4",
        "moco.epochs=1",
        "moco.settings.queue=8",
        "moco.settings.bn_splits=2",
        "simclr.epochs=1",
        "multitask.rounds=1",
        "finetune.epochs=1",
        "divisions=[0,1]",
        "labels=[0.5,1.0]",
        "label_targets=[\"pneumonia\"]",
    ];
    let chosen: Vec<&str> =
        settings.iter().chain(&KINDS).flat_map(|setting| ["--set", *setting]).collect();
    let planned = succeeded(experiment(&[&chosen[..], &["--dry-run", "--json"]].concat()));
    assert!(planned.out.contains("pneumonia from MTPret") && planned.out.contains("\"mib\""));
    let first = succeeded(experiment(&[&chosen[..], &["--run", "grid"]].concat()));
    assert!(first.out.contains("needs a file of ImageNet's weights"), "{}", first.out);
    assert!(first.err.contains("cell 18 of 18"), "{}", first.err);
    let table = place.text("grid/table-2.md");
    assert!(table.contains("| SD-SimCLR |") && table.contains("test films"), "{table}");
    assert!(place.text("grid/table-2.tex").contains("tabular"));
    // Two divisions, and half of the labels of one target.
    let compared = place.text("grid/comparison.md");
    assert!(compared.contains("**resnet18, pneumonia**") && compared.contains("less Scratch"));
    assert!(compared.contains("how many films must be labelled?"), "{compared}");
    assert!(compared.contains(", 1 × 2 |"), "{compared}");
    for name in ["comparison.csv", "comparison.svg", "label-efficiency.svg"] {
        assert!(place.path(&format!("grid/{name}")).exists(), "{name}");
    }
    let half = "grid/cells/resnet18/mtpret/pneumonia/seed-1-division-1-labels-0.5/cell.json";
    let half: serde_json::Value = serde_json::from_str(&place.text(half)).unwrap();
    assert_eq!((&half["division"], &half["labels"]), (&1.into(), &0.5.into()));
    assert!(first.err.contains("stage mtpret, resnet18, seed-1-labels-0.5"), "{}", first.err);
    assert!(place.path("grid/cells/resnet18/scratch/___a_b/seed-1/cell.json").exists());
    let again = succeeded(experiment(&["--resume", "grid"]));
    assert!(!again.err.contains(" steps of "), "a cell was trained again: {}", again.err);
    assert_eq!(table, place.text("grid/table-2.md"));
    let mut report = Command::new(PROGRAM);
    report.args(["report", "grid", "-o", "page"]).current_dir(place.path(""));
    succeeded(report);
    let page = place.text("page/report.html");
    assert!(page.contains("<td>SD-SimCLR</td>") && page.contains("<svg"));
    assert_eq!(place.text("page/table-2.md"), table);
    assert_eq!(place.text("page/comparison.md"), compared);
    assert!(page.contains("Compared in pairs"));
}

#[test]
fn two_classes_can_be_told_apart_by_one_sigmoid_as_equation_6_is_printed() {
    let place = annotated();
    let settings = ["task=\"pneumonia\"", "epochs=6", "classify.binary=\"sigmoid\""];
    succeeded(stage(&place, "finetune", "run", &settings));
    let (tensors, _) = checkpoint::read(&place.path("run/weights.safetensors"), None).unwrap();
    assert_eq!(tensors["fc.weight"].shape, [1, 512]);
    let table = |name: &str| -> Vec<Vec<f64>> {
        let text = place.text(&format!("run/{name}.csv"));
        let rows = text.lines().skip(1).map(|line| line.split(',').skip(1));
        rows.map(|row| row.map(|cell| cell.parse().unwrap()).collect()).collect()
    };
    let rows = table("predictions");
    assert!(rows.iter().all(|p| p.len() == 2 && (p[0] + p[1] - 1.0).abs() < 2e-6), "{rows:?}");
    let program = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(place.path(""));
        succeeded(command)
    };
    let again = program(&["predict", "run", "films/dark/d0.png", "films/light/l0.png"]);
    let metrics = place.text("run/metrics.jsonl");
    let rows = metrics.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let losses: Vec<f64> = rows.filter_map(|row| row["loss"].as_f64()).collect();
    // Batches of four are uneven: the middle one of the last epochs beside that of the first.
    let middle = |losses: &[f64]| {
        let mut sorted = losses.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let [first, last] = [middle(&losses[..6]), middle(&losses[12..])];
    assert!(last < first / 2.0, "{losses:?}");
    program(&["explain", "run", "--class", "all", "-o", "seen"]);
    assert!(place.path("seen/sheet.png").exists());
    program(&["export", "run", "-o", "run.onnx"]);
    program(&["bundle", "run", "-o", "run.mtpret"]);
    let bundled = program(&["predict", "run.mtpret", "films/dark/d0.png", "films/light/l0.png"]);
    assert_eq!(again.out, bundled.out);
}
