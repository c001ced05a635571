//! Rules on names: types, files that use one another, options of the program.

use super::{
    CRATES,
    text::{self, Import, code, files},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Types that every file of a kind has: a command's arguments, what an op keeps for its derivative.
const OF_THEIR_FILE: [&str; 2] = ["Args", "Saved"];

/// Types of one name within a crate. A layer is named as the op that it calls, as in PyTorch.
pub fn homonyms(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for (folder, _) in CRATES {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for file in files(root, folder, ".rs") {
            if file.name == "src/engine/nn.rs" {
                continue;
            }
            let code = code(&file.text);
            for (at, line) in lines(&code) {
                let Some(name) = type_name(line) else { continue };
                if OF_THEIR_FILE.contains(&name) {
                    continue;
                }
                let place = file.fault(at, &format!("`{name}`"));
                if let Some(first) = seen.get(name) {
                    faults.push(format!("{place} is a type of {first} too"));
                } else {
                    seen.insert(name.into(), file.name.clone());
                }
            }
        }
    }
    faults
}

/// The lines of a text, and where each begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let begin = *at;
        *at += line.len();
        Some((begin, line))
    })
}

/// The type that a line at a file's outermost level declares.
fn type_name(line: &str) -> Option<&str> {
    let public = line.strip_prefix("pub").map(|rest| match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(") ").map_or("", |(_, rest)| rest),
        None => rest.trim_start(),
    });
    let mut rest = public.unwrap_or(line).split(|c: char| !(c == '_' || c.is_alphanumeric()));
    ["struct", "enum", "trait", "type"].contains(&rest.next()?).then(|| rest.next()).flatten()
}

/// Options of the program in the text of a crate below it.
pub fn options_below_the_program(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for file in ["src/engine", "src/pipeline"].iter().flat_map(|crate_| files(root, crate_, ".rs"))
    {
        let code = code(&file.text);
        for (at, _) in file.text.match_indices("--") {
            let option = file.text[at + 2..].starts_with(|c: char| c.is_ascii_lowercase())
                && !file.text[..at].ends_with('-');
            // Comments may speak of them: they are blank in the code, and outside of quotes.
            let line = file.text[..at].rfind('\n').map_or(0, |end| end + 1);
            let quoted = code[line..at].matches('"').count() % 2 == 1
                || !file.text[line..at].contains("//") && code[at..].starts_with("  ");
            if option && quoted {
                faults
                    .push(file.fault(at, "an option of the program, which only the program knows"));
            }
        }
    }
    faults
}

/// Circles of more than two files, each of which uses the next. A folder's `mod.rs` and its children are one room: between
/// them nothing is counted, and what `mod.rs` hands on from a child is the child's.
pub fn circles(root: &Path) -> Vec<String> {
    CRATES.into_iter().flat_map(|(folder, _)| circles_in(root, folder)).collect()
}

fn circles_in(root: &Path, folder: &str) -> Vec<String> {
    let mut imports: BTreeMap<String, Vec<Import>> = BTreeMap::new();
    for file in files(root, folder, ".rs") {
        let path = file.name[folder.len()..].trim_end_matches(".rs").trim_end_matches("/mod");
        let module = path.replace('/', "::");
        if module != "lib" && module != "main" {
            imports.insert(module.clone(), text::imports(&code(&file.text), &module));
        }
    }
    // The file that an import means: the longest module it names, or the child that this module has the name from.
    let meant = |path: &str| {
        let mut path = path.to_owned();
        for _ in 0..4 {
            let module = ancestors(&path).find(|module| imports.contains_key(*module))?;
            let name = path[module.len()..].trim_start_matches("::").split("::").next()?;
            let handed =
                |import: &&Import| import.public && import.path.rsplit("::").next() == Some(name);
            match imports[module].iter().find(handed) {
                Some(import) if !name.is_empty() => path = import.path.clone(),
                _ => return Some(module.to_owned()),
            }
        }
        None
    };
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, all) in &imports {
        let used =
            all.iter().filter(|import| !import.public).filter_map(|import| meant(&import.path));
        for (from, to) in used.filter_map(|used| neighbours(module, &used)) {
            uses.entry(to.clone()).or_default();
            uses.entry(from).or_default().insert(to);
        }
    }
    let reaches = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(module) = open.pop() {
            let next = uses.get(module.as_str()).into_iter().flatten();
            open.extend(next.filter(|used| seen.insert((*used).clone())).cloned());
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<String>> =
        uses.keys().map(|m| (&**m, reaches(m))).collect();
    let circle = |module: &str| -> BTreeSet<&str> {
        let back =
            |other: &&&str| reached[module].contains(**other) && reached[**other].contains(module);
        reached.keys().filter(back).copied().collect()
    };
    let circles: BTreeSet<_> = reached.keys().map(|m| circle(m)).filter(|c| c.len() > 2).collect();
    let told = |c: BTreeSet<&str>| {
        format!("{folder}: {} use one another", c.into_iter().collect::<Vec<_>>().join(", "))
    };
    circles.into_iter().map(told).collect()
}

/// A path of modules and all above it, itself first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once("::").map(|(above, _)| above))
}

/// Two modules, neither of which lies in the other, as what they lie in where their paths part.
fn neighbours(a: &str, b: &str) -> Option<(String, String)> {
    let shared = a.split("::").zip(b.split("::")).take_while(|(a, b)| a == b).count();
    let up_to = |path: &str| path.split("::").take(shared + 1).collect::<Vec<_>>().join("::");
    let inside = |path: &str| path.split("::").count() > shared;
    (inside(a) && inside(b)).then(|| (up_to(a), up_to(b)))
}
