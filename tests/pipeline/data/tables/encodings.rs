//! Texts in every encoding, and ids, numbers and names as they are written.

use std::{fs::write, path::Path};

use crate::data::annotated::{coco, coco_source, voc, voc_source};
use crate::films::{data_error, film};
use mtpret_pipeline::data::{AnnotationShape, Format, Sample, Source};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Bytes of a text in UTF-16, little end first, after its mark.
fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Bytes of a text in Latin-1.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// The ways in which a text may be marked.
fn marked(text: &str) -> [Vec<u8>; 3] {
    let big = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    [format!("\u{feff}{text}").into_bytes(), utf16(text), big]
}

/// Four films with a table of these bytes.
fn table(bytes: &[u8]) -> (TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    ["a", "b", "c", "d"].iter().for_each(|name| film(&dir.path().join(format!("{name}.png")), 1));
    write(dir.path().join("t.csv"), bytes).unwrap();
    let mut source = Source::new("t", Format::Csv, dir.path());
    source.table = Some("t.csv".into());
    source.label_columns = vec!["label".into()];
    (source.val_share, source.test_share) = (0.0, 0.0);
    (dir, source)
}

/// Films `images/{a,b}.png`, the first with this text, and a description of the set.
pub fn yolo(text: impl AsRef<[u8]>, yaml: impl AsRef<[u8]>) -> (TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    ["a", "b"].iter().for_each(|name| film(&dir.path().join(format!("images/{name}.png")), 1));
    std::fs::create_dir(dir.path().join("labels")).unwrap();
    write(dir.path().join("labels/a.txt"), text).unwrap();
    write(dir.path().join("data.yaml"), yaml).unwrap();
    let mut source = Source::new("y", Format::Yolo, dir.path());
    (source.val_share, source.test_share) = (0.0, 0.0);
    (dir, source)
}

fn names(source: &Source) -> Vec<String> {
    source.read().unwrap().labels.names
}

/// The class of the first box of the film `a`.
fn class(films: &[Sample]) -> usize {
    films.iter().find(|film| film.path.ends_with("a.png")).unwrap().target.boxes()[0].class
}

#[test]
fn a_byte_order_mark_says_how_a_text_is_read() {
    let text = "path,label\na.png,Läsion\nb.png,Lösion\nc.png,frei\nd.png,frei\n";
    for bytes in marked(text) {
        let (_dir, source) = table(&bytes);
        assert_eq!(names(&source), ["Läsion", "Lösion", "frei"]);
    }
    for bytes in marked(&coco().to_string()) {
        let (dir, source) = coco_source(&coco());
        write(dir.path().join("all.json"), bytes).unwrap();
        assert_eq!(names(&source), ["latent", "active"]);
    }
    let words = marked("1 0.5 0.5 0.2 0.2\n").into_iter().zip(marked("names: [größe, Maß]\n"));
    for (text, yaml) in words {
        let (dir, source) = yolo(text, yaml);
        let set = source.read().unwrap();
        assert_eq!((set.labels.names, class(&set.train)), (vec!["größe".into(), "Maß".into()], 1));
        write(dir.path().join("classes.txt"), utf16("eins\r\nzwei\r\n")).unwrap();
        assert_eq!(names(&source), ["eins", "zwei"]);
    }
    for bytes in marked(&voc(&[("größe", [1.0, 1.0, 5.0, 5.0])])) {
        let (dir, source) = voc_source("");
        write(dir.path().join("xml/a.xml"), bytes).unwrap();
        assert_eq!(names(&source), ["größe"]);
    }
}

#[test]
fn what_is_neither_marked_nor_utf8_is_refused_with_its_line() {
    let text = "path,label\na.png,frei\nb.png,Läsion\nc.png,Lösion\nd.png,frei\n";
    let mend =
        "save it as UTF-8 (in a spreadsheet \"CSV UTF-8\", in an editor \"Save with encoding\")";
    let refused = |(dir, source): (TempDir, Source), place: &str| {
        let error = data_error(source.read(), dir.path());
        assert!(error.starts_with(place) && error.ends_with(mend), "{error}");
    };
    refused(table(&latin1(text)), "t.csv:3: expected a text in UTF-8, found the byte 0xe4");
    let bare = utf16(text)[2..].to_vec();
    refused(table(&bare), "t.csv:1: expected a text in UTF-8, found");
    let zeros = utf16("path,label\na.png,x\nb.png,y\n")[2..].to_vec();
    refused(table(&zeros), "t.csv:1: expected a text in UTF-8, found a byte of zero");
    let half = &utf16(text)[..utf16(text).len() - 1];
    refused(table(half), "t.csv: expected a text in UTF-16LE, found bytes that are none");
    let wide = [&[0xff, 0xfe, 0, 0][..], b"p\0\0\0"].concat();
    refused(table(&wide), "t.csv: expected a text in UTF-8, found one in UTF-32");
    let yaml = "names: [a, b]";
    refused(yolo("0 .5 .5 .2 .2", latin1("names:\n- a\n- ö")), "data.yaml:3: expected a text in");
    refused(yolo(b"\n0 \xa0.5 .5 .2 .2", yaml), "labels/a.txt:2: expected a text in UTF-8");
    let (dir, source) = coco_source(&coco());
    write(dir.path().join("all.json"), latin1("{\n\"größe\": 1}")).unwrap();
    refused((dir, source), "all.json:2: expected a text in UTF-8");
    let (dir, source) = voc_source("");
    write(dir.path().join("xml/a.xml"), latin1(&voc(&[("größe", [1.0, 1.0, 5.0, 5.0])]))).unwrap();
    refused((dir, source), "xml/a.xml:4: expected a text in UTF-8");
}

#[test]
fn xml_is_read_in_the_encoding_that_it_declares() {
    let body = voc(&[("größe", [1.0, 1.0, 5.0, 5.0])]);
    let declared = |word: &str| format!("<?xml version=\"1.0\" encoding=\"{word}\"?>\n{body}");
    let quoted = declared("iso-8859-1").replacen("\"iso-8859-1\"", "'iso-8859-1'", 1);
    let doctype = declared("UTF-8").replace("?>", "?>\n<!DOCTYPE annotation SYSTEM \"voc.dtd\">");
    let elements = doctype.replace("SYSTEM \"voc.dtd\"", "[<!ELEMENT annotation ANY>]");
    for bytes in [
        latin1(&declared("ISO-8859-1")),
        latin1(&declared("windows-1252")),
        latin1(&quoted),
        declared("utf-8").into_bytes(),
        utf16(&declared("UTF-16")),
        utf16(&declared("UTF-16"))[2..].to_vec(),
        // Saved anew by a program that left the declaration as it was.
        declared("UTF-16").into_bytes(),
        doctype.into_bytes(),
        elements.into_bytes(),
    ] {
        let (dir, source) = voc_source("");
        write(dir.path().join("xml/a.xml"), bytes).unwrap();
        assert_eq!(names(&source), ["größe"]);
    }
    let refused = |bytes: &[u8], wanted: &str| {
        let (dir, source) = voc_source("");
        write(dir.path().join("xml/a.xml"), bytes).unwrap();
        let error = data_error(source.read(), dir.path());
        assert!(error.starts_with(wanted), "{error}");
    };
    refused(declared("klingon").as_bytes(), "xml/a.xml:1: expected an encoding that is known");
    refused(&latin1(&declared("us-ascii")), "xml/a.xml:5: expected a text in UTF-8");
    let many = "<!DOCTYPE a [\n<!ENTITY b \"bbbbbbbb\">]><annotation>&b;&b;&b;</annotation>";
    refused(many.as_bytes(), "xml/a.xml:2: expected XML, found entities of its own");
}

/// The error of the set `coco` after a change.
fn coco_error(change: impl Fn(&mut Value)) -> String {
    let mut json = coco();
    change(&mut json);
    let (dir, source) = coco_source(&json);
    data_error(source.read(), dir.path())
}

#[test]
fn ids_are_the_same_as_whole_numbers_and_with_a_point() {
    let mut json = coco();
    json["images"][0]["id"] = json!(7.0);
    json["categories"][1]["id"] = json!(1.0);
    json["annotations"][0]["image_id"] = json!(7);
    let (_dir, source) = coco_source(&json);
    let set = source.read().unwrap();
    assert_eq!(class(&set.train), 1);
    let twice = coco_error(|json| json["images"][1]["id"] = json!(7.0));
    assert!(
        twice.starts_with("all.json: images[1]: expected an id of its own, found 7"),
        "{twice}"
    );
    let words = coco_error(|json| json["images"][1]["id"] = json!(1.5));
    assert!(
        words.contains("images[1]: expected a whole number or text as id, found 1.5"),
        "{words}"
    );
    // Two numbers beyond what JSON's readers hold apart would be one.
    let large = coco_error(|json| json["images"][1]["id"] = json!(1e20));
    assert!(large.contains("images[1]: expected a whole number or text as id"), "{large}");
}

#[test]
fn a_crowd_is_one_however_it_is_said() {
    for crowd in [json!(1), json!(1.0), json!(true)] {
        let error = coco_error(|json| json["annotations"][0]["iscrowd"] = crowd.clone());
        assert!(error.contains("expected a box around one thing, found a crowd"), "{error}");
    }
    for alone in [json!(0), json!(0.0), json!(false), Value::Null] {
        let mut json = coco();
        json["annotations"][0]["iscrowd"] = alone;
        assert_eq!(coco_source(&json).1.read().unwrap().train[0].target.boxes().len(), 1);
    }
    let odd = coco_error(|json| json["annotations"][0]["iscrowd"] = json!("yes"));
    assert!(odd.contains("expected 0 or 1 as iscrowd, found \"yes\""), "{odd}");
    let null = coco_error(|json| json["annotations"][0]["bbox"] = Value::Null);
    assert!(null.contains("annotations[0]: expected a value as bbox, found null"), "{null}");
}

#[test]
fn the_keys_of_yolos_names_are_the_numbers_of_the_classes() {
    let box_of = |number: usize| format!("{number} 0.5 0.5 0.2 0.2\n");
    for (yaml, number, order, at) in [
        ("names:\n  1: nodule\n  2: mass\n", 1, ["nodule", "mass"], 0),
        ("names:\n  1: mass\n  0: nodule\n", 0, ["nodule", "mass"], 0),
        ("names: {'3': mass, '0': nodule}", 3, ["nodule", "mass"], 1),
        ("nc: 2\nnames: [nodule, mass]", 1, ["nodule", "mass"], 1),
    ] {
        let set = yolo(box_of(number), yaml).1.read().unwrap();
        assert_eq!(
            (set.labels.names.as_slice(), class(&set.train)),
            (&order.map(String::from)[..], at)
        );
    }
    for (yaml, number, wanted) in [
        ("names:\n  1: nodule\n  2: mass\n", 0, "labels/a.txt:1: expected a class from 1 to 2"),
        ("names:\n  x: nodule\n", 0, "data.yaml: expected whole numbers as keys of names"),
        ("names:\n  -1: nodule\n", 0, "data.yaml: expected whole numbers as keys of names"),
        ("names: {0: a, '0': b}", 0, "data.yaml: expected each number of names once"),
        ("nc: 3\nnames: [a, b]", 0, "data.yaml: expected nc: 2 as there are names, found nc: 3"),
        ("names: [a, ~]", 0, "data.yaml: expected a word for each class of names"),
    ] {
        let (dir, source) = yolo(box_of(number), yaml);
        let error = data_error(source.read(), dir.path());
        assert!(error.starts_with(wanted), "{error}");
    }
}

#[test]
fn yolos_boxes_and_outlines_are_shares_for_boxes_and_for_masks() {
    for (line, wanted) in [
        ("0 24 20 10 10", "a box in shares of the sides from 0 to 1"),
        ("0 nan 0.5 0.2 0.2", "numbers"),
        ("0 0.5 0.5 inf 0.2", "numbers"),
        ("0 0.5 0.5 -0.2 0.2", "the second corner right of and below the first"),
        ("0 0.5 0.5 0 0.2", "a box of some width and height"),
        ("0 0.95 0.5 0.2 0.2", "a box in shares of the sides from 0 to 1"),
        ("0 .1 .1 .5 .1 .5 1.2", "an outline in shares of the sides from 0 to 1"),
        ("0 -.1 .1 .5 .1 .5 .2", "an outline in shares of the sides from 0 to 1"),
        ("0 .1 .1 .5 .1 .5 nan", "an outline in shares of the sides from 0 to 1"),
        ("0 10 10 50 10 50 40", "an outline in shares of the sides from 0 to 1"),
        ("0 .1 .1 .5 .1 .9 .1", "an outline of some width and height"),
        ("0 .1 .1 .5 .1 .9", "a box of four numbers, or an outline, found a fifth number, 0.9"),
        ("0 .1 .1 .5 .1 .5 .9 .9", "x and y of three corners or more"),
    ] {
        for shape in [AnnotationShape::Boxes, AnnotationShape::Mask] {
            let (dir, mut source) = yolo(format!("\n{line}\n"), "names: [a, b]");
            source.shape = shape;
            let error = data_error(source.read(), dir.path());
            assert!(error.starts_with(&format!("labels/a.txt:2: expected {wanted}")), "{error}");
        }
    }
    // Some tools write all columns as fractions.
    let (_dir, source) = yolo("1.0 0.5 0.5 0.2 0.2\n", "names: [a, b]");
    assert_eq!(source.read().unwrap().train[0].target.boxes()[0].class, 1);
    let (_dir, mut source) = yolo("0 0.9 0.5 0.2001 0.2\n1 0 0 1 0 1 1.005\n", "names: [a, b]");
    assert_eq!(source.read().unwrap().train[0].target.boxes()[0].corners[2], 1.0);
    source.shape = AnnotationShape::Mask;
    assert_eq!(source.read().unwrap().train.len(), 2);
}

#[test]
fn yaml_is_bounded_before_it_is_built() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_string();
    for level in 1..12 {
        let again = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{again}]\n");
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1000].join(", "));
    let deep = format!("names: {}\n", "- ".repeat(400_000));
    let large = format!("names: [{}]\n", "x, ".repeat(400_000));
    for (yaml, wanted) in [
        (format!("{bomb}names: [a, b]\n"), "expected a description of at most 8 MiB"),
        (format!("{long}names: [a, b]\n"), "expected a description of at most 8 MiB"),
        (format!("names:\n  {}x", "- ".repeat(1000)), "expected at most 64 lists in one another"),
        (deep, "expected"),
        (large, "expected a text of at most 1048576 bytes"),
        ("names: [a, b\n".into(), "expected YAML"),
    ] {
        let (dir, source) = yolo("0 0.5 0.5 0.2 0.2", &yaml);
        let error = data_error(source.read(), dir.path());
        assert!(error.starts_with("data.yaml") && error.contains(wanted), "{error}");
    }
    let (_dir, source) = yolo("1 0.5 0.5 0.2 0.2", "names: &n [a, b]\nagain: *n");
    assert_eq!(names(&source), ["a", "b"]);
}

#[test]
fn a_name_that_no_table_can_show_is_refused() {
    let name = "x".repeat(70_000);
    let too_long = |error: String| {
        assert!(error.contains("expected a name of at most 1000 letters, found 70000"), "{error}");
    };
    too_long(coco_error(|json| json["categories"][0]["name"] = json!(name)));
    let (dir, source) = voc_source(&voc(&[(&name, [1.0, 1.0, 5.0, 5.0])]));
    too_long(data_error(source.read(), dir.path()));
    let (dir, source) = yolo("0 0.5 0.5 0.2 0.2", format!("names: [{name}, b]"));
    too_long(data_error(source.read(), dir.path()));
    let cells = format!("path,label\na.png,{name}\nb.png,y\nc.png,y\nd.png,y\n");
    let (dir, source) = table(cells.as_bytes());
    too_long(data_error(source.read(), dir.path()));
    let read = |bytes: String| {
        let (dir, source) = table(bytes.as_bytes());
        data_error(source.read(), Path::new(dir.path()))
    };
    let head = read(format!("path,label,{name}\na.png,x,y\n"));
    assert!(head.starts_with("t.csv:1: expected cells of at most 1000 bytes"), "{head}");
    let cell = read(format!("path,label\na.png,x\nb.png,{}\n", "x".repeat(2 << 20)));
    assert!(cell.starts_with("t.csv:3: expected cells of at most 1048576 bytes"), "{cell}");
    let open = read("path,label\na.png,x\nb.png,\"y\nc.png,x\nd.png,y\n".into());
    assert!(open.starts_with("t.csv:3: expected a double quote that is closed"), "{open}");
}
