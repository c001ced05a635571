//! Lists of a COCO file, an entry at a time: of what is not asked for nothing is kept, and of no entry more than a mark can be.

use std::{cell::RefCell, fmt, path::Path};

use mtpret_engine::error::Place;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use super::entry::{CocoEntry, OUTLINES, Outlines};
use crate::{Error, Result};

/// Number of values that one key of an entry may have, outlines aside; those behind are not read.
const MOST_VALUES: usize = 256;
/// Number of an entry's keys whose names are kept, to be told.
const MOST_NAMES: usize = 24;
/// Keys that an entry is asked for.
const ASKED: [&str; 10] = [
    "id",
    "width",
    "height",
    "file_name",
    "image_id",
    "category_id",
    "iscrowd",
    "name",
    "bbox",
    "score",
];

/// Hears each entry of a list with its number.
pub(crate) type OfEntry<'a> = &'a mut dyn FnMut(usize, CocoEntry) -> Result<()>;

/// Reads one list of a file that holds an object; `outlines`: with the outlines of its entries, of which most of a file is.
///
/// # Errors
/// No JSON, no such list, or what `of_entry` gives.
pub(crate) fn each(
    path: &Path,
    text: &str,
    list: &'static str,
    outlines: bool,
    of_entry: OfEntry<'_>,
) -> Result<()> {
    let fault = RefCell::new(None);
    let mut found = false;
    let entries = JsonList { path, list, outlines, of_entry, fault: &fault };
    whole(path, text, &fault, WholeJson { entries, found: &mut found })?;
    let mend = "name a COCO file with images, annotations and categories";
    match found {
        true => Ok(()),
        false => Err(Error::data(path, format!("the list {list}"), "none", mend)),
    }
}

/// Reads a file of results, which is one list.
///
/// # Errors
/// No JSON, no list, or what `of_entry` gives.
pub(crate) fn each_result(path: &Path, text: &str, of_entry: OfEntry<'_>) -> Result<()> {
    let fault = RefCell::new(None);
    let mut entries = JsonList { path, list: "results", outlines: false, of_entry, fault: &fault };
    match whole(path, text, &fault, &mut entries)? {
        true => Ok(()),
        false => {
            Err(Error::data(path, "the list results", "none", "name a file of COCO's results"))
        }
    }
}

/// What `read` makes of a whole text; an entry's refusal comes before what is no JSON.
fn whole<'de, S: DeserializeSeed<'de>>(
    path: &Path,
    text: &'de str,
    fault: &RefCell<Option<Error>>,
    read: S,
) -> Result<S::Value> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = read.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    if let Some(fault) = fault.take() {
        return Err(fault);
    }
    read.map_err(|e| {
        let place = Place::from(path).line(e.line() as u64);
        Error::data(place, "JSON", e.to_string(), "download the file again")
    })
}

/// The whole file.
struct WholeJson<'a, 'f> {
    entries: JsonList<'a, 'f>,
    found: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for WholeJson<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for WholeJson<'_, '_> {
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
struct JsonList<'a, 'f> {
    path: &'a Path,
    list: &'static str,
    outlines: bool,
    of_entry: OfEntry<'a>,
    /// Refusal of `of_entry`, which ends the reading.
    fault: &'f RefCell<Option<Error>>,
}

/// Answers of a visitor to values that it does not look for.
macro_rules! others {
    ($value:expr; $($visit:ident($kind:ty))*) => {
        $(fn $visit<E>(self, _: $kind) -> Result<Self::Value, E> { Ok($value) })*
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($value) }
    };
}

impl<'de> DeserializeSeed<'de> for &mut JsonList<'_, '_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut JsonList<'_, '_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list {}", self.list)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
        let mut at = 0;
        loop {
            let mut entry = CocoEntry {
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

impl<'de> DeserializeSeed<'de> for &mut CocoEntry {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut CocoEntry {
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

/// Answers of a visitor to values that are no list and no object.
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
