//! Sources that can go to another machine: without the places of this one.

use crate::{
    Error, Result,
    data::{Roots, Source},
};
use serde::Serialize;
use std::path::{Component, Path, PathBuf};

impl Source {
    /// This source with the root `folder`; a known data set may also lie below it, as [`Roots`] seeks it.
    pub fn at(&self, folder: &Path) -> Self {
        let mut source = self.clone();
        let roots = Roots { folders: vec![folder.into()], ..Roots::default() };
        source.root.clear();
        if source.known.is_none() || source.locate(&roots).is_err() {
            source.root = folder.into();
        }
        source
    }
    /// The keys of this source that are not at their default, as a configuration has them.
    ///
    /// # Errors
    /// [`Error::Data`] for a path that is no UTF-8, which TOML is.
    pub fn own_keys(&self) -> Result<toml::Table> {
        let table = |source: &Self| {
            toml::Table::try_from(source).map_err(|_| {
                let found = format!("{:?}", self.root);
                let mend = "rename it, and what is named in it, to plain UTF-8";
                Error::data(&self.root, "a path that a configuration can name", found, mend)
            })
        };
        let plain = Self { known: self.known.clone(), format: self.format, ..Self::named("") };
        let plain = table(&plain)?;
        let own = |(key, value): &(String, toml::Value)| {
            plain.get(key) != Some(value) || ["known", "format"].contains(&key.as_str())
        };
        Ok(table(self)?.into_iter().filter(own).collect())
    }
    /// The section `[[source]]` that a configuration has of this source, sections within it included, below what it is in words.
    ///
    /// # Errors
    /// As [`Source::own_keys`].
    pub fn section(&self, what: &str) -> Result<String> {
        #[derive(Serialize)]
        struct Section {
            source: [toml::Table; 1],
        }
        let section = Section { source: [self.own_keys()?] };
        let text = toml::to_string(&section).expect("a source is plain data");
        Ok(format!("# {what}\n{text}"))
    }
    /// This source without its root, which [`Source::at`] gives again. A path that led out of the root is kept by its
    /// last name, so that the file can be put into the root of another machine.
    pub fn portable(&self) -> Self {
        let mut source = self.clone();
        let root = std::mem::take(&mut source.root);
        for path in source.paths() {
            let below = path.strip_prefix(&root).unwrap_or(path).to_owned();
            *path = inside(&below);
        }
        for pattern in &mut source.masks {
            let inside = |one: &str| inside(Path::new(one)).display().to_string();
            *pattern = pattern.split('|').map(inside).collect::<Vec<_>>().join("|");
        }
        if source.known.is_none() {
            // A source that nobody knows must have a root to be written down.
            source.root = ".".into();
        }
        source
    }
    /// A path of this source that leads out of the root.
    pub fn stray(&self) -> Option<PathBuf> {
        let mut source = self.clone();
        let patterns = self.masks.iter().flat_map(|pattern| pattern.split('|')).map(PathBuf::from);
        let paths: Vec<PathBuf> = source.paths().into_iter().map(|path| path.clone()).collect();
        paths.into_iter().chain(patterns).find(|path| leads_out(path))
    }
    /// Every path that is relative to the root.
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let tables = [&mut self.table, &mut self.val_table, &mut self.test_table];
        let one = tables.into_iter().chain([&mut self.negatives, &mut self.splits]);
        let some = one.flatten().chain(&mut self.annotations);
        some.chain([&mut self.images]).collect()
    }
}

fn leads_out(path: &Path) -> bool {
    !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn inside(path: &Path) -> PathBuf {
    match leads_out(path) {
        true => path.file_name().map(PathBuf::from).unwrap_or_default(),
        false => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Class, Format, MaskValues};
    use serde::Deserialize;

    #[test]
    fn sources_with_sections_of_their_own_are_read_again_as_they_were_written() {
        #[derive(Deserialize)]
        struct Sections {
            source: Vec<Source>,
        }
        let mut table = Source::new("table", Format::Csv, "films");
        table.classes = vec![Class::new("ill \"a\"", &["1", "1.0"]), Class::new("well", &[])];
        let mut masks = Source::new("masks", Format::Masks, "films");
        masks.values = Some(MaskValues::new(vec![1, 2]));
        let written =
            [&table, &masks, &table].map(|source| source.section("films").expect("plain"));
        let read: Sections = toml::from_str(&written.join("\n")).expect("sections");
        assert_eq!(read.source, [table.clone(), masks, table]);
    }

    #[test]
    fn a_portable_source_says_nothing_of_the_machine_it_was_read_on() {
        let mut source = Source::new("films", Format::Csv, "/home/ada/films");
        source.images = "png".into();
        source.table = Some("/home/ada/films/tables/all.csv".into());
        source.test_table = Some("/srv/test.csv".into());
        source.splits = Some("../splits.csv".into());
        source.masks = vec!["/srv/left/{}.png|../{}.png".into(), "right/{}.png".into()];
        assert_eq!(source.stray(), source.table);
        let there = source.portable();
        assert_eq!(there.stray(), None);
        assert_eq!((there.root, there.images), (".".into(), "png".into()));
        assert_eq!(there.table, Some("tables/all.csv".into()));
        assert_eq!(there.test_table, Some("test.csv".into()));
        assert_eq!(there.splits, Some("splits.csv".into()));
        assert_eq!(there.masks, ["{}.png|{}.png", "right/{}.png"]);
    }
}
