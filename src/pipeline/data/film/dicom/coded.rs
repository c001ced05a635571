//! Headers of the compressed streams inside DICOM's pixel data.

use crate::data::film::image::Misfit;

/// Largest number of tiles of a JPEG 2000 stream: each takes kilobytes before a pixel of it is
/// decoded.
const TILES: usize = 16_384;
/// Number of pixels of the smallest block that JPEG 2000 codes at once, of a picture that is not
/// small.
const BLOCK: u32 = 8;
/// Number of pixels up to which a picture is small.
const SMALL: usize = 1 << 20;

/// Header of a JPEG, JPEG-LS or JPEG 2000 stream: what it says of itself before anything is
/// decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) struct Coded {
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    /// Bits of a number.
    pub precision: u32,
    /// Whether it is coded by cosines: a decoder makes RGB of its three channels; any other keeps
    /// what they are.
    pub cosine: bool,
    /// Whether all scans lie in memory at once.
    pub progressive: bool,
}

impl Coded {
    /// Reads the header of a stream: one larger than its DICOM header would be decoded into memory that
    /// nobody agreed to.
    pub fn of(stream: &[u8]) -> Option<Self> {
        let byte = |at: usize| stream.get(at).copied().map(usize::from);
        let short = |at: usize| Some(byte(at)? << 8 | byte(at + 1)?);
        if let Some(code) = code_stream(stream) {
            return Self::of_jpeg_2000(code);
        }
        let mut at = 2;
        while stream.starts_with(&[0xff, 0xd8]) && stream.get(at) == Some(&0xff) {
            match *stream.get(at + 1)? {
                0xff => at += 1,
                // Frame headers, of which C4, C8 and CC are none, and JPEG-LS's.
                kind @ (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7) => {
                    return Some(Self {
                        width: short(at + 7)?,
                        height: short(at + 5)?,
                        channels: byte(at + 9)?,
                        precision: byte(at + 4)? as u32,
                        cosine: matches!(kind & 3, 0..=2) && kind != 0xf7,
                        progressive: kind & 3 == 2,
                    });
                }
                _ => at += 2 + short(at + 2)?,
            }
        }
        None
    }

    fn of_jpeg_2000(stream: &[u8]) -> Option<Self> {
        let byte = |at: usize| stream.get(at).copied().map(usize::from);
        let [width, height] = sides(stream)?;
        Some(Self {
            width,
            height,
            channels: byte(40)? << 8 | byte(41)?,
            precision: (byte(42)? & 0x7f) as u32 + 1,
            cosine: false,
            progressive: false,
        })
    }
}

/// Width and height of a code stream of JPEG 2000.
fn sides(stream: &[u8]) -> Option<[usize; 2]> {
    let side = |to, from| Some(long(stream, to)?.saturating_sub(long(stream, from)?));
    Some([side(8, 16)?, side(12, 20)?])
}

fn long(stream: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_be_bytes(stream.get(at..at + 4)?.try_into().ok()?) as usize)
}

/// The code stream of JPEG 2000 in a stream, where it may lie in boxes (JP2).
fn code_stream(stream: &[u8]) -> Option<&[u8]> {
    const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
    if stream.starts_with(&START) {
        return Some(stream);
    }
    let boxes = stream.get(4..8) == Some(b"jP  ");
    let head = &stream[..stream.len().min(1 << 16)];
    let at = boxes.then(|| head.windows(4).position(|four| four == START)).flatten()?;
    Some(&stream[at..])
}

/// Refuses a stream of JPEG 2000 that divides its picture so finely that the pieces take more memory than the pixels.
pub(super) fn check_pieces(stream: &[u8]) -> Result<(), Misfit> {
    let Some(stream) = code_stream(stream) else { return Ok(()) };
    let Some([width, height]) = sides(stream) else { return Ok(()) };
    let tile = [24, 28].map(|at| long(stream, at).unwrap_or(0).max(1));
    let tiles = width.div_ceil(tile[0]).saturating_mul(height.div_ceil(tile[1]));
    if tiles > TILES {
        return Err(Misfit::new(format!("at most {TILES} tiles of JPEG 2000"), tiles.to_string()));
    }
    // COD: code-blocks as exponents of two less two, then precincts as two exponents a byte.
    let byte = |at: usize| stream.get(at).copied().map(u32::from);
    let mut at = 2;
    while let (Some(0xff), Some(kind)) = (byte(at), byte(at + 1)) {
        let Some(length) = stream.get(at + 2..at + 4) else { break };
        if kind == 0x90 || kind == 0x93 {
            break;
        }
        if kind == 0x52 && width * height > SMALL {
            let block = byte(at + 10).unwrap_or(0) + byte(at + 11).unwrap_or(0) + 4;
            let levels = byte(at + 9).unwrap_or(0).min(32) as usize;
            let own = byte(at + 4).is_some_and(|style| style & 1 == 1);
            // The finest level's is the largest part of them.
            let precinct = byte(at + 14 + levels).filter(|_| own).unwrap_or(0xff);
            let precinct = (precinct & 15) + (precinct >> 4);
            if block < BLOCK || precinct < BLOCK + 2 {
                let expected = "blocks of 256 pixels and precincts of 1,024 or more in JPEG 2000";
                let found = format!("{} and {}", 1u64 << block, 1u64 << precinct);
                return Err(Misfit::new(expected, found));
            }
        }
        at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    Ok(())
}
