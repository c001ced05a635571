//! Entries of a COCO file.

use std::fmt;

use mtpret_engine::error::Place;
use serde_json::Value;

use super::super::boxes::{MarkFrame, checked, outline};
use crate::{Error, Result};

/// Key of outlines.
pub(super) const OUTLINES: &str = "segmentation";

/// Outlines of an entry.
pub(super) enum Outlines {
    None,
    /// A run-length code, or another object.
    Object,
    /// Numbers of each outline, or the text of what is no list of numbers.
    Lists(Vec<Result<Vec<f32>, String>>),
    /// Anything else, as text.
    Other(String),
}

/// One entry of a list, with its place.
pub(crate) struct CocoEntry {
    pub(crate) place: Place,
    pub(super) values: Vec<(String, Value)>,
    /// None where nobody asks for them.
    pub(super) outlines: Option<Outlines>,
    /// The names of its first keys.
    pub(super) names: Vec<String>,
}

/// A name of an image, a category or a mark, of which 1 and 1.0 are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum CocoId {
    Number(i64),
    /// With the quotes of JSON; or a number beyond the others.
    Text(Box<str>),
}

impl fmt::Display for CocoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl CocoEntry {
    pub(crate) fn fault(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
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

    pub(crate) fn id(&self, key: &str) -> Result<CocoId> {
        let value = self.get(key)?;
        // Beyond this a number of JSON may stand for its neighbours too.
        let exact = |v: &f64| v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0;
        let fault = || self.fault(format!("a whole number or text as {key}"), value.to_string());
        match value {
            Value::String(_) => Ok(CocoId::Text(value.to_string().into())),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Ok(CocoId::Number(number)),
                (None, Some(number)) => Ok(CocoId::Text(number.to_string().into())),
                (None, None) => {
                    let whole = number.as_f64().filter(exact).ok_or_else(fault)?;
                    Ok(CocoId::Number(whole as i64))
                }
            },
            _ => Err(fault()),
        }
    }

    /// Whether the entry is of a crowd, not of one thing.
    pub(crate) fn is_crowd(&self) -> Result<bool> {
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

    pub(crate) fn text(&self, key: &str) -> Result<&str> {
        let value = self.get(key)?;
        value.as_str().ok_or_else(|| self.fault(format!("text as {key}"), value.to_string()))
    }

    pub(crate) fn number(&self, key: &str) -> Result<f64> {
        let value = self.get(key)?;
        value.as_f64().ok_or_else(|| self.fault(format!("a number as {key}"), value.to_string()))
    }

    /// The box of the entry as it is written: x, y, width and height.
    pub(crate) fn bbox(&self) -> Result<[f64; 4]> {
        let value = self.get("bbox")?;
        let numbers = value.as_array().map(|list| list.iter().map(Value::as_f64));
        let numbers: Option<Vec<f64>> = numbers.and_then(Iterator::collect);
        let bbox = numbers.and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
        bbox.filter(|[_, _, width, height]| *width >= 0.0 && *height >= 0.0).ok_or_else(|| {
            self.fault("x, y, width and height, neither below 0, as bbox", value.to_string())
        })
    }

    pub(super) fn side(&self, key: &str) -> Result<usize> {
        let value = self.get(key)?;
        let side = value.as_f64().and_then(MarkFrame::side);
        side.ok_or_else(|| self.fault(format!("pixels as {key}"), value.to_string()))
    }

    /// The box of the entry as `x1 y1 x2 y2`.
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
