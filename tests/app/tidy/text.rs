//! The repository's files as text, and Rust without its comments and strings.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A text file of the repository.
pub struct File {
    /// Path below the root, with `/`.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl File {
    /// `file:line: what`, for the byte at `at`.
    pub fn fault(&self, at: usize, what: &str) -> String {
        let line = self.text[..at].matches('\n').count() + 1;
        format!("{}:{line}: {what}", self.name)
    }

    pub fn stem(&self) -> &str {
        let file = self.name.rsplit('/').next().unwrap_or_default();
        file.split('.').next().unwrap_or_default()
    }
}

/// The UTF-8 files under `root/folder` whose name ends in `ending`, sorted.
pub fn files(root: &Path, folder: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for path in children(&folder) {
            let name =
                path.strip_prefix(root).expect("below root").to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                // What is not committed: what Cargo and mtpret write, and what is lent from outside.
                if ![".git", "target", "runs", "shared"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if let (true, Ok(text)) = (name.ends_with(ending), fs::read_to_string(&path)) {
                found.push(File { name, text });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

pub fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The names of the folders in `folder`.
pub fn folders(folder: &Path) -> BTreeSet<String> {
    let dirs = children(folder).into_iter().filter(|path| path.is_dir());
    dirs.filter_map(|dir| Some(dir.file_name()?.to_string_lossy().into_owned())).collect()
}

/// Rust text with comments and the insides of strings as blanks; every byte keeps its place.
pub fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let (skip, keep) = if rest.starts_with(b"//") {
            (find(rest, b"\n").unwrap_or(rest.len()), 0)
        } else if rest.starts_with(b"/*") {
            (find(rest, b"*/").map_or(rest.len(), |end| end + 2), 0)
        } else if let Some(end) = raw_string(bytes, at) {
            (end - at, 0)
        } else if rest[0] == b'"' {
            (quoted(rest), 1)
        } else if rest.starts_with(b"'\\") {
            (2 + find(&rest[2..], b"'").map_or(0, |end| end.max(1) + 1), 1)
        } else if rest[0] == b'\'' && rest.get(2) == Some(&b'\'') {
            (3, 1)
        } else {
            at += 1;
            continue;
        };
        for byte in &mut out[at + keep..at + skip - keep] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at += skip;
    }
    String::from_utf8(out).expect("only whole comments and strings are blanked")
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Length of the string that `rest` begins with.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Where the raw string that begins at `at` ends, if one does.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let inside_word = at > 0 && is_word(bytes[at - 1]) && bytes[at - 1] != b'b';
    if bytes[at] != b'r' || inside_word {
        return None;
    }
    let hashes = bytes[at + 1..].iter().take_while(|&&byte| byte == b'#').count();
    let open = at + 1 + hashes;
    let close = [b"\"".as_slice(), "#".repeat(hashes).as_bytes()].concat();
    let body = bytes.get(open..).filter(|rest| rest.first() == Some(&b'"'))?;
    Some(open + 1 + find(&body[1..], &close)? + close.len())
}

pub fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Where `word` stands in `text` as a whole word.
pub fn words(text: &str, word: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let alone = |&at: &usize| {
        let before = at.checked_sub(1).is_none_or(|i| !is_word(bytes[i]));
        before && bytes.get(at + word.len()).is_none_or(|&byte| !is_word(byte))
    };
    text.match_indices(word).map(|(at, _)| at).filter(alone).collect()
}

/// The identifiers that the path or group `{a, b::{c}}` at the start of `text` begins with: `a`, `b`.
pub fn first_names(text: &str) -> Vec<&str> {
    let name = |text: &str| text.bytes().take_while(|&byte| is_word(byte)).count();
    let text = text.trim_start();
    if !text.starts_with('{') {
        return vec![&text[..name(text)]];
    }
    let (mut names, mut depth, mut due) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (byte == b',' || at == 0) {
            due = true;
        } else if due && is_word(byte) {
            names.push(&text[at..at + name(&text[at..])]);
            due = false;
        }
    }
    names
}

/// Where the crate's root is named, and what follows: `crate::`, and `super::` as often as it takes.
pub fn after_root(text: &str, depth: usize) -> Vec<(usize, &str)> {
    let mut found: Vec<_> = words(text, "crate")
        .into_iter()
        .filter_map(|at| Some((at, text[at + 5..].trim_start().strip_prefix("::")?)))
        .collect();
    for at in words(text, "super") {
        let (mut rest, mut climbed) = (&text[at..], 0);
        while let Some(up) = rest.strip_prefix("super::") {
            (rest, climbed) = (up, climbed + 1);
        }
        if climbed >= depth && !text[..at].ends_with("super::") {
            found.push((at, rest));
        }
    }
    found
}

/// A name that a `use` brings into a file, as a path from the crate's root.
pub struct Import {
    pub path: String,
    /// Whether the file hands it on.
    pub public: bool,
}

/// The names that the `use`s of a module (without comments) bring in from its own crate.
pub fn imports(code: &str, module: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for at in words(code, "use") {
        let Some(end) = code[at..].find(';') else { continue };
        let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let public = code[line..at].trim_start().starts_with("pub");
        let tree: String = code[at + 3..at + end].split_whitespace().collect::<Vec<_>>().join(" ");
        for path in leaves(&tree) {
            found.push(Import { path: from_root(&path, module), public });
        }
    }
    found
}

/// The paths of a tree `a::{b, c::d}`: `a::b`, `a::c::d`.
fn leaves(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().into()];
    };
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => {
                parts.push(&rest[begin..at]);
                break;
            }
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&rest[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    let whole = |part: &&str| !part.trim().is_empty();
    let joined = |leaf: String| format!("{}{leaf}", head.trim());
    parts.into_iter().filter(whole).flat_map(leaves).map(joined).collect()
}

/// A path in `module` as one from the crate's root. What begins with another crate's name then names nothing.
fn from_root(path: &str, module: &str) -> String {
    let path = path.trim_end_matches("::self");
    if let Some(path) = path.strip_prefix("crate::") {
        return path.into();
    }
    let (mut rest, mut above) = (path.trim_start_matches("self::"), module);
    while let Some(up) = rest.strip_prefix("super::") {
        (rest, above) = (up, above.rsplit_once("::").map_or("", |(above, _)| above));
    }
    if above.is_empty() { rest.into() } else { format!("{above}::{rest}") }
}
