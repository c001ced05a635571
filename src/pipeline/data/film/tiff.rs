//! TIFF files where the image crate's decoder falls short: several pages, palettes, LZW in tiles.

use std::{borrow::Cow, collections::HashSet};

use super::image::{Misfit, luma};

/// Tags of fields, in the order of their numbers.
const SUBFILE: u16 = 254;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const CHANNELS: u16 = 277;
const PLANES: u16 = 284;
const COLOURS: u16 = 320;
const TILE_WIDTH: u16 = 322;
const TILE_LENGTHS: u16 = 325;
/// Value of [`PLANES`] for a plane for each channel.
const APART: u64 = 2;
/// Value of [`COMPRESSION`] for LZW.
const LZW: u64 = 5;
/// Value of [`PHOTOMETRIC`] for a palette.
const PALETTE: u64 = 3;
const BLACK_IS_ZERO: u64 = 1;
/// Bits of [`SUBFILE`] that say a page is a smaller copy of another, or its mask.
const BESIDE: u64 = 0b101;
/// Largest number of pages that are counted.
const PAGES: usize = 1000;
/// Number of bytes by which a tile is made longer. The decoder loses the last codes of a tile when its bytes end with
/// them; its end code keeps it from reading on.
const LONGER: u64 = 16;

/// A file that the image crate decodes.
pub(super) struct PreparedTiff<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// The grey of each place in the palette, where there is one.
    pub palette: Option<Vec<f32>>,
}

/// Prepares a file of one page; other pages than smaller copies and masks are refused, since nobody says which is
/// meant.
pub(super) fn prepared(bytes: &[u8]) -> Result<PreparedTiff<'_>, Misfit> {
    let mut prepared = PreparedTiff { bytes: bytes.into(), palette: None };
    let Some((directory, pages)) = Directory::first(bytes) else { return Ok(prepared) };
    if pages > 1 {
        let found = format!("{pages}: save the page that is meant as a file");
        return Err(Misfit::new("one page in a TIFF", found));
    }
    if directory.number(PLANES) == Some(APART)
        && directory.number(CHANNELS).unwrap_or(1) > 1
        && directory.field(TILE_WIDTH).is_some()
    {
        // The decoder panics on them, though such a file is whole.
        let expected = "the channels of a pixel side by side in the tiles of a TIFF";
        let found = "each in tiles of its own (PlanarConfiguration 2): save the film in strips";
        return Err(Misfit::new(expected, found));
    }
    if directory.number(COMPRESSION) == Some(LZW)
        && let Some(lengths) = directory.field(TILE_LENGTHS)
    {
        let file = prepared.bytes.to_mut();
        file.resize(bytes.len() + LONGER as usize, 0);
        for n in 0..lengths.count {
            let Some(length) = directory.entry(lengths, n) else { break };
            directory.write(file, lengths, n, length + LONGER);
        }
    }
    if directory.number(PHOTOMETRIC) == Some(PALETTE)
        && directory.number(BITS).unwrap_or(1) == 8
        && let Some(field) = directory.field(PHOTOMETRIC)
        && let Some(palette) = directory.palette()
    {
        prepared.palette = Some(palette);
        // Places are numbers, which grey pixels are too.
        directory.write(prepared.bytes.to_mut(), field, 0, BLACK_IS_ZERO);
    }
    Ok(prepared)
}

/// A field of a directory.
#[derive(Clone, Copy)]
struct Field {
    tag: u16,
    /// Number of bytes of a number.
    width: usize,
    count: usize,
    /// Place of its numbers.
    at: usize,
}

/// The fields of a page.
struct Directory<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    fields: Vec<Field>,
    next: usize,
}

impl<'a> Directory<'a> {
    /// Reads the fields of the first page, and the number of pages.
    fn first(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let big_endian = bytes.starts_with(b"MM");
        let wide = number(bytes, 2, 2, big_endian)? == 43;
        let place = if wide { (8, 8) } else { (4, 4) };
        let start = number(bytes, place.0, place.1, big_endian)? as usize;
        let first = Self::at(bytes, big_endian, wide, start)?;
        let (mut pages, mut next, mut seen) = (1, first.next, HashSet::from([start]));
        while next != 0 && seen.insert(next) && seen.len() < PAGES {
            let Some(page) = Self::at(bytes, big_endian, wide, next) else { break };
            pages += usize::from(page.number(SUBFILE).unwrap_or(0) & BESIDE == 0);
            next = page.next;
        }
        Some((first, pages))
    }

    fn at(bytes: &'a [u8], big_endian: bool, wide: bool, start: usize) -> Option<Self> {
        let read = |at, width| number(bytes, at, width, big_endian);
        let (head, size, offset) = if wide { (8, 20, 8) } else { (2, 12, 4) };
        let count = read(start, head)? as usize;
        let begin = start.checked_add(head)?;
        let end = begin.checked_add(count.checked_mul(size)?)?;
        let mut fields = Vec::new();
        for at in (begin..end.min(bytes.len())).step_by(size) {
            let (tag, kind) = (read(at, 2)? as u16, read(at + 2, 2)?);
            let count = read(at + 4, offset)? as usize;
            let width = match kind {
                1 => 1,
                3 => 2,
                4 => 4,
                16 => 8,
                _ => continue,
            };
            let own = at + 4 + offset;
            let inside = count.checked_mul(width)? <= offset;
            let place = if inside { own } else { read(own, offset)? as usize };
            fields.push(Field { tag, width, count, at: place });
        }
        let next = read(end, offset)? as usize;
        Some(Self { bytes, big_endian, fields, next })
    }

    fn field(&self, tag: u16) -> Option<Field> {
        self.fields.iter().find(|field| field.tag == tag).copied()
    }

    fn entry(&self, field: Field, n: usize) -> Option<u64> {
        let at = field.at.checked_add(n.checked_mul(field.width)?)?;
        number(self.bytes, at, field.width, self.big_endian)
    }

    /// The first number of a field.
    fn number(&self, tag: u16) -> Option<u64> {
        self.entry(self.field(tag)?, 0)
    }

    /// Puts a number into `file`, if there is room for as large a one.
    fn write(&self, file: &mut [u8], field: Field, n: usize, value: u64) {
        let Field { width, at, .. } = field;
        if width < 8 && value >> (8 * width) != 0 {
            return;
        }
        let little = value.to_le_bytes();
        let at = at + n * width;
        let Some(place) = file.get_mut(at..at + width) else { return };
        place.copy_from_slice(&little[..width]);
        if self.big_endian {
            place.reverse();
        }
    }

    /// The grey of each place: the luma of its colour, which has 16 bits a channel.
    fn palette(&self) -> Option<Vec<f32>> {
        let field = self.field(COLOURS).filter(|field| field.count >= 3 * 256)?;
        let colour = |place| {
            let channel = |n: usize| Some(self.entry(field, n * 256 + place)? as f32 / 257.0);
            Some(luma([channel(0)?, channel(1)?, channel(2)?]))
        };
        (0..256).map(colour).collect()
    }
}

/// The number of `width` bytes at a place.
fn number(bytes: &[u8], at: usize, width: usize, big_endian: bool) -> Option<u64> {
    let read = bytes.get(at..at.checked_add(width)?)?;
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(match big_endian {
        true => read.iter().fold(0, join),
        false => read.iter().rev().fold(0, join),
    })
}
