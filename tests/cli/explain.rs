//! `explain` on runs of each kind.

use super::{
    PROGRAM, Place,
    kinds::{annotated, stage},
    refused, succeeded,
};
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
    let place = Place::new();
    succeeded(place.stage("finetune", "ft", &[]));
    let printed = succeeded(explain(&place, &["ft", "--count", "4", "--random", "--cell", "100"]));
    assert_eq!(printed.out.trim(), "ft/explain/sheet.png");
    // Two columns of 100 pixels, a gap and two margins.
    assert_eq!(size(&place, "ft/explain/sheet.png").0, 2 * 100 + 14 + 2 * 24);
    for column in ["ft", "random-weights"] {
        let maps: Vec<_> =
            fs::read_dir(place.path(&format!("ft/explain/maps/{column}"))).unwrap().collect();
        assert_eq!(maps.len(), 4);
        for map in maps {
            let map = image::open(map.unwrap().path()).unwrap().to_luma8();
            let most = map.pixels().map(|p| p.0[0]).max().unwrap();
            assert!(map.dimensions() == (32, 32) && (most == 0 || most == 255), "{most}");
        }
    }
    let report = |arguments: &[&str]| {
        let mut program = Command::new(PROGRAM);
        program.current_dir(place.0.path()).arg("report").args(arguments);
        program
    };
    assert_eq!(succeeded(report(&["ft"])).out.trim(), "ft/report.html");
    let page = place.text("ft/report.html");
    for part in ["<svg", "ft, AUC", "ROC curves", "data:image/png;base64,", "Loss by step"] {
        assert!(page.contains(part), "{part} is not in the report");
    }
    let roc: serde_json::Value = serde_json::from_str(&place.text("ft/roc.json")).unwrap();
    assert_eq!(roc[0]["label"], "light");
    assert_eq!(roc[0]["points"].as_array().unwrap().last().unwrap()[1], 1.0);
    place.film("films/grey/g0.png", 1, 80);
    (1..11).for_each(|film| place.film(&format!("films/grey/g{film}.png"), film, 80));
    succeeded(place.stage("finetune", "three", &[]));
    refused(
        report(&["ft", "three"]),
        1,
        &["three: expected figures of", "light", "grey", "one task"],
    );
    succeeded(report(&["three", "-o", "page"]));
    assert!(place.text("page/roc.svg").contains("grey"));
    refused(report(&["films"]), 1, &["films/scores.json", "mtpret evaluate"]);
    fs::remove_dir_all(place.path("films/grey")).unwrap();
    let films = ["ft", "films/light/l0.png", "films/dark", "--class", "dark", "-o", "named"];
    succeeded(explain(&place, &films));
    assert_eq!(fs::read_dir(place.path("named/maps/ft")).unwrap().count(), 12);
    refused(explain(&place, &["ft", "--class", "grey"]), 1, &["--class", "dark", "found `grey`"]);
    refused(explain(&place, &["films"]), 1, &["films: expected the folder of a fine-tuning run"]);
}

#[test]
fn masks_and_boxes_are_drawn_beside_what_is_true() {
    let place = annotated();
    for kind in ["masks", "boxes"] {
        succeeded(stage(&place, "finetune", kind, &[&format!("task={kind:?}")]));
        succeeded(explain(&place, &[kind, "--cell", "200", "--count", "2"]));
        let file = format!("{kind}/explain/sheet.png");
        assert_eq!(size(&place, &file).0, 200 + 2 * 24);
        let mut report = Command::new(PROGRAM);
        report.args(["report", kind]).current_dir(place.0.path());
        succeeded(report);
        let page = place.text(&format!("{kind}/report.html"));
        let [own, others] = if kind == "masks" { ["Dice", "AP50"] } else { ["AP50", "Dice"] };
        assert!(page.contains(own) && !page.contains(others), "{kind}");
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
