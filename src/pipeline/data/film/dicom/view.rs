//! View of a DICOM film: the greys that its words are shown as.

use std::fmt::Display;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::{elements::ElementMap, tables::LookupTable, words::Words};
use crate::data::film::image::Misfit;

/// Grey of white.
const WHITE: f64 = 255.0;

/// The way of a grey film's words to what is seen (PS3.3 C.7.6.3, C.11):
///
/// 1. the number that a word holds, by BitsStored, HighBit and sign; planes are joined ([`Words`]);
/// 2. the Modality LUT, else rescale slope and intercept; one without the other is used, with a note;
/// 3. PixelPaddingValue, to PixelPaddingRangeLimit, belongs to no range, and is black at the end;
/// 4. the VOI LUT, else the window (LINEAR, LINEAR_EXACT, SIGMOID), else from the darkest to the brightest pixel: 0 to 255. A
///    window whose function has no meaning at its width is as none, with a note;
/// 5. MONOCHROME1, or a PresentationLUTShape of INVERSE, is turned.
///
/// A table that is not what its descriptor says is refused: without it the film would be another.
pub(super) struct GreyView {
    modality: Modality,
    padding: Option<Padding>,
    voi: Voi,
    pub inverted: bool,
    /// Oddities of the film, for people.
    pub notes: Vec<String>,
}

enum Modality {
    Table(LookupTable),
    Rescale { slope: f64, intercept: f64 },
}

impl Modality {
    fn of(elements: &ElementMap, signed: bool, notes: &mut Vec<String>) -> Result<Self, Misfit> {
        if let Some(item) = elements.item(tags::MODALITY_LUT_SEQUENCE) {
            return LookupTable::read(item, "Modality LUT", signed).map(Self::Table);
        }
        let of = grouped(elements, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tags::RESCALE_SLOPE);
        let slope = of.decimal(tags::RESCALE_SLOPE, "RescaleSlope")?;
        let intercept = of.decimal(tags::RESCALE_INTERCEPT, "RescaleIntercept")?;
        let mut alone = |one, other| notes.push(format!("it has a {one} and no {other}"));
        match (slope, intercept) {
            (Some(_), None) => alone("RescaleSlope", "RescaleIntercept, which is taken as 0"),
            (None, Some(_)) => alone("RescaleIntercept", "RescaleSlope, which is taken as 1"),
            _ => {}
        }
        Ok(Self::Rescale { slope: slope.unwrap_or(1.0), intercept: intercept.unwrap_or(0.0) })
    }

    fn apply(&self, number: i32) -> f64 {
        match self {
            Self::Table(table) => table.at(number.into()),
            Self::Rescale { slope, intercept } => slope * f64::from(number) + intercept,
        }
    }
}

/// Padding: numbers that fill a film up where nothing was exposed.
struct Padding {
    low: i64,
    high: i64,
    /// The word that is meant, where it is no number of as many bits as are stored.
    word: Option<u16>,
}

impl Padding {
    fn of(elements: &ElementMap, words: &Words) -> Result<Option<Self>, Misfit> {
        let number = |tag, name| elements.whole(tag, name);
        let Some(value) = number(tags::PIXEL_PADDING_VALUE, "PixelPaddingValue")? else {
            return Ok(None);
        };
        let limit = number(tags::PIXEL_PADDING_RANGE_LIMIT, "PixelPaddingRangeLimit")?;
        // The padding's representation is as often that of the pixels as it is not.
        let own = |number: i64| match words.signed {
            true => i64::from(number as i16),
            false => i64::from(number as u16),
        };
        let [value, limit] = [value, limit.unwrap_or(value)].map(own);
        let [least, most] = words.ends().map(i64::from);
        let word = (!(least..=most).contains(&value)).then_some(value as u16);
        Ok(Some(Self { low: value.min(limit), high: value.max(limit), word }))
    }

    fn holds(&self, word: u16, number: i32) -> bool {
        self.word == Some(word) || (self.low..=self.high).contains(&i64::from(number))
    }
}

enum Voi {
    Table { table: LookupTable, white: f64 },
    Window { function: Function, centre: f64, width: f64 },
    Range { low: f64, high: f64 },
}

#[derive(Clone, Copy)]
enum Function {
    Linear,
    LinearExact,
    Sigmoid,
}

impl Voi {
    /// Reads the transformation of a table or a window; none where there is neither.
    fn of(
        elements: &ElementMap,
        signed: bool,
        notes: &mut Vec<String>,
    ) -> Result<Option<Self>, Misfit> {
        if let Some(item) = elements.item(tags::VOILUT_SEQUENCE) {
            let table = LookupTable::read(item, "VOI LUT", signed)?;
            let (bits, odd) = table.depth();
            if odd {
                notes.push(format!(
                    "its VOI LUT has entries of {bits} bits, not of as many as it says"
                ));
            }
            let white = f64::from((1u32 << bits) - 1);
            return Ok(Some(Self::Table { table, white }));
        }
        let of = grouped(elements, tags::FRAME_VOILUT_SEQUENCE, tags::WINDOW_CENTER);
        let window = window(of);
        notes.extend(window.as_ref().err().cloned());
        Ok(window.ok().flatten())
    }

    fn apply(&self, x: f64) -> f64 {
        match *self {
            Self::Table { ref table, white } => table.at(x) / white * WHITE,
            Self::Window { function, centre, width } => match function {
                Function::Linear => ramp(x, centre - 0.5, width - 1.0),
                Function::LinearExact => ramp(x, centre, width),
                Function::Sigmoid => WHITE / (1.0 + (-4.0 * (x - centre) / width).exp()),
            },
            Self::Range { low, high } => {
                let span = if high > low { high - low } else { 1.0 };
                (x - low) / span * WHITE
            }
        }
    }
}

/// Grey of a linear window, from black to white around `middle`.
fn ramp(x: f64, middle: f64, width: f64) -> f64 {
    match x {
        x if x <= middle - width / 2.0 => 0.0,
        x if x > middle + width / 2.0 => WHITE,
        x => ((x - middle) / width + 0.5) * WHITE,
    }
}

/// The first window; an error where it cannot be used.
fn window(elements: &ElementMap) -> Result<Option<Voi>, String> {
    const INSTEAD: &str = "the film is shown from its darkest to its brightest pixel";
    let without = |why: &dyn Display| format!("its window is left out: {why}; {INSTEAD}");
    let number = |tag, name: &str| elements.decimal(tag, name).map_err(|misfit| without(&misfit));
    let centre = number(tags::WINDOW_CENTER, "WindowCenter")?;
    let width = number(tags::WINDOW_WIDTH, "WindowWidth")?;
    let name = elements.text(tags::VOILUT_FUNCTION).unwrap_or("LINEAR".into());
    let (function, least) = match name.to_uppercase().as_str() {
        "LINEAR" => (Function::Linear, 1.0),
        "LINEAR_EXACT" => (Function::LinearExact, f64::MIN_POSITIVE),
        "SIGMOID" => (Function::Sigmoid, f64::MIN_POSITIVE),
        _ if centre.is_none() && width.is_none() => return Ok(None),
        _ => return Err(without(&format!("VOILUTFunction {name:?} is unknown"))),
    };
    match (centre, width) {
        (None, None) => Ok(None),
        (Some(centre), Some(width)) if width >= least => {
            Ok(Some(Voi::Window { function, centre, width }))
        }
        (Some(_), Some(width)) => Err(without(&format!("{name} has no width of {width}"))),
        (Some(_), None) => Err(without(&"it has a centre and no width")),
        (None, Some(_)) => Err(without(&"it has a width and no centre")),
    }
}

/// The elements that hold `wanted`: those at the top, else those of the groups that all frames or the first
/// have (PS3.3 C.7.6.16).
fn grouped<'e, 'a>(elements: &'e ElementMap<'a>, group: Tag, wanted: Tag) -> &'e ElementMap<'a> {
    const GROUPS: [Tag; 2] =
        [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE];
    let within = || GROUPS.iter().find_map(|groups| elements.item(*groups)?.item(group));
    match elements.get(wanted) {
        Some(_) => elements,
        None => within().unwrap_or(elements),
    }
}

impl GreyView {
    pub fn of(elements: &ElementMap, words: &Words, interpretation: &str) -> Result<Self, Misfit> {
        let mut notes = Vec::new();
        let modality = Modality::of(elements, words.signed, &mut notes)?;
        let padding = Padding::of(elements, words)?;
        // A table may begin below 0 where numbers do, whatever its representation says.
        let below = words.ends().into_iter().any(|number| modality.apply(number) < 0.0);
        let voi = Voi::of(elements, below, &mut notes)?;
        let shape = elements.text(tags::PRESENTATION_LUT_SHAPE);
        let inverted = interpretation == "MONOCHROME1" || shape.as_deref() == Some("INVERSE");
        let whole = Voi::Range { low: 0.0, high: 0.0 };
        let ranged = voi.is_none();
        let mut view = Self { modality, padding, voi: voi.unwrap_or(whole), inverted, notes };
        if ranged {
            view.voi = view.range(words);
        }
        Ok(view)
    }

    /// The window from the darkest to the brightest pixel.
    fn range(&self, words: &Words) -> Voi {
        let seen = words.seen();
        let values = seen.iter().enumerate().filter(|(_, seen)| **seen).filter_map(|(word, _)| {
            let (word, number) = (word as u16, words.number(word as u16));
            (!self.is_padding(word, number)).then(|| self.modality.apply(number))
        });
        let (low, high) =
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        Voi::Range { low, high }
    }

    fn is_padding(&self, word: u16, number: i32) -> bool {
        self.padding.as_ref().is_some_and(|padding| padding.holds(word, number))
    }

    /// Grey of a word, 0 to 255.
    pub fn grey(&self, word: u16, number: i32) -> f32 {
        if self.is_padding(word, number) {
            return 0.0;
        }
        let grey = self.voi.apply(self.modality.apply(number)) as f32;
        if self.inverted { WHITE as f32 - grey } else { grey }
    }
}
