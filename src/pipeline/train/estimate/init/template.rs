//! A built-in configuration as text: values are replaced, comments with units and ranges stay.

use crate::train::config;
use std::fmt::Display;

/// Where comments begin in a line of `configs/`.
const COMMENT: usize = 22;

/// The lines of a configuration.
#[derive(Clone)]
pub struct Template(Vec<String>);

impl Template {
    /// That of a built-in one, without the comment above its first key.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn of(name: &str) -> Self {
        let text = config::builtin(name).expect("a built-in configuration");
        Self(text.lines().skip_while(|line| line.starts_with('#')).map(str::to_owned).collect())
    }
    /// The lines of a section, its header and the blank lines behind it included; `source` stands for all sources.
    fn section(&self, name: &str) -> std::ops::Range<usize> {
        let lines = &self.0;
        let is = |line: &String, name: &str| line.starts_with(&format!("[{name}]"));
        let from = match name {
            "source" => lines.iter().position(|line| line.starts_with("[[source]]")),
            _ => lines.iter().position(|line| is(line, name)),
        };
        let from = from.unwrap_or(lines.len());
        let next = |line: &String| line.starts_with('[') && !line.starts_with("[[");
        let to = lines.iter().skip(from + 1).position(next).map_or(lines.len(), |n| from + 1 + n);
        from..to
    }
    /// Gives a key (`epochs`, `data.width`) another value, as TOML has it; one that is only there as a comment comes to be.
    ///
    /// # Panics
    /// If the configuration has no such key.
    pub fn set(&mut self, key: &str, value: impl Display) {
        let (lines, name) = match key.rsplit_once('.') {
            Some((section, name)) => (self.section(section), name),
            None => (0..self.section("data").start, key),
        };
        let own = |line: &String| {
            let line = line.strip_prefix("# ").unwrap_or(line);
            line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let at = self.0[lines.clone()].iter().position(own).expect("a key of the configuration");
        let line = &mut self.0[lines.start + at];
        let comment = line.get(1..).and_then(|rest| rest.split_once('#')).map(|(_, words)| words);
        let pair = format!("{name} = {value}");
        *line = match comment {
            Some(words) => format!("{pair:<COMMENT$} #{words}"),
            None => pair,
        };
    }
    /// Leaves a section out.
    pub fn remove(&mut self, section: &str) {
        self.0.drain(self.section(section));
    }
    /// Puts these sources in the place of those there are.
    pub fn sources(&mut self, text: &str) {
        let lines = text.lines().map(str::to_owned);
        self.0.splice(self.section("source"), lines.chain([String::new()]));
    }
    /// The text below a comment.
    pub fn text(&self, comment: &str) -> String {
        let comment: String =
            comment.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
        format!("{comment}{}\n", self.0.join("\n").trim_end())
    }
}
