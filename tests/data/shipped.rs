use std::collections::BTreeSet;
use std::path::Path;

use mtpret::data::{Dataset, Format, Kind, Sample, Source, decode, unpack};

use super::{sample, shared_patients};

fn kermany(root: &Path) -> Dataset {
    Source::new("kermany", Format::Folder, root.join("chest_xray")).read().unwrap()
}

fn fracatlas(root: &Path) -> Dataset {
    let mut source = Source::new("fracatlas", Format::Csv, root.join("fracatlas"));
    source.table = Some("manifest.csv".into());
    source.label_columns = vec!["label".into()];
    source.patient_column = Some("patient".into());
    source.split_column = Some("split".into());
    source.read().unwrap()
}

fn balanced(part: &[Sample]) -> bool {
    part.iter().filter(|s| s.target.labels() == [0.0]).count() * 2 == part.len()
}

#[test]
fn the_sample_is_balanced_and_no_patient_is_in_two_parts() {
    for (dataset, names, counts) in [
        (kermany(&sample()), ["NORMAL", "PNEUMONIA"], [420, 104, 174]),
        (fracatlas(&sample()), ["Fractured", "Non_fractured"], [320, 80, 134]),
    ] {
        assert_eq!(dataset.labels.kind, Kind::Classes);
        assert_eq!(dataset.labels.names, names);
        let parts = [&dataset.train, &dataset.val, &dataset.test];
        assert_eq!(parts.map(Vec::len), counts);
        assert!(parts.iter().all(|part| balanced(part)));
        assert_eq!(shared_patients(&dataset), [""; 0]);
    }
}

#[test]
fn every_film_of_the_sample_decodes_and_none_is_there_twice() {
    let mut seen = BTreeSet::new();
    for dataset in [kermany(&sample()), fracatlas(&sample())] {
        for film in dataset.train.iter().chain(&dataset.val).chain(&dataset.test) {
            let decoded = decode(&film.path).unwrap();
            assert_eq!(decoded.width.max(decoded.height), 160);
            let bits: Vec<u8> = decoded.pixels.iter().map(|&v| v as u8).collect();
            assert!(seen.insert(bits), "{} is a copy of another film", film.path.display());
        }
    }
}

#[test]
fn the_sample_is_small_and_its_licences_are_named() {
    fn size(folder: &Path) -> u64 {
        let entries = folder.read_dir().unwrap().map(|e| e.unwrap().path());
        entries.map(|p| if p.is_dir() { size(&p) } else { p.metadata().unwrap().len() }).sum()
    }
    assert!(size(&sample()) <= 5_500_000);
    let licences = std::fs::read_to_string(sample().join("LICENSES.md")).unwrap();
    for word in ["10.17632/rscbjbr9sj", "10.6084/m9.figshare.22363012", "Kermany", "Abedeen"] {
        assert!(licences.contains(word), "{word}");
    }
    assert_eq!(licences.matches("Licence: CC BY 4.0").count(), 2);
}

#[test]
fn the_sample_unpacks_from_the_binary_and_mends_what_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    unpack(dir.path()).unwrap();
    assert_eq!(kermany(dir.path()).train.len(), kermany(&sample()).train.len());
    let kept = dir.path().join("LICENSES.md");
    let cut = dir.path().join("fracatlas/manifest.csv");
    let before = kept.metadata().unwrap().modified().unwrap();
    std::fs::write(&cut, "path").unwrap();
    unpack(dir.path()).unwrap();
    assert_eq!(fracatlas(dir.path()).test.len(), 134);
    assert_eq!(kept.metadata().unwrap().modified().unwrap(), before);
    // A file where a folder should be.
    assert!(unpack(&kept).is_err());
}
