//! The program without anything beside it, on names that systems and shells make much of.

use crate::commands::{Place, succeeded};
use std::{fs, process::Command};

/// Copied into an empty folder, with no home, no cache and nothing of the repository: all it needs it has within.
#[test]
#[ignore = "takes long: tools/test.sh --all"]
fn the_program_alone_does_everything() {
    let place = Place::new();
    let films = place.path("Röntgen Bilder #1/胸部 ä");
    fs::create_dir_all(films.parent().unwrap()).unwrap();
    fs::rename(place.path("films"), &films).unwrap();
    for (class, film) in [("dark", "d1"), ("light", "l1")] {
        let long = format!("Thorax ä ö 胸部 {}.PNG", "sehr lang ".repeat(18));
        fs::rename(films.join(format!("{class}/{film}.png")), films.join(class).join(long))
            .unwrap();
    }
    let alone = place.path("alone");
    fs::create_dir(&alone).unwrap();
    fs::copy(crate::commands::PROGRAM, alone.join("mtpret")).unwrap();
    let program = |arguments: &[&str]| {
        let mut command = Command::new(alone.join("mtpret"));
        command.current_dir(&alone).args(arguments).env("HOME", &alone).env("MTPRET_CACHE", "");
        command.env_remove("CARGO_MANIFEST_DIR");
        succeeded(command).out
    };
    let source = format!("source=[{{name=\"chests\",format=\"folder\",root={films:?}}}]");
    let settings =
        [&*source, "task=chests", "epochs=1", "data.width=32", "data.height=32", "data.batch=4"];
    let settings = settings.iter().flat_map(|setting| ["--set", *setting]).collect::<Vec<_>>();
    let run = "Läufe/run #1 胸";
    program(&[&["finetune", "finetune/resnet18", "--run", run], &settings[..]].concat());
    program(&["evaluate", run]);
    program(&["explain", run, "--count", "2", "--cell", "64"]);
    program(&["report", run]);
    let folder = films.join("light");
    program(&[
        "predict",
        run,
        folder.to_str().unwrap(),
        "-o",
        "found.csv",
        "--overlays",
        "bilder ö",
    ]);
    let names: Vec<_> = fs::read_dir(alone.join("bilder ö"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 11);
    assert!(names.iter().any(|name| name.starts_with("Thorax ä ö 胸部 sehr lang")));
    assert!(program(&["runs", "list", "Läufe"]).contains("run #1 胸"));
    // The sample films and the shipped configurations are within too.
    assert!(program(&["demo", "--help"]).contains("--data"));
    let written = walk(&alone.join("Läufe"));
    for name in written {
        let bad = name.chars().any(|c| "<>:\"\\|?*".contains(c)) || name.ends_with(['.', ' ']);
        assert!(!bad, "Windows would refuse the name {name}");
    }
}

/// The names of all files and folders below a folder.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let below = entries.flat_map(|entry| {
        let own = entry.file_name().into_string().unwrap();
        let inner = if entry.path().is_dir() { walk(&entry.path()) } else { Vec::new() };
        std::iter::once(own).chain(inner)
    });
    below.collect()
}
