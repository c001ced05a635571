//! The lists of a COCO file, an entry at a time: of what is not asked for nothing is kept, and of no entry more than a mark can be.

use std::{cell::RefCell, fmt, path::Path};

use mtpret_engine::error::Place;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use super::super::boxes::{MarkFrame, checked, outline};
use crate::{Error, Result};

/// Values that one key of an entry may have, outlines aside; what is behind them is not read.
const MOST_VALUES: usize = 256;
/// Names of an entry's keys that are kept, to be told.
const MOST_NAMES: usize = 24;
/// Keys that an entry is asked for.
const ASKED: [&str; 9] =
    ["id", "width", "height", "file_name", "image_id", "category_id", "iscrowd", "name", "bbox"];
const OUTLINES: &str = "segmentation";

/// Hears each entry of a list with its number.
pub(super) type OfEntry<'a> = &'a mut dyn FnMut(usize, JsonEntry) -> Result<()>;

/// Reads one list of a file that holds an object; `outlines`: with the outlines of its entries, of which most of a file is.
///
/// # Errors
/// No JSON, no such list, or what `of_entry` gives.
pub(super) fn each(
    path: &Path,
    text: &str,
    list: &'static str,
    outlines: bool,
    of_entry: OfEntry<'_>,
) -> Result<()> {
    let fault = RefCell::new(None);
    let mut found = false;
    let entries = Entries { path, list, outlines, of_entry, fault: &fault };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = File { entries, found: &mut found }.deserialize(&mut json).and_then(|()| json.end());
    if let Some(fault) = fault.into_inner() {
        return Err(fault);
    }
    read.map_err(|e| {
        let place = Place::from(path).line(e.line() as u64);
        Error::data(place, "JSON", e.to_string(), "download the file again")
    })?;
    let mend = "name a COCO file with images, annotations and categories";
    match found {
        true => Ok(()),
        false => Err(Error::data(path, format!("the list {list}"), "none", mend)),
    }
}

/// The whole file.
struct File<'a, 'f> {
    entries: Entries<'a, 'f>,
    found: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for File<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for File<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the list {}", self.entries.list)
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key == self.entries.list {
                true => *self.found |= map.next_value_seed(&mut self.entries)?,
                false => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// One list; whether it is one.
struct Entries<'a, 'f> {
    path: &'a Path,
    list: &'static str,
    outlines: bool,
    of_entry: OfEntry<'a>,
    /// What `of_entry` said, which ends the reading.
    fault: &'f RefCell<Option<Error>>,
}

/// What a visitor says of values that are not what it looks for.
macro_rules! others {
    ($value:expr; $($visit:ident($kind:ty))*) => {
        $(fn $visit<E>(self, _: $kind) -> Result<Self::Value, E> { Ok($value) })*
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($value) }
    };
}

impl<'de> DeserializeSeed<'de> for &mut Entries<'_, '_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Entries<'_, '_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list {}", self.list)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
        let mut at = 0;
        loop {
            let mut entry = JsonEntry {
                place: Place::from(self.path).item(format!("{}[{at}]", self.list)),
                values: Vec::new(),
                outlines: self.outlines.then_some(Outlines::None),
                names: Vec::new(),
            };
            if entries.next_element_seed(&mut entry)?.is_none() {
                return Ok(true);
            }
            if let Err(fault) = (self.of_entry)(at, entry) {
                self.fault.replace(Some(fault));
                return Err(A::Error::custom("an entry is refused"));
            }
            at += 1;
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
    others! { false; visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) }
}

/// The outlines of an entry.
enum Outlines {
    None,
    /// A run-length code, or another object.
    Object,
    /// Numbers of each outline, or the text of what is no list of numbers.
    Lists(Vec<Result<Vec<f32>, String>>),
    /// Anything else, as text.
    Other(String),
}

/// One entry of a list, with its place.
pub(super) struct JsonEntry {
    pub place: Place,
    values: Vec<(String, Value)>,
    /// None where nobody asks for them.
    outlines: Option<Outlines>,
    /// The names of its first keys.
    names: Vec<String>,
}

impl<'de> DeserializeSeed<'de> for &mut JsonEntry {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut JsonEntry {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == OUTLINES && self.outlines.is_some() {
                self.outlines = Some(map.next_value_seed(OutlinesSeed)?);
            } else if ASKED.contains(&key.as_str()) {
                let mut left = MOST_VALUES;
                let value = map.next_value_seed(Bounded(&mut left))?;
                self.values.retain(|(known, _)| *known != key);
                self.values.push((key.clone(), value));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            if self.names.len() < MOST_NAMES {
                self.names.push(key);
            }
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
    others! { (); visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) }
}

/// A value of which so many values are kept.
struct Bounded<'a>(&'a mut usize);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

/// A visitor's answers to what is no list and no object.
macro_rules! plain {
    ($of:expr) => {
        fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
            Ok($of(value.into()))
        }
        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok($of(value.into()))
        }
        fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
            Ok($of(value.into()))
        }
        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            Ok($of(value.into()))
        }
        fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
            Ok($of(value.into()))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($of(Value::Null))
        }
    };
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while *self.0 > 0 {
            *self.0 -= 1;
            match list.next_element_seed(Bounded(self.0))? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while *self.0 > 0 {
            *self.0 -= 1;
            let Some(key) = map.next_key::<String>()? else { return Ok(Value::Object(values)) };
            values.insert(key, map.next_value_seed(Bounded(self.0))?);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object(values))
    }
    plain!(|value: Value| value);
}

/// Outlines, and one of them.
struct OutlinesSeed;
struct OutlineSeed;

impl<'de> DeserializeSeed<'de> for OutlinesSeed {
    type Value = Outlines;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Outlines, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OutlinesSeed {
    type Value = Outlines;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outlines")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Outlines, A::Error> {
        let mut outlines = Vec::new();
        while let Some(outline) = list.next_element_seed(OutlineSeed)? {
            outlines.push(outline);
        }
        Ok(Outlines::Lists(outlines))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outlines, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Outlines::Object)
    }
    plain!(|value: Value| Outlines::Other(value.to_string()));
}

impl<'de> DeserializeSeed<'de> for OutlineSeed {
    type Value = Result<Vec<f32>, String>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OutlineSeed {
    type Value = Result<Vec<f32>, String>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let (mut numbers, mut other) = (Vec::new(), None);
        loop {
            let mut left = MOST_VALUES;
            let Some(value) = list.next_element_seed(Bounded(&mut left))? else { break };
            match value.as_f64() {
                Some(number) => numbers.push(number as f32),
                None => _ = other.get_or_insert_with(|| format!("{value} in one")),
            }
        }
        Ok(other.map_or(Ok(numbers), Err))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Err("an object".into()))
    }
    plain!(|value: Value| Err(value.to_string()));
}

/// A name of an image, a category or a mark, of which 1 and 1.0 are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Id {
    Number(i64),
    /// With the quotes of JSON; or a number beyond the others.
    Text(Box<str>),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl JsonEntry {
    pub(super) fn fault(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::data(&self.place, expected, found, "correct this entry, or remove it")
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn get(&self, key: &str) -> Result<&Value> {
        let value = self.value(key);
        if value.is_some_and(Value::is_null) {
            return Err(self.fault(format!("a value as {key}"), "null"));
        }
        value.ok_or_else(|| self.lacks(key))
    }

    fn lacks(&self, key: &str) -> Error {
        self.fault(format!("the key {key}"), self.names.join(", "))
    }

    pub(super) fn id(&self, key: &str) -> Result<Id> {
        let value = self.get(key)?;
        // Beyond this a number of JSON may stand for its neighbours too.
        let exact = |v: &f64| v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0;
        let fault = || self.fault(format!("a whole number or text as {key}"), value.to_string());
        match value {
            Value::String(_) => Ok(Id::Text(value.to_string().into())),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Ok(Id::Number(number)),
                (None, Some(number)) => Ok(Id::Text(number.to_string().into())),
                (None, None) => {
                    let whole = number.as_f64().filter(exact).ok_or_else(fault)?;
                    Ok(Id::Number(whole as i64))
                }
            },
            _ => Err(fault()),
        }
    }

    /// Whether it is a crowd, not one thing.
    fn is_crowd(&self) -> Result<bool> {
        match self.value("iscrowd") {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(crowd)) => Ok(*crowd),
            Some(value) => match value.as_f64() {
                Some(0.0) => Ok(false),
                Some(1.0) => Ok(true),
                _ => Err(self.fault("0 or 1 as iscrowd", value.to_string())),
            },
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&str> {
        let value = self.get(key)?;
        value.as_str().ok_or_else(|| self.fault(format!("text as {key}"), value.to_string()))
    }

    pub(super) fn side(&self, key: &str) -> Result<usize> {
        let value = self.get(key)?;
        let side = value.as_f64().and_then(MarkFrame::side);
        side.ok_or_else(|| self.fault(format!("pixels as {key}"), value.to_string()))
    }

    /// The box as `x1 y1 x2 y2`.
    pub(super) fn corners(&self, size: [usize; 2]) -> Result<[f32; 4]> {
        if self.is_crowd()? {
            return Err(self.fault("a box around one thing", "a crowd"));
        }
        let value = self.get("bbox")?;
        let numbers = value.as_array().map(|list| list.iter().map(|v| Some(v.as_f64()? as f32)));
        let numbers: Option<Vec<f32>> = numbers.and_then(Iterator::collect);
        let numbers = numbers.ok_or_else(|| self.fault("a list of numbers", value.to_string()))?;
        let [x, y, width, height] = numbers[..] else {
            return Err(self.fault("four numbers as bbox", numbers.len().to_string()));
        };
        checked(&self.place, [x, y, x + width, y + height], MarkFrame::pixels(size))
    }

    pub(super) fn polygons(&self, size: [usize; 2]) -> Result<Vec<Vec<[f32; 2]>>> {
        match &self.outlines {
            None | Some(Outlines::None) => Err(self.lacks(OUTLINES)),
            Some(Outlines::Object) => Err(Error::data(
                &self.place,
                "outlines as segmentation",
                "a run-length code",
                "convert it to polygons, or give the masks as image files (format = \"masks\")",
            )),
            Some(Outlines::Other(text)) => Err(self.fault("outlines as segmentation", text)),
            Some(Outlines::Lists(lists)) if lists.is_empty() => {
                Err(self.fault("outlines as segmentation", "[]"))
            }
            Some(Outlines::Lists(lists)) => {
                let one = |numbers: &Result<Vec<f32>, String>| match numbers {
                    Ok(numbers) => outline(&self.place, numbers, MarkFrame::pixels(size)),
                    Err(found) => Err(self.fault("a list of numbers", found)),
                };
                lists.iter().map(one).collect()
            }
        }
    }
}
