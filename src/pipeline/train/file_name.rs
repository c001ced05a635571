//! Names of the files and folders that are written for films and for data sets.

use std::{collections::HashSet, path::Path};

/// Bytes of a name at most, so that a number and an ending fit behind it on every file system.
const LONGEST: usize = 200;

/// Names that Windows keeps for devices, with any ending.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// `text` as every system takes it for the name of one file or folder: what Windows forbids, separators of folders,
/// and dots and spaces at either end become `_`; the rest, letters of any script among it, stays.
pub fn legal(text: &str) -> String {
    let forbidden = |c: char| c.is_control() || "<>:\"/\\|?*".contains(c);
    let mut name: Vec<char> = text.chars().map(|c| if forbidden(c) { '_' } else { c }).collect();
    while name.iter().map(|c| c.len_utf8()).sum::<usize>() > LONGEST {
        name.pop();
    }
    let loose = |c: &char| matches!(c, '.' | ' ');
    name.iter_mut().take_while(|c| loose(c)).for_each(|c| *c = '_');
    name.iter_mut().rev().take_while(|c| loose(c)).for_each(|c| *c = '_');
    let name = String::from_iter(name);
    let device = name.split('.').next().unwrap_or_default().trim().to_lowercase();
    match name.is_empty() || DEVICES.contains(&&*device) {
        true => format!("_{name}"),
        false => name,
    }
}

/// Gives each file a name of its own in one folder.
#[derive(Default)]
pub struct FileNames(HashSet<String>);

impl FileNames {
    /// The film's name without its extension, and a number behind it where another film took it: `a`, `a-2`.
    /// Names that differ in case alone are the same to Windows and macOS.
    pub fn of(&mut self, film: &Path) -> String {
        self.own(&film.file_stem().unwrap_or_default().to_string_lossy())
    }
    /// `name` as far as it is [`legal`], and a number behind it where it is taken.
    pub fn own(&mut self, name: &str) -> String {
        let name = legal(name);
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let mut free = std::iter::once(name.clone()).chain(numbered);
        free.find(|name| self.0.insert(name.to_lowercase())).expect("numbers do not end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder_and_are_legal_everywhere() {
        for (text, name) in [
            ("Thorax ä ö 胸部 #1", "Thorax ä ö 胸部 #1"),
            ("../../etc/passwd", "___.._etc_passwd"),
            ("C:\\films\\a", "C__films_a"),
            ("a?b*c\"d<e>f|g\nh", "a_b_c_d_e_f_g_h"),
            ("nul", "_nul"),
            ("Con.final", "_Con.final"),
            ("end. ", "end__"),
            (".hidden", "_hidden"),
            ("", "_"),
        ] {
            assert_eq!(legal(text), name);
        }
        let long = legal(&"胸".repeat(200));
        assert_eq!((long.len(), long.chars().all(|c| c == '胸')), (198, true));
    }

    #[test]
    fn films_of_one_name_get_files_of_their_own() {
        let mut names = FileNames::default();
        let films = ["x/a.png", "y/a.dcm", "z/A.PNG", "a-2.png", "b"];
        let given = films.map(|film| names.of(Path::new(film)));
        assert_eq!(given, ["a", "a-2", "A-3", "a-2-2", "b"]);
    }
}
