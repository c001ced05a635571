//! Completions and manual pages, as shells and `man` take them.

use crate::commands::{PROGRAM, Place, succeeded};
use std::process::Command;

fn mtpret(place: &Place, arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).args(arguments);
    program
}

/// Runs a script in bash; none where there is no bash.
fn bash(script: &str) -> Option<String> {
    let output = Command::new("bash").args(["--norc", "-c", script]).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn bash_completes_commands_options_and_values() {
    let place = Place::new();
    let script = succeeded(mtpret(&place, &["completions", "bash"])).out;
    std::fs::write(place.path("completion"), script).unwrap();
    let completed = |words: &str| {
        let count = words.split(' ').count() - 1;
        let quoted: Vec<_> = words.split(' ').map(|word| format!("'{word}'")).collect();
        let before = words.split(' ').nth(count - 1).unwrap();
        let script = format!(
            "source '{}'; COMP_WORDS=({}); COMP_CWORD={count}; \
             _mtpret mtpret '{}' '{before}'; echo \"${{COMPREPLY[@]}}\"",
            place.path("completion").display(),
            quoted.join(" "),
            words.split(' ').next_back().unwrap(),
        );
        bash(&script)
    };
    let Some(commands) = completed("mtpret pre") else {
        eprintln!("there is no bash here to complete words");
        return;
    };
    assert_eq!(commands.trim(), "pretrain predict");
    assert!(completed("mtpret predict --ov").unwrap().contains("--overlays"));
    assert_eq!(completed("mtpret evaluate --split v").unwrap().trim(), "val");
    for (shell, word) in [
        ("zsh", "#compdef mtpret"),
        ("fish", "complete -c mtpret"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let script = succeeded(mtpret(&place, &["completions", shell])).out;
        assert!(script.contains(word) && script.contains("finetune"), "{shell}");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let place = Place::new();
    succeeded(mtpret(&place, &["man", "pages/man1"]));
    let page = place.text("pages/man1/mtpret-finetune.1");
    for word in [".TH mtpret-finetune 1", ".SH OPTIONS", "resume", ".SH DESCRIPTION"] {
        assert!(page.contains(word), "{word} is not in: {page}");
    }
    assert!(place.text("pages/man1/mtpret.1").contains("mtpret\\-predict"));
    let mandoc = Command::new("mandoc")
        .args(["-Tlint", "-Werror"])
        .arg(place.path("pages/man1/mtpret-finetune.1"))
        .output();
    match mandoc {
        Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout)),
        Err(_) => eprintln!("there is no mandoc here to read the page"),
    }
}
