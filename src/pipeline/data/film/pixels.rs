//! Grey values of a film at the size of the network's input, in as many bits as its file has.

use mtpret_engine::ops::warp::Grey;

use super::{
    image::{Decoded, Greys},
    resize::fitted,
};

/// Number of steps of a 16-bit grey to one of 8 bits, which makes black and white the same in both.
const WORDS: f32 = 257.0;

/// The grey values of a film, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pixels {
    /// Greys of a file of at most 8 bits: 0 to 255.
    Bytes(Vec<u8>),
    /// Greys of a deeper file: 0 to 65535.
    Words(Vec<u16>),
}

impl Pixels {
    /// Resizes a film to `extent` in the top left corner of an input of `input` pixels, rounded to the nearest grey
    /// that is held. It is the only time that a film is rounded.
    pub(in crate::data) fn fitted(film: &Decoded, extent: [usize; 2], input: [usize; 2]) -> Self {
        let deep = film.encoding.bits > 8;
        match &film.greys {
            Greys::Bytes(greys) => Self::Bytes(fitted(greys, film.size, extent, input, byte)),
            Greys::Words(greys) => Self::Words(fitted(greys, film.size, extent, input, word)),
            Greys::Made(greys) if deep => {
                Self::Words(fitted(greys, film.size, extent, input, |v| word(v * WORDS)))
            }
            Greys::Made(greys) => Self::Bytes(fitted(greys, film.size, extent, input, byte)),
        }
    }
    /// The greys as the device takes them.
    pub fn grey(&self) -> Grey<'_> {
        match self {
            Self::Bytes(bytes) => Grey::Bytes(bytes),
            Self::Words(words) => Grey::Words(words),
        }
    }
    /// Number of bytes of memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => 2 * words.len(),
        }
    }
}

/// The nearest number of 8 bits: a cast cuts off the fraction, and holds to what the type holds.
fn byte(v: f32) -> u8 {
    (v + 0.5) as u8
}

/// The nearest number of 16 bits.
fn word(v: f32) -> u16 {
    (v + 0.5) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_go_to_the_nearest_that_is_held() {
        let greys = [-0.1, 0.0, 0.4, 0.6, 127.4999, 254.6, 255.0, 255.01];
        assert_eq!(greys.map(byte), [0, 0, 0, 1, 127, 255, 255, 255]);
        assert_eq!(greys.map(|v| word(v * WORDS)), [0, 0, 103, 154, 32767, 65432, 65535, 65535]);
    }
}
