//! Grey values of a film at the size of the network's input, in as many bits as its file has.

use mtpret_engine::ops::warp::Grey;

/// Steps of a 16-bit grey to one of 8 bits, which makes black and white the same in both.
const WORDS: f32 = 257.0;

/// The grey values of a film, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pixels {
    /// Of a file of at most 8 bits: 0 to 255.
    Bytes(Vec<u8>),
    /// Of a deeper one: 0 to 65535.
    Words(Vec<u16>),
}

impl Pixels {
    /// Greys of 0–255, of a file of so many bits a number, to the nearest that is held. It is the only time that a film is rounded.
    pub(in crate::data) fn rounded(greys: &[f32], bits: u16) -> Self {
        // A cast cuts off the fraction, and holds to what the type holds.
        match bits <= 8 {
            true => Self::Bytes(greys.iter().map(|v| (v + 0.5) as u8).collect()),
            false => Self::Words(greys.iter().map(|v| (v * WORDS + 0.5) as u16).collect()),
        }
    }
    /// As the device takes them.
    pub fn grey(&self) -> Grey<'_> {
        match self {
            Self::Bytes(bytes) => Grey::Bytes(bytes),
            Self::Words(words) => Grey::Words(words),
        }
    }
    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => 2 * words.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_go_to_the_nearest_that_is_held() {
        let greys = [0.0, 0.4, 0.6, 127.4999, 254.6, 255.0, 255.01];
        assert_eq!(Pixels::rounded(&greys, 8), Pixels::Bytes(vec![0, 0, 1, 127, 255, 255, 255]));
        let words = Pixels::Words(vec![0, 103, 154, 32767, 65432, 65535, 65535]);
        assert_eq!(Pixels::rounded(&greys, 12), words);
    }

    #[test]
    fn every_number_of_16_bits_comes_back() {
        let greys: Vec<f32> = (0..=u16::MAX).map(|v| f32::from(v) / 257.0).collect();
        assert_eq!(Pixels::rounded(&greys, 16), Pixels::Words((0..=u16::MAX).collect()));
    }
}
