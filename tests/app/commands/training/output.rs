//! Output that fails, and signals: neither loses a run.

#![cfg(unix)]

use crate::commands::{PROGRAM, Place, Running, is_whole, succeeded};
use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

/// A disk that is always full.
#[cfg(target_os = "linux")]
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// The weights of a run that nobody disturbed.
fn undisturbed(place: &Place) -> Vec<u8> {
    succeeded(place.stage("finetune", "whole", &[]));
    place.read("whole/weights.safetensors")
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_the_output_ends_no_run_and_is_said() {
    let place = Place::new();
    let whole = undisturbed(&place);
    // Words to the person are lost, nothing else.
    let status = place.stage("finetune", "deaf", &[]).stderr(full()).stdout(Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(0));
    assert!(whole == place.read("deaf/weights.safetensors"));
    // A result that did not arrive is an error, once there is one.
    let mut command = place.stage("finetune", "json", &[]);
    let output = command.arg("--json").stdout(full()).stderr(Stdio::piped()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("mtpret: standard output: No space left on device"), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    assert!(whole == place.read("json/weights.safetensors"));
    // So with commands that only print.
    let films = place.path("films");
    for words in [["data", "detect"], ["completions", "bash"]] {
        let mut command = Command::new(PROGRAM);
        command.args(words).args((words[0] == "data").then_some(&films));
        let output = command.stdout(full()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {err}");
        assert!(
            err.contains("standard output: No space left") && !err.contains("panicked"),
            "{err}"
        );
    }
}

#[test]
fn a_reader_who_leaves_ends_no_run() {
    let place = Place::new();
    let whole = undisturbed(&place);
    for (run, json) in [("err", false), ("out", true)] {
        let mut command = place.stage("finetune", run, &[]);
        if json {
            command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::null());
        } else {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        let pipe: Box<dyn Read> = match json {
            true => Box::new(child.stdout.take().unwrap()),
            false => Box::new(child.stderr.take().unwrap()),
        };
        let mut line = String::new();
        BufReader::new(pipe).read_line(&mut line).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{run}");
        assert!(whole == place.read(&format!("{run}/weights.safetensors")), "{run}");
    }
    // Where nothing is at stake the program ends with its reader, quietly.
    let mut command = Command::new(PROGRAM);
    command.args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    let status = child.wait().unwrap();
    assert!(err.is_empty() && status.signal().is_none(), "{err} {status}");
}

#[test]
fn signals_that_end_a_program_save_the_run_first() {
    let place = Place::new();
    for signal in ["TERM", "HUP", "INT"] {
        let run = signal.to_lowercase();
        let mut running = Running::new(place.stage("finetune", &run, &["epochs=9"]));
        running.until(" 1/");
        // A terminal that goes tells the program twice: by itself, and by the shell.
        let process = running.child.id().to_string();
        if signal == "HUP" {
            Command::new("kill").args(["-s", signal, &process]).status().unwrap();
        }
        let (code, rest) = running.stop(signal);
        assert_eq!(code, Some(130), "{signal}: {rest}");
        assert!(rest.contains("go on with --resume"), "{signal}: {rest}");
        assert!(is_whole(&place.path(&run).join("checkpoint.safetensors")), "{signal}");
    }
}

#[test]
fn under_nohup_the_end_of_a_terminal_stops_nothing() {
    let place = Place::new();
    let whole = undisturbed(&place);
    let stage = place.stage("finetune", "nohup", &[]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(stage.get_program());
    command.args(stage.get_args()).current_dir(place.path("."));
    let mut running = Running::new(command);
    running.until(" 1/");
    let (code, rest) = running.stop("HUP");
    assert_eq!(code, Some(0), "{rest}");
    assert!(whole == place.read("nohup/weights.safetensors"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_beyond_the_size_that_is_allowed_is_an_error_and_the_run_can_be_gone_on_with() {
    let place = Place::new();
    let mut running =
        Running::new(place.stage("finetune", "run", &["epochs=3", "log.save_every=1"]));
    running.until(" 2/");
    running.limit_files();
    let (code, err) = running.end();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("File too large"), "{err}");
    assert!(is_whole(&place.path("run/checkpoint.safetensors")));
    succeeded(place.resume("finetune", "run"));
}

#[test]
fn what_may_be_wrong_with_the_films_is_told_before_the_first_step() {
    let place = Place::new();
    let row = |n: u32| {
        let word = if n < 11 { "dark" } else { "light" };
        format!("{word}/{}{}.png,{word},ANONYMOUS\n", &word[..1], n % 11)
    };
    let table: String = (0..22).map(row).collect();
    std::fs::write(place.path("films/t.csv"), format!("path,label,who\n{table}")).unwrap();
    let source = format!(
        "source=[{{name=\"pneumonia\",format=\"csv\",root={:?},table=\"t.csv\",label_columns=[\"label\"],patient_column=\"who\"}}]",
        place.path("films")
    );
    let said = succeeded(place.stage("finetune", "run", &[&source])).err;
    let told = said.find("warning: data set pneumonia: patient that names nobody: ");
    assert!(told.is_some_and(|at| at < said.find(" 1/").unwrap()), "{said}");
}
