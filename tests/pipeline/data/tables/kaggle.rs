//! Tables of boxes and of run-length codes, as Kaggle and VinDr have them.

use std::{fs::write, path::Path};

use crate::films::data_error;
use image::{GrayImage, ImageFormat, Luma};
use mtpret_engine::Error;
use mtpret_pipeline::data::{
    Annotation, BoxLabel, Class, Dataset, Format, Kind, RunLengths, Source, recognise,
};
use tempfile::TempDir;

/// Films `train/{a,b,c}.png` of 8 × 4 pixels, and this table.
fn folder(table: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("train")).unwrap();
    for (at, name) in ["a", "b", "c"].iter().enumerate() {
        let film = GrayImage::from_fn(8, 4, |x, y| Luma([(x * 9 + y + at as u32) as u8]));
        film.save_with_format(dir.path().join(format!("train/{name}.png")), ImageFormat::Png)
            .unwrap();
    }
    write(dir.path().join("t.csv"), table).unwrap();
    dir
}

fn source(dir: &TempDir, format: Format) -> Source {
    let mut source = Source::new("t", format, dir.path());
    source.table = Some("t.csv".into());
    source.path_column = "image_id".into();
    (source.val_share, source.test_share) = (0.0, 0.0);
    source
}

/// A film by its name, and its boxes with their classes.
type Boxes<'a> = (String, Vec<([f32; 4], &'a str)>);

/// The boxes of each film by name, each with its class in words.
fn boxes(set: &Dataset) -> Vec<Boxes<'_>> {
    let mut films: Vec<_> = set
        .train
        .iter()
        .map(|film| {
            let word = |b: &BoxLabel| (b.corners, set.labels.names[b.class].as_str());
            let name = film.path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, film.target.boxes().iter().map(word).collect())
        })
        .collect();
    films.sort_by(|a: &(String, Vec<_>), b| a.0.cmp(&b.0));
    films
}

/// VinDr's columns.
const VINDR: &str = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n\
    a,Nodule/Mass,8,R1,1,1,3,3\na,Effusion,10,R2,2,0.5,7,4\nb,No finding,14,R1,,,,\nc,Effusion,10,R1,0,0,8,4\n";

/// RSNA's.
const RSNA: &str = "patientId,x,y,width,height,Target\n\
    a,1,1,2,2,1\na,4.0,0.0,3.0,4.0,1\nb,,,,,0\nc,0,0,8,4,1\n";

#[test]
fn boxes_stand_in_the_rows_of_a_table() {
    let dir = folder(VINDR);
    let mut source = source(&dir, Format::BoxCsv);
    source.label_columns = vec!["class_name".into()];
    let set = source.read().unwrap();
    assert_eq!(
        (set.labels.kind, set.labels.names.join(", ")),
        (Kind::Boxes, "Effusion, Nodule/Mass".into())
    );
    let [a, b, c] = &boxes(&set)[..] else { panic!("expected three films") };
    assert_eq!(a.1, [([1.0, 1.0, 3.0, 3.0], "Nodule/Mass"), ([2.0, 0.5, 7.0, 4.0], "Effusion")]);
    assert_eq!((b.1.len(), &c.1[..]), (0, &[([0.0, 0.0, 8.0, 4.0], "Effusion")][..]));
    let Annotation::Boxes { size, .. } = &set.train[0].target else { panic!("boxes") };
    assert_eq!(*size, [8, 4]);
    // The size that the source gives, of films that were reduced since.
    source.size = Some([16, 8]);
    let Annotation::Boxes { size, .. } = &source.read().unwrap().train[0].target else {
        panic!("boxes")
    };
    assert_eq!(*size, [16, 8]);
    let dir = folder(RSNA);
    let mut source = self::source(&dir, Format::BoxCsv);
    source.path_column = "patientId".into();
    source.label_columns = vec!["Target".into()];
    source.classes = vec![Class::new("opacity", &["1"])];
    let set = source.read().unwrap();
    let [a, b, _] = &boxes(&set)[..] else { panic!("expected three films") };
    assert_eq!(a.1, [([1.0, 1.0, 3.0, 3.0], "opacity"), ([4.0, 0.0, 7.0, 4.0], "opacity")]);
    assert_eq!(b.1.len(), 0);
}

#[test]
fn boxes_of_a_table_are_checked_as_all_boxes() {
    let head = "image_id,label,x1,y1,x2,y2\n";
    for (row, wanted) in [
        ("a,n,1,1,9.5,3", "expected a box within the image of 8x4"),
        ("a,n,3,1,1,3", "expected the second corner right of and below the first"),
        ("a,n,1,1,1,3", "expected a box of some width and height"),
        ("a,n,1,inf,2,3", "expected numbers"),
        ("a,n,1,?,2,3", "expected a number as y1, found \"?\""),
        ("a,n,1,,2,3", "expected a number as y1, found \"\""),
        ("a,n,,,,", "expected the box of n, found blanks"),
        ("d,n,1,1,2,3", "expected the film d below"),
        ("../a,n,1,1,2,3", "expected a film below"),
    ] {
        let dir = folder(&format!("{head}b,n,1,1,2,2\n{row}\n"));
        let mut source = source(&dir, Format::BoxCsv);
        source.label_columns = vec!["label".into()];
        let error = data_error(source.read(), dir.path());
        assert!(error.starts_with(&format!("t.csv:3: {wanted}")), "{error}");
    }
    let dir = folder("image_id,a,b,c,d\na,1,1,2,2\n");
    let mut source = source(&dir, Format::BoxCsv);
    assert!(matches!(source.read(), Err(Error::Config { .. })));
    source.box_columns = ["a", "b", "c", "d"].map(String::from).to_vec();
    assert_eq!(boxes(&source.read().unwrap())[0].1, [([1.0, 1.0, 2.0, 2.0], "finding")]);
    source.size = Some([0, 4]);
    assert!(
        data_error(source.read(), dir.path()).contains("expected pixels as sides of the image")
    );
}

/// The rows of the mask of the film `a`.
fn mask(set: &Dataset) -> Vec<String> {
    let film = set.train.iter().find(|film| film.path.ends_with("a.png")).unwrap();
    let mask = film.mask([8, 4]).unwrap();
    mask.chunks(8).map(|row| row.iter().map(u8::to_string).collect()).collect()
}

#[test]
fn run_lengths_count_down_the_columns_from_the_end_of_the_run_before_or_from_one() {
    // Rows 1 and 2 of columns 1 and 2, and the last two columns.
    let wanted = ["00000011", "01100011", "01100011", "00000011"];
    for (code, counted) in
        [("5 2 2 2 13 8", RunLengths::Relative), ("6 2 10 2 25 8", RunLengths::Absolute)]
    {
        let dir = folder(&format!("image_id, EncodedPixels\na,{code}\nb,-1\nc,\n"));
        let mut source = source(&dir, Format::RleCsv);
        let set = source.read().unwrap();
        assert_eq!(
            (set.labels.kind, set.train.len(), mask(&set)),
            (Kind::Mask, 3, wanted.map(String::from).to_vec())
        );
        source.rle = Some(counted);
        assert_eq!(mask(&source.read().unwrap()), wanted);
    }
    // Several rows of a film are one mask; a long run fills columns from within one into another.
    let dir = folder("image_id,rle\na,3 10\na,29 2\nb,-1\n");
    let mut source = source(&dir, Format::RleCsv);
    source.rle = Some(RunLengths::Relative);
    assert_eq!(mask(&source.read().unwrap()), ["01110000", "01100001", "01100001", "11100000"]);
}

#[test]
fn run_lengths_that_are_none_or_may_be_either_are_errors() {
    for (code, wanted) in [
        ("30 3", "expected runs, one behind the other, within 8x4 pixels, found \"30 3\""),
        ("1 0", "expected runs, one behind the other, within 8x4 pixels"),
        ("1 2 3", "expected pairs of whole numbers, found \"1 2 3\""),
        ("1 x", "expected pairs of whole numbers"),
        ("18446744073709551615 2", "expected runs, one behind the other"),
    ] {
        let dir = folder(&format!("image_id,m\nb,1 2\na,{code}\n"));
        let mut source = source(&dir, Format::RleCsv);
        (source.rle, source.rle_column) = (Some(RunLengths::Relative), Some("m".into()));
        let error = data_error(source.read(), dir.path());
        assert!(error.starts_with(&format!("t.csv:3: {wanted}")), "{error}");
    }
    let dir = folder("image_id,EncodedPixels\na,1 2\n");
    let either = source(&dir, Format::RleCsv).read().unwrap_err();
    assert!(
        matches!(either, Error::Config { .. }) && either.to_string().contains("both do"),
        "{either}"
    );
}

/// The one set that is found, and what it is.
fn found(folder: &Path) -> (Source, String) {
    let [one] = &recognise(folder).unwrap()[..] else { panic!("expected one set") };
    (one.source.clone(), one.what.clone())
}

#[test]
fn tables_of_marks_are_found() {
    let (vindr, what) = found(folder(VINDR).path());
    assert_eq!(
        (vindr.format, vindr.label_columns.join(" ")),
        (Some(Format::BoxCsv), "class_name".into())
    );
    assert!(what.starts_with("a table, t.csv: boxes"), "{what}");
    let (rsna, _) = found(folder(RSNA).path());
    assert_eq!(
        (rsna.format, rsna.classes),
        (Some(Format::BoxCsv), vec![Class::new("Target", &["1", "1.0"])])
    );
    let (siim, what) = found(folder("ImageId, EncodedPixels\na,5 2 2 2 13 8\nb,-1\nc,-1\n").path());
    assert_eq!((siim.format, &siim.path_column[..]), (Some(Format::RleCsv), "ImageId"));
    assert!(what.starts_with("a table, t.csv: run-length codes of masks"), "{what}");
    // As TOML and back.
    let text = toml::to_string(&siim).unwrap();
    assert!(text.contains("format = \"rle_csv\""), "{text}");
    assert_eq!(toml::from_str::<Source>(&text).unwrap(), siim);
}

#[test]
fn tables_of_marks_may_say_patients_and_parts_and_several_readers_are_told() {
    // Several readers of `b` saw nothing on it.
    let table = "image_id,class_name,rad_id,who,part,x_min,y_min,x_max,y_max\n\
        a,Mass,R1,p1,train,1,1,3,3\na,Mass,R2,p1,train,1,1,3,4\n\
        b,No finding,R1,p1,train,,,,\nb,No finding,R2,p1,train,,,,\nc,Mass,R3,p2,test,0,0,8,4\n";
    let dir = folder(table);
    let mut source = source(&dir, Format::BoxCsv);
    source.label_columns = vec!["class_name".into()];
    source.patient_column = Some("who".into());
    source.split_column = Some("part".into());
    let set = source.read().unwrap();
    let patients = |films: &[mtpret_pipeline::data::Sample]| {
        films.iter().map(|film| film.patient.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (patients(&set.train), patients(&set.test)),
        (vec!["p1".into(); 2], vec!["p2".into()])
    );
    let warned = set.warnings.join("\n");
    assert!(warned.contains("several readers on 1 of the films"), "{warned}");
    assert!(warned.contains("only = { rad_id = "), "{warned}");
    let two = folder(&table.replace("a,Mass,R2,p1,train", "a,Mass,R2,p9,test"));
    let error =
        Source { root: two.path().into(), ..source.clone() }.read().unwrap_err().to_string();
    assert!(error.contains("t.csv:3") && error.contains("the film's first row says"), "{error}");
    source.only.insert("rad_id".into(), "R1".into());
    let set = source.read().unwrap();
    let found = boxes(&set);
    assert_eq!(
        (found.len(), found[0].1.len(), set.warnings.len()),
        (2, 1, 0),
        "{:?}",
        set.warnings
    );
}
