//! Discretion of pages that may be handed on: they leave out where files lie on this machine, and who
//! patients are.

use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    path::Path,
};

/// Number of digits of a patient's digest.
const DIGITS: usize = 8;
/// Number of digits from which on a number is a patient's wherever it stands; shorter ones are numbers of other
/// things too.
const LONG: usize = 6;
/// Letters of a file's ending, which stays.
const LONGEST_ENDING: usize = 5;
/// Words after which a patient is named.
const NAMING: [&str; 3] = ["patient", "patients", "PatientID"];

/// Filter that takes paths of this machine and patients out of text: below a known folder a path is relative to it, any
/// other is its last name; a patient is a digest, the same one all over a page and another on the next, so that nobody
/// can look it up.
pub struct Discretion {
    /// Whether all is left as it is.
    open: bool,
    /// Absolute folders and the text that stands for each, the longest first.
    folders: Vec<(String, String)>,
    patients: HashSet<String>,
    /// Number that the digests of this page alone are made with.
    salt: u64,
}

impl Discretion {
    /// A filter that knows the working folder; with `open`, it leaves paths and patients as they
    /// are.
    pub fn new(open: bool) -> Self {
        let mut made = Self {
            open,
            folders: Vec::new(),
            patients: HashSet::new(),
            salt: RandomState::new().hash_one(0),
        };
        if let Ok(here) = std::env::current_dir() {
            made.known(&here, ".");
        }
        made
    }
    /// Makes paths below `folder`, such as a data set's, relative to it from now on.
    pub fn folder(&mut self, folder: &Path) {
        let forms = [std::path::absolute(folder), folder.canonicalize()];
        for form in forms.into_iter().flatten().chain([folder.to_owned()]) {
            let own = std::env::home_dir().is_some_and(|home| home == form);
            let name = form.file_name().filter(|_| !own).unwrap_or_default().to_string_lossy();
            self.known(&form, if name.is_empty() { "." } else { &name });
        }
    }
    /// Adds patients, who become digests from now on.
    pub fn patients<S: Into<String>>(&mut self, patients: impl IntoIterator<Item = S>) {
        let named = patients.into_iter().map(Into::into);
        // A film that is its own patient is called by its path, which is no secret.
        let film = |name: &String| name.trim().is_empty() || name.contains(['/', '\\']);
        self.patients.extend(named.filter(|name| !film(name)));
    }
    fn known(&mut self, folder: &Path, name: &str) {
        let text = folder.to_string_lossy().trim_end_matches(['/', '\\']).to_owned();
        if folder.is_absolute() && !text.is_empty() {
            self.folders.push((text, name.to_owned()));
            self.folders.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
    }
    /// The text without paths of this machine and patients.
    pub fn text(&self, text: &str) -> String {
        if self.open {
            return text.to_owned();
        }
        self.without_patients(&without_paths(&self.below_folders(text)))
    }
    /// The text of a place, which may be a patient's bare name.
    pub fn place(&self, place: &str) -> String {
        match !self.open && self.patients.contains(place) {
            true => self.digest(place),
            false => self.text(place),
        }
    }
    /// Takes known folders off the paths below them.
    fn below_folders(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (folder, name) in &self.folders {
            let mut from = 0;
            while let Some(found) = text[from..].find(folder.as_str()) {
                let (at, end) = (from + found, from + found + folder.len());
                let before = text[..at].chars().next_back();
                let mut rest = text[end..].chars();
                let (begins, next) = (before.is_none_or(opens), rest.next());
                let stand = match next {
                    _ if !begins => None,
                    Some('/' | '\\') if rest.next().is_some_and(within) => Some((end + 1, "")),
                    Some('/' | '\\') => Some((end + 1, name.as_str())),
                    Some(c) if within(c) => None,
                    _ => Some((end, name.as_str())),
                };
                match stand {
                    Some((end, stand)) => {
                        text.replace_range(at..end, stand);
                        from = at + stand.len();
                    }
                    None => from = end,
                }
            }
        }
        text
    }
    /// Path of a film, which is a name and no text, below the folder that it was found in.
    pub fn film(&self, path: &Path) -> String {
        if self.open || path.is_relative() && !path.starts_with("..") {
            return path.display().to_string();
        }
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.into());
        let mut below = self.folders.iter().filter_map(|(root, _)| whole.strip_prefix(root).ok());
        let below = below.find(|below| !below.as_os_str().is_empty());
        let name = || Path::new(path.file_name().unwrap_or_default());
        below.unwrap_or_else(name).display().to_string()
    }
    /// Whether a patient's name is a part of a word, as it is of many a film's name.
    fn tells(&self, word: &str) -> bool {
        let edges = || word.match_indices(parts_words).map(|(at, _)| at);
        let starts = std::iter::once(0).chain(edges().map(|at| at + 1));
        let mut parts = starts.flat_map(|start| {
            let ends = edges().chain([word.len()]).filter(move |end| *end > start);
            ends.map(move |end| &word[start..end])
        });
        parts.any(|part| self.patients.contains(part) && unmistakable(part))
    }
    /// Name for a film whose own tells of a patient: a digest, and its ending.
    fn nameless(&self, word: &str) -> String {
        match word.rsplit_once('.') {
            Some((name, ending)) if ending.len() <= LONGEST_ENDING => {
                format!("{}.{ending}", self.digest(name))
            }
            _ => self.digest(word),
        }
    }
    /// Name of a patient on the page.
    pub fn digest(&self, patient: &str) -> String {
        let hash = Sha256::new().chain_update(self.salt.to_le_bytes()).chain_update(patient);
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("#{}", &digits[..DIGITS])
    }
    /// Replaces patients by digests, and so the names of files that have an unmistakable one in them.
    fn without_patients(&self, text: &str) -> String {
        if self.patients.is_empty() {
            return text.to_owned();
        }
        if self.patients.contains(text.trim()) && unmistakable(text.trim()) {
            return self.digest(text.trim());
        }
        let mut text = text.to_owned();
        // Names of several words, which are no single one of the text's.
        let several = |name: &&String| !name.chars().all(in_word);
        for name in self.patients.iter().filter(several) {
            if !text.contains(name.as_str()) {
                continue;
            }
            text = text.replace(name.as_str(), &self.digest(name));
        }
        let mut out = String::with_capacity(text.len());
        let (mut at, mut before) = (0, "");
        while at < text.len() {
            let rest = &text[at..];
            let length = rest.find(|c: char| !in_word(c)).unwrap_or(rest.len());
            if length == 0 {
                let c = rest.chars().next().expect("there is a rest");
                out.push(c);
                at += c.len_utf8();
                continue;
            }
            // A full stop behind a word is no part of it.
            let word = rest[..length].trim_end_matches('.');
            let word = if word.is_empty() { &rest[..length] } else { word };
            let around = [text[..at].chars().next_back(), rest[word.len()..].chars().next()];
            let telling = NAMING.contains(&before)
                || enumerated(&text[..at], rest)
                || around[0].is_some_and(|c| matches!(c, '/' | '\\' | '"' | '\'' | '`'))
                || around[1].is_some_and(|c| matches!(c, '/' | '\\'));
            match self.patients.contains(word) && (telling || unmistakable(word)) {
                true => out += &self.digest(word),
                false if self.tells(word) => out += &self.nameless(word),
                false => out += word,
            }
            before = word;
            at += word.len();
        }
        out
    }
}

/// Whether a patient's name is hardly anything else: not a short number, nor an ordinary word such as a folder's.
fn unmistakable(name: &str) -> bool {
    match name.chars().all(|c| c.is_ascii_digit() || c == '.') {
        true => name.len() >= LONG,
        false => !name.chars().all(|c| c.is_alphabetic() && c.is_lowercase()) && name.len() > 2,
    }
}

/// Whether what lies between is in parentheses that name some of many: `(7, 8, 9 …)`.
fn enumerated(before: &str, after: &str) -> bool {
    let open = before.rfind(['(', ')']).is_some_and(|at| before[at..].starts_with('('));
    let close = after.find(['(', ')']).is_some_and(|at| after[..at].ends_with('…'));
    open && close
}

/// Whether a letter parts a name.
fn parts_words(c: char) -> bool {
    matches!(c, '_' | '-' | '.' | '^')
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '^')
}

/// Whether a path may begin behind this letter.
fn opens(c: char) -> bool {
    !(c.is_alphanumeric() || matches!(c, '/' | '\\' | '_' | '-' | '.' | '~'))
}

/// Whether a name in a path may have this letter in it, where nothing is quoted.
fn within(c: char) -> bool {
    !(c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | ',' | ';' | ':' | ')' | ']' | '}' | '>' | '|'))
}

/// Replaces absolute paths, and those that lead up, by their last names.
fn without_paths(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let before = text[..at].chars().next_back();
        if before.is_none_or(opens)
            && leads_away(rest)
            && !(before == Some(':') && rest.starts_with("//"))
        {
            let path = &rest[..length(rest, before)];
            out += path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or("");
            at += path.len();
            continue;
        }
        let c = rest.chars().next().expect("there is a rest");
        out.push(c);
        at += c.len_utf8();
    }
    out
}

/// Whether text begins with a path of a machine: `/a`, `~/a`, `../a`, `C:\\a`, `\\\\server`.
fn leads_away(text: &str) -> bool {
    let named = |rest: &str| rest.chars().next().is_some_and(|c| within(c) && c != '/');
    let mut chars = text.chars();
    let drive = matches!(
        (chars.next(), chars.next(), chars.next()),
        (Some(letter), Some(':'), Some('/' | '\\')) if letter.is_ascii_alphabetic()
    );
    drive
        || ["/", "~/", "../", "..\\", "\\\\"]
            .iter()
            .any(|begin| text.strip_prefix(begin).is_some_and(named))
}

/// Number of bytes of the path that text begins with: to the closing quote where one stands before
/// it.
fn length(text: &str, before: Option<char>) -> usize {
    if let Some(quote @ ('"' | '\'' | '`')) = before
        && let Some(end) = text.find([quote, '\n'])
    {
        return end;
    }
    // The colon of a drive is none that ends a path.
    let drive = if text[1..].starts_with(':') { 2 } else { 0 };
    let word = |text: &str| text.find(|c| !within(c)).unwrap_or(text.len());
    let mut end = drive + word(&text[drive..]);
    // Names with blanks in them, as far as a name with a slash tells.
    while let Some(next) = text[end..].strip_prefix(' ') {
        let more = word(next);
        if !next[..more].trim_start_matches('/').contains('/') || next.starts_with('/') {
            break;
        }
        end += 1 + more;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_is_of_this_machine() {
        let mut discretion = Discretion::new(false);
        discretion.folder(Path::new("/srv/al ice/films"));
        for (text, shown) in [
            ("/srv/al ice/films/a/b.png:3: expected", "a/b.png:3: expected"),
            ("root = \"/srv/al ice/films\"", "root = \"films\""),
            ("in /srv/al ice/films, and", "in films, and"),
            ("/srv/al ice/films2/x.png", "x.png"),
            ("weights = \"/home/bob/my runs/pre\"", "weights = \"pre\""),
            ("see /home/bob/x.png: No such file", "see x.png: No such file"),
            ("see /home/bob/my runs/x.png is", "see x.png is"),
            ("C:\\Users\\bob\\x.png (C:/Users/bob/y.png)", "x.png (y.png)"),
            ("\\\\server\\bob\\x.png and ../bob/y.png", "x.png and y.png"),
            ("~/films/x.png", "x.png"),
            ("train / val / test, 8/8, GFLOP/s", "train / val / test, 8/8, GFLOP/s"),
            ("https://example.org/a/b", "https://example.org/a/b"),
            ("films/a/b.png", "films/a/b.png"),
        ] {
            assert_eq!(discretion.text(text), shown);
        }
        assert_eq!(Discretion::new(true).text("/home/bob/x"), "/home/bob/x");
    }

    #[test]
    fn patients_are_digests_and_other_words_are_left() {
        let mut discretion = Discretion::new(false);
        discretion.patients(["P-0815", "DOE^JANE", "7", "normal", "Jane Doe", "20240815"]);
        for (patient, text) in [
            ("P-0815", "expected patient P-0815 in one part"),
            ("P-0815", "lung/P-0815/film.png"),
            ("DOE^JANE", "found DOE^JANE."),
            ("7", "patient 7 in train"),
            ("7", "3 films by their names (7 …)"),
            ("normal", "of patient normal, told"),
            ("Jane Doe", "of Jane Doe here"),
            ("20240815", "of 20240815 here"),
        ] {
            let shown = discretion.text(text);
            assert_eq!(shown, text.replace(patient, &discretion.digest(patient)));
            assert!(!shown.contains("Jane") && shown.contains('#'), "{shown}");
        }
        for text in ["7", "7 films", "the class normal", "a/film-7.png", "7.5 %", "P-08150.png"] {
            assert_eq!(discretion.text(text), text);
        }
        // A film's name that has a patient's in it is a digest as a whole, whoever else it names.
        for text in ["a/P-0815.png", "a/x_P-0815_Mueller.png", "DOE^JANE.2.png"] {
            let shown = discretion.text(text);
            assert!(shown.contains('#') && shown.ends_with(".png"), "{shown}");
            assert!(
                ["0815", "JANE", "Mueller"].iter().all(|name| !shown.contains(name)),
                "{shown}"
            );
        }
        let other = Discretion::new(false);
        assert_ne!(discretion.digest("P-0815"), other.digest("P-0815"), "it can be looked up");
    }

    #[test]
    fn a_films_path_is_relative_to_where_it_was_found() {
        let mut discretion = Discretion::new(false);
        discretion.folder(Path::new("/srv/al ice/films"));
        discretion.folder(Path::new("../films"));
        for (path, shown) in [
            ("/srv/al ice/films/a /b.png", "a /b.png"),
            ("/srv/other/b.png", "b.png"),
            ("../films/a/b.png", "a/b.png"),
            ("films/a.png", "films/a.png"),
        ] {
            assert_eq!(discretion.film(Path::new(path)), shown);
        }
        assert_eq!(Discretion::new(true).film(Path::new("/home/bob/x")), "/home/bob/x");
    }
}
