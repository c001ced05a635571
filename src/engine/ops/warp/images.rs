//! Grey images on their way to the device, in 8 or 16 bits a pixel.

use super::Warp;
use crate::{
    Result,
    gpu::{Gpu, Room},
    tensor::Tensor,
};
use rayon::prelude::*;
use wgpu::WriteOnly;

/// The grey values of an image, row by row from the top left.
#[derive(Clone, Copy, Debug)]
pub enum Grey<'a> {
    /// Greys of 8 bits, 0 to 255.
    Bytes(&'a [u8]),
    /// Greys of 16 bits, 0 to 65535: 257 to a grey of 8 bits.
    Words(&'a [u16]),
}

/// Number of bytes that a thread writes at a time.
const BLOCK: usize = 1 << 14;

impl Grey<'_> {
    /// Number of pixels of the image.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => words.len(),
        }
    }
    /// Whether the image has no pixels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The greys as they lie in memory.
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Words(words) => bytemuck::cast_slice(words),
        }
    }
}

impl Warp {
    /// Number of words of 32 bits that `n` images of so many pixels take at most, as [`Warp::pack`]
    /// writes them.
    pub fn words(n: usize, pixels: usize) -> usize {
        n * (1 + pixels.div_ceil(2)) + 1
    }
    /// Puts the images of a batch of `n` as [`Warp::forward`] reads them, on all threads, and returns how many bytes that are:
    /// for each image a word, twice the number of its first word plus 1 of an image of 16 bits, then the images, each as it is, and a word of zeros. So
    /// an image is the same bits whichever others it comes with, and what 8 bits hold travels in 8. Images that are missing
    /// share one that is black.
    ///
    /// # Panics
    /// If there are more than `n` images, or the room, of [`Warp::words`], is too small for them.
    pub fn pack(n: usize, images: &[Grey], mut room: Room) -> usize {
        assert!(images.len() <= n, "{} images of {n}", images.len());
        let mut end = 4 * n;
        let mut table = Vec::with_capacity(n);
        let mut place = |bytes: usize, deep: bool| {
            table.push((end / 4 * 2 + usize::from(deep)) as u32);
            let begin = end;
            end += bytes.next_multiple_of(4);
            begin
        };
        let parts: Vec<(usize, &[u8])> = images
            .iter()
            .map(|image| {
                let bytes = image.bytes();
                (place(bytes.len(), matches!(image, Grey::Words(_))), bytes)
            })
            .collect();
        if images.len() < n {
            // At one byte a pixel, as there is room for two of each that is missing.
            place((room.len() / 4 - 1) / n * 2 - 2, false);
        }
        end += 4;
        table.resize(n, table.last().copied().unwrap_or_default());
        room.slice(..4 * n).copy_from_slice(bytemuck::cast_slice(&table));
        let write = |mut at: usize, mut room: Room| {
            let mut next = parts.partition_point(|(begin, bytes)| begin + bytes.len() <= at);
            while let Some((begin, bytes)) = parts.get(next).filter(|_| !room.is_empty()) {
                // Up to an image there may be bytes that no image has.
                let blank = begin.saturating_sub(at).min(room.len());
                room.split_off(..blank).expect("no more than is left").fill(0);
                at += blank;
                let rest = &bytes[at - begin.min(&at)..];
                let count = rest.len().min(room.len());
                room.split_off(..count)
                    .expect("no more than is left")
                    .copy_from_slice(&rest[..count]);
                at += count;
                next += 1;
            }
            room.fill(0);
        };
        // Blocks, for only room of a size that is known beforehand may go to other threads.
        let (blocks, last) = room.into_slice(4 * n..end).into_chunks::<BLOCK>();
        let rest = 4 * n + blocks.len() * BLOCK;
        let blocks: Vec<WriteOnly<[u8; BLOCK]>> = blocks.into_iter().collect();
        blocks
            .into_par_iter()
            .enumerate()
            .for_each(|(i, block)| write(4 * n + i * BLOCK, block.into()));
        write(rest, last);
        end
    }
    /// Uploads a batch of images of one size to memory of its own.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn upload(gpu: &Gpu, images: &[Grey]) -> Result<Tensor> {
        let pixels = images.iter().map(Grey::len).max().unwrap_or(0);
        let tensor = Tensor::alloc(gpu, &[Self::words(images.len(), pixels)])?;
        let mut packed = vec![0; 4 * tensor.channels()];
        let used = Self::pack(images.len(), images, Room::from_mut(&mut packed));
        gpu.write(&tensor.data, &packed[..used]);
        Ok(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that `pack` writes of images of so many pixels; room is never clean.
    fn packed(n: usize, pixels: usize, images: &[Grey]) -> Vec<u8> {
        let mut room = vec![0xee; 4 * Warp::words(n, pixels)];
        let used = Warp::pack(n, images, Room::from_mut(&mut room));
        assert!(used.is_multiple_of(4));
        room.truncate(used);
        room
    }

    /// The greys of image `i`, by what its word says.
    fn greys(packed: &[u8], i: usize, pixels: usize) -> Vec<u16> {
        let word = bytemuck::pod_read_unaligned::<u32>(&packed[4 * i..4 * i + 4]) as usize;
        let image = &packed[word / 2 * 4..];
        let pairs = || image.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
        match word % 2 {
            0 => image.iter().map(|v| u16::from(*v)).take(pixels).collect(),
            _ => pairs().take(pixels).collect(),
        }
    }

    #[test]
    fn images_of_both_depths_lie_side_by_side_as_they_are() {
        // Odd sizes, and images that begin and end within blocks.
        for pixels in [1, 7, BLOCK / 2 - 3, BLOCK, 3 * BLOCK + 5] {
            let bytes: Vec<u8> = (0..pixels).map(|i| (i * 7) as u8).collect();
            let words: Vec<u16> = (0..pixels).map(|i| (i * 77) as u16).collect();
            let images = [Grey::Bytes(&bytes), Grey::Words(&words), Grey::Bytes(&bytes)];
            let wide: Vec<u16> = bytes.iter().map(|v| u16::from(*v)).collect();
            let found = packed(5, pixels, &images);
            for (i, expected) in
                [&wide, &words, &wide, &vec![0; pixels], &vec![0; pixels]].iter().enumerate()
            {
                assert!(greys(&found, i, pixels) == **expected, "image {i} of {pixels} pixels");
            }
            let other = packed(5, pixels, &images[..1]);
            assert_eq!(greys(&other, 0, pixels), wide);
        }
    }

    #[test]
    fn what_8_bits_hold_travels_in_8() {
        let bytes = [9; 100];
        assert_eq!(packed(2, 100, &[Grey::Bytes(&bytes); 2]).len(), 8 + 200 + 4);
        assert_eq!(packed(2, 100, &[]).len(), 8 + 100 + 4);
        assert_eq!(packed(2, 100, &[Grey::Words(&[9; 100]); 2]).len(), 4 * Warp::words(2, 100));
    }
}
