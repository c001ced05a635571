//! Tables of marks, lists of films, nnU-Net's description and reports, as data sets bring them.

use super::formats::{Format, Outcome, Reader, annotated, set, text};
use image::{GrayImage, Luma};
use mtpret_pipeline::data::{self, AnnotationShape, Format as Layout, Source};
use std::{fs, path::Path};

/// Grey films by these paths below a folder, and texts.
fn filled(films: &[&str], texts: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for film in films {
        // Masks are black and white.
        let grey = if film.starts_with("labels") { 255 } else { film.len() as u8 };
        GrayImage::from_pixel(40, 20, Luma([grey])).save(place(film)).unwrap();
    }
    texts.iter().for_each(|(path, text)| fs::write(place(path), text).unwrap());
    folder
}

/// Recognises a folder of films whose file `place` is the input, and reads what was recognised.
fn recognised(place: &'static str, films: &[&str], texts: &[(&str, &str)]) -> Reader {
    let all = |found: Vec<data::RecognisedSet>| {
        found.iter().all(|found| found.source.clone().read().is_ok())
    };
    given(place, films, texts, move |folder| data::recognise(folder).is_ok_and(all))
}

/// Gives `read` a folder of films whose file `place` is the input.
fn given(
    place: &'static str,
    films: &[&str],
    texts: &[(&str, &str)],
    read: impl Fn(&Path) -> bool + 'static,
) -> Reader {
    let folder = filled(films, texts);
    Box::new(move |bytes| {
        let path = folder.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        match read(folder.path()) {
            true => Outcome::Read { pixels: 0 },
            false => Outcome::Refused,
        }
    })
}

const NNUNET: &str = r#"{"channel_names": {"0": "X-ray"}, "labels": {"background": 0, "lung": 1, "ignore": 2},
"numTraining": 2, "file_ending": ".png"}"#;

const REPORT: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="CXR1"/><MeSH><major>Opacity/lung</major><automatic>x</automatic></MeSH>
<parentImage id="a"><caption>PA</caption></parentImage></eCitation>
"#;

const NORMAL: &str = "<eCitation><uId id=\"CXR2\"/><MeSH><major>normal</major></MeSH><parentImage id=\"b\"/></eCitation>";

const VOC: [(&str, &str); 2] = [
    (
        "Annotations/a.xml",
        "<annotation><filename>a.png</filename><size><width>40</width><height>20</height></size>\
         <object><name>n</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>",
    ),
    (
        "Annotations/b.xml",
        "<annotation><filename>b.png</filename><size><width>40</width><height>20</height></size></annotation>",
    ),
];

fn marked(root: &Path, layout: Layout) -> Source {
    Source {
        table: Some("table.csv".into()),
        path_column: "image_id".into(),
        annotations: Vec::new(),
        ..annotated(root, layout, "", AnnotationShape::Boxes)
    }
}

pub fn all() -> Vec<Format> {
    let nih = "Image Index,Finding Labels,Follow-up #,Patient ID\n00000001_000.png,No Finding,0,1\n00000002_000.png,Mass,0,2\n";
    let films = ["images/a.png", "images/b.png"];
    vec![
        text(
            "box_csv",
            &[
                "image_id,class_name,x_min,y_min,x_max,y_max\na,square,2,3,12,11\nb,round,1,3,9,8\n",
                "image_id,x,y,width,height,Target\na,2,3,10,8,1\nb,,,,,0\n",
            ],
            set("table.csv", |root| marked(root, Layout::BoxCsv)),
        ),
        text(
            "rle_csv",
            &[
                "image_id,EncodedPixels\na,1 5 30 4\nb,-1\n",
                "image_id,rle,image_width,image_height\na,0 5 10 4,40,20\nb,,40,20\n",
            ],
            set("table.csv", |root| marked(root, Layout::RleCsv)),
        ),
        text(
            "nnunet",
            &[NNUNET, r#"{"labels": {"0": "background", "1": "lung"}}"#],
            recognised(
                "dataset.json",
                &["imagesTr/a_0000.png", "imagesTr/b_0000.png", "labelsTr/a.png", "labelsTr/b.png"],
                &[],
            ),
        ),
        text(
            "openi",
            &[REPORT],
            given(
                "ecgen-radiology/1.xml",
                &["films/a.png", "films/b.png"],
                &[("ecgen-radiology/2.xml", NORMAL)],
                |root| {
                    let source = Source::new("set", Layout::Openi, root);
                    Source { val_share: 0.0, test_share: 0.0, ..source }.read().is_ok()
                },
            ),
        ),
        text(
            "voc-list",
            &["a\nb\n", "a -1\nb 1\n", "JPEGImages/a.png\n"],
            recognised("ImageSets/Main/train.txt", &["JPEGImages/a.png", "JPEGImages/b.png"], &VOC),
        ),
        text(
            "yolo-list",
            &["images/a.png\nimages/b.png\n", "./images/a.png\n"],
            recognised(
                "train.txt",
                &films,
                &[
                    ("data.yaml", "names: [a, b]\ntrain: train.txt\n"),
                    ("labels/a.txt", "0 0.5 0.5 0.2 0.4\n"),
                    ("labels/b.txt", "1 0.25 0.5 0.2 0.4\n"),
                ],
            ),
        ),
        text("classes", &["square\nround\n"], {
            recognised(
                "classes.txt",
                &films,
                &[
                    ("labels/a.txt", "0 0.5 0.5 0.2 0.4\n"),
                    ("labels/b.txt", "1 0.25 0.5 0.2 0.4\n"),
                ],
            )
        }),
        text(
            "nih-list",
            &["00000001_000.png\n00000002_000.png\n"],
            recognised(
                "train_val_list.txt",
                &["images/00000001_000.png", "images/00000002_000.png"],
                &[("Data_Entry_2017.csv", nih), ("test_list.txt", "")],
            ),
        ),
    ]
}
