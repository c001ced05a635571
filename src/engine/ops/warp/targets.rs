//! Masks and boxes in the view of their image.

use super::Warp;
use crate::{
    Error, Result,
    gpu::{Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const MASK: Kernel<Mask> = kernel!("warp/mask");
const BOXES: Kernel<Boxes> = kernel!("warp/boxes");
params! { struct Mask { samples: u32, height: u32, width: u32, stride: u32 } }
params! { struct Boxes { samples: u32, boxes: u32, height: u32, width: u32 } }

impl Warp {
    /// Records the masks of a batch in the view that [`Warp::forward`] shows in the same step.
    ///
    /// Shapes: mask `[N, H·W]`, or `[N·H·W]` without padding between images → `[N, H, W, 1]`: at each pixel
    /// the nearest one of the image, 0 outside.
    ///
    /// # Errors
    /// Shapes that do not fit, or more than the adapter binds at once.
    pub fn mask(
        &self,
        rec: &Recording,
        mask: &Tensor,
        [n, h, w]: [usize; 3],
        step: &Tensor,
    ) -> Result<Tensor> {
        let packed = mask.shape == [n * h * w];
        if n * h * w == 0 || (!packed && mask.shape != [n, h * w]) {
            let expected = format!("{n} masks of {h} × {w}");
            return Err(Error::shape("warp", expected, format!("{:?}", mask.shape)));
        }
        let views = self.views(rec, n, step)?;
        let y = Tensor::new(rec, &[n, h, w, 1]);
        let stride = if packed { h * w } else { 4 * mask.quads() };
        let [samples, height, width, stride] = [n, h, w, stride].map(|axis| axis as u32);
        let p = Mask { samples, height, width, stride };
        let cost =
            Cost { flops: 40 * (n * h * w) as u64, trips: 0, shape: format!("{n} × {h} × {w}") };
        let slices = [&mask.data, &views.data, &y.data];
        rec.launch(&MASK, &[], p, &slices, Gpu::grid(n * h * w), cost)?;
        Ok(y)
    }
    /// Records the boxes of a batch in the view that [`Warp::forward`] shows in the same step: corners and
    /// classes.
    ///
    /// Shapes: boxes `[N, G·5]` of x1 y1 x2 y2 class in pixels of images of H × W, a pixel reaching from its
    /// number to the next → corners `[N, G, 4]`, classes `[N, G]`. A rotated box becomes the upright one
    /// around it, clipped to the image. What is then less than a pixel wide or high gets class −1; places of
    /// class −1 are zeros.
    ///
    /// # Errors
    /// Shapes that do not fit, or more than the adapter binds at once.
    pub fn boxes(
        &self,
        rec: &Recording,
        boxes: &Tensor,
        [n, h, w]: [usize; 3],
        step: &Tensor,
    ) -> Result<[Tensor; 2]> {
        let count = boxes.channels() / 5;
        if n * count == 0 || boxes.shape != [n, 5 * count] {
            let expected = format!("boxes [{n}, G·5]");
            return Err(Error::shape("warp", expected, format!("{:?}", boxes.shape)));
        }
        let views = self.views(rec, n, step)?;
        let (corners, classes) = (Tensor::new(rec, &[n, count, 4]), Tensor::new(rec, &[n, count]));
        let [samples, boxes_a_film, height, width] = [n, count, h, w].map(|axis| axis as u32);
        let p = Boxes { samples, boxes: boxes_a_film, height, width };
        let cost = Cost {
            flops: 60 * (n * count) as u64,
            trips: 0,
            shape: format!("{n} × {count} boxes"),
        };
        let slices = [&boxes.data, &views.data, &corners.data, &classes.data];
        let grid = Gpu::grid(n * classes.quads());
        rec.launch(&BOXES, &[], p, &slices, grid, cost)?;
        Ok([corners, classes])
    }
}
