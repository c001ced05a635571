//! Pages and tables that leave the house: without places of this machine, without patients, inert in a spreadsheet and
//! calm on a terminal.

use super::trained;
use crate::commands::{PROGRAM, Place, ended, succeeded};
use std::{ffi::OsStr, fs, process::Command};

fn on<S: AsRef<OsStr>>(place: &Place, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).args(arguments);
    program
}

/// Films in a table with these patients, three films each, in a folder whose name would give somebody away.
fn hospital(patients: &[&str]) -> Place {
    let place = Place::new();
    fs::remove_dir_all(place.path("films")).unwrap();
    let mut rows = String::from("image,label,patient\n");
    for (number, patient) in patients.iter().enumerate() {
        for view in 0..3 {
            let name = format!("v{number}-{view}.png");
            let number = (3 * number + view) as u32;
            place.film(&format!("Dr Grimm/films/{name}"), number, 40 + 80 * (number % 2));
            let label = ["dark", "light"][number as usize % 2];
            rows += &format!("{name},{label},\"{patient}\"\n");
        }
    }
    fs::write(place.path("Dr Grimm/films/table.csv"), rows).unwrap();
    place
}

/// The keys of a source on [`hospital`]'s table.
fn keys(place: &Place) -> [String; 7] {
    let root = place.path("Dr Grimm/films");
    [
        "name=\"pneumonia\"".into(),
        "format=\"csv\"".into(),
        format!("root={root:?}"),
        "table=\"table.csv\"".into(),
        "path_column=\"image\"".into(),
        "label_columns=[\"label\"]".into(),
        "patient_column=\"patient\"".into(),
    ]
}

/// A fine-tuning run on [`hospital`]'s table.
fn trained_there(place: &Place, run: &str) {
    let source = format!("source=[{{{}}}]", keys(place).join(","));
    succeeded(place.stage("finetune", run, &[&source]));
}

/// Holds that a page has none of this machine's places.
fn holds(place: &Place, page: &str) -> String {
    let text = place.text(page);
    let root = place.path("").canonicalize().unwrap().display().to_string();
    for secret in [root.as_str(), place.path("").to_str().unwrap(), "Grimm", "/tmp/", "/home/"] {
        let at = text.find(secret);
        let around =
            at.map(|at| text[at.saturating_sub(60)..].chars().take(140).collect::<String>());
        assert!(at.is_none(), "{page}: {secret} in {around:?}");
    }
    text
}

#[test]
fn pages_name_no_place_and_no_patient_unless_asked_to() {
    let patients: Vec<String> = (0..12).map(|n| format!("MRN-77{n:02}")).collect();
    let place = hospital(&patients.iter().map(String::as_str).collect::<Vec<_>>());
    let here = place.path("").display().to_string();
    let run = |name: &str| {
        trained_there(&place, name);
        place.path(name).display().to_string()
    };
    let runs = [run("Dr Grimm/a/run"), run("Dr Grimm/b/run")];
    let named = |page: &str| patients.iter().any(|patient| page.contains(patient.as_str()));
    let asked = |words: &[&str]| {
        let mut words = words.to_vec();
        words.extend(["-o", "out"]);
        words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };

    succeeded(on(&place, asked(&["report", &runs[0], "--films", "2"])));
    let report = holds(&place, "out/report.html");
    assert!(!named(&report) && report.contains("table.csv"), "{report}");
    succeeded(on(&place, asked(&["report", &runs[0], "--films", "2", "--with-ids"])));
    assert!(place.text("out/report.html").contains("Grimm"));

    succeeded(on(&place, asked(&["runs", "compare", &runs[0], &runs[1]])));
    let compared = holds(&place, "out/compare.html");
    holds(&place, "out/compare.svg");
    assert!(compared.contains("a/run") && compared.contains("b/run"), "{compared}");
    succeeded(on(&place, asked(&["runs", "compare", &runs[0], &runs[1], "--with-ids"])));
    assert!(place.text("out/compare.html").contains(&here));

    // A patient in two parts is named by a digest, the same film twice by its place in its data set.
    fs::copy(place.path("Dr Grimm/films/v0-0.png"), place.path("Dr Grimm/films/v5-1.png")).unwrap();
    let table = place.text("Dr Grimm/films/table.csv");
    let parts = ["part", "train", "val", "test"].into_iter();
    let parts = parts.clone().take(1).chain(parts.skip(1).cycle());
    let split: String =
        table.lines().zip(parts).map(|(line, part)| format!("{line},{part}\n")).collect();
    fs::write(place.path("Dr Grimm/films/table.csv"), split).unwrap();
    let source = keys(&place).join("\n");
    let config = format!("[[source]]\n{source}\nsplit_column=\"part\"\n");
    fs::write(place.path("check.toml"), config).unwrap();
    let check = ["data", "check", "check.toml", "--html", "check.html"];
    ended(on(&place, check), 1);
    let page = holds(&place, "check.html");
    assert!(page.contains("patient #") && page.contains("v5-1.png") && !named(&page), "{page}");
    ended(on(&place, check.iter().chain(&["--with-ids"])), 1);
    assert!(named(&place.text("check.html")));
}

#[test]
#[cfg(unix)]
fn a_runs_tables_are_inert_and_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let patients = ["=1+2", "@a", "-b", "+c", "'=d", "e", "f", "g", "h", "i"];
    let place = hospital(&patients);
    trained_there(&place, "run");
    let mut divide = on(&place, ["data", "splits", "Dr Grimm/films", "-o", "splits.csv"]);
    divide.args(["--preset", "60/20/20"]);
    succeeded(divide);
    for name in ["run/films.csv", "run/targets.csv", "run/predictions.csv", "splits.csv"] {
        for row in csv::Reader::from_path(place.path(name)).unwrap().records() {
            for cell in &row.unwrap() {
                let formula = cell.starts_with(['=', '+', '-', '@']);
                assert!(!formula || cell.parse::<f64>().is_ok(), "{name}: {cell}");
            }
        }
        let mode = place.path(name).metadata().unwrap().permissions().mode() & 0o777;
        assert!(!name.starts_with("run/") || mode == 0o600, "{name}: {mode:o}");
    }
    let list = place.path("run/films.begun.txt").metadata().unwrap();
    assert_eq!(list.permissions().mode() & 0o777, 0o600);
    // The same division, read back by its own films.
    let verify = ["data", "splits", "Dr Grimm/films", "--verify", "splits.csv"];
    succeeded(on(&place, verify));
    succeeded(on(&place, ["report", "run", "--films", "0"]));
}

#[test]
#[cfg(unix)]
fn names_do_not_steer_a_terminal() {
    let place = Place::new();
    let evil = "films/dark/\u{1b}[2Jred\u{7}.png";
    fs::write(place.path(evil), "no film").unwrap();
    for words in [
        &["data", "check", "films"][..],
        &["data", "show", "films"],
        &["data", "show", evil],
        &["inspect", evil],
        &["runs", "list", evil],
        &["data", "detect", "\u{1b}[2J"],
    ] {
        let output = on(&place, words).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains(['\u{1b}', '\u{7}']), "{words:?}: {said:?}");
        assert!(said.contains("\\x1b[2J") && !said.contains("panicked"), "{words:?}: {said:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_are_no_unicode_are_no_panic() {
    use std::os::unix::ffi::OsStrExt;
    let place = trained("classes");
    let odd = OsStr::from_bytes(b"films/dark/f\xff.png");
    fs::copy(place.path("films/dark/d0.png"), place.0.path().join(odd)).unwrap();
    let run = OsStr::from_bytes(b"run\xff");
    let films = OsStr::from_bytes(b"set\xff");
    fs::rename(place.path("classes"), place.0.path().join(run)).unwrap();
    fs::create_dir(place.0.path().join(films)).unwrap();
    for class in ["dark", "light"] {
        let to = place.0.path().join(films).join(class);
        fs::create_dir(&to).unwrap();
        for film in fs::read_dir(place.path("films").join(class)).unwrap() {
            let film = film.unwrap();
            fs::copy(film.path(), to.join(film.file_name())).unwrap();
        }
    }
    let word = OsStr::new;
    let json = word("--json");
    for (words, code) in [
        (vec![word("data"), word("show"), odd, json], Some(0)),
        (vec![word("data"), word("check"), word("films"), json], None),
        (vec![word("data"), word("check"), films, json], None),
        (vec![word("data"), word("detect"), films], Some(1)),
        (vec![word("data"), word("detect"), films, json], Some(1)),
        (vec![word("inspect"), run, json], Some(0)),
        (vec![word("runs"), word("list"), word("."), json], Some(0)),
        (vec![word("report"), run, word("--films"), word("0")], Some(0)),
    ] {
        let output = on(&place, &words).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!err.contains("panicked"), "{words:?}: {err}");
        let ended = output.status.code();
        assert!(code.is_none() || ended == code, "{words:?}: {ended:?} {err}");
        let out = String::from_utf8(output.stdout).unwrap();
        if words.contains(&json) && code != Some(1) {
            for line in out.lines() {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }
}

#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn a_damaged_cache_of_pipelines_is_dropped_with_a_line() {
    let place = Place::new();
    let cache = place.path("cache");
    let measure = || {
        let mut bench = on(&place, ["bench", "step", "--batch", "2", "--size", "32"]);
        bench.env("MTPRET_CACHE", &cache);
        bench
    };
    succeeded(measure());
    let kept = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.extension().is_none()).collect();
    // A driver may keep nothing.
    let Some(file) = kept.first() else { return };
    assert!(!succeeded(measure()).err.contains("dropped"));
    let whole = fs::read(file).unwrap();
    for at in [0, 20, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(file, damaged).unwrap();
        let said = succeeded(measure()).err;
        assert!(said.contains("is damaged") && said.contains("dropped"), "byte {at}: {said}");
        assert!(!succeeded(measure()).err.contains("dropped"), "it is made anew");
    }
    // As an earlier program wrote it, with another adapter in its header: wgpu calls that an error.
    fs::write(file, [b"WGPUPLCH\0\0\0\x01\0\0\0\x08", &[0xff; 60][..]].concat()).unwrap();
    assert!(succeeded(measure()).err.contains("dropped"));
}
