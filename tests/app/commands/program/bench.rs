//! `bench`: what it writes, and what it compares.

use crate::commands::{PROGRAM, Place, refused, succeeded};
use serde_json::Value;
use std::{fs, process::Command};

fn bench(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("bench").args(args);
    command
}

#[test]
fn films_a_second_are_told_for_each_size_and_number_of_threads() {
    let place = Place::new();
    let folder = place.path("own");
    fs::create_dir(&folder).unwrap();
    for i in 0..3u8 {
        let film = image::GrayImage::from_fn(64, 48, |x, y| image::Luma([(x * y) as u8 ^ i]));
        film.save(folder.join(format!("{i}.png"))).unwrap();
    }
    let folder = folder.to_str().unwrap();
    let out: Value =
        serde_json::from_str(&succeeded(bench(&["loader", folder, "--json"])).out).unwrap();
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    assert_eq!(out["cores"].as_u64(), Some(cores));
    let rows = out["loader"].as_array().unwrap();
    let sizes: Vec<Value> = rows.iter().map(|row| row["size"].clone()).collect();
    assert_eq!(sizes, [serde_json::json!([224, 224]), serde_json::json!([800, 500])]);
    for row in rows {
        let rates = row["rates"].as_array().unwrap();
        let [first, last] = [rates.first(), rates.last()].map(Option::unwrap);
        assert_eq!(
            [&first["threads"], &last["threads"]].map(Value::as_u64),
            [Some(1), Some(cores)]
        );
        let rate = last["images_per_second"].as_f64().unwrap();
        assert!(rate > 1.0, "{row}");
        let needed = row["cores_for_1000"].as_f64().unwrap();
        assert!((needed * rate / 1000.0 - cores as f64).abs() < 1e-6, "{row}");
    }
    fs::write(place.path("own/bad.png"), "no film").unwrap();
    refused(bench(&["loader", folder]), 1, &["bad.png", "expected JPEG, PNG"]);
    refused(bench(&["loader", folder, folder]), 2, &["a folder or nothing after `loader`"]);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn a_step_is_measured_traced_and_compared_with_its_like_alone() {
    let place = Place::new();
    let trace = place.path("trace.json");
    let step = |size: &str, batch: &str, more: &[&str]| {
        let args = ["step", "--batch", batch, "--size", size, "--steps", "5", "--json"];
        succeeded(bench(&[&args, more].concat())).out
    };
    let text = step("32", "2", &["--layers", "--trace", trace.to_str().unwrap()]);
    let out: Value = serde_json::from_str(&text).unwrap();
    let number = |v: &Value| v.as_f64().unwrap();
    assert_eq!(out["step"]["seconds"].as_array().unwrap().len(), 5);
    assert!(number(&out["step"]["share_of_fma"]) > 0.0);
    // A ResNet-18 has 11 distinct convolutions, the first of which has no input gradient, and a linear layer.
    let layers = out["step"]["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 11 + 10 + 11 + 2, "{layers:?}");
    assert!(layers.iter().all(|l| number(&l["ms"]) > 0.0 && number(&l["gflops"]) > 0.0));
    let trace: Value = serde_json::from_str(&fs::read_to_string(trace).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let launches = events.iter().filter(|e| e["tid"] == 2).count();
    assert_eq!(launches as u64, out["step"]["launches"].as_u64().unwrap());
    assert!(events.iter().any(|e| e["name"].as_str().unwrap().contains("weight gradient")));

    let (a, b) = (place.path("a.json"), place.path("b.json"));
    fs::write(&a, &text).unwrap();
    let compare = |b: &str| bench(&["compare", a.to_str().unwrap(), b, "--json"]);
    let same: Value = serde_json::from_str(&succeeded(compare(a.to_str().unwrap())).out).unwrap();
    let work = &same["works"][0];
    assert_eq!(number(&work["ratio"]), 1.0);
    assert!(number(&work["interval"][0]) <= 1.0 && number(&work["interval"][1]) >= 1.0);
    fs::write(&b, step("64", "2", &[])).unwrap();
    refused(compare(b.to_str().unwrap()), 2, &["2 × 32 × 32", "2 × 64 × 64", "measure both alike"]);
    fs::write(&b, "{}").unwrap();
    refused(compare(b.to_str().unwrap()), 2, &["b.json", "bench step --json"]);
}

#[test]
#[cfg(unix)]
#[ignore = "takes long: tools/test.sh --all"]
fn ten_minutes_with_a_gpu_leave_figures_of_every_step_and_a_page() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    // Stands for a Python that has PyTorch.
    let python = place.path("python");
    let answer = r#"{"peer": "torch-2", "device": "cpu", "img_per_s": {"f32": 12.5}}"#;
    fs::write(&python, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let out = place.path("gpu");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/gpu.sh");
    let mut command = Command::new("sh");
    command.arg(script).arg(&out).args(["--tiny", "--minutes", "60"]);
    command.env("MTPRET", PROGRAM).env("PYTHON", &python);
    succeeded(command);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    let results = json("results.json");
    let steps = results["steps"].as_array().unwrap();
    assert_eq!((steps.len(), results["left_out"].as_array().unwrap().len()), (18, 0));
    for step in steps {
        assert!(step["refused"].is_null() && step["ms"].as_f64().unwrap() > 0.0, "{step}");
        let compared = step["precision"] == "f32" && step["model"] == "resnet50";
        assert!(!compared || step["torch"]["f32"] == 12.5, "{step}");
    }
    assert!(!results["kernels"].as_array().unwrap().is_empty());
    assert!(json("doctor.json")["adapters"].is_array() && json("loader.json")["loader"].is_array());
    let page = read("page.html");
    assert!(
        page.contains("How fast it trains") && page.contains("PyTorch") && page.contains("12.5")
    );
}
