//! Anchors: boxes of set sizes and shapes around every place of the feature maps.

use crate::Result;
use mtpret_engine::{
    gpu::Gpu,
    tensor::{Array, Tensor},
};

/// Side of the square anchor of each level, P2 to P6, in pixels.
const SIDES: [f32; 5] = [32.0, 64.0, 128.0, 256.0, 512.0];
/// Ratios of height to width of the anchors at a place.
const RATIOS: [f32; 3] = [0.5, 1.0, 2.0];
/// Number of anchors at a place of a map.
pub const ANCHORS: usize = RATIOS.len();

/// Number of anchors of an image of `size` (height, width) on all levels, each map half as large as the
/// one before, rounded up.
pub fn count(size: [usize; 2]) -> usize {
    let places = |level: u32| size.iter().map(|side| side.div_ceil(1 << level)).product::<usize>();
    ANCHORS * (2..7).map(places).sum::<usize>()
}

/// The corners x1 y1 x2 y2 of the anchors of a level's map with `[h, w]` places, by (y, x, anchor), of an image of `size`
/// (height, width): an anchor's centre lies at (x · stride, y · stride), without half a pixel more; its corners are
/// rounded to whole pixels, halves to even.
pub fn corners(level: usize, places: [usize; 2], size: [usize; 2]) -> Vec<f64> {
    of_map(SIDES[level], places, size)
}

/// The anchors of every level, on the device.
pub struct Anchors {
    /// Anchors of each level, `[1, H·W·A, 4]`, by (y, x, anchor).
    pub levels: [Tensor; 5],
    /// Anchors of all levels one after the other, `[1, A, 4]`.
    pub all: Tensor,
}

impl Anchors {
    /// Uploads the anchors for maps of `[H, W]` places each, of an image of `size` (height, width),
    /// as torchvision's `AnchorGenerator`.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn upload(gpu: &Gpu, maps: [[usize; 2]; 5], size: [usize; 2]) -> Result<Self> {
        let of_level = |level: usize| corners(level, maps[level], size);
        let levels: [Vec<f64>; 5] = std::array::from_fn(of_level);
        let upload = |corners: &[f64]| {
            Tensor::upload(gpu, &Array::new(&[1, corners.len() / 4, 4], corners.to_vec()))
        };
        let all = upload(&levels.concat())?;
        let [a, b, c, d, e] = levels.each_ref().map(|corners| upload(corners));
        Ok(Self { levels: [a?, b?, c?, d?, e?], all })
    }
}

/// Corners as [`corners`] gives them, of anchors whose square one has this side.
fn of_map(side: f32, [h, w]: [usize; 2], [height, width]: [usize; 2]) -> Vec<f64> {
    let shapes = RATIOS.map(|ratio| {
        let (tall, wide) = (side * ratio.sqrt(), side * (1.0 / ratio.sqrt()));
        [-wide, -tall, wide, tall].map(|v| f64::from((v / 2.0).round_ties_even()))
    });
    let stride = [height / h, width / w];
    let mut corners = Vec::with_capacity(4 * ANCHORS * h * w);
    for y in 0..h {
        for x in 0..w {
            let at = [(x * stride[1]) as f64, (y * stride[0]) as f64];
            for shape in shapes {
                corners.extend((0..4).map(|i| at[i % 2] + shape[i]));
            }
        }
    }
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_torchvisions() {
        // AnchorGenerator(((32,), (512,)), ((0.5, 1.0, 2.0),) * 2).cell_anchors
        let small = [[-23., -11., 23., 11.], [-16., -16., 16., 16.], [-11., -23., 11., 23.]];
        let large =
            [[-362., -181., 362., 181.], [-256., -256., 256., 256.], [-181., -362., 181., 362.]];
        assert_eq!(of_map(32.0, [1, 1], [4, 4]), small.concat());
        assert_eq!(of_map(512.0, [1, 1], [64, 64]), large.concat());
    }

    #[test]
    fn anchors_lie_by_row_column_and_shape() {
        let anchors = of_map(32.0, [2, 3], [9, 12]);
        let at = |y: usize, x: usize, a: usize| &anchors[4 * ((y * 3 + x) * 3 + a)..][..4];
        assert_eq!(at(0, 0, 1), [-16.0, -16.0, 16.0, 16.0]);
        assert_eq!(at(0, 2, 1), [-8.0, -16.0, 24.0, 16.0]);
        // The stride is the image's size by the map's, rounded down.
        assert_eq!(at(1, 0, 0), [-23.0, -7.0, 23.0, 15.0]);
    }
}
