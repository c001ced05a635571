//! TIFFs in tiles, which the tests write themselves, byte by byte.

use mtpret_pipeline::data::decode_bytes;
use std::path::Path;

/// Tiles are this wide and high; films one tile and a half.
const SIDE: usize = 16;
const SIZE: [usize; 2] = [24, 20];

/// A TIFF as it is written.
#[derive(Clone, Copy)]
struct Tiff {
    channels: usize,
    /// Channels in tiles of their own.
    planar: bool,
    lzw: bool,
    big_endian: bool,
    bits: usize,
}

const GREY: Tiff = Tiff { channels: 1, planar: false, lzw: false, big_endian: false, bits: 8 };

/// A channel of a pixel.
fn value(x: usize, y: usize, channel: usize) -> u8 {
    if channel == 0 { (x * 9 + y * 5) as u8 } else { (x * 3 + y * 7 + channel * 60) as u8 }
}

/// LZW of the plainest kind: each byte for itself, and the table cleared before its codes grow.
fn lzw(bytes: &[u8]) -> Vec<u8> {
    const CLEAR: u16 = 256;
    const END: u16 = 257;
    let mut codes = Vec::new();
    for part in bytes.chunks(200) {
        codes.push(CLEAR);
        codes.extend(part.iter().map(|byte| u16::from(*byte)));
    }
    codes.push(END);
    let bits: Vec<bool> =
        codes.iter().flat_map(|code| (0..9).rev().map(move |bit| code >> bit & 1 == 1)).collect();
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().map(|(at, bit)| u8::from(*bit) << (7 - at)).sum())
        .collect()
}

impl Tiff {
    fn bytes(self) -> Vec<u8> {
        let short = |n: usize| match self.big_endian {
            true => (n as u16).to_be_bytes(),
            false => (n as u16).to_le_bytes(),
        };
        let long = |n: usize| match self.big_endian {
            true => (n as u32).to_be_bytes(),
            false => (n as u32).to_le_bytes(),
        };
        let sample = |v: u8| match self.bits {
            8 => vec![v],
            _ => short(usize::from(v) * 257).to_vec(),
        };
        let planes: Vec<Vec<usize>> = match self.planar {
            true => (0..self.channels).map(|channel| vec![channel]).collect(),
            false => vec![(0..self.channels).collect()],
        };
        let mut tiles = Vec::new();
        for plane in &planes {
            for (top, left) in [(0, 0), (0, SIDE), (SIDE, 0), (SIDE, SIDE)] {
                let places = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (left + x, top + y)));
                let tile: Vec<u8> = places
                    .flat_map(|(x, y)| plane.iter().flat_map(move |c| sample(value(x, y, *c))))
                    .collect();
                tiles.push(if self.lzw { lzw(&tile) } else { tile });
            }
        }
        let mut file = if self.big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        file.extend([0; 4]);
        let mut offsets = Vec::new();
        for tile in &tiles {
            offsets.push(file.len());
            file.extend(tile);
        }
        let mut longs = |numbers: &[usize]| {
            let at = file.len();
            numbers.iter().for_each(|n| file.extend(long(*n)));
            at
        };
        let offsets = (longs(&offsets), tiles.len());
        let lengths = (longs(&tiles.iter().map(Vec::len).collect::<Vec<_>>()), tiles.len());
        let depths = file.len();
        (0..self.channels).for_each(|_| file.extend(short(self.bits)));
        let directory = file.len();
        file[4..8].copy_from_slice(&long(directory));
        // Tag, kind (3 is short, 4 long), count and value or place.
        let depth = if self.channels == 1 { self.bits } else { depths };
        let fields = [
            (256, 3, 1, SIZE[0]),
            (257, 3, 1, SIZE[1]),
            (258, 3, self.channels, depth),
            (259, 3, 1, if self.lzw { 5 } else { 1 }),
            (262, 3, 1, if self.channels == 1 { 1 } else { 2 }),
            (277, 3, 1, self.channels),
            (284, 3, 1, if self.planar { 2 } else { 1 }),
            (322, 3, 1, SIDE),
            (323, 3, 1, SIDE),
            (324, 4, offsets.1, offsets.0),
            (325, 4, lengths.1, lengths.0),
        ];
        file.extend(short(fields.len()));
        for (tag, kind, count, value) in fields {
            file.extend([short(tag), short(kind)].concat());
            file.extend(long(count));
            // A short that is no place stands at the front of its four bytes.
            let inside = kind == 3 && count == 1;
            file.extend(if inside {
                [short(value), [0; 2]].concat()
            } else {
                long(value).to_vec()
            });
        }
        file.extend(long(0));
        file
    }
    fn read(self) -> Result<Vec<f32>, String> {
        let film = decode_bytes(&self.bytes(), Path::new("film.tif")).map_err(|e| e.to_string())?;
        assert_eq!([film.width, film.height], SIZE);
        Ok(film.pixels)
    }
}

#[test]
fn tiles_are_put_together_with_lzw_or_without_in_either_order_of_bytes() {
    let places = || (0..SIZE[1]).flat_map(|y| (0..SIZE[0]).map(move |x| (x, y)));
    let grey: Vec<f32> = places().map(|(x, y)| value(x, y, 0).into()).collect();
    let colour: Vec<f32> = places()
        .map(|(x, y)| {
            let [r, g, b] = [0, 1, 2].map(|channel| f32::from(value(x, y, channel)));
            0.299 * r + 0.587 * g + 0.114 * b
        })
        .collect();
    for lzw in [false, true] {
        for big_endian in [false, true] {
            for bits in [8, 16] {
                let tiff = Tiff { lzw, big_endian, bits, ..GREY };
                let what = format!("LZW {lzw}, big endian {big_endian}, {bits} bits");
                assert_eq!(tiff.read().as_ref(), Ok(&grey), "{what}");
                let seen = Tiff { channels: 3, ..tiff }.read().unwrap();
                for (seen, wanted) in seen.iter().zip(&colour) {
                    assert!((seen - wanted).abs() < 1e-3, "{what}: {seen} is not {wanted}");
                }
                // One channel lies in tiles of its own anyway.
                assert_eq!(Tiff { planar: true, ..tiff }.read().as_ref(), Ok(&grey), "{what}");
            }
        }
    }
}

/// The decoder panics on these.
#[test]
fn channels_in_tiles_of_their_own_are_refused_by_name() {
    for lzw in [false, true] {
        for bits in [8, 16] {
            let tiff = Tiff { channels: 3, planar: true, lzw, bits, ..GREY };
            let refusal = tiff.read().unwrap_err();
            let told = "expected the channels of a pixel side by side in the tiles of a TIFF, \
                        found each in tiles of its own (PlanarConfiguration 2)";
            assert!(refusal.contains(told), "{refusal}");
        }
    }
}
