//! Statistics and hashes of one film, for an audit.

use std::path::Path;

use image::GrayImage;
use image_hasher::{HashAlg, HasherConfig};

use crate::data::film::{
    decode::examine,
    image::{Encoding, Misfit, with_bytes},
};

/// Side of the picture by which films are compared, in pixels.
const SIDE: usize = 32;
/// Side of the picture that the hash is taken of.
const HASHED: usize = 64;
/// Words of a hash.
const WORDS: usize = 4;

/// Statistics and hashes of one film.
pub(in crate::data) struct Look {
    /// Width and height, pixels.
    pub size: [usize; 2],
    pub encoding: Encoding,
    /// Mean of the pixels, 0-255.
    pub mean: f64,
    pub deviation: f64,
    /// Darkest and brightest pixel.
    pub range: [f64; 2],
    /// BLAKE3 of the file's bytes.
    pub content: [u8; 32],
    /// A hash of 256 bits, few of which change with another encoding or size.
    pub likeness: [u64; WORDS],
    /// The film at 32 × 32, of mean 0 and length 1: the product of two is their correlation.
    pub thumbnail: Vec<f32>,
}

impl Look {
    /// Number of bits by which the hashes differ.
    pub fn distance(&self, other: &Self) -> u32 {
        self.likeness.iter().zip(&other.likeness).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// The correlation of the thumbnails, −1 to 1.
    pub fn correlation(&self, other: &Self) -> f32 {
        self.thumbnail.iter().zip(&other.thumbnail).map(|(a, b)| a * b).sum()
    }

    /// The encoding in words.
    pub fn describe(&self) -> String {
        let Encoding { format, bits, channels, palette, .. } = &self.encoding;
        let colour = match channels {
            _ if *palette => "palette",
            1 => "grey",
            2 => "grey with alpha",
            3 => "colour",
            _ => "colour with a fourth channel",
        };
        format!("{format}, {bits} bit {colour}")
    }
}

/// Decodes a film and computes its statistics and hashes.
pub(in crate::data) fn look(path: &Path) -> Result<Look, Misfit> {
    with_bytes(path, looked)
}

fn looked(bytes: &[u8]) -> Result<Look, Misfit> {
    let (film, encoding, _share) = examine(bytes)?.film();
    let count = film.pixels.len() as f64;
    let mean = film.pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let square = film.pixels.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    let low = film.pixels.iter().copied().fold(f32::MAX, f32::min);
    let high = film.pixels.iter().copied().fold(0.0, f32::max);
    let small = film.resize(HASHED, HASHED);
    let grey = small.pixels.iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect();
    let grey = GrayImage::from_raw(HASHED as u32, HASHED as u32, grey)
        .ok_or_else(|| Misfit::new("a picture of its size", "another"))?;
    let hasher = HasherConfig::new().hash_size(16, 16).hash_alg(HashAlg::Gradient).to_hasher();
    let hash = hasher.hash_image(&grey);
    let mut likeness = [0; WORDS];
    for (word, bytes) in likeness.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let mut thumbnail = small.resize(SIDE, SIDE).pixels;
    let middle = thumbnail.iter().sum::<f32>() / thumbnail.len() as f32;
    thumbnail.iter_mut().for_each(|v| *v -= middle);
    let length = thumbnail.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
    thumbnail.iter_mut().for_each(|v| *v /= length);
    Ok(Look {
        size: [film.width, film.height],
        encoding,
        mean,
        deviation: square.sqrt(),
        range: [low.into(), high.into()],
        content: blake3::hash(bytes).into(),
        likeness,
        thumbnail,
    })
}
