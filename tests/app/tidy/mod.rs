//! The rules of this repository, read from its text. No GPU.

mod names;
mod text;

use std::{collections::BTreeSet, fs, path::Path};
use text::{File, after_root, children, code, files, first_names, folders, is_word, words};

/// The floors of each crate, lowest first: a floor uses only those before it. Cargo holds the crates apart.
const CRATES: [(&str, &[&str]); 3] = [
    (
        "src/engine/",
        &["error", "file", "gpu", "tensor", "ops", "autograd", "nn", "autotune", "step"],
    ),
    ("src/pipeline/", &["models", "data", "metrics", "weights", "onnx", "train", "export"]),
    ("src/app/", &["print", "report", "commands"]),
];

/// Entries of a folder at most.
const ROOM: usize = 14;

/// Where `unsafe` may stand: what asks a driver for features, and what hears signals.
const UNSAFE: [&str; 2] = ["src/engine/gpu/", "src/app/commands/signals.rs"];

/// Folders of shaders that belong to no op: what `#import` names, and the measure of an adapter.
const NOT_OPS: [&str; 2] = ["shared", "ceiling"];

/// Uses of a higher floor by a lower one.
fn climbing(root: &Path) -> Vec<String> {
    CRATES.into_iter().flat_map(|(folder, floors)| climbing_in(root, folder, floors)).collect()
}

fn climbing_in(root: &Path, folder: &str, floors: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files(root, folder, ".rs") {
        let path = file.name[folder.len()..].trim_end_matches(".rs");
        let floor = path.split('/').next().unwrap_or_default();
        if path == "lib" || path == "main" {
            continue;
        }
        let Some(level) = floors.iter().position(|&name| name == floor) else {
            faults.push(file.fault(0, &format!("`{floor}` is no floor; they are {floors:?}")));
            continue;
        };
        let depth = path.trim_end_matches("/mod").split('/').count();
        let code = code(&file.text);
        for (at, rest) in after_root(&code, depth) {
            for name in first_names(rest) {
                if floors[level + 1..].contains(&name) {
                    let inside = rest.as_ptr() as usize - code.as_ptr() as usize;
                    let at =
                        words(&code[inside..], name).first().map_or(at, |found| inside + found);
                    faults.push(file.fault(at, &format!("{floor} uses {name}, a floor above it")));
                }
            }
        }
    }
    faults
}

/// Ops that are not quartets, or that the list of ops and the folders do not agree on.
fn broken_quartets(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let list = fs::read_to_string(root.join("src/engine/ops/mod.rs")).unwrap_or_default();
    let list = code(&list);
    let listed = list.split("$callback!").nth(1).and_then(|rest| rest.split(['}', ')']).next());
    let listed = listed.unwrap_or_default().split_whitespace();
    let listed: BTreeSet<String> =
        listed.filter(|word| word.bytes().all(is_word)).map(str::to_string).collect();
    let ops = folders(&root.join("src/engine/ops"));
    let mut shaders = folders(&root.join("shaders"));
    shaders.retain(|folder| !NOT_OPS.contains(&folder.as_str()));

    if listed.is_empty() {
        faults.push("src/engine/ops/mod.rs: no op in `$callback! { … }` of `for_each_op!`".into());
    }
    for op in ops.difference(&listed) {
        faults.push(format!(
            "src/engine/ops/{op}: not in the list `for_each_op!` in src/engine/ops/mod.rs"
        ));
    }
    for op in listed.difference(&ops) {
        faults.push(format!(
            "src/engine/ops/mod.rs: `{op}` is listed, but src/engine/ops/{op} is missing"
        ));
    }
    for op in shaders.difference(&ops) {
        faults.push(format!("shaders/{op}: there is no src/engine/ops/{op}"));
    }
    for op in &ops {
        for part in ["mod.rs", "reference.rs", "cases.rs"] {
            if !root.join(format!("src/engine/ops/{op}/{part}")).is_file() {
                faults.push(format!("src/engine/ops/{op}/{part}: missing"));
            }
        }
        // An op that only launches another's kernels (linear is a convolution) has none of its own.
        let launches = |file: &File| code(&file.text).contains("kernel!");
        let own = files(root, &format!("src/engine/ops/{op}"), ".rs").iter().any(launches);
        if own && files(root, &format!("shaders/{op}"), ".wgsl").is_empty() {
            faults.push(format!("shaders/{op}: no .wgsl file"));
        }
    }
    faults
}

/// Shaders that no Rust names and that no shader imports.
fn unused_shaders(root: &Path) -> Vec<String> {
    let sources = files(root, "src", ".rs");
    let shaders = files(root, "shaders", ".wgsl");
    let unused = |shader: &&File| {
        let (path, stem) = (shader.name.trim_start_matches("shaders/"), shader.stem());
        let path = path.trim_end_matches(".wgsl");
        if shader.name.starts_with("shaders/shared/") {
            // The loader may put one shared file in another's place, or behind it.
            let import = format!("#import {stem}");
            let by_loader = [format!("=> \"{stem}\""), format!("\" \"{path}\"")];
            let loads = |source: &File| by_loader.iter().any(|how| source.text.contains(how));
            !shaders.iter().any(|other| other.text.lines().any(|line| line.trim() == import))
                && !sources.iter().any(loads)
        } else {
            let (name, import) = (format!("\"{path}\""), format!("#import {path}"));
            let imports = |other: &File| other.text.lines().any(|line| line.trim() == import);
            // What other files import is named by the loader too, so that alone it says nothing.
            let imported = !shader.text.contains("fn main(");
            match imported {
                true => !shaders.iter().any(imports),
                false => !sources.iter().any(|source| source.text.contains(&name)),
            }
        }
    };
    shaders.iter().filter(unused).map(|shader| format!("{}: used nowhere", shader.name)).collect()
}

/// Folders with more entries than a person overlooks. Ops and their shaders are one list; films are no rooms.
fn crowded(root: &Path) -> Vec<String> {
    let free = ["src/engine/ops", "shaders", "tests/data/sample", "benches/results"];
    let mut faults = Vec::new();
    let mut open: Vec<_> = ["src", "shaders", "tests", "tools", "benches", "configs", "docs"]
        .map(|folder| root.join(folder))
        .into();
    while let Some(folder) = open.pop() {
        let name =
            folder.strip_prefix(root).expect("below root").to_string_lossy().replace('\\', "/");
        let entries = children(&folder);
        if free.contains(&name.as_str()) {
            if name.ends_with("ops") || name == "shaders" {
                open.extend(entries.into_iter().filter(|entry| entry.is_dir()));
            }
            continue;
        }
        if entries.len() > ROOM {
            faults.push(format!("{name}: {} entries, {ROOM} allowed", entries.len()));
        }
        open.extend(entries.into_iter().filter(|entry| entry.is_dir()));
    }
    faults.sort();
    faults
}

/// Files longer than they may be.
fn oversized(root: &Path) -> Vec<String> {
    let limits = [("src", ".rs", 400), ("shaders", ".wgsl", 200), ("tests", ".rs", 500)];
    let mut faults = Vec::new();
    for (folder, ending, limit) in limits {
        for file in files(root, folder, ending) {
            let lines = file.text.lines().count();
            if lines > limit {
                faults.push(format!("{}:{limit}: {lines} lines, {limit} allowed", file.name));
            }
        }
    }
    faults
}

/// Things left unfinished, and `unsafe` out of its places.
fn unfinished(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files(root, "src", ".rs") {
        let code = code(&file.text);
        for word in ["todo", "unimplemented", "dbg"] {
            let calls = words(&code, word).into_iter();
            let calls = calls.filter(|at| code[at + word.len()..].starts_with('!'));
            faults.extend(calls.map(|at| file.fault(at, &format!("`{word}!`"))));
        }
        if !UNSAFE.iter().any(|place| file.name.starts_with(place)) {
            let found = words(&code, "unsafe").into_iter();
            faults.extend(found.map(|at| file.fault(at, &format!("`unsafe` outside {UNSAFE:?}"))));
        }
    }
    faults
}

/// Configurations that are not TOML.
fn unparsed_configs(root: &Path) -> Vec<String> {
    let configs = files(root, "configs", ".toml").into_iter();
    let broken =
        |file: File| Some(format!("{}: {}", file.name, file.text.parse::<toml::Table>().err()?));
    configs.filter_map(broken).collect()
}

/// Words about how the text came to be instead of what it is.
fn foreign_words(root: &Path) -> Vec<String> {
    let anywhere =
        [concat!("/wor", "k/"), concat!("mtpret-", "oracle"), concat!("issues ", "show")];
    let whole = [concat!("suba", "gent"), concat!("clau", "de"), concat!("anth", "ropic")];
    let lent = ["data", "golden", "hooks", "paper", "peers", "reference", "spec", "tools"];
    let mut faults = Vec::new();
    for file in files(root, "", "") {
        if file.name == "Cargo.lock" || file.text.len() > 1 << 20 {
            continue;
        }
        let text = file.text.to_ascii_lowercase();
        let mut found: Vec<(usize, &str)> = Vec::new();
        for word in anywhere {
            found.extend(text.match_indices(word));
        }
        for word in whole {
            found.extend(words(&text, word).into_iter().map(|at| (at, word)));
        }
        for folder in lent {
            let outside = format!("../shared/{folder}");
            found.extend(text.match_indices(&outside).map(|(at, _)| (at, "a folder outside")));
        }
        // `issue` and a number below 100; a peer's issues are cited by link.
        for at in words(&text, "issue") {
            let number = text[at + 5..].trim_start_matches([' ', '#']);
            let digits = number.bytes().take_while(u8::is_ascii_digit).count();
            if (1..3).contains(&digits) {
                found.push((at, "an issue by number"));
            }
        }
        faults.extend(found.into_iter().map(|(at, word)| file.fault(at, word)));
    }
    faults
}

fn holds(rule: fn(&Path) -> Vec<String>) {
    let faults = rule(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_floor_uses_only_lower_floors() {
    holds(climbing);
}

#[test]
fn every_op_is_a_quartet_and_in_the_list() {
    holds(broken_quartets);
}

#[test]
fn every_shader_is_used() {
    holds(unused_shaders);
}

#[test]
fn folders_are_rooms() {
    holds(crowded);
}

#[test]
fn files_are_short() {
    holds(oversized);
}

#[test]
fn nothing_is_left_unfinished_and_unsafe_keeps_to_its_places() {
    holds(unfinished);
}

#[test]
fn a_type_s_name_means_one_thing_in_a_crate() {
    holds(names::homonyms);
}

#[test]
fn only_the_program_speaks_of_its_options() {
    holds(names::options_below_the_program);
}

#[test]
fn no_circle_of_files_is_larger_than_two() {
    holds(names::circles);
}

#[test]
fn every_config_is_toml() {
    assert!(!files(Path::new(env!("CARGO_MANIFEST_DIR")), "configs", ".toml").is_empty());
    holds(unparsed_configs);
}

#[test]
fn the_text_speaks_of_the_project_alone() {
    holds(foreign_words);
}

/// Each rule on a small tree that breaks it, so that no rule passes by reading nothing.
#[test]
fn each_rule_finds_what_breaks_it() {
    let tree = tempfile::tempdir().expect("a folder");
    let root = tree.path();
    let write = |name: &str, text: &str| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("src/app/lib.rs", "use crate::commands;");
    write(
        "src/engine/gpu/mod.rs",
        "// crate::ops\nuse crate::{\n    error::Error,\n    tensor::{Array, ops},\n};\n",
    );
    write(
        "src/pipeline/data/a.rs",
        "fn f() { let s = \"crate::train\"; super::super::train::x(); super::train() }\n",
    );
    write(
        "src/engine/nn.rs",
        "use super::gpu; use super::step;\nconst Q: char = '\"'; use crate::autotune;\n",
    );
    write(
        "src/engine/extra.rs",
        "fn f() { dbg!(1); }\n/* todo!() */ fn g() { r#\"todo!()\"#; unsafe { todo!() } }\n",
    );
    let callback =
        "macro_rules! for_each_op { ($callback:ident) => { $callback! {\n add\n mul\n } }; }";
    write("src/engine/ops/mod.rs", &format!("/// `$callback! {{ old }}`\n{callback}"));
    write("src/engine/ops/add/mod.rs", "kernel!(\"add/forward\")");
    write("src/engine/ops/sub/mod.rs", "kernel!(\"sub/forward\")");
    write("src/engine/ops/sub/reference.rs", "");
    write("src/engine/ops/sub/cases.rs", "");
    write("shaders/add/forward.wgsl", &format!("#import grid\nfn main() {{}}{}", "\n".repeat(200)));
    write("shaders/add/old.wgsl", "fn main() {}");
    write("shaders/add/params.wgsl", "");
    write("shaders/shared/grid.wgsl", "");
    write("shaders/shared/sum.wgsl", "");
    write("shaders/pow/a.wgsl", "fn main() {}");
    write("configs/a/b.toml", "a = ");
    write(
        "notes.md",
        concat!("a session with an agent is fine\nsee iss", "ue #12 of the suba", "gent\n"),
    );

    let lines = |rule: fn(&Path) -> Vec<String>| rule(root).join("\n");
    assert_eq!(
        lines(climbing),
        format!(
            "src/engine/extra.rs:1: `extra` is no floor; they are {:?}\n\
             src/engine/gpu/mod.rs:4: gpu uses tensor, a floor above it\n\
             src/engine/nn.rs:2: nn uses autotune, a floor above it\n\
             src/engine/nn.rs:1: nn uses step, a floor above it\n\
             src/pipeline/data/a.rs:1: data uses train, a floor above it",
            CRATES[0].1
        )
    );
    assert_eq!(
        lines(broken_quartets),
        "src/engine/ops/sub: not in the list `for_each_op!` in src/engine/ops/mod.rs\n\
         src/engine/ops/mod.rs: `mul` is listed, but src/engine/ops/mul is missing\n\
         shaders/pow: there is no src/engine/ops/pow\n\
         src/engine/ops/add/reference.rs: missing\n\
         src/engine/ops/add/cases.rs: missing\n\
         shaders/sub: no .wgsl file"
    );
    assert_eq!(
        lines(unused_shaders),
        "shaders/add/old.wgsl: used nowhere\n\
         shaders/add/params.wgsl: used nowhere\n\
         shaders/pow/a.wgsl: used nowhere\n\
         shaders/shared/sum.wgsl: used nowhere"
    );
    assert_eq!(lines(oversized), "shaders/add/forward.wgsl:200: 201 lines, 200 allowed");
    assert_eq!(
        lines(unfinished),
        "src/engine/extra.rs:2: `todo!`\nsrc/engine/extra.rs:1: `dbg!`\nsrc/engine/extra.rs:2: `unsafe` outside [\"src/engine/gpu/\", \"src/app/commands/signals.rs\"]"
    );
    for i in 0..=ROOM {
        write(&format!("tools/f{i:02}.sh"), "");
    }
    assert_eq!(lines(crowded), "tools: 15 entries, 14 allowed");
    assert!(lines(unparsed_configs).starts_with("configs/a/b.toml: TOML parse error"));
    write("src/app/c.rs", "use super::{d::D, e};\nenum Args {}\npub type Cell = ();");
    write("src/app/d.rs", "use crate::b::{self, B as C};");
    write("src/pipeline/b.rs", "/// See `--set`.\nconst A: &str = \"--set\"; // --run");
    write("src/app/e/mod.rs", "mod f;\npub use f::F;");
    write("src/app/e/f.rs", "use crate::b;");
    let uses_all = "use crate::e::F;\nuse super::c::Cell as Other;";
    write("src/app/b.rs", &format!("{uses_all}\npub(crate) struct Cell;\nenum Args {{}}"));
    assert_eq!(lines(names::homonyms), "src/app/c.rs:3: `Cell` is a type of src/app/b.rs too");
    assert_eq!(
        lines(names::options_below_the_program),
        "src/pipeline/b.rs:2: an option of the program, which only the program knows"
    );
    assert_eq!(lines(names::circles), "src/app/: b, c, d, e use one another");
    let foreign = lines(foreign_words);
    assert_eq!(foreign, concat!("notes.md:2: suba", "gent\nnotes.md:2: an issue by number"));
}
