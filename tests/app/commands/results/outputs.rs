//! Where results go: into pipes and through links, and not over what is another's or a run's own.

use super::trained;
use crate::commands::{PROGRAM, Place, ended, refused, succeeded};
use std::{fs, process::Command};

fn on(place: &Place, words: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).args(words);
    program
}

#[test]
#[cfg(unix)]
fn outputs_go_through_pipes_and_links_and_leave_devices_alone() {
    use std::os::unix::fs::FileTypeExt;
    let place = trained("classes");
    let table = succeeded(on(&place, &["data", "splits", "films"])).out;
    assert!(table.starts_with("film,part,"), "{table}");
    let shell = |line: &str| {
        let mut shell = Command::new("sh");
        shell.current_dir(place.0.path()).args(["-c", line]).env("M", PROGRAM);
        succeeded(shell).out
    };
    for output in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        assert_eq!(shell(&format!("\"$M\" data splits films -o {output} | cat")), table);
        let line =
            format!("echo first > kept; \"$M\" data splits films -o {output} >> kept; cat kept");
        assert_eq!(shell(&line), format!("first\n{table}"), "{output}");
    }
    let line = "mkfifo pipe; cat pipe > read & \"$M\" data splits films -o pipe; wait; cat read";
    assert_eq!(shell(line), table);
    assert!(fs::symlink_metadata(place.path("pipe")).unwrap().file_type().is_fifo());
    shell("\"$M\" data splits films -o /dev/null");
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    fs::create_dir(place.path("far")).unwrap();
    fs::write(place.path("far/splits.csv"), "old").unwrap();
    std::os::unix::fs::symlink("far/splits.csv", place.path("link.csv")).unwrap();
    shell("\"$M\" data splits films -o link.csv");
    assert!(place.path("link.csv").is_symlink());
    assert_eq!(place.text("far/splits.csv"), table);
}

#[test]
#[cfg(unix)]
fn a_table_names_films_below_the_folder_that_was_named_and_leaves_the_runs_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = trained("classes");
    let films = place.path("films").display().to_string();
    let shared = succeeded(on(&place, &["predict", "classes", &films, "-o", "found.csv"]));
    assert!(shared.err.contains("films predicted"), "{}", shared.err);
    let (text, here) = (place.text("found.csv"), place.path("").display().to_string());
    assert!(text.contains("\ndark/d0.png,") && !text.contains(&here), "{text}");
    succeeded(on(&place, &["predict", "classes", &films, "-o", "found.csv", "--with-ids"]));
    assert!(place.text("found.csv").contains(&format!("\n{films}/dark/d0.png,")));
    fs::create_dir(place.path("more")).unwrap();
    fs::create_dir(place.path("more/dark")).unwrap();
    fs::copy(place.path("films/dark/d0.png"), place.path("more/dark/d0.png")).unwrap();
    let more = place.path("more").display().to_string();
    let words = ["found dark/d0.png for ", "a name of its own in the table", "--with-ids"];
    refused(on(&place, &["predict", "classes", &films, &more]), 1, &words);

    // The run's own table says what it found on its test films.
    let own = place.text("classes/predictions.csv");
    let over = ["predict", "classes", "films", "-o", "classes/predictions.csv"];
    refused(on(&place, &over), 1, &["expected a file that is not the run's own"]);
    assert_eq!(place.text("classes/predictions.csv"), own);
    // What its owner alone may read stays so.
    fs::write(place.path("mine.csv"), "").unwrap();
    fs::set_permissions(place.path("mine.csv"), fs::Permissions::from_mode(0o600)).unwrap();
    succeeded(on(&place, &["predict", "classes", "films", "-o", "mine.csv"]));
    let mode = |name: &str| place.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("mine.csv"), 0o600);

    succeeded(on(&place, &["explain", "classes", &format!("{films}/dark/d0.png"), "-o", "seen"]));
    let maps = place.text("seen/maps/maps.csv");
    assert!(maps.contains(",dark/d0.png,") && !maps.contains(&here), "{maps}");
}

#[test]
#[cfg(unix)]
fn pages_are_not_written_into_a_run_that_another_process_holds() {
    let place = trained("classes");
    let lock = fs::File::options().write(true).open(place.path("classes/.lock")).unwrap();
    lock.lock().unwrap();
    let words = ["expected a run folder for this process alone", "name another folder"];
    refused(on(&place, &["report", "classes", "--films", "0"]), 1, &words);
    refused(on(&place, &["runs", "compare", "classes", "classes"]), 1, &words);
    succeeded(on(&place, &["report", "classes", "--films", "0", "-o", "out"]));
    assert!(!place.path("out/.lock").exists());
    drop(lock);
    succeeded(on(&place, &["report", "classes", "--films", "0"]));
    // A link that was planted under a name that can be foretold leads nowhere.
    fs::write(place.path("theirs"), "theirs").unwrap();
    for name in [".lock", "metrics.jsonl"] {
        fs::create_dir_all(place.path("planted")).unwrap();
        std::os::unix::fs::symlink(place.path("theirs"), place.path("planted").join(name)).unwrap();
        let told = ["there is a link, which is not followed"];
        refused(place.stage("finetune", "planted", &[]), 1, &told);
        assert_eq!(place.text("theirs"), "theirs", "{name}");
        fs::remove_dir_all(place.path("planted")).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn a_film_whose_name_is_a_line_forges_none() {
    let place = Place::new();
    fs::write(place.path("films/dark/b\nwarning: forged.png"), "no film").unwrap();
    for words in [
        &["data", "check", "films"][..],
        &["data", "show", "films"],
        &["data", "detect", "films"],
        &["inspect", "films/dark/b\nwarning: forged.png"],
    ] {
        let output = on(&place, words).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.lines().any(|line| line.starts_with("warning: forged")), "{words:?}: {said}");
    }
    let said = ended(place.stage("finetune", "run", &[]), 0).err;
    assert!(!said.lines().any(|line| line.starts_with("warning: forged")), "{said}");
}

/// A software driver keeps its memory in a file, past whose limit the system ends the program without a word.
#[test]
#[cfg(target_os = "linux")]
fn a_limit_to_files_is_told_where_the_driver_needs_them() {
    let place = Place::new();
    let stage = place.stage("finetune", "run", &[]);
    let mut limited = Command::new("prlimit");
    limited.arg("--fsize=104857600").arg(stage.get_program()).args(stage.get_args());
    limited.current_dir(place.0.path());
    for (key, value) in stage.get_envs() {
        value.map(|value| limited.env(key, value));
    }
    let output = limited.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let told = "expected no limit to the size of files";
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains(told) && err.contains("found one of 104857600 bytes"), "{err}");
}
