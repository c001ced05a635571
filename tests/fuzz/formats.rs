//! The formats: whole files of each, how a damaged one is read, and how its checksums are mended.

use crate::{
    films::{dicom, root},
    mutate::{self, Random},
};
use flate2::{Compression, write::ZlibEncoder};
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use mtpret_pipeline::{
    data::{self, AnnotationShape, Format as Layout, Source, decode_bytes},
    train::config::{self, Finetune},
    weights::{
        self,
        checkpoint::{HostTensor, Metadata, Tensors},
    },
};
use safetensors::{Dtype, tensor::TensorView};
use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};
use tempfile::TempDir;

/// What a reader made of an input.
pub enum Outcome {
    Read { pixels: usize },
    Refused,
}

pub type Reader = Box<dyn Fn(&[u8]) -> Outcome>;

/// A format, whole files of it, and how an input is read.
pub struct Format {
    pub name: &'static str,
    pub seeds: Vec<Vec<u8>>,
    pub read: Reader,
    is_text: bool,
    /// Mends checksums, so that damage gets past them.
    mend: fn(&mut [u8]),
}

impl Format {
    /// The inputs that once failed, by name.
    pub fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let folder = root().join("tests/fixtures/fuzz").join(self.name);
        let Ok(entries) = folder.read_dir() else { return Vec::new() };
        let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
    }
    /// Damaged input number `n`.
    pub fn damaged(&self, n: usize, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.seeds[n % self.seeds.len()].clone();
        match self.is_text {
            true => mutate::text(&mut bytes, random),
            false => mutate::binary(&mut bytes, random),
        }
        // A checksum that no longer fits would hide what lies behind it.
        if random.below(4) != 0 {
            (self.mend)(&mut bytes);
        }
        bytes
    }
}

pub fn binary(name: &'static str, seeds: Vec<Vec<u8>>, read: Reader) -> Format {
    Format { name, seeds, read, is_text: false, mend: |_| {} }
}

pub fn text(name: &'static str, seeds: &[&str], read: Reader) -> Format {
    let seeds = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    Format { name, seeds, read, is_text: true, mend: |_| {} }
}

/// A film of each kind of pixel.
fn pictures(format: ImageFormat) -> Vec<Vec<u8>> {
    let grey = GrayImage::from_fn(40, 32, |x, y| Luma([(x * 7 + y * 13) as u8]));
    let grey = DynamicImage::from(grey);
    let kinds =
        [grey.clone(), grey.to_luma16().into(), grey.to_rgb8().into(), grey.to_rgba8().into()];
    let write = |picture: &DynamicImage| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).ok().map(|()| bytes.into_inner())
    };
    kinds.iter().filter_map(write).collect()
}

fn film(name: &'static str) -> Reader {
    Box::new(move |bytes| match decode_bytes(bytes, Path::new(name)) {
        Ok(film) => Outcome::Read { pixels: film.width * film.height },
        Err(_) => Outcome::Refused,
    })
}

/// Sets the CRC of every chunk of a PNG.
fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(end) = at.checked_add(8 + length).filter(|end| end + 4 <= bytes.len()) else {
            return;
        };
        let crc = crc(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&crc.to_be_bytes());
        at = end + 4;
    }
}

/// A PNG of one pixel with a colour profile of 400 MiB, which is zeros and so takes a thousandth of that in the file.
fn profile_bomb() -> Vec<u8> {
    let deflated = |bytes: &[u8]| {
        let mut out = ZlibEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend([name, data, &[0; 4]].concat());
    };
    chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    chunk(b"iCCP", &[b"p\0\0", &deflated(&vec![0; 400 << 20])[..]].concat());
    chunk(b"IDAT", &deflated(&[0, 128]));
    chunk(b"IEND", &[]);
    mend_png(&mut bytes);
    bytes
}

/// CRC-32 (ISO 3309), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

fn dicoms() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film");
    let write = |interpretation| {
        dicom::write(dicom::object(interpretation), &path);
        fs::read(&path).unwrap()
    };
    let whole = [write("MONOCHROME1"), write("MONOCHROME2")];
    // Without preamble and header, and with a header that ends in the middle.
    let bare = whole[0][132..].to_vec();
    [&whole[..], &[bare]].concat()
}

/// Reads a file of weights.
fn loaded(ending: &'static str) -> Reader {
    let folder = tempfile::tempdir().unwrap();
    Box::new(move |bytes| {
        let path = folder.path().join(format!("weights.{ending}"));
        fs::write(&path, bytes).unwrap();
        match weights::load(&path) {
            Ok(_) => Outcome::Read { pixels: 0 },
            Err(_) => Outcome::Refused,
        }
    })
}

fn tensors() -> Tensors {
    let names = ["conv1.weight", "bn1.running_mean", "fc.bias"];
    let tensor = |name: &&str| ((*name).to_owned(), HostTensor::f32(vec![2, 3], vec![0.5; 6]));
    names.iter().map(tensor).collect()
}

fn saved(ending: &str) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("weights.{ending}"));
    match ending {
        "pth" => weights::save_pytorch(&path, tensors()).unwrap(),
        _ => weights::save(&path, tensors(), Default::default()).unwrap(),
    }
    let ours = fs::read(&path).unwrap();
    // Another program's has no checksum, so that damage gets past it.
    let bytes: Vec<u8> = (0..24).collect();
    let theirs = TensorView::new(Dtype::F32, vec![2, 3], &bytes).unwrap();
    match ending {
        "pth" => vec![ours],
        _ => vec![ours, safetensors::serialize([("conv1.weight", theirs)], None).unwrap()],
    }
}

/// Weights of this program with words beside them.
pub fn saved_with(ending: &str, words: Metadata) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("weights.{ending}"));
    weights::save(&path, tensors(), words).unwrap();
    fs::read(&path).unwrap()
}

/// A data set of two films whose file `place` is the input: read as `source`, and recognised.
pub fn set(place: &'static str, source: fn(&Path) -> Source) -> Reader {
    let folder: TempDir = tempfile::tempdir().unwrap();
    for film in ["films/a.png", "films/b.png", "images/a.png", "images/b.png"] {
        let path = folder.path().join(film);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_pixel(40, 20, Luma([film.len() as u8])).save(path).unwrap();
    }
    for (file, text) in [
        ("data.yaml", "names: [square, round]\n"),
        ("labels/a.txt", "0 0.5 0.5 0.2 0.4\n"),
        ("labels/b.txt", "1 0.25 0.5 0.2 0.4\n"),
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Box::new(move |bytes| {
        let path = folder.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let _ = data::recognise(folder.path());
        let read = source(folder.path()).read();
        if place != "data.yaml" && !place.starts_with("labels") {
            fs::remove_file(&path).unwrap();
        }
        match read {
            Ok(_) => Outcome::Read { pixels: 0 },
            Err(_) => Outcome::Refused,
        }
    })
}

pub fn annotated(root: &Path, layout: Layout, annotations: &str, shape: AnnotationShape) -> Source {
    Source {
        annotations: vec![annotations.into()],
        images: "films".into(),
        shape,
        ..Source::new("set", layout, root)
    }
}

const COCO: &str = r#"{"images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 20}, {"id": 2, "file_name": "b.png", "width": 40, "height": 20}],
"annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [2, 3, 10, 8], "iscrowd": 0, "segmentation": [[2, 3, 12, 3, 12, 11]]},
{"id": 2, "image_id": 2, "category_id": 3, "bbox": [1.5, 3, 10, 8], "area": 80, "segmentation": [[1, 3, 12, 3, 12, 11]]}],
"categories": [{"id": 3, "name": "square", "supercategory": "shape"}]}"#;

const VOC: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<annotation><filename>a.png</filename>
<size><width>40</width><height>20</height><depth>1</depth></size>
<object><name>square</name><difficult>0</difficult>
<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>12</xmax><ymax>11</ymax></bndbox></object>
</annotation>
"#;

/// Every format that a person brings.
pub fn all() -> Vec<Format> {
    let csv = |root: &Path| Source {
        table: Some("table.csv".into()),
        path_column: "film".into(),
        label_columns: vec!["a".into(), "b".into()],
        images: "films".into(),
        ..Source::new("set", Layout::Csv, root)
    };
    let folder = tempfile::tempdir().unwrap();
    let config = config::builtin("finetune/resnet18").unwrap();
    let parse: Reader = Box::new(move |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let place = folder.path().join("finetune.toml");
        match config::parse::<Finetune>(&text, place.as_path(), &[]) {
            Ok(_) => Outcome::Read { pixels: 0 },
            Err(_) => Outcome::Refused,
        }
    });
    let own = vec![
        binary("jpeg", vec![crate::films::sample_jpeg()], film("film.jpg")),
        Format {
            mend: mend_png,
            ..binary(
                "png",
                [pictures(ImageFormat::Png), vec![profile_bomb()]].concat(),
                film("film.png"),
            )
        },
        binary("bmp", pictures(ImageFormat::Bmp), film("film.bmp")),
        binary("tiff", pictures(ImageFormat::Tiff), film("film.tif")),
        binary("dicom", dicoms(), film("film.dcm")),
        binary("safetensors", saved("safetensors"), loaded("safetensors")),
        binary("pth", saved("pth"), loaded("pth")),
        text(
            "coco",
            &[COCO],
            set("all.json", |root| {
                annotated(root, Layout::Coco, "all.json", AnnotationShape::Boxes)
            }),
        ),
        text(
            "outlines",
            &[COCO],
            set("all.json", |root| {
                annotated(root, Layout::Coco, "all.json", AnnotationShape::Mask)
            }),
        ),
        text(
            "voc",
            &[VOC],
            set("xml/a.xml", |root| annotated(root, Layout::Voc, "xml", AnnotationShape::Boxes)),
        ),
        text(
            "yaml",
            &[
                "path: .\ntrain: images\nval: images\nnc: 2\nnames:\n  0: square\n  1: round\n",
                "names: [square, round]\n",
            ],
            set("data.yaml", |root| Source::new("set", Layout::Yolo, root)),
        ),
        text(
            "yolo",
            &["0 0.5 0.5 0.2 0.4\n1 0.25 0.5 0.2 0.4\n", "0 0.1 0.1 0.5 0.1 0.5 0.6\n"],
            set("labels/a.txt", |root| Source::new("set", Layout::Yolo, root)),
        ),
        text(
            "csv",
            &[
                "film,a,b,patient\na.png,1,0,7\nb.png,0,1,8\n",
                "film;a;b\n\"a.png\";1;0\nb.png;;1\n",
            ],
            set("table.csv", csv),
        ),
        text("toml", &[config], parse),
    ];
    own.into_iter().chain(crate::lists::all()).chain(crate::kept::all()).collect()
}
