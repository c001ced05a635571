//! Labels that cannot be read are told by whoever looks at a folder.

use super::commands::data;
use crate::films::film;
use std::{fs, path::Path};

/// Six films, and files beside them.
fn place(texts: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    (0..6).for_each(|n| film(&dir.path().join(format!("images/f{n}.png")), 10 * n + 9));
    for (name, text) in texts {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn check_and_splits_tell_of_labels_that_cannot_be_read() {
    let yolo: Vec<(String, String)> =
        (0..6).map(|n| (format!("labels/f{n}.txt"), "7 0.5 0.5 0.2 0.2\n".into())).collect();
    let mut texts: Vec<(&str, &str)> = vec![("data.yaml", "names: [a, b]\n")];
    texts.extend(yolo.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let coco = r#"{"images": [{"id": 1, "file_name": "f0.png", "width": 2, "height": 2}], "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": 1, "image_id": "1", "category_id": 1, "bbox": [0, 0, 1, 1]}]}"#;
    let table = "path,label\nf0.png,a\nf0.png,b\nf1.png,a\n";
    for (texts, told) in [
        (&texts[..], "labels/f0.txt:1: expected a class from 0 to 1 that has a name, found \"7\""),
        (&[("all.json", coco)], "annotations[0]: expected an image of id \"1\", found none"),
        (&[("t.csv", table)], "t.csv:3: expected each film once"),
        (&[("t.csv", "path\0,label\n")], "found a byte of zero"),
    ] {
        let dir = place(texts);
        let (code, out, err) = data(&["check"], &[dir.path()]);
        assert!(code == 1 && err.contains("found 1 error"), "{out}{err}");
        assert!(out.contains("error: unread labels") && out.contains(told), "{out}");
        let page = dir.path().join("check.html");
        data(&["check"], &[dir.path(), Path::new("--html"), &page]);
        assert!(fs::read_to_string(page).unwrap().contains("unread labels"));
        let (code, _, err) = data(&["splits"], &[dir.path()]);
        assert!(code == 0 && err.contains("warning: ") && err.contains("cannot be read"), "{err}");
    }
    // Beside labels that are read, and where nobody knows whether it holds any, it is a warning.
    let classes: Vec<String> =
        (0..6).map(|n| format!("f{n}.png,{}\n", ["a", "b"][n % 2])).collect();
    let table = format!("path,label\n{}", classes.concat());
    let list = r#"{"images": [{"file_name": "f0.png"}]}"#;
    for texts in [&[("notes.xlsx", "PK")][..], &[("t.csv", table.as_str()), ("all.json", list)]] {
        let dir = place(texts);
        let (code, out, err) = data(&["check"], &[dir.path()]);
        let warned = texts.len() == 2 || out.contains("warning: unread labels");
        assert!(code == 0 && warned, "{out}{err}");
    }
    let (code, out, err) = data(&["check"], &[place(&[]).path()]);
    assert!(code == 0 && !out.contains("unread"), "{out}{err}");
}
