//! Decoding of an image file to a grey film on the 0-255 scale.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder, ImageError, Limits,
    codecs::{bmp::BmpDecoder, png::PngDecoder, tiff::TiffDecoder},
};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{
    dicom,
    image::{
        Decoded, Encoding, Film, Greys, MAX_SIDE, Misfit, admit, check_size, fault_at, luma,
        with_bytes,
    },
    orientation::Orientation,
    tiff,
};
use crate::Result;

/// Number of bytes that a file's texts and profiles may take while it is decoded.
const ASIDE: u64 = 32 << 20;
/// Number of bytes a pixel of the grey film, and of its copy where it is turned.
const FILM: usize = 8;

/// Reads the image file `path` as a grey film.
///
/// The format is told by the file's first bytes, never by its name: JPEG (baseline, progressive;
/// grey, YCbCr, RGB, CMYK), PNG (any depth, palette, alpha, interlaced), BMP, TIFF and DICOM (as
/// it is meant to be seen: rescaled, windowed, 0 black). Colour becomes grey by ITU-R BT.601 luma,
/// `0.299 R + 0.587 G + 0.114 B`; transparency lies on black; the EXIF orientation is applied.
///
/// # Errors
/// [`crate::Error::Data`] naming the file if it is missing, no image, damaged, cut short, one of several pages or larger than
/// [`MAX_SIDE`] or [`MAX_PIXELS`](super::image::MAX_PIXELS).
pub fn decode(path: &Path) -> Result<Film> {
    decode_encoded(path).map(|(film, _)| film)
}

/// Decodes as [`decode`], and gives how the file holds its pixels.
///
/// # Errors
/// As [`decode`].
pub fn decode_encoded(path: &Path) -> Result<(Film, Encoding)> {
    let decoded = read(path).map_err(|fault| fault_at(path, fault))?;
    let (film, encoding, _) = decoded.film();
    Ok((film, encoding))
}

/// Decodes the bytes of an image file as [`decode`] does; `name` stands for the file in errors.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(bytes: &[u8], name: &Path) -> Result<Film> {
    examine(bytes).map(|decoded| decoded.film().0).map_err(|fault| fault_at(name, fault))
}

/// Reads the film of a file, with its share of the memory for decoding.
pub(in crate::data) fn read(path: &Path) -> Result<Decoded, Misfit> {
    with_bytes(path, examine)
}

/// Decodes the film that the bytes of an image file hold, with its encoding.
pub(in crate::data) fn examine(bytes: &[u8]) -> Result<Decoded, Misfit> {
    // A decoder that panics on a damaged file must cost this film alone, not the run.
    let upright = || Ok(Orientation::of(bytes).upright(as_stored(bytes)?));
    catch_unwind(AssertUnwindSafe(upright)).unwrap_or_else(|_| Err(Misfit::damaged()))
}

fn as_stored(bytes: &[u8]) -> Result<Decoded, Misfit> {
    match bytes {
        [] => Err(Misfit::new("an image", "an empty file")),
        // First, for DICOM's preamble may be the start of a TIFF.
        _ if dicom::is_marked(bytes) => dicom::film(bytes),
        [0xff, 0xd8, 0xff, ..] => jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => png(bytes),
        // 43 is BigTIFF, whose offsets have 64 bits.
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => tiff(bytes),
        [b'B', b'M', ..] => {
            let bits = bytes.get(28..30).map(|at| u16::from_le_bytes([at[0], at[1]]));
            let palette = bits.filter(|n| *n <= 8);
            image_crate("BMP", palette, bytes, BmpDecoder::new(Cursor::new(bytes)))
        }
        _ if dicom::is_dicom(bytes) => dicom::film(bytes),
        _ => Err(Misfit::new(
            "JPEG, PNG, BMP, TIFF or DICOM",
            format!("a file that begins with {:02x?}", &bytes[..bytes.len().min(4)]),
        )),
    }
}

/// Limits of a decoder's memory: `pixels` bytes for these and its own copy of them, and little
/// beside.
fn limits(pixels: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE as u32);
    limits.max_image_height = Some(MAX_SIDE as u32);
    limits.max_alloc = Some(2 * pixels + ASIDE);
    limits
}

fn png(bytes: &[u8]) -> Result<Decoded, Misfit> {
    // The header's fields are at fixed places: depth, and colour type 3 for a palette.
    let palette = bytes.get(24..26).filter(|at| at[1] == 3).map(|at| at[0].into());
    // The decoder says less of a side that is too long.
    if let Some(&[a, b, c, d, e, f, g, h]) = bytes.get(16..24) {
        let [width, height] = [[a, b, c, d], [e, f, g, h]].map(u32::from_be_bytes);
        check_size(width as usize, height as usize)?;
    }
    // The decoder's limit counts all but the pixels.
    image_crate("PNG", palette, bytes, PngDecoder::with_limits(Cursor::new(bytes), limits(0)))
}

fn tiff(bytes: &[u8]) -> Result<Decoded, Misfit> {
    let tiff::PreparedTiff { bytes, palette } = tiff::prepared(bytes)?;
    let bits = palette.is_some().then_some(8);
    let mut decoded = image_crate("TIFF", bits, &bytes, TiffDecoder::new(Cursor::new(&*bytes)))?;
    if let Some(palette) = palette {
        decoded.encoding.channels = 3;
        if let Greys::Bytes(places) = &decoded.greys {
            let greys = places.iter().map(|place| palette[usize::from(*place)]);
            decoded.greys = Greys::Made(greys.collect());
        }
    }
    Ok(decoded)
}

fn jpeg(bytes: &[u8]) -> Result<Decoded, Misfit> {
    // Before its decoder, which keeps all profiles that come before the size.
    let coded = dicom::Coded::of(bytes).ok_or_else(|| Misfit::new("the size of a JPEG", "none"))?;
    let channels = coded.channels.clamp(1, 4);
    let kept = if coded.progressive { 2 * channels } else { 0 };
    let size = [coded.width, coded.height];
    let share = admit(size, bytes.len(), 8 * channels, channels + kept + FILM)?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| Misfit::not_whole("JPEG", e))?;
    let (width, height) =
        decoder.dimensions().ok_or_else(|| Misfit::new("the size of a JPEG", "none"))?;
    if [width, height] != size {
        let expected = format!("one size in a JPEG, {}x{}", size[0], size[1]);
        return Err(Misfit::new(expected, format!("{width}x{height} too")));
    }
    // The Y of YCbCr is BT.601 luma already; everything else goes through RGB.
    let grey = matches!(decoder.input_colorspace(), Some(ColorSpace::Luma | ColorSpace::YCbCr));
    let out = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let data = decoder.decode().map_err(|e| Misfit::not_whole("JPEG", e))?;
    let greys = if grey {
        Greys::Bytes(data)
    } else {
        Greys::Made(data.as_chunks::<3>().0.iter().map(|p| luma(p.map(f32::from))).collect())
    };
    if greys.len() != width * height {
        let expected = format!("{width}x{height} pixels");
        return Err(Misfit::new(expected, greys.len().to_string()));
    }
    let channels = decoder.input_colorspace().map_or(1, |space| space.num_components() as u8);
    let encoding = Encoding::new("JPEG", 8, channels);
    Ok(Decoded { size, greys, encoding, share })
}

/// Decodes a film by the image crate; `palette`: bits of a place in the palette, where there is
/// one.
fn image_crate<D: ImageDecoder>(
    format: &'static str,
    palette: Option<u16>,
    bytes: &[u8],
    decoder: Result<D, ImageError>,
) -> Result<Decoded, Misfit> {
    let mut decoder = decoder.map_err(refused)?;
    let (width, height) = decoder.dimensions();
    let size = [width as usize, height as usize];
    let stored = decoder.original_color_type();
    let channels = stored.channel_count();
    let bits = palette.unwrap_or(stored.bits_per_pixel() / u16::from(channels.max(1)));
    let whole = palette.unwrap_or(stored.bits_per_pixel()).into();
    let decoded = usize::from(decoder.color_type().bytes_per_pixel());
    let share = admit(size, bytes.len(), whole, 2 * decoded + FILM)?;
    decoder.set_limits(limits(decoder.total_bytes())).map_err(refused)?;
    let encoding = Encoding { palette: palette.is_some(), ..Encoding::new(format, bits, channels) };
    let image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    Ok(Decoded { size, greys: grey(image)?, encoding, share })
}

/// The misfit of what the image crate refuses: what it does not know is no damage.
fn refused(error: ImageError) -> Misfit {
    match error {
        ImageError::Unsupported(what) => {
            let expected =
                "an image of a kind that is read here, such as grey or RGB of 8 or 16 bits";
            Misfit::new(expected, format!("another ({what})"))
        }
        error => Misfit::not_whole("image", error),
    }
}

fn grey(image: DynamicImage) -> Result<Greys, Misfit> {
    /// Greys of any channel type and count: `scale` brings a channel to 0-255.
    fn flat<T: Copy, const N: usize>(
        data: &[T],
        scale: impl Fn(T) -> f32,
        value: impl Fn([f32; N]) -> f32,
    ) -> Greys {
        Greys::Made(data.as_chunks::<N>().0.iter().map(|p| value(p.map(&scale))).collect())
    }
    let (byte, word) = (|v: u8| f32::from(v), |v: u16| f32::from(v) / 257.0);
    let over_black = |v: f32, alpha: f32| v * (alpha / 255.0);
    let colours = |[r, g, b, a]: [f32; 4]| over_black(luma([r, g, b]), a);
    Ok(match image {
        DynamicImage::ImageLuma8(i) => Greys::Bytes(i.into_raw()),
        DynamicImage::ImageLuma16(i) => Greys::Words(i.into_raw()),
        DynamicImage::ImageLumaA8(i) => flat(&i, byte, |[v, a]| over_black(v, a)),
        DynamicImage::ImageRgb8(i) => flat(&i, byte, luma),
        DynamicImage::ImageRgba8(i) => flat(&i, byte, colours),
        DynamicImage::ImageLumaA16(i) => flat(&i, word, |[v, a]| over_black(v, a)),
        DynamicImage::ImageRgb16(i) => flat(&i, word, luma),
        DynamicImage::ImageRgba16(i) => flat(&i, word, colours),
        other => {
            let found = format!("{:?}", other.color());
            return Err(Misfit::new("8 or 16 bits a channel", found));
        }
    })
}
