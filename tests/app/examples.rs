//! The repository's examples: they do what they say.

use std::{path::Path, process::Command};

/// What an example prints; cargo has built it beside the program.
fn example(name: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_mtpret"));
    let path = program.with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: cargo test builds it with all targets",
        path.display()
    );
    let output = Command::new(path).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{name}:\n{out}\n{err}");
    out
}

#[test]
fn a_kernel_of_ones_own_is_right() {
    assert!(example("01_kernel").contains("10000 numbers, at most"));
}

#[test]
fn an_op_of_ones_own_is_differentiated() {
    assert!(example("02_op").contains("at most"));
}

#[test]
fn a_network_of_ones_own_learns_real_films() {
    let out = example("03_train_your_own_network");
    let losses: Vec<f64> =
        out.lines().filter_map(|line| line.split_once("loss ")?.1.parse().ok()).collect();
    assert_eq!(losses.len(), 6, "{out}");
    assert!(losses[5] < 0.6 * losses[0], "the loss falls: {out}");
}
