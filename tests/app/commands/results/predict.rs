//! `predict` on films as people have them.

use super::trained;
use crate::commands::{PROGRAM, Place, ended, refused, succeeded};
use serde_json::Value;
use std::{fs, process::Command};

fn predict(place: &Place, arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).arg("predict").args(arguments);
    program
}

/// The titles and the rows of a table.
fn table(csv: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect();
    let titles = cells(reader.headers().unwrap());
    (titles, reader.records().map(|row| cells(&row.unwrap())).collect())
}

/// The names in a folder, sorted.
fn names(place: &Place, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(place.path(folder)).unwrap().map(Result::unwrap);
    let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A JPEG film that EXIF turns by a quarter: it is stored as wide as it is high to look at.
fn turned() -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sample/chest_xray/test/NORMAL");
    let film = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).min().unwrap();
    let jpeg = fs::read(film).unwrap();
    let tag =
        b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    [&jpeg[..2], tag, &jpeg[2..]].concat()
}

#[test]
fn films_of_any_name_and_kind_have_a_row_and_bad_ones_say_why() {
    let place = trained("classes");
    let run = "runs/Lunge ä #1";
    fs::create_dir(place.path("runs")).unwrap();
    fs::rename(place.path("classes"), place.path(run)).unwrap();
    let odd = "in/Thorax ä ö 胸部 #1.png";
    place.film(odd, 3, 120);
    place.film("in/deep/er/Thorax ä ö 胸部 #1.PNG", 4, 120);
    place.film(&format!("in/{}.png", "lang".repeat(50)), 5, 120);
    place.film("in/=1+1.png", 6, 40);
    let tiff = image::open(place.path(odd)).unwrap();
    tiff.save(place.path("in/film.tiff")).unwrap();
    fs::write(place.path("in/turned.JPEG"), turned()).unwrap();
    fs::write(place.path("in/broken.dcm"), "no film").unwrap();
    let dicom = crate::commands::dicom(3, 2);
    fs::write(place.path("in/1.2.840"), &dicom).unwrap();
    fs::write(place.path("in/IM0001"), &dicom).unwrap();
    fs::write(place.path("in/notes"), "no film either").unwrap();
    let arguments = [run, "in", odd, "gone.png", "-o", "out/found.csv", "--overlays", "in/seen"];
    let printed = succeeded(predict(&place, &arguments));
    assert!(printed.out.is_empty());
    assert!(printed.err.contains("8 of 10 films predicted"), "{}", printed.err);
    assert!(printed.err.contains("out/found.csv") && printed.err.contains("Not for diagnostic"));
    let (titles, rows) = table(&place.text("out/found.csv"));
    assert_eq!(titles, ["image", "dark", "light", "overlay", "error", "note"]);
    assert_eq!(rows.len(), 10, "{rows:?}");
    for row in &rows {
        assert_eq!(row[5], "not for diagnostic use");
        let bad = ["in/broken.dcm", "gone.png"].contains(&&*row[0]);
        assert_eq!((row[3].is_empty(), !row[4].is_empty()), (bad, bad), "{row:?}");
        let sum = || row[1].parse::<f64>().unwrap() + row[2].parse::<f64>().unwrap();
        assert!(bad || (sum() - 1.0).abs() < 2e-6, "{row:?}");
        assert!(bad || place.path(&row[3]).exists(), "{row:?}");
    }
    // Two films of one name have two overlays.
    let drawn = names(&place, "in/seen");
    assert_eq!(drawn.len(), 8, "{drawn:?}");
    for name in ["Thorax ä ö 胸部 #1.png", "Thorax ä ö 胸部 #1-2.png", "=1+1.png", "IM0001.png"]
    {
        assert!(drawn.iter().any(|n| n == name), "{name}: {drawn:?}");
    }
    assert_eq!(image::image_dimensions(place.path("in/seen/turned.png")).unwrap().0, 900 + 48);

    // What was drawn is no film the next time; the tables of one network are the same.
    let again = [run, "in", "gone.png", "--overlays", "in/seen"];
    let again = succeeded(predict(&place, &again)).out;
    assert_eq!(again, place.text("out/found.csv"));
    let json = succeeded(predict(&place, &[run, "in", "-o", "found.JSON"]));
    assert!(json.out.is_empty());
    let json: Value = serde_json::from_str(&place.text("found.JSON")).unwrap();
    assert_eq!(json["info"]["note"], "not for diagnostic use");
    assert_eq!(json["categories"][1]["name"], "light");
    let of = |name: &str| {
        let images = json["images"].as_array().unwrap();
        images.iter().find(|image| image["file_name"] == name).unwrap()
    };
    let known: f64 = rows.iter().find(|row| row[0] == odd).unwrap()[2].parse().unwrap();
    assert!((of(odd)["probabilities"]["light"].as_f64().unwrap() - known).abs() < 1e-5);
    assert_eq!(of("in/turned.JPEG")["exif_orientation"], 6);
    assert!(of("in/broken.dcm")["error"].as_str().unwrap().contains("expected JPEG, PNG"));

    let words = ["gone.png: expected a film that can be predicted, found none", "found none; name"];
    let none = predict(&place, &[run, "gone.png", "in/broken.dcm", "-o", "none.csv"]);
    refused(none, 1, &words);
    assert_eq!(table(&place.text("none.csv")).1.len(), 2);
    fs::create_dir(place.path("empty")).unwrap();
    refused(predict(&place, &[run, "empty"]), 1, &["empty: expected", "PNG, JPEG", "found none"]);
    refused(predict(&place, &[run, "in", "--masks", "m"]), 1, &["--masks: expected", "masks"]);
    let words = ["in/film.tiff", "name a folder that can be written"];
    refused(predict(&place, &[run, "in", "--overlays", "in/film.tiff"]), 1, &words);
    ended(predict(&place, &[run]), 2);
}

/// Pixels of the foreground in a code of COCO's, row by row.
fn decoded(code: &str, [height, width]: [usize; 2]) -> Vec<bool> {
    let (mut runs, mut digits) = (Vec::<i64>::new(), code.bytes().map(|b| i64::from(b) - 48));
    while let Some(mut digit) = digits.next() {
        let (mut run, mut shift) = (digit & 0x1f, 5);
        while digit & 0x20 != 0 {
            digit = digits.next().unwrap();
            run |= (digit & 0x1f) << shift;
            shift += 5;
        }
        if digit & 0x10 != 0 {
            run |= -1 << shift;
        }
        let before = if runs.len() > 2 { runs[runs.len() - 2] } else { 0 };
        runs.push(run + before);
    }
    let pixels = runs.iter().enumerate();
    let down: Vec<bool> =
        pixels.flat_map(|(i, n)| std::iter::repeat_n(i % 2 == 1, *n as usize)).collect();
    (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| down[x * height + y])
        .collect()
}

#[test]
fn masks_lie_on_the_films_own_pixels_in_pictures_and_in_json() {
    let place = trained("masks");
    fs::create_dir(place.path("in")).unwrap();
    fs::write(place.path("in/turned.jpg"), turned()).unwrap();
    fs::copy(place.path("square/films/s0.png"), place.path("in/plain.png")).unwrap();
    let run = |stored: &[&str]| -> Value {
        let common = ["masks", "in", "--json", "--masks", "out", "--overlays", "seen"];
        let printed = succeeded(predict(&place, &[&common, stored].concat()));
        serde_json::from_str(&printed.out).unwrap()
    };
    let pixels = |name: &str| image::open(place.path(name)).unwrap().to_luma8();
    let mut sizes = Vec::new();
    for stored in [&[][..], &["--stored"]] {
        let json = run(stored);
        assert_eq!(json["images"].as_array().unwrap().len(), 2);
        for image in json["images"].as_array().unwrap() {
            let mask = pixels(image["mask"].as_str().unwrap());
            let size = [&image["height"], &image["width"]].map(|v| v.as_u64().unwrap() as usize);
            assert_eq!([mask.height() as usize, mask.width() as usize], size);
            sizes.push(size);
            let white: Vec<bool> = mask.pixels().map(|p| p.0[0] == 255).collect();
            let share = white.iter().filter(|v| **v).count() as f64 / white.len() as f64;
            assert!((image["share"].as_f64().unwrap() - share).abs() < 1e-12);
            let own: Vec<&Value> = json["annotations"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|a| a["image_id"] == image["id"])
                .collect();
            assert_eq!(own.len(), usize::from(share > 0.0));
            for mark in own {
                let code = mark["segmentation"]["counts"].as_str().unwrap();
                assert!(decoded(code, size) == white);
                assert!((0.5..=1.0).contains(&mark["score"].as_f64().unwrap()));
            }
        }
    }
    let (upright, stored) = (pixels("seen/turned.png"), sizes[3]);
    assert!(upright.width() > 900 && sizes[1] == [stored[1], stored[0]], "{sizes:?}");
    let (titles, rows) = table(&succeeded(predict(&place, &["masks", "in"])).out);
    assert_eq!(titles, ["image", "width", "height", "foreground_share", "error", "note"]);
    assert_eq!(rows[0][1..3], ["64", "56"]);
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn boxes_are_rows_of_a_table_and_results_of_coco() {
    let place = trained("boxes");
    let films = "square/films";
    let csv = succeeded(predict(&place, &["boxes", films])).out;
    let (titles, rows) = table(&csv);
    let expected = ["image", "width", "height", "class", "score", "left", "top", "right", "bottom"];
    assert_eq!(titles[..9], expected);
    let json: Value =
        serde_json::from_str(&succeeded(predict(&place, &["boxes", films, "--json"])).out).unwrap();
    let marks = json["annotations"].as_array().unwrap();
    let boxes: Vec<_> = rows.iter().filter(|row| !row[3].is_empty()).collect();
    assert!(!marks.is_empty() && boxes.len() == marks.len(), "{} {}", boxes.len(), marks.len());
    assert_eq!(json["categories"], serde_json::json!([{ "id": 1, "name": "square" }]));
    for (row, mark) in boxes.iter().zip(marks) {
        let number = |i: usize| row[i].parse::<f64>().unwrap();
        let corners = [5, 6, 7, 8].map(number);
        let bbox = [corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]];
        for (i, side) in bbox.iter().enumerate() {
            assert!((mark["bbox"][i].as_f64().unwrap() - side).abs() < 0.02, "{row:?} {mark}");
        }
        // Within the film, which is not square as the input is.
        assert!(corners[2] <= 64.01 && corners[3] <= 56.01, "{row:?}");
    }
    let all = rows.iter().map(|row| row[0].as_str()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(all.len(), 16, "a film without boxes has a row too");
    let none = table(&succeeded(predict(&place, &["boxes", films, "--score", "1"])).out).1;
    assert!(none.len() == 16 && none.iter().all(|row| row[3].is_empty()));
    succeeded(predict(&place, &["boxes", films, "--overlays", "seen"]));
    assert_eq!(names(&place, "seen").len(), 16);
}
