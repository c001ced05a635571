//! The elements of a DICOM data set where they lie in the file: nothing is copied, and no length is believed before it ends
//! within the bytes at hand. Elements that no film needs are passed over.

use std::collections::BTreeMap;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::data::film::image::Misfit;

/// Value representations whose length has two bytes; all others, and those yet to come, have four (PS3.5 7.1.2).
const SHORT: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN",
    b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];
/// Value representations whose length has four bytes.
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];
/// Value representations that are text.
const TEXT: [&[u8; 2]; 9] = [b"CS", b"DS", b"IS", b"LO", b"LT", b"SH", b"ST", b"UC", b"UT"];
/// Sequences that say how a film is shown.
const SEQUENCES: [Tag; 6] = [
    tags::MODALITY_LUT_SEQUENCE,
    tags::VOILUT_SEQUENCE,
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::FRAME_VOILUT_SEQUENCE,
];
/// Other elements that are kept: who the film is of, and what its pixels are.
const KEPT: [Tag; 24] = [
    tags::TRANSFER_SYNTAX_UID,
    tags::SOP_CLASS_UID,
    tags::PATIENT_ID,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::PLANAR_CONFIGURATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::VOILUT_FUNCTION,
    tags::LUT_DESCRIPTOR,
    tags::LUT_DATA,
    tags::PRESENTATION_LUT_SHAPE,
    tags::PIXEL_DATA,
];
/// Tags of a sequence's items, and of what ends one and all of them.
const ITEM: Tag = Tag(0xfffe, 0xe000);
const END_OF_ITEM: Tag = Tag(0xfffe, 0xe00d);
const END_OF_SEQUENCE: Tag = Tag(0xfffe, 0xe0dd);
/// A length that is told by a delimiter.
const UNDEFINED: u32 = u32::MAX;
/// Largest depth of sequences in one another; real films have three or four.
const DEPTH: usize = 64;
/// Largest number of pieces that the pixels of one film may come in.
const FRAGMENTS: usize = 1 << 20;

/// Value of an element.
#[derive(Debug, Clone)]
pub(super) enum ElementValue<'a> {
    Bytes(&'a [u8]),
    /// The first item of a sequence, which is all that a film of one frame needs.
    Item(Option<ElementMap<'a>>),
    /// Pieces of compressed pixels, without the table of their offsets.
    Fragments(Vec<&'a [u8]>),
}

/// An element with its value representation, which is blank where the file has none.
#[derive(Debug, Clone)]
pub(super) struct DicomElement<'a> {
    pub vr: [u8; 2],
    pub value: ElementValue<'a>,
}

/// The elements of a data set or an item that matter here.
#[derive(Debug, Clone, Default)]
pub(super) struct ElementMap<'a> {
    by_tag: BTreeMap<Tag, DicomElement<'a>>,
    big_endian: bool,
}

/// Encoding of a data set's elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded {
    pub implicit: bool,
    pub big_endian: bool,
}

impl<'a> ElementMap<'a> {
    /// Reads the elements of the data set that `bytes` begin with, up to `last`, behind which nothing is looked at.
    /// Whether elements have value representations is told by the first of them, since headers are known to lie.
    pub fn read(bytes: &'a [u8], encoded: Encoded, last: Tag) -> Result<Self, Misfit> {
        let mut walk = Walk { bytes, at: 0, big_endian: encoded.big_endian };
        walk.elements(bytes.len(), encoded.implicit, 0, last)
    }

    /// Reads the elements of group 2, which begin at `start`; gives them and where they end.
    pub fn header(bytes: &'a [u8], start: usize) -> Result<(Self, usize), Misfit> {
        let mut walk = Walk { bytes, at: start, big_endian: false };
        let mut header = Self::default();
        while bytes.get(walk.at..walk.at + 2) == Some(&[2, 0]) {
            let (tag, element) = walk.element(bytes.len(), false, 0)?;
            header.keep(tag, element);
        }
        Ok((header, walk.at))
    }

    fn keep(&mut self, tag: Tag, element: Option<DicomElement<'a>>) {
        if let Some(element) = element {
            self.by_tag.insert(tag, element);
        }
    }

    pub fn get(&self, tag: Tag) -> Option<&DicomElement<'a>> {
        self.by_tag.get(&tag)
    }

    /// The bytes of an element that has any.
    pub fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        match self.get(tag)?.value {
            ElementValue::Bytes(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }

    /// The first item of a sequence that has one.
    pub fn item(&self, tag: Tag) -> Option<&ElementMap<'a>> {
        match &self.get(tag)?.value {
            ElementValue::Item(item) => item.as_ref(),
            _ => None,
        }
    }

    /// The first of an element's texts, without padding; none where it is absent or blank.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.bytes(tag)?);
        let first = text.split('\\').next().unwrap_or_default().trim_matches(['\0', ' ']);
        (!first.is_empty()).then(|| first.to_string())
    }

    /// The numbers of two bytes that an element holds.
    pub fn words(&self, tag: Tag) -> Option<Vec<u16>> {
        let pairs = self.bytes(tag)?.as_chunks::<2>().0.iter();
        Some(pairs.map(|pair| self.word(*pair)).collect())
    }

    fn word(&self, pair: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    }

    fn double_word(&self, four: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    }

    /// The first number of an element of floating point.
    fn floating(&self, vr: [u8; 2], bytes: &[u8]) -> Option<f64> {
        match &vr {
            b"FL" => Some(f32::from_bits(self.double_word(*bytes.first_chunk()?)).into()),
            b"FD" if self.big_endian => Some(f64::from_be_bytes(*bytes.first_chunk()?)),
            b"FD" => Some(f64::from_le_bytes(*bytes.first_chunk()?)),
            _ => None,
        }
    }

    /// The first number of an element that usually is binary.
    pub fn whole(&self, tag: Tag, name: &str) -> Result<Option<i64>, Misfit> {
        let Some(bytes) = self.bytes(tag) else { return Ok(None) };
        let vr = self.get(tag).map_or(*b"  ", |element| element.vr);
        if TEXT.contains(&&vr) {
            return Ok(self.decimal(tag, name)?.map(|number| number as i64));
        }
        Ok(match (bytes, &vr) {
            ([one], _) => Some(i64::from(*one)),
            ([a, b, ..], b"SS") => Some(i64::from(self.word([*a, *b]) as i16)),
            ([a, b, c, d], b"SL") => Some((self.double_word([*a, *b, *c, *d]) as i32).into()),
            ([a, b, c, d], _) if &vr != b"US" => Some(self.double_word([*a, *b, *c, *d]).into()),
            ([a, b, ..], _) => Some(i64::from(self.word([*a, *b]))),
            ([], _) => None,
        })
    }

    /// The first number of an element that usually is text.
    pub fn decimal(&self, tag: Tag, name: &str) -> Result<Option<f64>, Misfit> {
        let vr = self.get(tag).map_or(*b"  ", |element| element.vr);
        if matches!(&vr, b"US" | b"SS" | b"UL" | b"SL") {
            return Ok(self.whole(tag, name)?.map(|number| number as f64));
        }
        let floating = self.bytes(tag).and_then(|bytes| self.floating(vr, bytes));
        let (number, said) = match (floating, self.text(tag)) {
            (Some(number), _) => (Some(number), number.to_string()),
            (None, Some(text)) => (text.parse().ok(), format!("{text:?}")),
            (None, None) => return Ok(None),
        };
        let finite = number.filter(|number: &f64| number.is_finite());
        finite.map(Some).ok_or_else(|| Misfit::new(format!("a number as {name}"), said))
    }
}

/// The head of an element.
struct ElementHeader {
    tag: Tag,
    vr: [u8; 2],
    length: u32,
}

/// A place among the bytes.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl<'a> Walk<'a> {
    fn short(&self, at: usize, end: usize) -> Result<u16, Misfit> {
        let two = (at + 2 <= end).then(|| [self.bytes[at], self.bytes[at + 1]]).ok_or_else(cut)?;
        Ok(if self.big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
    }

    fn long(&self, at: usize, end: usize) -> Result<u32, Misfit> {
        let [first, second] = [self.short(at, end)?, self.short(at + 2, end)?].map(u32::from);
        Ok(if self.big_endian { first << 16 | second } else { second << 16 | first })
    }

    fn tag(&self, at: usize, end: usize) -> Result<Tag, Misfit> {
        Ok(Tag(self.short(at, end)?, self.short(at + 2, end)?))
    }

    /// Whether the element here has no value representation, against what is `believed`.
    fn is_implicit(&self, end: usize, believed: bool) -> bool {
        let Some(vr) = self.bytes[..end].get(self.at + 4..self.at + 6) else { return believed };
        let known = SHORT.iter().chain(&LONG).any(|known| known.as_slice() == vr);
        !known && (believed || !vr.iter().all(u8::is_ascii_uppercase))
    }

    /// Reads the elements from here to `end`, to a delimiter of items or to `last`.
    fn elements(
        &mut self,
        end: usize,
        implicit: bool,
        depth: usize,
        last: Tag,
    ) -> Result<ElementMap<'a>, Misfit> {
        let mut elements = ElementMap { big_endian: self.big_endian, ..ElementMap::default() };
        let implicit = self.is_implicit(end, implicit);
        while self.at < end {
            let tag = self.tag(self.at, end)?;
            if tag == END_OF_ITEM && depth > 0 {
                self.at += 8;
                break;
            }
            if depth == 0 && tag > last {
                break;
            }
            let (tag, element) = self.element(end, implicit, depth)?;
            elements.keep(tag, element);
            // What follows the pixels changes none of them: padding, signatures, another program's bytes.
            if depth == 0 && tag == last {
                break;
            }
        }
        Ok(elements)
    }

    fn head(&mut self, end: usize, implicit: bool) -> Result<ElementHeader, Misfit> {
        let tag = self.tag(self.at, end)?;
        let vr = match self.bytes[..end].get(self.at + 4..self.at + 6) {
            // Some files leave them out from an element on.
            Some([a, b]) if !implicit && a.is_ascii_uppercase() && b.is_ascii_uppercase() => {
                Some([*a, *b])
            }
            _ => None,
        };
        let (length, behind) = match vr {
            None => (self.long(self.at + 4, end)?, 8),
            Some(vr) if SHORT.contains(&&vr) => (self.short(self.at + 6, end)?.into(), 8),
            Some(_) => (self.long(self.at + 8, end)?, 12),
        };
        self.at += behind;
        Ok(ElementHeader { tag, vr: vr.unwrap_or(*b"  "), length })
    }

    /// Reads the element here, if it is one that matters.
    fn element(
        &mut self,
        end: usize,
        implicit: bool,
        depth: usize,
    ) -> Result<(Tag, Option<DicomElement<'a>>), Misfit> {
        let ElementHeader { tag, vr, length } = self.head(end, implicit)?;
        let of = |value| Some(DicomElement { vr, value });
        if tag == tags::PIXEL_DATA && length == UNDEFINED {
            let fragments = self.fragments(end)?;
            return Ok((tag, of(ElementValue::Fragments(fragments))));
        }
        let wanted = SEQUENCES.contains(&tag);
        if length == UNDEFINED || wanted {
            // What is of unknown representation lies without them within (PS3.5 6.2.2).
            let implicit = implicit || &vr == b"UN" || &vr == b"  ";
            let item = self.sequence(length, end, implicit, depth + 1)?;
            return Ok((tag, wanted.then(|| of(ElementValue::Item(item))).flatten()));
        }
        let value = self.take(length, end)?;
        Ok((tag, KEPT.contains(&tag).then(|| of(ElementValue::Bytes(value))).flatten()))
    }

    fn take(&mut self, length: u32, end: usize) -> Result<&'a [u8], Misfit> {
        let left = end - self.at;
        if length as usize > left {
            let expected = format!("a whole DICOM file, with an element of {length} bytes");
            return Err(Misfit::new(expected, format!("{left} to its end")));
        }
        let value = &self.bytes[self.at..self.at + length as usize];
        self.at += length as usize;
        Ok(value)
    }

    /// Place where `length` bytes that begin here end.
    fn inside(&mut self, length: u32, end: usize) -> Result<usize, Misfit> {
        let begin = self.at;
        self.take(length, end)?;
        Ok(std::mem::replace(&mut self.at, begin))
    }

    /// Reads the first item of the sequence that begins here.
    fn sequence(
        &mut self,
        length: u32,
        end: usize,
        implicit: bool,
        depth: usize,
    ) -> Result<Option<ElementMap<'a>>, Misfit> {
        if depth > DEPTH {
            return Err(Misfit::new(format!("at most {DEPTH} sequences in one another"), "more"));
        }
        let end = match length {
            UNDEFINED => end,
            _ => self.inside(length, end)?,
        };
        let mut first = None;
        while length == UNDEFINED || self.at < end {
            let ElementHeader { tag, length: inside, .. } = self.head(end, true)?;
            match tag {
                END_OF_SEQUENCE => break,
                ITEM => {}
                _ => return Err(Misfit::not_whole("DICOM file", "a sequence holds no items")),
            }
            let item = match inside {
                UNDEFINED => self.elements(end, implicit, depth, LAST)?,
                _ => {
                    let after = self.inside(inside, end)?;
                    let item = self.elements(after, implicit, depth, LAST)?;
                    self.at = after;
                    item
                }
            };
            first = first.or(Some(item));
        }
        Ok(first)
    }

    /// Reads the pieces of compressed pixels from here to their delimiter.
    fn fragments(&mut self, end: usize) -> Result<Vec<&'a [u8]>, Misfit> {
        let mut fragments = Vec::new();
        loop {
            let ElementHeader { tag, length, .. } = self.head(end, true)?;
            match tag {
                END_OF_SEQUENCE => break,
                ITEM => fragments.push(self.take(length, end)?),
                _ => return Err(Misfit::not_whole("DICOM file", "its pixels are not in pieces")),
            }
            if fragments.len() > FRAGMENTS {
                return Err(Misfit::new(format!("at most {FRAGMENTS} pieces of pixels"), "more"));
            }
        }
        // The first is the table of offsets.
        Ok(fragments.split_off(fragments.len().min(1)))
    }
}

/// Tag behind that of every element.
const LAST: Tag = Tag(u16::MAX, u16::MAX);

fn cut() -> Misfit {
    let why = "its header is cut short, or lies about its length";
    Misfit::not_whole("DICOM file", why)
}
