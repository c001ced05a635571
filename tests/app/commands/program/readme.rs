//! Every command of the README, as it is written there, on a few tiny films.

use crate::commands::{PROGRAM, Place};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command, time::Instant};

/// What makes each command small, by way of `MTPRET_SET`, which anybody may use; the commands stay as they are.
const SMALL: [(&str, &str); 5] = [
    (
        "demo",
        "source.0.overfit=4 source.1.overfit=4 source.2.overfit=4 source.3.overfit=4 pretrain.epochs=1 finetune.epochs=1 \
         pretrain.moco.queue=8 pretrain.moco.bn_splits=2 multitask.rounds=1 multitask.visit={steps=1} target={}",
    ),
    ("pretrain", "epochs=1 moco.queue=8 moco.bn_splits=2 monitor.k=3"),
    ("multitask", "rounds=1"),
    ("finetune", "epochs=1"),
    (
        "reproduce",
        "moco.settings.queue=8 moco.settings.bn_splits=2 columns=[\"scratch\",\"mtpret\"]",
    ),
];
/// The sizes that all of them share, so that kernels are compiled once;
const FILMS: &str = "data.width=32 data.height=32 data.batch=4 data.cache_mb=64 log.every=1";
/// of masks and boxes, which pretraining does not know.
const KINDS: &str = "segment.width=32 segment.height=32 segment.batch=4 segment.output_stride=16 detect.width=64 \
    detect.height=64 detect.batch=4 detect.proposals=[64,32] detect.sampled=8";
/// Commands that do not run as they stand, what runs in their place, and why.
const INSTEAD: [(&str, Option<&str>, &str); 7] = [
    (
        "sh tools/demo.sh",
        Some("mtpret demo"),
        "sets the machine up and builds; this is what it ends in",
    ),
    ("sh tools/test.sh", None, "sets the machine up and runs all tests, this one too"),
    ("cargo run --release --example", None, "builds; `examples` runs what is built"),
    ("mtpret doctor ", None, "takes minutes; tools/test.sh runs it, on two drivers"),
    (
        "mtpret init DIR",
        Some("mtpret init DIR/chest_xray --minutes 1"),
        "an hour's sizes take minutes to time; `training::init` has several sets",
    ),
    (
        "mtpret bench kernel",
        Some("mtpret bench kernel --model resnet18 --size 32 --batch 2 --steps 5 --only pool"),
        "every kernel of a ResNet-50 takes minutes",
    ),
    ("mtpret tune", Some("mtpret tune --batch 2 --size 32"), "a ResNet-50's shapes take minutes"),
];

/// Data sets side by side as `--data` wants them, and the other files that commands name.
fn furnish(place: &Place) {
    for film in 0..12 {
        place.film(&format!("DIR/chest_xray/train/NORMAL/IM-{film}.png"), film, 40);
        place.film(&format!("DIR/chest_xray/train/PNEUMONIA/person{film}_virus_1.png"), film, 120);
        for (study, grey) in [("study1_positive", 60), ("study1_negative", 100)] {
            let part = if film < 9 { "train" } else { "valid" };
            let patient = film * 2 + u32::from(grey == 60);
            let folder = format!("DIR/MURA-v1.1/{part}/XR_HAND/patient{patient:05}/{study}");
            place.film(&format!("{folder}/image1.png"), film, grey);
        }
        let name = format!("CHNCXR_{film:04}_0");
        place.film(&format!("DIR/Lung Segmentation/CXR_png/{name}.png"), film, 50);
        place.film(&format!("films/{film}.png"), film, 70);
        let mask = |x: u32, _| image::Luma([if x < 16 { 255 } else { 0 }]);
        let path = place.path(&format!("DIR/Lung Segmentation/masks/{name}_mask.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_fn(32, 32, mask).save(path).unwrap();
        place.film(&format!("DIR/TBX11K/imgs/tb/tb{film:04}.png"), film, 90);
    }
    place.film("DIR/Lung Segmentation/CXR_png/MCUCXR_0001_0.png", 1, 50);
    fs::create_dir_all(place.path("DIR/TBX11K/annotations/json")).unwrap();
    for (part, films) in [("train", 0..9), ("val", 9..12)] {
        let path = place.path(&format!("DIR/TBX11K/annotations/json/TBX11K_{part}.json"));
        fs::write(path, boxes(films).to_string()).unwrap();
    }
    let truth = boxes(0..3);
    fs::write(place.path("truth.json"), truth.to_string()).unwrap();
    let found = |one: &Value| {
        let mut found = one.clone();
        found["score"] = json!(0.9);
        found
    };
    let found: Vec<Value> = truth["annotations"].as_array().unwrap().iter().map(found).collect();
    fs::write(place.path("found.json"), Value::from(found).to_string()).unwrap();
}

/// A box on each of these films, of one kind or the other.
fn boxes(films: std::ops::Range<u32>) -> Value {
    let image = |film| json!({"id": film, "file_name": format!("tb/tb{film:04}.png"), "width": 32, "height": 32});
    let one = |film| json!({"id": film, "image_id": film, "category_id": 1 + film % 2, "bbox": [4, 6, 15, 12], "iscrowd": 0});
    json!({
        "images": films.clone().map(image).collect::<Vec<_>>(),
        "annotations": films.map(one).collect::<Vec<_>>(),
        "categories": [
            {"id": 1, "name": "ActiveTuberculosis"},
            {"id": 2, "name": "ObsoletePulmonaryTuberculosis"},
        ],
    })
}

/// The lines of all blocks of commands.
fn commands(readme: &str) -> Vec<&str> {
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty()).collect()
}

/// Runs a line in a shell that finds the program as an installed one.
fn run(place: &Place, line: &str) {
    let word = line.split_whitespace().nth(1).unwrap_or_default();
    let own = SMALL.iter().find(|(command, _)| *command == word);
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .current_dir(place.path(""))
        .env("PATH", path)
        .env_remove("MTPRET_DATA");
    if let Some((_, own)) = own {
        let kinds = if word == "pretrain" { "" } else { KINDS };
        shell.env("MTPRET_SET", [FILMS, kinds, own].join(" "));
    }
    let begun = Instant::now();
    let output = shell.output().unwrap();
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "`{line}` failed:\n{out}\n{err}");
    println!("{:5.1} s  {line}", begun.elapsed().as_secs_f64());
}

#[test]
fn every_command_of_the_documents_runs_as_it_is_written() {
    let place = Place::new();
    furnish(&place);
    for file in ["a.json", "b.json"] {
        run(&place, &format!("mtpret bench step --size 32 --batch 2 --steps 5 --json > {file}"));
    }
    // The README first, for its runs are what other documents go on with; a line is run once. The other documents take minutes:
    // `tools/test.sh --all` sets MTPRET_ALL.
    let all = std::env::var("MTPRET_ALL").is_ok_and(|v| v == "1");
    let mut documents = vec![fs::read_to_string("README.md").unwrap()];
    let mut others: Vec<_> =
        fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path()).collect();
    others.sort();
    others.retain(|_| all);
    documents.extend(others.iter().map(|path| fs::read_to_string(path).unwrap()));
    let mut lines: Vec<&str> = Vec::new();
    for line in documents.iter().flat_map(|document| commands(document)) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    assert!(lines.len() > if all { 25 } else { 6 }, "{lines:?}");
    for line in &lines {
        // A demo on two folders is in `training::stages`.
        if !all && line.starts_with("sh tools/demo.sh") {
            continue;
        }
        let exception =
            INSTEAD.iter().find(|(command, ..)| format!("{line} ").starts_with(command));
        match exception {
            None => run(&place, line),
            Some((_, Some(instead), _)) => run(&place, instead),
            Some((_, None, _)) => {}
        }
    }
    for (command, ..) in INSTEAD.iter().filter(|_| all) {
        let used = lines.iter().any(|line| format!("{line} ").starts_with(command));
        assert!(used, "no document has `{command}`: take the exception out");
    }
    for made in ["runs/moco", "runs/mt", "runs/pneumonia"] {
        assert!(place.path(made).join("weights.safetensors").exists(), "{made}");
    }
}
