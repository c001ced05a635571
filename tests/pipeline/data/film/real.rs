//! Real films and data sets, where the machine has them.

use std::path::{Path, PathBuf};

use crate::films::{data_error, real, shared_patients};
use mtpret_pipeline::data::{Film, Format, Kind, Source, Split, decode, decode_bytes};

fn decoded(folder: &Path) -> Vec<(PathBuf, Film)> {
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), decode(&path).unwrap())).collect()
}

#[test]
fn real_odd_films_decode() {
    let Some(root) = real("originals") else { return };
    let films = decoded(&root);
    assert_eq!(films.len(), 24);
    for (path, film) in films {
        assert_eq!(film.pixels.len(), film.width * film.height);
        let mean = film.pixels.iter().sum::<f32>() / film.pixels.len() as f32;
        assert!((1.0..254.0).contains(&mean), "{}: mean {mean}", path.display());
    }
}

#[test]
fn real_odd_films_cut_in_half_are_errors() {
    let Some(root) = real("originals") else { return };
    for path in root.read_dir().unwrap().map(|e| e.unwrap().path()) {
        let whole = std::fs::read(&path).unwrap();
        let error = data_error(decode_bytes(&whole[..whole.len() / 2], &path), &root);
        assert!(error.contains("expected a whole"), "{error}");
    }
}

#[test]
fn real_16_bit_films_match_their_published_numbers() {
    let Some(root) = real("png16") else { return };
    let text = std::fs::read_to_string(root.join("groundtruth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for path in root.read_dir().unwrap().map(|e| e.unwrap().path()) {
        let expected = &truth[path.file_name().unwrap().to_str().unwrap()];
        if expected.is_null() {
            continue;
        }
        let film = decode(&path).unwrap();
        let values = || film.pixels.iter().map(|v| (f64::from(*v) * 257.0).round() as u64);
        assert_eq!(expected["shape"], serde_json::json!([film.height, film.width]));
        assert_eq!(expected["min"], values().min().unwrap());
        assert_eq!(expected["max"], values().max().unwrap());
        assert_eq!(expected["sum"], values().sum::<u64>());
        checked += 1;
    }
    assert_eq!(checked, 4);
}

#[test]
fn real_kermany_shares_patients_between_its_parts_until_divided_again() {
    let Some(root) = real("chest_xray") else { return };
    let mut source = Source::new("kermany", Format::Folder, &root);
    let error = data_error(source.read(), &root);
    assert!(error.contains("patient person"), "{error}");
    source.split = Split::Patient;
    let dataset = source.read().unwrap();
    let counts = [&dataset.train, &dataset.val, &dataset.test].map(Vec::len);
    assert_eq!(counts.iter().sum::<usize>(), 700);
    assert!(counts[1].abs_diff(70) <= 4 && counts[2].abs_diff(140) <= 4, "{counts:?}");
    assert_eq!(shared_patients(&dataset), [""; 0]);
    source.split = Split::Unchecked;
    source.test_share = 0.0;
    assert_eq!(source.read().unwrap().val.len(), 100);
}

#[test]
fn real_nih_is_divided_by_patient() {
    let Some(root) = real("NIH1000") else { return };
    let dataset = Source::new("nih", Format::Nih, root).read().unwrap();
    let parts = [&dataset.train, &dataset.val, &dataset.test];
    assert_eq!(parts.iter().map(|p| p.len()).sum::<usize>() + dataset.missing, 724);
    assert_eq!(dataset.missing, 0);
    assert_eq!((dataset.labels.kind, dataset.labels.names.len()), (Kind::Multi, 14));
    assert_eq!(shared_patients(&dataset), [""; 0]);
    // The layout's own folders say whether there is any finding, and are wrong once:
    // 00000193_019.png lies among the normal ones and is listed with a pneumonia.
    let odd = parts.into_iter().flatten().filter(|sample| {
        let normal = sample.path.parent().unwrap().ends_with("0_normal");
        normal == sample.target.labels().contains(&1.0)
    });
    assert_eq!(odd.count(), 1);
}

#[test]
fn real_fracatlas_reads_as_a_folder_per_class() {
    let Some(root) = real("FracAtlas/images") else { return };
    let dataset = Source::new("fracatlas", Format::Folder, root).read().unwrap();
    assert_eq!(dataset.labels.names, ["Fractured", "Non_fractured"]);
    assert_eq!(dataset.train.len() + dataset.val.len() + dataset.test.len(), 542);
    for sample in dataset.train.iter().chain(&dataset.val).chain(&dataset.test) {
        decode(&sample.path).unwrap();
    }
}
