//! The data sets that the program knows: how each lies on disk and what it serves for.

mod known;

use std::path::{Path, PathBuf};

use super::{Purpose, Roots, Source};
use crate::{Error, Result, did_you_mean};

pub use known::KNOWN;

/// A data set that the program knows.
#[derive(Debug)]
pub struct Known {
    /// The name in configurations.
    pub name: &'static str,
    /// Title under which it is published.
    pub title: &'static str,
    /// Files and folders by which it is told, whatever its own folder is called: paths in which `*` is any letters,
    /// `A|B` either of two. None: it is read by its layout.
    pub signs: &'static [&'static str],
    /// Folders below a root in which it may lie, most usual first.
    pub folders: &'static [&'static str],
    /// The data set of the paper whose place it takes; none where the paper has no such task.
    pub paper: Option<&'static str>,
    /// Difference from the paper's data set; none where it is the paper's own.
    pub note: Option<Note>,
    /// Purposes that it serves, the main one first. Every set serves [`Purpose::Pretrain`] too.
    pub uses: &'static [Use],
}

/// Difference of a data set from the paper's, for tables.
#[derive(Debug, Clone, Copy)]
pub struct Note {
    /// The words.
    pub text: &'static str,
    /// Folder in which the set must lie for the note to hold; none for any.
    pub folder: Option<&'static str>,
}

/// One use of a data set.
#[derive(Debug)]
pub struct Use {
    /// Purpose of the use.
    pub purpose: Purpose,
    /// The figure that the paper's tables give for such a task.
    pub metric: &'static str,
    /// Function that fills in the keys of the source.
    settings: fn(&mut Source),
}

impl Known {
    /// The data set of this name.
    ///
    /// # Errors
    /// [`Error::Config`] with the nearest known name.
    pub fn named(name: &str) -> Result<&'static Self> {
        KNOWN.iter().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
            Error::config(
                "known",
                format!("one of {}", names.join(", ")),
                format!("{name:?}"),
                did_you_mean(name, &names),
            )
        })
    }

    /// The difference from the paper's of the data set that lies in `root`.
    pub fn note(&self, root: &Path) -> Option<&'static str> {
        let holds = |note: &Note| note.folder.is_none_or(|folder| root.ends_with(folder));
        self.note.filter(holds).map(|note| note.text)
    }

    /// The use of the set for `purpose`; for none given, the main one. For pretraining a set that
    /// has no use of that kind serves by its main one, whose labels pretraining does not see.
    ///
    /// # Errors
    /// [`Error::Config`] if it does not serve for that.
    pub fn serves(&self, purpose: Option<Purpose>) -> Result<&'static Use> {
        let uses = self.uses;
        let own = |one: &&Use| purpose.is_none_or(|wanted| one.purpose == wanted);
        let main = uses.first().filter(|_| purpose == Some(Purpose::Pretrain));
        uses.iter().find(own).or(main).ok_or_else(|| {
            let has: Vec<String> =
                uses.iter().map(|one| format!("{:?}", one.purpose).to_lowercase()).collect();
            let wanted = format!("{:?}", purpose.unwrap_or(Purpose::Pretrain)).to_lowercase();
            Error::config(
                format!("known = {:?}, task", self.name),
                format!("one of {}", has.join(", ")),
                wanted,
                "choose another task or another data set",
            )
        })
    }
}

impl Roots {
    /// The folder of a known data set.
    ///
    /// # Errors
    /// [`Error::Data`] with the places where it was sought.
    pub fn find(&self, known: &Known) -> Result<PathBuf> {
        if let Some(own) = self.sets.get(known.name) {
            return Ok(own.clone());
        }
        let below =
            |folder: &PathBuf| known.folders.iter().map(|f| folder.join(f)).collect::<Vec<_>>();
        let mut places = self.folders.iter().flat_map(below);
        places.find(|place| place.is_dir()).ok_or_else(|| {
            let sought: Vec<String> =
                self.folders.iter().map(|folder| folder.display().to_string()).collect();
            let found = match sought.as_slice() {
                [] => "no folder of data sets to seek it in".to_string(),
                some => format!("none below {}", some.join(", ")),
            };
            Error::data(
                format!("data set {}", known.name),
                format!("its folder {}", known.folders.join(" or ")),
                found,
                "name the folder of the data sets in MTPRET_DATA, or this one as the source's root",
            )
        })
    }
}

impl Source {
    /// Fills in, for a known data set, its root and every key that was left at its default; leaves
    /// any other source as it is. A second time it changes nothing.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown name or purpose; [`Error::Data`] if it lies nowhere.
    pub fn locate(&mut self, roots: &Roots) -> Result<()> {
        let Some(name) = &self.known else { return Ok(()) };
        let known = Known::named(name)?;
        let mut filled = Self::named(self.name.clone());
        (known.serves(self.task)?.settings)(&mut filled);
        self.fill(&filled);
        if self.root.as_os_str().is_empty() {
            self.root = roots.find(known)?;
        }
        Ok(())
    }

    /// Takes the keys from `other` that are at their default here.
    fn fill(&mut self, other: &Self) {
        fn take<T: PartialEq + Clone>(to: &mut T, from: &T, default: &T) {
            if to == default {
                to.clone_from(from);
            }
        }
        let none = Self::named("");
        macro_rules! fill {
            ($($key:ident)*) => { $(take(&mut self.$key, &other.$key, &none.$key);)* };
        }
        fill!(format images table val_table test_table labelled path_column label_columns uncertain
            blank_is_absent classes only annotations shape negatives masks partial positive
            patient_column split_column splits split val_share test_share train_share);
    }
}
