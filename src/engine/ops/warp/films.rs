//! Grey films on their way to the device, in 8 or 16 bits a pixel.

use super::Warp;
use crate::{
    Result,
    gpu::{Gpu, Room},
    tensor::Tensor,
};
use rayon::prelude::*;
use std::ops::Range;
use wgpu::WriteOnly;

/// The grey values of a film, row by row from the top left.
#[derive(Clone, Copy, Debug)]
pub enum Grey<'a> {
    /// 0 to 255.
    Bytes(&'a [u8]),
    /// 0 to 65535, 257 to a grey.
    Words(&'a [u16]),
}

/// Bytes before the first film: how many bits a pixel has.
const HEAD: usize = 4;
/// Bytes that a thread writes at a time, an even number.
const BLOCK: usize = 1 << 14;

impl Grey<'_> {
    /// Pixels of the film.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => words.len(),
        }
    }
    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Writes these bytes of the film at `bits` a pixel, which are 8 only of bytes.
    fn write(&self, bits: u32, part: Range<usize>, mut room: Room) {
        match self {
            Self::Bytes(bytes) if bits == 8 => room.copy_from_slice(&bytes[part]),
            Self::Bytes(bytes) => {
                let wide = bytes[part.start / 2..part.end / 2].iter().map(|v| [*v; 2]);
                room.into_chunks().0.write_iter(wide);
            }
            Self::Words(words) => room.copy_from_slice(&bytemuck::cast_slice(words)[part]),
        }
    }
}

impl Warp {
    /// Words of 32 bits that a batch of so many pixels takes at most, as [`Warp::pack`] writes it.
    pub fn words(pixels: usize) -> usize {
        HEAD / 4 + pixels.div_ceil(2)
    }
    /// Puts films one behind the other as [`Warp::forward`] reads them, on all threads, and returns how many bytes that
    /// are: a word that says the bits of a pixel, then the pixels, the first in the lowest bits. They have 16 bits where any
    /// of the films has, to which bytes are widened exactly, so that a film is the same bits on the device whichever others
    /// it comes with. Room for more films is filled with zeros.
    ///
    /// # Panics
    /// If the films differ in size, or the room, of [`Warp::words`], is too small for them.
    pub fn pack(films: &[Grey], room: Room) -> usize {
        let deep = films.iter().any(|film| matches!(film, Grey::Words(_)));
        let bits: u32 = if deep { 16 } else { 8 };
        let each = bits as usize / 8;
        let pixels = films.first().map_or(0, Grey::len);
        assert!(films.iter().all(|film| film.len() == pixels), "films of one size");
        let used = (HEAD + (room.len() - HEAD) / 2 * each).next_multiple_of(4);
        assert!(HEAD + films.len() * pixels * each <= used, "the room is for as many films");
        let (mut head, rest) = room.into_slice(..used).split_at(HEAD);
        head.copy_from_slice(&bits.to_le_bytes());
        let write = |mut at: usize, mut room: Room| {
            let size = (pixels * each).max(1);
            while let Some(film) = films.get(at / size).filter(|_| !room.is_empty()) {
                let from = at % size;
                let count = room.len().min(size - from);
                let place = room.split_off(..count).expect("no more than is left");
                film.write(bits, from..from + count, place);
                at += count;
            }
            room.fill(0);
        };
        // Blocks, for only room of a size that is known beforehand may go to other threads.
        let (blocks, last) = rest.into_chunks::<BLOCK>();
        let end = blocks.len() * BLOCK;
        let blocks: Vec<WriteOnly<[u8; BLOCK]>> = blocks.into_iter().collect();
        blocks.into_par_iter().enumerate().for_each(|(i, block)| write(i * BLOCK, block.into()));
        write(end, last);
        used
    }
    /// A batch of films in memory of its own.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn upload(gpu: &Gpu, films: &[Grey]) -> Result<Tensor> {
        let tensor = Tensor::alloc(gpu, &[Self::words(films.iter().map(Grey::len).sum())])?;
        let mut packed = vec![0; 4 * tensor.channels()];
        let used = Self::pack(films, Room::from_mut(&mut packed));
        gpu.write(&tensor.data, &packed[..used]);
        Ok(tensor)
    }
}
