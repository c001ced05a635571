//! DICOM: the one frame of a radiograph, as it is stored and as it is meant to be seen (PS3.3 C.7.6.3, C.11).

mod coded;
mod object;

use std::{
    borrow::Cow,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::DefaultDicomObject;
use dicom_pixeldata::{
    DecodedPixelData, PhotometricInterpretation, PixelDecoder, PixelRepresentation, Rescale,
    VoiLutFunction, WindowLevelTransform,
};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::image::{Encoding, Film, Misfit, bytes, check_size, fault_at, luma};
use crate::Result;

use coded::coded;
use object::{PLAIN, object};

/// Transfer syntaxes whose pixels are JPEG-LS, lossless and near-lossless.
const JPEG_LS: [&str; 2] = ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"];

/// The pixels of a DICOM file as they are stored, before anything is done for the eye.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Numbers of a pixel: 1 of grey, 3 of colour.
    pub channels: usize,
    /// `height * width * channels` numbers; bits above those stored are cut off, signs extended.
    pub samples: Vec<i32>,
    /// `MONOCHROME1` (white is 0), `MONOCHROME2` or `RGB`.
    pub interpretation: String,
    /// The UID of the transfer syntax.
    pub transfer_syntax: String,
    /// Bits of a number.
    pub bits: u16,
}

/// Whether `bytes` have DICOM's mark behind their preamble.
pub(in crate::data) fn is_marked(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

/// Whether a file that begins with `bytes` may be DICOM: by its mark, or, without a header, by a first element of
/// group 2 or 8.
pub(in crate::data) fn is_dicom(bytes: &[u8]) -> bool {
    is_marked(bytes) || matches!(bytes, [2 | 8, 0, _, 0, ..])
}

/// Whether a file has DICOM's mark behind its preamble.
pub(in crate::data) fn has_mark(path: &Path) -> bool {
    let mut start = [0; 132];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && is_marked(&start)
}

/// The patient that the file names; none where it is no DICOM or leaves it blank.
pub(in crate::data) fn patient(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    // Headers end long before this; what is missed only costs the file's own name as the patient.
    std::fs::File::open(path).ok()?.take(1 << 16).read_to_end(&mut start).ok()?;
    if !is_dicom(&start) {
        return None;
    }
    let id = object::text(&start, tags::PATIENT_ID)?;
    let id = id.trim_matches(['\0', ' ']);
    (!id.is_empty()).then(|| id.to_string())
}

impl Stored {
    /// The transfer syntax in words, such as `JPEG 2000 Image Compression`.
    pub fn syntax_name(&self) -> &str {
        syntax_name(&self.transfer_syntax)
    }

    /// The pixels of a DICOM file.
    ///
    /// # Errors
    /// [`crate::Error::Data`] if it is no DICOM, damaged, or encoded in a way that no library here decodes.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || {
            let bytes = bytes(path)?;
            let object = object(&bytes)?;
            as_stored(&object, &pixels(&object)?)
        };
        // A decoder that panics on a damaged file must cost this film alone.
        let read = catch_unwind(AssertUnwindSafe(read));
        read.unwrap_or_else(|_| Err(Misfit::damaged())).map_err(|fault| fault_at(path, fault))
    }
}

/// A DICOM file as a grey film: rescaled, through its first VOI table or window (else from the darkest to the brightest
/// pixel), on 0-255, with 0 black.
pub(in crate::data) fn film(bytes: &[u8]) -> Result<(Film, Encoding), Misfit> {
    let object = object(bytes)?;
    let decoded = pixels(&object)?;
    let Stored { width, height, channels, samples, interpretation, bits, .. } =
        as_stored(&object, &decoded)?;
    if channels == 3 {
        let most = ((1u32 << bits) - 1) as f32;
        let grey = |rgb: &[i32; 3]| luma(rgb.map(|v| v as f32 / most * 255.0));
        let pixels = samples.as_chunks::<3>().0.iter().map(grey).collect();
        return Ok((Film { width, height, pixels }, Encoding::new("DICOM", bits, 3)));
    }
    let seen = seen(&decoded, &samples)?;
    let inverted = interpretation == "MONOCHROME1";
    let pixels = samples.into_iter().map(|v| {
        let grey = seen(f64::from(v)) as f32;
        if inverted { 255.0 - grey } else { grey }
    });
    let encoding = Encoding { inverted, ..Encoding::new("DICOM", bits, 1) };
    Ok((Film { width, height, pixels: pixels.collect() }, encoding))
}

/// What a stored number is on 0-255.
fn seen<'a>(
    decoded: &'a DecodedPixelData,
    samples: &[i32],
) -> Result<Box<dyn Fn(f64) -> f64 + 'a>, Misfit> {
    let fault = |e: dicom_pixeldata::Error| Misfit::not_whole("DICOM file", chain(&e));
    let rescale = decoded.rescale().map_err(fault)?.first().copied();
    let rescale = rescale.unwrap_or(Rescale::new(1.0, 0.0));
    let table = decoded.voi_lut_sequence().map_err(fault)?.and_then(|tables| tables.first());
    if let Some(table) = table.filter(|table| !table.data.is_empty()) {
        // What the table declares as its depth is often wrong: its brightest entry is white.
        let most = f64::from(table.data.iter().copied().max().unwrap_or(0).max(1));
        let last = table.data.len() - 1;
        return Ok(Box::new(move |v| {
            let at = rescale.apply(v).round() - f64::from(table.min_pixel_value);
            f64::from(table.data[(at.max(0.0) as usize).min(last)]) / most * 255.0
        }));
    }
    if let Some(window) = decoded.window().map_err(fault)?.and_then(|all| all.first()) {
        let function = decoded.voi_lut_function().map_err(fault)?.and_then(|all| all.first());
        let function = function.copied().unwrap_or(VoiLutFunction::Linear);
        let window = WindowLevelTransform::new(function, *window);
        return Ok(Box::new(move |v| window.apply(rescale.apply(v), 255.0)));
    }
    let values = || samples.iter().map(|&v| rescale.apply(f64::from(v)));
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let span = if high > low { high - low } else { 1.0 };
    Ok(Box::new(move |v| (rescale.apply(v) - low) / span * 255.0))
}

/// The decoded pixels, once their size is known to be harmless.
fn pixels(object: &DefaultDicomObject) -> Result<DecodedPixelData<'_>, Misfit> {
    let number = |tag, name: &str| -> Result<Option<u32>, Misfit> {
        let Ok(element) = object.element(tag) else { return Ok(None) };
        element
            .to_int::<u32>()
            .map(Some)
            .map_err(|e| Misfit::new(format!("a number as {name}"), e.to_string()))
    };
    let side = |tag, name: &str| {
        number(tag, name)?
            .ok_or_else(|| Misfit::new("an image", format!("a DICOM object without {name}")))
    };
    let (height, width) = (side(tags::ROWS, "Rows")?, side(tags::COLUMNS, "Columns")?);
    check_size(width as usize, height as usize)?;
    let frames = number(tags::NUMBER_OF_FRAMES, "NumberOfFrames")?.unwrap_or(1);
    if frames > 1 {
        let found = format!("{frames}: save the frame that is meant as a file");
        return Err(Misfit::new("one frame", found));
    }
    let Ok(data) = object.element(tags::PIXEL_DATA) else {
        return Err(Misfit::new("an image", "a DICOM object without PixelData"));
    };
    let fragments = data.fragments().unwrap_or_default();
    let channels = number(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel")?.unwrap_or(1);
    let said = [width, height, channels].map(|n| n as usize);
    if let Some(inside) = fragments.first().and_then(|first| coded(first))
        && inside != said
    {
        let [[w, h, c], [width, height, channels]] = [inside, said];
        let expected = format!("{width}x{height} pixels of {channels} channels as its header says");
        return Err(Misfit::new(expected, format!("{w}x{h} of {c} in its JPEG")));
    }
    let syntax = object.meta().transfer_syntax().trim_end_matches('\0');
    if JPEG_LS.contains(&syntax) {
        return jpeg_ls(object, &fragments.concat(), [width, height]);
    }
    object.decode_pixel_data().map_err(|e| {
        let found = format!("{} that is not ({})", syntax_name(syntax), chain(&e));
        Misfit::new("pixels that can be decoded", found)
    })
}

/// A transfer syntax in words; of an unknown one the UID.
fn syntax_name(uid: &str) -> &str {
    TransferSyntaxRegistry.get(uid).map_or(uid, |known| known.name())
}

/// Decodes JPEG-LS, which dicom-rs leaves to C++: the samples take the place of the fragments, as if the file had never
/// been compressed.
fn jpeg_ls(
    object: &DefaultDicomObject,
    coded: &[u8],
    [width, height]: [u32; 2],
) -> Result<DecodedPixelData<'static>, Misfit> {
    let (samples, ..) =
        jpegls::decode(coded, width, height).map_err(|e| Misfit::not_whole("JPEG-LS", e))?;
    let wide = object.element(tags::BITS_ALLOCATED).ok().and_then(|bits| bits.to_int::<u16>().ok());
    let bytes: Vec<u8> = match wide {
        Some(8) => samples.iter().map(|&v| v as u8).collect(),
        _ => samples.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    let mut plain = object.clone();
    let value = dicom_core::PrimitiveValue::from(bytes);
    plain.put(dicom_core::DataElement::new(tags::PIXEL_DATA, dicom_core::VR::OW, value));
    plain.meta_mut().transfer_syntax = PLAIN.into();
    let decoded =
        plain.decode_pixel_data().map_err(|e| Misfit::not_whole("DICOM file", chain(&e)))?;
    Ok(decoded.to_owned())
}

fn as_stored(object: &DefaultDicomObject, decoded: &DecodedPixelData) -> Result<Stored, Misfit> {
    let (width, height) = (decoded.columns() as usize, decoded.rows() as usize);
    let channels = usize::from(decoded.samples_per_pixel());
    let interpretation = decoded.photometric_interpretation().clone();
    let known = match interpretation {
        PhotometricInterpretation::Monochrome1 | PhotometricInterpretation::Monochrome2 => 1,
        PhotometricInterpretation::Rgb => 3,
        _ => 0,
    };
    if known != channels {
        let found = format!("{interpretation} of {channels} channels");
        return Err(Misfit::new("grey or RGB pixels", found));
    }
    let (bits, signed) = (decoded.bits_stored(), decoded.pixel_representation());
    let data: Cow<[u8]> = decoded.data().into();
    let wide = decoded.bits_allocated() == 16;
    if !wide && decoded.bits_allocated() != 8 || bits == 0 || bits > decoded.bits_allocated() {
        let found = format!("{bits} of {}", decoded.bits_allocated());
        return Err(Misfit::new("8 or 16 bits a pixel", found));
    }
    let unused = 32 - u32::from(bits);
    let number = |v: u32| match signed {
        PixelRepresentation::Signed => (v << unused) as i32 >> unused,
        PixelRepresentation::Unsigned => (v << unused >> unused) as i32,
    };
    let mut samples: Vec<i32> = match wide {
        true => {
            data.as_chunks::<2>().0.iter().map(|&b| number(u16::from_ne_bytes(b).into())).collect()
        }
        false => data.iter().map(|&b| number(b.into())).collect(),
    };
    // An odd count of bytes is padded with one.
    let wanted = width * height * channels;
    if samples.len() < wanted {
        let found = format!("{}: the file is cut short", samples.len());
        return Err(Misfit::new(format!("{wanted} numbers of pixels"), found));
    }
    samples.truncate(wanted);
    Ok(Stored {
        width,
        height,
        channels,
        samples,
        interpretation: interpretation.to_string(),
        transfer_syntax: object.meta().transfer_syntax().trim_end_matches('\0').into(),
        bits,
    })
}

/// An error and its causes, which dicom-rs keeps apart.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string);
    let mut said: Vec<String> = causes.collect();
    said.dedup();
    said.join(": ")
}
