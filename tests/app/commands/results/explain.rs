//! `explain` on runs of each kind.

use super::trained;
use crate::commands::{PROGRAM, Place, refused, succeeded};
use std::{fs, process::Command};

fn explain(place: &Place, arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).arg("explain").args(arguments);
    program
}

/// Width and height of a picture.
fn size(place: &Place, name: &str) -> (u32, u32) {
    image::image_dimensions(place.path(name)).unwrap()
}

#[test]
fn classifiers_side_by_side_show_where_they_look() {
    let place = trained("classes");
    fs::rename(place.path("classes"), place.path("ft")).unwrap();
    let printed = succeeded(explain(&place, &["ft", "--count", "4", "--random", "--cell", "100"]));
    assert_eq!(printed.out.trim(), "ft/explain/sheet.png");
    // Two columns of 100 pixels, a gap and two margins.
    assert_eq!(size(&place, "ft/explain/sheet.png").0, 2 * 100 + 14 + 2 * 24);
    for column in ["ft", "random-weights"] {
        let maps: Vec<_> =
            fs::read_dir(place.path(&format!("ft/explain/maps/{column}"))).unwrap().collect();
        assert_eq!(maps.len(), 4);
        for map in maps {
            let image::DynamicImage::ImageLuma16(map) = image::open(map.unwrap().path()).unwrap()
            else {
                panic!("a map has 16 bits")
            };
            let most = map.pixels().map(|p| p.0[0]).max().unwrap();
            assert!(map.dimensions() == (32, 32) && (most == 0 || most == 65535), "{most}");
        }
        let overlays = fs::read_dir(place.path(&format!("ft/explain/overlays/{column}"))).unwrap();
        assert_eq!(overlays.count(), 4);
    }
    let table = place.text("ft/explain/maps/maps.csv");
    let mut table = csv::Reader::from_reader(table.as_bytes());
    assert_eq!(table.headers().unwrap(), vec!["map", "film", "column", "class", "greatest"]);
    let rows: Vec<_> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 8);
    for row in &rows {
        assert!(place.path(&format!("ft/explain/maps/{}", &row[0])).exists(), "{row:?}");
        assert!(&row[3] == "light" && row[4].parse::<f32>().unwrap() >= 0.0, "{row:?}");
    }
    let report = |arguments: &[&str]| {
        let mut program = Command::new(PROGRAM);
        program.current_dir(place.0.path()).arg("report").args(arguments);
        program
    };
    assert_eq!(succeeded(report(&["ft"])).out.trim(), "ft/report.html");
    let page = place.text("ft/report.html");
    for part in [
        "<svg",
        "ft, AUC",
        "ROC curves",
        "ft, AP ",
        "Calibration: light",
        "ECE",
        "where none beats chance, none is named",
        "said by the network",
        "data:image/png;base64,",
        "ft: worst",
        "Learning rate",
        "waiting for films",
        "training step by kernel",
        "BLAKE3",
        "seed = ",
    ] {
        assert!(page.contains(part), "{part} is not in the report");
    }
    let adapter: serde_json::Value =
        serde_json::from_str(&place.text("ft/environment.json")).unwrap();
    let process = &adapter["processes"][0];
    assert!(page.contains(process["adapter"].as_str().unwrap()));
    assert_eq!(process["steps"][0]["name"], "finetune pneumonia");
    let spent: f64 =
        process["seconds"].as_object().unwrap().values().map(|s| s.as_f64().unwrap()).sum();
    // One clock: what was noted, what the stage says that it took, and the process's end follow one another.
    let last: serde_json::Value =
        serde_json::from_str(place.text("ft/metrics.jsonl").lines().last().unwrap()).unwrap();
    let took = last["seconds"].as_f64().unwrap();
    let total = process["total_seconds"].as_f64().unwrap();
    assert!(0.0 < spent && spent <= took && took <= total, "{last}, {process}");
    let parts: Vec<_> = adapter["data"].as_array().unwrap().iter().map(|p| &p["films"]).collect();
    assert_eq!(parts, [16, 2, 4]);
    let roc: serde_json::Value = serde_json::from_str(&place.text("ft/roc.json")).unwrap();
    assert_eq!(roc[0]["label"], "light");
    assert_eq!(roc[0]["points"].as_array().unwrap().last().unwrap()[1], 1.0);
    place.film("films/grey/g0.png", 1, 80);
    (1..11).for_each(|film| place.film(&format!("films/grey/g{film}.png"), film, 80));
    succeeded(place.stage("finetune", "three", &[]));
    // Runs of other labels stand below one another, with a table of all.
    succeeded(report(&["ft", "three", "-o", "both", "--films", "0"]));
    let page = place.text("both/report.html");
    for part in ["Every task", "begun from", "ROC: light", "ROC: grey", "The likeliest class"] {
        assert!(page.contains(part), "{part} is not in the report");
    }
    assert!(!page.contains("data:image"), "films were left out");
    succeeded(report(&["three", "-o", "page"]));
    assert!(place.text("page/roc.svg").contains("grey"));
    refused(report(&["films"]), 1, &["films/config.resolved.toml", "name the folder of a run"]);
    fs::remove_dir_all(place.path("films/grey")).unwrap();
    // Where films are gone the page says so, and has all the rest.
    succeeded(report(&["three", "-o", "page"]));
    let page = place.text("page/report.html");
    assert!(page.contains("films are not shown: ") && page.contains("ROC: grey"));
    let films = ["ft", "films/light/l0.png", "films/dark", "--class", "dark", "-o", "named"];
    succeeded(explain(&place, &films));
    assert_eq!(fs::read_dir(place.path("named/maps/ft")).unwrap().count(), 12);
    let all =
        ["ft", "films/light/l0.png", "--class", "all", "--random", "-o", "all", "--cell", "100"];
    succeeded(explain(&place, &all));
    assert_eq!(size(&place, "all/sheet.png").0, 4 * 100 + 3 * 14 + 2 * 24);
    let columns = ["ft--dark", "ft--light", "random-weights--dark", "random-weights--light"];
    for column in columns {
        assert!(place.path(&format!("all/overlays/{column}/1-l0.png")).exists(), "{column}");
    }
    refused(explain(&place, &["ft", "--class", "grey"]), 1, &["--class", "dark", "found `grey`"]);
    refused(explain(&place, &["films"]), 1, &["films: expected the folder of a fine-tuning run"]);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn masks_and_boxes_are_drawn_beside_what_is_true() {
    for kind in ["masks", "boxes"] {
        let place = trained(kind);
        succeeded(explain(&place, &[kind, "--cell", "200", "--count", "2"]));
        let file = format!("{kind}/explain/sheet.png");
        assert_eq!(size(&place, &file).0, 200 + 2 * 24);
        let mut report = Command::new(PROGRAM);
        report.args(["report", kind]).current_dir(place.0.path());
        succeeded(report);
        let page = place.text(&format!("{kind}/report.html"));
        let [own, others] = if kind == "masks" { ["Dice", "AP50"] } else { ["AP50", "Dice"] };
        assert!(page.contains(own) && !page.contains(others), "{kind}");
        let parts = match kind {
            "masks" => ["Dice of each film", "IoU of each film", "masks: worst"],
            _ => ["Precision and recall: square", "boxes there", "boxes: worst"],
        };
        parts.iter().for_each(|part| assert!(page.contains(part), "{part} is not in the report"));
        assert!(place.text(&format!("{kind}/films.csv")).starts_with("image,patient,"));
        // A reference's contour is green, a box green if it was found and yellow if it was missed.
        let sheet = image::open(place.path(&file)).unwrap().to_rgb8();
        let marked = |p: &&image::Rgb<u8>| p.0[1] > 180 && p.0[2] < 140;
        // The legend has a little of both.
        let count = sheet.pixels().filter(marked).count();
        assert!(count > 400, "{kind}: {count} pixels are marked");
        assert!(!place.path(&format!("{kind}/explain/maps")).exists());
        refused(explain(&place, &[kind, "--class", "lung"]), 1, &["--class", "found `lung`"]);
    }
}
