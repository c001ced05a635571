//! Configuration: one plain struct a stage, read from a complete TOML file. No number has
//! a default in code; `configs/` holds them all, and the binary carries a copy of it.

pub(in crate::train) mod demo;
pub(in crate::train) mod kinds;
mod multitask;
pub(in crate::train) mod sections;
mod stages;

pub use demo::{Demo, DemoFinetune, DemoMultitask, DemoPretrain, DemoTarget};
pub use kinds::{
    Binary, Classify, Detect, DetectorNorm, DiceClasses, DiceReduce, Metric, Preset, Segment,
    TaskSettings,
};
pub use multitask::{
    Anchor, AnchorAt, HandOn, L2sp, Multitask, Scope, Validate, ValidateAfter, Visit,
};
pub use sections::{Augment, Backbone, Data, KeyBn, Log, Moco, Model, Monitor, Optim, Simclr};
pub use stages::{Finetune, Method, Pretrain, Stage};

use crate::{Error, Result, nearest};
use mtpret_engine::error::Place;
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Cow, fmt, fs, io, path::Path};
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

/// The files of `configs/`, by their path without `.toml`.
pub const BUILTIN: [(&str, &str); 9] = [
    ("pretrain/resnet18", include_str!("../../../../configs/pretrain/resnet18.toml")),
    ("pretrain/resnet50", include_str!("../../../../configs/pretrain/resnet50.toml")),
    ("multitask/resnet18", include_str!("../../../../configs/multitask/resnet18.toml")),
    ("multitask/resnet50", include_str!("../../../../configs/multitask/resnet50.toml")),
    ("finetune/resnet18", include_str!("../../../../configs/finetune/resnet18.toml")),
    ("finetune/resnet50", include_str!("../../../../configs/finetune/resnet50.toml")),
    ("demo", include_str!("../../../../configs/demo.toml")),
    ("reproduce/full", include_str!("../../../../configs/reproduce/full.toml")),
    ("reproduce/small", include_str!("../../../../configs/reproduce/small.toml")),
];

/// The text of an embedded configuration: `pretrain/resnet18`, or `configs/pretrain/resnet18.toml`.
pub fn builtin(name: &str) -> Option<&'static str> {
    let name = name.replace('\\', "/");
    let name = name.strip_prefix("configs/").unwrap_or(&name);
    let name = name.strip_suffix(".toml").unwrap_or(name);
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A stage, as its configuration tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// [`Pretrain`].
    Pretrain,
    /// [`Multitask`], which has `tasks`.
    Multitask,
    /// [`Finetune`], which has a `task`.
    Finetune,
}

/// The stage that the configuration of this file or embedded name is of.
///
/// # Errors
/// An unreadable file, or one that is no TOML.
pub fn kind(path: &Path) -> Result<StageKind> {
    let text = read(path)?;
    let table: std::result::Result<Table, _> = toml::from_str(&text);
    let table = table.map_err(|fault| explain(&fault, &path.into(), Some(&text)))?;
    Ok(match [table.contains_key("task"), table.contains_key("tasks")] {
        [true, _] => StageKind::Finetune,
        [_, true] => StageKind::Multitask,
        _ => StageKind::Pretrain,
    })
}

/// Reads the file at `path`, or the embedded one of that name where there is no such file, puts
/// `overrides` (`a.b=c`) in, and checks every range.
///
/// # Errors
/// An unreadable file; a key that is unknown (the nearest known one is named), missing, of the
/// wrong type or out of range; each with the line or the override it stands in.
pub fn load<T: Stage>(path: &Path, overrides: &[String]) -> Result<T> {
    parse(&read(path)?, path, overrides)
}

/// As [`load`], from a text that stands at `place`: a file, or an item of one.
///
/// # Errors
/// As [`load`].
pub fn parse<T: Stage>(text: &str, place: impl Into<Place>, overrides: &[String]) -> Result<T> {
    let place = place.into();
    let value: T = toml::from_str(text).map_err(|fault| explain(&fault, &place, Some(text)))?;
    let value = set(value, overrides)?;
    value.validate().map_err(|fault| locate(fault, &place, text, overrides))?;
    Ok(value)
}

/// TOML text that loads back to an equal value.
///
/// # Errors
/// A value that TOML cannot express: a path that is not UTF-8, an integer above `i64::MAX`.
pub fn resolved<T: Serialize>(value: &T) -> Result<String> {
    toml::to_string(value).map_err(|fault| inexpressible(RESOLVED, &fault))
}

fn inexpressible(place: &str, fault: &dyn fmt::Display) -> Error {
    let found = format!("that it cannot: {fault}");
    Error::config(place, "what TOML can express", found, "rename paths to plain UTF-8")
}

/// `value` with each override `a.b=c` put in. `c` is a TOML value, and a string where it parses as
/// none; an element of an array is named by its number from 0 or by its `name`.
///
/// # Errors
/// An override without `=`, of an unknown key or of the wrong type; the place is the override.
pub fn set<T: Serialize + DeserializeOwned>(value: T, overrides: &[String]) -> Result<T> {
    let place = "configuration";
    let mut tree = Value::try_from(&value).map_err(|fault| inexpressible(place, &fault))?;
    let mut latest = match portable(&mut tree, false) {
        true => tree.clone().try_into().map_err(|fault| inexpressible(place, &fault))?,
        false => value,
    };
    let mut fault: Option<(String, Error)> = None;
    for pair in overrides {
        let place = Place::from(format!("override {pair}"));
        let Some((key, text)) = pair.split_once('=') else {
            let mend = "for example optim.lr=0.01";
            return Err(Error::config(place, "KEY=VALUE", "no `=`", mend));
        };
        let Some(slot) = slot(&mut tree, key.trim()) else {
            let found = format!("`{}`", key.trim());
            let mend = "write it as a config.resolved.toml has it, `source.0.root` for lists";
            return Err(Error::config(place, "the path of a key", found, mend));
        };
        *slot = word(text.trim());
        portable(&mut tree, false);
        // A section may need several overrides to be whole: only a fault that stays counts, and
        // it belongs to the override that brought it.
        match tree.clone().try_into() {
            Ok(value) => (latest, fault) = (value, None),
            Err(found) if fault.as_ref().is_some_and(|(known, _)| *known == found.message()) => {}
            Err(found) => {
                fault = Some((found.message().to_owned(), explain(&found, &place, None)));
            }
        }
    }
    fault.map_or(Ok(latest), |(_, fault)| Err(fault))
}

/// The file of a run that holds its whole configuration.
pub const RESOLVED: &str = "config.resolved.toml";

/// Keys of paths.
const PATHS: [&str; 11] = [
    "root",
    "images",
    "table",
    "val_table",
    "test_table",
    "annotations",
    "negatives",
    "masks",
    "splits",
    "weights",
    "pack",
];

/// Writes `/` for `\` in relative paths, which Windows takes too, so that a configuration that was written there is good
/// everywhere. Gives whether there was any.
fn portable(tree: &mut Value, is_path: bool) -> bool {
    match tree {
        Value::String(text)
            if is_path
                && text.contains('\\')
                && !text.contains(':')
                && !text.starts_with("\\\\") =>
        {
            *text = text.replace('\\', "/");
            true
        }
        // No `any`: it would leave the others as they are.
        Value::Array(items) => {
            items.iter_mut().fold(false, |was, item| portable(item, is_path) | was)
        }
        Value::Table(table) => table
            .iter_mut()
            .fold(false, |was, (key, value)| portable(value, PATHS.contains(&key.as_str())) | was),
        _ => false,
    }
}

/// Where the value at `path` stands, or would stand.
fn slot<'a>(tree: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(tree, |at, key| match at {
        Value::Table(table) => Some(table.entry(key).or_insert_with(|| Table::new().into())),
        Value::Array(items) => {
            let named = |item: &Value| item.get("name").and_then(Value::as_str) == Some(key);
            let index = key.parse().ok().or_else(|| items.iter().position(named))?;
            items.get_mut(index)
        }
        _ => None,
    })
}

/// The TOML value that `text` is, or `text` itself.
fn word(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| text.into())
}

fn read(path: &Path) -> Result<Cow<'static, str>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.into()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            let embedded = path.to_str().and_then(builtin).map(Cow::from);
            embedded.ok_or_else(|| match path.file_name().is_some_and(|name| name == RESOLVED) {
                true => Error::io(path, fault, "name the folder of a run"),
                false => {
                    let names = BUILTIN.map(|(name, _)| name).join(", ");
                    Error::io(path, fault, format!("name a file, or an embedded one: {names}"))
                }
            })
        }
        Err(fault) => Err(Error::io(path, fault, "name a readable UTF-8 text file")),
    }
}

/// The fault that serde found, with the line and its key where `text` is given.
fn explain(fault: &toml::de::Error, place: &Place, text: Option<&str>) -> Error {
    let place = match text.zip(fault.span()) {
        Some((text, span)) => {
            let before = text.get(..span.start).and_then(|before| before.rsplit('\n').next());
            let key = before.and_then(|start| start.rsplit_once('=')).map(|(key, _)| key.trim());
            let place = on_line(place, line(text, span.start));
            key.filter(|_| place.item.is_none())
                .map_or(place.clone(), |key| place.clone().item(key))
        }
        None => place.clone(),
    };
    let message = fault.message();
    // serde quotes what it found first, then everything it knows.
    let mut quoted = message.split('`').skip(1).step_by(2);
    let found = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    let nearest = nearest(found, known.iter().copied());
    match (message.split_once(" `"), nearest) {
        (Some(("unknown field", _)), Some(nearest)) => {
            let (expected, found) = (one_of(&known), format!("the key `{found}`"));
            Error::config(place, expected, found, format!("the nearest known key is `{nearest}`"))
        }
        (Some(("unknown variant", _)), Some(nearest)) => {
            let (expected, found) = (one_of(&known), format!("`{found}`"));
            Error::config(place, expected, found, format!("the nearest known word is `{nearest}`"))
        }
        (Some(("missing field", _)), _) => {
            let mend = "add it as the complete files under configs/ have it";
            Error::config(place, format!("the key `{found}`"), "none", mend)
        }
        _ => {
            let [expected, found] = expectation(message);
            let mend = match message.contains("escape") {
                true => {
                    "write paths with / or in single quotes: within \"…\" a backslash stands for itself only if it is doubled"
                }
                false => "write it as the complete files under configs/ do",
            };
            Error::config(place, expected, found, mend)
        }
    }
}

fn one_of(known: &[&str]) -> String {
    format!("one of {}", known.join(", "))
}

/// What was expected and what was found, in a message of serde or of TOML's parser.
fn expectation(message: &str) -> [String; 2] {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = message.strip_prefix("expected ").or(message.strip_prefix("wanted "));
    let (expected, found) = match (first, message.rsplit_once(", expected ")) {
        (Some(rest), _) => rest.split_once(", found ").unwrap_or((rest, "another")),
        (None, Some((found, expected))) => (expected, found),
        (None, None) => ("a configuration in TOML", message.as_str()),
    };
    let kind = ["invalid type: ", "invalid value: "];
    let found = kind.iter().find_map(|kind| found.strip_prefix(kind)).unwrap_or(found);
    let expected = match expected {
        "usize" | "u64" | "u32" | "i64" => "a whole number",
        "f64" | "f32" => "a number",
        other => other,
    };
    [expected.to_owned(), found.to_owned()]
}

/// A fault of `validate`, whose place is a key, with the override or the line it stands in.
fn locate(error: Error, place: &Place, text: &str, overrides: &[String]) -> Error {
    let Error::Config(mut fault) = error else { return error };
    let key = fault.place.item.take().unwrap_or_default();
    // A fault may lie within what an override gave as a whole: `tasks.0` of `tasks=["x"]`.
    let gave = |pair| -> Option<(&String, &str)> {
        let pair: &String = pair;
        let rest = key.strip_prefix(pair.split_once('=')?.0.trim())?;
        (rest.is_empty() || rest.starts_with('.')).then_some((pair, rest))
    };
    fault.place = match overrides.iter().rev().find_map(gave) {
        Some((pair, "")) => format!("override {pair}").into(),
        Some((pair, _)) => format!("override {pair}: {key}").into(),
        None => {
            let place = on_line(place, line(text, offset(text, &key)));
            let item = place.item.iter().chain([&key]).cloned().collect::<Vec<_>>().join(": ");
            place.item(item)
        }
    };
    Error::Config(fault)
}

/// A line of the text at `place`. Where that is an item of a file, the line is the item's.
fn on_line(place: &Place, line: u64) -> Place {
    match &place.item {
        Some(item) => place.clone().item(format!("{item}:{line}")),
        None => place.clone().line(line),
    }
}

/// The line of a byte, from 1.
fn line(text: &str, offset: usize) -> u64 {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() as u64 + 1
}

/// Where `key` stands in `text`, or the section that would hold it.
fn offset(text: &str, key: &str) -> usize {
    let Ok(tree) = DeTable::parse(text) else { return 0 };
    let tree = toml::Spanned::new(tree.span(), DeValue::Table(tree.into_inner()));
    let mut at = &tree;
    for part in key.split('.') {
        let next = match part.parse::<usize>() {
            Ok(index) => at.get_ref().get(index),
            Err(_) => at.get_ref().get(part),
        };
        let Some(next) = next else { break };
        at = next;
    }
    at.span().start
}
