//! The words of a DICOM film, decoded, and the numbers that they hold.

use std::borrow::Cow;

use dicom_core::value::C;
use dicom_dictionary_std::tags;
use dicom_encoding::{
    TransferSyntaxIndex,
    adapters::{PixelDataObject, RawPixelData},
    transfer_syntax::Codec,
};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::{
    coded::{Coded, check_pieces},
    elements::{DicomElement, ElementMap, ElementValue},
    layout::{Colour, PixelLayout},
    run_length,
};
use crate::data::film::image::Misfit;

/// Transfer syntaxes whose pixels are JPEG-LS, lossless and near-lossless.
const JPEG_LS: [&str; 2] = ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"];
/// Transfer syntax whose pixels are packed by runs.
const RLE: &str = "1.2.840.10008.1.2.5";
/// Transfer syntax whose pixels lie in pieces without being compressed.
const PIECES: &str = "1.2.840.10008.1.2.1.98";

/// The words of a film, channel beside channel or one after the other.
pub(super) struct Words<'a> {
    data: Cow<'a, [u8]>,
    big_endian: bool,
    /// Whether a word has two bytes.
    wide: bool,
    /// Whether channels lie one after the other.
    planar: bool,
    /// Number of bits below a number's lowest.
    shift: u32,
    pixels: usize,
    channels: usize,
    /// Number of bits of a number.
    pub stored: u32,
    pub signed: bool,
    pub colour: Colour,
}

impl<'a> Words<'a> {
    /// Decodes the words of the elements' pixels.
    pub fn of(
        elements: &ElementMap<'a>,
        layout: &PixelLayout,
        syntax: &str,
        big_endian: bool,
    ) -> Result<Self, Misfit> {
        let known = TransferSyntaxRegistry.get(syntax);
        let packed = known.is_some_and(|known| known.is_encapsulated_pixel_data());
        let mut words = match (elements.get(tags::PIXEL_DATA), packed) {
            (Some(DicomElement { value: ElementValue::Bytes(data), vr }), false) => {
                native(data, vr, layout, big_endian)?
            }
            (Some(DicomElement { value: ElementValue::Fragments(fragments), .. }), true) => {
                compressed(fragments, layout, syntax)?
            }
            (_, packed) => {
                let kinds = ["uncompressed pixels", "compressed pixels"];
                let [expected, found] = if packed { [kinds[1], kinds[0]] } else { kinds };
                let expected = format!("{expected}, as {} has them", name(syntax));
                return Err(Misfit::new(expected, found));
            }
        };
        let wanted = words.pixels * words.channels;
        let numbers = words.data.len() / if words.wide { 2 } else { 1 };
        if numbers < wanted {
            let found = format!("{numbers}: the file is cut short");
            return Err(Misfit::new(format!("{wanted} numbers of pixels"), found));
        }
        words.planar &= words.channels > 1;
        Ok(words)
    }

    /// The word of a channel of a pixel.
    pub fn word(&self, pixel: usize, channel: usize) -> u16 {
        let at = match self.planar {
            true => channel * self.pixels + pixel,
            false => pixel * self.channels + channel,
        };
        match (self.wide, self.big_endian) {
            (false, _) => self.data[at].into(),
            (true, false) => u16::from_le_bytes([self.data[2 * at], self.data[2 * at + 1]]),
            (true, true) => u16::from_be_bytes([self.data[2 * at], self.data[2 * at + 1]]),
        }
    }

    /// The least and the greatest number that a word can hold.
    pub fn ends(&self) -> [i32; 2] {
        let count = 1 << self.stored;
        if self.signed { [-count / 2, count / 2 - 1] } else { [0, count - 1] }
    }

    /// For each word, whether a pixel of the first channel has it.
    pub fn seen(&self) -> Vec<bool> {
        let mut seen = vec![false; 1 << 16];
        (0..self.pixels).for_each(|pixel| seen[usize::from(self.word(pixel, 0))] = true);
        seen
    }

    /// The number that a word holds.
    pub fn number(&self, word: u16) -> i32 {
        let unused = 32 - self.stored;
        let high = u32::from(word) >> self.shift << unused;
        if self.signed { high as i32 >> unused } else { (high >> unused) as i32 }
    }
}

/// Reads words that are not compressed.
fn native<'a>(
    data: &'a [u8],
    vr: &[u8; 2],
    layout: &PixelLayout,
    big_endian: bool,
) -> Result<Words<'a>, Misfit> {
    let mut words = words(data.into(), layout, layout.allocated, layout.colour(false)?);
    words.shift = layout.high + 1 - layout.stored;
    words.big_endian = big_endian;
    if big_endian && !words.wide && vr == b"OW" {
        // Bytes in words whose high byte comes first.
        words.data = data.as_chunks::<2>().0.iter().flat_map(|&[a, b]| [b, a]).collect();
    }
    Ok(words)
}

fn words<'a>(data: Cow<'a, [u8]>, layout: &PixelLayout, bits: u32, colour: Colour) -> Words<'a> {
    Words {
        data,
        big_endian: false,
        wide: bits > 8,
        planar: layout.planar,
        shift: 0,
        pixels: layout.pixels(),
        channels: layout.channels,
        stored: layout.stored,
        signed: layout.signed,
        colour,
    }
}

fn compressed(
    fragments: &[&[u8]],
    layout: &PixelLayout,
    syntax: &str,
) -> Result<Words<'static>, Misfit> {
    let shift = layout.high + 1 - layout.stored;
    let stream = fragments.concat();
    if syntax == PIECES {
        let words = words(stream.into(), layout, layout.allocated, layout.colour(false)?);
        return Ok(Words { shift, ..words });
    }
    if syntax == RLE {
        let bytes = layout.allocated as usize / 8;
        let colour = layout.colour(false)?;
        let data = run_length::unpacked(&stream, layout.pixels(), [layout.channels, bytes])?;
        let words = words(data.into(), layout, layout.allocated, colour);
        return Ok(Words { planar: true, shift, ..words });
    }
    let coded = said(&stream, layout)?;
    // The stream's decoder makes RGB of cosines, whatever they were.
    let colour = match layout.colour(true)? {
        Colour::Luma if coded.cosine => Colour::Rgb,
        colour => colour,
    };
    let (data, bits) = match JPEG_LS.contains(&syntax) {
        true => (jpeg_ls(&stream, layout)?, 16),
        false => {
            check_pieces(&stream)?;
            let bits = if coded.precision <= 8 { 8 } else { 16 };
            (decoded(&CodedFrame { stream, layout, bits, syntax })?, bits)
        }
    };
    let words = words(data.into(), layout, bits.into(), colour);
    // A stream holds numbers, not words, unless it says otherwise.
    let shift = if coded.precision > layout.high { shift } else { 0 };
    Ok(Words { planar: false, shift, ..words })
}

/// The header of a compressed stream, which must agree with the film's.
fn said(stream: &[u8], layout: &PixelLayout) -> Result<Coded, Misfit> {
    let coded = Coded::of(stream)
        .ok_or_else(|| Misfit::not_whole("DICOM file", "its compressed pixels say no size"))?;
    let of = |[width, height, channels]: [usize; 3]| {
        format!("{width}x{height} pixels of {channels} channels")
    };
    let [inside, outside] = [
        [coded.width, coded.height, coded.channels],
        [layout.width, layout.height, layout.channels],
    ];
    if inside != outside {
        let expected = format!("{} as its header says", of(outside));
        return Err(Misfit::new(expected, format!("{} in its compressed stream", of(inside))));
    }
    if coded.precision == 0 || coded.precision > 16 {
        return Err(Misfit::new("at most 16 bits a number", coded.precision.to_string()));
    }
    Ok(coded)
}

/// Decodes JPEG-LS, which dicom-rs leaves to C++.
fn jpeg_ls(stream: &[u8], layout: &PixelLayout) -> Result<Vec<u8>, Misfit> {
    if layout.channels != 1 {
        return Err(Misfit::new("one channel in JPEG-LS", layout.channels.to_string()));
    }
    let [width, height] = [layout.width, layout.height].map(|side| side as u32);
    let (samples, ..) =
        jpegls::decode(stream, width, height).map_err(|e| Misfit::not_whole("JPEG-LS", e))?;
    Ok(samples.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// Decodes a stream that dicom-rs has a decoder for.
fn decoded(frame: &CodedFrame) -> Result<Vec<u8>, Misfit> {
    let refused = |why: String| {
        let found = format!("{} that is not ({why})", name(frame.syntax));
        Misfit::new("pixels that can be decoded", found)
    };
    let known = TransferSyntaxRegistry.get(frame.syntax);
    let Some(Codec::EncapsulatedPixelData(Some(decoder), _)) = known.map(|known| known.codec())
    else {
        return Err(refused("no library in Rust decodes it".into()));
    };
    let mut data = Vec::new();
    decoder.decode(frame, &mut data).map_err(|e| refused(chain(&e)))?;
    Ok(data)
}

/// A transfer syntax in words; of an unknown one the UID.
pub(super) fn name(uid: &str) -> &str {
    TransferSyntaxRegistry.get(uid).map_or(uid, |known| known.name())
}

/// Text of an error and its causes, which dicom-rs keeps apart.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string);
    let mut said: Vec<String> = causes.collect();
    said.dedup();
    said.join(": ")
}

/// Frame of a film for dicom-rs's decoders.
struct CodedFrame<'a> {
    stream: Vec<u8>,
    layout: &'a PixelLayout,
    /// Number of bits of a word that is decoded.
    bits: u16,
    syntax: &'a str,
}

impl PixelDataObject for CodedFrame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.syntax
    }
    fn rows(&self) -> Option<u16> {
        u16::try_from(self.layout.height).ok()
    }
    fn cols(&self) -> Option<u16> {
        u16::try_from(self.layout.width).ok()
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        u16::try_from(self.layout.channels).ok()
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(self.bits)
    }
    fn bits_stored(&self) -> Option<u16> {
        u16::try_from(self.layout.stored).ok()
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some(&self.layout.interpretation)
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then(|| self.stream.as_slice().into())
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        let fragments = C::from_iter([self.stream.clone()]);
        Some(RawPixelData { fragments, offset_table: C::new() })
    }
}
