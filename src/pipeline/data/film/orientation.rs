//! EXIF's orientation (tag 274): how a picture is to be turned or mirrored before it is looked at.

use std::{
    io::{BufRead, BufReader, Cursor, Seek},
    ops::Sub,
    path::Path,
};

use super::image::{Decoded, Greys};

/// One of EXIF's eight orientations. A film is decoded upright; its annotations and predictions lie on it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation(u32);

impl Orientation {
    /// Reads the orientation of an image file: 1, upright as it is stored, where the file says nothing
    /// or cannot be read.
    pub fn read(path: &Path) -> Self {
        std::fs::File::open(path).map_or(Self(1), |file| Self::within(BufReader::new(file)))
    }

    /// Reads the orientation in the bytes of an image file.
    pub(in crate::data) fn of(bytes: &[u8]) -> Self {
        Self::within(Cursor::new(bytes))
    }

    fn within(mut file: impl BufRead + Seek) -> Self {
        let tags = exif::Reader::new().read_from_container(&mut file).ok();
        let tag = tags.and_then(|tags| {
            tags.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?.value.get_uint(0)
        });
        Self(tag.filter(|tag| (1..=8).contains(tag)).unwrap_or(1))
    }

    /// The value of the tag, 1 to 8.
    pub fn tag(self) -> u32 {
        self.0
    }

    /// Width and height as they are stored, of a film of `size` upright, and the other way round.
    pub fn upright_size(self, [width, height]: [usize; 2]) -> [usize; 2] {
        if self.0 >= 5 { [height, width] } else { [width, height] }
    }

    /// Place at which the point `x y` of the upright film is stored; `right bottom` is the last point that
    /// is stored.
    fn stored<T: Copy + Sub<Output = T>>(self, [x, y]: [T; 2], [right, bottom]: [T; 2]) -> [T; 2] {
        match self.0 {
            2 => [right - x, y],
            3 => [right - x, bottom - y],
            4 => [x, bottom - y],
            5 => [y, x],
            6 => [y, bottom - x],
            7 => [right - y, bottom - x],
            8 => [right - y, x],
            _ => [x, y],
        }
    }

    /// Place among the stored pixels of each pixel of an upright film of `size`, row by row.
    fn places(self, size: [usize; 2]) -> impl Iterator<Item = usize> {
        let [width, height] = self.upright_size(size);
        let pixels = (0..size[1]).flat_map(move |y| (0..size[0]).map(move |x| [x, y]));
        pixels.map(move |pixel| {
            let [x, y] = self.stored(pixel, [width - 1, height - 1]);
            y * width + x
        })
    }

    /// Turns a film from its stored pixels to how it is looked at.
    pub(in crate::data) fn upright(self, film: Decoded) -> Decoded {
        if self.0 == 1 {
            return film;
        }
        let size = self.upright_size(film.size);
        let greys = match &film.greys {
            Greys::Bytes(stored) => Greys::Bytes(self.upright_pixels(stored, size)),
            Greys::Words(stored) => Greys::Words(self.upright_pixels(stored, size)),
            Greys::Made(stored) => Greys::Made(self.upright_pixels(stored, size)),
        };
        Decoded { size, greys, ..film }
    }

    /// The pixels of an upright film of `size`, from the stored ones.
    fn upright_pixels<T: Copy>(self, stored: &[T], size: [usize; 2]) -> Vec<T> {
        self.places(size).map(|place| stored[place]).collect()
    }

    /// The mask on the stored pixels of a mask on the upright film of `size`.
    pub fn stored_mask(self, mask: &[bool], size: [usize; 2]) -> Vec<bool> {
        let mut stored = vec![false; mask.len()];
        self.places(size).zip(mask).for_each(|(place, value)| stored[place] = *value);
        stored
    }

    /// The box on the stored pixels of a box `x1 y1 x2 y2` on the upright film of `size`.
    pub fn stored_box(self, [x1, y1, x2, y2]: [f64; 4], size: [usize; 2]) -> [f64; 4] {
        let last = self.upright_size(size).map(|side| side as f64);
        let [[ax, ay], [bx, by]] = [[x1, y1], [x2, y2]].map(|corner| self.stored(corner, last));
        [ax.min(bx), ay.min(by), ax.max(bx), ay.max(by)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A box drawn on an upright film and the same box on the stored pixels are the same pixels.
    #[test]
    fn boxes_and_masks_go_back_together() {
        let size = [7, 5];
        let corners = [1, 2, 4, 3];
        let inside = |[x1, y1, x2, y2]: [usize; 4], [width, height]: [usize; 2]| -> Vec<bool> {
            let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            pixels.map(|(x, y)| (x1..x2).contains(&x) && (y1..y2).contains(&y)).collect()
        };
        for orientation in (1..=8).map(Orientation) {
            let stored = orientation.stored_box(corners.map(|v| v as f64), size);
            let expected = inside(stored.map(|v| v as usize), orientation.upright_size(size));
            assert_eq!(orientation.stored_mask(&inside(corners, size), size), expected);
        }
    }

    #[test]
    fn a_film_and_its_mask_are_turned_in_opposite_ways() {
        for orientation in (1..=8).map(Orientation) {
            let size = orientation.upright_size([3, 2]);
            let upright = orientation.upright_pixels(&[0, 1, 2, 3, 4, 5], size);
            let mask: Vec<bool> = upright.iter().map(|v| *v > 2).collect();
            let stored = orientation.stored_mask(&mask, size);
            assert_eq!(stored, [false, false, false, true, true, true], "{orientation:?}");
        }
    }
}
