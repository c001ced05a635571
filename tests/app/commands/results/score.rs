//! `score`: the figures of predictions that any program made.

#[path = "../../../fuzz/mutate.rs"]
#[allow(dead_code, reason = "texts alone are damaged here")]
mod mutate;

use crate::commands::{PROGRAM, Place, refused, succeeded};
use serde_json::{Value, json};
use std::{fs, process::Command};

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/metrics/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn score(place: &Place, task: &str, predictions: &str, targets: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["score", task, "--predictions", predictions, "--targets", targets]);
    command.current_dir(place.0.path());
    command
}

/// The figures as JSON.
fn figures(mut command: Command) -> Value {
    command.args(["--json", "--replicates", "50"]);
    serde_json::from_str(&succeeded(command).out).unwrap()
}

/// Asserts that `got` has the numbers of `want`.
fn assert_holds(place: &str, got: &Value, want: &Value) {
    match (want, got) {
        (Value::Object(fields), _) => {
            fields.iter().for_each(|(key, want)| assert_holds(key, &got[key], want));
        }
        (Value::Number(want), Value::Number(got)) => {
            let difference = want.as_f64().unwrap() - got.as_f64().unwrap();
            assert!(difference.abs() < 1e-6, "{place}: got {got}, want {want}");
        }
        _ => assert_eq!(got, want, "{place}"),
    }
}

fn write(place: &Place, name: &str, text: impl AsRef<[u8]>) {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Writes a table of one fixture; rows in falling order where `turned`.
fn table(place: &Place, name: &str, case: &Value, key: &str, turned: bool) {
    let names: Vec<&str> =
        case["names"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    let cells: Vec<String> = case[key]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().map_or(String::new(), |v| v.to_string()))
        .collect();
    let mut rows: Vec<String> = cells
        .chunks(names.len())
        .enumerate()
        .map(|(i, row)| format!("film{i}.png,{}\n", row.join(",")))
        .collect();
    if turned {
        rows.reverse();
    }
    write(place, name, format!("image,{}\n{}", names.join(","), rows.concat()));
}

#[test]
fn tables_are_scored_as_scikit_learn_does_in_whatever_order_their_rows_stand() {
    let (place, all) = (Place::new(), fixture("classify"));
    for name in ["binary", "missing labels", "one class"] {
        table(&place, "p.csv", &all[name], "probabilities", false);
        table(&place, "t.csv", &all[name], "targets", true);
        let got = figures(score(&place, "classify", "p.csv", "t.csv"));
        assert_holds(name, &got, &all[name]["want"]);
        assert_eq!(got["threshold"], 0.5);
        for (label, auc) in got["auc"].as_object().unwrap() {
            assert_eq!(got["ci"]["auc"][label].is_array(), auc.is_number(), "{label}");
        }
    }
    let text = succeeded(score(&place, "classify", "p.csv", "t.csv")).out;
    assert!(text.starts_with("12 images, 95 % intervals over images"), "{text}");
    assert!(text.contains("sensitivity") && text.contains("Covid"), "{text}");
}

#[test]
fn tables_that_do_not_belong_together_are_refused() {
    let place = Place::new();
    let truth = "image,Edema\na.png,1\nb.png,0\n";
    let wrong = |predictions: &str, truth: &str, words: &[&str]| {
        write(&place, "p.csv", predictions);
        write(&place, "t.csv", truth);
        refused(score(&place, "classify", "p.csv", "t.csv"), 2, words);
    };
    wrong("image,Hernia\na.png,.5\nb.png,.5\n", truth, &["p.csv:1", "image,Edema", "image,Hernia"]);
    wrong("film,Edema\na.png,.5\n", truth, &["p.csv:1: expected image,LABEL…, found film,Edema"]);
    wrong("image,Edema\na.png,.5\n", truth, &["p.csv: expected b.png as on the other side"]);
    wrong("image,Edema\na.png,.5\nb.png,.5\nc.png,.1\n", truth, &["t.csv: expected c.png"]);
    wrong("image,Edema\na.png,.5\na.png,.5\n", truth, &["p.csv:3", "found a.png again"]);
    wrong("image,Edema\na.png,.5\nb.png,1.2\n", truth, &["p.csv:3", "from 0 to 1", "\"1.2\""]);
    wrong("image,Edema\na.png,.5\nb.png,\n", truth, &["p.csv:3", "found \"\""]);
    wrong("image,Edema\na.png,.5\nb.png\n", truth, &["p.csv:3", "expected 2 cells"]);
    let half = "image,Edema\na.png,1\nb.png,0.5\n";
    wrong("image,Edema\na.png,.5\nb.png,.5\n", half, &["t.csv:3", "0, 1 or blank", "\"0.5\""]);
    wrong("image,Edema\n", truth, &["p.csv: expected a row for each image"]);
    refused(score(&place, "classify", "none.csv", "t.csv"), 2, &["none.csv"]);
}

/// Writes the masks of one fixture, 6 pixels wide.
fn masks(place: &Place, folder: &str, rows: &Value, [off, on]: [u8; 2]) {
    fs::create_dir_all(place.path(folder)).unwrap();
    for (i, row) in rows.as_array().unwrap().iter().enumerate() {
        let value =
            |x: u32, y: u32| image::Luma([if row[(y * 6 + x) as usize] == 1 { on } else { off }]);
        let path = place.path(&format!("{folder}/film{i}.png"));
        image::GrayImage::from_fn(6, 5, value).save(path).unwrap();
    }
}

#[test]
fn masks_are_scored_as_scikit_learn_does_and_127_is_background() {
    for (name, case) in fixture("segment").as_object().unwrap() {
        let place = Place::new();
        masks(&place, "p", &case["predicted"], [0, 255]);
        masks(&place, "t", &case["truths"], [127, 128]);
        let got = figures(score(&place, "segment", "p", "t"));
        assert_holds(name, &got, &case["want"]);
        assert_eq!(got["ci"]["miou"].is_array(), got["miou"].is_number());
        let text = succeeded(score(&place, "segment", "p", "t")).out;
        assert!(text.contains("Dice, pooled") && text.contains("mIoU, per film"), "{text}");
    }
}

#[test]
fn masks_that_do_not_belong_together_are_refused() {
    let (place, all) = (Place::new(), fixture("segment"));
    let again = || {
        for folder in ["p", "t"] {
            let _ = fs::remove_dir_all(place.path(folder));
            masks(&place, folder, &all["random"]["truths"], [0, 255]);
        }
    };
    let wrong = |words: &[&str]| refused(score(&place, "segment", "p", "t"), 2, words);
    again();
    fs::remove_file(place.path("p/film3.png")).unwrap();
    wrong(&["mtpret: p: expected film3.png as on the other side"]);
    again();
    fs::remove_file(place.path("t/film2.png")).unwrap();
    wrong(&["mtpret: t: expected film2.png as on the other side"]);
    again();
    image::GrayImage::new(5, 5).save(place.path("p/film1.png")).unwrap();
    wrong(&["p/film1.png: expected 6x5 pixels", "found 5x5"]);
    again();
    write(&place, "t/film0.png", "no image");
    wrong(&["t/film0.png"]);
    fs::remove_dir_all(place.path("t")).unwrap();
    wrong(&["mtpret: t: expected a folder of masks, found none"]);
    fs::create_dir(place.path("t")).unwrap();
    wrong(&["mtpret: t: expected masks, found no image file"]);
}

#[test]
fn boxes_are_scored_as_pycocotools_does() {
    let place = Place::new();
    for (name, case) in fixture("detect").as_object().unwrap() {
        write(&place, "p.json", case["predictions"].to_string());
        write(&place, "t.json", case["targets"].to_string());
        let got = figures(score(&place, "detect", "p.json", "t.json"));
        assert_holds(name, &got, &case["want"]);
        assert_eq!(got["ci"]["ap50"].as_array().unwrap().len(), 2);
    }
    let text = succeeded(score(&place, "detect", "p.json", "t.json")).out;
    assert!(text.contains("Fracture") && text.contains("AP75"), "{text}");
    // A model that finds nothing is scored too.
    write(&place, "p.json", "[]");
    assert_eq!(figures(score(&place, "detect", "p.json", "t.json"))["ap50"], 0.0);
}

#[test]
fn ids_1_and_1_0_are_one_and_texts_are_ids() {
    let score = |[image, class]: [Value; 2], [same_image, same_class]: [Value; 2]| {
        let place = Place::new();
        let bbox = json!([0, 0, 5, 5]);
        let truth = json!({
            "images": [{"id": image}],
            "categories": [{"id": class, "name": "Fracture"}],
            "annotations": [{"id": 4, "image_id": image, "category_id": class, "bbox": bbox}],
        });
        let found = json!([
            {"image_id": same_image, "category_id": same_class, "bbox": bbox, "score": 0.5}
        ]);
        write(&place, "p.json", found.to_string());
        write(&place, "t.json", truth.to_string());
        figures(score(&place, "detect", "p.json", "t.json"))["ap50"].clone()
    };
    assert_eq!(score([json!(1), json!(2.0)], [json!(1.0), json!(2)]), 1.0);
    assert_eq!(score([json!("a"), json!("b")], [json!("a"), json!("b")]), 1.0);
}

#[test]
fn malformed_boxes_are_refused_by_their_index() {
    let place = Place::new();
    let found = json!({"image_id": 1, "category_id": 2, "bbox": [0, 0, 5, 5], "score": 0.5});
    let there =
        json!({"id": 4, "image_id": 1, "category_id": 2, "bbox": [0, 0, 5, 5], "iscrowd": 0});
    let whole = json!({
        "images": [{"id": 1}],
        "categories": [{"id": 2, "name": "Fracture"}],
        "annotations": [there],
    });
    let wrong = |results: &Value, truth: &Value, words: &[&str]| {
        write(&place, "p.json", results.to_string());
        write(&place, "t.json", truth.to_string());
        refused(score(&place, "detect", "p.json", "t.json"), 2, words);
    };
    let result = |key: &str, value: Value, words: &[&str]| {
        let mut changed = found.clone();
        match value {
            Value::Null => drop(changed.as_object_mut().unwrap().remove(key)),
            value => changed[key] = value,
        }
        wrong(&json!([found, changed]), &whole, &[&["p.json: results[1]: "], words].concat());
    };
    result("bbox", Value::Null, &["expected the key bbox"]);
    result(
        "bbox",
        json!([0, 0, 5]),
        &["expected x, y, width and height", "as bbox, found [0,0,5]"],
    );
    result("bbox", json!([0, 0, -5, 5]), &["neither below 0", "-5"]);
    result("score", json!("high"), &["expected a number as score, found \"high\""]);
    result("image_id", json!(9), &["expected an id of the targets' images as image_id, found 9"]);
    result("category_id", json!(9), &["expected an id of the targets' categories as category_id"]);
    let target = |pointer: &str, value: Value, words: &[&str]| {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        wrong(&json!([found]), &changed, words);
    };
    target(
        "/annotations/0/bbox",
        json!([0, 0, 5, "x"]),
        &["t.json: annotations[0]: expected x, y"],
    );
    target("/annotations/0/image_id", json!(7), &["annotations[0]: ", "as image_id, found 7"]);
    target(
        "/annotations/0/iscrowd",
        json!(3),
        &["annotations[0]: expected 0 or 1 as iscrowd, found 3"],
    );
    target("/annotations", json!([there, there]), &["annotations[1]", "found 4 again"]);
    target("/images", json!([{"id": 1}, {"id": 1}]), &["images[1]", "found 1 again"]);
    target("/categories/0/name", json!(1), &["categories[0]: expected text as name, found 1"]);
    target("/images", json!(3), &["t.json: expected the list images"]);
    wrong(&found, &whole, &["p.json: expected the list results"]);
    wrong(&json!([found]), &json!({"images": []}), &["t.json: expected the list categories"]);
    write(&place, "t.json", whole.to_string());
    write(&place, "p.json", "[{");
    refused(score(&place, "detect", "p.json", "t.json"), 2, &["p.json:1: expected JSON", "line 1"]);
}

/// As `tests/fuzz` does with what data sets bring; these files only the program reads. Under a limit to its memory, of which an
/// honest file needs little.
#[test]
#[cfg(target_os = "linux")]
fn damaged_predictions_and_targets_are_measured_or_refused() {
    let place = Place::new();
    let case = fixture("detect");
    let first = case.as_object().unwrap().values().next().unwrap();
    write(&place, "results.json", first["predictions"].to_string());
    write(&place, "truth.json", first["targets"].to_string());
    write(&place, "predicted.csv", "image,a,b\nx.png,0.2,0.7\ny.png,0.9,0.1\nz.png,0.4,\n");
    write(&place, "true.csv", "image,a,b\nx.png,0,1\ny.png,1,0\nz.png,1,\n");
    let mut random = mutate::Random::new(7);
    let tried = std::env::var("MTPRET_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(60) / 20;
    for (task, predictions, targets) in
        [("classify", "predicted.csv", "true.csv"), ("detect", "results.json", "truth.json")]
    {
        for damaged in [predictions, targets] {
            let whole = place.read(damaged);
            for n in 0..tried {
                let mut bytes = whole.clone();
                mutate::text(&mut bytes, &mut random);
                write(&place, damaged, &bytes);
                let mut limited = Command::new("prlimit");
                limited.args(["--as=2147483648", PROGRAM, "score", task, "--replicates", "2"]);
                limited.args(["--predictions", predictions, "--targets", targets]);
                let output = limited.current_dir(place.0.path()).output().unwrap();
                let err = String::from_utf8_lossy(&output.stderr).into_owned();
                let code = output.status.code();
                let told = code == Some(0) || err.starts_with("mtpret: ");
                assert!(told && !err.contains("panicked"), "{task} {n}: {code:?} {err}\n{bytes:?}");
            }
            write(&place, damaged, whole);
        }
    }
}
