//! Masks and boxes as COCO's JSON.

use mtpret::report::coco::{Image, Mark, Mask, Shape, document};
use serde_json::{Map, json};

/// What pycocotools 2 makes of the mask below.
const CODE: &str = "024O010O010ON12O010O0130MO010O01NO210O010O00O0110O010OO010010O010ON12O010O0130MO010O01NO210O010\
                    O01NO21O3NM3O40L<0DN12OM<0E3ON11=OC5a0L_OOO2a00_OO0O`00@101b0O^OO10b051J]O1O2b0O_OOO0c06]OI`02@O1\
                    2`00_ON10?OA60J=3CNO2>NB20O01<0DO010060K0ON12O010O0130MO010O01NO210O010O01NO210O010O40L10O010ON12\
                    O010O010ON12O010O0130MO010O01NO210O010O00";

/// A speckled mask with a disk in it.
fn speckled() -> Mask {
    let pixels = (0..29i32).flat_map(|y| (0..37i32).map(move |x| (x, y)));
    let inside =
        |(x, y): (i32, i32)| (x * 7 + y * 13) % 11 < 3 || (x - 18).pow(2) + (y - 14).pow(2) < 90;
    Mask::new(&pixels.map(inside).collect::<Vec<_>>(), [37, 29])
}

#[test]
fn masks_are_coded_as_pycocotools_does() {
    let mask = speckled();
    assert_eq!((mask.counts.as_str(), mask.area), (CODE, 503));
    for (value, code) in [(false, "aQ1"), (true, "0aQ1")] {
        assert_eq!(Mask::new(&vec![value; 37 * 29], [37, 29]).counts, code);
    }
    // Runs of a thousand and more take three digits.
    let large = (0..1200)
        .flat_map(|y| (0..900).map(move |x| (100..1100).contains(&y) && (30..800).contains(&x)));
    let mask = Mask::new(&large.collect::<Vec<_>>(), [900, 1200]);
    assert!(mask.counts.starts_with("TXS1Xo0X6000000") && mask.counts.len() == 1550);
}

#[test]
fn a_file_stands_alone() {
    let mark = |category, score, shape| Mark { category, score, shape };
    let images = [
        Image {
            name: "a.png".into(),
            size: Some([64, 48]),
            fields: Map::new(),
            marks: vec![mark(1, 0.75, Shape::Box([10.0, 20.0, 30.0, 25.0]))],
        },
        Image {
            name: "b.png".into(),
            size: None,
            fields: Map::from_iter([("error".into(), "no film".into())]),
            marks: vec![],
        },
        Image {
            name: "c.png".into(),
            size: Some([37, 29]),
            fields: Map::new(),
            marks: vec![mark(0, 0.9, Shape::Mask(speckled()))],
        },
    ];
    let names = ["lung", "nodule"].map(String::from);
    let file = document(json!({ "note": "a test" }), &images, &names);
    assert_eq!(
        file,
        json!({
            "info": { "note": "a test" },
            "images": [
                { "id": 1, "file_name": "a.png", "width": 64, "height": 48 },
                { "id": 2, "file_name": "b.png", "error": "no film" },
                { "id": 3, "file_name": "c.png", "width": 37, "height": 29 },
            ],
            "categories": [{ "id": 1, "name": "lung" }, { "id": 2, "name": "nodule" }],
            "annotations": [
                { "id": 1, "image_id": 1, "category_id": 2, "bbox": [10.0, 20.0, 20.0, 5.0],
                  "score": 0.75, "area": 100.0, "iscrowd": 0 },
                { "id": 2, "image_id": 3, "category_id": 1,
                  "segmentation": { "size": [29, 37], "counts": CODE },
                  "score": 0.9, "area": 503, "iscrowd": 0 },
            ],
        })
    );
}
