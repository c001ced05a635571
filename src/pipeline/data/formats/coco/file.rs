//! A file of COCO's JSON: its lists, and what stands in an entry under the keys that COCO names.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use mtpret_engine::error::Place;
use serde_json::Value;

use crate::{
    Error, Result,
    data::formats::{
        boxes::{MarkFrame, checked, outline},
        text,
    },
};

/// Entries of a whole file.
pub(crate) struct CocoFile {
    path: PathBuf,
    json: Value,
}

impl CocoFile {
    /// # Errors
    /// It cannot be read, or is no JSON.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mend = "see that the annotations exist and may be read";
        let text = text::read(path, mend)?;
        let json = serde_json::from_str(&text).map_err(|e| {
            let place = Place::from(path).line(e.line() as u64);
            Error::data(place, "JSON", e.to_string(), "download the file again")
        })?;
        Ok(Self { path: path.into(), json })
    }

    /// The entries of `images`, `annotations` or `categories`.
    ///
    /// # Errors
    /// The file has no such list.
    pub(crate) fn entries(&self, list: &str) -> Result<impl Iterator<Item = CocoEntry<'_>>> {
        let mend = "name a COCO file with images, annotations and categories";
        self.listed(list, self.json.get(list), mend)
    }

    /// The entries of a file of results, which is one list.
    ///
    /// # Errors
    /// The file is no list.
    pub(crate) fn results(&self) -> Result<impl Iterator<Item = CocoEntry<'_>>> {
        self.listed("results", Some(&self.json), "name a file of COCO's results")
    }

    fn listed<'a>(
        &'a self,
        list: &str,
        json: Option<&'a Value>,
        mend: &str,
    ) -> Result<impl Iterator<Item = CocoEntry<'a>> + use<'a>> {
        let Some(entries) = json.and_then(Value::as_array) else {
            return Err(Error::data(&self.path, format!("the list {list}"), "none", mend));
        };
        let list = list.to_owned();
        let place = move |at: usize| Place::from(&self.path).item(format!("{list}[{at}]"));
        let entry = move |(at, json)| CocoEntry { place: place(at), json };
        Ok(entries.iter().enumerate().map(entry))
    }
}

/// An id, of which 1 and 1.0 are the same; numbers come before texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CocoId {
    /// A whole number.
    Number(i128),
    /// A text.
    Text(String),
}

impl CocoId {
    /// The id that a value is; none of a number that is not whole, or beyond what JSON keeps apart.
    fn of(value: &Value) -> Option<Self> {
        // Beyond this a number of JSON may stand for its neighbours too.
        let exact = |v: &f64| v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0;
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => {
                let whole = number.as_i128();
                whole.or_else(|| Some(number.as_f64().filter(exact)? as i128)).map(Self::Number)
            }
            _ => None,
        }
    }
}

impl fmt::Display for CocoId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{}", Value::from(text.as_str())),
        }
    }
}

/// An entry of a list, with its place.
pub(crate) struct CocoEntry<'a> {
    /// Where it stands.
    pub(crate) place: Place,
    json: &'a Value,
}

impl<'a> CocoEntry<'a> {
    pub(crate) fn fault(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::data(&self.place, expected, found, "correct this entry, or remove it")
    }

    fn get(&self, key: &str) -> Result<&'a Value> {
        let value = self.json.get(key);
        if value.is_some_and(Value::is_null) {
            return Err(self.fault(format!("a value as {key}"), "null"));
        }
        value.ok_or_else(|| {
            let found = self.json.as_object().into_iter().flat_map(|entry| entry.keys());
            let found = found.map(String::as_str).collect::<Vec<_>>().join(", ");
            self.fault(format!("the key {key}"), found)
        })
    }

    pub(crate) fn id(&self, key: &str) -> Result<CocoId> {
        self.read(key, "a whole number or text", CocoId::of)
    }

    /// The value of `key`, as `read` has it; `expected` says what that is.
    fn read<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<T> {
        let value = self.get(key)?;
        read(value).ok_or_else(|| self.fault(format!("{expected} as {key}"), value.to_string()))
    }

    /// Whether the entry is of a crowd, not of one thing.
    pub(crate) fn is_crowd(&self) -> Result<bool> {
        match self.json.get("iscrowd") {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(crowd)) => Ok(*crowd),
            Some(value) => match value.as_f64() {
                Some(0.0) => Ok(false),
                Some(1.0) => Ok(true),
                _ => Err(self.fault("0 or 1 as iscrowd", value.to_string())),
            },
        }
    }

    pub(crate) fn text(&self, key: &str) -> Result<&'a str> {
        self.read(key, "text", Value::as_str)
    }

    pub(crate) fn number(&self, key: &str) -> Result<f64> {
        self.read(key, "a number", Value::as_f64)
    }

    /// A side of an image.
    pub(super) fn side(&self, key: &str) -> Result<usize> {
        self.read(key, "pixels", |value| value.as_f64().and_then(MarkFrame::side))
    }

    /// The box of the entry as it is written: x, y, width and height.
    pub(crate) fn bbox(&self) -> Result<[f64; 4]> {
        self.read("bbox", "x, y, width and height, neither below 0,", |value| {
            let numbers: Option<Vec<f64>> = value.as_array()?.iter().map(Value::as_f64).collect();
            let bbox: [f64; 4] = numbers?.try_into().ok()?;
            (bbox[2] >= 0.0 && bbox[3] >= 0.0).then_some(bbox)
        })
    }

    fn numbers(&self, value: &Value) -> Result<Vec<f32>> {
        let numbers = value.as_array().map(|list| list.iter().map(|v| Some(v.as_f64()? as f32)));
        numbers
            .and_then(Iterator::collect)
            .ok_or_else(|| self.fault("a list of numbers", value.to_string()))
    }

    /// The box of the entry as `x1 y1 x2 y2`.
    pub(super) fn corners(&self, size: [usize; 2]) -> Result<[f32; 4]> {
        if self.is_crowd()? {
            return Err(self.fault("a box around one thing", "a crowd"));
        }
        let numbers = self.numbers(self.get("bbox")?)?;
        let [x, y, width, height] = numbers[..] else {
            return Err(self.fault("four numbers as bbox", numbers.len().to_string()));
        };
        checked(&self.place, [x, y, x + width, y + height], MarkFrame::pixels(size))
    }

    pub(super) fn polygons(&self, size: [usize; 2]) -> Result<Vec<Vec<[f32; 2]>>> {
        let value = self.get("segmentation")?;
        if value.is_object() {
            return Err(Error::data(
                &self.place,
                "outlines as segmentation",
                "a run-length code",
                "convert it to polygons, or give the masks as image files (format = \"masks\")",
            ));
        }
        match value.as_array().map(Vec::as_slice) {
            None | Some([]) => Err(self.fault("outlines as segmentation", value.to_string())),
            Some(outlines) => outlines
                .iter()
                .map(|numbers| {
                    outline(&self.place, &self.numbers(numbers)?, MarkFrame::pixels(size))
                })
                .collect(),
        }
    }
}
