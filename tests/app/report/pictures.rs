//! Films with what was found on them.

use image::{GrayImage, Luma, Rgb, RgbImage};
use mtpret::report::picture::{Map, MarkedBox, Outcome, Picture, Sheet, SheetCell, SheetRow};

/// A grey film of 64 x 48 pixels.
fn film() -> GrayImage {
    GrayImage::from_pixel(64, 48, Luma([100]))
}

/// 1 in the left half.
fn left_half() -> Map {
    Map::from_fn(64, 48, |x, _| Luma([if x < 32 { 1.0 } else { 0.0 }]))
}

/// How much redder, or greener, a pixel is than its other colours.
fn excess(picture: &RgbImage, x: u32, y: u32, channel: usize) -> i32 {
    let pixel = picture.get_pixel(x, y).0.map(i32::from);
    let others = (0..3).filter(|c| *c != channel).map(|c| pixel[c]).max().unwrap();
    pixel[channel] - others
}

#[test]
fn a_picture_keeps_the_proportions_of_its_film() {
    let picture = Picture::film(film());
    assert_eq!(picture.draw(320, 1000).dimensions(), (320, 240));
    assert_eq!(picture.draw(320, 120).dimensions(), (160, 120));
    assert_eq!(picture.draw(320, 240).get_pixel(50, 50), &Rgb([100; 3]));
}

#[test]
fn a_prediction_is_red_and_the_reference_a_green_line_on_its_edge() {
    let narrow = Map::from_fn(32, 24, |x, _| Luma([if x < 8 { 1.0 } else { 0.0 }]));
    let picture = Picture::segmentation(film(), left_half(), narrow).draw(256, 192);
    assert!(excess(&picture, 20, 90, 0) > 40, "red where the prediction is");
    assert_eq!(picture.get_pixel(100, 90), &Rgb([100; 3]), "nothing within the reference");
    assert!(excess(&picture, 128, 90, 1) > 40, "green where the reference ends");
    assert_eq!(picture.get_pixel(200, 90), &Rgb([100; 3]));
    let green = (0..256).filter(|&x| excess(&picture, x, 90, 1) > 40).count();
    assert!((2..=5).contains(&green), "the line is {green} pixels wide");
}

#[test]
fn boxes_have_the_colours_of_their_outcomes_and_missed_ones_are_dashed() {
    let corners = [8.0, 8.0, 56.0, 40.0];
    let edge = |outcome| {
        let marked = MarkedBox { corners, outcome, label: String::new() };
        let picture = Picture::detection(film(), vec![marked]).draw(256, 192);
        assert_eq!(picture.get_pixel(128, 96), &Rgb([100; 3]), "a box is empty");
        (32..224).map(|x| *picture.get_pixel(x, 32)).collect::<Vec<_>>()
    };
    let lines = [Outcome::Found, Outcome::False, Outcome::Missed].map(edge);
    assert!(lines[0].iter().all(|p| p == &lines[0][0]) && lines[0][0].0[1] > 200);
    assert!(lines[1].iter().all(|p| p == &lines[1][0]) && lines[1][0].0[0] > 200);
    let gaps = lines[2].iter().filter(|p| **p == Rgb([100; 3])).count();
    assert!((20..120).contains(&gaps), "{gaps} of 192 pixels are gaps");
}

#[test]
fn attention_colours_where_it_is_and_leaves_the_rest() {
    let map = Map::from_fn(7, 7, |x, y| Luma([if (x, y) == (1, 1) { 3.0 } else { 0.0 }]));
    let picture = Picture::attention(film(), map).draw(256, 192);
    assert!(excess(&picture, 55, 41, 0) > 40, "the greatest attention is red");
    assert_eq!(picture.get_pixel(200, 150), &Rgb([100; 3]));
    let none = Map::from_pixel(7, 7, Luma([f32::NAN]));
    let picture = Picture::attention(film(), none).draw(256, 192);
    assert!(picture.pixels().all(|p| p == &Rgb([100; 3])), "no attention is no colour");
}

/// A sheet of one film under `columns` names.
fn sheet(columns: &[&str], picture: Picture) -> Sheet {
    let cell = SheetCell { picture, caption: "Dice 0.95".into(), right: Some(true) };
    Sheet {
        title: "Lungs".into(),
        columns: columns.iter().map(|c| (*c).into()).collect(),
        rows: vec![SheetRow { name: "film 1".into(), cells: vec![Some(cell), None] }],
        note: "Not for diagnostic use.".into(),
        cell: 120,
    }
}

#[test]
fn a_sheet_grows_with_its_columns_and_names_what_its_colours_mean() {
    let of = |columns: &[&str], picture| sheet(columns, picture).draw();
    let plain = of(&["Scratch", "MTPret"], Picture::film(film()));
    let wide = of(&["Scratch", "MD-MoCo", "MTPret"], Picture::film(film()));
    assert!(wide.width() > plain.width() + 120);
    let map = || Map::from_pixel(7, 7, Luma([0.0]));
    let heat = of(&["Scratch", "MTPret"], Picture::attention(film(), map()));
    let masks = of(&["Scratch", "MTPret"], Picture::segmentation(film(), map(), map()));
    let boxes = of(&["Scratch", "MTPret"], Picture::detection(film(), vec![]));
    for legend in [&heat, &masks, &boxes] {
        assert!(legend.height() > plain.height(), "a legend takes room");
    }
    assert!(boxes.height() > masks.height(), "three outcomes wrap to lines of their own");
    let ink = plain.pixels().filter(|p| p.0.iter().all(|v| *v < 90)).count();
    assert!(ink > 200, "{ink} dark pixels of text");
}

#[test]
fn a_sheet_is_saved_as_png_and_a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = sheet(&["MTPret"], Picture::film(film()));
    sheet.save(&folder.path().join("lungs.png")).unwrap();
    let read = image::open(folder.path().join("lungs.png")).unwrap().to_rgb8();
    assert_eq!(read, sheet.draw());
    let message = sheet.save(&folder.path().join("none/lungs.png")).unwrap_err().to_string();
    assert!(message.contains("none/lungs.png"), "{message}");
}

#[test]
fn odd_films_boxes_and_words_are_drawn_all_the_same() {
    let long = "word ".repeat(60);
    let odd = [
        [-50.0, -50.0, 500.0, 500.0],
        [60.0, 40.0, 10.0, 5.0],
        [f32::NAN, 0.0, 3.0, 3.0],
        [1e9, 1e9, 2e9, 2e9],
    ];
    let boxes =
        odd.map(|corners| MarkedBox { corners, outcome: Outcome::Found, label: long.clone() });
    for picture in [
        Picture::film(GrayImage::new(0, 0)),
        Picture::film(GrayImage::new(1, 500)),
        Picture::detection(film(), boxes.to_vec()),
        Picture::segmentation(film(), Map::new(0, 0), Map::new(1, 1)),
    ] {
        let mut sheet = sheet(&["", long.as_str()], picture);
        (sheet.title, sheet.rows[0].name) = (long.clone(), "\u{1b}\u{0}".into());
        assert!(sheet.draw().height() > 100);
    }
    let nothing =
        Sheet { title: "".into(), columns: vec![], rows: vec![], note: "".into(), cell: 0 };
    assert!(nothing.draw().width() > 0);
}
