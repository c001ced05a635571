//! Layout of a DICOM film's numbers in its words (PS3.3 C.7.6.3).

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::elements::ElementMap;
use crate::data::film::image::{Misfit, check_size};

/// Colour space of a pixel's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    Rgb,
    /// YCbCr, whose first channel is the luma that a film is read as.
    Luma,
}

/// Size and numbers of a film, as its header says.
#[derive(Debug, Clone)]
pub(super) struct PixelLayout {
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    /// Number of bits of a word: 8 or 16.
    pub allocated: u32,
    /// Number of a word's bits that are its number's.
    pub stored: u32,
    /// Highest of these bits, counted from 0.
    pub high: u32,
    pub signed: bool,
    /// Whether one channel comes after the other.
    pub planar: bool,
    /// Photometric interpretation, such as `MONOCHROME1`, `RGB`.
    pub interpretation: String,
}

impl PixelLayout {
    pub fn of(elements: &ElementMap) -> Result<Self, Misfit> {
        let [height, width] = [(tags::ROWS, "Rows"), (tags::COLUMNS, "Columns")]
            .map(|(tag, name)| needed(elements, tag, name));
        let (height, width) = (height? as usize, width? as usize);
        check_size(width, height)?;
        one_frame(elements)?;
        if elements.get(tags::PIXEL_DATA).is_none() {
            return Err(Misfit::new("an image", "a DICOM object without PixelData"));
        }
        let number = |tag, name: &str| elements.whole(tag, name);
        let allocated = needed(elements, tags::BITS_ALLOCATED, "BitsAllocated")?;
        let stored = needed(elements, tags::BITS_STORED, "BitsStored")?;
        if !matches!(allocated, 8 | 16) || !(1..=allocated).contains(&stored) {
            let found = format!("{stored} of {allocated}");
            return Err(Misfit::new("8 or 16 bits a pixel", found));
        }
        let high = number(tags::HIGH_BIT, "HighBit")?.unwrap_or(i64::from(stored) - 1);
        if !(i64::from(stored) - 1..i64::from(allocated)).contains(&high) {
            let expected = format!("a HighBit of {} to {}", stored - 1, allocated - 1);
            return Err(Misfit::new(expected, high.to_string()));
        }
        let signed = match needed(elements, tags::PIXEL_REPRESENTATION, "PixelRepresentation")? {
            sign @ (0 | 1) => sign == 1,
            other => return Err(Misfit::new("a PixelRepresentation of 0 or 1", other.to_string())),
        };
        let planar = match number(tags::PLANAR_CONFIGURATION, "PlanarConfiguration")? {
            None | Some(0) => false,
            Some(1) => true,
            Some(other) => {
                let expected = "a PlanarConfiguration of 0 or 1";
                return Err(Misfit::new(expected, other.to_string()));
            }
        };
        let interpretation = elements
            .text(tags::PHOTOMETRIC_INTERPRETATION)
            .ok_or_else(|| without("PhotometricInterpretation"))?;
        let channels = number(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel")?.unwrap_or(1);
        Ok(Self {
            width,
            height,
            channels: channels.clamp(0, 255) as usize,
            allocated,
            stored,
            high: high as u32,
            signed,
            planar,
            interpretation,
        })
    }

    pub fn pixels(&self) -> usize {
        self.width * self.height
    }

    /// The colour space of its channels; `coded`: as a decoder of another space than the header's may have
    /// left them.
    pub fn colour(&self, coded: bool) -> Result<Colour, Misfit> {
        match (self.interpretation.as_str(), self.channels) {
            ("MONOCHROME1" | "MONOCHROME2", 1) => Ok(Colour::Grey),
            ("RGB", 3) => Ok(Colour::Rgb),
            // JPEG 2000's transforms are undone by its decoder.
            ("YBR_RCT" | "YBR_ICT", 3) if coded => Ok(Colour::Rgb),
            ("YBR_FULL", 3) => Ok(Colour::Luma),
            ("YBR_FULL_422", 3) if coded => Ok(Colour::Luma),
            (other, channels) => {
                let found = format!("{other} of {channels} channels");
                Err(Misfit::new("grey, RGB or YBR_FULL pixels", found))
            }
        }
    }
}

fn without(name: &str) -> Misfit {
    Misfit::new("an image", format!("a DICOM object without {name}"))
}

/// The number of an element that no film can do without.
fn needed(elements: &ElementMap, tag: Tag, name: &str) -> Result<u32, Misfit> {
    let number = elements.whole(tag, name)?.ok_or_else(|| without(name))?;
    let misfit = |_| Misfit::new(format!("a number as {name}"), number.to_string());
    u32::try_from(number).map_err(misfit)
}

/// Refuses a film that is one of several. Blank is one, as it is with pydicom.
fn one_frame(elements: &ElementMap) -> Result<(), Misfit> {
    match elements.decimal(tags::NUMBER_OF_FRAMES, "NumberOfFrames")? {
        Some(frames) if frames > 1.0 => {
            let found = format!("{frames}: save the frame that is meant as a file");
            Err(Misfit::new("one frame", found))
        }
        _ => Ok(()),
    }
}
