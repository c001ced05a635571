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
