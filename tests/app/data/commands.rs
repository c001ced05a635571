//! `mtpret data` as people type it.

use std::{
    fs::{copy, read_to_string, write},
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use serde_json::Value;

use crate::films::{chexpert, classes, dicom, film, films};
use image::{GrayImage, ImageFormat};
use std::io::Cursor;

/// `mtpret data …`: its exit code, what it prints, and what it says beside.
pub fn data(words: &[&str], paths: &[&Path]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("mtpret").unwrap();
    let output = command.arg("data").args(words).args(paths).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, err)
}

/// Class folders in parts, as [`classes`] makes them, under names that no known set has.
fn whole() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("chest");
    classes(&root);
    for part in ["train", "val", "test"] {
        for (class, name) in [("NORMAL", "well"), ("PNEUMONIA", "ill")] {
            std::fs::rename(root.join(part).join(class), root.join(part).join(name)).unwrap();
        }
    }
    (dir, root)
}

#[test]
fn check_ends_well_on_a_whole_set_and_with_1_on_a_faulty_one() {
    let (dir, root) = whole();
    let page = dir.path().join("check.html");
    let (code, out, err) = data(&["check"], &[&root, Path::new("--html"), &page]);
    assert_eq!((code, err.contains("0 errors, 0 warnings, 0 notes")), (0, true), "{out}{err}");
    assert!(read_to_string(&page).unwrap().contains(">Data sets</h2>"));

    let film = films("test/NORMAL")[0].clone();
    copy(&film, root.join("train/well/copy.jpeg")).unwrap();
    copy(&film, root.join("test/well/film.jpeg")).unwrap();
    write(root.join("val/well/cut.jpeg"), &std::fs::read(&film).unwrap()[..900]).unwrap();
    let (code, out, err) = data(&["check"], &[&root, Path::new("--html"), &page]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("same film in two parts") && out.contains("val/well/cut.jpeg"), "{out}");
    assert!(err.contains("2 errors"), "{err}");
    let text = read_to_string(&page).unwrap();
    assert!(text.contains("data:image/png") && text.contains("unreadable film"), "no pictures");

    let (code, out, _) = data(&["check", "--json"], &[&root]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, json["findings"].as_array().unwrap().len()), (1, 2));
    let same = json["findings"].as_array().unwrap().iter().find(|f| f["other"].is_string());
    assert_eq!(same.unwrap()["level"], "error");
}

#[test]
fn check_says_that_folders_share_a_patient_until_a_configuration_divides_again() {
    let (dir, root) = whole();
    for (part, film) in [("train", 0), ("test", 1)] {
        let to = root.join(part).join(format!("well/person7777_virus_{film}.jpeg"));
        copy(&films("test/NORMAL")[film], to).unwrap();
    }
    let (code, out, err) = data(&["check"], &[&root]);
    assert!(code == 1 && out.contains("person7777 in one part, found it in train"), "{out}{err}");
    let config = dir.path().join("mine.toml");
    write(&config, data(&["detect"], &[&root]).1).unwrap();
    let (code, out, err) = data(&["check"], &[&config]);
    assert!(code == 0 && out.contains("here the films are divided again"), "{out}{err}");
}

/// A configuration with `[moco]` is of stage 1, which sees all films of its sources.
#[test]
fn check_of_two_configurations_says_which_test_films_stage_1_sees() {
    let (dir, root) = whole();
    let all = dir.path().join("all");
    std::fs::create_dir(&all).unwrap();
    let test = root.join("test/well").read_dir().unwrap().next().unwrap().unwrap().path();
    copy(&test, all.join("a.jpeg")).unwrap();
    copy(&films("test/PNEUMONIA")[0], all.join("b.jpeg")).unwrap();
    let [first, second] = ["pretrain.toml", "finetune.toml"].map(|name| dir.path().join(name));
    write(&first, data(&["detect"], &[&all]).1 + "[moco]\nqueue = 8\n").unwrap();
    write(&second, data(&["detect"], &[&root]).1).unwrap();
    let (code, out, err) = data(&["check"], &[&first, &second]);
    assert!(code == 0 && err.contains("0 errors, 1 warning"), "{out}{err}");
    assert!(out.contains("test film in pretraining") && out.contains("a.jpeg"), "{out}");
}

#[test]
fn splits_are_written_and_verified_and_a_changed_film_is_named() {
    let (dir, root) = whole();
    let file = dir.path().join("splits.csv");
    let (code, _, err) =
        data(&["splits", "--preset", "70/10/20"], &[&root, Path::new("-o"), &file]);
    assert!(code == 0 && err.contains("28 train, 4 val, 8 test"), "{err}");
    let again = data(&["splits", "--preset", "70/10/20"], &[&root]).1;
    assert_eq!(again, read_to_string(&file).unwrap());
    let other = data(&["splits", "--preset", "70/10/20", "--seed", "5"], &[&root]).1;
    assert_ne!(again, other);
    let verify = || data(&["splits", "--verify"], &[&file, &root]);
    let (code, out, err) = verify();
    assert!(code == 0 && out.contains("28 train, 4 val, 8 test, every film as"), "{out}{err}");

    let first = again.lines().nth(1).unwrap().split(',').next().unwrap();
    let mut bytes = std::fs::read(root.join(first)).unwrap();
    bytes.push(0);
    write(root.join(first), bytes).unwrap();
    let (code, _, err) = verify();
    assert!(code == 1 && err.contains(first) && err.contains("found other bytes"), "{err}");
    // So says whoever trains on it.
    let mut source =
        mtpret_pipeline::data::Source::new("chest", mtpret_pipeline::data::Format::Folder, &root);
    source.splits = Some(file);
    let error = source.read().unwrap_err().to_string();
    assert!(error.contains(first) && error.contains("written for"), "{error}");
}

#[test]
fn splits_keep_copies_together_and_take_the_sets_own_division_on_request() {
    let (_dir, root) = whole();
    let part = |table: &str, film: &str| {
        let row = table.lines().find(|line| line.starts_with(film));
        row.unwrap_or_else(|| panic!("{film} is not in\n{table}"))
            .split(',')
            .nth(1)
            .unwrap()
            .to_string()
    };
    // A copy of each test film among the training films of the other class.
    let mut names = Vec::new();
    for film in root.join("test/well").read_dir().unwrap().map(|e| e.unwrap().path()) {
        let name = film.file_name().unwrap().to_str().unwrap().to_string();
        copy(&film, root.join(format!("train/well/copy-of-{name}"))).unwrap();
        names.push(name);
    }
    let (code, table, err) = data(&["splits", "--preset", "60/20/20"], &[&root]);
    assert_eq!(code, 0, "{err}");
    for name in &names {
        let [one, other] = [format!("test/well/{name}"), format!("train/well/copy-of-{name}")]
            .map(|f| part(&table, &f));
        assert_eq!(one, other, "{name}");
    }
    let (code, table, err) = data(&["splits", "--official"], &[&root]);
    assert_eq!(code, 0, "{err}");
    assert!(
        table.lines().skip(1).all(|row| row.starts_with(row.split(',').nth(1).unwrap())),
        "{table}"
    );
    std::fs::remove_dir_all(root.join("val")).unwrap();
    std::fs::remove_dir_all(root.join("test")).unwrap();
    let (code, _, err) = data(&["splits", "--official"], &[&root]);
    assert!(code == 1 && err.contains("expected a division of the set's own"), "{err}");
}

#[test]
fn an_official_division_that_shares_a_patient_is_written_with_a_warning_and_read_on_request() {
    let (dir, root) = whole();
    for (part, film) in [("train", 0), ("test", 1)] {
        let to = root.join(part).join(format!("well/person7777_virus_{film}.jpeg"));
        copy(&films("test/NORMAL")[film], to).unwrap();
    }
    let file = dir.path().join("official.csv");
    let (code, _, err) = data(&["splits", "--official"], &[&root, Path::new("-o"), &file]);
    assert!(code == 0 && err.contains("1 patients in two parts"), "{err}");
    let mut source =
        mtpret_pipeline::data::Source::new("chest", mtpret_pipeline::data::Format::Folder, &root);
    source.splits = Some(file);
    for split in [mtpret_pipeline::data::Split::Given, mtpret_pipeline::data::Split::Patient] {
        source.split = split;
        let error = source.read().unwrap_err().to_string();
        assert!(error.contains("expected patient person7777 in one part"), "{error}");
    }
    source.split = mtpret_pipeline::data::Split::Unchecked;
    assert_eq!(source.read().unwrap().test.len(), 11);
}

/// Table I of the paper: 80/10/10 for its own tasks, 70/10/20 for NIH's films, CheXpert and DeepCovid as published.
#[test]
fn the_papers_proportions_are_the_default() {
    let parts = |folder: &Path| {
        let (code, table, err) = data(&["splits"], &[folder]);
        assert_eq!(code, 0, "{err}");
        ["train", "val", "test"].map(|part| table.matches(&format!(",{part},")).count())
    };
    let dir = tempfile::tempdir().unwrap();
    let kermany = dir.path().join("kermany");
    classes(&kermany);
    assert_eq!(parts(&kermany), [32, 4, 4]);
    let nih = dir.path().join("nih");
    let mut table = "Image Index,Finding Labels,Follow-up #,Patient ID\n".to_string();
    for patient in 1..=40 {
        film(&nih.join(format!("images/{patient:08}_000.png")), patient);
        table += &format!("{patient:08}_000.png,No Finding,0,{patient}\n");
    }
    write(nih.join("Data_Entry_2017.csv"), table).unwrap();
    assert_eq!(parts(&nih), [28, 4, 8]);
    let chexpert = chexpert("CheXpert");
    assert_eq!(parts(&chexpert.path().join("CheXpert")), [9, 1, 1]);
}

#[test]
fn show_is_a_table_of_how_films_are_read() {
    let dir = tempfile::tempdir().unwrap();
    dicom::write(dicom::object("MONOCHROME1"), &dir.path().join("a.dcm"));
    film(&dir.path().join("b.jpg"), 9);
    write(dir.path().join("c.png"), "").unwrap();
    let (code, out, err) = data(&["show"], &[dir.path()]);
    assert!(code == 1 && err.contains("1 could not be read"), "{err}");
    let rows: Vec<&str> = out.lines().skip(2).collect();
    assert!(rows[0].contains("DICOM Explicit VR Little Endian MONOCHROME1"), "{out}");
    assert!(rows[1].contains("PNG") && rows[1].ends_with("read"), "{out}");
    assert!(rows[2].contains("found an empty file"), "{out}");
}

#[test]
fn show_writes_films_of_one_name_under_names_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["dark", "bright"].map(|name| dir.path().join(name));
    for (folder, grey) in folders.iter().zip([7, 9]) {
        std::fs::create_dir(folder).unwrap();
        film(&folder.join("a.png"), grey);
    }
    let seen = dir.path().join("seen");
    let [dark, bright] = &folders;
    let (code, out, err) = data(&["show", "--json"], &[dark, bright, Path::new("-o"), &seen]);
    assert_eq!((code, err.as_str()), (0, ""));
    for (line, name) in out.lines().zip(["a.png.png", "a.png-2.png"]) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["picture"].as_str().map(Path::new), Some(&*seen.join(name)));
        let picture = image::open(seen.join(name)).unwrap().to_luma16();
        let brightest = picture.pixels().map(|pixel| pixel.0[0]).max().unwrap();
        assert_eq!(f64::from(brightest), 257.0 * line["brightest"].as_f64().unwrap());
    }
    assert_eq!(seen.read_dir().unwrap().count(), 2);
}

#[test]
fn every_command_teaches_with_an_example() {
    for command in ["detect", "check", "splits", "show"] {
        let (code, out, _) = data(&[command, "--help"], &[]);
        assert!(code == 0 && out.contains(&format!("mtpret data {command} ")), "{out}");
    }
    assert!(data(&["--help"], &[]).1.contains("mtpret data detect"));
}

/// Files of a few bytes that claim gigabytes, read where a tenth of one may be had.
#[test]
#[cfg(target_os = "linux")]
fn a_lying_header_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let mut png = Cursor::new(Vec::new());
    GrayImage::new(40, 32).write_to(&mut png, ImageFormat::Png).unwrap();
    for side in [20_000u32, 1 << 31] {
        let mut lying = png.get_ref().clone();
        for at in [16, 20] {
            lying[at..at + 4].copy_from_slice(&side.to_be_bytes());
        }
        put(&format!("{side}.png"), &lying);
    }
    let mut bmp = Cursor::new(Vec::new());
    GrayImage::new(40, 32).write_to(&mut bmp, ImageFormat::Bmp).unwrap();
    let mut lying = bmp.into_inner();
    for at in [18, 22] {
        lying[at..at + 4].copy_from_slice(&20_000u32.to_le_bytes());
    }
    put("20000.bmp", &lying);
    let path = folder.path().join("film.dcm");
    dicom::write(dicom::object("MONOCHROME2"), &path);
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let pixels = whole.windows(4).position(|tag| tag == [0xe0, 0x7f, 0x10, 0]).unwrap();
    // A private element of four gigabytes before the pixels, and pixels of that many.
    let private = [&[9, 0, 0x10, 0][..], b"OB\0\0", &0xffff_fff0u32.to_le_bytes()].concat();
    put("private.dcm", &[&whole[..pixels], &private, &whole[pixels..]].concat());
    let mut lying = whole;
    lying[pixels + 8..pixels + 12].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    put("pixels.dcm", &lying);
    let script =
        format!("ulimit -v 400000; exec {} data show \"$0\"", env!("CARGO_BIN_EXE_mtpret"));
    let shown =
        std::process::Command::new("sh").args(["-c", &script]).arg(folder.path()).output().unwrap();
    let [out, err] = [shown.stdout, shown.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(shown.status.code(), Some(1), "{out}{err}");
    assert!(err.contains("5 could not be read"), "{out}{err}");
}
